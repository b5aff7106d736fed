/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The user's editor. */
#ifndef PORTFWD_CLI_EDITOR_H
#define PORTFWD_CLI_EDITOR_H

#include <stdbool.h>

#include "portfwd/base/error.h"

/*
 * Runs $VISUAL, else $EDITOR, else what this machine has, on the file, and waits for it.
 * The shell reads the variable, so that it may have options. An editor that fails or is
 * killed is an error. aside: it prints to standard error, since standard output is wanted
 * for something else.
 */
int pfw_editor_run(const char *path, bool aside, struct pfw_error *err);

#endif
