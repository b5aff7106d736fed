/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The API's place in the loop, and how long its connections may live. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "http_inside.h"
#include "portfwd/service/place.h"

void http_set_deadline(struct peer *peer, uint64_t ms)
{
	uv_update_time(peer->http->loop);
	peer->deadline = ms ? uv_now(peer->http->loop) + ms : 0;
}

/* libmicrohttpd ends a connection whose other end is gone; so this ends it. */
static void hang_up(const struct peer *peer)
{
	shutdown(peer->fd, SHUT_RDWR);
}

static void hang_up_overdue(struct http *http)
{
	uint64_t now;
	struct peer *peer;

	uv_update_time(http->loop);
	now = uv_now(http->loop);
	for (peer = http->peers; peer; peer = peer->next)
		if (peer->deadline && peer->deadline <= now) {
			peer->deadline = 0;
			hang_up(peer);
		}
}

static void on_timer(uv_timer_t *timer);

static void set_timer(struct http *http)
{
	uint64_t now = uv_now(http->loop), due = UINT64_MAX;
	MHD_UNSIGNED_LONG_LONG wait;
	const struct peer *peer;

	if (MHD_get_timeout(http->mhd, &wait) == MHD_YES)
		due = now + wait;
	/* Of who was resumed while it worked, libmicrohttpd does not tell. */
	if (http->woken)
		due = now;
	for (peer = http->peers; peer; peer = peer->next)
		if (peer->deadline && peer->deadline < due)
			due = peer->deadline;
	if (due == UINT64_MAX)
		uv_timer_stop(&http->timer);
	else
		uv_timer_start(&http->timer, on_timer, due > now ? due - now : 0, 0);
}

/* Who has been heard in time is served first, however long the loop was busy with others. */
static void serve(struct http *http)
{
	http->woken = false;
	MHD_run(http->mhd);
	hang_up_overdue(http);
	set_timer(http);
}

static void on_timer(uv_timer_t *timer)
{
	serve(timer->data);
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
	(void)status;
	(void)events;
	serve(poll->data);
}

void http_wake(struct http *http)
{
	http->woken = true;
	if (!http->closing)
		uv_timer_start(&http->timer, on_timer, 0, 0);
}

__attribute__((format(printf, 2, 0)))
static void on_log(void *cls, const char *fmt, va_list ap)
{
	const struct http *http = cls;
	char line[256];

	vsnprintf(line, sizeof(line), fmt, ap);
	line[strcspn(line, "\r\n")] = '\0';
	log_event(http->options.log, LOG_DEBUG, line, NULL);
}

static void connect_peer(struct http *http, struct MHD_Connection *connection, void **ret)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
	struct peer *peer = calloc(1, sizeof(*peer));

	if (!peer) {
		shutdown(info->connect_fd, SHUT_RDWR);
		return;
	}
	peer->http = http;
	peer->fd = info->connect_fd;
	http_set_deadline(peer, HTTP_HEAD_MS);
	if (!http_peer_admit(peer))
		hang_up(peer);
	peer->next = http->peers;
	peer->link = &http->peers;
	if (peer->next)
		peer->next->link = &peer->next;
	http->peers = peer;
	*ret = peer;
}

static void disconnect_peer(struct peer *peer)
{
	*peer->link = peer->next;
	if (peer->next)
		peer->next->link = peer->link;
	free(peer);
}

static void on_connection(void *cls, struct MHD_Connection *connection, void **state,
			  enum MHD_ConnectionNotificationCode what)
{
	if (what == MHD_CONNECTION_NOTIFY_STARTED) {
		connect_peer(cls, connection, state);
	} else if (*state) {
		disconnect_peer(*state);
		*state = NULL;
	}
}

static int start_mhd(struct http *http, int listen_fd, struct pfw_error *err)
{
	http->mhd = MHD_start_daemon(MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG,
				     0, NULL, NULL, http_request, http,
				     MHD_OPTION_EXTERNAL_LOGGER, on_log, http,
				     MHD_OPTION_LISTEN_SOCKET, listen_fd,
				     MHD_OPTION_CONNECTION_LIMIT, (unsigned int)HTTP_CONNECTIONS,
				     MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)HTTP_MEMORY,
				     MHD_OPTION_NOTIFY_CONNECTION, on_connection, http,
				     MHD_OPTION_NOTIFY_COMPLETED, http_request_done, http,
				     MHD_OPTION_UNESCAPE_CALLBACK, http_keep_escapes, NULL,
				     MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_END);
	if (!http->mhd)
		return pfw_fail(err, PFW_FAILED, -EIO, "cannot serve the API on its socket");
	return 0;
}

static void start_timer(struct http *http, uv_timer_t *timer)
{
	/* This never fails. */
	uv_timer_init(http->loop, timer);
	timer->data = http;
	http->handles++;
}

static int start_handles(struct http *http, struct pfw_error *err)
{
	const union MHD_DaemonInfo *info = MHD_get_daemon_info(http->mhd, MHD_DAEMON_INFO_EPOLL_FD);
	int code;

	start_timer(http, &http->timer);
	start_timer(http, &http->later.timer);
	start_timer(http, &http->looks.timer);
	code = uv_poll_init(http->loop, &http->poll, info->epoll_fd);
	if (!code) {
		http->poll.data = http;
		http->handles++;
		code = uv_poll_start(&http->poll, UV_READABLE, on_poll);
	}
	if (code)
		return pfw_fail(err, PFW_FAILED, code, "cannot serve the API: %s",
				uv_strerror(code));
	return 0;
}

/* What a client's words about our place are compared with. */
static int name_place(struct http *http, const char *config, struct pfw_error *err)
{
	int code = pfw_place_config(config ? config : PFW_CONFIG_DEFAULT, &http->config, err);

	return code ? code : pfw_place_netns(NULL, http->netns, err);
}

int http_open(uv_loop_t *loop, struct pfw_service *service, int listen_fd,
	      const struct http_options *options, struct http **ret, struct pfw_error *err)
{
	struct http *http = calloc(1, sizeof(*http));
	int code;

	if (!http)
		return pfw_fail_memory(err);
	http->options = *options;
	http->loop = loop;
	http->service = service;
	code = name_place(http, options->config, err);
	if (!code)
		code = start_mhd(http, listen_fd, err);
	if (!code)
		code = start_handles(http, err);
	if (code)
		http_close(http);
	else
		*ret = http;
	return code;
}

/* ---- Another socket */

struct door {
	struct http *http;
	uv_poll_t poll;
	int fd;
};

static void on_door_closed(uv_handle_t *handle)
{
	struct door *door = handle->data;
	struct http *http = door->http;

	free(door);
	http_handle_closed(http);
}

static void close_door(struct http *http)
{
	if (http->door)
		uv_close((uv_handle_t *)&http->door->poll, on_door_closed);
	http->door = NULL;
}

/* libmicrohttpd closes what it does not take. */
static void on_knock(uv_poll_t *poll, int status, int events)
{
	const struct sockaddr address = { .sa_family = AF_UNIX };
	struct door *door = poll->data;
	int fd;

	(void)status;
	(void)events;
	while ((fd = accept4(door->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0)
		(void)MHD_add_connection(door->http->mhd, fd, &address, sizeof(address));
	serve(door->http);
}

int http_listen(struct http *http, int listen_fd, gid_t group, struct pfw_error *err)
{
	struct door *door = calloc(1, sizeof(*door));
	int code;

	if (!door)
		return pfw_fail_memory(err);
	door->http = http;
	door->fd = listen_fd;
	door->poll.data = door;
	code = uv_poll_init(http->loop, &door->poll, listen_fd);
	if (code) {
		free(door);
		return pfw_fail(err, PFW_FAILED, code, "cannot serve the API: %s", uv_strerror(code));
	}
	uv_poll_start(&door->poll, UV_READABLE, on_knock);
	close_door(http);
	http->door = door;
	http->handles++;
	http->options.group = group;
	return 0;
}

/* ---- The end */

static void free_last(struct http *http)
{
	if (!http->closing || http->handles)
		return;
	http_events_free(http);
	free(http->config);
	free(http);
}

void http_handle_closed(struct http *http)
{
	http->handles--;
	free_last(http);
}

static void on_closed(uv_handle_t *handle)
{
	http_handle_closed(handle->data);
}

static void close_handles(struct http *http)
{
	uv_close((uv_handle_t *)&http->timer, on_closed);
	uv_close((uv_handle_t *)&http->later.timer, on_closed);
	uv_close((uv_handle_t *)&http->looks.timer, on_closed);
}

void http_close(struct http *http)
{
	bool timers, poll;

	if (!http)
		return;
	http->closing = true;
	close_door(http);
	timers = http->timer.data;
	poll = http->poll.data;
	if (http->mhd) {
		MHD_quiesce_daemon(http->mhd);
		http_events_end(http);
		http_looks_end(http);
		http_try_now(http);
		http_wait_no_longer(http);
		MHD_run(http->mhd);
	}
	if (poll)
		uv_close((uv_handle_t *)&http->poll, on_closed);
	if (http->mhd)
		MHD_stop_daemon(http->mhd);
	if (timers)
		close_handles(http);
	free_last(http);
}
