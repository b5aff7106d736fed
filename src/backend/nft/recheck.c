/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What stands of the frame, and of what others are said to have changed, object by object. */
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

/* Whether the plan has an opinion of all that was told; what is not in the image may be anybody's. */
static int check_known(const struct pfw_image *told, const struct pfw_image *after)
{
	struct pfw_index index = { 0 };
	int ret = pfw_image_index(after, &index);
	uint32_t i;

	for (i = 0; !ret && i < told->n_items; i++)
		if (!pfw_image_find(after, &index, &told->items[i]))
			ret = -ESTALE;
	pfw_index_free(&index);
	return ret;
}

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

/* What stands of the same objects. */
static int read_all_like(struct reader *reader, const struct pfw_image *like)
{
	int ret = 0;
	uint32_t i;

	for (i = 0; !ret && i < like->n_items; i++)
		ret = read_like(reader, &like->items[i]);
	if (!ret)
		ret = reader_kept_rules(reader);
	if (!ret && !has_stamp(reader->handle, reader->image))
		ret = -ESTALE;
	return ret;
}

/* table: others are said to have removed it, or made it; then it must not be there. */
static int read_before(struct pfw_backend_handle *handle, bool table, const struct pfw_image *like,
		       struct pfw_image *ret, struct pfw_error *err)
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
		code = read_all_like(&reader, like);
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

int nft_recheck(struct pfw_backend_handle *handle, const struct pfw_plan *plan,
		const struct pfw_told *messages, struct pfw_image *ret_before,
		struct pfw_image *ret_after, struct pfw_error *err)
{
	struct pfw_image before = { 0 }, after = { 0 };
	struct told told = { 0 };
	int code = told_read(messages, plan, &told, err);

	if (!code)
		code = nft_compile(plan, told.table ? NULL : &told.touched, &after, err);
	if (!code && !told.table)
		code = after.n_items > OBJECTS_MAX ? -ESTALE : check_known(&told.objects, &after);
	if (!code)
		code = read_before(handle, told.table, &after, &before, err);
	told_free(&told);
	if (!code) {
		*ret_before = before;
		*ret_after = after;
		return 0;
	}
	pfw_image_free(&before);
	pfw_image_free(&after);
	/* Whatever is in the way, who reads all of it finds words for it. */
	return err->count ? code : -ESTALE;
}
