/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What an engine needs that stays loaded: to follow time and the machine, and not to grow. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "inside.h"
#include "portfwd/base/memory.h"

/* What was dropped from a ruleset takes room until so many are gone, beside a share of the rest. */
#define WASTE_MIN 4096

static void note_expiry(struct pfw_engine *engine, const struct pfw_forward *forward)
{
	if (!forward->name || !forward->enabled || !forward->expires)
		return;
	if (forward->expires < engine->first_expiry)
		engine->first_expiry = forward->expires;
	if (forward->expires > engine->plan.facts.now && forward->expires < engine->next_expiry)
		engine->next_expiry = forward->expires;
}

void engine_note_expiry(struct pfw_engine *engine, const struct pfw_forward *forward)
{
	note_expiry(engine, forward);
}

void engine_note_expiries(struct pfw_engine *engine)
{
	uint32_t id;

	engine->first_expiry = engine->next_expiry = INT64_MAX;
	for (id = 0; id < engine->ruleset.n_forwards; id++)
		note_expiry(engine, &engine->ruleset.forwards[id]);
}

/* Takes out of the plan what has expired since it was made. */
static void let_expire(struct pfw_engine *engine, int64_t now)
{
	const struct pfw_forward *forward;
	uint32_t id;

	for (id = 0; id < engine->ruleset.n_forwards; id++) {
		forward = &engine->ruleset.forwards[id];
		if (forward->name && forward->expires && forward->expires <= now)
			pfw_plan_drop(&engine->plan, id);
	}
}

static int plan_anew(struct pfw_engine *engine, struct pfw_error *err)
{
	struct pfw_plan plan;
	int ret = pfw_plan_make(&engine->ruleset, &engine->facts, NULL, NULL, &plan, err);

	if (ret)
		return ret;
	pfw_plan_free(&engine->plan);
	engine->plan = plan;
	return 0;
}

/* A copy of what is there, without what was. Where memory is too short for it, all stays. */
static void compact(struct pfw_engine *engine)
{
	struct pfw_ruleset waste = engine->ruleset, fresh = { .settings = waste.settings };
	struct pfw_error ignored = PFW_ERROR_INIT;
	int ret = pfw_ruleset_reserve(&fresh, waste.n_live) ? 0 : -ENOMEM;
	uint32_t id;

	for (id = 0; !ret && id < waste.n_forwards; id++)
		if (waste.forwards[id].name)
			ret = pfw_ruleset_put(&fresh, &waste.forwards[id], NULL);
	engine->ruleset = fresh;
	if (!ret)
		ret = plan_anew(engine, &ignored);
	if (ret)
		engine->ruleset = waste;
	pfw_ruleset_free(ret ? &fresh : &waste);
	if (engine->stays)
		pfw_ruleset_index_listens(&engine->ruleset);
	engine->bulky = true;
}

/* Whether facts decide in the same way about what forwards have in the kernel; the frame may differ. */
static bool decide_alike(const struct pfw_plan *before, const struct pfw_plan *after)
{
	return pfw_plan_guards(before, AF_INET) == pfw_plan_guards(after, AF_INET) &&
	       pfw_plan_guards(before, AF_INET6) == pfw_plan_guards(after, AF_INET6) &&
	       pfw_plan_localnet(before) == pfw_plan_localnet(after);
}

int engine_follow_facts(struct pfw_engine *engine, struct pfw_error *err)
{
	const struct pfw_ruleset *ruleset = &engine->ruleset;
	const int64_t before = engine->plan.facts.now, now = engine->facts.now;
	const bool expires = now >= engine->next_expiry;
	const struct pfw_plan was = engine->plan;
	int ret = 0;

	if (expires && now >= before)
		let_expire(engine, now);
	/* Beside time, a plan points to the facts and copies nothing of them. */
	engine->plan.facts = engine->facts;
	engine->compared = engine->compared && !expires && now >= before &&
			   decide_alike(&was, &engine->plan);
	if (now < before && engine->first_expiry != INT64_MAX)
		ret = plan_anew(engine, err);
	if (expires || now < before)
		engine_note_expiries(engine);
	if (!ret && ruleset->n_forwards - ruleset->n_live > ruleset->n_live / 4 + WASTE_MIN)
		compact(engine);
	return ret;
}

static void release_backends(struct pfw_engine *engine)
{
	const struct engine_backend *backend;

	for (backend = engine->backends; backend < &engine->backends[ENGINE_BACKENDS]; backend++)
		if (backend->handle && backend->ops->release)
			backend->ops->release(backend->handle);
}

void engine_let_others(struct pfw_engine *engine)
{
	release_backends(engine);
	if (!engine->state.exclusive)
		state_unlock(&engine->state);
}

void pfw_engine_release(struct pfw_engine *engine)
{
	release_backends(engine);
	/* What was loaded from a draft that nobody saved is nowhere else. */
	if (engine->drafted)
		engine_unload(engine);
	pfw_store_set_draft(engine->store, NULL);
	pfw_store_unlock(engine->store);
	state_tidy(&engine->state);
	state_unlock(&engine->state);
	engine->locked = false;
	engine->fell_back = false;
	if (engine->bulky)
		pfw_memory_trim();
	engine->bulky = false;
}

int pfw_engine_settle(struct pfw_engine *engine, bool last, struct pfw_error *err)
{
	return last ? pfw_store_end_journal(engine->store, err) : pfw_store_settle(engine->store, err);
}

int pfw_engine_settle_begin(struct pfw_engine *engine, struct pfw_settling **ret,
			    struct pfw_error *err)
{
	return pfw_store_settle_begin(engine->store, ret, err);
}

int pfw_engine_settle_end(struct pfw_engine *engine, struct pfw_settling *settling,
			  struct pfw_error *err)
{
	return pfw_store_settle_end(engine->store, settling, err);
}

size_t pfw_engine_journal(const struct pfw_engine *engine)
{
	return pfw_store_n_lines(engine->store);
}

bool pfw_engine_is_current(const struct pfw_engine *engine)
{
	/* With what is applied, a flush forgets what was kept until the next boot. */
	return engine->loaded && !engine->fresh && pfw_store_is_followed(engine->store) &&
	       pfw_store_is_current(engine->store, pfw_engine_is_applied(engine));
}

bool pfw_engine_is_applied(const struct pfw_engine *engine)
{
	return engine->state.config;
}

char *pfw_engine_take_notice(struct pfw_engine *engine)
{
	return pfw_store_take_notice(engine->store);
}

int engine_tell_notice(struct pfw_engine *engine, struct pfw_report *report, struct pfw_error *err)
{
	char *notice = pfw_store_take_notice(engine->store);
	int ret = notice ? report_warn(report, err, "%s", notice) : 0;

	free(notice);
	return ret;
}
