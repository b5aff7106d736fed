/* SPDX-License-Identifier: GPL-2.0-or-later */
/* GET /v1/events: what happens, one JSON object a line, for as long as the client stays. */
#include "config.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "http_inside.h"
#include "portfwd/base/time.h"

#define KEPT (sizeof(((struct http_events *)0)->lines) / sizeof(char *))
#define LINE_MAX_BYTES 16384u

/* One client. It has the line that it reads for itself, so nobody waits for it. */
struct watcher {
	struct http *http;
	struct MHD_Connection *connection;
	struct watcher *next;
	struct watcher **link;
	uv_poll_t gone;			/* nobody else notices while we wait for events */
	uint64_t number;		/* of the next event */
	char *line;
	size_t len;
	size_t sent;
	bool waits;
	bool over;
};

/* The object as a line; NULL: no memory. */
static char *print_line(const json_t *event)
{
	char *text = json_dumps(event, JSON_COMPACT), *line;
	size_t len = text ? strlen(text) : 0;

	line = text ? realloc(text, len + 2) : NULL;
	if (line)
		memcpy(line + len, "\n", 2);
	else
		free(text);
	return line;
}

static json_t *now_json(void)
{
	char text[PFW_TIME_TEXT];

	return json_string(pfw_time_print(time(NULL), text));
}

static char *greeting(void)
{
	json_t *event = json_pack("{s:s, s:o, s:s}", "event", "hello", "time", now_json(),
				  "version", PACKAGE_VERSION);
	char *line = print_line(event);

	json_decref(event);
	return line;
}

/* What a client gets that was too slow for some events. */
static char *lost_line(uint64_t n)
{
	json_t *event = json_pack("{s:s, s:o, s:I}", "event", "lost", "time", now_json(), "count",
				  (json_int_t)n);
	char *line = print_line(event);

	json_decref(event);
	return line;
}

/* The next line for this client. False: there is none yet. */
static bool next_line(struct watcher *watcher)
{
	const struct http_events *events = &watcher->http->events;
	uint64_t oldest = events->next > KEPT ? events->next - KEPT : 0;

	if (watcher->number == events->next)
		return false;
	free(watcher->line);
	if (watcher->number < oldest) {
		watcher->line = lost_line(oldest - watcher->number);
		watcher->number = oldest;
	} else {
		watcher->line = strdup(events->lines[watcher->number++ % KEPT]);
	}
	watcher->len = watcher->line ? strlen(watcher->line) : 0;
	watcher->sent = 0;
	return true;
}

static ssize_t read_events(void *cls, uint64_t position, char *to, size_t size)
{
	struct watcher *watcher = cls;
	size_t len;

	(void)position;
	if (watcher->over)
		return MHD_CONTENT_READER_END_OF_STREAM;
	while (watcher->sent == watcher->len)
		if (!next_line(watcher)) {
			watcher->waits = true;
			MHD_suspend_connection(watcher->connection);
			return 0;
		}
	len = watcher->len - watcher->sent;
	if (len > size)
		len = size;
	memcpy(to, watcher->line + watcher->sent, len);
	watcher->sent += len;
	return (ssize_t)len;
}

static void go_on(struct watcher *watcher)
{
	if (!watcher->waits)
		return;
	watcher->waits = false;
	MHD_resume_connection(watcher->connection);
}

static void on_gone(uv_poll_t *poll, int status, int events)
{
	struct watcher *watcher = poll->data;

	(void)status;
	(void)events;
	uv_poll_stop(poll);
	watcher->over = true;
	go_on(watcher);
	http_wake(watcher->http);
}

static void on_closed(uv_handle_t *handle)
{
	struct watcher *watcher = handle->data;
	struct http *http = watcher->http;

	free(watcher->line);
	free(watcher);
	http_handle_closed(http);
}

/* The connection is at its end; its descriptor is closed soon. */
static void unwatch(void *cls)
{
	struct watcher *watcher = cls;

	*watcher->link = watcher->next;
	if (watcher->next)
		watcher->next->link = watcher->link;
	watcher->http->events.n_watchers--;
	uv_close((uv_handle_t *)&watcher->gone, on_closed);
}

static struct watcher *watch(struct request *request)
{
	struct http *http = request->http;
	struct watcher *watcher = calloc(1, sizeof(*watcher));

	if (!watcher)
		return NULL;
	watcher->line = greeting();
	if (!watcher->line || uv_poll_init(http->loop, &watcher->gone, request->peer->fd)) {
		free(watcher->line);
		free(watcher);
		return NULL;
	}
	watcher->http = http;
	watcher->connection = request->connection;
	watcher->len = strlen(watcher->line);
	watcher->number = http->events.next;
	watcher->gone.data = watcher;
	uv_poll_start(&watcher->gone, UV_DISCONNECT, on_gone);
	http->handles++;
	watcher->link = &http->events.watchers;
	watcher->next = http->events.watchers;
	if (watcher->next)
		watcher->next->link = &watcher->next;
	http->events.watchers = watcher;
	http->events.n_watchers++;
	return watcher;
}

enum MHD_Result http_events_answer(struct request *request)
{
	const struct http_answer answer = { .status = 200, .type = "application/x-ndjson" };
	struct watcher *watcher = watch(request);
	struct MHD_Response *response;

	if (!watcher)
		return MHD_NO;
	http_set_deadline(request->peer, 0);
	response = MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, 4096, read_events, watcher,
						     unwatch);
	if (!response)
		unwatch(watcher);
	return http_answer_stream(request, &answer, response);
}

static void keep_line(struct http_events *events, char *line)
{
	char **at = &events->lines[events->next++ % KEPT];

	free(*at);
	*at = line;
}

static void count_event(struct http *http, const json_t *event)
{
	const char *what = json_string_value(json_object_get(event, "event"));

	if (!what)
		return;
	if (!strcmp(what, "repair"))
		http->metrics.repairs++;
	else if (!strcmp(what, "reload"))
		http_count_reload(http, !json_object_get(event, "error"));
}

/* What is too long for people to read says so, instead of the rest. */
static char *print_event(json_t *event)
{
	char *line = print_line(event);
	json_t *cut;

	if (!line || strlen(line) <= LINE_MAX_BYTES)
		return line;
	free(line);
	cut = json_pack("{s:O, s:O, s:b}", "event", json_object_get(event, "event"), "time",
			json_object_get(event, "time"), "cut", 1);
	line = cut ? print_line(cut) : NULL;
	json_decref(cut);
	return line;
}

void http_event(struct http *http, json_t *event)
{
	struct watcher *watcher;
	char *line = NULL;

	if (http && event) {
		count_event(http, event);
		if (!json_object_get(event, "time"))
			json_object_set_new(event, "time", now_json());
		line = print_event(event);
	}
	json_decref(event);
	if (!line)
		return;
	keep_line(&http->events, line);
	for (watcher = http->events.watchers; watcher; watcher = watcher->next)
		go_on(watcher);
	if (http->events.watchers)
		http_wake(http);
}

void http_events_end(struct http *http)
{
	struct watcher *watcher;

	for (watcher = http->events.watchers; watcher; watcher = watcher->next) {
		watcher->over = true;
		go_on(watcher);
	}
}

void http_events_free(struct http *http)
{
	size_t i;

	for (i = 0; i < KEPT; i++)
		free(http->events.lines[i]);
}
