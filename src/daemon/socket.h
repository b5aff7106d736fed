/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The daemon's places in the run directory: the lock that keeps a second daemon away, and
 * the socket that clients connect to.
 */
#ifndef DAEMON_SOCKET_H
#define DAEMON_SOCKET_H

#include <stdbool.h>
#include <sys/types.h>

#include "portfwd/base/error.h"

#define GROUP_NONE ((gid_t)-1)

/* Makes the run directory where it is missing. *ret_fd holds the lock until it is closed. */
int socket_lock(const char *run_dir, int *ret_fd, struct pfw_error *err);

/* Whether the lock still is that of the run directory, which somebody may have cleared. */
bool socket_is_locked(const char *run_dir, int fd);

/* The number of a group, by name or number; -ENOENT without words: there is none. */
int socket_find_group(const char *name, gid_t *ret, struct pfw_error *err);

/*
 * A socket that listens: the one that systemd made (sd_listen_fds(3)), or else RUN_DIR/portfwd.sock,
 * in place of what a killed daemon left; its owner and the group may connect. *ret_path: what to
 * remove at the end, or NULL; free it. *ret_shared: the group may connect indeed.
 */
int socket_open(const char *run_dir, gid_t group, int *ret_fd, char **ret_path, bool *ret_shared,
		struct pfw_error *err);

#endif
