/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Before, after and difference, for every backend: filling, applying, taking back, telling. */
#include <errno.h>
#include <stdio.h>
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

int side_fill_host(struct pfw_engine *engine, struct side *side, struct pfw_error *err)
{
	return side_fill(engine, ENGINE_HOST, NULL, true, side, err);
}

void side_take_back(struct pfw_engine *engine, unsigned int backend, const struct side *side,
		    struct pfw_error *err)
{
	const struct engine_backend *to = &engine->backends[backend];
	struct pfw_error failed = PFW_ERROR_INIT;
	struct pfw_difference back = { 0 };
	int ret;

	ret = pfw_difference_make(&side->after, &side->before, &back, &failed);
	if (!ret)
		ret = to->ops->apply(to->handle, &side->before, &back, false, &failed);
	pfw_difference_free(&back);
	if (ret)
		pfw_error_add(err, PFW_FAILED,
			      "the kernel could not be put back (%s); run \"portfwd reload\"",
			      failed.count ? failed.item[0].message : strerror(-ret));
}

void sides_take_back(struct pfw_engine *engine, struct side sides[ENGINE_BACKENDS], unsigned int n,
		     struct pfw_error *err)
{
	unsigned int i;

	for (i = n; i-- > 0;)
		side_take_back(engine, i, &sides[i], err);
}

int sides_apply(struct pfw_engine *engine, struct side sides[ENGINE_BACKENDS],
		struct pfw_error *err)
{
	const struct engine_backend *to;
	unsigned int i;
	int ret;

	for (i = 0; i < ENGINE_BACKENDS; i++) {
		to = &engine->backends[i];
		if (!sides[i].difference.n_steps)
			continue;
		ret = to->ops->apply(to->handle, &sides[i].after, &sides[i].difference, false, err);
		if (ret) {
			sides_take_back(engine, sides, i, err);
			return ret;
		}
	}
	return 0;
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

int sides_report(const struct pfw_engine *engine, const struct side sides[ENGINE_BACKENDS],
		 struct pfw_report *report, struct pfw_error *err)
{
	unsigned int i;
	size_t step;

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
	for (i = 0; i < ENGINE_BACKENDS; i++)
		for (step = 0; step < sides[i].difference.n_steps; step++)
			if (report_step(engine->backends[i].ops,
					&sides[i].difference.steps[step], report))
				return pfw_fail_memory(err);
	return 0;
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
	struct pfw_buffer names = { 0 }, text = { 0 };
	int ret = 0;

	if (!host->difference.n_steps || report->warning)
		return 0;
	engine_unguarded(engine, &names);
	if (names.len) {
		pfw_buffer_printf(&text, "the guard cannot hold %s; \"portfwd status\" tells more",
				  names.data);
		report->warning = text.failed ? NULL :
				  pfw_arena_text(&report->arena, text.data, text.len);
		ret = report->warning ? 0 : pfw_fail_memory(err);
	}
	if (!ret && names.failed)
		ret = pfw_fail_memory(err);
	pfw_buffer_free(&names);
	pfw_buffer_free(&text);
	return ret;
}

void pfw_report_free(struct pfw_report *report)
{
	pfw_arena_free(&report->arena);
	*report = (struct pfw_report){ 0 };
}
