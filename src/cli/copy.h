/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A private copy of a text for an editor, in a folder of its own. */
#ifndef PORTFWD_CLI_COPY_H
#define PORTFWD_CLI_COPY_H

#include "portfwd/base/buffer.h"
#include "portfwd/base/error.h"

/* Zero-initialise; free with pfw_copy_free(), which leaves the file where it is. */
struct pfw_copy {
	char *folder;
	char *path;
};

/*
 * Makes the copy below $TMPDIR or /tmp, for nobody else to read. It is called as the last part of
 * name, so that editors know what it is.
 */
int pfw_copy_make(struct pfw_copy *copy, const char *name, const struct pfw_buffer *text,
		  struct pfw_error *err);
/* What it says now. */
int pfw_copy_read(const struct pfw_copy *copy, struct pfw_buffer *ret, struct pfw_error *err);
/* Removes it, with what the editor may have left beside it. */
void pfw_copy_remove(const struct pfw_copy *copy);
void pfw_copy_free(struct pfw_copy *copy);

#endif
