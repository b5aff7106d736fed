/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a running daemon may still do: no more than it needs, whatever a client sends it. */
#ifndef DAEMON_RIGHTS_H
#define DAEMON_RIGHTS_H

#include "log.h"
#include "portfwd/base/error.h"

/*
 * Keeps CAP_NET_ADMIN and CAP_NET_RAW of what the process has, and can never get more. With
 * libseccomp, system calls that the daemon has no use for fail with EPERM from now on, in all of its
 * threads; a kernel that cannot do that is told of in the log.
 */
int rights_drop(const struct log *log, struct pfw_error *err);

#endif
