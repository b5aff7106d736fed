/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Looks over many forwards take a second, which nobody else should wait for: a child process has
 * them, and the client's connection sleeps meanwhile.
 *
 * The child looks without a lock at first, so no change waits for it. What stands in the kernel
 * just as the configuration said when the child began is certain then. Else somebody may be about
 * to change it: then another child looks under the lock, for which changes wait.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "child.h"
#include "http_inside.h"
#include "portfwd/base/file.h"

#define FEW 1000	/* forwards; a look over them takes a few milliseconds */
#define LOOK_SECONDS 30
#define REST_MS 100	/* between looks under the lock, for those who wait to change something */

/* What the child writes before the text of its answer. */
struct head {
	unsigned int status;
	bool busy;		/* ask again, if there is time */
	char type[64];
	struct {
		char name[24];
		char value[160];
	} headers[HTTP_ANSWER_HEADERS];
	size_t len;
};

struct look {
	struct http *http;
	struct request *request;	/* NULL: nobody waits for it any more */
	struct look *next;		/* in the queue */
	struct child *child;		/* at work; or NULL */
	uv_poll_t gone;			/* libmicrohttpd does not look at who sleeps */
	unsigned int holders;		/* of this memory */
	bool locked;			/* under the lock */
	bool over;			/* the client is gone, or we go */
	uint64_t not_before;		/* in ms of the loop */
	int fd;				/* what the child wrote; -1: it failed, or is not done */
};

static void start_looks(struct http *http);

static uint64_t now(const struct http *http)
{
	uv_update_time(http->loop);
	return uv_now(http->loop);
}

bool http_look_is_long(const struct request *request)
{
	return !request->in_child && !request->in_loop &&
	       pfw_service_size(request->http->service) >= FEW;
}

/* Of those that are named, a glance may be enough. */
static bool names_some(const struct request *request)
{
	return json_array_size(json_object_get(request->json, "names")) > 0;
}

bool http_look_is_worth(const struct request *request)
{
	if (!http_look_is_long(request))
		return false;
	switch (request->route) {
	case PFW_ROUTE_STATUS:
	case PFW_ROUTE_LIST:
	case PFW_ROUTE_CHECK:
	case PFW_ROUTE_METRICS:
		return true;
	case PFW_ROUTE_COMMAND:
		return http_is_look(request->segment) && !names_some(request);
	default:
		return false;
	}
}

/* ---- In the child */

static bool work(void *ctx, int fd)
{
	struct look *look = ctx;
	struct request *request = look->request;

	request->in_child = true;
	request->locked = look->locked;
	request->child_fd = fd;
	return !pfw_service_part(look->http->service, &request->err) &&
	       http_route(request) == MHD_YES;
}

enum MHD_Result http_look_write(struct request *request, const struct http_answer *answer,
				const char *text, size_t len)
{
	struct head head = { .status = answer->status, .busy = request->busy, .len = len };
	size_t i;

	snprintf(head.type, sizeof(head.type), "%s", answer->type ? answer->type : "");
	for (i = 0; i < HTTP_ANSWER_HEADERS; i++)
		if (answer->headers[i].value) {
			snprintf(head.headers[i].name, sizeof(head.headers[i].name), "%s",
				 answer->headers[i].name);
			snprintf(head.headers[i].value, sizeof(head.headers[i].value), "%s",
				 answer->headers[i].value);
		}
	return pfw_file_write(request->child_fd, (const char *)&head, sizeof(head)) ||
	       pfw_file_write(request->child_fd, text, len) ? MHD_NO : MHD_YES;
}

/* ---- In the loop */

static void let_go(struct look *look)
{
	if (--look->holders)
		return;
	if (look->fd >= 0)
		close(look->fd);
	free(look);
}

static void wake(struct look *look)
{
	MHD_resume_connection(look->request->connection);
	http_wake(look->http);
}

static void enqueue(struct look *look)
{
	struct look **at = &look->http->looks.queue;

	while (*at)
		at = &(*at)->next;
	look->next = NULL;
	*at = look;
}

static bool dequeue(struct look *look)
{
	struct look **at = &look->http->looks.queue;

	while (*at && *at != look)
		at = &(*at)->next;
	if (!*at)
		return false;
	*at = look->next;
	return true;
}

/* Where it stands among those at work; with NULL, where there is room for one. */
static struct look **at_work(struct http *http, const struct look *look)
{
	size_t i;

	for (i = 0; i < HTTP_LOOKS; i++)
		if (http->looks.at_work[i] == look)
			return &http->looks.at_work[i];
	return NULL;
}

static bool read_head(const struct look *look, struct head *ret)
{
	return look->fd >= 0 && pread(look->fd, ret, sizeof(*ret), 0) == (ssize_t)sizeof(*ret);
}

/* One without the lock that could not tell is done with it; one that did not get it, later. */
static void look_again(struct look *look)
{
	if (look->locked)
		look->not_before = now(look->http) + patience_pause(&look->request->patience);
	look->locked = true;
	close(look->fd);
	look->fd = -1;
	enqueue(look);
}

static void on_done(void *ctx, int fd)
{
	struct look *look = ctx;
	struct http *http = look->http;
	struct head head;

	*at_work(http, look) = NULL;
	look->child = NULL;
	look->fd = fd;
	if (look->locked) {
		http->looks.locked = false;
		http->looks.rest_until = now(http) + REST_MS;
	}
	if (look->request && !look->over) {
		if (read_head(look, &head) && head.busy &&
		    (!look->locked || http_is_patient(look->request)))
			look_again(look);
		else
			wake(look);
	}
	let_go(look);
	start_looks(http);
}

static bool may_start(const struct look *look)
{
	const struct http_looks *looks = &look->http->looks;
	uint64_t time = uv_now(look->http->loop);

	return !look->locked ||
	       (!looks->locked && time >= looks->rest_until && time >= look->not_before);
}

/* Where there can be no child, the loop does it. */
static void start_look(struct look *look)
{
	const struct child_job job = {
		.work = work, .done = on_done, .ctx = look, .seconds = LOOK_SECONDS,
	};

	(void)dequeue(look);
	if (child_start(look->http->loop, &job, &look->child)) {
		look->request->in_loop = true;
		wake(look);
		return;
	}
	look->holders++;
	look->http->looks.locked |= look->locked;
	*at_work(look->http, NULL) = look;
}

static void on_timer(uv_timer_t *timer)
{
	start_looks(timer->data);
}

static void start_looks(struct http *http)
{
	const bool room = http->held <= HTTP_HELD_MAX / 2;
	struct look *look, *next;

	uv_update_time(http->loop);
	for (look = http->looks.queue; look && room && at_work(http, NULL); look = next) {
		next = look->next;
		if (may_start(look))
			start_look(look);
	}
	if (http->looks.queue && room && at_work(http, NULL))
		uv_timer_start(&http->looks.timer, on_timer, PATIENCE_FIRST_MS, 0);
}

void http_looks_go_on(struct http *http)
{
	if (!http->closing)
		start_looks(http);
}

/* ---- The client */

/* Who has only said all that they want to say still waits for the answer. */
static bool is_there(const struct request *request)
{
	struct pollfd fd = { .fd = request->peer->fd };

	return poll(&fd, 1, 0) <= 0 || !(fd.revents & (POLLHUP | POLLERR));
}

static void give_up(struct look *look)
{
	look->over = true;
	(void)dequeue(look);
	wake(look);
}

static void on_gone(uv_poll_t *poll, int status, int events)
{
	struct look *look = poll->data;

	(void)status;
	(void)events;
	uv_poll_stop(poll);
	if (is_there(look->request))
		return;
	if (look->child)
		child_stop(look->child);
	give_up(look);
}

static void on_closed(uv_handle_t *handle)
{
	struct look *look = handle->data;
	struct http *http = look->http;

	let_go(look);
	http_handle_closed(http);
}

enum MHD_Result http_look(struct request *request)
{
	struct http *http = request->http;
	struct look *look = calloc(1, sizeof(*look));

	if (!look)
		return MHD_NO;
	*look = (struct look){ .http = http, .request = request, .fd = -1 };
	if (uv_poll_init(http->loop, &look->gone, request->peer->fd)) {
		free(look);
		return MHD_NO;
	}
	http->handles++;
	look->holders = 1;
	look->gone.data = look;
	uv_poll_start(&look->gone, UV_DISCONNECT, on_gone);
	request->look = look;
	http_set_deadline(request->peer, 0);
	MHD_suspend_connection(request->connection);
	enqueue(look);
	start_looks(http);
	return MHD_YES;
}

void http_look_leave(struct request *request)
{
	struct look *look = request->look;

	if (!look)
		return;
	request->look = NULL;
	look->request = NULL;
	uv_close((uv_handle_t *)&look->gone, on_closed);
}

static enum MHD_Result answer_failed(struct request *request)
{
	log_event(request->http->options.log, LOG_WARNING, "a look has failed, or took too long",
		  json_pack("{s:s, s:s}", "method", request->method, "path", request->path));
	http_refuse(request, 503, "portfwdd could not look at the kernel in time; try again");
	return http_answer_problem(request);
}

enum MHD_Result http_look_answer(struct request *request)
{
	struct look *look = request->look;
	struct http_answer answer = { 0 };
	struct head head;
	size_t i;
	int fd;

	if (look->over)
		return MHD_NO;
	if (!read_head(look, &head)) {
		http_look_leave(request);
		return request->in_loop ? http_route(request) : answer_failed(request);
	}
	fd = look->fd;
	look->fd = -1;
	http_look_leave(request);
	answer.status = head.status;
	answer.type = *head.type ? head.type : NULL;
	for (i = 0; i < HTTP_ANSWER_HEADERS; i++)
		if (*head.headers[i].name)
			answer.headers[i] = (struct http_header){ head.headers[i].name,
								  head.headers[i].value };
	return http_answer_file(request, &answer, fd, sizeof(head), head.len);
}

void http_looks_end(struct http *http)
{
	struct look *look;
	size_t i;

	for (i = 0; i < HTTP_LOOKS; i++) {
		look = http->looks.at_work[i];
		if (!look)
			continue;
		http->looks.at_work[i] = NULL;
		child_drop(look->child);
		if (look->request && !look->over)
			give_up(look);
		let_go(look);
	}
	while (http->looks.queue)
		give_up(http->looks.queue);
}
