/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What concerns the whole ruleset: reload, flush, export. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "inside.h"
#include "picture.h"
#include "trial.h"

/*
 * The difference; whoever wants the last forward's connections to finish keeps a bare table, and
 * those to the loopback their way in.
 */
static int fill_packets(struct pfw_engine *engine, bool drain, bool read, struct side *side,
			struct pfw_error *err)
{
	bool *draining = &engine->plan.facts.draining;
	int ret;

	*draining = drain && (*draining || engine->plan.facts.localnet_held.n);
	ret = side_fill(engine, ENGINE_PACKETS, NULL, read, side, err);
	if (ret || !drain || *draining || engine->plan.keys.live || !side->before.n_items)
		return ret;
	*draining = true;
	return side_fill(engine, ENGINE_PACKETS, NULL, false, side, err);
}

/* The difference by what the kernel told; -ESTALE: it is not enough. */
static int fill_told(struct pfw_engine *engine, const struct pfw_told *told, struct side *side,
		     struct pfw_error *err)
{
	const struct engine_backend *to = &engine->backends[ENGINE_PACKETS];
	int ret;

	if (!engine->compared || !to->ops->recheck || engine->backends[ENGINE_OTHER].ops)
		return -ESTALE;
	ret = to->ops->recheck(to->handle, &engine->plan, told, &side->before, &side->after, err);
	return ret ? ret : pfw_difference_make(&side->before, &side->after, &side->difference, err);
}

/*
 * Puts back what others are told to have done. -ESTALE: there may be more, or they go on with it.
 */
static int put_back(struct pfw_engine *engine, const struct pfw_told *told,
		    struct side sides[ENGINE_BACKENDS], struct pfw_error *err)
{
	int ret = fill_told(engine, told, &sides[ENGINE_PACKETS], err);

	if (!ret)
		ret = side_fill_host(engine, &sides[ENGINE_HOST], err);
	return ret ? ret : sides_apply(engine, sides, err);
}

/*
 * Makes all sides what they should be, or has the kernel check whether it would take that.
 * *ret_pictured: what stood before is known by a picture that counts.
 */
static int bring_all_about(struct pfw_engine *engine, const struct pfw_manner *manner,
			   struct side sides[ENGINE_BACKENDS], bool *ret_pictured,
			   struct pfw_error *err)
{
	const struct engine_backend *to = &engine->backends[ENGINE_PACKETS];
	struct side *packets = &sides[ENGINE_PACKETS];
	/* Whom an administrator lets finish, nobody else cuts off. */
	const bool drain = manner->drain || (manner->unasked && engine->plan.facts.draining);
	bool known = false;
	unsigned int attempt;
	int ret = picture_load(engine, &packets->before, &known, err);

	for (attempt = 0; attempt ? ret == -ESTALE && attempt < ENGINE_ATTEMPTS : !ret; attempt++) {
		pfw_error_clear(err);
		known = known && !attempt;
		ret = fill_packets(engine, drain, !known, packets, err);
		if (!ret)
			ret = side_fill_gone(engine, ENGINE_OTHER, &sides[ENGINE_OTHER], err);
		if (!ret)
			ret = side_fill_host(engine, &sides[ENGINE_HOST], err);
		if (!ret && manner->dry_run)
			ret = to->ops->apply(to->handle, &packets->after, &packets->difference,
					     true, err);
		else if (!ret)
			ret = sides_apply(engine, sides, err);
	}
	if (ret == -ESTALE)
		ret = refuse_restless(engine, err);
	*ret_pictured = known;
	return ret;
}

/* *ret_whole: the sides have all that there is. */
static int bring_about(struct pfw_engine *engine, const struct pfw_manner *manner,
		       struct side sides[ENGINE_BACKENDS], bool *ret_pictured, bool *ret_whole,
		       struct pfw_error *err)
{
	int ret = -ESTALE;

	if (manner->told && !manner->dry_run)
		ret = put_back(engine, manner->told, sides, err);
	*ret_whole = ret == -ESTALE;
	if (ret != -ESTALE)
		return ret;
	pfw_error_clear(err);
	sides_free(sides);
	return bring_all_about(engine, manner, sides, ret_pictured, err);
}

int pfw_engine_reload(struct pfw_engine *engine, const struct pfw_manner *manner,
		      struct pfw_report *report, struct pfw_error *err)
{
	struct side sides[ENGINE_BACKENDS] = { 0 };
	const bool draining = engine->plan.facts.draining;
	const bool compared = engine->compared;
	bool pictured = false, whole = true;
	int ret = 0;

	engine->fresh = engine->fresh && manner->dry_run;
	if (!manner->dry_run)
		ret = pfw_store_stage_draft(engine->store, err);
	if (!ret && manner->confirm && !manner->dry_run)
		ret = trial_begin(engine, manner->confirm, err);
	if (!ret)
		ret = bring_about(engine, manner, sides, &pictured, &whole, err);
	if (!ret && !manner->dry_run)
		ret = engine_commit(engine, sides, err);
	if (ret || manner->dry_run) {
		pfw_store_abort(engine->store);
		engine->plan.facts.draining = draining;
		trial_cancel(engine);
		engine->compared = compared && manner->dry_run;
	} else {
		engine->compared = true;
		engine->drafted = false;
		engine_cut(engine, sides, NULL, &engine->plan, manner->drain, report);
		if (whole && (!pictured || sides[ENGINE_PACKETS].difference.n_steps))
			picture_save(engine, &sides[ENGINE_PACKETS].after);
	}
	if (!ret)
		ret = sides_report(engine, sides, report, err);
	if (!ret)
		ret = engine_tell_unguarded(engine, &sides[ENGINE_HOST], report, err);
	if (!ret)
		ret = engine_tell_fallback(engine, report, err);
	if (!ret)
		ret = engine_tell_unowned(engine, report, err);
	if (!ret)
		ret = engine_tell_notice(engine, report, err);
	engine->bulky |= whole;
	if (!ret && !manner->dry_run)
		ret = trial_keep(engine, manner, report, err);
	if (!ret)
		ret = trial_tell(engine, report, err);
	trial_done(engine);
	sides_free(sides);
	return ret;
}

/* From what was read of it before, unless that is old by now. */
static int clear_packets(struct pfw_engine *engine, unsigned int backend, struct side *side,
			 bool dry_run, struct pfw_error *err)
{
	const struct engine_backend *to = &engine->backends[backend];
	unsigned int attempt;
	int ret = -ESTALE;

	for (attempt = 0; ret == -ESTALE && attempt < ENGINE_ATTEMPTS; attempt++) {
		pfw_error_clear(err);
		ret = attempt ? side_fill_gone(engine, backend, side, err) : 0;
		if (!ret && side->difference.n_steps && !dry_run)
			ret = to->ops->apply(to->handle, &side->after, &side->difference, false,
					     err);
	}
	if (ret == -ESTALE)
		ret = refuse_restless(engine, err);
	return ret;
}

/* The other way round than everything comes: routing goes off while the guard stands still. */
static int clear_all(struct pfw_engine *engine, struct side sides[ENGINE_BACKENDS], bool dry_run,
		     struct pfw_error *err)
{
	const struct engine_backend *host = &engine->backends[ENGINE_HOST];
	struct side *side = &sides[ENGINE_HOST];
	unsigned int i;
	int ret = 0;

	/* Before anything is changed, for it takes the locks that others may hold. */
	for (i = 0; !ret && i < ENGINE_BACKENDS; i++)
		ret = side_fill_gone(engine, i, &sides[i], err);
	if (!ret && !dry_run)
		ret = host->ops->apply(host->handle, &side->after, &side->difference, false, err);
	if (ret)
		return ret;
	for (i = 0; !ret && i < ENGINE_PACKET_BACKENDS; i++)
		ret = clear_packets(engine, i, &sides[i], dry_run, err);
	if (!ret || dry_run)
		return ret;
	while (i-- > 1)
		side_take_back(engine, i - 1, &sides[i - 1], err);
	side_take_back(engine, ENGINE_HOST, side, err);
	return ret;
}

static int flush_locked(struct pfw_engine *engine, bool dry_run, struct pfw_report *report,
			bool *ret_forgot, struct pfw_error *err)
{
	struct side sides[ENGINE_BACKENDS] = { 0 };
	int ret = clear_all(engine, sides, dry_run, err);

	if (!ret && !dry_run) {
		engine_cut(engine, sides, NULL, NULL, false, report);
		picture_remove(engine);
		free(engine->state.config);
		engine->state.config = NULL;
		engine->state.backend = NULL;
		engine->state.moving = false;
		engine->state.draining = false;
		ret = state_save(&engine->state, &engine->state.host, err);
		if (!ret)
			ret = state_forget_runtime(&engine->state, ret_forgot, err);
		if (!ret)
			state_tidy(&engine->state);
	}
	if (!ret)
		ret = sides_report(engine, sides, report, err);
	sides_free(sides);
	return ret;
}

int pfw_engine_flush(struct pfw_engine *engine, bool dry_run, struct pfw_report *report,
		     bool *ret_forgot, struct pfw_error *err)
{
	/* The files may be broken or gone: a flush must work all the same. */
	int ret = engine_lock_state(engine, !dry_run, err);

	engine_close_backends(engine);
	if (!ret)
		ret = engine_open_all(engine, err);
	if (!ret)
		ret = engine_gather_facts(engine, err);
	return ret ? ret : flush_locked(engine, dry_run, report, ret_forgot, err);
}

static const struct pfw_text_format *find_format(const char *name,
						  const struct pfw_backend **ret_ops)
{
	const struct pfw_text_format *format;
	size_t i;

	for (i = 0; pfw_backends[i]; i++)
		for (format = pfw_backends[i]->formats; format && format->name; format++)
			if (!strcmp(format->name, name)) {
				*ret_ops = pfw_backends[i];
				return format;
			}
	return NULL;
}

int pfw_engine_export(struct pfw_engine *engine, const char *name, struct pfw_buffer *ret,
		      struct pfw_error *err)
{
	const struct pfw_backend *ops;
	const struct pfw_text_format *format = find_format(name, &ops);
	struct pfw_image image = { 0 };
	int code;

	if (!format)
		return pfw_fail(err, PFW_FAILED, -EINVAL,
				"this portfwd was built without a backend that has the format "
				"\"%.60s\"", name);
	code = engine_refuse(engine, ops, err);
	if (!code && !engine->facts.links.n)
		code = pfw_host_links(&engine->facts.links, err);
	engine->plan.facts.links = engine->facts.links;
	if (!code)
		code = ops->compile(&engine->plan, NULL, &image, err);
	if (code)
		return code;
	format->write(&image, ret);
	pfw_image_free(&image);
	return ret->failed ? pfw_fail_memory(err) : 0;
}
