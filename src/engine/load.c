/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Loading the configuration into an engine, or finding that it is loaded already. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "inside.h"
#include "trial.h"

/* ---- Which configuration it is, and its locks */

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

int engine_lock_state(struct pfw_engine *engine, bool write, struct pfw_error *err)
{
	struct state *state = &engine->state;
	int ret = 0;

	if (engine->locked)
		return 0;
	if (!state->folder)
		ret = state_open(state, engine->run_dir, err);
	if (!ret && engine->locks != PFW_ENGINE_NO_LOCKS)
		ret = state_lock(state, write, engine->locks == PFW_ENGINE_WAIT, err);
	if (!ret)
		ret = state_load(state, err);
	engine->locked = !ret;
	return ret;
}

/* The order of the locks is the same for everybody: the namespace, then the files. */
int engine_lock(struct pfw_engine *engine, const struct pfw_engine_load *load,
		struct pfw_error *err)
{
	bool write = load->purpose == PFW_ENGINE_WRITE;
	int ret = engine_lock_state(engine, write, err);

	if (!ret && !load->any_config)
		ret = check_config(engine, err);
	if (!ret)
		ret = prepare_runtime(engine, write, err);
	if (ret)
		return ret;
	if (!write)
		return 0;
	/* Whoever needs the file makes no folder for it: that would be news to who waits for the file. */
	return pfw_store_lock(engine->store,
			      engine->locks == PFW_ENGINE_WAIT ? STATE_LOCK_SECONDS : 0, !load->required,
			      err);
}

static int take_locks(struct pfw_engine *engine, const struct pfw_engine_load *load,
		      struct pfw_error *err)
{
	int ret;

	if (!engine->locked)
		engine->returned = false;
	ret = engine_lock(engine, load, err);
	if (!ret && load->purpose == PFW_ENGINE_WRITE && !load->settled)
		ret = trial_settle(engine, load, err);
	return ret || !load->draft ? ret : trial_refuse(engine, err);
}

/* ---- What the machine says */

static int adopt_family(struct pfw_engine *engine, const struct engine_backend *from, unsigned int f,
			bool *ret_adopted, struct pfw_error *err)
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
	int ret;

	pfw_facts_free(&engine->facts);
	ret = pfw_host_facts(&engine->state.host, &engine->facts, err);

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

/* ---- What the files say */

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
	if (!ret)
		ret = engine_own(engine, err);
	engine->facts.draining = engine->state.draining;
	return ret;
}

static int load_words(struct pfw_engine *engine, const struct pfw_engine_load *load,
		      struct pfw_error *err)
{
	int ret = pfw_store_load(engine->store, is_required(engine, load), &engine->ruleset, err);

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

/* ---- Both */

/* What was loaded before, for as long as it is not sure that it is not needed. */
struct aside {
	struct pfw_ruleset ruleset;
	struct pfw_facts facts;
	struct pfw_plan plan;
	bool loaded;
};

static void put_aside(struct pfw_engine *engine, struct aside *ret)
{
	*ret = (struct aside){ engine->ruleset, engine->facts, engine->plan, engine->loaded };
	engine->ruleset = (struct pfw_ruleset){ 0 };
	engine->facts = (struct pfw_facts){ 0 };
	engine->plan = (struct pfw_plan){ 0 };
	engine->loaded = false;
}

static void take_back(struct pfw_engine *engine, const struct aside *aside)
{
	engine_unload(engine);
	pfw_store_revert(engine->store);
	engine->ruleset = aside->ruleset;
	engine->facts = aside->facts;
	engine->plan = aside->plan;
	engine->loaded = aside->loaded;
	/* They may be those that the new settings asked for. */
	if (aside->loaded)
		engine_close_backends(engine);
}

static int try_load(struct pfw_engine *engine, const struct pfw_engine_load *load,
		    bool *ret_journal, struct pfw_error *err)
{
	bool words = load->purpose == PFW_ENGINE_WORDS;
	struct aside aside;
	int ret;

	put_aside(engine, &aside);
	ret = load_words(engine, load, err);
	*ret_journal = !ret && pfw_store_is_left(engine->store);
	if (!ret && words)
		assume_facts(&engine->facts);
	else if (!ret)
		ret = face_kernel(engine, load, err);
	if (!ret)
		ret = make_plan(engine, err);
	if (ret) {
		advise_runtime(engine, err);
		take_back(engine, &aside);
		return ret;
	}
	pfw_store_accept(engine->store);
	pfw_plan_free(&aside.plan);
	pfw_facts_free(&aside.facts);
	pfw_ruleset_free(&aside.ruleset);
	engine->loaded = true;
	engine->words_only = words;
	engine->compared = false;
	engine->drafted = load->draft != NULL;
	engine->bulky = true;
	if (engine->stays)
		pfw_ruleset_index_listens(&engine->ruleset);
	engine_note_expiries(engine);
	return 0;
}

/* What a journal says was checked with the file that it was for; where that changed, it stands back. */
static int load_anew(struct pfw_engine *engine, const struct pfw_engine_load *load,
		     struct pfw_error *err)
{
	const bool changed = !engine->loaded ||
			     !pfw_store_is_current(engine->store, pfw_engine_is_applied(engine));
	struct pfw_error again = PFW_ERROR_INIT;
	bool journal;
	int ret = try_load(engine, load, &journal, err);

	engine->fresh = engine->fresh || (!ret && changed);
	if ((ret != -EEXIST && ret != -EOPNOTSUPP) || !journal)
		return ret;
	pfw_store_reject_journal(engine->store);
	if (try_load(engine, load, &journal, &again))
		return ret;
	engine->fresh = true;
	pfw_error_clear(err);
	return 0;
}

/* The words are the same: only what varies in time is looked at. */
static int refresh(struct pfw_engine *engine, const struct pfw_engine_load *load,
		   struct pfw_error *err)
{
	struct pfw_facts before = engine->facts;
	int ret;

	engine->facts = (struct pfw_facts){ 0 };
	ret = face_kernel(engine, load, err);
	if (ret) {
		pfw_facts_free(&engine->facts);
		engine->facts = before;
		return ret;
	}
	pfw_facts_free(&before);
	engine->facts.now = time(NULL);
	return engine_follow_facts(engine, err);
}

static bool is_loaded(const struct pfw_engine *engine, const struct pfw_engine_load *load)
{
	if (!engine->loaded || engine->words_only || engine->drafted ||
	    load->purpose == PFW_ENGINE_WORDS || load->draft)
		return false;
	return load->standing || (pfw_store_is_current(engine->store, true) &&
				  (!is_required(engine, load) || pfw_store_has_main(engine->store)));
}

/* A draft, and whoever writes one, knows only the file; a file that is broken stays as it is. */
static void fold_first(struct pfw_engine *engine)
{
	const struct pfw_engine_load load = { .purpose = PFW_ENGINE_WRITE, .any_config = true };
	struct pfw_error ignored = PFW_ERROR_INIT;

	if (pfw_store_has_journal(engine->store) && !pfw_engine_load(engine, &load, &ignored))
		pfw_store_settle(engine->store, &ignored);
}

int pfw_engine_load(struct pfw_engine *engine, const struct pfw_engine_load *load,
		    struct pfw_error *err)
{
	bool write = load->purpose == PFW_ENGINE_WRITE;
	int ret = engine->locked ? 0 : pfw_store_follow(engine->store, err);

	if (!ret && load->purpose != PFW_ENGINE_WORDS)
		ret = take_locks(engine, load, err);
	if (!ret && load->draft && write)
		fold_first(engine);
	pfw_store_set_draft(engine->store, load->draft);
	if (ret)
		return ret;
	if (is_loaded(engine, load))
		ret = refresh(engine, load, err);
	else if (engine->locks == PFW_ENGINE_NO_LOCKS && load->purpose != PFW_ENGINE_WORDS)
		/* Several files are one configuration only while nobody saves them. */
		ret = pfw_fail(err, PFW_FAILED, -EAGAIN, "the files are not those that were read");
	else
		ret = load_anew(engine, load, err);
	if (!ret && write && !load->draft && !load->standing && pfw_store_is_left(engine->store))
		ret = pfw_store_settle(engine->store, err);
	return ret;
}

int pfw_engine_read(struct pfw_engine *engine, bool dry_run, struct pfw_buffer *ret,
		    struct pfw_error *err)
{
	const struct pfw_engine_load load = {
		.purpose = dry_run ? PFW_ENGINE_LOOK : PFW_ENGINE_WRITE,
	};
	int code = take_locks(engine, &load, err);

	if (!code && !dry_run)
		fold_first(engine);
	return code ? code : pfw_store_read(engine->store, !dry_run, ret, err);
}
