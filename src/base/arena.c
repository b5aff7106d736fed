/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Memory that is freed all at once. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "portfwd/base/arena.h"

#define BLOCK_SIZE (64 * 1024 - 64)
#define ALIGNMENT _Alignof(max_align_t)

struct pfw_arena_block {
	struct pfw_arena_block *next;
	size_t size;
	_Alignas(ALIGNMENT) unsigned char data[];
};

void *pfw_arena_alloc(struct pfw_arena *arena, size_t size)
{
	struct pfw_arena_block *block = arena->block;
	size_t need, room;

	if (size > SIZE_MAX / 2)
		return NULL;
	need = (size + ALIGNMENT - 1) & ~(ALIGNMENT - 1);
	if (!block || need > block->size - arena->used) {
		room = need > BLOCK_SIZE ? need : BLOCK_SIZE;
		block = malloc(sizeof(*block) + room);
		if (!block)
			return NULL;
		block->next = arena->block;
		block->size = room;
		arena->block = block;
		arena->used = 0;
	}
	arena->used += need;
	return block->data + arena->used - need;
}

void *pfw_arena_array(struct pfw_arena *arena, size_t n, size_t size)
{
	void *array;

	if (size && n > SIZE_MAX / size)
		return NULL;
	array = pfw_arena_alloc(arena, n * size);
	if (array)
		memset(array, 0, n * size);
	return array;
}

char *pfw_arena_text(struct pfw_arena *arena, const char *text, size_t len)
{
	char *copy = pfw_arena_alloc(arena, len + 1);

	if (!copy)
		return NULL;
	memcpy(copy, text, len);
	copy[len] = '\0';
	return copy;
}

void pfw_arena_join(struct pfw_arena *arena, struct pfw_arena *other)
{
	struct pfw_arena_block **last = &other->block;

	while (*last)
		last = &(*last)->next;
	/* Behind the block that is being filled, which stays the first. */
	if (arena->block) {
		*last = arena->block->next;
		arena->block->next = other->block;
	} else {
		*arena = *other;
	}
	*other = (struct pfw_arena){ 0 };
}

void pfw_arena_free(struct pfw_arena *arena)
{
	struct pfw_arena_block *block, *next;

	for (block = arena->block; block; block = next) {
		next = block->next;
		free(block);
	}
	*arena = (struct pfw_arena){ 0 };
}
