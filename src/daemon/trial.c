/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reloads that wait to be confirmed: in time, or what was before returns. */
#include <syslog.h>

#include "trial.h"

#define RETRY_MS 1000	/* after a failure */

static void tell(const struct trial *trial, const char *why)
{
	log_event(trial->log, LOG_WARNING, "a reload was not confirmed, what was before has returned",
		  json_pack("{s:s}", "why", why));
	trial->tell(trial->ctx, json_pack("{s:s, s:s}", "event", "revert", "why", why));
}

static void on_time(uv_timer_t *timer);

static void start(struct trial *trial, uint64_t ms)
{
	uv_update_time(trial->timer.loop);
	uv_timer_start(&trial->timer, on_time, ms, 0);
}

/* One that has its time yet is waited for. */
static void wait_for(struct trial *trial, const json_t *answer)
{
	const json_t *confirm = json_object_get(answer, "confirm");
	json_int_t seconds = json_integer_value(json_object_get(confirm, "seconds"));

	if (seconds > 0)
		start(trial, (uint64_t)seconds * 1000);
}

static void revert(struct trial *trial, bool early)
{
	const struct pfw_request request = {
		.early = early, .locks = early ? PFW_LOCKS_WAIT : PFW_LOCKS_TRY,
	};
	struct pfw_error err = PFW_ERROR_INIT;
	json_t *answer = NULL;
	int ret = pfw_service_call(trial->service, PFW_VERB_REVERT, &request, &answer, &err);

	if (patience_is_due(ret) && patience_lasts(&trial->patience, trial->timer.loop)) {
		start(trial, patience_pause(&trial->patience));
		return;
	}
	trial->patience = (struct patience){ 0 };
	if (ret) {
		log_failure(trial->log, &trial->failure,
			    "a reload was not confirmed, and what was before does not return", &err);
		start(trial, RETRY_MS);
		return;
	}
	trial->failure = (struct log_failure){ 0 };
	if (json_is_true(json_object_get(answer, "reverted")))
		tell(trial, early ? "stop" : "time");
	else
		wait_for(trial, answer);
	json_decref(answer);
}

static void on_time(uv_timer_t *timer)
{
	revert(timer->data, false);
}

void trial_start(struct trial *trial, uv_loop_t *loop)
{
	uv_timer_init(loop, &trial->timer);
	trial->timer.data = trial;
}

void trial_changed(struct trial *trial, enum pfw_verb verb, const json_t *answer)
{
	if (verb == PFW_VERB_CONFIRM)
		uv_timer_stop(&trial->timer);
	else if (verb == PFW_VERB_RELOAD)
		wait_for(trial, answer);
}

void trial_stop(struct trial *trial)
{
	if (!uv_is_active((const uv_handle_t *)&trial->timer))
		return;
	revert(trial, true);
	uv_timer_stop(&trial->timer);
}
