/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Changing forwards: in the files and in the kernel, all or none. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "inside.h"
#include "trial.h"

/* One change under way, and what undoes it. */
struct work {
	struct pfw_change change;	/* with the origin where the file has it */
	struct pfw_forward old;		/* name NULL: there was none */
	bool done;
};

static int prepare(struct pfw_engine *engine, const struct pfw_change *changes, size_t n,
		   struct work *work, struct pfw_error *err)
{
	uint32_t id;
	size_t i;

	for (i = 0; i < n; i++) {
		work[i].change = changes[i];
		id = pfw_ruleset_find(&engine->ruleset, changes[i].name);
		if (id != PFW_INDEX_NONE)
			work[i].old = engine->ruleset.forwards[id];
		else if (changes[i].what == PFW_DROP)
			return pfw_fail(err, PFW_NOT_FOUND, -ENOENT, "there is no forward \"%s\"",
					changes[i].name);
		work[i].change.forward.name = changes[i].name;
		if (work[i].old.name)
			work[i].change.forward.origin = work[i].old.origin;
		else if (changes[i].forward.origin.file != PFW_ORIGIN_RUNTIME)
			work[i].change.forward.origin = (struct pfw_origin){ PFW_ORIGIN_NONE, 0 };
	}
	return 0;
}

static int touch(const struct pfw_engine *engine, const struct work *work, size_t n,
		 struct pfw_touched *keys, struct pfw_error *err)
{
	const struct pfw_forward **forwards = calloc(2 * n + 1, sizeof(*forwards));
	size_t i, n_forwards = 0;
	int ret;

	if (!forwards)
		return pfw_fail_memory(err);
	for (i = 0; i < n; i++) {
		if (work[i].old.name)
			forwards[n_forwards++] = &work[i].old;
		if (work[i].change.what == PFW_PUT)
			forwards[n_forwards++] = &work[i].change.forward;
	}
	ret = pfw_plan_touch(&engine->plan, forwards, n_forwards, keys, err);
	free(forwards);
	return ret;
}

static void drop(struct pfw_engine *engine, const char *name)
{
	uint32_t id = pfw_ruleset_find(&engine->ruleset, name);

	if (id == PFW_INDEX_NONE)
		return;
	pfw_plan_drop(&engine->plan, id);
	pfw_ruleset_drop(&engine->ruleset, id);
}

/* Takes the changes back; what stood before fits again once all that is new is gone. */
static void undo(struct pfw_engine *engine, struct work *work, size_t n)
{
	struct pfw_error ignored = PFW_ERROR_INIT;
	uint32_t id;
	size_t i;

	for (i = 0; i < n; i++)
		if (work[i].done)
			drop(engine, work[i].change.name);
	for (i = 0; i < n; i++) {
		if (work[i].done && work[i].old.name &&
		    !pfw_ruleset_put_shallow(&engine->ruleset, &work[i].old, &id))
			pfw_plan_put(&engine->plan, id, &ignored);
		work[i].done = false;
	}
}

/* A forward that comes, which the backend must be able to express. */
static int put(struct pfw_engine *engine, const struct pfw_forward *forward, struct pfw_error *err)
{
	const struct pfw_backend *ops = engine->backends[ENGINE_PACKETS].ops;
	uint32_t id;
	int ret;

	if (pfw_ruleset_put(&engine->ruleset, forward, &id))
		return pfw_fail_memory(err);
	ret = pfw_plan_put(&engine->plan, id, err);
	engine_note_expiry(engine, forward);
	forward = &engine->ruleset.forwards[id];
	if (!ret && ops->refuse && pfw_plan_active(&engine->plan, forward))
		ret = ops->refuse(&engine->plan, forward, err);
	return ret;
}

/*
 * First everything that goes, then everything that comes, so that forwards
 * of one request may exchange their keys.
 */
static int mutate(struct pfw_engine *engine, struct work *work, size_t n, struct pfw_error *err)
{
	int ret = 0;
	size_t i;

	for (i = 0; i < n; i++) {
		drop(engine, work[i].change.name);
		work[i].done = true;
	}
	for (i = 0; !ret && i < n; i++)
		if (work[i].change.what == PFW_PUT)
			ret = put(engine, &work[i].change.forward, err);
	if (ret)
		undo(engine, work, n);
	return ret;
}

static int stage(struct pfw_engine *engine, const struct work *work, size_t n,
		 struct pfw_error *err)
{
	struct pfw_change *changes = calloc(n + 1, sizeof(*changes));
	uint32_t id;
	size_t i;
	int ret;

	if (!changes)
		return pfw_fail_memory(err);
	for (i = 0; i < n; i++) {
		changes[i] = work[i].change;
		changes[i].was = work[i].old.name ? &work[i].old : NULL;
	}
	ret = pfw_store_stage(engine->store, changes, n, err);
	for (i = 0; !ret && i < n; i++) {
		id = pfw_ruleset_find(&engine->ruleset, changes[i].name);
		if (id != PFW_INDEX_NONE)
			engine->ruleset.forwards[id].origin = changes[i].forward.origin;
	}
	free(changes);
	return ret;
}

/*
 * Applies, and commits the files. holds: the kernel is known to hold what before says;
 * where it turns out not to, it is read and the difference is made from that, and *planned
 * keeps what before said.
 */
static int apply(struct pfw_engine *engine, const struct pfw_touched *keys, bool holds,
		 struct side sides[ENGINE_BACKENDS], struct pfw_image *planned,
		 struct pfw_error *err)
{
	unsigned int attempt;
	int ret = -ESTALE;

	for (attempt = 0; ret == -ESTALE && attempt < ENGINE_ATTEMPTS; attempt++) {
		pfw_error_clear(err);
		ret = side_fill(engine, ENGINE_PACKETS, holds ? keys : NULL, !holds,
				&sides[ENGINE_PACKETS], err);
		if (!ret)
			ret = side_fill_gone(engine, ENGINE_OTHER, &sides[ENGINE_OTHER], err);
		if (!ret)
			ret = sides_apply(engine, sides, err);
		if (ret == -ESTALE && holds) {
			*planned = sides[ENGINE_PACKETS].before;
			sides[ENGINE_PACKETS].before = (struct pfw_image){ 0 };
		}
		holds = false;
	}
	if (ret == -ESTALE)
		return refuse_restless(engine, err);
	return ret ? ret : engine_commit(engine, sides, err);
}

/* Lets the kernel check what would be sent to it. */
static int try_out(struct pfw_engine *engine, const struct pfw_touched *keys, bool holds,
		   struct side sides[ENGINE_BACKENDS], struct pfw_error *err)
{
	const struct engine_backend *to = &engine->backends[ENGINE_PACKETS];
	struct side *side = &sides[ENGINE_PACKETS];
	int ret;

	ret = side_fill(engine, ENGINE_PACKETS, holds ? keys : NULL, !holds, side, err);
	if (!ret)
		ret = to->ops->apply(to->handle, &side->after, &side->difference, true, err);
	if (ret == -ESTALE && holds)
		return try_out(engine, keys, false, sides, err);
	return ret ? ret : side_fill_gone(engine, ENGINE_OTHER, &sides[ENGINE_OTHER], err);
}

static int make_changes(struct pfw_engine *engine, struct work *work, size_t n,
			const struct pfw_manner *manner, struct pfw_report *report,
			struct pfw_error *err)
{
	const struct engine_backend *to = &engine->backends[ENGINE_PACKETS];
	struct side sides[ENGINE_BACKENDS] = { 0 };
	struct pfw_image planned = { 0 };
	struct pfw_touched keys = { 0 };
	const bool forwarded = engine->plan.keys.live, draining = engine->plan.facts.draining;
	bool holds = false;
	int ret;

	ret = touch(engine, work, n, &keys, err);
	/* Without a change the question is whether the kernel has all of it; the stamp cannot tell. */
	if (!ret && n && to->ops->holds)
		ret = to->ops->holds(to->handle, &engine->plan, &holds, err);
	if (!ret)
		ret = to->ops->compile(&engine->plan, &keys,
				       holds ? &sides[ENGINE_PACKETS].before : &planned, err);
	if (!ret)
		ret = mutate(engine, work, n, err);
	if (ret)
		goto out;
	if (manner->drain && ((forwarded && !engine->plan.keys.live) ||
			      engine->plan.facts.localnet_held.n))
		engine->plan.facts.draining = true;
	ret = side_fill_host(engine, &sides[ENGINE_HOST], err);
	if (!ret && !manner->dry_run)
		ret = stage(engine, work, n, err);
	if (!ret)
		ret = manner->dry_run ? try_out(engine, &keys, holds, sides, err) :
					apply(engine, &keys, holds, sides, &planned, err);
	if (!ret && !manner->dry_run)
		engine_cut(engine, sides, &planned, &engine->plan, manner->drain, report);
	/* What failed half-way may not have been put back. */
	engine->compared = engine->compared && (!ret || manner->dry_run);
	if (ret || manner->dry_run) {
		pfw_store_abort(engine->store);
		undo(engine, work, n);
		engine->plan.facts.draining = draining;
	}
	if (!ret)
		ret = sides_report(engine, sides, report, err);
	if (!ret)
		ret = engine_tell_unguarded(engine, &sides[ENGINE_HOST], report, err);
	if (!ret)
		ret = engine_tell_fallback(engine, report, err);
	if (!ret)
		ret = engine_tell_notice(engine, report, err);
	if (!ret && !manner->dry_run)
		ret = trial_keep(engine, manner, report, err);
	if (!ret)
		ret = trial_tell(engine, report, err);
out:
	pfw_image_free(&planned);
	pfw_touched_free(&keys);
	sides_free(sides);
	return ret;
}

static bool is_changed(const struct pfw_change *changes, size_t n, const char *name)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (!strcmp(changes[i].name, name))
			return true;
	return false;
}

/* Whether the change is written to this file. */
static bool is_written_to(const struct pfw_engine *engine, const struct pfw_change *change,
			  uint32_t file)
{
	uint32_t id = pfw_ruleset_find(&engine->ruleset, change->name);

	if (id != PFW_INDEX_NONE)
		return engine->ruleset.forwards[id].origin.file == file;
	if (change->forward.origin.file == PFW_ORIGIN_RUNTIME)
		return pfw_store_is_runtime(engine->store, file);
	return file == 0;
}

static bool is_file_changed(const struct pfw_engine *engine, const struct pfw_change *changes,
			    size_t n, uint32_t file)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (is_written_to(engine, &changes[i], file))
			return true;
	return false;
}

/*
 * What has expired is in the kernel no more; whoever saves a file takes it out of that
 * file too. What is disabled waits for its administrator.
 */
static size_t find_expired(const struct pfw_engine *engine, const struct pfw_change *changes,
			   size_t n, struct pfw_change *ret)
{
	const struct pfw_forward *forward;
	size_t found = 0;
	uint32_t id;

	if (engine->first_expiry > engine->plan.facts.now)
		return 0;
	for (id = 0; id < engine->ruleset.n_forwards; id++) {
		forward = &engine->ruleset.forwards[id];
		if (!forward->name || !forward->enabled || !forward->expires ||
		    forward->expires > engine->plan.facts.now ||
		    is_changed(changes, n, forward->name) ||
		    !is_file_changed(engine, changes, n, forward->origin.file))
			continue;
		if (ret)
			ret[found] = (struct pfw_change){ .what = PFW_DROP, .name = forward->name };
		found++;
	}
	return found;
}

/* Nobody asked for this, so it is told. */
static int tell_expired(const struct pfw_change *expired, size_t n, struct pfw_report *report,
			struct pfw_error *err)
{
	struct pfw_buffer text = { 0 };
	size_t i;
	int ret;

	if (!n)
		return 0;
	pfw_buffer_puts(&text, "had expired and left the files: ");
	for (i = 0; i < n && i < 10; i++)
		pfw_buffer_printf(&text, "%s\"%s\"", i ? ", " : "", expired[i].name);
	if (n > 10)
		pfw_buffer_printf(&text, " and %zu more", n - 10);
	ret = text.failed ? pfw_fail_memory(err) : report_warn(report, err, "%s", text.data);
	pfw_buffer_free(&text);
	return ret;
}

int pfw_engine_change(struct pfw_engine *engine, const struct pfw_change *changes, size_t n,
		      const struct pfw_manner *manner, struct pfw_report *report,
		      struct pfw_error *err)
{
	size_t n_all = n + (n ? find_expired(engine, changes, n, NULL) : 0);
	struct pfw_change *all = calloc(n_all + 1, sizeof(*all));
	struct work *work = calloc(n_all + 1, sizeof(*work));
	int ret;

	if (!all || !work) {
		ret = pfw_fail_memory(err);
		goto out;
	}
	ret = manner->dry_run ? 0 : trial_refuse(engine, err);
	if (ret)
		goto out;
	if (n) {
		memcpy(all, changes, n * sizeof(*all));
		find_expired(engine, changes, n, all + n);
	}
	ret = prepare(engine, all, n_all, work, err);
	if (!ret)
		ret = make_changes(engine, work, n_all, manner, report, err);
	if (!ret)
		ret = tell_expired(all + n, n_all - n, report, err);
out:
	free(all);
	free(work);
	return ret;
}
