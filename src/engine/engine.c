/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Opening an engine, and loading the configuration into it. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "inside.h"
#include "portfwd/kernel/netns.h"

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

int pfw_engine_open(const struct pfw_engine_options *options, struct pfw_engine **ret,
		    struct pfw_error *err)
{
	struct pfw_engine *engine = calloc(1, sizeof(*engine));
	char names[64];
	int code;

	if (!engine)
		return pfw_fail_memory(err);
	engine->state.lock = -1;
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
	*ret = engine;
	return 0;
fail:
	pfw_engine_close(engine);
	return code;
}

static void unload(struct pfw_engine *engine)
{
	pfw_plan_free(&engine->plan);
	pfw_facts_free(&engine->facts);
	pfw_ruleset_free(&engine->ruleset);
	engine->loaded = false;
}

void pfw_engine_close(struct pfw_engine *engine)
{
	unsigned int i;

	if (!engine)
		return;
	unload(engine);
	for (i = 0; i < ENGINE_BACKENDS; i++)
		if (engine->backends[i].handle)
			engine->backends[i].ops->close(engine->backends[i].handle);
	pfw_store_close(engine->store);
	/* A first change that failed leaves nothing behind. */
	state_tidy(&engine->state);
	state_free(&engine->state);
	free(engine->run_dir);
	free(engine->backend);
	free(engine);
}

static int save_host(void *ctx, const struct pfw_host_record *record, struct pfw_error *err)
{
	return state_save(ctx, record, err);
}

int engine_open_backends(struct pfw_engine *engine, struct pfw_error *err)
{
	struct engine_backend *packets = &engine->backends[ENGINE_PACKETS];
	struct engine_backend *host = &engine->backends[ENGINE_HOST];
	int ret = 0;

	packets->ops = &pfw_backend_nftables;
	host->ops = &pfw_backend_host;
	if (!packets->handle)
		ret = pfw_nftables_open(&packets->handle, err);
	if (!ret && !host->handle)
		ret = pfw_host_open(&engine->state.host, save_host, &engine->state, &host->handle,
				    err);
	return ret;
}

int engine_remember_config(struct pfw_engine *engine, struct pfw_error *err)
{
	struct state *state = &engine->state;
	bool fileless = !pfw_store_has_main(engine->store);
	char *config;

	if (state->config && !strcmp(state->config, pfw_store_path(engine->store)) &&
	    state->draining == engine->plan.facts.draining && state->fileless == fileless &&
	    !state->host.renamed)
		return 0;
	config = strdup(pfw_store_path(engine->store));
	if (!config)
		return pfw_fail_memory(err);
	free(state->config);
	state->config = config;
	state->draining = engine->plan.facts.draining;
	state->fileless = fileless;
	return state_save(state, &state->host, err);
}

void engine_forget_config(struct pfw_engine *engine, struct pfw_error *err)
{
	struct pfw_error failed = PFW_ERROR_INIT;

	free(engine->state.config);
	engine->state.config = NULL;
	if (state_save(&engine->state, &engine->state.host, &failed))
		pfw_error_add(err, PFW_FAILED, "%s", failed.item[0].message);
}

int engine_commit(struct pfw_engine *engine, struct side sides[ENGINE_BACKENDS],
		  struct pfw_error *err)
{
	bool first = !engine->state.config;
	int ret = engine_remember_config(engine, err);

	if (!ret)
		ret = pfw_store_commit(engine->store, err);
	if (ret) {
		sides_take_back(engine, sides, err);
		if (first)
			engine_forget_config(engine, err);
	}
	return ret;
}

static int check_config(const struct pfw_engine *engine, struct pfw_error *err)
{
	const char *applied = engine->state.config, *ours = pfw_store_path(engine->store);

	if (!applied || !strcmp(applied, ours))
		return 0;
	return pfw_fail(err, PFW_FAILED, -EINVAL,
			"%s is applied in this network namespace, not %s; use \"portfwd -c %s\", or "
			"\"portfwd -c %s reload\" to change over",
			applied, ours, applied, ours);
}

/* How many forwards will be there after the next boot. */
static uint32_t n_saved(const struct pfw_engine *engine)
{
	const struct pfw_forward *forward;
	uint32_t id, n = 0;

	for (id = 0; id < engine->ruleset.n_forwards; id++) {
		forward = &engine->ruleset.forwards[id];
		n += forward->name && !pfw_store_is_runtime(engine->store, forward->origin.file);
	}
	return n;
}

/*
 * Where nothing is left of an applied configuration, it is lost rather than empty: going on
 * would silently take all of its forwards away.
 */
static int check_lost(const struct pfw_engine *engine, struct pfw_error *err)
{
	const char *applied = engine->state.config;

	if (!applied || engine->state.fileless || !access(applied, F_OK) || errno != ENOENT ||
	    n_saved(engine))
		return 0;
	return pfw_fail(err, PFW_FAILED, -ENOENT,
			"%s is applied in this network namespace, but the file is gone; put it back, or "
			"clear the kernel with \"portfwd flush\"",
			applied);
}

/*
 * What was kept until the next boot is of another boot, or was flushed, where nothing is applied:
 * it counts for nothing, and must not come back once something is.
 */
static int prepare_runtime(struct pfw_engine *engine, bool write, struct pfw_error *err)
{
	bool stale = !engine->state.config;
	char *path = state_runtime(&engine->state);
	int ret = path ? pfw_store_set_runtime(engine->store, path, stale) : -ENOMEM;

	free(path);
	if (ret)
		return pfw_fail_memory(err);
	return stale && write ? state_forget_runtime(&engine->state, NULL, err) : 0;
}

/* The order of the locks is the same for everybody: the namespace, then the files. */
static int prepare_kernel(struct pfw_engine *engine, const struct pfw_engine_load *load,
			  struct pfw_error *err)
{
	bool write = load->purpose == PFW_ENGINE_WRITE;
	int ret;

	if (!engine->state.folder) {
		ret = state_open(&engine->state, engine->run_dir, err);
		if (!ret)
			ret = state_lock(&engine->state, write, ENGINE_LOCK_SECONDS, err);
		if (!ret)
			ret = state_load(&engine->state, err);
		if (ret)
			return ret;
	}
	if (!load->any_config) {
		ret = check_config(engine, err);
		if (ret)
			return ret;
	}
	ret = prepare_runtime(engine, write, err);
	if (ret)
		return ret;
	ret = write ? pfw_store_lock(engine->store, ENGINE_LOCK_SECONDS, err) : 0;
	return ret ? ret : engine_open_backends(engine, err);
}

static int adopt_family(struct pfw_engine *engine, unsigned int f, bool *ret_adopted,
			struct pfw_error *err)
{
	static const uint8_t families[] = { AF_INET, AF_INET6 };
	struct pfw_links links = { 0 };
	int ret;

	ret = pfw_nftables_guarded(engine->backends[ENGINE_PACKETS].handle, families[f], &links, err);
	if (!ret && links.n) {
		ret = pfw_host_adopt(&engine->state.host, families[f], &links,
				     &engine->facts.links) ? pfw_fail_memory(err) : 0;
		*ret_adopted = true;
	}
	pfw_links_free(&links);
	return ret;
}

/* Where nothing at all is recorded, and the shield stands that only portfwd puts up. */
static int adopt_localnets(struct pfw_engine *engine, bool *ret_adopted, struct pfw_error *err)
{
	bool shielded = false;
	int ret;

	if (engine->state.config || engine->state.host.n_entries)
		return 0;
	ret = pfw_nftables_shielded(engine->backends[ENGINE_PACKETS].handle, &shielded, err);
	if (ret || !shielded)
		return ret;
	*ret_adopted = true;
	return pfw_host_adopt_localnets(&engine->state.host, &engine->facts.inet, err);
}

int engine_gather_facts(struct pfw_engine *engine, struct pfw_error *err)
{
	bool adopted = false;
	unsigned int f;
	int ret = pfw_host_facts(&engine->state.host, &engine->facts, err);

	if (!ret)
		ret = adopt_localnets(engine, &adopted, err);
	for (f = 0; !ret && f < 2; f++)
		if (engine->facts.routing_on[f] && !engine->facts.routing_held[f])
			ret = adopt_family(engine, f, &adopted, err);
	if (ret || !adopted)
		return ret;
	pfw_facts_free(&engine->facts);
	return pfw_host_facts(&engine->state.host, &engine->facts, err);
}

static const char *file_name(const void *ctx, uint32_t file)
{
	return pfw_engine_file(ctx, file);
}

/* The way out, where what is wrong is in the file that nobody edits, or has to do with it. */
static void advise_runtime(const struct pfw_engine *engine, struct pfw_error *err)
{
	const char *path = pfw_store_file(engine->store, PFW_ORIGIN_RUNTIME);
	unsigned int i;

	for (i = 0; path && i < err->count && i < PFW_ERROR_ITEMS; i++) {
		if (strcmp(err->item[i].file, path) && !strstr(err->item[i].message, path))
			continue;
		pfw_error_add_advice(err, PFW_FAILED, "what was added with --runtime is in %s: change the "
				     "configuration or this file, or remove it to be without them", path);
		return;
	}
}

/* Without a file that is missing, where it was missing when the configuration was applied. */
static bool is_required(const struct pfw_engine *engine, const struct pfw_engine_load *load)
{
	const struct state *state = &engine->state;

	return load->required && !(state->fileless && state->config &&
				   !strcmp(state->config, pfw_store_path(engine->store)));
}

int pfw_engine_load(struct pfw_engine *engine, const struct pfw_engine_load *load,
		    struct pfw_error *err)
{
	int ret = 0;

	unload(engine);
	if (load->purpose != PFW_ENGINE_WORDS) {
		ret = prepare_kernel(engine, load, err);
		if (!ret)
			ret = engine_gather_facts(engine, err);
		engine->facts.draining = engine->state.draining;
	} else {
		/* Of words alone nothing is switched on, so nothing needs a guard. */
		engine->facts.routing_on[0] = engine->facts.routing_on[1] = true;
	}
	pfw_store_set_draft(engine->store, load->draft);
	if (!ret)
		ret = pfw_store_load(engine->store, is_required(engine, load), &engine->ruleset, err);
	/* Of a draft, the administrator knows that it starts anew. */
	if (!ret && load->purpose != PFW_ENGINE_WORDS && !load->draft)
		ret = check_lost(engine, err);
	engine->facts.now = time(NULL);
	if (!ret)
		ret = pfw_plan_make(&engine->ruleset, &engine->facts, file_name, engine, &engine->plan, err);
	if (ret) {
		advise_runtime(engine, err);
		unload(engine);
		return ret;
	}
	engine->loaded = true;
	return 0;
}

int pfw_engine_read(struct pfw_engine *engine, bool dry_run, struct pfw_buffer *ret,
		    struct pfw_error *err)
{
	const struct pfw_engine_load load = {
		.purpose = dry_run ? PFW_ENGINE_LOOK : PFW_ENGINE_WRITE,
	};
	int code = prepare_kernel(engine, &load, err);

	return code ? code : pfw_store_read(engine->store, !dry_run, ret, err);
}

const struct pfw_ruleset *pfw_engine_ruleset(const struct pfw_engine *engine)
{
	return &engine->ruleset;
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

const char *pfw_engine_backend(const struct pfw_engine *engine)
{
	(void)engine;
	return pfw_backend_nftables.name;
}
