/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The journal is written to the file once it is quiet. */
#ifndef DAEMON_SETTLE_H
#define DAEMON_SETTLE_H

#include <uv.h>

#include "log.h"
#include "patience.h"
#include "portfwd/service/service.h"

/* All that it points to outlives it. */
struct settle {
	struct pfw_service *service;
	const struct log *log;

	uv_prepare_t prepare;	/* looks whether there is something new */
	uv_timer_t quiet;
	uv_work_t work;		/* the new file, in a thread of its own */
	struct pfw_settling *settling;
	struct pfw_error err;	/* of the thread */
	int code;
	size_t lines;		/* of the journal, when it was looked at last */
	uint64_t since;		/* the first that is not settled, in ms of the loop */
	bool busy;		/* the thread is at work */
	struct patience patience;
	struct log_failure failure;
};

/* Once service and log are filled in. */
void settle_start(struct settle *settle, uv_loop_t *loop);

/* Waits for the thread. Closing the service then writes what is left. */
void settle_stop(struct settle *settle);

#endif
