/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A network of its own for a test that needs the kernel. It is that of the
 * test's process and goes with it; nothing reaches the machine's own network.
 */
#ifndef TESTS_UNIT_SANDBOX_H
#define TESTS_UNIT_SANDBOX_H

#include <stdbool.h>
#include <sys/types.h>

/*
 * Why there can be no sandbox here, or why step (0, or a negative errno) does not work in one; NULL:
 * it does. Asked in a process of its own.
 */
const char *sandbox_refuses(int (*step)(void));
/* The same for a sandbox with nf_tables. */
const char *sandbox_missing(void);
/*
 * Enters a new, empty network namespace; without root in a new user namespace. Fails
 * the test where that does not work.
 */
void sandbox_enter(void);
/* Gives up CAP_NET_ADMIN for the rest of the process. */
void sandbox_drop_net_admin(void);
/* Writes a value below /proc/sys. */
void sandbox_sysctl(const char *key, const char *value);

/*
 * Another process in this network. It does `step` as often as it is told to, and
 * ends with sandbox_helper_end() or with its parent.
 */
struct sandbox_helper {
	pid_t pid;
	int tell;	/* a byte: so many steps */
	int answer;	/* a byte when they are begun, and one when they are done */
};
void sandbox_helper_begin(struct sandbox_helper *helper, int (*step)(void *ctx), void *ctx);
/* Returns once the helper has begun. */
void sandbox_helper_tell(const struct sandbox_helper *helper, unsigned char steps);
/* Returns once the helper has done what it was told. Fails the test if it could not. */
void sandbox_helper_wait(const struct sandbox_helper *helper);
void sandbox_helper_end(struct sandbox_helper *helper);

#endif
