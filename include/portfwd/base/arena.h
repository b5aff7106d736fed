/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Memory that is freed all at once: a ruleset of a million forwards is a
 * million small objects with one common end.
 */
#ifndef PORTFWD_BASE_ARENA_H
#define PORTFWD_BASE_ARENA_H

#include <stddef.h>

struct pfw_arena_block;

/* Zero-initialise; free with pfw_arena_free(). */
struct pfw_arena {
	struct pfw_arena_block *block;
	size_t used;	/* of the present block */
};

/* size bytes aligned for any object, not zeroed; NULL without memory. */
void *pfw_arena_alloc(struct pfw_arena *arena, size_t size);
/* A zeroed array; NULL without memory or where n * size overflows. */
void *pfw_arena_array(struct pfw_arena *arena, size_t n, size_t size);
/* A NUL-terminated copy of len bytes; NULL without memory. */
char *pfw_arena_text(struct pfw_arena *arena, const char *text, size_t len);
/* What is in other is in arena from now on; other is empty then. */
void pfw_arena_join(struct pfw_arena *arena, struct pfw_arena *other);
void pfw_arena_free(struct pfw_arena *arena);

#endif
