/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Going to the background, once it is known that the start succeeded. */
#ifndef DAEMON_BACKGROUND_H
#define DAEMON_BACKGROUND_H

#include <stdbool.h>

#include "portfwd/base/error.h"

/*
 * Goes on in a new process, in a session of its own. The first one stays until that one is ready
 * and ends with 0, or with the code that background_failed() is told, or with 1 if it is told
 * nothing. *ret_ready goes to one of the two.
 */
int background_enter(int *ret_ready, struct pfw_error *err);

/* Lets the first process end; -1: there is none. quiet: standard error goes to /dev/null as well. */
void background_ready(int ready, bool quiet);
void background_failed(int ready, int code);

#endif
