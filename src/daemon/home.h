/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Somebody who clears the run directory takes our lock and our socket with it. */
#ifndef DAEMON_HOME_H
#define DAEMON_HOME_H

#include <uv.h>

/* Zero-initialise. */
struct home {
	uv_fs_event_t watch;
	uv_timer_t quiet;
	const char *path;
	void (*changed)(void *ctx);
	void *ctx;
};

/*
 * Calls changed when anything came to the run directory or left it, and it has been quiet for a
 * moment since. Once it was made anew, it is to be watched again.
 */
void home_start(struct home *home, uv_loop_t *loop, const char *path, void (*changed)(void *ctx),
		void *ctx);
/* A negative code of libuv. */
int home_watch(struct home *home);

#endif
