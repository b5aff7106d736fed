/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What stands of the frame, and of a few other objects, one by one. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "reader.h"
#include "told.h"

/* One by one, so many take longer than all at once. */
#define OBJECTS_MAX 2000

static struct pfw_item *find_stamp(const struct pfw_image *image)
{
	struct pfw_item *found = NULL;
	uint32_t i;

	for (i = 0; i < image->n_items; i++)
		if (image->items[i].kind == NFT_KIND_ELEMENT &&
		    nft_element_set(&image->items[i]) == NFT_SET_REVISION) {
			if (found)
				return NULL;
			found = &image->items[i];
		}
	return found;
}

void nft_remember_stamp(struct pfw_backend_handle *handle, const struct pfw_image *image)
{
	const struct pfw_item *stamp = find_stamp(image);

	handle->has_stamp = stamp && stamp->key_len == 1 + sizeof(handle->stamp);
	if (handle->has_stamp)
		memcpy(handle->stamp, pfw_item_key(stamp) + 1, sizeof(handle->stamp));
}

/* Whether what stands is still what this handle left or found there as a whole. */
static bool has_stamp(const struct pfw_backend_handle *handle, const struct pfw_image *image)
{
	const struct pfw_item *stamp = find_stamp(image);

	return handle->has_stamp && stamp && stamp->key_len == 1 + sizeof(handle->stamp) &&
	       !memcmp(pfw_item_key(stamp) + 1, handle->stamp, sizeof(handle->stamp));
}

/* ---- What should stand */

static int copy_item(struct pfw_image *to, const struct pfw_item *item)
{
	char *text = item->text ? pfw_arena_text(&to->arena, item->text, strlen(item->text)) : NULL;
	struct pfw_item *copy = pfw_image_add(to, item->kind, pfw_item_key(item), item->key_len,
					      pfw_item_value(item), item->value_len, item->owner);

	if (!copy || (item->text && !text))
		return -ENOMEM;
	copy->text = text;
	return 0;
}

/* Those of from that are (or are not) in the other one. */
static int copy_items(struct pfw_image *to, const struct pfw_image *from,
		      const struct pfw_image *other, bool in_other)
{
	struct pfw_index index = { 0 };
	int ret = pfw_image_index(other, &index);
	uint32_t i;

	for (i = 0; !ret && i < from->n_items; i++)
		if ((pfw_image_find(other, &index, &from->items[i]) != NULL) == in_other)
			ret = copy_item(to, &from->items[i]);
	pfw_index_free(&index);
	return ret;
}

/*
 * Others may say what they like of whose an object is, so what is not known by that is looked up
 * in all that is planned. *ret: what is not there either.
 */
static int find_unknown(const struct pfw_plan *plan, const struct pfw_image *told,
			struct pfw_image *after, struct pfw_image *ret, struct pfw_error *err)
{
	struct pfw_image unknown = { 0 }, all = { 0 };
	int code = copy_items(&unknown, told, after, false);

	if (!code && unknown.n_items)
		code = nft_compile(plan, NULL, &all, err);
	if (!code)
		code = copy_items(after, &all, &unknown, true);
	if (!code)
		code = copy_items(ret, &unknown, after, false);
	pfw_image_free(&unknown);
	pfw_image_free(&all);
	return code;
}

/* ---- What stands */

/* These are few, so they are read whole. */
static bool is_small(uint8_t number)
{
	return number == NFT_SET_REVISION ||
	       (number >= NFT_SET_GUARDED && number < NFT_SET_EARLIER + 2);
}

/* Of an interval, the kernel gives the element that has its beginning, be it the same or not. */
static int read_element(struct reader *reader, const struct pfw_item *like)
{
	const struct pfw_image *image = reader->image;
	const uint32_t before = image->n_items;
	const struct pfw_item *item;
	int ret = reader_element(reader, like);

	if (ret || image->n_items == before)
		return ret;
	item = &image->items[before];
	return item->key_len == like->key_len && !memcmp(item->bytes, like->bytes, like->key_len) ?
		       0 : -ESTALE;
}

static int read_set(struct reader *reader, const struct pfw_item *like)
{
	const char *name = nft_item_name(like);
	const uint8_t number = nft_set_find(name);
	int ret = reader_set(reader, name);

	return ret || !is_small(number) ? ret : reader_elements_of(reader, number);
}

static int read_like(struct reader *reader, const struct pfw_item *like)
{
	switch ((enum nft_kind)like->kind) {
	case NFT_KIND_TABLE:
	case NFT_KIND_FLAGS:
		return 0;
	case NFT_KIND_SET:
		return read_set(reader, like);
	case NFT_KIND_CHAIN:
		return reader_chain(reader, nft_item_name(like));
	case NFT_KIND_ELEMENT:
		return is_small(nft_element_set(like)) ? 0 : read_element(reader, like);
	}
	return 0;
}

static int read_all_like(struct reader *reader, const struct pfw_image *like)
{
	int ret = 0;
	uint32_t i;

	for (i = 0; !ret && i < like->n_items; i++)
		ret = read_like(reader, &like->items[i]);
	return ret;
}

static int read_objects(struct reader *reader, const struct pfw_image *like,
			const struct pfw_image *unknown)
{
	int ret = read_all_like(reader, like);

	if (!ret)
		ret = read_all_like(reader, unknown);
	if (!ret)
		ret = reader_kept_rules(reader);
	return ret || has_stamp(reader->handle, reader->image) ? ret : -ESTALE;
}

/* table: others are said to have removed it, or made it; then it must not be there. */
static int read_before(struct pfw_backend_handle *handle, bool table, const struct pfw_image *like,
		       const struct pfw_image *unknown, struct pfw_image *ret,
		       struct pfw_error *err)
{
	struct reader reader = { .handle = handle, .image = ret, .err = err };
	uint32_t before, after;
	int code = pfw_netlink_generation(handle->nl, &before, err);

	if (!code)
		code = reader_table(&reader);
	if (code == -ENOENT && !err->count)
		code = table ? 0 : -ESTALE;
	else if (!code && table)
		code = -ESTALE;
	else if (!code)
		code = read_objects(&reader, like, unknown);
	reader_free(&reader);
	if (!code)
		code = pfw_netlink_generation(handle->nl, &after, err);
	if (!code && before != after)
		code = -ESTALE;
	if (code)
		return code;
	handle->generation = handle->stands = after;
	handle->has_read = false;
	return 0;
}

/* Both images, or neither: whatever is in the way, who reads all of it finds words for it. */
static int hand_over(int code, struct pfw_image *before, struct pfw_image *after,
		     struct pfw_image *ret_before, struct pfw_image *ret_after,
		     struct pfw_error *err)
{
	if (!code) {
		*ret_before = *before;
		*ret_after = *after;
		return 0;
	}
	pfw_image_free(before);
	pfw_image_free(after);
	return err->count ? code : -ESTALE;
}

int nft_recheck(struct pfw_backend_handle *handle, const struct pfw_plan *plan,
		const struct pfw_told *messages, struct pfw_image *ret_before,
		struct pfw_image *ret_after, struct pfw_error *err)
{
	struct pfw_image before = { 0 }, after = { 0 }, unknown = { 0 };
	struct told told = { 0 };
	int code = told_read(messages, plan, &told, err);

	if (!code)
		code = nft_compile(plan, told.table ? NULL : &told.touched, &after, err);
	if (!code && !told.table)
		code = after.n_items > OBJECTS_MAX ? -ESTALE :
						     find_unknown(plan, &told.objects, &after,
								  &unknown, err);
	if (!code)
		code = read_before(handle, told.table, &after, &unknown, &before, err);
	pfw_image_free(&unknown);
	told_free(&told);
	return hand_over(code, &before, &after, ret_before, ret_after, err);
}

int nft_glance(struct pfw_backend_handle *handle, const struct pfw_plan *plan,
	       const struct pfw_touched *only, struct pfw_image *ret_before,
	       struct pfw_image *ret_after, struct pfw_error *err)
{
	const struct pfw_image unknown = { 0 };
	struct pfw_image before = { 0 }, after = { 0 };
	int code = nft_compile(plan, only, &after, err);

	if (!code)
		code = after.n_items > OBJECTS_MAX ? -ESTALE :
						     read_before(handle, false, &after, &unknown,
								 &before, err);
	return hand_over(code, &before, &after, ret_before, ret_after, err);
}
