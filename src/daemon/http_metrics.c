/* SPDX-License-Identifier: GPL-2.0-or-later */
/* GET /metrics: figures in the text format of Prometheus, 0.0.4. */
#include "config.h"

#include <string.h>
#include <time.h>

#include "http_inside.h"

#define PREFIX "portfwd_"

/* Up to the first without a name. */
struct label {
	const char *name;
	const char *value;
};
#define LABELS(...) ((const struct label[]){ __VA_ARGS__, { NULL } })

static void put_head(struct pfw_buffer *text, const char *name, const char *type, const char *help)
{
	pfw_buffer_printf(text, "# HELP " PREFIX "%s %s\n# TYPE " PREFIX "%s %s\n", name, help,
			  name, type);
}

static void put_escaped(struct pfw_buffer *text, const char *value)
{
	size_t len;

	for (; *value; value += len) {
		len = strcspn(value, "\\\"\n");
		pfw_buffer_append(text, value, len);
		if (value[len])
			pfw_buffer_printf(text, "\\%c", value[len] == '\n' ? 'n' : value[len]);
		len += value[len] != '\0';
	}
}

static void put(struct pfw_buffer *text, const char *name, const struct label *labels,
		json_int_t value)
{
	const char *before = "{";

	pfw_buffer_puts(text, PREFIX);
	pfw_buffer_puts(text, name);
	for (; labels && labels->name; labels++) {
		pfw_buffer_printf(text, "%s%s=\"", before, labels->name);
		put_escaped(text, labels->value ? labels->value : "");
		pfw_buffer_puts(text, "\"");
		before = ",";
	}
	pfw_buffer_printf(text, "%s %" JSON_INTEGER_FORMAT "\n", *before == ',' ? "}" : "", value);
}

static void put_one(struct pfw_buffer *text, const char *name, const char *type, const char *help,
		    json_int_t value)
{
	put_head(text, name, type, help);
	put(text, name, NULL, value);
}

/* A row for each key of an object, whose value is a number or a boolean. */
static void put_object(struct pfw_buffer *text, const char *name, const char *label, json_t *object)
{
	const char *key;
	json_t *value;

	json_object_foreach(object, key, value)
		put(text, name, LABELS({ label, key }),
		    json_is_true(value) ? 1 : json_integer_value(value));
}

/* What stands in the kernel. */
static void put_forwards(struct pfw_buffer *text, json_t *counts)
{
	put_one(text, "in_sync", "gauge", "Whether the kernel is as the configuration says.",
		json_is_true(json_object_get(counts, "in_sync")));
	put_one(text, "journal_lines", "gauge", "Changes that are not yet in the file itself.",
		json_integer_value(json_object_get(counts, "journal")));
	put_head(text, "ip_forward", "gauge", "Whether the machine routes packets.");
	put_object(text, "ip_forward", "family", json_object_get(counts, "ip_forward"));
	put_head(text, "forwards", "gauge", "Forwards by state.");
	put_object(text, "forwards", "state", json_object_get(counts, "forwards"));
	put_head(text, "connections_total", "counter",
		 "Connections that a forward took; not there without counters.");
	put_object(text, "connections_total", "forward", json_object_get(counts, "connections"));
}

static void put_build(struct pfw_buffer *text, const json_t *counts)
{
	const char *backend = json_string_value(json_object_get(counts, "backend"));

	put_head(text, "build_info", "gauge", "Which portfwdd this is, and the backend in use.");
	put(text, "build_info", LABELS({ "version", PACKAGE_VERSION }, { "backend", backend }), 1);
}

/* What this process did. */
static void put_daemon(struct pfw_buffer *text, const struct http *http)
{
	put_one(text, "repairs_total", "counter",
		"How often what others changed was put back.", (json_int_t)http->metrics.repairs);
	put_head(text, "reloads_total", "counter", "How often the configuration was read anew.");
	put(text, "reloads_total", LABELS({ "result", "good" }), (json_int_t)http->metrics.reloads);
	put(text, "reloads_total", LABELS({ "result", "failed" }),
	    (json_int_t)http->metrics.reloads_failed);
	put_one(text, "last_reload_timestamp_seconds", "gauge",
		"When that succeeded last; 0 for never.", (json_int_t)http->metrics.reloaded);
}

static void put_requests(struct pfw_buffer *text, const struct http *http)
{
	const struct pfw_route other = { .method = "", .path = "" }, *route;
	char code[12];
	uint64_t n;
	int row, status;

	put_head(text, "requests_total", "counter", "Requests by route and status.");
	for (row = 0; row <= PFW_ROUTES; row++)
		for (status = 0; status < HTTP_STATUS_MAX; status++) {
			n = http->metrics.requests[row][status];
			if (!n)
				continue;
			route = row < PFW_ROUTES ? &pfw_routes[row] : &other;
			snprintf(code, sizeof(code), "%d", status);
			put(text, "requests_total", LABELS({ "method", route->method },
			    { "route", route->path }, { "code", code }), (json_int_t)n);
		}
}

static void put_clients(struct pfw_buffer *text, const struct http *http)
{
	const struct peer *peer;
	json_int_t n = 0;

	for (peer = http->peers; peer; peer = peer->next)
		n++;
	put_one(text, "clients", "gauge", "Connections to the socket.", n);
	put_one(text, "event_clients", "gauge", "Those of them that listen to events.",
		http->events.n_watchers);
}

enum MHD_Result http_metrics_answer(struct request *request)
{
	const struct http_answer answer = {
		.status = 200,
		.type = "text/plain; version=0.0.4; charset=utf-8",
	};
	const struct pfw_request what = { 0 };
	struct http *http = request->http;
	struct pfw_buffer text = { 0 };
	json_t *counts = NULL;
	int code = http_ask(request, PFW_VERB_COUNT, &what, &counts);

	if (request->busy)
		return http_answer_problem(request);
	/* What the daemon knows of itself is worth the more where the kernel cannot be read. */
	put_one(&text, "readable", "gauge", "Whether configuration and kernel could be read.",
		!code);
	put_build(&text, counts);
	if (!code)
		put_forwards(&text, counts);
	put_daemon(&text, http);
	put_requests(&text, http);
	put_clients(&text, http);
	json_decref(counts);
	if (text.failed) {
		pfw_buffer_free(&text);
		return MHD_NO;
	}
	return http_answer_text(request, &answer, text.data, text.len);
}

void http_count_reload(struct http *http, bool good)
{
	if (!good) {
		http->metrics.reloads_failed++;
		return;
	}
	http->metrics.reloads++;
	http->metrics.reloaded = time(NULL);
}
