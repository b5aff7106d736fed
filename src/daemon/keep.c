/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Keeping the forwards in force. */
#include <stdlib.h>
#include <string.h>

#include "keep.h"
#include "patience.h"
#include "portfwd/base/buffer.h"
#include "portfwd/base/text.h"

#define QUIET_MS 5		/* others mostly change several things at once */
#define QUIET_MOST_MS 50
#define BLIND_MS 30000		/* where the kernel tells nothing */
#define REST 9			/* after a look for nothing, times what it took: others lock and read, too */
#define TOLD 3			/* things that were put back, one by one */
#define RETRY_MS 1000		/* after a repair that failed */
/*
 * Whoever changes things again as soon as they are repaired, so often, fights with us: from then on
 * each repair waits twice as long as the last one.
 */
#define FIGHT_MS 100
#define FIGHT_ROUNDS 20
#define FIGHT_DELAY_MS 10
#define FIGHT_DELAY_MOST_MS 1000

struct keep {
	struct keep_context to;
	uv_poll_t polls[PFW_MONITOR_FDS];
	size_t n_polls;
	uv_timer_t repair;
	uv_timer_t look;		/* where the kernel tells nothing */
	uv_timer_t again;		/* a reload that found a lock held */
	const char *why;		/* what for; NULL: there is none */
	struct patience patience;	/* with that */
	struct patience repair_patience;
	size_t open_handles;		/* set once all are closing */
	bool loaded;			/* it is known what is to be kept */
	bool flushed;			/* and a client wants nothing of it to stand */
	struct pfw_monitor_news news;	/* what the next repair is for */
	uint64_t since;			/* when the first of it came, in ms of the loop; 0: none */
	uint64_t repaired;		/* when the last repair was over */
	uint64_t rested;		/* when the next look may be */
	unsigned int rounds;		/* of a fight */
	const char *status;		/* that systemd was told last */
	struct log_failure failure;	/* of a repair */
};

static uint64_t now(const struct keep *keep)
{
	uv_update_time(keep->to.loop);
	return uv_now(keep->to.loop);
}

/* ---- The log */

static json_t *copy_of(const json_t *answer, const char *key)
{
	return json_incref(json_object_get(answer, key));
}

/* What happened, for the log and for whoever follows the events; takes values over. */
static void tell(const struct keep *keep, int priority, const char *event, const char *text,
		 json_t *values)
{
	json_t *object = json_pack("{s:s}", "event", event);

	if (object && values)
		(void)json_object_update(object, values);
	log_event(keep->to.log, priority, text, values);
	if (keep->to.tell && object)
		keep->to.tell(keep->to.ctx, object);
	else
		json_decref(object);
}

/* In a few words, which is told when it changes. */
static void set_status(struct keep *keep, const char *status)
{
	if (!keep->status || strcmp(keep->status, status) != 0)
		notify_send(keep->to.notify, "STATUS=%s", status);
	keep->status = status;
}

/* ---- Reload */

/* Rules of a kind of which nothing is told are looked after now and then. */
static void look_now_and_then(struct keep *keep);

static void on_loaded(struct keep *keep)
{
	keep->loaded = true;
	keep->flushed = false;
	keep->rounds = 0;
	keep->failure = (struct log_failure){ 0 };
	look_now_and_then(keep);
}

static void on_again(uv_timer_t *timer)
{
	struct keep *keep = timer->data;

	(void)keep_reload(keep, keep->why);
}

/* Whether it is tried again, for somebody else is at work. */
static bool try_again(struct keep *keep, const char *why, int code)
{
	bool again = patience_is_due(code) && patience_lasts(&keep->patience, keep->to.loop);

	keep->why = again ? why : NULL;
	if (again) {
		uv_timer_start(&keep->again, on_again, patience_pause(&keep->patience), 0);
		return true;
	}
	/* Another reload may have been under way until now. */
	uv_timer_stop(&keep->again);
	keep->patience = (struct patience){ 0 };
	return false;
}

/* Of a reload; the start goes on. */
static void tell_end(const struct keep *keep, bool starts)
{
	if (!starts)
		notify_send(keep->to.notify, "READY=1");
}

int keep_reload(struct keep *keep, const char *why)
{
	/* Nobody is there yet who wants to be served, or may be told that this is ready. */
	const bool starts = !keep->why && !strcmp(why, KEEP_START);
	const struct pfw_request request = {
		.unasked = !strcmp(why, KEEP_SAVED),
		.locks = starts ? PFW_LOCKS_WAIT : PFW_LOCKS_TRY,
	};
	struct pfw_error err = PFW_ERROR_INIT;
	json_t *answer = NULL;
	int ret;

	if (!starts && !keep->why)
		notify_reloading(keep->to.notify);
	ret = pfw_service_call(keep->to.service, PFW_VERB_RELOAD, &request, &answer, &err);
	if (try_again(keep, why, ret))
		return ret;
	if (ret) {
		log_error(keep->to.log, "not loaded", &err);
		tell(keep, LOG_WARNING, "reload", "what stands in the kernel stays",
		     json_pack("{s:s, s:s, s:i}", "why", why, "error", err.item[0].message, "errors",
			       (int)err.count));
		set_status(keep, "Not loaded, see the log");
		tell_end(keep, starts);
		return ret;
	}
	on_loaded(keep);
	tell(keep, LOG_NOTICE, "reload", "loaded",
	     json_pack("{s:s, s:o*, s:o*, s:o*}", "why", why, "forwards",
		       copy_of(answer, "forwards"), "objects", copy_of(answer, "objects"),
		       "warning", copy_of(answer, "warning")));
	set_status(keep, "Loaded");
	tell_end(keep, starts);
	json_decref(answer);
	return 0;
}

void keep_changed(struct keep *keep, enum pfw_verb verb)
{
	on_loaded(keep);
	keep->flushed = verb == PFW_VERB_FLUSH;
	set_status(keep, keep->flushed ? "Flushed" : "Loaded");
}

bool keep_is_flushed(const struct keep *keep)
{
	return keep->flushed;
}

/* ---- Repair */

static void on_repair(uv_timer_t *timer);

static uint64_t fight_delay(const struct keep *keep)
{
	unsigned int over = keep->rounds < FIGHT_ROUNDS ? 0 : keep->rounds - FIGHT_ROUNDS + 1;
	uint64_t delay = over > 8 ? FIGHT_DELAY_MOST_MS : over ? FIGHT_DELAY_MS << (over - 1) : 0;

	return delay < FIGHT_DELAY_MOST_MS ? delay : FIGHT_DELAY_MOST_MS;
}

/* Once it has been quiet for a moment, but soon in any case. */
static void repair_soon(struct keep *keep)
{
	uint64_t time = now(keep), wait = QUIET_MS, fight = fight_delay(keep), left;

	if (!keep->since)
		keep->since = time;
	left = keep->since + QUIET_MOST_MS > time ? keep->since + QUIET_MOST_MS - time : 0;
	wait = wait < left ? wait : left;
	if (fight)
		wait = keep->since + fight > time ? keep->since + fight - time : 0;
	if (keep->rested > time + wait)
		wait = keep->rested - time;
	uv_timer_start(&keep->repair, on_repair, wait, 0);
}

static void count_round(struct keep *keep, uint64_t since)
{
	if (since > keep->repaired + FIGHT_MS) {
		keep->rounds = 0;
		return;
	}
	keep->rounds++;
	if (keep->rounds == FIGHT_ROUNDS)
		tell(keep, LOG_WARNING, "fight",
		     "another program changes the same again and again, so repairs are less prompt",
		     json_pack("{s:s, s:i, s:i}", "by", *keep->news.by ? keep->news.by : "?",
			       "process", (int)keep->news.process, "repairs", FIGHT_ROUNDS));
}

/* The first few things that were put back, as "diff" shows them; NULL without memory. */
static json_t *list_changes(const json_t *changes)
{
	struct pfw_buffer text = { 0 };
	const char *action;
	json_t *change, *list;
	size_t i;

	json_array_foreach(changes, i, change) {
		if (i == TOLD)
			break;
		action = json_string_value(json_object_get(change, "action"));
		pfw_buffer_printf(&text, "%s%c %.100s", i ? "; " : "",
				  !strcmp(action, "add") ? '+' : !strcmp(action, "remove") ? '-' : '~',
				  json_string_value(json_object_get(change, "text")));
	}
	if (json_array_size(changes) > TOLD)
		pfw_buffer_puts(&text, "; ...");
	if (text.data)
		pfw_text_clean(text.data);
	list = text.failed || !text.data ? NULL : json_string(text.data);
	pfw_buffer_free(&text);
	return list;
}

static void tell_repair(struct keep *keep, const json_t *answer)
{
	const struct pfw_monitor_news *news = &keep->news;
	json_t *values = json_pack("{s:s, s:o*, s:o*, s:o*}", "cause",
				   news->rules ? "rules" : news->host ? "host" : "look",
				   "objects", copy_of(answer, "objects"), "what",
				   list_changes(json_object_get(answer, "changes")), "warning",
				   copy_of(answer, "warning"));

	if (values && *news->by)
		(void)json_object_update_new(values, json_pack("{s:s, s:I}", "by", news->by,
							       "process",
							       (json_int_t)news->process));
	tell(keep, LOG_NOTICE, "repair", "put back what others had changed", values);
}

static void take_over(struct pfw_monitor_news *to, const struct pfw_monitor_news *from)
{
	to->host = to->host || from->host;
	if (!from->rules)
		return;
	to->rules = true;
	to->process = from->process;
	memcpy(to->by, from->by, sizeof(to->by));
}

/*
 * Who has changed the files changed the kernel for it, or meant to: they are loaded then, and only
 * if that fails what was loaded before is put back. *ret_answer NULL: it was loaded.
 */
static int repair(struct keep *keep, json_t **ret_answer, struct pfw_error *err)
{
	struct pfw_request request = { .unasked = true, .current = true, .locks = PFW_LOCKS_TRY };
	struct pfw_told told;
	int ret;

	if (pfw_watch_told(keep->to.watch, &told))
		request.told = &told;
	ret = pfw_service_call(keep->to.service, PFW_VERB_REPAIR, &request, ret_answer, err);
	if (ret != -ESTALE)
		return ret;
	ret = keep_reload(keep, KEEP_SAVED);
	if (!ret || keep->why)
		return ret;
	pfw_error_clear(err);
	request.current = false;
	return pfw_service_call(keep->to.service, PFW_VERB_REPAIR, &request, ret_answer, err);
}

static void on_repair(uv_timer_t *timer)
{
	struct keep *keep = timer->data;
	struct pfw_monitor_news later = { 0 };
	struct pfw_error err = PFW_ERROR_INIT;
	uint64_t begun = now(keep), since = keep->since ? keep->since : begun;
	json_t *answer = NULL;
	int ret;

	keep->since = 0;
	if (!keep->loaded)
		return;
	ret = repair(keep, &answer, &err);
	if (patience_is_due(ret) && patience_lasts(&keep->repair_patience, keep->to.loop)) {
		uv_timer_start(timer, on_repair, patience_pause(&keep->repair_patience), 0);
		return;
	}
	keep->repair_patience = (struct patience){ 0 };
	if (ret) {
		log_failure(keep->to.log, &keep->failure, "cannot repair", &err);
		uv_timer_start(timer, on_repair, RETRY_MS, 0);
		return;
	}
	keep->failure = (struct log_failure){ 0 };
	pfw_watch_forget(keep->to.watch);
	/* It has seen to some of what came meanwhile, but who knows to what. */
	pfw_watch_read(keep->to.watch, &later);
	take_over(&keep->news, &later);
	if (json_integer_value(json_object_get(answer, "objects"))) {
		tell_repair(keep, answer);
		count_round(keep, since);
		keep->repaired = now(keep);
	} else if (pfw_watch_is_blind(keep->to.watch)) {
		keep->rested = now(keep) + REST * (now(keep) - begun);
	}
	json_decref(answer);
	keep->news = later;
	if (later.rules || later.host)
		repair_soon(keep);
}

static void on_news(uv_poll_t *poll, int status, int events)
{
	struct keep *keep = poll->data;
	struct pfw_monitor_news *news = &keep->news;

	(void)events;
	pfw_watch_read(keep->to.watch, news);
	/* That something was lost is an error of the socket, with which libuv lets go of it. */
	if (status < 0)
		uv_poll_start(poll, UV_READABLE, on_news);
	if (keep->loaded && (news->rules || news->host))
		repair_soon(keep);
}

static void on_look(uv_timer_t *timer)
{
	struct keep *keep = timer->data;

	on_repair(&keep->repair);
}

static void look_now_and_then(struct keep *keep)
{
	if (!pfw_watch_is_blind(keep->to.watch))
		uv_timer_stop(&keep->look);
	else if (!uv_is_active((uv_handle_t *)&keep->look))
		uv_timer_start(&keep->look, on_look, BLIND_MS, BLIND_MS);
}

/* ---- Begin and end */

static int start_polls(struct keep *keep)
{
	int fds[PFW_MONITOR_FDS], code;
	uv_poll_t *poll;
	size_t i;

	pfw_watch_fds(keep->to.watch, fds);
	for (i = 0; i < PFW_MONITOR_FDS; i++) {
		poll = &keep->polls[keep->n_polls];
		if (fds[i] < 0)
			continue;
		code = uv_poll_init(keep->to.loop, poll, fds[i]);
		if (code)
			return code;
		keep->n_polls++;
		poll->data = keep;
		code = uv_poll_start(poll, UV_READABLE, on_news);
		if (code)
			return code;
	}
	return 0;
}

int keep_open(const struct keep_context *context, struct keep **ret, struct pfw_error *err)
{
	struct keep *keep = calloc(1, sizeof(*keep));
	int code;

	if (!keep)
		return pfw_fail_memory(err);
	keep->to = *context;
	keep->repair.data = keep->look.data = keep->again.data = keep;
	/* These never fail. */
	uv_timer_init(context->loop, &keep->repair);
	uv_timer_init(context->loop, &keep->look);
	uv_timer_init(context->loop, &keep->again);
	code = start_polls(keep);
	if (code) {
		keep_close(keep);
		return pfw_fail(err, PFW_FAILED, code, "cannot watch the kernel: %s",
				uv_strerror(code));
	}
	*ret = keep;
	return 0;
}

static void on_closed(uv_handle_t *handle)
{
	struct keep *keep = handle->data;

	if (!--keep->open_handles)
		free(keep);
}

void keep_close(struct keep *keep)
{
	size_t i;

	if (!keep)
		return;
	keep->open_handles = keep->n_polls + 3;
	for (i = 0; i < keep->n_polls; i++)
		uv_close((uv_handle_t *)&keep->polls[i], on_closed);
	uv_close((uv_handle_t *)&keep->repair, on_closed);
	uv_close((uv_handle_t *)&keep->look, on_closed);
	uv_close((uv_handle_t *)&keep->again, on_closed);
}
