/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Looking at the kernel: what it holds beside what it should. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "inside.h"

/* Whether the forward was there once and its time is over. */
static bool has_expired(const struct pfw_engine *engine, const struct pfw_forward *forward)
{
	return forward->name && forward->enabled && forward->expires &&
	       forward->expires <= engine->plan.facts.now;
}

static bool any_expired(const struct pfw_engine *engine)
{
	uint32_t id;

	for (id = 0; id < engine->ruleset.n_forwards; id++)
		if (has_expired(engine, &engine->ruleset.forwards[id]))
			return true;
	return false;
}

/*
 * When the kernel drops the elements of a forward in time, its chains, and maps that only
 * it used, stay until the next change: they tell that the forward was active when what
 * stands there was made. Returns a time shortly before the first such forward expired, or
 * 0 if there is none: when all this was made none of them had expired, and the others all had.
 */
static int64_t time_of_making(const struct pfw_engine *engine, const struct pfw_image *image)
{
	const struct pfw_forward *forward;
	int64_t first = 0;
	uint32_t i, id;

	for (i = 0; i < image->n_items; i++) {
		if (!image->items[i].owner)
			continue;
		id = pfw_ruleset_find(&engine->ruleset, image->items[i].owner);
		if (id == PFW_INDEX_NONE)
			continue;
		forward = &engine->ruleset.forwards[id];
		if (has_expired(engine, forward) && (!first || forward->expires < first))
			first = forward->expires;
	}
	return first ? first - 1 : 0;
}

/* Leaves out what the kernel has dropped by itself since. */
static void drop_past(const struct pfw_backend *ops, int64_t now, struct pfw_difference *difference)
{
	const struct pfw_step *step;
	size_t i, n = 0;

	for (i = 0; i < difference->n_steps; i++) {
		step = &difference->steps[i];
		if (step->before || !ops->is_past || !ops->is_past(step->after, now))
			difference->steps[n++] = *step;
	}
	difference->n_steps = n;
}

/* As side_fill(), for the time when what stands was made: what only time took away is no difference. */
static int fill_as_made(struct pfw_engine *engine, int64_t then, struct side *side,
			struct pfw_error *err)
{
	const struct engine_backend *to = &engine->backends[ENGINE_PACKETS];
	struct pfw_error ignored = PFW_ERROR_INIT;
	struct pfw_facts facts = engine->plan.facts;
	struct pfw_plan plan = { 0 };
	int ret;

	facts.now = then;
	/* What others claim by now cannot be as it was: then all of it is a difference. */
	if (pfw_plan_make(&engine->ruleset, &facts, NULL, NULL, &plan, &ignored))
		return 0;
	pfw_image_free(&side->after);
	pfw_difference_free(&side->difference);
	ret = to->ops->compile(&plan, NULL, &side->after, err);
	if (!ret)
		ret = pfw_difference_make(&side->before, &side->after, &side->difference, err);
	if (!ret)
		drop_past(to->ops, engine->plan.facts.now, &side->difference);
	pfw_plan_free(&plan);
	return ret;
}

static int fill_packets(struct pfw_engine *engine, struct side *side, struct pfw_error *err)
{
	int ret = side_fill(engine, ENGINE_PACKETS, NULL, false, side, err);
	int64_t then = 0;

	if (!ret && side->difference.n_steps && any_expired(engine))
		then = time_of_making(engine, &side->before);
	return then ? fill_as_made(engine, then, side, err) : ret;
}

static void mark_missing(const struct pfw_engine *engine, const struct pfw_backend *ops,
			 const struct pfw_difference *difference, struct pfw_view *view)
{
	const struct pfw_step *step;
	const struct pfw_item *item;
	uint32_t id;
	size_t i;

	for (i = 0; i < difference->n_steps; i++) {
		step = &difference->steps[i];
		item = step->after ? step->after : step->before;
		if (item->owner) {
			id = pfw_ruleset_find(&engine->ruleset, item->owner);
			if (id != PFW_INDEX_NONE)
				view->missing[id] = true;
		} else if (!ops->is_broken || ops->is_broken(step)) {
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
	uint32_t i;

	for (i = 0; i < host->n_items; i++)
		if (pfw_host_is_localnet((const char *)pfw_item_key(&host->items[i]), name) &&
		    strcmp((const char *)pfw_item_value(&host->items[i]), "0") &&
		    pfw_links_add(ret, name, 0, false))
			return -ENOMEM;
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

/* What another backend holds, from which the rules have yet to move, guards the machine as well. */
static void look_elsewhere(const struct pfw_backend *ops, const struct pfw_image *image,
			   struct pfw_view *view)
{
	uint32_t i;

	for (i = 0; i < image->n_items; i++) {
		view->guard |= ops->is_guard && ops->is_guard(&image->items[i]);
		view->shield |= ops->is_shield && ops->is_shield(&image->items[i]);
	}
}

static void find_owner(const struct pfw_engine *engine, struct pfw_view *view)
{
	const struct engine_backend *packets = &engine->backends[ENGINE_PACKETS];
	uint32_t owner = packets->ops->owner ? packets->ops->owner(packets->handle) : 0;

	view->owned = owner && owner == packets->ops->port(packets->handle);
	view->owner = view->owned ? 0 : owner;
}

/* What stands in all backends. With that the look is over for everybody else. */
static int read_all(struct pfw_engine *engine, struct side sides[ENGINE_BACKENDS],
		    struct pfw_error *err)
{
	const struct engine_backend *from;
	unsigned int i;
	int ret = 0;

	for (i = 0; !ret && i < ENGINE_BACKENDS; i++) {
		from = &engine->backends[i];
		if (from->ops)
			ret = from->ops->read(from->handle, &sides[i].before, err);
	}
	engine_let_others(engine);
	return ret;
}

static int view_make(const struct pfw_engine *engine, struct pfw_view *ret, struct pfw_error *err)
{
	size_t n = (size_t)engine->ruleset.n_forwards + 1;

	ret->missing = calloc(n, sizeof(*ret->missing));
	ret->connections = calloc(n, sizeof(*ret->connections));
	return ret->missing && ret->connections ? 0 : pfw_fail_memory(err);
}

int pfw_engine_look(struct pfw_engine *engine, struct pfw_view *ret, struct pfw_report *report,
		    struct pfw_error *err)
{
	const struct pfw_backend *ops = engine->backends[ENGINE_PACKETS].ops;
	struct side sides[ENGINE_BACKENDS] = { 0 }, *other = &sides[ENGINE_OTHER];
	struct pfw_buffer unguarded = { 0 };
	struct pfw_view view = { 0 };
	int code = view_make(engine, &view, err);

	if (code)
		goto out;
	code = read_all(engine, sides, err);
	if (!code)
		code = fill_packets(engine, &sides[ENGINE_PACKETS], err);
	if (!code)
		code = pfw_difference_make(&other->before, &other->after, &other->difference, err);
	if (!code)
		code = side_fill(engine, ENGINE_HOST, NULL, false, &sides[ENGINE_HOST], err);
	if (!code)
		code = sides_report(engine, sides, report, err);
	if (code)
		goto out;
	view.in_sync = !sides_steps(sides);
	find_owner(engine, &view);
	if (!view.in_sync && engine->locks == PFW_ENGINE_NO_LOCKS) {
		code = pfw_fail(err, PFW_FAILED, -EAGAIN, "the kernel is not as it should be");
		goto out;
	}
	mark_missing(engine, ops, &sides[ENGINE_PACKETS].difference, &view);
	view.shield = shield_stands(engine, &sides[ENGINE_PACKETS]);
	if (take_localnets(&sides[ENGINE_HOST].before, &view.localnets)) {
		code = pfw_fail_memory(err);
		goto out;
	}
	view.guard = guard_stands(engine, ops, &sides[ENGINE_PACKETS].difference);
	look_elsewhere(engine->backends[ENGINE_OTHER].ops, &sides[ENGINE_OTHER].before, &view);
	add_counts(engine, &sides[ENGINE_PACKETS].before, &view);
	engine_unguarded(engine, &unguarded);
	if (unguarded.failed) {
		code = pfw_fail_memory(err);
		goto out;
	}
	engine->bulky = true;
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

/* What is planned for the forwards, beside what stands of it. */
static int fill_glance(struct pfw_engine *engine, const uint32_t *ids, size_t n, struct side *side,
		       struct pfw_error *err)
{
	const struct engine_backend *from = &engine->backends[ENGINE_PACKETS];
	const struct pfw_forward **forwards = calloc(n, sizeof(*forwards));
	struct pfw_touched touched = { 0 };
	size_t i;
	int ret;

	for (i = 0; forwards && i < n; i++)
		forwards[i] = &engine->ruleset.forwards[ids[i]];
	ret = forwards ? pfw_plan_own(&engine->plan, forwards, n, &touched, err) :
			 pfw_fail_memory(err);
	if (!ret)
		ret = from->ops->glance(from->handle, &engine->plan, &touched, &side->before,
					&side->after, err);
	if (!ret)
		ret = pfw_difference_make(&side->before, &side->after, &side->difference, err);
	pfw_touched_free(&touched);
	free(forwards);
	return ret;
}

int pfw_engine_glance(struct pfw_engine *engine, const uint32_t *ids, size_t n,
		      struct pfw_view *ret, struct pfw_error *err)
{
	struct side sides[ENGINE_BACKENDS] = { 0 }, *packets = &sides[ENGINE_PACKETS];
	struct pfw_view view = { 0 };
	int code;

	if (!engine->backends[ENGINE_PACKETS].ops->glance || engine->backends[ENGINE_OTHER].ops)
		return -ESTALE;
	code = fill_glance(engine, ids, n, packets, err);
	/* What is amiss may have to do with more than these. */
	if (!code && packets->difference.n_steps)
		code = -ESTALE;
	if (!code)
		code = view_make(engine, &view, err);
	if (!code) {
		add_counts(engine, &packets->before, &view);
		*ret = view;
		view = (struct pfw_view){ 0 };
	}
	pfw_view_free(&view);
	sides_free(sides);
	return code;
}

bool pfw_engine_stands(struct pfw_engine *engine, uint32_t id)
{
	struct side sides[ENGINE_BACKENDS] = { 0 };
	struct pfw_error ignored = PFW_ERROR_INIT;
	bool stands;

	if (!engine->compared || engine->on_trial || engine->backends[ENGINE_OTHER].ops ||
	    !engine->backends[ENGINE_PACKETS].ops->glance)
		return false;
	stands = !fill_glance(engine, &id, 1, &sides[ENGINE_PACKETS], &ignored) &&
		 !side_fill_host(engine, &sides[ENGINE_HOST], &ignored) && !sides_steps(sides);
	sides_free(sides);
	return stands;
}

void pfw_view_free(struct pfw_view *view)
{
	free(view->missing);
	free(view->connections);
	free(view->unguarded);
	pfw_links_free(&view->localnets);
	*view = (struct pfw_view){ 0 };
}
