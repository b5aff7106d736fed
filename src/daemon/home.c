/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Somebody who clears the run directory takes our lock and our socket with it. */
#include "home.h"

#define QUIET_MS 50	/* many files go at once */

static void on_quiet(uv_timer_t *timer)
{
	struct home *home = timer->data;

	home->changed(home->ctx);
}

static void on_event(uv_fs_event_t *watch, const char *name, int events, int status)
{
	struct home *home = watch->data;

	(void)name;
	(void)events;
	(void)status;
	uv_timer_start(&home->quiet, on_quiet, QUIET_MS, 0);
}

void home_start(struct home *home, uv_loop_t *loop, const char *path, void (*changed)(void *ctx),
		void *ctx)
{
	home->path = path;
	home->changed = changed;
	home->ctx = ctx;
	home->watch.data = home->quiet.data = home;
	/* Neither fails. */
	uv_fs_event_init(loop, &home->watch);
	uv_timer_init(loop, &home->quiet);
}

int home_watch(struct home *home)
{
	uv_fs_event_stop(&home->watch);
	return uv_fs_event_start(&home->watch, on_event, home->path, 0);
}
