/* SPDX-License-Identifier: GPL-2.0-or-later */
/* portfwdd(8): start, signals, end. */
#include "config.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>

#include "background.h"
#include "daemon.h"
#include "files.h"
#include "home.h"
#include "http.h"
#include "keep.h"
#include "log.h"
#include "notify.h"
#include "options.h"
#include "rights.h"
#include "settle.h"
#include "socket.h"
#include "trial.h"

struct daemon {
	struct options options;
	char *own_paths[2];		/* of the options, where they had to be made */
	struct log log;
	struct notify notify;
	uv_loop_t loop;
	bool looping;			/* the loop is made, and needs an end */
	uv_signal_t signals[3];
	uv_timer_t watchdog;
	struct pfw_service *service;
	struct pfw_watch *watch;
	struct keep *keep;
	struct trial trial;
	struct settle settle;
	struct files *files;
	struct home home;
	struct http *http;
	json_t *early;			/* the event of the first load, before there are clients */
	int lock;			/* of the run directory, or -1 */
	int listener;			/* or -1 */
	int listener_again;		/* where somebody took away the first one's name; or -1 */
	char *path;			/* of a socket of our own */
	gid_t group;			/* GROUP_NONE: the owner alone may connect */
	int ready;			/* where the first process waits, or -1 */
};

/* As seen from here, so that it is the same from anywhere; *ret_own is to be freed. */
static int make_absolute(const char **path, char **ret_own, struct pfw_error *err)
{
	char *here;
	int len;

	if (**path == '/')
		return 0;
	here = getcwd(NULL, 0);
	if (!here)
		return pfw_fail_errno(err, -errno, "cannot find %s", *path);
	len = asprintf(ret_own, "%s/%s", here, *path);
	free(here);
	if (len < 0) {
		*ret_own = NULL;
		return pfw_fail_memory(err);
	}
	*path = *ret_own;
	return 0;
}

/* A name of a namespace is no path. */
static int settle_paths(struct daemon *daemon, struct pfw_error *err)
{
	struct pfw_service_options *to = &daemon->options.service;
	int ret;

	to->daemon = true;
	to->keep = to->journal = true;
	to->config = to->config ? to->config : PFW_CONFIG_DEFAULT;
	to->run_dir = to->run_dir ? to->run_dir : PFW_RUN_DIR_DEFAULT;
	ret = make_absolute(&to->config, &daemon->own_paths[0], err);
	return ret ? ret : make_absolute(&to->run_dir, &daemon->own_paths[1], err);
}

static void on_signal(uv_signal_t *handle, int number)
{
	struct daemon *daemon = handle->data;

	if (number == SIGHUP) {
		(void)keep_reload(daemon->keep, "signal");
		return;
	}
	log_event(&daemon->log, LOG_INFO, "stopping",
		  json_pack("{s:s}", "signal", strsignal(number)));
	notify_send(&daemon->notify, "STOPPING=1\nSTATUS=Stopping");
	uv_stop(&daemon->loop);
}

static void on_watchdog(uv_timer_t *timer)
{
	struct daemon *daemon = timer->data;

	notify_send(&daemon->notify, "WATCHDOG=1");
}

static int loop_failed(int code, struct pfw_error *err)
{
	return pfw_fail(err, PFW_FAILED, code, "cannot make the loop: %s", uv_strerror(code));
}

static int start_loop(struct daemon *daemon, struct pfw_error *err)
{
	static const int numbers[] = { SIGHUP, SIGINT, SIGTERM };
	uint64_t often = daemon->notify.watchdog_ms / 2;
	size_t i;
	int code = uv_loop_init(&daemon->loop);

	if (code)
		return loop_failed(code, err);
	daemon->looping = true;
	for (i = 0; !code && i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		daemon->signals[i].data = daemon;
		code = uv_signal_init(&daemon->loop, &daemon->signals[i]);
		if (!code)
			code = uv_signal_start(&daemon->signals[i], on_signal, numbers[i]);
	}
	daemon->watchdog.data = daemon;
	if (!code)
		code = uv_timer_init(&daemon->loop, &daemon->watchdog);
	if (!code && daemon->notify.watchdog_ms)
		code = uv_timer_start(&daemon->watchdog, on_watchdog, 0, often ? often : 1);
	return code ? loop_failed(code, err) : 0;
}

/* A group that is asked for must be there; without the usual one, nobody else may connect. */
static int choose_group(struct daemon *daemon, struct pfw_error *err)
{
	const char *name = daemon->options.group;
	int ret = socket_find_group(name ? name : GROUP_DEFAULT, &daemon->group, err);

	if (ret != -ENOENT)
		return ret;
	if (name)
		return pfw_fail(err, PFW_USAGE, ret, "there is no group \"%.60s\"", name);
	log_event(&daemon->log, LOG_INFO, "there is no group " GROUP_DEFAULT ": the socket is its "
		  "owner's alone", NULL);
	return 0;
}

static void on_changed(void *ctx, enum pfw_verb verb, const json_t *answer)
{
	struct daemon *daemon = ctx;

	keep_changed(daemon->keep, verb);
	/* Whoever flushes means what was saved before, too. */
	if (keep_is_flushed(daemon->keep))
		files_forget(daemon->files);
	trial_changed(&daemon->trial, verb, answer);
}

/* ---- The API */

static int start_http(struct daemon *daemon, struct pfw_error *err)
{
	const struct http_options options = {
		.config = daemon->options.service.config,
		.backend = daemon->options.service.backend,
		.group = daemon->group,
		.log = &daemon->log,
		.changed = on_changed,
		.ctx = daemon,
	};
	int ret = http_open(&daemon->loop, daemon->service, daemon->listener, &options, &daemon->http,
			    err);

	if (!ret) {
		http_event(daemon->http, daemon->early);
		daemon->early = NULL;
	}
	return ret;
}

static int start_serving(struct daemon *daemon, struct pfw_error *err)
{
	bool shared;
	int ret = socket_open(daemon->options.service.run_dir, daemon->group, &daemon->listener,
			      &daemon->path, &shared, err);

	if (ret)
		return ret;
	if (!shared)
		daemon->group = GROUP_NONE;
	return start_http(daemon, err);
}

/* ---- The run directory */

static int lock_again(struct daemon *daemon, struct pfw_error *err)
{
	int fd, ret = socket_lock(daemon->options.service.run_dir, &fd, err);

	if (ret)
		return ret;
	close(daemon->lock);
	daemon->lock = fd;
	return 0;
}

/* Of what systemd made, systemd knows whether it is gone. */
static int listen_again(struct daemon *daemon, struct pfw_error *err)
{
	char *path = NULL;
	bool shared;
	int fd, ret;

	if (!daemon->path || !access(daemon->path, F_OK))
		return 0;
	ret = socket_open(daemon->options.service.run_dir, daemon->group, &fd, &path, &shared, err);
	if (ret)
		return ret;
	free(path);
	ret = http_listen(daemon->http, fd, shared ? daemon->group : GROUP_NONE, err);
	if (ret) {
		close(fd);
		return ret;
	}
	if (daemon->listener_again >= 0)
		close(daemon->listener_again);
	daemon->listener_again = fd;
	if (!shared && daemon->group != GROUP_NONE)
		log_event(&daemon->log, LOG_WARNING, "the socket had to be made again, and is its "
			  "owner's alone until the next start", NULL);
	return 0;
}

/* Who took our place meanwhile keeps the forwards from now on. */
static void give_way(struct daemon *daemon, const struct pfw_error *err)
{
	log_error(&daemon->log, "ending", err);
	free(daemon->path);
	daemon->path = NULL;
	daemon->options.flush_on_exit = false;
	uv_stop(&daemon->loop);
}

static void on_home(void *ctx)
{
	struct daemon *daemon = ctx;
	struct pfw_error err = PFW_ERROR_INIT;
	bool cleared = !socket_is_locked(daemon->options.service.run_dir, daemon->lock);
	int ret = cleared ? lock_again(daemon, &err) : 0;

	if (ret == -EBUSY) {
		give_way(daemon, &err);
		return;
	}
	if (!ret)
		ret = listen_again(daemon, &err);
	if (ret)
		log_error(&daemon->log, "cannot come back to the run directory", &err);
	(void)home_watch(&daemon->home);
	/* What it said of the kernel is gone, too. */
	if (cleared)
		(void)keep_reload(daemon->keep, KEEP_CLEARED);
}

static int start_home(struct daemon *daemon, struct pfw_error *err)
{
	const char *path = daemon->options.service.run_dir;
	int code;

	home_start(&daemon->home, &daemon->loop, path, on_home, daemon);
	code = home_watch(&daemon->home);
	return code ? pfw_fail(err, PFW_FAILED, code, "cannot watch %s: %s", path,
			       uv_strerror(code)) : 0;
}

/* ---- Start */

static void on_saved(void *ctx)
{
	struct daemon *daemon = ctx;

	/* What the daemon itself has written is no news. */
	if (!pfw_service_is_current(daemon->service))
		(void)keep_reload(daemon->keep, KEEP_SAVED);
}

static void on_event(void *ctx, json_t *event)
{
	struct daemon *daemon = ctx;

	if (daemon->http) {
		http_event(daemon->http, event);
		return;
	}
	json_decref(daemon->early);
	daemon->early = event;
}

static int start_keep(struct daemon *daemon, struct pfw_error *err)
{
	const struct keep_context context = {
		.loop = &daemon->loop,
		.service = daemon->service,
		.watch = daemon->watch,
		.log = &daemon->log,
		.notify = &daemon->notify,
		.tell = on_event,
		.ctx = daemon,
	};

	return keep_open(&context, &daemon->keep, err);
}

/* Where all was flushed meanwhile, the files return and the kernel stays clear. */
static void on_returned(void *ctx, json_t *event)
{
	struct daemon *daemon = ctx;

	if (keep_is_flushed(daemon->keep))
		files_forget(daemon->files);
	on_event(daemon, event);
}

static void start_trial(struct daemon *daemon)
{
	daemon->trial = (struct trial){
		.service = daemon->service,
		.log = &daemon->log,
		.tell = on_returned,
		.ctx = daemon,
	};
	trial_start(&daemon->trial, &daemon->loop);
}

static void start_settle(struct daemon *daemon)
{
	daemon->settle = (struct settle){ .service = daemon->service, .log = &daemon->log };
	settle_start(&daemon->settle, &daemon->loop);
}

static int start(struct daemon *daemon, struct pfw_error *err)
{
	int ret = socket_lock(daemon->options.service.run_dir, &daemon->lock, err);

	if (!ret)
		ret = choose_group(daemon, err);
	if (!ret)
		ret = pfw_service_open(&daemon->options.service, &daemon->service, err);
	if (!ret)
		ret = pfw_service_watch(daemon->service, &daemon->watch, err);
	if (!ret)
		ret = start_loop(daemon, err);
	if (!ret)
		ret = start_keep(daemon, err);
	if (!ret)
		ret = files_open(&daemon->loop, daemon->options.service.config, on_saved, daemon,
				 &daemon->files, err);
	if (ret)
		return ret;
	start_trial(daemon);
	start_settle(daemon);
	(void)keep_reload(daemon->keep, KEEP_START);
	ret = start_serving(daemon, err);
	if (!ret)
		ret = start_home(daemon, err);
	return ret ? ret : rights_drop(&daemon->log, err);
}

static void flush(struct daemon *daemon)
{
	const struct pfw_request request = { 0 };
	struct pfw_error err = PFW_ERROR_INIT;
	json_t *answer = NULL;

	if (pfw_service_call(daemon->service, PFW_VERB_FLUSH, &request, &answer, &err))
		log_error(&daemon->log, "cannot flush", &err);
	json_decref(answer);
}

static void close_handle(uv_handle_t *handle, void *ctx)
{
	(void)ctx;
	if (!uv_is_closing(handle))
		uv_close(handle, NULL);
}

/* Whatever was started, in the other order. */
static void stop(struct daemon *daemon)
{
	if (daemon->path)
		unlink(daemon->path);
	free(daemon->path);
	http_close(daemon->http);
	daemon->http = NULL;
	if (daemon->listener >= 0)
		close(daemon->listener);
	if (daemon->listener_again >= 0)
		close(daemon->listener_again);
	files_close(daemon->files);
	keep_close(daemon->keep);
	if (daemon->looping) {
		uv_walk(&daemon->loop, close_handle, NULL);
		uv_run(&daemon->loop, UV_RUN_DEFAULT);
		uv_loop_close(&daemon->loop);
	}
	pfw_service_close(daemon->service);
	pfw_watch_close(daemon->watch);
	if (daemon->lock >= 0)
		close(daemon->lock);
	json_decref(daemon->early);
	free(daemon->own_paths[0]);
	free(daemon->own_paths[1]);
}

static int run(struct daemon *daemon, struct pfw_error *err)
{
	int ret = start(daemon, err);

	if (ret)
		return ret;
	background_ready(daemon->ready, daemon->log.syslog);
	daemon->ready = -1;
	notify_send(&daemon->notify, "READY=1\nMAINPID=%ld", (long)getpid());
	uv_run(&daemon->loop, UV_RUN_DEFAULT);
	trial_stop(&daemon->trial);
	settle_stop(&daemon->settle);
	if (daemon->options.flush_on_exit)
		flush(daemon);
	return 0;
}

static int prepare(struct daemon *daemon, struct pfw_error *err)
{
	const struct options *options = &daemon->options;
	bool to_syslog = options->log ? !strcmp(options->log, "syslog") : !options->foreground;
	int ret;

	signal(SIGPIPE, SIG_IGN);
	ret = settle_paths(daemon, err);
	if (!ret && !options->foreground)
		ret = background_enter(&daemon->ready, err);
	if (ret)
		return ret;
	log_open(&daemon->log, to_syslog, options->verbose);
	notify_open(&daemon->notify);
	return 0;
}

/* As long as somebody waits for the start, they want to know on their terminal. */
static int fail(const struct daemon *daemon, const char *what, const struct pfw_error *err)
{
	static const struct log terminal;

	log_error(daemon->ready >= 0 ? &terminal : &daemon->log, what, err);
	background_failed(daemon->ready, (int)err->kind);
	return (int)err->kind;
}

int daemon_main(int argc, char **argv)
{
	struct daemon daemon = { .lock = -1, .listener = -1, .listener_again = -1, .ready = -1, .group = GROUP_NONE };
	struct pfw_error err = PFW_ERROR_INIT;
	int ret;

	if (options_parse(&daemon.options, argc, argv, &err))
		return fail(&daemon, NULL, &err);
	if (daemon.options.help) {
		options_help(stdout);
		return EXIT_SUCCESS;
	}
	if (daemon.options.version) {
		printf("portfwdd %s\n", PACKAGE_VERSION);
		return EXIT_SUCCESS;
	}
	ret = prepare(&daemon, &err);
	if (!ret)
		ret = run(&daemon, &err);
	stop(&daemon);
	return ret ? fail(&daemon, "cannot start", &err) : EXIT_SUCCESS;
}
