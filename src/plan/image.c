/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Images, and the one difference of two of them. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "portfwd/base/index.h"
#include "portfwd/plan/image.h"

struct pfw_item *pfw_image_borrow(struct pfw_image *image, uint8_t kind, const uint8_t *bytes,
				  size_t key_len, size_t value_len, const char *owner)
{
	struct pfw_item *items, *item;
	uint32_t n_room;

	if (image->n_items == image->n_room) {
		n_room = image->n_room ? image->n_room * 2 : 64;
		items = reallocarray(image->items, n_room, sizeof(*items));
		if (!items)
			return NULL;
		image->items = items;
		image->n_room = n_room;
	}
	item = &image->items[image->n_items++];
	*item = (struct pfw_item){
		.kind = kind,
		.key_len = (uint16_t)key_len,
		.value_len = (uint32_t)value_len,
		.bytes = bytes,
		.owner = owner,
	};
	return item;
}

struct pfw_item *pfw_image_add(struct pfw_image *image, uint8_t kind, const void *key,
			       size_t key_len, const void *value, size_t value_len,
			       const char *owner)
{
	uint8_t *bytes = pfw_arena_alloc(&image->arena, key_len + value_len);

	if (!bytes)
		return NULL;
	memcpy(bytes, key, key_len);
	if (value_len)
		memcpy(bytes + key_len, value, value_len);
	return pfw_image_borrow(image, kind, bytes, key_len, value_len, owner);
}

void pfw_image_free(struct pfw_image *image)
{
	free(image->items);
	pfw_arena_free(&image->arena);
	*image = (struct pfw_image){ 0 };
}

static bool same_owner(const char *a, const char *b)
{
	return a == b || (a && b && !strcmp(a, b));
}

static bool same_key(const struct pfw_item *a, const struct pfw_item *b)
{
	return a->kind == b->kind && a->key_len == b->key_len &&
	       !memcmp(a->bytes, b->bytes, a->key_len);
}

bool pfw_item_same_value(const struct pfw_item *a, const struct pfw_item *b)
{
	return a->value_len == b->value_len && same_owner(a->owner, b->owner) &&
	       !memcmp(pfw_item_value(a), pfw_item_value(b), a->value_len);
}

static bool item_has_key(const void *array, uint32_t id, const void *key)
{
	return same_key((const struct pfw_item *)array + id, key);
}

static uint64_t item_hash(const struct pfw_item *item)
{
	return pfw_hash(item->bytes, item->key_len) + item->kind;
}

int pfw_image_index(const struct pfw_image *image, struct pfw_index *ret)
{
	struct pfw_index index = { 0 };
	int code = image->n_items ? pfw_index_grow(&index, image->n_items) : 0;
	uint32_t i;

	for (i = 0; !code && i < image->n_items; i++)
		code = pfw_index_put(&index, item_hash(&image->items[i]), i);
	if (code)
		pfw_index_free(&index);
	else
		*ret = index;
	return code;
}

const struct pfw_item *pfw_image_find(const struct pfw_image *image, const struct pfw_index *index,
				      const struct pfw_item *like)
{
	uint32_t id = pfw_index_find(index, item_hash(like), item_has_key, image->items, like);

	return id == PFW_INDEX_NONE ? NULL : &image->items[id];
}

/* For each item of after, the position of its like in before; what stays unmatched goes. */
static int match(const struct pfw_image *before, const struct pfw_image *after, uint32_t *like,
		 bool *stays)
{
	struct pfw_index index = { 0 };
	const struct pfw_item *old;
	int ret = pfw_image_index(before, &index);
	uint32_t i;

	for (i = 0; !ret && i < after->n_items; i++) {
		old = pfw_image_find(before, &index, &after->items[i]);
		like[i] = old ? (uint32_t)(old - before->items) : PFW_INDEX_NONE;
		if (old)
			stays[like[i]] = true;
	}
	pfw_index_free(&index);
	return ret;
}

int pfw_difference_make(const struct pfw_image *before, const struct pfw_image *after,
			struct pfw_difference *ret, struct pfw_error *err)
{
	size_t most = (size_t)before->n_items + after->n_items, n = 0;
	struct pfw_step *steps = calloc(most + 1, sizeof(*steps));
	bool *stays = calloc(before->n_items + 1, sizeof(*stays));
	uint32_t *like = calloc(after->n_items + 1, sizeof(*like)), i;
	const struct pfw_item *old;
	int code = -ENOMEM;

	if (!steps || !stays || !like)
		goto out;
	code = match(before, after, like, stays);
	if (code)
		goto out;
	for (i = 0; i < before->n_items; i++)
		if (!stays[i])
			steps[n++].before = &before->items[i];
	for (i = 0; i < after->n_items; i++) {
		old = like[i] == PFW_INDEX_NONE ? NULL : &before->items[like[i]];
		if (!old || !pfw_item_same_value(old, &after->items[i]))
			steps[n++] = (struct pfw_step){ old, &after->items[i] };
	}
	*ret = (struct pfw_difference){ before, steps, n };
	steps = NULL;
out:
	free(steps);
	free(stays);
	free(like);
	return code ? pfw_fail_memory(err) : 0;
}

void pfw_difference_free(struct pfw_difference *difference)
{
	free(difference->steps);
	*difference = (struct pfw_difference){ 0 };
}
