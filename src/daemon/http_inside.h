/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the files of the API share. */
#ifndef DAEMON_HTTP_INSIDE_H
#define DAEMON_HTTP_INSIDE_H

#include <microhttpd.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "http.h"
#include "patience.h"
#include "portfwd/base/buffer.h"
#include "portfwd/service/route.h"

/* What one client, and all of them, may ask of our memory and patience. */
#define HTTP_BODY_MAX (16u << 20)
#define HTTP_VALUES_MAX 100000u		/* in one body; each takes far more memory than text */
#define HTTP_HELD_MAX (64u << 20)	/* bodies and answers of all requests */
#define HTTP_FILE_MAX HTTP_HELD_MAX	/* a body that has the whole configuration */
#define HTTP_SMALL 65536		/* is always had room for */
#define HTTP_LARGE (1u << 20)		/* is given back to the kernel at once */
#define HTTP_MEMORY (48u << 10)		/* of a connection: its headers, and what is on its way */
#define HTTP_HEADERS 100
#define HTTP_CONNECTIONS 256
#define HTTP_CONNECTIONS_UID 64
#define HTTP_CONNECTIONS_STRANGER 4	/* of a user who may not use it */
#define HTTP_HEAD_MS 10000		/* until the headers are there, since the last answer */
#define HTTP_BODY_MS 30000
#define HTTP_SEND_MS 30000		/* and a millisecond for each KiB */

#define HTTP_LOOKS 2			/* child processes at once */

#define HTTP_STATUS_MAX 600

/* A connection and who is at its other end. */
struct peer {
	struct http *http;
	struct peer *next;
	struct peer **link;	/* what points to us */
	int fd;
	struct ucred cred;
	bool known;		/* who it is */
	bool admitted;		/* and that they may */
	uint64_t deadline;	/* of the loop's clock; 0: none */
};

struct watcher;
struct look;

struct http {
	struct http_options options;
	char *config;			/* canonical */
	char netns[48];			/* "DEVICE:INODE" */
	uv_loop_t *loop;
	uv_poll_t poll;			/* on all of libmicrohttpd's descriptors at once */
	uv_timer_t timer;
	struct door *door;		/* another socket to connect to; NULL: there is none */
	unsigned int handles;		/* that the loop has not closed yet */
	bool closing;
	struct pfw_service *service;
	struct MHD_Daemon *mhd;
	struct peer *peers;
	size_t held;			/* bytes of bodies and answers */
	struct request *waiting;	/* until less is held */
	bool woken;			/* somebody was resumed, and not served since */
	struct http_later {
		struct request *requests;	/* that found a lock held */
		uv_timer_t timer;
	} later;
	struct http_looks {
		struct look *queue;
		struct look *at_work[HTTP_LOOKS];
		bool locked;		/* one of them has the lock */
		uint64_t rest_until;	/* the next that takes it waits, in ms of the loop */
		uv_timer_t timer;
	} looks;
	struct {
		uint64_t at;		/* when we last told of a stranger or a crowd */
		unsigned int more;	/* and how often since then we did not */
	} quiet;
	struct http_events {
		char *lines[256];
		uint64_t next;		/* number of the next one */
		struct watcher *watchers;
		unsigned int n_watchers;
	} events;
	struct {
		uint64_t requests[PFW_ROUTES + 1][HTTP_STATUS_MAX];	/* the last row: no route */
		uint64_t repairs;
		uint64_t reloads;
		uint64_t reloads_failed;
		int64_t reloaded;	/* seconds since 1970 of the last good one; 0: none */
	} metrics;
};

/* One request. What refused it stands in err until the body is through. */
struct request {
	struct http *http;
	struct peer *peer;
	struct MHD_Connection *connection;
	const char *method;
	const char *path;
	bool routed;
	bool garbled;			/* where its body ends is not certain */
	enum pfw_route_id route;
	char segment[256];		/* decoded: a name or a verb */
	bool dry_run;
	bool drain;
	bool runtime;
	struct pfw_buffer match;	/* If-Match */
	struct pfw_buffer none_match;	/* If-None-Match */
	struct pfw_buffer body;
	size_t seen;			/* of the body */
	json_t *json;			/* the body; an object */
	struct request *next_waiting;
	struct look *look;		/* at it, or that has been; or NULL */
	bool in_child;			/* we are the child, and the answer goes to child_fd */
	bool in_loop;			/* no look */
	bool locked;			/* and it goes under the lock */
	int child_fd;
	bool busy;			/* a lock was held, or a change under way */
	struct patience patience;	/* with them */
	unsigned int status;		/* what it is answered with; 0: not known yet */
	int code;
	struct pfw_error err;
};

/* http.c: what happened may give libmicrohttpd something to do. */
void http_wake(struct http *http);
/* The loop has let go of one of the handles. */
void http_handle_closed(struct http *http);
/* So many milliseconds from now on. */
void http_set_deadline(struct peer *peer, uint64_t ms);

/* http_peer.c: who is there. False: they have too many connections. */
bool http_peer_admit(struct peer *peer);
/* Whether to tell of a refusal; *ret_more is how many were not told of. */
bool http_peer_tell(struct http *http, unsigned int *ret_more);

/* http_request.c: the calls of libmicrohttpd. */
enum MHD_Result http_request(void *cls, struct MHD_Connection *connection, const char *url,
			     const char *method, const char *version, const char *upload_data,
			     size_t *upload_data_size, void **state);
void http_request_done(void *cls, struct MHD_Connection *connection, void **state,
		       enum MHD_RequestTerminationCode why);
/* Has the request come again when less is held. */
enum MHD_Result http_wait(struct request *request);
void http_wait_no_longer(struct http *http);
/* So many bytes less; who waits for that goes on. */
void http_hold_less(struct http *http, size_t len);
size_t http_keep_escapes(void *cls, struct MHD_Connection *connection, char *text);

/* http_route.c: what the routes do. */
enum MHD_Result http_route(struct request *request);
/* Asks the service; a refusal is in the request then. */
int http_ask(struct request *request, enum pfw_verb verb, const struct pfw_request *what,
	     json_t **ret);
/* Whether a command of this name only looks, and may have many forwards to look at. */
bool http_is_look(const char *verb);

/* http_answer.c. A header's value NULL leaves it out. */
struct http_header {
	const char *name;
	const char *value;
};
#define HTTP_ANSWER_HEADERS 4
struct http_answer {
	unsigned int status;
	const char *type;
	struct http_header headers[HTTP_ANSWER_HEADERS];
};
/* text is taken over; NULL: no memory. */
enum MHD_Result http_answer_text(struct request *request, const struct http_answer *answer,
				 char *text, size_t len);
/* json is taken over; NULL: no memory. */
enum MHD_Result http_answer_json(struct request *request, const struct http_answer *answer,
				 json_t *json);
/* len bytes of a file, which is taken over, from this place on. */
enum MHD_Result http_answer_file(struct request *request, const struct http_answer *answer, int fd,
				 off_t from, size_t len);
enum MHD_Result http_answer_nothing(struct request *request, const struct http_answer *answer);
/* What err and code of the request say. */
enum MHD_Result http_answer_problem(struct request *request);
enum MHD_Result http_answer_stream(struct request *request, const struct http_answer *answer,
				   struct MHD_Response *response);
/* Notes what the request is refused with, unless something has refused it before. */
void http_refuse(struct request *request, unsigned int status, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* http_later.c: who found a lock held comes again. */
bool http_is_patient(struct request *request);
enum MHD_Result http_try_later(struct request *request);
void http_try_now(struct http *http);

/* http_look.c: looks in a child process. */
bool http_look_is_worth(const struct request *request);
/* Whether a look at everything takes long, and this is not the child for it. */
bool http_look_is_long(const struct request *request);
enum MHD_Result http_look(struct request *request);
/* What has become of it; or by the loop, where there could be no child. */
enum MHD_Result http_look_answer(struct request *request);
/* In the child. */
enum MHD_Result http_look_write(struct request *request, const struct http_answer *answer,
				const char *text, size_t len);
/* The request is through, or its client is gone. */
void http_look_leave(struct request *request);
/* Less is held than before. */
void http_looks_go_on(struct http *http);
/* Ends all of them; who waits comes again. */
void http_looks_end(struct http *http);

/* http_events.c */
enum MHD_Result http_events_answer(struct request *request);
/* Lets everybody who waits come to an end. */
void http_events_end(struct http *http);
void http_events_free(struct http *http);

/* http_metrics.c */
enum MHD_Result http_metrics_answer(struct request *request);
void http_count_reload(struct http *http, bool good);

#endif
