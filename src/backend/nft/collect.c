/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Elements that have expired and that the kernel still keeps. */
#include <errno.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "transaction.h"

/* From a hash they go within a second, or the next where a change comes between: longer each time. */
#define PAUSE_MS 50

/* From intervals they go with a change of that map, once a second has passed since the one before. */
static bool waits_for_change(const struct nft_set *set)
{
	return set->flags & NFT_SET_INTERVAL && set->flags & NFT_SET_TIMEOUT;
}

/* An element of zeros, which no packet finds: it has no protocol. */
static int add_nothing(uint8_t number, const struct nft_set *set, struct pfw_image *image)
{
	const struct nft_verdict_value verdict = { .code = NF_ACCEPT };
	uint8_t key[NFT_ELEMENT_KEY_MAX + 1] = { number };
	size_t len = 0, i;

	for (i = 0; i < NFT_SET_FIELDS && set->key[i]; i++)
		len += nft_fields[set->key[i]].size;
	return pfw_image_add(image, NFT_KIND_ELEMENT, key, 1 + 2 * len, &verdict, sizeof(verdict),
			     NULL) ? 0 : -ENOMEM;
}

static int fill(const struct pfw_image *before, struct pfw_image *image)
{
	const struct pfw_item *item;
	struct nft_set set;
	uint8_t number;
	size_t i;
	int ret = 0;

	for (i = 0; !ret && i < before->n_items; i++) {
		item = &before->items[i];
		if (item->kind != NFT_KIND_SET)
			continue;
		number = nft_set_find(nft_item_name(item));
		nft_set_describe(number, &set);
		if (waits_for_change(&set))
			ret = add_nothing(number, &set, image);
	}
	return ret;
}

/* add element inet portfwd chain_range4_any { 0 . 0-0 : accept }, and delete it. */
static int touch(struct pfw_backend_handle *handle, const struct pfw_image *image,
		 struct pfw_error *err)
{
	const struct pfw_item **items = calloc(image->n_items, sizeof(*items));
	struct pfw_refusal refusal = { 0 };
	struct transaction tx = { 0 };
	size_t i;
	int ret;

	if (!items)
		return pfw_fail_memory(err);
	for (i = 0; i < image->n_items; i++)
		items[i] = &image->items[i];
	tx_put_elements(&tx, NFT_MSG_NEWSETELEM, items, image->n_items);
	tx_put_elements(&tx, NFT_MSG_DELSETELEM, items, image->n_items);
	ret = pfw_batch_send(handle->nl, &tx.batch, handle->generation, false, &refusal, err);
	if (ret == -ECANCELED || ret == -ERESTART || ret == -ENOBUFS)
		ret = -ESTALE;
	else if (ret == -ENOMEM)
		pfw_fail_memory(err);
	else if (!ret && handle->generation && !++handle->generation)
		handle->generation = 1;
	pfw_batch_free(&tx.batch);
	free(items);
	return ret;
}

int nft_collect(struct pfw_backend_handle *handle, const struct pfw_image *before,
		unsigned int attempt, struct pfw_error *err)
{
	const long ms = PAUSE_MS * (attempt + 1L);
	struct timespec pause = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000 };
	struct pfw_image image = { 0 };
	int ret = fill(before, &image);

	if (ret)
		pfw_fail_memory(err);
	else if (image.n_items)
		ret = touch(handle, &image, err);
	pfw_image_free(&image);
	if (!ret)
		nanosleep(&pause, NULL);
	return ret;
}
