/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A hash index with open addressing and linear probing. */
#include <errno.h>
#include <stdlib.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "portfwd/base/index.h"

/* A cell is the upper half of the hash and the position + 1 below it. */
#define CELL_EMPTY 0
#define CELL_DROPPED UINT64_C(0xffffffff)

static uint64_t cell_of(uint64_t hash, uint32_t id)
{
	return (hash & ~UINT64_C(0xffffffff)) | (id + 1u);
}

uint64_t pfw_hash(const void *data, size_t len)
{
	return XXH3_64bits(data, len);
}

static void place(uint64_t *cells, size_t size, uint64_t cell)
{
	/* The upper half is all that is kept, so it alone decides the place. */
	size_t at = (size_t)(cell >> 32) & (size - 1);

	while (cells[at] != CELL_EMPTY)
		at = (at + 1) & (size - 1);
	cells[at] = cell;
}

static int resize(struct pfw_index *index, size_t size)
{
	uint64_t *cells = calloc(size, sizeof(*cells));
	size_t i;

	if (!cells)
		return -ENOMEM;
	for (i = 0; i < index->size; i++)
		if (index->cells[i] != CELL_EMPTY && index->cells[i] != CELL_DROPPED)
			place(cells, size, index->cells[i]);
	free(index->cells);
	index->cells = cells;
	index->size = size;
	index->used = index->live;
	return 0;
}

int pfw_index_grow(struct pfw_index *index, size_t n)
{
	size_t size = index->size ? index->size : 16;

	while (size / 2 < n) {
		if (size > SIZE_MAX / 2 / sizeof(*index->cells))
			return -ENOMEM;
		size *= 2;
	}
	if (size == index->size && index->used < size / 4 * 3)
		return 0;
	return resize(index, size);
}

uint32_t pfw_index_find(const struct pfw_index *index, uint64_t hash, pfw_index_equal *equal,
			const void *array, const void *key)
{
	uint64_t cell;
	size_t at;

	if (!index->size)
		return PFW_INDEX_NONE;
	for (at = (size_t)(hash >> 32) & (index->size - 1);; at = (at + 1) & (index->size - 1)) {
		cell = index->cells[at];
		if (cell == CELL_EMPTY)
			return PFW_INDEX_NONE;
		if (cell == CELL_DROPPED || (cell >> 32) != (hash >> 32))
			continue;
		if (equal(array, (uint32_t)cell - 1, key))
			return (uint32_t)cell - 1;
	}
}

int pfw_index_put(struct pfw_index *index, uint64_t hash, uint32_t id)
{
	int ret;

	if (index->used + 1 > index->size / 2) {
		ret = pfw_index_grow(index, index->live + 1);
		if (!ret && index->used + 1 > index->size / 4 * 3)
			ret = resize(index, index->size);
		if (ret)
			return ret;
	}
	place(index->cells, index->size, cell_of(hash, id));
	index->used++;
	index->live++;
	return 0;
}

void pfw_index_drop(struct pfw_index *index, uint64_t hash, uint32_t id)
{
	uint64_t cell = cell_of(hash, id);
	size_t at;

	if (!index->size)
		return;
	for (at = (size_t)(hash >> 32) & (index->size - 1); index->cells[at] != CELL_EMPTY;
	     at = (at + 1) & (index->size - 1)) {
		if (index->cells[at] != cell)
			continue;
		index->cells[at] = CELL_DROPPED;
		index->live--;
		return;
	}
}

void pfw_index_free(struct pfw_index *index)
{
	free(index->cells);
	*index = (struct pfw_index){ 0 };
}
