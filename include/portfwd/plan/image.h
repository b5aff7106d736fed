/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * An image: the objects that stand, or should stand, in a kernel. Every backend
 * has its own kinds of object; what is common is that each has a key, a value
 * and perhaps a forward that it belongs to, so one difference serves all.
 */
#ifndef PORTFWD_PLAN_IMAGE_H
#define PORTFWD_PLAN_IMAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "portfwd/base/arena.h"
#include "portfwd/base/buffer.h"
#include "portfwd/base/error.h"
#include "portfwd/base/index.h"

struct pfw_item {
	uint8_t kind;		/* the backend's own */
	uint16_t key_len;
	uint32_t value_len;
	const uint8_t *bytes;	/* the key, and the value behind it */
	const char *owner;	/* name of the forward, or NULL: of the frame */
	const char *text;	/* the value for people where bytes are no help; or NULL */
	uint64_t count;		/* connections counted; not part of the value */
};

static inline const uint8_t *pfw_item_key(const struct pfw_item *item)
{
	return item->bytes;
}

static inline const uint8_t *pfw_item_value(const struct pfw_item *item)
{
	return item->bytes + item->key_len;
}

/* Zero-initialise; free with pfw_image_free(). */
struct pfw_image {
	struct pfw_item *items;
	uint32_t n_items;
	uint32_t n_room;
	struct pfw_arena arena;	/* for what the items point to */
};

/*
 * Adds an item; key and value are copied, owner and text are borrowed (put them
 * into the arena if they do not live as long). NULL without memory. The pointer
 * holds until the next add.
 */
struct pfw_item *pfw_image_add(struct pfw_image *image, uint8_t kind, const void *key,
			       size_t key_len, const void *value, size_t value_len,
			       const char *owner);
/* The same for bytes, key and value behind it, that live as long as the image. */
struct pfw_item *pfw_image_borrow(struct pfw_image *image, uint8_t kind, const uint8_t *bytes,
				  size_t key_len, size_t value_len, const char *owner);
void pfw_image_free(struct pfw_image *image);

/* The items of an image by kind and key; free with pfw_index_free(). -ENOMEM. */
int pfw_image_index(const struct pfw_image *image, struct pfw_index *ret);
/* The item with the same kind and key, or NULL. */
const struct pfw_item *pfw_image_find(const struct pfw_image *image, const struct pfw_index *index,
				      const struct pfw_item *like);
/* Whether value and owner are the same. */
bool pfw_item_same_value(const struct pfw_item *a, const struct pfw_item *b);

/*
 * All items as bytes, for this machine and this version of the program; texts and counts are left out.
 * Unpacking adds them to an image, which borrows the bytes. -EBADMSG, -ENOMEM.
 */
void pfw_image_pack(const struct pfw_image *image, struct pfw_buffer *ret);
int pfw_image_unpack(struct pfw_image *image, const uint8_t *bytes, size_t len);

/* One step from an image to another: before NULL adds, after NULL removes, both change. */
struct pfw_step {
	const struct pfw_item *before;
	const struct pfw_item *after;
};

/*
 * Removals first, in the order of before, then additions and changes in the order of
 * after. It points into both images. Free with pfw_difference_free().
 */
struct pfw_difference {
	const struct pfw_image *before;
	struct pfw_step *steps;
	size_t n_steps;
};

/* -ENOMEM leaves *ret untouched. No key may stand twice in one image. */
int pfw_difference_make(const struct pfw_image *before, const struct pfw_image *after,
			struct pfw_difference *ret, struct pfw_error *err);
void pfw_difference_free(struct pfw_difference *difference);

#endif
