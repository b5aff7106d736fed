/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copies of a whole configuration, read. */
#ifndef STORE_APPLIED_H
#define STORE_APPLIED_H

#include <stdint.h>

#include "files.h"
#include "portfwd/store/applied.h"

struct kept_file {
	char *entry;		/* the name below the drop-ins' folder; "" is the main file */
	const char *bytes;
	size_t size;
	uint64_t digest;
	unsigned int mode;
	unsigned int uid;
	unsigned int gid;
	char stamp[64];
};

/* Zero-initialise; free with kept_free(). */
struct kept {
	char *map;
	size_t map_len;
	struct kept_file *files;
	size_t n;
};

/* Reads the copy; -ENOENT without words if there is none that can be read. */
int kept_read(const struct pfw_store *store, enum pfw_kept which, struct kept *ret,
	      struct pfw_error *err);
/* Whether all bytes are those that were copied. */
bool kept_is_sound(const struct kept *kept);
const struct kept_file *kept_find(const struct kept *kept, const char *entry);
/* Whether the file at path says just this. */
bool kept_says(const struct kept_file *kept, const char *path);
void kept_free(struct kept *kept);

/* ".NAME.WHAT" beside the main file; NULL without memory. */
char *path_hidden(const struct pfw_store *store, const char *what);

#endif
