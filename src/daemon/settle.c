/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The journal is written to the file once it is quiet. */
#include <errno.h>

#include "settle.h"

#define QUIET_MS 200
#define QUIET_MOST_MS 1000	/* while changes come and come */
#define RETRY_MS 5000		/* after a failure */

static void on_quiet(uv_timer_t *timer);

static void wait_for_quiet(struct settle *settle)
{
	uv_loop_t *loop = settle->quiet.loop;
	uint64_t now, left;

	uv_update_time(loop);
	now = uv_now(loop);
	if (!uv_is_active((uv_handle_t *)&settle->quiet))
		settle->since = now;
	left = settle->since + QUIET_MOST_MS > now ? settle->since + QUIET_MOST_MS - now : 0;
	uv_timer_start(&settle->quiet, on_quiet, left < QUIET_MS ? left : QUIET_MS, 0);
}

/* It runs before the loop waits: whoever has changed something, it is seen here. */
static void on_prepare(uv_prepare_t *prepare)
{
	struct settle *settle = prepare->data;
	size_t lines = pfw_service_journal(settle->service);

	if (lines == settle->lines)
		return;
	settle->lines = lines;
	if (lines && !settle->busy)
		wait_for_quiet(settle);
}

static void work(uv_work_t *request)
{
	struct settle *settle = request->data;

	settle->code = pfw_service_settle_prepare(settle->settling, &settle->err);
}

/* A failure, which is told, unless it is one that time mends: then it is tried again soon. */
static void fail(struct settle *settle)
{
	uv_loop_t *loop = settle->quiet.loop;

	if (patience_is_due(settle->code) && patience_lasts(&settle->patience, loop)) {
		uv_timer_start(&settle->quiet, on_quiet, patience_pause(&settle->patience), 0);
		return;
	}
	settle->patience = (struct patience){ 0 };
	if (settle->code != -ESTALE)
		log_failure(settle->log, &settle->failure, "the journal is not written to the file",
			    &settle->err);
	uv_timer_start(&settle->quiet, on_quiet, RETRY_MS, 0);
}

/* Where somebody else has changed the file, the reload that follows takes in the journal. */
static void finish(struct settle *settle)
{
	if (settle->code)
		pfw_service_settle_free(settle->settling);
	else
		settle->code = pfw_service_settle_end(settle->service, settle->settling, &settle->err);
	settle->settling = NULL;
	settle->lines = pfw_service_journal(settle->service);
}

static void on_worked(uv_work_t *request, int status)
{
	struct settle *settle = request->data;

	(void)status;
	settle->busy = false;
	finish(settle);
	if (settle->code) {
		fail(settle);
		return;
	}
	settle->patience = (struct patience){ 0 };
	settle->failure = (struct log_failure){ 0 };
	if (settle->lines)
		wait_for_quiet(settle);
}

static void on_quiet(uv_timer_t *timer)
{
	struct settle *settle = timer->data;

	settle->err = (struct pfw_error)PFW_ERROR_INIT;
	settle->code = pfw_service_settle_begin(settle->service, &settle->settling, &settle->err);
	if (!settle->code && !settle->settling)
		return;
	if (!settle->code) {
		settle->busy = true;
		uv_queue_work(timer->loop, &settle->work, work, on_worked);
		return;
	}
	fail(settle);
}

void settle_start(struct settle *settle, uv_loop_t *loop)
{
	settle->prepare.data = settle->quiet.data = settle->work.data = settle;
	uv_timer_init(loop, &settle->quiet);
	uv_prepare_init(loop, &settle->prepare);
	uv_prepare_start(&settle->prepare, on_prepare);
}

void settle_stop(struct settle *settle)
{
	if (!settle->service)
		return;
	uv_timer_stop(&settle->quiet);
	uv_prepare_stop(&settle->prepare);
	while (settle->busy)
		uv_run(settle->quiet.loop, UV_RUN_ONCE);
}
