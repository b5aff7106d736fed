/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Images as bytes, so that one process can leave to the next what it knows of the kernel. */
#include <errno.h>
#include <string.h>

#include "portfwd/plan/image.h"

/* Before the key, the value and the owner with its NUL, or nothing, of each item. */
struct packed {
	uint32_t value_len;
	uint16_t key_len;
	uint8_t owner_len;
	uint8_t kind;
};

void pfw_image_pack(const struct pfw_image *image, struct pfw_buffer *ret)
{
	const struct pfw_item *item;
	struct packed head;
	uint32_t i;

	for (i = 0; i < image->n_items; i++) {
		item = &image->items[i];
		head = (struct packed){
			.value_len = item->value_len,
			.key_len = item->key_len,
			.owner_len = item->owner ? (uint8_t)(strlen(item->owner) + 1) : 0,
			.kind = item->kind,
		};
		pfw_buffer_append(ret, &head, sizeof(head));
		pfw_buffer_append(ret, item->bytes, (size_t)item->key_len + item->value_len);
		pfw_buffer_append(ret, item->owner, head.owner_len);
	}
}

int pfw_image_unpack(struct pfw_image *image, const uint8_t *bytes, size_t len)
{
	struct packed head;
	struct pfw_item *item;
	const char *owner;
	size_t at = 0, need;

	while (at < len) {
		if (len - at < sizeof(head))
			return -EBADMSG;
		memcpy(&head, bytes + at, sizeof(head));
		at += sizeof(head);
		need = (size_t)head.key_len + head.value_len + head.owner_len;
		if (len - at < need)
			return -EBADMSG;
		owner = head.owner_len ? (const char *)bytes + at + need - head.owner_len : NULL;
		if (owner && owner[head.owner_len - 1])
			return -EBADMSG;
		item = pfw_image_borrow(image, head.kind, bytes + at, head.key_len, head.value_len,
					owner);
		if (!item)
			return -ENOMEM;
		at += need;
	}
	return 0;
}
