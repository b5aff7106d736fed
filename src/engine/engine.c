/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Opening an engine, and loading the configuration into it. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "inside.h"
#include "portfwd/kernel/netlink.h"
#include "portfwd/kernel/netns.h"
#include "trial.h"

int pfw_engine_enter(const char *netns, int *ret_back, struct pfw_error *err)
{
	int back = pfw_netns_hold(), ret = pfw_netns_enter(netns, err);

	if (!ret)
		*ret_back = back;
	else if (back >= 0)
		close(back);
	return ret;
}

void pfw_engine_leave(int back)
{
	if (back >= 0)
		(void)pfw_netns_return(back);
}

int pfw_engine_netns(const char *netns, uint64_t *ret_device, uint64_t *ret_inode,
		     struct pfw_error *err)
{
	return pfw_netns_file(netns, ret_device, ret_inode, err);
}

int pfw_engine_open(const struct pfw_engine_options *options, struct pfw_engine **ret,
		    struct pfw_error *err)
{
	struct pfw_engine *engine = calloc(1, sizeof(*engine));
	char names[64];
	int code;

	if (!engine)
		return pfw_fail_memory(err);
	engine->state.lock = -1;
	engine->trial.fd = -1;
	engine->stays = options->stays;
	engine->run_dir = strdup(options->run_dir);
	engine->backend = options->backend ? strdup(options->backend) : NULL;
	if (!engine->run_dir || (options->backend && !engine->backend)) {
		code = pfw_fail_memory(err);
		goto fail;
	}
	if (options->backend && pfw_name_value(pfw_backend_names, options->backend,
					       strlen(options->backend)) < 0) {
		code = pfw_fail(err, PFW_USAGE, -EINVAL, "there is no backend \"%s\"; give %s",
				options->backend,
				pfw_name_list(pfw_backend_names, names, sizeof(names)));
		goto fail;
	}
	code = pfw_store_open(options->config, &engine->store, err);
	if (code)
		goto fail;
	if (options->journal)
		pfw_store_set_journal(engine->store);
	*ret = engine;
	return 0;
fail:
	pfw_engine_close(engine);
	return code;
}

void engine_unload(struct pfw_engine *engine)
{
	pfw_plan_free(&engine->plan);
	pfw_facts_free(&engine->facts);
	pfw_ruleset_free(&engine->ruleset);
	engine->loaded = false;
}

void pfw_engine_close(struct pfw_engine *engine)
{
	if (!engine)
		return;
	engine_unload(engine);
	engine_close_backends(engine);
	pfw_netlink_close(engine->connections);
	engine_let_go(engine);
	pfw_trial_free(&engine->trial);
	pfw_store_close(engine->store);
	/* A first change that failed leaves nothing behind. */
	state_tidy(&engine->state);
	state_free(&engine->state);
	free(engine->run_dir);
	free(engine->backend);
	free(engine->why);
	free(engine);
}

void pfw_engine_set_locks(struct pfw_engine *engine, enum pfw_engine_locks locks)
{
	engine->locks = locks;
}

int pfw_engine_part(struct pfw_engine *engine, struct pfw_error *err)
{
	engine->trial.fd = -1;
	return engine_part_backends(engine, err);
}

static bool same_text(const char *a, const char *b)
{
	return a && b ? !strcmp(a, b) : a == b;
}

int engine_remember_config(struct pfw_engine *engine, struct pfw_error *err)
{
	const char *backend = engine->backends[ENGINE_PACKETS].ops->name;
	struct state *state = &engine->state;
	bool fileless = !pfw_store_has_main(engine->store);
	char *config, *why;

	if (state->config && !strcmp(state->config, pfw_store_path(engine->store)) &&
	    state->draining == engine->plan.facts.draining && state->fileless == fileless &&
	    !state->host.renamed && !state->moving && state->backend == backend &&
	    same_text(state->why, engine->why))
		return 0;
	config = strdup(pfw_store_path(engine->store));
	why = engine->why ? strdup(engine->why) : NULL;
	if (!config || (engine->why && !why)) {
		free(config);
		free(why);
		return pfw_fail_memory(err);
	}
	free(state->config);
	state->config = config;
	free(state->why);
	state->why = why;
	state->backend = backend;
	state->moving = false;
	state->draining = engine->plan.facts.draining;
	state->fileless = fileless;
	return state_save(state, &state->host, err);
}

/* What was remembered is what stands no more. */
static void remember_again(struct pfw_engine *engine, bool nothing, struct pfw_error *err)
{
	struct pfw_error failed = PFW_ERROR_INIT;

	if (nothing) {
		free(engine->state.config);
		engine->state.config = NULL;
	}
	if (state_save(&engine->state, &engine->state.host, &failed))
		pfw_error_add(err, PFW_FAILED, "%s", failed.item[0].message);
}

int engine_commit(struct pfw_engine *engine, struct side sides[ENGINE_BACKENDS],
		  struct pfw_error *err)
{
	const char *backend = engine->state.backend;
	bool first = !engine->state.config;
	int ret = engine_remember_config(engine, err);

	if (!ret)
		ret = pfw_store_commit(engine->store, err);
	engine->fresh = engine->fresh && ret;
	if (!ret)
		return 0;
	sides_take_back(engine, sides, err);
	if (first || backend != engine->state.backend) {
		engine->state.backend = backend;
		remember_again(engine, first, err);
	}
	return ret;
}

const struct pfw_ruleset *pfw_engine_ruleset(const struct pfw_engine *engine)
{
	return &engine->ruleset;
}

static int compare_origins(const void *a, const void *b, void *forwards)
{
	const struct pfw_origin *x = &((const struct pfw_forward *)forwards)[*(const uint32_t *)a].origin;
	const struct pfw_origin *y = &((const struct pfw_forward *)forwards)[*(const uint32_t *)b].origin;

	if (x->file != y->file)
		return x->file < y->file ? -1 : 1;
	return (x->position > y->position) - (x->position < y->position);
}

uint32_t *pfw_engine_order(const struct pfw_engine *engine)
{
	const struct pfw_ruleset *ruleset = &engine->ruleset;
	uint32_t *ids = calloc((size_t)ruleset->n_live + 1, sizeof(*ids)), id, n = 0;

	if (!ids)
		return NULL;
	for (id = 0; id < ruleset->n_forwards; id++)
		if (ruleset->forwards[id].name)
			ids[n++] = id;
	qsort_r(ids, n, sizeof(*ids), compare_origins, ruleset->forwards);
	return ids;
}

const struct pfw_plan *pfw_engine_plan(const struct pfw_engine *engine)
{
	return &engine->plan;
}

const char *pfw_engine_file(const struct pfw_engine *engine, uint32_t file)
{
	return file == PFW_ORIGIN_NONE ? pfw_store_path(engine->store) :
					 pfw_store_file(engine->store, file);
}

bool pfw_engine_is_runtime(const struct pfw_engine *engine, uint32_t file)
{
	return pfw_store_is_runtime(engine->store, file);
}

const char *pfw_engine_backend(const struct pfw_engine *engine, const char **ret_why)
{
	*ret_why = engine->why;
	return engine->backends[ENGINE_PACKETS].ops->name;
}
