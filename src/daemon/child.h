/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Long work in a child process, which has all as it was in the moment when it began. */
#ifndef DAEMON_CHILD_H
#define DAEMON_CHILD_H

#include <stdbool.h>
#include <uv.h>

struct child;

struct child_job {
	/*
	 * In the child: writes what comes of it to fd. Of other descriptors only the first three
	 * are left, and handles and threads of the loop are none of its own.
	 */
	bool (*work)(void *ctx, int fd);
	/*
	 * In the loop, once and never from within child_start(). fd is the caller's then, to be
	 * read from its beginning; -1: the child failed, was killed, or took longer than it may.
	 */
	void (*done)(void *ctx, int fd);
	void *ctx;
	unsigned int seconds;	/* that it may take */
};

/* A negative errno where there can be no child now. */
int child_start(uv_loop_t *loop, const struct child_job *job, struct child **ret);

/* Kills it: its job is done soon, without success. */
void child_stop(struct child *child);
/* The same at the end of all: waits for it, and nothing is done. The loop gives back its memory. */
void child_drop(struct child *child);

#endif
