/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What each route does: a request of the service, and what of its answer the client gets. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "http_inside.h"
#include "portfwd/service/etag.h"
#include "portfwd/service/wire.h"

#define NAMED_MAX 5	/* forwards that one line of the log names */

/* ---- Telling of changes */

static const char *verb_name(enum pfw_verb verb)
{
	const char *name = pfw_name_text(pfw_command_names, (int)verb);

	return name ? name : "patch";
}

static bool may_change(enum pfw_verb verb)
{
	switch (verb) {
	case PFW_VERB_LIST:
	case PFW_VERB_STATUS:
	case PFW_VERB_CHECK:
	case PFW_VERB_DIFF:
	case PFW_VERB_EXPORT:
	case PFW_VERB_COUNT:
	case PFW_VERB_READ:
		return false;
	default:
		return true;
	}
}

/* The names of the forwards that an answer is about, as a list; null where it is about all. */
static json_t *changed_names(const json_t *answer)
{
	static const char *const lists[] = { "removed", "forwards" };
	json_t *row = json_object_get(answer, "forward"), *names;
	const json_t *list = NULL;
	size_t i;

	for (i = 0; i < sizeof(lists) / sizeof(lists[0]) && !json_is_array(list); i++)
		list = json_object_get(answer, lists[i]);
	if (!row && !json_is_array(list))
		return json_null();
	names = json_array();
	json_array_append(names, json_object_get(row, "name"));
	json_array_foreach(list, i, row)
		if (!json_is_false(json_object_get(row, "changed")))
			json_array_append(names, json_object_get(row, "name"));
	return names;
}

/* "web,dns and 3 more"; NULL where it is about all. */
static json_t *names_in_short(const json_t *names)
{
	size_t n = json_array_size(names), i;
	struct pfw_buffer text = { 0 };
	json_t *ret;

	if (!json_is_array(names))
		return json_null();
	for (i = 0; i < n && i < NAMED_MAX; i++)
		pfw_buffer_printf(&text, "%s%s", i ? "," : "",
				  json_string_value(json_array_get(names, i)));
	if (n > NAMED_MAX)
		pfw_buffer_printf(&text, " and %zu more", n - NAMED_MAX);
	ret = json_string(text.data ? text.data : "");
	pfw_buffer_free(&text);
	return ret;
}

static void tell_changed(struct request *request, enum pfw_verb verb, const json_t *answer)
{
	struct http *http = request->http;
	const struct ucred *cred = &request->peer->cred;
	json_t *names = changed_names(answer);

	log_event(http->options.log, LOG_NOTICE, "a client changed the forwards",
		  json_pack("{s:s, s:o, s:I, s:i}", "verb", verb_name(verb), "forward",
			    names_in_short(names), "uid", (json_int_t)cred->uid, "pid",
			    (int)cred->pid));
	http_event(http, json_pack("{s:s, s:s, s:o, s:I, s:i}", "event", "change", "verb",
				   verb_name(verb), "forwards", names, "uid", (json_int_t)cred->uid,
				   "pid", (int)cred->pid));
}

/* Whether something changed; a reload and its confirmation are worth a line in any case. */
static bool is_news(enum pfw_verb verb, const json_t *answer)
{
	return verb == PFW_VERB_RELOAD || verb == PFW_VERB_CONFIRM ||
	       json_is_true(json_object_get(answer, "changed"));
}

static void note(struct request *request, enum pfw_verb verb, const json_t *answer)
{
	const struct http_options *options = &request->http->options;

	if (is_news(verb, answer))
		tell_changed(request, verb, answer);
	if (options->changed)
		options->changed(options->ctx, verb, answer);
}

/* Whether it compares the kernel with what is loaded. */
static bool looks_at_kernel(enum pfw_verb verb)
{
	return verb == PFW_VERB_LIST || verb == PFW_VERB_STATUS || verb == PFW_VERB_DIFF ||
	       verb == PFW_VERB_COUNT;
}

bool http_is_look(const char *verb)
{
	int found = pfw_name_value(pfw_command_names, verb, strlen(verb));

	return found == PFW_VERB_CHECK || found == PFW_VERB_EXPORT ||
	       (found >= 0 && looks_at_kernel((enum pfw_verb)found));
}

/* Nobody is waited for; what can be told while another process holds the lock, is. */
static int call(struct request *request, enum pfw_verb verb, const struct pfw_request *what,
		json_t **ret)
{
	struct pfw_service *service = request->http->service;
	struct pfw_request ask = *what;
	struct pfw_error err = PFW_ERROR_INIT;
	int code, unlocked;

	ask.locks = request->in_child && !request->locked && looks_at_kernel(verb) ?
		    PFW_LOCKS_NONE : PFW_LOCKS_TRY;
	code = pfw_service_call(service, verb, &ask, ret, &request->err);
	if (code != -ETIMEDOUT || !looks_at_kernel(verb))
		return code;
	ask.locks = PFW_LOCKS_NONE;
	unlocked = pfw_service_call(service, verb, &ask, ret, &err);
	if (unlocked == -EAGAIN)
		return code;
	request->err = err;
	return unlocked;
}

int http_ask(struct request *request, enum pfw_verb verb, const struct pfw_request *what,
	     json_t **ret)
{
	struct http *http = request->http;
	int code = call(request, verb, what, ret);
	bool changes = !what->dry_run && may_change(verb);

	request->code = code;
	request->busy = patience_is_due(code);
	if (request->busy && (request->in_child || http_is_patient(request)))
		return code;
	if (changes && verb == PFW_VERB_RELOAD)
		http_count_reload(http, !code);
	if (!code && changes)
		note(request, verb, *ret);
	/* Nothing waits to be confirmed: it is no path that was not found. */
	if (code == -ENOENT && verb == PFW_VERB_CONFIRM)
		request->status = 409;
	/* The base of the text is a condition like others. */
	if (code == -ESTALE && verb == PFW_VERB_WRITE)
		request->status = 412;
	return code;
}

/* It comes again. */
static void forget_refusal(struct request *request)
{
	pfw_error_clear(&request->err);
	request->code = 0;
	request->busy = false;
}

/* ---- Forwards as resources */

static const char *text_or_null(const struct pfw_buffer *buffer)
{
	return buffer->len ? buffer->data : NULL;
}

/* One forward as the answer, with its tag; forward is taken over. */
static enum MHD_Result answer_forward(struct request *request, unsigned int status, json_t *forward)
{
	const char *name = json_string_value(json_object_get(forward, "name"));
	struct http_answer answer = { .status = status };
	char tag[PFW_ETAG_SIZE], location[128];

	if (pfw_etag_make(forward, tag)) {
		json_decref(forward);
		return MHD_NO;
	}
	answer.headers[0] = (struct http_header){ "ETag", tag };
	if (status == 201) {
		snprintf(location, sizeof(location), "/v1/forwards/%s", name ? name : "");
		answer.headers[1] = (struct http_header){ "Location", location };
	}
	return http_answer_json(request, &answer, forward);
}

/* Where a glance was not enough, a child has a look. */
static enum MHD_Result refuse_list(struct request *request)
{
	if (request->code != -ESTALE)
		return http_answer_problem(request);
	forget_refusal(request);
	return http_look(request);
}

static enum MHD_Result get_forward(struct request *request)
{
	const char *const names[] = { request->segment };
	const struct pfw_request what = {
		.names = names, .n_names = 1, .brief = http_look_is_long(request),
	};
	const struct http_answer unchanged = { .status = 304 };
	const char *known = text_or_null(&request->none_match);
	char tag[PFW_ETAG_SIZE];
	json_t *answer, *forward;

	if (http_ask(request, PFW_VERB_LIST, &what, &answer))
		return refuse_list(request);
	forward = json_incref(json_array_get(json_object_get(answer, "forwards"), 0));
	json_decref(answer);
	if (known && !pfw_etag_make(forward, tag) && pfw_etag_listed(known, tag, true)) {
		json_decref(forward);
		return http_answer_nothing(request, &unchanged);
	}
	return answer_forward(request, 200, forward);
}

/* What a forward tells in an answer and is nobody's to set, so that an answer can be sent back. */
static void leave_out_beside(json_t *forward)
{
	json_object_del(forward, "state");
	json_object_del(forward, "connections");
	json_object_del(forward, "file");
}

/* Carries it out; a dry run is answered with all that would change, else with the forward. */
static enum MHD_Result put(struct request *request, enum pfw_verb verb, struct pfw_request *what)
{
	json_t *answer, *forward;
	bool created;

	what->forward = request->json;
	what->match = text_or_null(&request->match);
	what->none_match = text_or_null(&request->none_match);
	what->dry_run = request->dry_run;
	what->drain = request->drain;
	what->runtime = request->runtime;
	leave_out_beside(request->json);
	if (http_ask(request, verb, what, &answer))
		return http_answer_problem(request);
	if (request->dry_run)
		return http_answer_json(request, &(struct http_answer){ .status = 200 }, answer);
	forward = json_incref(json_object_get(answer, "forward"));
	created = json_is_true(json_object_get(answer, "created"));
	json_object_set(forward, "file", json_object_get(answer, "file"));
	json_decref(answer);
	return answer_forward(request, created ? 201 : 200, forward);
}

static enum MHD_Result post_forward(struct request *request)
{
	return put(request, PFW_VERB_ADD, &(struct pfw_request){ 0 });
}

/* The name of the path is the forward's, said or not. */
static enum MHD_Result put_forward(struct request *request)
{
	const char *const names[] = { request->segment };
	struct pfw_request what = { .names = names, .n_names = 1, .replace = true };
	json_t *name = json_object_get(request->json, "name");

	if (!name && json_object_set_new(request->json, "name", json_string(request->segment))) {
		http_refuse(request, 404, "there is nothing of this name");
		return http_answer_problem(request);
	}
	if (name && json_is_string(name) &&
	    strcmp(json_string_value(name), request->segment) != 0) {
		pfw_error_enter_key(&request->err, "name");
		request->code = pfw_error_add(&request->err, PFW_FAILED,
					      "this is another name than that of the path");
		return http_answer_problem(request);
	}
	return put(request, PFW_VERB_ADD, &what);
}

static enum MHD_Result patch_forward(struct request *request)
{
	const char *const names[] = { request->segment };

	return put(request, PFW_VERB_PATCH, &(struct pfw_request){ .names = names, .n_names = 1 });
}

static enum MHD_Result delete_forward(struct request *request)
{
	const char *const names[] = { request->segment };
	const struct pfw_request what = {
		.names = names,
		.n_names = 1,
		.exact = true,
		.match = text_or_null(&request->match),
		.none_match = text_or_null(&request->none_match),
		.dry_run = request->dry_run,
		.drain = request->drain,
	};
	json_t *answer;

	if (http_ask(request, PFW_VERB_REMOVE, &what, &answer))
		return http_answer_problem(request);
	if (request->dry_run)
		return http_answer_json(request, &(struct http_answer){ .status = 200 }, answer);
	json_decref(answer);
	return http_answer_nothing(request, &(struct http_answer){ .status = 204 });
}

/* ---- The list, which is written as it is made: as a tree it would take ten times the memory */

static int append_text(const char *text, size_t len, void *data)
{
	struct pfw_buffer *list = data;

	pfw_buffer_append(list, text, len);
	return list->failed ? -1 : 0;
}

static int append_row(void *ctx, const json_t *forward)
{
	struct pfw_buffer *list = ctx;

	if (list->data[list->len - 1] != '[')
		pfw_buffer_puts(list, ",");
	return json_dump_callback(forward, append_text, list, JSON_COMPACT);
}

static enum MHD_Result list(struct request *request, struct pfw_request *what)
{
	const struct http_answer ok = { .status = 200, .type = "application/json" };
	struct pfw_buffer text = { 0 };
	json_t *answer;

	if (!request->in_child && request->http->held > HTTP_HELD_MAX / 2)
		return http_wait(request);
	pfw_buffer_puts(&text, "{\"forwards\":[");
	what->brief = http_look_is_long(request);
	what->row = append_row;
	what->row_ctx = &text;
	if (text.failed || http_ask(request, PFW_VERB_LIST, what, &answer)) {
		pfw_buffer_free(&text);
		return refuse_list(request);
	}
	json_decref(answer);
	pfw_buffer_puts(&text, "]}\n");
	if (text.failed) {
		pfw_buffer_free(&text);
		return MHD_NO;
	}
	return http_answer_text(request, &ok, text.data, text.len);
}

static enum MHD_Result get_forwards(struct request *request)
{
	struct pfw_request what = { 0 };

	return list(request, &what);
}

/* ---- Commands, with the answers that "portfwd --json" prints */

static enum MHD_Result command(struct request *request, enum pfw_verb verb)
{
	struct pfw_request what;
	enum MHD_Result ret;
	json_t *answer;

	request->code = pfw_request_parse(verb, request->json, &what, &request->err);
	if (request->code)
		return http_answer_problem(request);
	if (verb == PFW_VERB_LIST) {
		ret = list(request, &what);
		pfw_request_free(&what);
		return ret;
	}
	request->code = http_ask(request, verb, &what, &answer);
	pfw_request_free(&what);
	if (request->code)
		return http_answer_problem(request);
	return http_answer_json(request, &(struct http_answer){ .status = 200 }, answer);
}

static enum MHD_Result any_command(struct request *request)
{
	int verb = pfw_name_value(pfw_command_names, request->segment, strlen(request->segment));

	if (verb < 0) {
		http_refuse(request, 404, "there is no such command; portfwd-api(7) lists them");
		return http_answer_problem(request);
	}
	return command(request, (enum pfw_verb)verb);
}

static enum MHD_Result plain(struct request *request, enum pfw_verb verb)
{
	const struct pfw_request what = { 0 };
	json_t *answer;

	if (http_ask(request, verb, &what, &answer))
		return http_answer_problem(request);
	return http_answer_json(request, &(struct http_answer){ .status = 200 }, answer);
}

static enum MHD_Result get_status(struct request *request)
{
	return plain(request, PFW_VERB_STATUS);
}

static enum MHD_Result post_reload(struct request *request)
{
	return command(request, PFW_VERB_RELOAD);
}

static enum MHD_Result post_check(struct request *request)
{
	return command(request, PFW_VERB_CHECK);
}

static enum MHD_Result post_confirm(struct request *request)
{
	return command(request, PFW_VERB_CONFIRM);
}

static enum MHD_Result (*const handlers[PFW_ROUTES])(struct request *request) = {
	[PFW_ROUTE_STATUS] = get_status,
	[PFW_ROUTE_LIST] = get_forwards,
	[PFW_ROUTE_ADD] = post_forward,
	[PFW_ROUTE_GET] = get_forward,
	[PFW_ROUTE_PUT] = put_forward,
	[PFW_ROUTE_PATCH] = patch_forward,
	[PFW_ROUTE_DELETE] = delete_forward,
	[PFW_ROUTE_RELOAD] = post_reload,
	[PFW_ROUTE_CONFIRM] = post_confirm,
	[PFW_ROUTE_CHECK] = post_check,
	[PFW_ROUTE_COMMAND] = any_command,
	[PFW_ROUTE_EVENTS] = http_events_answer,
	[PFW_ROUTE_METRICS] = http_metrics_answer,
};

enum MHD_Result http_route(struct request *request)
{
	if (request->look && !request->in_child)
		return http_look_answer(request);
	if (http_look_is_worth(request))
		return http_look(request);
	if (request->busy)
		forget_refusal(request);
	return handlers[request->route](request);
}
