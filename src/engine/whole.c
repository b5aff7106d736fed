/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What concerns the whole ruleset: reload, flush, looking at the kernel, export. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "inside.h"

/*
 * The difference; whoever wants the last forward's connections to finish keeps a bare table, and
 * those to the loopback their way in.
 */
static int fill_packets(struct pfw_engine *engine, bool drain, struct side *side,
			struct pfw_error *err)
{
	bool *draining = &engine->plan.facts.draining;
	int ret;

	*draining = drain && (*draining || engine->plan.facts.localnet_held.n);
	ret = side_fill(engine, ENGINE_PACKETS, NULL, true, side, err);
	if (ret || !drain || *draining || engine->plan.keys.live || !side->before.n_items)
		return ret;
	*draining = true;
	return side_fill(engine, ENGINE_PACKETS, NULL, false, side, err);
}

int pfw_engine_reload(struct pfw_engine *engine, const struct pfw_manner *manner,
		      struct pfw_report *report, struct pfw_error *err)
{
	const struct engine_backend *to = &engine->backends[ENGINE_PACKETS];
	struct side sides[ENGINE_BACKENDS] = { 0 }, *packets = &sides[ENGINE_PACKETS];
	const bool draining = engine->plan.facts.draining;
	unsigned int attempt;
	int ret = -ESTALE;

	for (attempt = 0; ret == -ESTALE && attempt < ENGINE_ATTEMPTS; attempt++) {
		pfw_error_clear(err);
		ret = fill_packets(engine, manner->drain, packets, err);
		if (!ret)
			ret = side_fill_host(engine, &sides[ENGINE_HOST], err);
		if (!ret && manner->dry_run)
			ret = to->ops->apply(to->handle, &packets->after, &packets->difference,
					     true, err);
		else if (!ret)
			ret = sides_apply(engine, sides, err);
	}
	if (ret == -ESTALE)
		ret = pfw_fail(err, PFW_FAILED, ret,
			       "the nf_tables ruleset keeps changing; nothing was changed, try again");
	if (!ret && !manner->dry_run) {
		ret = engine_remember_config(engine, err);
		if (ret)
			sides_take_back(engine, sides, err);
	}
	if (ret || manner->dry_run)
		engine->plan.facts.draining = draining;
	else
		side_cut(packets, to->ops, NULL, &engine->plan, manner->drain, report);
	if (!ret)
		ret = sides_report(engine, sides, report, err);
	if (!ret)
		ret = engine_tell_unguarded(engine, &sides[ENGINE_HOST], report, err);
	sides_free(sides);
	return ret;
}

/* What stands, and that nothing should. */
static int side_fill_gone(struct pfw_engine *engine, unsigned int backend, struct side *side,
			  struct pfw_error *err)
{
	const struct engine_backend *to = &engine->backends[backend];
	int ret;

	pfw_image_free(&side->before);
	pfw_difference_free(&side->difference);
	ret = to->ops->read(to->handle, &side->before, err);
	return ret ? ret : pfw_difference_make(&side->before, &side->after, &side->difference, err);
}

static int clear_packets(struct pfw_engine *engine, struct side *side, bool dry_run,
			 struct pfw_error *err)
{
	const struct engine_backend *to = &engine->backends[ENGINE_PACKETS];
	unsigned int attempt;
	int ret = -ESTALE;

	for (attempt = 0; ret == -ESTALE && attempt < ENGINE_ATTEMPTS; attempt++) {
		pfw_error_clear(err);
		ret = side_fill_gone(engine, ENGINE_PACKETS, side, err);
		if (!ret && !dry_run)
			ret = to->ops->apply(to->handle, &side->after, &side->difference, false,
					     err);
	}
	if (ret == -ESTALE)
		ret = pfw_fail(err, PFW_FAILED, ret,
			       "the nf_tables ruleset keeps changing; try again");
	return ret;
}

/* The other way round than everything comes: routing goes off while the guard stands still. */
static int clear_all(struct pfw_engine *engine, struct side sides[ENGINE_BACKENDS], bool dry_run,
		     struct pfw_error *err)
{
	const struct engine_backend *host = &engine->backends[ENGINE_HOST];
	struct side *side = &sides[ENGINE_HOST];
	int ret;

	ret = side_fill_gone(engine, ENGINE_HOST, side, err);
	if (!ret && !dry_run)
		ret = host->ops->apply(host->handle, &side->after, &side->difference, false, err);
	if (ret)
		return ret;
	ret = clear_packets(engine, &sides[ENGINE_PACKETS], dry_run, err);
	if (ret && !dry_run)
		side_take_back(engine, ENGINE_HOST, side, err);
	return ret;
}

static int flush_locked(struct pfw_engine *engine, bool dry_run, struct pfw_report *report,
			struct pfw_error *err)
{
	struct side sides[ENGINE_BACKENDS] = { 0 };
	int ret = clear_all(engine, sides, dry_run, err);

	if (!ret && !dry_run) {
		side_cut(&sides[ENGINE_PACKETS], engine->backends[ENGINE_PACKETS].ops, NULL, NULL,
			 false, report);
		free(engine->state.config);
		engine->state.config = NULL;
		engine->state.draining = false;
		ret = state_save(&engine->state, &engine->state.host, err);
		if (!ret)
			state_tidy(&engine->state);
	}
	if (!ret)
		ret = sides_report(engine, sides, report, err);
	sides_free(sides);
	return ret;
}

int pfw_engine_flush(struct pfw_engine *engine, bool dry_run, struct pfw_report *report,
		     struct pfw_error *err)
{
	struct state *state = &engine->state;
	int ret = 0;

	/* The files may be broken or gone: a flush must work all the same. */
	if (!state->folder) {
		ret = state_open(state, engine->run_dir, err);
		if (!ret)
			ret = state_lock(state, !dry_run, ENGINE_LOCK_SECONDS, err);
		if (!ret)
			ret = state_load(state, err);
	}
	if (!ret)
		ret = engine_open_backends(engine, err);
	if (!ret)
		ret = engine_gather_facts(engine, err);
	return ret ? ret : flush_locked(engine, dry_run, report, err);
}

static void mark_missing(const struct pfw_engine *engine, const struct pfw_backend *ops,
			 const struct pfw_difference *difference, struct pfw_view *view)
{
	const struct pfw_item *item;
	uint32_t id;
	size_t i;

	for (i = 0; i < difference->n_steps; i++) {
		item = difference->steps[i].after ? difference->steps[i].after :
						    difference->steps[i].before;
		if (item->owner) {
			id = pfw_ruleset_find(&engine->ruleset, item->owner);
			if (id != PFW_INDEX_NONE)
				view->missing[id] = true;
		} else if (difference->steps[i].after && strcmp(ops->kind(item), "element")) {
			/* Without its frame no forward works. */
			for (id = 0; id < engine->ruleset.n_forwards; id++)
				view->missing[id] = true;
		}
	}
}

/* Whether the guard that there should be stands as it should. */
static bool guard_stands(const struct pfw_engine *engine, const struct pfw_backend *ops,
			 const struct pfw_difference *difference)
{
	const struct pfw_step *step;
	size_t i;

	if (!ops->is_guard || (!pfw_plan_guards(&engine->plan, AF_INET) &&
			       !pfw_plan_guards(&engine->plan, AF_INET6)))
		return false;
	for (i = 0; i < difference->n_steps; i++) {
		step = &difference->steps[i];
		if (ops->is_guard(step->after ? step->after : step->before))
			return false;
	}
	return true;
}

/* Whether what comes from outside is kept from 127.0.0.0/8. */
static bool shield_stands(const struct pfw_engine *engine, const struct side *side)
{
	const struct pfw_backend *ops = engine->backends[ENGINE_PACKETS].ops;
	const struct pfw_step *step;
	size_t i;

	for (i = 0; ops->is_shield && i < side->difference.n_steps; i++) {
		step = &side->difference.steps[i];
		if (ops->is_shield(step->after ? step->after : step->before))
			return false;
	}
	return ops->is_shield && pfw_plan_localnet(&engine->plan);
}

/* The interfaces whose route_localnet portfwd has switched on, and which is on. */
static int take_localnets(const struct pfw_image *host, struct pfw_links *ret)
{
	char name[PFW_IFNAME_SIZE];
	const char *leaf;
	uint32_t i;

	for (i = 0; i < host->n_items; i++) {
		leaf = pfw_host_key_interface((const char *)pfw_item_key(&host->items[i]), name);
		if (leaf && !strcmp(leaf, "route_localnet") &&
		    strcmp((const char *)pfw_item_value(&host->items[i]), "0") &&
		    pfw_links_add(ret, name, 0, false))
			return -ENOMEM;
	}
	return 0;
}

static void add_counts(const struct pfw_engine *engine, const struct pfw_image *image,
		       struct pfw_view *view)
{
	uint32_t i, id;

	for (i = 0; i < image->n_items; i++) {
		if (!image->items[i].owner || !image->items[i].count)
			continue;
		id = pfw_ruleset_find(&engine->ruleset, image->items[i].owner);
		if (id != PFW_INDEX_NONE)
			view->connections[id] += image->items[i].count;
	}
}

int pfw_engine_look(struct pfw_engine *engine, struct pfw_view *ret, struct pfw_report *report,
		    struct pfw_error *err)
{
	struct side sides[ENGINE_BACKENDS] = { 0 };
	struct pfw_buffer unguarded = { 0 };
	size_t n = (size_t)engine->ruleset.n_forwards + 1;
	struct pfw_view view = {
		.missing = calloc(n, sizeof(*view.missing)),
		.connections = calloc(n, sizeof(*view.connections)),
	};
	int code;

	if (!view.missing || !view.connections) {
		code = pfw_fail_memory(err);
		goto out;
	}
	code = side_fill(engine, ENGINE_PACKETS, NULL, true, &sides[ENGINE_PACKETS], err);
	if (!code)
		code = side_fill_host(engine, &sides[ENGINE_HOST], err);
	if (!code)
		code = sides_report(engine, sides, report, err);
	if (code)
		goto out;
	view.in_sync = !sides_steps(sides);
	mark_missing(engine, engine->backends[ENGINE_PACKETS].ops,
		     &sides[ENGINE_PACKETS].difference, &view);
	view.shield = shield_stands(engine, &sides[ENGINE_PACKETS]);
	if (take_localnets(&sides[ENGINE_HOST].before, &view.localnets)) {
		code = pfw_fail_memory(err);
		goto out;
	}
	view.guard = guard_stands(engine, engine->backends[ENGINE_PACKETS].ops,
				  &sides[ENGINE_PACKETS].difference);
	add_counts(engine, &sides[ENGINE_PACKETS].before, &view);
	engine_unguarded(engine, &unguarded);
	if (unguarded.failed) {
		code = pfw_fail_memory(err);
		goto out;
	}
	view.unguarded = unguarded.data;
	unguarded = (struct pfw_buffer){ 0 };
	*ret = view;
	view = (struct pfw_view){ 0 };
out:
	pfw_buffer_free(&unguarded);
	pfw_view_free(&view);
	sides_free(sides);
	return code;
}

void pfw_view_free(struct pfw_view *view)
{
	free(view->missing);
	free(view->connections);
	free(view->unguarded);
	pfw_links_free(&view->localnets);
	*view = (struct pfw_view){ 0 };
}

int pfw_engine_export(struct pfw_engine *engine, struct pfw_buffer *ret, struct pfw_error *err)
{
	const struct pfw_backend *ops = &pfw_backend_nftables;
	struct pfw_image image = { 0 };
	int code = ops->compile(&engine->plan, NULL, &image, err);

	if (code)
		return code;
	ops->text(&image, ret);
	pfw_image_free(&image);
	return ret->failed ? pfw_fail_memory(err) : 0;
}
