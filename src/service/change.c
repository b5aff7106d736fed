/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Requests that change forwards: add, remove, enable, disable. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "local.h"
#include "portfwd/base/time.h"
#include "portfwd/config/config.h"
#include "portfwd/service/etag.h"

#define DIFFERENCES_MAX 3	/* that are told of one forward */

static bool name_is_free(void *ctx, const char *name)
{
	return pfw_ruleset_find(ctx, name) == PFW_INDEX_NONE;
}

static const struct pfw_forward *find(const struct pfw_ruleset *ruleset, const char *name)
{
	uint32_t id = pfw_ruleset_find(ruleset, name);

	return id == PFW_INDEX_NONE ? NULL : &ruleset->forwards[id];
}

/* The forward that listens just there, or NULL; *ret_more where there is another. */
static const struct pfw_forward *find_listen(const struct pfw_ruleset *ruleset,
					     const struct pfw_listen *listen,
					     const struct pfw_forward **ret_more)
{
	uint32_t id = pfw_ruleset_find_listen(ruleset, listen, 0), other;

	if (id == PFW_INDEX_NONE)
		return NULL;
	other = pfw_ruleset_find_listen(ruleset, listen, id + 1);
	if (other != PFW_INDEX_NONE)
		*ret_more = &ruleset->forwards[other];
	return &ruleset->forwards[id];
}

/* Whether they say the same but for the name. */
static bool says_the_same(const struct pfw_forward *there, struct pfw_forward forward)
{
	forward.name = there->name;
	return pfw_forward_equal(there, &forward);
}

/*
 * A forward without a name is the one that says just that already, or else the one that
 * listens there, if there is one; else it gets the name that its listen part gives.
 */
static int settle_name(const struct pfw_ruleset *ruleset, struct pfw_forward *forward,
		       struct pfw_arena *arena, struct pfw_error *err)
{
	const struct pfw_forward *there, *more = NULL;
	char derived[PFW_NAME_MAX + 1];
	char *name;
	uint32_t id;

	if (forward->name)
		return 0;
	there = find_listen(ruleset, &forward->listen, &more);
	for (id = 0; more && id != PFW_INDEX_NONE;
	     id = pfw_ruleset_find_listen(ruleset, &forward->listen, id + 1))
		if (ruleset->forwards[id].name && says_the_same(&ruleset->forwards[id], *forward)) {
			there = &ruleset->forwards[id];
			more = NULL;
		}
	if (more)
		return pfw_fail(err, PFW_CONFLICT, -EEXIST,
				"\"%s\" and \"%s\" listen there already; give a name", there->name,
				more->name);
	if (there) {
		forward->name = there->name;
		return 0;
	}
	if (pfw_forward_derive_name(&forward->listen, name_is_free, (void *)(uintptr_t)ruleset,
				    derived))
		return pfw_fail(err, PFW_CONFLICT, -EEXIST,
				"no name can be made from the listen part that is not taken; give one");
	name = pfw_arena_text(arena, derived, strlen(derived));
	if (!name)
		return pfw_fail_memory(err);
	forward->name = name;
	return 0;
}

static void print_value(const char *key, const struct pfw_forward *forward, const json_t *value,
			struct pfw_buffer *ret)
{
	char *text = NULL;

	if (!strcmp(key, "listen")) {
		pfw_listen_print(&forward->listen, ret);
	} else if (!strcmp(key, "target")) {
		pfw_target_print(forward, ret);
	} else if (json_is_null(value) || (json_is_array(value) && !json_array_size(value))) {
		pfw_buffer_puts(ret, "not set");
	} else if (json_is_string(value)) {
		pfw_buffer_puts(ret, json_string_value(value));
	} else {
		text = json_dumps(value, JSON_ENCODE_ANY);
		pfw_buffer_puts(ret, text ? text : "?");
		free(text);
	}
}

static void print_difference(const char *key, const struct pfw_forward *forward, const json_t *value,
			     const char *place, struct pfw_buffer *ret)
{
	struct pfw_buffer text = { 0 };

	print_value(key, forward, value, &text);
	pfw_buffer_printf(ret, "%.80s%s%s", text.len ? text.data : "", text.len > 80 ? "..." : "",
			  place);
	pfw_buffer_free(&text);
}

/* "listen is A there, B here; target is ..." for the keys that differ. */
static int print_differences(const struct pfw_ruleset *ruleset, const struct pfw_forward *there,
			     const struct pfw_forward *given, struct pfw_buffer *ret)
{
	json_t *old = pfw_forward_json(there, &ruleset->settings, PFW_CANONICAL);
	json_t *new = pfw_forward_json(given, &ruleset->settings, PFW_CANONICAL);
	const char *key;
	json_t *value;
	size_t n = 0;

	json_object_foreach(old, key, value) {
		if (json_equal(value, json_object_get(new, key)) || n++ >= DIFFERENCES_MAX)
			continue;
		pfw_buffer_printf(ret, "%s%s is ", n > 1 ? "; " : "", key);
		print_difference(key, there, value, " there, ", ret);
		print_difference(key, given, json_object_get(new, key), " here", ret);
	}
	/* What is written in another way, and means the same as long as the settings say so. */
	if (!n)
		pfw_buffer_puts(ret, "one says itself what the other takes from the settings");
	if (n > DIFFERENCES_MAX)
		pfw_buffer_printf(ret, "; and %zu more differ", n - DIFFERENCES_MAX);
	json_decref(old);
	json_decref(new);
	return old && new && !ret->failed ? 0 : -ENOMEM;
}

static int refuse_other(const struct pfw_forward *there, const struct pfw_forward *given,
			const struct pfw_engine *engine, struct pfw_error *err)
{
	struct pfw_buffer text = { 0 };
	int ret = print_differences(pfw_engine_ruleset(engine), there, given, &text);

	if (ret)
		pfw_fail_memory(err);
	else
		ret = pfw_fail(err, PFW_CONFLICT, -EEXIST, "\"%s\" stands already in %s with other content: "
			       "%.300s; use --replace to change it, or another name", there->name,
			       pfw_engine_file(engine, there->origin.file), text.data);
	pfw_buffer_free(&text);
	return ret;
}

/* Where it is kept is no part of what it says, so nobody may be surprised by it after a boot. */
static int refuse_place(const struct pfw_forward *there, const struct pfw_engine *engine,
			bool runtime, struct pfw_error *err)
{
	const char *file = pfw_engine_file(engine, there->origin.file);

	if (runtime)
		return pfw_fail(err, PFW_CONFLICT, -EEXIST, "\"%s\" is saved in %s, so it cannot be added "
				"with --runtime; remove it first, or use another name", there->name, file);
	return pfw_fail(err, PFW_CONFLICT, -EEXIST, "\"%s\" was added with --runtime and is in %s; remove "
			"it first, or use another name", there->name, file);
}

/* In a file it is what time makes of a forward; who adds one means to have it. */
static int check_expires(const struct pfw_engine *engine, const struct pfw_forward *forward,
			 struct pfw_error *err)
{
	char buf[PFW_TIME_TEXT];
	size_t mark;

	if (!forward->expires || forward->expires > pfw_engine_plan(engine)->facts.now)
		return 0;
	mark = pfw_error_enter_key(err, "expires");
	pfw_error_add(err, PFW_FAILED, "%s has passed; give a time to come",
		      pfw_time_print(forward->expires, buf));
	pfw_error_leave(err, mark);
	return -EINVAL;
}

/* Whether what has the name, NULL for nothing, is what the request takes it for. */
static int check_condition(const struct pfw_engine *engine, const struct pfw_request *request,
			   const struct pfw_forward *there, struct pfw_error *err)
{
	char tag[PFW_ETAG_SIZE];
	json_t *json = NULL;
	int code = 0;

	if (!request->match && !request->none_match)
		return 0;
	if (there) {
		json = pfw_forward_json(there, &pfw_engine_ruleset(engine)->settings, PFW_CANONICAL);
		code = json ? pfw_etag_make(json, tag) : -ENOMEM;
		json_decref(json);
	}
	if (code)
		return pfw_fail_memory(err);
	if (request->match && !pfw_etag_listed(request->match, there ? tag : NULL, false))
		return pfw_fail(err, PFW_CONFLICT, -ESTALE, there ?
				"\"%s\" was changed meanwhile; read it again" :
				"there is no forward \"%s\" any more", there ? there->name :
				request->names ? request->names[0] : "");
	if (request->none_match && pfw_etag_listed(request->none_match, there ? tag : NULL, true))
		return pfw_fail(err, PFW_CONFLICT, -ESTALE, "\"%s\" stands already in %s",
				there->name, pfw_engine_file(engine, there->origin.file));
	return 0;
}

static int add_forward(struct pfw_engine *engine, const struct pfw_request *request,
		       struct pfw_arena *arena, struct pfw_report *report, json_t **ret,
		       struct pfw_error *err)
{
	const struct pfw_ruleset *ruleset = pfw_engine_ruleset(engine);
	const struct pfw_manner manner = answer_manner(request);
	struct pfw_change change = { .what = PFW_PUT };
	const struct pfw_forward *there;
	const char *file;
	bool stands, replaced;
	int code;

	code = pfw_forward_parse(request->forward, arena, &change.forward, err);
	if (!code)
		code = check_expires(engine, &change.forward, err);
	if (!code)
		code = settle_name(ruleset, &change.forward, arena, err);
	if (code)
		return code;
	change.name = change.forward.name;
	there = find(ruleset, change.name);
	code = check_condition(engine, request, there, err);
	if (code)
		return code;
	if (there && pfw_engine_is_runtime(engine, there->origin.file) != request->runtime)
		return refuse_place(there, engine, request->runtime, err);
	if (request->runtime)
		change.forward.origin.file = PFW_ORIGIN_RUNTIME;
	file = pfw_engine_file(engine, there ? there->origin.file : change.forward.origin.file);
	stands = there && pfw_forward_equal(there, &change.forward);
	replaced = there && !stands;
	if (replaced && !request->replace)
		return refuse_other(there, &change.forward, engine, err);
	/* What stands in the file may still be missing in the kernel. */
	if (!stands || !pfw_engine_stands(engine, pfw_ruleset_find(ruleset, change.name)))
		code = pfw_engine_change(engine, &change, stands ? 0 : 1, &manner, report, err);
	if (code)
		return code;
	*ret = json_pack("{s:b, s:b, s:b, s:o, s:s}", "changed", (int)(!stands || report->n_steps),
			 "created", (int)!there, "replaced", (int)replaced, "forward",
			 pfw_forward_json(&change.forward, &ruleset->settings, PFW_CANONICAL), "file",
			 file);
	return *ret && !answer_put_changes(*ret, report) ? 0 : pfw_fail_memory(err);
}

int answer_add(struct pfw_engine *engine, const struct pfw_request *request, json_t **ret,
	       struct pfw_error *err)
{
	struct pfw_report report = { .verbose = request->dry_run };
	struct pfw_arena arena = { 0 };
	json_t *answer = NULL;
	int code = add_forward(engine, request, &arena, &report, &answer, err);

	if (code)
		json_decref(answer);
	else
		*ret = answer;
	pfw_report_free(&report);
	pfw_arena_free(&arena);
	return code;
}

/* The forward that a word names: by its name, or else by its listen part. */
static int resolve(const struct pfw_ruleset *ruleset, const char *word, bool by_listen,
		   const struct pfw_forward **ret, struct pfw_error *err)
{
	const struct pfw_forward *forward = find(ruleset, word), *more = NULL;
	struct pfw_error ignored = PFW_ERROR_INIT;
	struct pfw_arena arena = { 0 };
	struct pfw_listen listen;
	int code = 0;

	if (!forward && by_listen &&
	    !pfw_listen_parse(word, strlen(word), &arena, &listen, &ignored))
		forward = find_listen(ruleset, &listen, &more);
	if (!forward)
		code = pfw_fail(err, PFW_NOT_FOUND, -ENOENT,
				"there is no forward \"%s\"; \"portfwd list\" shows those that are",
				word);
	else if (more)
		code = pfw_fail(err, PFW_CONFLICT, -EEXIST,
				"both \"%s\" and \"%s\" listen on %s; give a name", forward->name,
				more->name, word);
	else
		*ret = forward;
	pfw_arena_free(&arena);
	return code;
}

/* What a request by names becomes. */
struct selection {
	struct pfw_change *changes;
	size_t n;
	bool *seen;	/* by id of the forward */
	json_t *rows;	/* for the answer, one a name */
};

static int select_names(struct pfw_engine *engine, const struct pfw_request *request,
			bool by_listen, struct selection *ret, struct pfw_error *err)
{
	const struct pfw_ruleset *ruleset = pfw_engine_ruleset(engine);
	const struct pfw_forward *forward;
	bool *seen;
	size_t i;
	int code;

	ret->changes = calloc(request->n_names + 1, sizeof(*ret->changes));
	ret->seen = calloc((size_t)ruleset->n_forwards + 1, sizeof(*ret->seen));
	ret->rows = json_array();
	if (!ret->changes || !ret->seen || !ret->rows)
		return pfw_fail_memory(err);
	for (i = 0; i < request->n_names; i++) {
		code = resolve(ruleset, request->names[i], by_listen, &forward, err);
		if (code)
			return code;
		seen = &ret->seen[forward - ruleset->forwards];
		if (*seen)
			continue;
		*seen = true;
		ret->changes[ret->n].name = forward->name;
		ret->changes[ret->n].forward = *forward;
		ret->n++;
		if (json_array_append_new(ret->rows,
					  json_pack("{s:s, s:s}", "name", forward->name, "file",
						    pfw_engine_file(engine, forward->origin.file))))
			return pfw_fail_memory(err);
	}
	return 0;
}

static int carry_out(struct pfw_engine *engine, const struct pfw_request *request,
		     struct selection *selection, bool changed, const char *rows, json_t **ret,
		     struct pfw_error *err)
{
	const struct pfw_manner manner = answer_manner(request);
	struct pfw_report report = { .verbose = request->dry_run };
	json_t *answer;
	int code;

	code = pfw_engine_change(engine, selection->changes, selection->n, &manner, &report, err);
	if (!code) {
		answer = json_pack("{s:b, s:O}", "changed", (int)(changed || report.n_steps), rows,
				   selection->rows);
		if (answer && !answer_put_changes(answer, &report)) {
			*ret = answer;
		} else {
			json_decref(answer);
			code = pfw_fail_memory(err);
		}
	}
	pfw_report_free(&report);
	return code;
}

static void selection_free(struct selection *selection)
{
	free(selection->changes);
	free(selection->seen);
	json_decref(selection->rows);
}

int answer_remove(struct pfw_engine *engine, const struct pfw_request *request, json_t **ret,
		  struct pfw_error *err)
{
	struct selection selection = { 0 };
	size_t i;
	int code = select_names(engine, request, !request->exact, &selection, err);

	if (!code && selection.n == 1)
		code = check_condition(engine, request, &selection.changes[0].forward, err);
	for (i = 0; i < selection.n; i++)
		selection.changes[i].what = PFW_DROP;
	if (!code)
		code = carry_out(engine, request, &selection, true, "removed", ret, err);
	selection_free(&selection);
	return code;
}

static int set_enabled(struct pfw_engine *engine, const struct pfw_request *request, bool enabled,
		       json_t **ret, struct pfw_error *err)
{
	struct selection selection = { 0 };
	size_t i, n = 0;
	bool differs;
	int code = select_names(engine, request, false, &selection, err);

	for (i = 0; !code && i < selection.n; i++) {
		differs = selection.changes[i].forward.enabled != enabled;
		if (json_object_set_new(json_array_get(selection.rows, i), "changed",
					json_boolean(differs)))
			code = pfw_fail_memory(err);
		if (!differs)
			continue;
		selection.changes[n] = selection.changes[i];
		selection.changes[n].what = PFW_PUT;
		selection.changes[n++].forward.enabled = enabled;
	}
	if (!code) {
		selection.n = n;
		code = carry_out(engine, request, &selection, n > 0, "forwards", ret, err);
	}
	selection_free(&selection);
	return code;
}

int answer_enable(struct pfw_engine *engine, const struct pfw_request *request, json_t **ret,
		  struct pfw_error *err)
{
	return set_enabled(engine, request, true, ret, err);
}

int answer_disable(struct pfw_engine *engine, const struct pfw_request *request, json_t **ret,
		   struct pfw_error *err)
{
	return set_enabled(engine, request, false, ret, err);
}
