/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The control API, portfwd-api(7): HTTP on a unix socket, in the daemon's loop. */
#ifndef DAEMON_HTTP_H
#define DAEMON_HTTP_H

#include <jansson.h>
#include <sys/types.h>
#include <uv.h>

#include "log.h"
#include "portfwd/service/service.h"

struct http;

/* All of it outlives the API. */
struct http_options {
	const char *config;	/* what the service works with; NULL: its defaults */
	const char *backend;
	gid_t group;		/* may use it beside root and who we are; GROUP_NONE: nobody else */
	const struct log *log;
	/* What a client asked for that can change something has been done; or NULL. */
	void (*changed)(void *ctx, enum pfw_verb verb, const json_t *answer);
	void *ctx;
};

/*
 * Serves who connects to the socket, which stays the caller's. The service's network namespace is
 * the one we are in.
 */
int http_open(uv_loop_t *loop, struct pfw_service *service, int listen_fd,
	      const struct http_options *options, struct http **ret, struct pfw_error *err);

/*
 * Serves who connects to this socket, too, which stays the caller's as well. It takes the place of
 * one that was told before in this way.
 */
int http_listen(struct http *http, int listen_fd, gid_t group, struct pfw_error *err);

/* Ends all connections. The loop has to run once more before its memory is given back. */
void http_close(struct http *http);

/*
 * Tells who listens to GET /v1/events; takes the object over. "event" says what it is: "repair" and
 * "reload" are counted for GET /metrics, a reload that has "error" as failed. Both may be NULL.
 */
void http_event(struct http *http, json_t *event);

#endif
