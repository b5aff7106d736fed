/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Before, after and difference, for every backend: filling, applying, taking back, telling. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "inside.h"
#include "portfwd/base/text.h"

void sides_free(struct side sides[ENGINE_BACKENDS])
{
	unsigned int i;

	for (i = 0; i < ENGINE_BACKENDS; i++) {
		pfw_image_free(&sides[i].before);
		pfw_image_free(&sides[i].after);
		pfw_difference_free(&sides[i].difference);
	}
}

int side_fill(struct pfw_engine *engine, unsigned int backend, const struct pfw_touched *only,
	      bool read, struct side *side, struct pfw_error *err)
{
	const struct engine_backend *to = &engine->backends[backend];
	int ret = 0;

	pfw_image_free(&side->after);
	pfw_difference_free(&side->difference);
	if (read) {
		pfw_image_free(&side->before);
		ret = to->ops->read(to->handle, &side->before, err);
	}
	if (!ret)
		ret = to->ops->compile(&engine->plan, only, &side->after, err);
	if (!ret)
		ret = pfw_difference_make(&side->before, &side->after, &side->difference, err);
	return ret;
}

int side_fill_gone(struct pfw_engine *engine, unsigned int backend, struct side *side,
		   struct pfw_error *err)
{
	const struct engine_backend *to = &engine->backends[backend];
	int ret;

	pfw_image_free(&side->before);
	pfw_difference_free(&side->difference);
	if (!to->ops)
		return 0;
	ret = to->ops->read(to->handle, &side->before, err);
	return ret ? ret : pfw_difference_make(&side->before, &side->after, &side->difference, err);
}

int side_fill_host(struct pfw_engine *engine, struct side *side, struct pfw_error *err)
{
	return side_fill(engine, ENGINE_HOST, NULL, true, side, err);
}

/* The steps that take something away, which a difference begins with. */
static size_t n_removals(const struct pfw_difference *difference)
{
	size_t n = 0;

	while (n < difference->n_steps && !difference->steps[n].after)
		n++;
	return n;
}

static int apply_steps(const struct engine_backend *to, const struct pfw_image *before,
		       const struct pfw_image *after, struct pfw_step *steps, size_t n,
		       struct pfw_error *err)
{
	const struct pfw_difference part = { before, steps, n };

	return n ? to->ops->apply(to->handle, after, &part, false, err) : 0;
}

static int apply_side(struct pfw_engine *engine, unsigned int backend, const struct side *side,
		      struct pfw_error *err)
{
	return apply_steps(&engine->backends[backend], &side->before, &side->after,
			   side->difference.steps, side->difference.n_steps, err);
}

/*
 * What the host lets in ends before the rules go that watch over it, and begins when they stand.
 * The rules of another backend go when those of this one stand. *ret_applied: how many backends of
 * packets were applied.
 */
static int apply_in_order(struct pfw_engine *engine, struct side sides[ENGINE_BACKENDS],
			  unsigned int *ret_applied, struct pfw_error *err)
{
	const struct engine_backend *to = &engine->backends[ENGINE_HOST];
	const struct side *host = &sides[ENGINE_HOST];
	size_t first = n_removals(&host->difference);
	int ret;

	*ret_applied = 0;
	ret = apply_steps(to, &host->before, &host->after, host->difference.steps, first, err);
	while (!ret && *ret_applied < ENGINE_PACKET_BACKENDS) {
		ret = apply_side(engine, *ret_applied, &sides[*ret_applied], err);
		if (!ret)
			++*ret_applied;
	}
	if (ret)
		return ret;
	return apply_steps(to, &host->before, &host->after, host->difference.steps + first,
			   host->difference.n_steps - first, err);
}

static void not_put_back(int ret, const struct pfw_error *failed, struct pfw_error *err)
{
	if (ret)
		pfw_error_add(err, PFW_FAILED,
			      "the kernel could not be put back (%s); run \"portfwd reload\"",
			      failed->count ? failed->item[0].message : strerror(-ret));
}

void side_take_back(struct pfw_engine *engine, unsigned int backend, const struct side *side,
		    struct pfw_error *err)
{
	const struct engine_backend *to = &engine->backends[backend];
	struct pfw_error failed = PFW_ERROR_INIT;
	struct pfw_difference back = { 0 };
	int ret;

	if (!side->difference.n_steps)
		return;
	ret = pfw_difference_make(&side->after, &side->before, &back, &failed);
	if (!ret)
		ret = to->ops->apply(to->handle, &side->before, &back, false, &failed);
	pfw_difference_free(&back);
	not_put_back(ret, &failed, err);
}

/* Sets again what the steps before the rules took away; a host puts back by itself what it added. */
static void restore_host(struct pfw_engine *engine, const struct side *host, struct pfw_error *err)
{
	struct pfw_error failed = PFW_ERROR_INIT;
	size_t n = n_removals(&host->difference), i;
	struct pfw_step *steps = calloc(n + 1, sizeof(*steps));
	int ret;

	for (i = 0; steps && i < n; i++)
		steps[i].after = host->difference.steps[i].before;
	ret = steps ? apply_steps(&engine->backends[ENGINE_HOST], &host->after, &host->before,
				  steps, n, &failed) : -ENOMEM;
	free(steps);
	not_put_back(ret, &failed, err);
}

/* Whether to put this side back takes the shield away that it brought. */
static bool brought_shield(const struct engine_backend *to, const struct side *side)
{
	const struct pfw_step *step;
	size_t i;

	for (i = 0; to->ops->is_shield && i < side->difference.n_steps; i++) {
		step = &side->difference.steps[i];
		if (!step->before && to->ops->is_shield(step->after))
			return true;
	}
	return false;
}

/* Whether the shield stood in this backend. */
static bool had_shield(const struct engine_backend *backend, const struct side *side)
{
	uint32_t i;

	for (i = 0; i < side->before.n_items; i++)
		if (backend->ops->is_shield && backend->ops->is_shield(&side->before.items[i]))
			return true;
	return false;
}

/* Whether an interface takes packets for 127.0.0.0/8 that could not be kept from it again. */
static bool lets_in(const struct pfw_host_record *record)
{
	char name[PFW_IFNAME_SIZE];
	size_t i;

	for (i = 0; i < record->n_entries; i++)
		if (pfw_host_is_localnet(record->entries[i].key, name))
			return true;
	return false;
}

/* Until the move is committed, whoever comes after one who was killed looks at both backends. */
static int begin_move(struct pfw_engine *engine, const struct side *other, struct pfw_error *err)
{
	struct state *state = &engine->state;

	if (!other->difference.n_steps || state->moving)
		return 0;
	state->moving = true;
	return state_save(state, &state->host, err);
}

int sides_apply(struct pfw_engine *engine, struct side sides[ENGINE_BACKENDS],
		struct pfw_error *err)
{
	unsigned int applied;
	int ret = begin_move(engine, &sides[ENGINE_OTHER], err);

	if (ret)
		return ret;
	ret = apply_in_order(engine, sides, &applied, err);
	if (!ret)
		return 0;
	if (applied > ENGINE_OTHER)
		side_take_back(engine, ENGINE_OTHER, &sides[ENGINE_OTHER], err);
	if (applied > ENGINE_PACKETS && lets_in(&engine->state.host) &&
	    brought_shield(&engine->backends[ENGINE_PACKETS], &sides[ENGINE_PACKETS]) &&
	    !had_shield(&engine->backends[ENGINE_OTHER], &sides[ENGINE_OTHER]))
		pfw_error_add(err, PFW_FAILED, "route_localnet could not be put back, so the rules stay "
			      "that keep others from 127.0.0.0/8; run \"portfwd flush\"");
	else if (applied > ENGINE_PACKETS)
		side_take_back(engine, ENGINE_PACKETS, &sides[ENGINE_PACKETS], err);
	restore_host(engine, &sides[ENGINE_HOST], err);
	return ret;
}

void sides_take_back(struct pfw_engine *engine, const struct side sides[ENGINE_BACKENDS],
		     struct pfw_error *err)
{
	const struct side *packets = &sides[ENGINE_PACKETS], *host = &sides[ENGINE_HOST];
	const struct engine_backend *to = &engine->backends[ENGINE_HOST];
	struct pfw_error failed = PFW_ERROR_INIT;
	struct pfw_difference back = { 0 };
	size_t first;
	int ret;

	ret = pfw_difference_make(&host->after, &host->before, &back, &failed);
	first = n_removals(&back);
	if (!ret)
		ret = apply_steps(to, &host->after, &host->before, back.steps, first, &failed);
	side_take_back(engine, ENGINE_OTHER, &sides[ENGINE_OTHER], err);
	/* Rather a change too many than an open loopback. */
	if (!ret || !brought_shield(&engine->backends[ENGINE_PACKETS], packets))
		side_take_back(engine, ENGINE_PACKETS, packets, err);
	if (!ret)
		ret = apply_steps(to, &host->after, &host->before, back.steps + first,
				  back.n_steps - first, &failed);
	pfw_difference_free(&back);
	not_put_back(ret, &failed, err);
}

size_t sides_steps(const struct side sides[ENGINE_BACKENDS])
{
	size_t n = 0;
	unsigned int i;

	for (i = 0; i < ENGINE_BACKENDS; i++)
		n += sides[i].difference.n_steps;
	return n;
}

static int report_step(const struct pfw_backend *ops, const struct pfw_step *step,
		       struct pfw_report *report)
{
	const struct pfw_item *item = step->after ? step->after : step->before;
	struct pfw_report_line *line = &report->lines[report->n_lines];
	struct pfw_buffer text = { 0 };

	line->action = !step->before ? PFW_STEP_ADD : !step->after ? PFW_STEP_REMOVE : PFW_STEP_CHANGE;
	line->kind = ops->kind(item);
	line->forward = NULL;
	ops->print(item, &text);
	line->text = text.failed ? NULL : pfw_arena_text(&report->arena, text.data, text.len);
	pfw_buffer_free(&text);
	if (item->owner)
		line->forward = pfw_arena_text(&report->arena, item->owner, strlen(item->owner));
	if (!line->text || (item->owner && !line->forward))
		return -ENOMEM;
	report->n_lines++;
	return 0;
}

static int report_steps(const struct pfw_backend *ops, const struct pfw_difference *difference,
			size_t from, size_t to, struct pfw_report *report)
{
	int ret = 0;

	for (; !ret && from < to && (!report->max_lines || report->n_lines < report->max_lines); from++)
		ret = report_step(ops, &difference->steps[from], report);
	return ret;
}

int sides_report(const struct pfw_engine *engine, const struct side sides[ENGINE_BACKENDS],
		 struct pfw_report *report, struct pfw_error *err)
{
	const struct pfw_backend *host = engine->backends[ENGINE_HOST].ops;
	size_t first = n_removals(&sides[ENGINE_HOST].difference);
	unsigned int i;
	int ret;

	report->n_steps = sides_steps(sides);
	report->routing[0] = pfw_host_switches(&sides[ENGINE_HOST].difference, AF_INET);
	report->routing[1] = pfw_host_switches(&sides[ENGINE_HOST].difference, AF_INET6);
	report->n_lines = 0;
	if (!report->verbose)
		return 0;
	report->lines = pfw_arena_array(&report->arena, report->n_steps + 1,
					sizeof(*report->lines));
	if (!report->lines)
		return pfw_fail_memory(err);
	ret = report_steps(host, &sides[ENGINE_HOST].difference, 0, first, report);
	for (i = 0; !ret && i < ENGINE_PACKET_BACKENDS; i++)
		ret = report_steps(engine->backends[i].ops, &sides[i].difference, 0,
				   sides[i].difference.n_steps, report);
	if (!ret)
		ret = report_steps(host, &sides[ENGINE_HOST].difference, first,
				   sides[ENGINE_HOST].difference.n_steps, report);
	return ret ? pfw_fail_memory(err) : 0;
}

void engine_unguarded(const struct pfw_engine *engine, struct pfw_buffer *ret)
{
	static const uint8_t families[] = { AF_INET, AF_INET6 };
	const struct pfw_backend *ops = engine->backends[ENGINE_PACKETS].ops;
	const struct pfw_links *links;
	struct pfw_links seen = { 0 };
	char name[PFW_IFNAME_SIZE];
	unsigned int f;
	size_t i;

	for (f = 0; f < 2; f++) {
		links = &engine->plan.facts.guarded[f];
		for (i = 0; i < links->n && pfw_plan_guards(&engine->plan, families[f]); i++) {
			memcpy(name, links->list[i].name, sizeof(name));
			if (!ops->guard_holds || ops->guard_holds(name) ||
			    links->list[i].routed || pfw_links_find(&seen, name))
				continue;
			ret->failed |= pfw_links_add(&seen, name, 0, false) != 0;
			pfw_text_clean(name);
			pfw_buffer_printf(ret, "%s'%s'", ret->len ? ", " : "", name);
		}
	}
	pfw_links_free(&seen);
}

int engine_tell_unguarded(const struct pfw_engine *engine, const struct side *host,
			  struct pfw_report *report, struct pfw_error *err)
{
	struct pfw_buffer names = { 0 };
	int ret = 0;

	if (!host->difference.n_steps)
		return 0;
	engine_unguarded(engine, &names);
	if (names.failed)
		ret = pfw_fail_memory(err);
	else if (names.len)
		ret = report_warn(report, err, "the guard cannot hold %s; \"portfwd status\" tells "
				  "more", names.data);
	pfw_buffer_free(&names);
	return ret;
}

int report_warn(struct pfw_report *report, struct pfw_error *err, const char *fmt, ...)
{
	struct pfw_buffer text = { 0 };
	const char *warning = NULL;
	va_list args;

	if (report->warning)
		pfw_buffer_printf(&text, "%s; ", report->warning);
	va_start(args, fmt);
	pfw_buffer_vprintf(&text, fmt, args);
	va_end(args);
	if (!text.failed)
		warning = pfw_arena_text(&report->arena, text.data, text.len);
	pfw_buffer_free(&text);
	if (!warning)
		return pfw_fail_memory(err);
	report->warning = warning;
	return 0;
}

void pfw_report_free(struct pfw_report *report)
{
	pfw_arena_free(&report->arena);
	*report = (struct pfw_report){ 0 };
}
