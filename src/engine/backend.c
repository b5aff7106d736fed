/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which backend programs the packets, and whether another one still does. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "inside.h"

/* ---- The choice */

static enum pfw_backend_choice wanted(const struct pfw_engine *engine)
{
	return engine->backend ? (enum pfw_backend_choice)pfw_name_value(pfw_backend_names,
									 engine->backend,
									 strlen(engine->backend)) :
				 engine->ruleset.settings.backend;
}

const struct pfw_backend *engine_named_backend(const struct pfw_engine *engine)
{
	enum pfw_backend_choice choice = wanted(engine);

	if (choice == PFW_BACKEND_AUTO)
		return NULL;
	return pfw_backend_find(pfw_name_text(pfw_backend_names, choice));
}

int engine_check_backend(const struct pfw_engine *engine, struct pfw_error *err)
{
	enum pfw_backend_choice choice = wanted(engine);
	const char *name = pfw_name_text(pfw_backend_names, choice);

	if (choice == PFW_BACKEND_AUTO || pfw_backend_find(name))
		return 0;
	return pfw_fail(err, PFW_FAILED, -EOPNOTSUPP,
			"this portfwd was built without the %s backend; use auto or %s, or a "
			"portfwd that was built with it", name, pfw_backends[0]->name);
}

static int open_backend(struct pfw_engine *engine, const struct pfw_backend *ops, bool write,
			struct engine_backend *ret, struct pfw_error *err)
{
	int code = 0;

	if (engine->owner.ops == ops) {
		*ret = engine->owner;
		engine->owner = (struct engine_backend){ 0 };
	} else {
		code = ops->open(write, &ret->handle, err);
	}
	if (code)
		return code;
	ret->ops = ops;
	ret->write = write;
	return 0;
}

/* What owns the table loses it when it is closed. */
static void close_backend(struct pfw_engine *engine, struct engine_backend *backend)
{
	if (backend->handle && engine->stays && backend->ops->own)
		engine->owner = *backend;
	else if (backend->handle)
		backend->ops->close(backend->handle);
	*backend = (struct engine_backend){ 0 };
}

/* Opens it if the kernel can do what it makes. */
static int try_backend(struct pfw_engine *engine, const struct pfw_backend *ops, bool write,
		       struct engine_backend *ret, struct pfw_error *err)
{
	int code = open_backend(engine, ops, write, ret, err);

	if (!code)
		code = ops->probe(ret->handle, err);
	if (code)
		close_backend(engine, ret);
	return code;
}

static int remember_why(struct pfw_engine *engine, const char *why)
{
	free(engine->why);
	engine->why = why ? strdup(why) : NULL;
	return why && !engine->why ? -ENOMEM : 0;
}

/* Whether the rules that stand are known to be of this one. */
static bool is_known(const struct pfw_engine *engine, const struct pfw_backend *ops)
{
	return engine->state.backend && !strcmp(engine->state.backend, ops->name);
}

/* All that was tried is told at once. */
static int refuse_all(const struct pfw_error *failed, size_t n, struct pfw_error *err)
{
	struct pfw_buffer text = { 0 };
	size_t i;
	int ret;

	if (n == 1 || failed[0].kind == PFW_NOT_PERMITTED)
		return pfw_fail(err, failed[0].kind, -EOPNOTSUPP, "%s", failed[0].item[0].message);
	for (i = 0; i < n; i++)
		pfw_buffer_printf(&text, "; %s: %s", pfw_backends[i]->name,
				  failed[i].item[0].message);
	ret = text.failed ? pfw_fail_memory(err) :
			    pfw_fail(err, PFW_FAILED, -EOPNOTSUPP,
				     "this kernel lets no backend work%s", text.data);
	pfw_buffer_free(&text);
	return ret;
}

/* It is news where what is applied was not made by it. */
static int take_it(struct pfw_engine *engine, size_t n, const struct pfw_error *failed,
		   struct pfw_error *err)
{
	engine->fell_back = n && !is_known(engine, pfw_backends[n]);
	return remember_why(engine, n ? failed[0].item[0].message : NULL) ?
		       pfw_fail_memory(err) : 0;
}

/* The first one that the kernel can do. */
static int decide(struct pfw_engine *engine, bool write, struct pfw_error *err)
{
	struct engine_backend *packets = &engine->backends[ENGINE_PACKETS];
	struct pfw_error failed[ENGINE_PACKET_BACKENDS];
	size_t n;
	int code;

	for (n = 0; n < ENGINE_PACKET_BACKENDS && pfw_backends[n]; n++) {
		failed[n] = (struct pfw_error)PFW_ERROR_INIT;
		code = try_backend(engine, pfw_backends[n], write, packets, &failed[n]);
		if (!code)
			return take_it(engine, n, failed, err);
		/* What stands must not move to another one for what is over in a moment. */
		if (pfw_errno_passes(code))
			return pfw_fail(err, failed[n].kind, code, "%s", failed[n].item[0].message);
	}
	return refuse_all(failed, n, err);
}

/* With auto, what stands goes on until a reload decides anew. */
static bool keep(struct pfw_engine *engine, bool write)
{
	const char *name = engine->state.config ? engine->state.backend : NULL;
	const struct pfw_backend *ops = name ? pfw_backend_find(name) : NULL;
	struct pfw_error ignored = PFW_ERROR_INIT;

	return ops &&
	       !open_backend(engine, ops, write, &engine->backends[ENGINE_PACKETS], &ignored) &&
	       !remember_why(engine, engine->state.why);
}

static int choose(struct pfw_engine *engine, bool write, bool anew, struct pfw_error *err)
{
	const struct pfw_backend *named;
	int ret = engine_check_backend(engine, err);

	if (ret)
		return ret;
	named = engine_named_backend(engine);
	if (named)
		return open_backend(engine, named, write, &engine->backends[ENGINE_PACKETS], err);
	return !anew && keep(engine, write) ? 0 : decide(engine, write, err);
}

/* ---- The other one */

static const struct pfw_backend *other_than(const struct pfw_backend *ops)
{
	size_t i;

	for (i = 0; pfw_backends[i]; i++)
		if (pfw_backends[i] != ops)
			return pfw_backends[i];
	return NULL;
}

/* Whether anything of it stands. It is only looked at, so nobody who changes it is waited for. */
static bool has_left(struct pfw_engine *engine, const struct pfw_backend *ops)
{
	struct pfw_error ignored = PFW_ERROR_INIT;
	struct engine_backend other = { 0 };
	struct pfw_image image = { 0 };
	bool left;

	left = !open_backend(engine, ops, false, &other, &ignored) &&
	       !ops->read(other.handle, &image, &ignored) && image.n_items;
	pfw_image_free(&image);
	close_backend(engine, &other);
	return left;
}

/*
 * Where rules are known, or found, to be of another backend. One that cannot be opened has none, as
 * far as anybody can tell, unless it is known to: they must not stay beside those of this one.
 */
static int open_other(struct pfw_engine *engine, bool write, bool anew, struct pfw_error *err)
{
	const struct pfw_backend *ops = other_than(engine->backends[ENGINE_PACKETS].ops);
	/* Who was killed before anything was remembered may have left either. */
	bool unsure = anew || engine->state.moving || !engine->state.config;

	if (!ops || engine->backends[ENGINE_OTHER].handle)
		return 0;
	if (!is_known(engine, ops) && !(unsure && has_left(engine, ops)))
		return 0;
	return open_backend(engine, ops, write, &engine->backends[ENGINE_OTHER], err);
}

/* ---- All of them */

static int save_host(void *ctx, const struct pfw_host_record *record, struct pfw_error *err)
{
	return state_save(ctx, record, err);
}

static int open_host(struct pfw_engine *engine, struct pfw_error *err)
{
	struct engine_backend *host = &engine->backends[ENGINE_HOST];

	host->ops = &pfw_backend_host;
	return host->handle ? 0 : pfw_host_open(&engine->state.host, save_host, &engine->state,
						&host->handle, err);
}

/* Whether the one that is open is the one that would be chosen, and can do what is to be done. */
static bool is_right(const struct pfw_engine *engine, bool write, bool anew)
{
	const struct engine_backend *packets = &engine->backends[ENGINE_PACKETS];
	const struct pfw_backend *named = engine_named_backend(engine);

	if (!packets->handle || (write && !packets->write))
		return false;
	if (named)
		return packets->ops == named;
	return !anew && engine->state.config && engine->state.backend == packets->ops->name;
}

static int part(struct engine_backend *backend, struct pfw_error *err)
{
	backend->write = false;
	return backend->handle && backend->ops->part ? backend->ops->part(backend->handle, err) : 0;
}

int engine_part_backends(struct pfw_engine *engine, struct pfw_error *err)
{
	unsigned int i;
	int ret = part(&engine->owner, err);

	for (i = 0; !ret && i < ENGINE_BACKENDS; i++)
		ret = part(&engine->backends[i], err);
	return ret;
}

static void prepare(struct pfw_engine *engine, bool write)
{
	const struct engine_backend *backend;

	for (backend = engine->backends; backend < &engine->backends[ENGINE_BACKENDS]; backend++)
		if (backend->handle && backend->ops->prepare)
			backend->ops->prepare(backend->handle, write,
					      engine->locks != PFW_ENGINE_WAIT);
}

int engine_open_backends(struct pfw_engine *engine, bool write, bool anew, struct pfw_error *err)
{
	int ret = 0;

	close_backend(engine, &engine->backends[ENGINE_OTHER]);
	if (!is_right(engine, write, anew)) {
		engine->compared = false;
		close_backend(engine, &engine->backends[ENGINE_PACKETS]);
		ret = choose(engine, write, anew, err);
	}
	if (!ret)
		ret = open_other(engine, write, anew, err);
	prepare(engine, write);
	return ret ? ret : open_host(engine, err);
}

int engine_open_all(struct pfw_engine *engine, struct pfw_error *err)
{
	struct pfw_error failed[ENGINE_PACKET_BACKENDS];
	unsigned int n_open = 0;
	size_t n;
	int code;

	for (n = 0; n < ENGINE_PACKET_BACKENDS && pfw_backends[n]; n++) {
		failed[n] = (struct pfw_error)PFW_ERROR_INIT;
		code = open_backend(engine, pfw_backends[n], true, &engine->backends[n_open], &failed[n]);
		if (!code)
			n_open++;
		else if (is_known(engine, pfw_backends[n]))
			return pfw_fail(err, failed[n].kind, code, "%s", failed[n].item[0].message);
	}
	prepare(engine, true);
	return n_open ? open_host(engine, err) : refuse_all(failed, n, err);
}

void engine_close_backends(struct pfw_engine *engine)
{
	unsigned int i;

	engine->compared = false;
	for (i = 0; i < ENGINE_BACKENDS; i++)
		close_backend(engine, &engine->backends[i]);
}

void engine_hand_over(struct pfw_engine *from, struct pfw_engine *to)
{
	engine_close_backends(from);
	to->owner = from->owner;
	to->stays = from->stays;
	from->owner = (struct engine_backend){ 0 };
}

void engine_let_go(struct pfw_engine *engine)
{
	if (engine->owner.handle)
		engine->owner.ops->close(engine->owner.handle);
	engine->owner = (struct engine_backend){ 0 };
}

int refuse_restless(const struct pfw_engine *engine, struct pfw_error *err)
{
	return pfw_fail(err, PFW_FAILED, -ESTALE,
			"the %s ruleset keeps changing; nothing was changed, try again",
			engine->backends[ENGINE_PACKETS].ops->name);
}

/* ---- Whose it is */

static enum pfw_ownership wanted_ownership(const struct pfw_engine *engine)
{
	if (!engine->ruleset.settings.own_table)
		return PFW_OWNED_BY_NOBODY;
	return engine->stays ? PFW_OWNED_BY_US : PFW_OWNED_BY_ANYBODY;
}

int engine_own(struct pfw_engine *engine, struct pfw_error *err)
{
	const struct engine_backend *packets = &engine->backends[ENGINE_PACKETS];
	enum pfw_ownership who = wanted_ownership(engine);
	int ret = packets->ops->own ? packets->ops->own(packets->handle, who, err) : -EOPNOTSUPP;

	engine->facts.owned = !ret && who == PFW_OWNED_BY_US;
	if (who != PFW_OWNED_BY_US || engine->facts.owned)
		engine->told_unowned = false;
	return err->count ? ret : 0;
}

int engine_tell_unowned(struct pfw_engine *engine, struct pfw_report *report,
			struct pfw_error *err)
{
	const char *why = pfw_engine_unowned(engine);

	if (!why || engine->told_unowned)
		return 0;
	engine->told_unowned = true;
	return report_warn(report, err, "%s", why);
}

const char *pfw_engine_unowned(const struct pfw_engine *engine)
{
	if (wanted_ownership(engine) != PFW_OWNED_BY_US || engine->plan.facts.owned)
		return NULL;
	return engine->backends[ENGINE_PACKETS].ops->own ?
	       "own_table is not possible with this kernel (Linux 6.9 can): others can change the "
	       "table, and what they change is put back" :
	       "own_table is only for the nftables backend: others can change the rules, and what "
	       "they change is put back";
}

/* ---- What it cannot express */

int engine_refuse(struct pfw_engine *engine, const struct pfw_backend *ops, struct pfw_error *err)
{
	const struct pfw_ruleset *ruleset = &engine->ruleset;
	const struct pfw_forward *forward;
	uint32_t id;
	size_t mark;

	for (id = 0; ops->refuse && id < ruleset->n_forwards; id++) {
		forward = &ruleset->forwards[id];
		if (!pfw_plan_active(&engine->plan, forward))
			continue;
		err->file = pfw_engine_file(engine, forward->origin.file);
		mark = pfw_error_enter(err, "forwards[%u]", forward->origin.position);
		ops->refuse(&engine->plan, forward, err);
		pfw_error_leave(err, mark);
	}
	err->file = NULL;
	return err->count ? -EOPNOTSUPP : 0;
}

int engine_tell_fallback(const struct pfw_engine *engine, struct pfw_report *report,
			 struct pfw_error *err)
{
	if (!engine->fell_back)
		return 0;
	return report_warn(report, err, "%s cannot be used here (%s), so the %s backend is",
			   pfw_backends[0]->name, engine->why,
			   engine->backends[ENGINE_PACKETS].ops->name);
}
