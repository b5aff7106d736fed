/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Keeping the forwards in force: reloads, and repairs of what others changed. */
#ifndef DAEMON_KEEP_H
#define DAEMON_KEEP_H

#include <stdbool.h>
#include <uv.h>

#include "log.h"
#include "notify.h"
#include "portfwd/service/service.h"

struct keep;

/* All of it outlives the keep. */
struct keep_context {
	uv_loop_t *loop;
	struct pfw_service *service;
	const struct log *log;
	const struct notify *notify;
};

int keep_open(const struct keep_context *context, struct keep **ret, struct pfw_error *err);
/* Takes its handles out of the loop, which has to run once more before the keep is freed. */
void keep_close(struct keep *keep);

/* Reads the files anew and makes the kernel what they say; why is for the log. */
void keep_reload(struct keep *keep, const char *why);

#endif
