/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A reload on trial: its mark, and letting return what was before. */
#include <errno.h>
#include <jansson.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "inside.h"
#include "portfwd/base/lock.h"
#include "portfwd/engine/trial.h"
#include "portfwd/kernel/sysctl.h"
#include "portfwd/store/applied.h"
#include "trial.h"

#define BOOT_ID "kernel/random/boot_id"
#define LOOK_MS 250	/* at the mark, where the kernel does not tell of it */

/* What a mark says. Zero-initialise; words_free(). */
struct words {
	bool over;
	bool watched;
	uint64_t until;
	char *previous;	/* path of what was applied before; NULL: nothing was */
	bool empty;	/* it had no files */
	char *text;
};

/* Goes on while the machine sleeps. */
static uint64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_BOOTTIME, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static void read_boot(char ret[PFW_SYSCTL_VALUE])
{
	struct pfw_error ignored = PFW_ERROR_INIT;

	ret[0] = '\0';
	pfw_sysctl_read(BOOT_ID, ret, &ignored);
}

static unsigned int seconds_left(uint64_t until)
{
	uint64_t now = now_ms();

	return until > now ? (unsigned int)((until - now + 999) / 1000) : 0;
}

static void words_free(struct words *words)
{
	free(words->previous);
	free(words->text);
	*words = (struct words){ 0 };
}

static const char *path_of(const struct pfw_engine *engine)
{
	return pfw_store_path(engine->store);
}

/* ---- The mark */

static int parse(const char *text, struct words *ret)
{
	json_t *root = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
	const char *boot = json_string_value(json_object_get(root, "boot"));
	json_t *previous = json_object_get(root, "previous");
	json_int_t until = json_integer_value(json_object_get(root, "until"));
	char here[PFW_SYSCTL_VALUE];
	int code = 0;

	if (!boot || until <= 0 || !(json_is_string(previous) || json_is_null(previous))) {
		json_decref(root);
		return -EBADMSG;
	}
	read_boot(here);
	ret->until = (uint64_t)until;
	ret->over = strcmp(boot, here) || ret->until <= now_ms();
	ret->empty = json_is_true(json_object_get(root, "empty"));
	if (json_is_string(previous)) {
		ret->previous = strdup(json_string_value(previous));
		code = ret->previous ? 0 : -ENOMEM;
	}
	json_decref(root);
	return code;
}

static void refuse_mark(const struct pfw_engine *engine, int code, struct pfw_error *err)
{
	char *path = pfw_store_mark_path(engine->store);

	pfw_fail(err, PFW_FAILED, code, "%s, by which a reload waits to be confirmed, is damaged; remove "
		 "it to keep what stands", path ? path : "a file");
	free(path);
}

/* -ENOENT without words if there is no mark. */
static int words_read(const struct pfw_engine *engine, struct words *ret, struct pfw_error *err)
{
	struct pfw_buffer text = { 0 };
	struct words words = { 0 };
	int code = pfw_store_read_mark(engine->store, &text, &words.watched, err);

	if (code)
		return code;
	words.text = text.data;
	code = parse(text.data, &words);
	if (code == -ENOMEM)
		pfw_fail_memory(err);
	else if (code)
		refuse_mark(engine, code, err);
	if (code)
		words_free(&words);
	else
		*ret = words;
	return code;
}

static char *words_text(const char *previous, bool empty, uint64_t until)
{
	char boot[PFW_SYSCTL_VALUE], *text;
	json_t *root;

	read_boot(boot);
	root = json_pack("{s:s, s:I, s:s?, s:b}", "boot", boot, "until", (json_int_t)until,
			 "previous", previous, "empty", (int)empty);
	text = root ? json_dumps(root, 0) : NULL;
	json_decref(root);
	return text;
}

/* Puts up the mark, and watches it in the engine's name. */
static int mark(struct pfw_engine *engine, const char *previous, bool empty, unsigned int seconds,
		struct pfw_error *err)
{
	struct pfw_trial trial = { .fd = -1, .until = now_ms() + (uint64_t)seconds * 1000 };
	char *text = words_text(previous, empty, trial.until);
	int ret;

	trial.mark = pfw_store_mark_path(engine->store);
	if (!text || !trial.mark)
		ret = pfw_fail_memory(err);
	else
		ret = pfw_store_mark(engine->store, text, &trial.fd, err);
	free(text);
	if (ret) {
		pfw_trial_free(&trial);
		return ret;
	}
	pfw_trial_free(&engine->trial);
	engine->trial = trial;
	return 0;
}

/* ---- Beginning */

/* What is applied now; *ret_same: the files say just that. */
static int find_previous(struct pfw_engine *engine, const char **ret, bool *ret_empty,
			 bool *ret_same, struct pfw_error *err)
{
	const struct state *state = &engine->state;
	int code;

	*ret = state->config;
	if (!state->config || strcmp(state->config, path_of(engine)))
		return 0;
	code = pfw_store_is_applied(engine->store, ret_same, err);
	if (code != -ENOENT || err->count)
		return code;
	if (!state->fileless)
		return pfw_fail(err, PFW_FAILED, code, "there is no copy of what %s said when it was "
				"applied, so nothing could return; reload without --confirm",
				path_of(engine));
	*ret_empty = true;
	return 0;
}

int trial_begin(struct pfw_engine *engine, unsigned int seconds, struct pfw_error *err)
{
	const char *previous = NULL;
	bool empty = false, same = false;
	int ret = 0;

	if (!engine->on_trial)
		ret = find_previous(engine, &previous, &empty, &same, err);
	if (ret || same)
		return ret;
	/* What there must be room for is written before anything changes. */
	ret = pfw_store_keep(engine->store, PFW_KEPT_TRIED, true, err);
	if (!ret && !engine->on_trial) {
		ret = mark(engine, previous, empty, seconds, err);
		engine->began_trial = !ret;
	}
	engine->trial_seconds = ret ? 0 : seconds;
	return ret;
}

void trial_cancel(struct pfw_engine *engine)
{
	struct pfw_error ignored = PFW_ERROR_INIT;

	if (engine->began_trial)
		pfw_store_unmark(engine->store, &ignored);
	trial_done(engine);
	pfw_trial_free(&engine->trial);
}

void trial_done(struct pfw_engine *engine)
{
	engine->began_trial = false;
	engine->trial_seconds = 0;
}

/* The time begins only now that the reload stands; a trial that goes on already has a new end. */
static int trial_stands(struct pfw_engine *engine, struct pfw_error *err)
{
	struct words words = { 0 };
	int ret = words_read(engine, &words, err);

	if (!ret)
		ret = mark(engine, words.previous, words.empty, engine->trial_seconds, err);
	words_free(&words);
	return ret;
}

int trial_keep(struct pfw_engine *engine, const struct pfw_manner *manner, struct pfw_report *report,
	       struct pfw_error *err)
{
	struct pfw_error failed = PFW_ERROR_INIT;
	unsigned int left;

	if (engine->trial_seconds && trial_stands(engine, &failed))
		return report_warn(report, err, "%s", failed.item[0].message);
	if (engine->trial_seconds || manner->unasked)
		return 0;
	/* Without the copy there is no trial to come; whoever wants one is told so then. */
	pfw_store_keep(engine->store, engine->on_trial ? PFW_KEPT_TRIED : PFW_KEPT_APPLIED, false,
		       &failed);
	left = engine->on_trial ? pfw_engine_trial_left(engine) : 0;
	return left ? report_warn(report, err, "an earlier reload still waits for \"portfwd confirm\"; "
				  "otherwise what was before it returns in %u seconds", left) : 0;
}

int trial_refuse(const struct pfw_engine *engine, struct pfw_error *err)
{
	if (!engine->on_trial)
		return 0;
	return pfw_fail(err, PFW_FAILED, -EBUSY, "a reload waits for \"portfwd confirm\" for %u seconds "
			"more; confirm it, or wait until what was before has returned",
			pfw_engine_trial_left(engine));
}

#define RETURNED "the last reload was not confirmed, so what was before it has returned; a file that " \
	"changed back has what it said beside it, as NAME.unconfirmed"

int trial_tell(const struct pfw_engine *engine, struct pfw_report *report, struct pfw_error *err)
{
	return engine->returned ? report_warn(report, err, RETURNED) : 0;
}

void pfw_engine_advise_trial(const struct pfw_engine *engine, struct pfw_error *err)
{
	if (engine->returned)
		pfw_error_add_advice(err, PFW_FAILED, RETURNED);
}

/* ---- Returning */

/* The files, and the kernel too where anything is applied in it. */
static int return_files(struct pfw_engine *engine, const struct words *words, struct pfw_error *err)
{
	const struct pfw_engine_load load = {
		.purpose = PFW_ENGINE_WRITE, .any_config = true, .anew = true, .settled = true,
	};
	const struct pfw_manner manner = { 0 };
	struct pfw_report report = { 0 };
	int ret = engine_lock(engine, &load, err);

	if (!ret)
		ret = pfw_store_restore(engine->store, words->empty, err);
	if (!ret && engine->state.config) {
		ret = pfw_engine_load(engine, &load, err);
		if (!ret)
			ret = pfw_engine_reload(engine, &manner, &report, err);
	}
	if (!ret)
		ret = pfw_store_unmark(engine->store, err);
	pfw_report_free(&report);
	return ret;
}

/* Another configuration was applied before, and its files are what they are. */
static int return_other(struct pfw_engine *engine, struct pfw_error *err)
{
	const struct pfw_engine_load load = {
		.purpose = PFW_ENGINE_WRITE, .any_config = true, .anew = true, .settled = true,
	};
	const struct pfw_manner manner = { 0 };
	struct pfw_report report = { 0 };
	int ret = pfw_engine_load(engine, &load, err);

	if (!ret)
		ret = pfw_engine_reload(engine, &manner, &report, err);
	pfw_report_free(&report);
	return ret;
}

static int return_nothing(struct pfw_engine *engine, struct pfw_error *err)
{
	struct pfw_report report = { 0 };
	bool forgot;
	int ret = pfw_engine_flush(engine, false, &report, &forgot, err);

	pfw_report_free(&report);
	return ret;
}

/* Only if it is the same still: meanwhile nothing was locked. */
static int unmark(struct pfw_engine *engine, const struct words *words, struct pfw_error *err)
{
	const struct pfw_engine_load load = { .purpose = PFW_ENGINE_WRITE, .any_config = true };
	struct words now = { 0 };
	int ret = engine_lock(engine, &load, err);

	if (!ret)
		ret = words_read(engine, &now, err);
	if (!ret && !strcmp(now.text, words->text))
		ret = pfw_store_unmark(engine->store, err);
	words_free(&now);
	pfw_engine_release(engine);
	return ret == -ENOENT && !err->count ? 0 : ret;
}

/* The way out. */
static void advise_mark(const struct pfw_engine *engine, struct pfw_error *err)
{
	char *path = pfw_store_mark_path(engine->store);

	pfw_error_add_advice(err, PFW_FAILED, "the last reload was not confirmed, and what was before it "
			     "cannot return; to keep what stands now, remove %s", path ? path : "its mark");
	free(path);
}

/*
 * Lets return what the mark tells of, by an engine of its own: what this one had to do
 * begins anew afterwards. Without locks, which that one takes.
 */
static int let_return(struct pfw_engine *engine, const struct words *words, struct pfw_error *err)
{
	const struct pfw_engine_options options = {
		.config = words->previous ? words->previous : path_of(engine),
		.run_dir = engine->run_dir,
		.backend = engine->backend,
	};
	bool same = words->previous && !strcmp(words->previous, path_of(engine));
	struct pfw_engine *other = NULL;
	int ret = pfw_engine_open(&options, &other, err);

	if (ret)
		return ret;
	pfw_engine_set_locks(other, engine->locks);
	engine_hand_over(engine, other);
	if (same)
		ret = return_files(other, words, err);
	else
		ret = words->previous ? return_other(other, err) : return_nothing(other, err);
	engine_hand_over(other, engine);
	pfw_engine_close(other);
	/* What this one knows is not so any more, whatever it will be asked for. */
	engine_unload(engine);
	if (!ret && !same)
		ret = unmark(engine, words, err);
	if (ret)
		advise_mark(engine, err);
	return ret;
}

int trial_settle(struct pfw_engine *engine, const struct pfw_engine_load *load,
		 struct pfw_error *err)
{
	struct words words = { 0 };
	int ret = words_read(engine, &words, err);

	engine->on_trial = !ret;
	if (ret)
		return ret == -ENOENT && !err->count ? 0 : ret;
	if (words.over || !words.watched) {
		pfw_engine_release(engine);
		engine->on_trial = false;
		ret = let_return(engine, &words, err);
		engine->returned = !ret;
		if (!ret)
			ret = engine_lock(engine, load, err);
	}
	words_free(&words);
	return ret;
}

/* ---- What is asked for */

void pfw_engine_take_trial(struct pfw_engine *engine, struct pfw_trial *ret)
{
	if (engine->trial.fd < 0)
		return;
	pfw_trial_free(ret);
	*ret = engine->trial;
	engine->trial = (struct pfw_trial){ .fd = -1 };
}

void pfw_trial_free(struct pfw_trial *trial)
{
	if (trial->fd >= 0)
		close(trial->fd);
	free(trial->mark);
	*trial = (struct pfw_trial){ .fd = -1 };
}

unsigned int pfw_engine_trial_begun(const struct pfw_engine *engine)
{
	return engine->trial.fd < 0 ? 0 : seconds_left(engine->trial.until);
}

bool pfw_engine_trial_failed(const struct pfw_engine *engine)
{
	struct pfw_error ignored = PFW_ERROR_INIT;
	struct words words = { 0 };
	bool failed = !words_read(engine, &words, &ignored) && (words.over || !words.watched);

	words_free(&words);
	return failed;
}

unsigned int pfw_engine_trial_left(const struct pfw_engine *engine)
{
	struct pfw_error ignored = PFW_ERROR_INIT;
	struct words words = { 0 };
	unsigned int left = 0;

	if (!words_read(engine, &words, &ignored) && !words.over)
		left = seconds_left(words.until);
	words_free(&words);
	return left;
}

int pfw_engine_confirm(struct pfw_engine *engine, struct pfw_error *err)
{
	const struct pfw_engine_load load = { .purpose = PFW_ENGINE_WRITE };
	struct words words = { 0 };
	int ret = engine_lock(engine, &load, err);

	if (!ret)
		ret = words_read(engine, &words, err);
	if (ret == -ENOENT && !err->count)
		pfw_fail(err, PFW_FAILED, ret, "no reload waits to be confirmed");
	if (!ret && words.over) {
		pfw_engine_release(engine);
		ret = let_return(engine, &words, err);
		if (!ret)
			ret = pfw_fail(err, PFW_FAILED, -ETIME, "this comes too late: what was before "
				       "the reload has returned");
	} else if (!ret) {
		ret = pfw_store_keep_tried(engine->store, err);
		if (!ret)
			ret = pfw_store_unmark(engine->store, err);
	}
	words_free(&words);
	return ret;
}

int pfw_engine_revert(struct pfw_engine *engine, bool early, bool *ret_reverted,
		      struct pfw_error *err)
{
	const struct pfw_engine_load load = { .purpose = PFW_ENGINE_WRITE, .any_config = true };
	struct words words = { 0 };
	bool reverted = false;
	int ret = engine_lock(engine, &load, err);

	if (!ret)
		ret = words_read(engine, &words, err);
	if (ret == -ENOENT && !err->count) {
		ret = 0;
	} else if (!ret && (early || words.over || !words.watched)) {
		pfw_engine_release(engine);
		ret = let_return(engine, &words, err);
		reverted = !ret;
	}
	words_free(&words);
	if (!ret)
		*ret_reverted = reverted;
	return ret;
}

/* ---- Waiting */

/* Once nothing leads to the file any more, its links have changed. */
static int watch_mark(const struct pfw_trial *trial)
{
	int fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	char path[32];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", trial->fd);
	if (fd >= 0 && inotify_add_watch(fd, path, IN_ATTRIB | IN_DELETE_SELF) < 0) {
		close(fd);
		fd = -1;
	}
	return fd;
}

static int set_timer(uint64_t until)
{
	const struct itimerspec time = {
		.it_value = { (time_t)(until / 1000), (long)(until % 1000) * 1000000 },
	};
	int fd = timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC | TFD_NONBLOCK);

	if (fd >= 0 && timerfd_settime(fd, TFD_TIMER_ABSTIME, &time, NULL)) {
		close(fd);
		fd = -1;
	}
	return fd;
}

static void drain(int fd)
{
	char events[4096];

	while (read(fd, events, sizeof(events)) > 0)
		;
}

int pfw_trial_wait(const struct pfw_trial *trial, int wake, enum pfw_trial_end *ret,
		   struct pfw_error *err)
{
	struct pollfd polls[] = {
		{ .fd = watch_mark(trial), .events = POLLIN },
		{ .fd = set_timer(trial->until), .events = POLLIN },
		{ .fd = wake, .events = POLLIN },
	};
	int step = polls[0].fd < 0 || polls[1].fd < 0 ? LOOK_MS : -1, code = 0;

	for (;;) {
		if (now_ms() >= trial->until) {
			*ret = PFW_TRIAL_OVER;
			break;
		}
		if (!pfw_lock_is_current(trial->fd, trial->mark)) {
			*ret = PFW_TRIAL_CONFIRMED;
			break;
		}
		if (polls[2].revents) {
			*ret = PFW_TRIAL_WOKEN;
			break;
		}
		if (poll(polls, 3, step) < 0 && errno != EINTR) {
			code = pfw_fail_errno(err, -errno, "cannot wait for the confirmation");
			break;
		}
		if (polls[0].revents)
			drain(polls[0].fd);
	}
	if (polls[0].fd >= 0)
		close(polls[0].fd);
	if (polls[1].fd >= 0)
		close(polls[1].fd);
	return code;
}
