/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A request on its way in: what of it is looked at before its body, and the body. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "http_inside.h"
#include "portfwd/base/memory.h"
#include "portfwd/base/text.h"
#include "portfwd/service/place.h"

static int hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Without the escapes (RFC 3986, 2.1). False: one is broken or hides a zero, or no room is left */
static bool decode(const char *text, char *to, size_t size)
{
	int high, low;

	for (; *text && size > 1; size--) {
		if (*text != '%') {
			*to++ = *text++;
			continue;
		}
		high = hex(text[1]);
		low = high < 0 ? -1 : hex(text[2]);
		if (low < 0 || !(high | low))
			return false;
		*to++ = (char)(high << 4 | low);
		text += 3;
	}
	*to = '\0';
	return !*text;
}

/* libmicrohttpd would take "%00" for the end of a path. */
size_t http_keep_escapes(void *cls, struct MHD_Connection *connection, char *text)
{
	(void)cls;
	(void)connection;
	return strlen(text);
}

static const char *header_of(const struct request *request, const char *name)
{
	return MHD_lookup_connection_value(request->connection, MHD_HEADER_KIND, name);
}

/* ---- Who, and where to */

#define TOLD_MAX 200	/* of a path */

/* JSON takes no bytes that are no text, and with them the rest would be lost. */
static void tell_stranger(const struct request *request, unsigned int more)
{
	const struct peer *peer = request->peer;
	char path[TOLD_MAX], method[TOLD_MAX];

	snprintf(path, sizeof(path), "%s", request->path);
	snprintf(method, sizeof(method), "%s", request->method);
	pfw_text_clean(path);
	pfw_text_clean(method);
	log_event(request->http->options.log, LOG_WARNING, "refused a client who may not",
		  json_pack("{s:I, s:i, s:s, s:s, s:i}", "uid", (json_int_t)peer->cred.uid, "pid",
			    (int)peer->cred.pid, "method", method, "path", path, "untold",
			    (int)more));
}

static void check_peer(struct request *request)
{
	unsigned int more;

	if (request->peer->admitted)
		return;
	http_refuse(request, 403, "only root and the members of the group that portfwdd was told "
		    "may use it");
	if (http_peer_tell(request->http, &more))
		tell_stranger(request, more);
}

static void check_route(struct request *request)
{
	const char *segment = NULL;
	int code = pfw_route_find(request->method, request->path, &request->route, &segment);

	request->routed = !code;
	if (code == -EOPNOTSUPP && strcmp(request->method, "OPTIONS"))
		http_refuse(request, 405, "this path takes no %.20s", request->method);
	else if (code == -ENOENT)
		http_refuse(request, 404, "there is no such path; portfwd-api(7) lists them");
	/* What cannot be decoded is no name that anything has. */
	if (segment && !decode(segment, request->segment, sizeof(request->segment)))
		http_refuse(request, 404, "there is nothing of this name");
}

/* Where the configuration is a link, it may lead elsewhere by now. */
static const char *config_of(struct http *http)
{
	const char *named = http->options.config ? http->options.config : PFW_CONFIG_DEFAULT;
	struct pfw_error ignored = PFW_ERROR_INIT;
	char *path;

	if (!pfw_place_config(named, &path, &ignored)) {
		free(http->config);
		http->config = path;
	}
	return http->config;
}

/* A client may say which portfwd it means; it is served only if it means this one. */
static void check_place(struct request *request)
{
	struct http *http = request->http;
	const char *backend = http->options.backend ? http->options.backend : "";
	const struct {
		const char *header;
		const char *what;
		const char *ours;
	} place[] = {
		{ "Portfwd-Config", "configuration", config_of(http) },
		{ "Portfwd-Netns", "network namespace", http->netns },
		{ "Portfwd-Backend", "backend", backend },
	};
	char theirs[4096];
	const char *value;
	size_t i;

	for (i = 0; i < sizeof(place) / sizeof(place[0]); i++) {
		value = header_of(request, place[i].header);
		if (value && (!decode(value, theirs, sizeof(theirs)) ||
			      strcmp(theirs, place[i].ours)))
			http_refuse(request, 421, "this portfwdd has another %s: %.200s",
				    place[i].what,
				    *place[i].ours ? place[i].ours : "as the settings say");
	}
}

/* ---- Switches behind "?" */

static bool *switch_of(struct request *request, const char *name)
{
	if (!pfw_route_takes(request->route, name))
		return NULL;
	if (!strcmp(name, "dry_run"))
		return &request->dry_run;
	if (!strcmp(name, "drain"))
		return &request->drain;
	return &request->runtime;
}

static enum MHD_Result take_switch(void *cls, enum MHD_ValueKind kind, const char *key,
				   const char *value)
{
	struct request *request = cls;
	char quoted[PFW_QUOTE_SIZE];
	bool *at = switch_of(request, key);

	(void)kind;
	if (!at)
		http_refuse(request, 400, "%s is no switch of this path",
			    pfw_text_quote(key, strlen(key), quoted));
	else if (!value || !strcmp(value, "true"))
		*at = true;
	else if (strcmp(value, "false") != 0)
		http_refuse(request, 400, "\"%s\" is true or false", key);
	return request->status ? MHD_NO : MHD_YES;
}

/* ---- Headers */

/* A header that stands several times means one list. */
static enum MHD_Result take_tags(void *cls, enum MHD_ValueKind kind, const char *key,
				 const char *value)
{
	struct request *request = cls;
	struct pfw_buffer *list = NULL;

	(void)kind;
	if (!strcasecmp(key, MHD_HTTP_HEADER_IF_MATCH))
		list = &request->match;
	else if (!strcasecmp(key, MHD_HTTP_HEADER_IF_NONE_MATCH))
		list = &request->none_match;
	if (list)
		pfw_buffer_printf(list, "%s%s", list->len ? ", " : "", value ? value : "");
	return MHD_YES;
}

static void check_headers(struct request *request)
{
	if (MHD_get_connection_values(request->connection, MHD_HEADER_KIND, NULL, NULL) >
	    HTTP_HEADERS) {
		http_refuse(request, 431, "more than %d headers", HTTP_HEADERS);
		return;
	}
	MHD_get_connection_values(request->connection, MHD_HEADER_KIND, take_tags, request);
	if (request->match.failed || request->none_match.failed)
		http_refuse(request, 503, "out of memory");
}

/* Whoever is between the client and us may have understood it in another way (RFC 9112, 6.1). */
static void check_framing(struct request *request)
{
	const char *coding = header_of(request, MHD_HTTP_HEADER_TRANSFER_ENCODING);

	request->garbled = coding && (strcasecmp(coding, "chunked") != 0 ||
				      header_of(request, MHD_HTTP_HEADER_CONTENT_LENGTH));
	if (request->garbled)
		http_refuse(request, 400, "a body is chunked or has a length, and nothing else");
}

static bool announces_body(const struct request *request)
{
	const char *length = header_of(request, MHD_HTTP_HEADER_CONTENT_LENGTH);

	return header_of(request, MHD_HTTP_HEADER_TRANSFER_ENCODING) ||
	       (length && strtoull(length, NULL, 10) > 0);
}

/* "application/json", with or without parameters. */
static bool is_type(const char *type, const char *wanted)
{
	size_t len = strlen(wanted);

	return type && !strncasecmp(type, wanted, len) && (!type[len] || strchr("; \t", type[len]));
}

static size_t body_max(const struct request *request)
{
	return request->routed && request->route == PFW_ROUTE_COMMAND &&
	       !strcmp(request->segment, "write") ? HTTP_FILE_MAX : HTTP_BODY_MAX;
}

static void refuse_length(struct request *request)
{
	http_refuse(request, 413, "this request is %zu bytes at most", body_max(request));
}

static void check_body(struct request *request)
{
	const char *length = header_of(request, MHD_HTTP_HEADER_CONTENT_LENGTH);
	const char *type = header_of(request, MHD_HTTP_HEADER_CONTENT_TYPE);

	if (length && strtoull(length, NULL, 10) > body_max(request))
		refuse_length(request);
	if (!request->routed || !pfw_routes[request->route].body || !announces_body(request))
		return;
	if (!is_type(type, "application/json") &&
	    !(request->route == PFW_ROUTE_PATCH && is_type(type, "application/merge-patch+json")))
		http_refuse(request, 415, "the body of a request is application/json");
}

/* Looks at all that stands before the body; a refusal waits for its end, if there is no harm in it. */
static enum MHD_Result begin(struct request *request)
{
	http_set_deadline(request->peer, HTTP_BODY_MS);
	check_peer(request);
	check_headers(request);
	check_framing(request);
	check_route(request);
	check_place(request);
	if (!request->status && request->routed)
		MHD_get_connection_values(request->connection, MHD_GET_ARGUMENT_KIND, take_switch,
					  request);
	check_body(request);
	return request->status == 403 || request->status == 413 || request->garbled ?
		       http_answer_problem(request) : MHD_YES;
}

/* ---- The body */

static void drop_body(struct request *request)
{
	http_hold_less(request->http, request->body.len);
	pfw_buffer_free(&request->body);
}

/* Where it is too long, the rest goes nowhere; who sends on and on is not listened to. */
static enum MHD_Result take_body(struct request *request, const char *data, size_t len)
{
	struct http *http = request->http;

	request->seen += len;
	if (request->seen > body_max(request))
		refuse_length(request);
	else if (http->held + len > HTTP_HELD_MAX)
		http_refuse(request, 503, "too many large requests at once; try again");
	if (request->status) {
		drop_body(request);
		return request->seen > 4 * (size_t)HTTP_BODY_MAX ? MHD_NO : MHD_YES;
	}
	pfw_buffer_append(&request->body, data, len);
	if (request->body.failed)
		return MHD_NO;
	http->held += len;
	return MHD_YES;
}

/* How many values a JSON text has, or somewhat more. */
static size_t count_values(const char *text, size_t len)
{
	const char *end = text + len;
	bool quoted = false;
	size_t n = 1;

	for (; text < end; text++) {
		if (*text == '"')
			quoted = !quoted;
		else if (quoted && *text == '\\')
			text++;
		else if (!quoted)
			n += *text == ',' || *text == '[' || *text == '{';
	}
	return n;
}

/* jansson goes on where it gets no memory: for a long time, and with less than the text had. */
static bool has_room(size_t len)
{
	struct pfw_buffer room = { 0 };
	bool ret = pfw_buffer_reserve(&room, len);

	pfw_buffer_free(&room);
	return ret;
}

static void parse_body(struct request *request)
{
	const struct pfw_buffer *body = &request->body;
	json_error_t error;

	if (count_values(body->data, body->len) > HTTP_VALUES_MAX) {
		http_refuse(request, 413, "a request has %u values at most", HTTP_VALUES_MAX);
		return;
	}
	if (!has_room(4 * body->len)) {
		http_refuse(request, 503, "out of memory");
		return;
	}
	request->json = json_loadb(body->data, body->len, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY,
				   &error);
	if (!request->json)
		http_refuse(request, 400, "line %d, column %d: %s", error.line, error.column,
			    error.text);
	else if (!json_is_object(request->json))
		http_refuse(request, 422, "the body of a request is an object");
}

/* No body is an empty object, where nothing has to be said. */
static void finish_body(struct request *request)
{
	bool needed = request->route == PFW_ROUTE_ADD || request->route == PFW_ROUTE_PUT ||
		      request->route == PFW_ROUTE_PATCH;

	if (request->status || request->json || !request->routed ||
	    !pfw_routes[request->route].body)
		return;
	if (request->body.len) {
		parse_body(request);
	} else if (needed) {
		http_refuse(request, 400, "the body is missing");
	} else {
		request->json = json_object();
		if (!request->json)
			http_refuse(request, 503, "out of memory");
	}
	drop_body(request);
}

static enum MHD_Result answer_options(struct request *request)
{
	char allow[80];
	const struct http_answer answer = {
		.status = 204,
		.headers = { { "Allow", pfw_route_allow(request->path, allow, sizeof(allow)) } },
	};

	return http_answer_nothing(request, &answer);
}

static enum MHD_Result answer(struct request *request)
{
	finish_body(request);
	if (request->status)
		return http_answer_problem(request);
	return request->routed ? http_route(request) : answer_options(request);
}

enum MHD_Result http_wait(struct request *request)
{
	http_set_deadline(request->peer, 0);
	request->next_waiting = request->http->waiting;
	request->http->waiting = request;
	MHD_suspend_connection(request->connection);
	return MHD_YES;
}

/* All of them come again; who finds too much held waits again. */
void http_wait_no_longer(struct http *http)
{
	struct request *request = http->waiting;

	if (!request)
		return;
	http->waiting = NULL;
	for (; request; request = request->next_waiting)
		MHD_resume_connection(request->connection);
	http_wake(http);
}

void http_hold_less(struct http *http, size_t len)
{
	if (!len)
		return;
	http->held -= len;
	http_wait_no_longer(http);
	http_looks_go_on(http);
}

/* ---- The calls of libmicrohttpd */

static struct request *make(struct http *http, struct MHD_Connection *connection, const char *url,
			    const char *method)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
	struct request *request;

	/* Whoever we have no memory for has been hung up on. */
	if (!info->socket_context)
		return NULL;
	request = calloc(1, sizeof(*request));
	if (!request)
		return NULL;
	request->http = http;
	request->peer = info->socket_context;
	request->connection = connection;
	request->path = url;
	request->method = method;
	return request;
}

enum MHD_Result http_request(void *cls, struct MHD_Connection *connection, const char *url,
			     const char *method, const char *version, const char *upload_data,
			     size_t *upload_data_size, void **state)
{
	struct request *request = *state;
	size_t len = *upload_data_size;

	(void)version;
	if (!request) {
		*state = make(cls, connection, url, method);
		return *state ? begin(*state) : MHD_NO;
	}
	if (!len)
		return request->http->closing ? MHD_NO : answer(request);
	*upload_data_size = 0;
	return take_body(request, upload_data, len);
}

void http_request_done(void *cls, struct MHD_Connection *connection, void **state,
		       enum MHD_RequestTerminationCode why)
{
	struct request *request = *state;

	(void)cls;
	(void)connection;
	(void)why;
	if (!request)
		return;
	*state = NULL;
	http_look_leave(request);
	http_set_deadline(request->peer, HTTP_HEAD_MS);
	drop_body(request);
	pfw_buffer_free(&request->match);
	pfw_buffer_free(&request->none_match);
	json_decref(request->json);
	if (request->seen > HTTP_LARGE)
		pfw_memory_trim();
	free(request);
}
