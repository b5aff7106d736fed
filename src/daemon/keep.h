/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Keeping the forwards in force: reloads, and repairs of what others changed. */
#ifndef DAEMON_KEEP_H
#define DAEMON_KEEP_H

#include <uv.h>

#include "log.h"
#include "notify.h"
#include "portfwd/service/watch.h"

struct keep;

/* All of it outlives the keep. */
struct keep_context {
	uv_loop_t *loop;
	struct pfw_service *service;
	struct pfw_watch *watch;
	const struct log *log;
	const struct notify *notify;
	/* Tells who follows the events; takes the object over. */
	void (*tell)(void *ctx, json_t *event);
	void *ctx;
};

int keep_open(const struct keep_context *context, struct keep **ret, struct pfw_error *err);
/* The loop has to run once more before its memory is given back. NULL is fine. */
void keep_close(struct keep *keep);

/* Reads the files anew and makes the kernel what they say. why is for the log, which tells failures. */
int keep_reload(struct keep *keep, const char *why);
#define KEEP_START "start"	/* the loop does not run yet */
#define KEEP_CLEARED "run-dir"	/* somebody cleared the run directory */
#define KEEP_SAVED "file"	/* somebody saved it, and nobody asked for more */

/* Somebody else has asked the service for this, and it was done. */
void keep_changed(struct keep *keep, enum pfw_verb verb);
/* Whether that was a flush, and nothing was loaded since. */
bool keep_is_flushed(const struct keep *keep);

#endif
