/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A hash index over somebody else's array: from the hash of a key to the
 * position of what has that key. It stores 8 bytes an entry and no keys; the
 * owner of the array compares.
 */
#ifndef PORTFWD_BASE_INDEX_H
#define PORTFWD_BASE_INDEX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PFW_INDEX_NONE UINT32_MAX

/* Zero-initialise; free with pfw_index_free(). */
struct pfw_index {
	uint64_t *cells;
	size_t size;	/* a power of two, or 0 */
	size_t used;	/* cells that hold or held an entry */
	size_t live;
};

/* Whether the object at position id of the array has this key. */
typedef bool pfw_index_equal(const void *array, uint32_t id, const void *key);

/* A hash for any bytes (XXH3, 64 bits; not for keeping on disk). */
uint64_t pfw_hash(const void *data, size_t len);

/* Room for n entries in all; -ENOMEM. Optional: put grows by itself. */
int pfw_index_grow(struct pfw_index *index, size_t n);
/* The position of the entry with this key, or PFW_INDEX_NONE. */
uint32_t pfw_index_find(const struct pfw_index *index, uint64_t hash, pfw_index_equal *equal,
			const void *array, const void *key);
/* Adds an entry without looking for an equal one. id < PFW_INDEX_NONE; -ENOMEM. */
int pfw_index_put(struct pfw_index *index, uint64_t hash, uint32_t id);
/* Removes the entry with this hash and id, if it is there. */
void pfw_index_drop(struct pfw_index *index, uint64_t hash, uint32_t id);
void pfw_index_free(struct pfw_index *index);

#endif
