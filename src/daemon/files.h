/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Saved files: whoever changes the configuration by hand has it loaded. */
#ifndef DAEMON_FILES_H
#define DAEMON_FILES_H

#include <uv.h>

#include "portfwd/base/error.h"

struct files;

/*
 * Calls changed when the main file at config (absolute), what it links to, or a drop-in was
 * written, came or went, and it has been quiet for a moment since. What is not there yet is waited
 * for. Close it with files_close(), after which the loop has to run once more.
 */
int files_open(uv_loop_t *loop, const char *config, void (*changed)(void *ctx), void *ctx,
	       struct files **ret, struct pfw_error *err);
/* Nothing is told of what was saved before this. */
void files_forget(struct files *files);
void files_close(struct files *files);

#endif
