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
	if (!engine)
		return;
	unload(engine);
	engine_close_backends(engine);
	pfw_store_close(engine->store);
	/* A first change that failed leaves nothing behind. */
	state_tidy(&engine->state);
	state_free(&engine->state);
	free(engine->run_dir);
	free(engine->backend);
	free(engine->why);
	free(engine);
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
	    !state->host.renamed && state->backend == backend && same_text(state->why, engine->why))
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
	if (!ret)
		return 0;
	sides_take_back(engine, sides, err);
	if (first || backend != engine->state.backend) {
		engine->state.backend = backend;
		remember_again(engine, first, err);
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
static int take_locks(struct pfw_engine *engine, const struct pfw_engine_load *load,
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
	return write ? pfw_store_lock(engine->store, ENGINE_LOCK_SECONDS, err) : 0;
}

static int adopt_family(struct pfw_engine *engine, const struct engine_backend *from,
			unsigned int f, bool *ret_adopted, struct pfw_error *err)
{
	static const uint8_t families[] = { AF_INET, AF_INET6 };
	struct pfw_links links = { 0 };
	int ret = from->ops->guarded(from->handle, families[f], &links, err);

	if (!ret && links.n) {
		ret = pfw_host_adopt(&engine->state.host, families[f], &links,
				     &engine->facts.links) ? pfw_fail_memory(err) : 0;
		*ret_adopted = true;
	}
	pfw_links_free(&links);
	return ret;
}

/* Where nothing at all is recorded, and the shield stands that only portfwd puts up. */
static int adopt_localnets(struct pfw_engine *engine, const struct engine_backend *from,
			   bool *ret_adopted, struct pfw_error *err)
{
	bool shielded = false;
	int ret;

	if (engine->state.config || engine->state.host.n_entries)
		return 0;
	ret = from->ops->shielded(from->handle, &shielded, err);
	if (ret || !shielded)
		return ret;
	*ret_adopted = true;
	return pfw_host_adopt_localnets(&engine->state.host, &engine->facts.inet, err);
}

int engine_gather_facts(struct pfw_engine *engine, struct pfw_error *err)
{
	const struct engine_backend *from;
	bool adopted = false, adopted_family[2] = { false, false };
	unsigned int f;
	int ret = pfw_host_facts(&engine->state.host, &engine->facts, err);

	for (from = engine->backends; !ret && from < &engine->backends[ENGINE_HOST]; from++) {
		if (!from->ops || !from->ops->guarded)
			continue;
		ret = adopt_localnets(engine, from, &adopted, err);
		for (f = 0; !ret && f < 2; f++)
			if (engine->facts.routing_on[f] && !engine->facts.routing_held[f] &&
			    !adopted_family[f])
				ret = adopt_family(engine, from, f, &adopted_family[f], err);
	}
	if (ret || !(adopted || adopted_family[0] || adopted_family[1]))
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

/* Of words alone nothing is switched on, so nothing needs a guard. */
static void assume_facts(struct pfw_facts *facts)
{
	facts->routing_on[0] = facts->routing_on[1] = true;
}

/* What the kernel and the host say, once the settings are known. */
static int face_kernel(struct pfw_engine *engine, const struct pfw_engine_load *load,
		       struct pfw_error *err)
{
	int ret = engine_open_backends(engine, load->purpose == PFW_ENGINE_WRITE, load->anew, err);

	if (!ret)
		ret = engine_gather_facts(engine, err);
	engine->facts.draining = engine->state.draining;
	return ret;
}

static int load_words(struct pfw_engine *engine, const struct pfw_engine_load *load,
		      struct pfw_error *err)
{
	int ret;

	pfw_store_set_draft(engine->store, load->draft);
	ret = pfw_store_load(engine->store, is_required(engine, load), &engine->ruleset, err);
	/* Of a draft, the administrator knows that it starts anew. */
	if (!ret && load->purpose != PFW_ENGINE_WORDS && !load->draft)
		ret = check_lost(engine, err);
	return ret ? ret : engine_check_backend(engine, err);
}

static int make_plan(struct pfw_engine *engine, struct pfw_error *err)
{
	const struct pfw_backend *ops = engine->backends[ENGINE_PACKETS].ops;
	int ret;

	engine->facts.now = time(NULL);
	ret = pfw_plan_make(&engine->ruleset, &engine->facts, file_name, engine, &engine->plan, err);
	if (!ops)
		ops = engine_named_backend(engine);
	return ret || !ops ? ret : engine_refuse(engine, ops, err);
}

int pfw_engine_load(struct pfw_engine *engine, const struct pfw_engine_load *load,
		    struct pfw_error *err)
{
	bool words = load->purpose == PFW_ENGINE_WORDS;
	int ret;

	unload(engine);
	ret = words ? 0 : take_locks(engine, load, err);
	if (!ret)
		ret = load_words(engine, load, err);
	if (!ret && words)
		assume_facts(&engine->facts);
	else if (!ret)
		ret = face_kernel(engine, load, err);
	if (!ret)
		ret = make_plan(engine, err);
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
	int code = take_locks(engine, &load, err);

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

const char *pfw_engine_backend(const struct pfw_engine *engine, const char **ret_why)
{
	*ret_why = engine->why;
	return engine->backends[ENGINE_PACKETS].ops->name;
}
