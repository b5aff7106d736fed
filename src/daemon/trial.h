/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reloads that wait to be confirmed: in time, or what was before returns. */
#ifndef DAEMON_TRIAL_H
#define DAEMON_TRIAL_H

#include <jansson.h>
#include <uv.h>

#include "log.h"
#include "patience.h"
#include "portfwd/service/service.h"

/* All that it points to outlives it. */
struct trial {
	struct pfw_service *service;
	const struct log *log;
	/* Tells who follows the events; takes the object over. */
	void (*tell)(void *ctx, json_t *event);
	void *ctx;
	struct patience patience;
	struct log_failure failure;
	uv_timer_t timer;	/* until the confirmation must have come */
};

/* Once the rest is filled in. */
void trial_start(struct trial *trial, uv_loop_t *loop);

/* A client has asked the service for this, and it was done. */
void trial_changed(struct trial *trial, enum pfw_verb verb, const json_t *answer);

/* Nobody would be there any more to let return what was before: it returns now. */
void trial_stop(struct trial *trial);

#endif
