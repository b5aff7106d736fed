/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Who owns table inet portfwd. The kernel lets only the netlink socket that made a table with the
 * flag "owner" change it. When that socket is closed, a table with the flag "persist" stays, and
 * then anybody may change it, or own it: NEWTABLE with both flags. No other table that
 * stands can get these flags, and none can lose them (nf_tables_updtable()).
 */
#include <arpa/inet.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <string.h>
#include <time.h>

#include "nft.h"

/* A name that nobody else will take. */
#define TRIED_TABLE NFT_TABLE " tries to own"

/* How often to look whether an owner has ended, and the pause, in ms. */
#define END_ATTEMPTS 20
#define END_PAUSE 10

/* Has the kernel check whether it would make such a table. */
static int try_owning(struct pfw_backend_handle *handle, struct pfw_error *err)
{
	struct pfw_refusal refusal = { 0 };
	struct pfw_batch batch = { 0 };
	struct nlmsghdr *message;
	int ret;

	message = pfw_batch_begin(&batch, NFT_MSG_NEWTABLE, NLM_F_CREATE | NLM_F_EXCL, NFPROTO_INET,
				  NFT_REQUEST_SIZE, NULL);
	if (message) {
		mnl_attr_put_strz(message, NFTA_TABLE_NAME, TRIED_TABLE);
		mnl_attr_put_u32(message, NFTA_TABLE_FLAGS, htonl(NFT_TABLE_OWNED));
		pfw_batch_end(&batch, message);
	}
	ret = pfw_batch_send(handle->nl, &batch, 0, true, &refusal, err);
	pfw_batch_free(&batch);
	/* Before Linux 5.12 and 6.9. Who is not permitted is told so by what follows. */
	if (ret == -ECANCELED)
		return refusal.code == -EINVAL || refusal.code == -EOPNOTSUPP ? -EOPNOTSUPP : 0;
	return err->count ? ret : 0;
}

int nft_own(struct pfw_backend_handle *handle, enum pfw_ownership who, struct pfw_error *err)
{
	int ret = 0;

	if (who == PFW_OWNED_BY_US && !handle->can_own) {
		ret = try_owning(handle, err);
		handle->can_own = !ret;
	}
	handle->ownership = ret ? PFW_OWNED_BY_ANYBODY : who;
	return ret;
}

uint32_t nft_owner(struct pfw_backend_handle *handle)
{
	struct pfw_error ignored = PFW_ERROR_INIT;
	struct nft_table table;

	return nft_ask_table(handle, &table, &ignored) ? 0 : table.port;
}

static bool is_orphan(struct pfw_backend_handle *handle)
{
	struct pfw_error ignored = PFW_ERROR_INIT;
	struct nft_table table;

	return !nft_ask_table(handle, &table, &ignored) &&
	       (table.flags & NFT_TABLE_OWNED) == NFT_TABLE_PERSIST;
}

bool nft_owner_has_ended(struct pfw_backend_handle *handle)
{
	const struct timespec pause = { .tv_nsec = END_PAUSE * 1000 * 1000 };
	const uint32_t owner = nft_owner(handle);
	unsigned int attempt;

	if (!owner)
		return is_orphan(handle);
	if (owner == handle->port || owner == handle->awaited)
		return false;
	handle->awaited = owner;
	for (attempt = 0; attempt < END_ATTEMPTS && nft_owner(handle) == owner; attempt++)
		nanosleep(&pause, NULL);
	return attempt < END_ATTEMPTS;
}

static bool is_ours(const struct pfw_backend_handle *handle, const struct nft_table *table)
{
	return table->port == handle->port;
}

bool nft_is_rightly_owned(const struct pfw_backend_handle *handle, const struct nft_table *table)
{
	uint32_t flags = table->flags & NFT_TABLE_OWNED;

	switch (handle->ownership) {
	case PFW_OWNED_BY_NOBODY:
		return !flags;
	case PFW_OWNED_BY_ANYBODY:
		return true;
	case PFW_OWNED_BY_US:
		return flags == NFT_TABLE_OWNED && is_ours(handle, table);
	}
	return false;
}

int nft_flags_read(const struct pfw_backend_handle *handle, const struct nft_table *table,
		   struct pfw_image *image)
{
	const struct nft_flags_value value = {
		.flags = table->flags & NFT_TABLE_OWNED,
		.port = is_ours(handle, table) ? 0 : table->port,
	};

	if (!value.flags || handle->ownership == PFW_OWNED_BY_ANYBODY)
		return 0;
	return nft_flags_add(&value, image);
}

int nft_flags_add(const struct nft_flags_value *value, struct pfw_image *image)
{
	return pfw_image_add(image, NFT_KIND_FLAGS, NFT_TABLE, sizeof(NFT_TABLE), value,
			     sizeof(*value), NULL) ? 0 : -ENOMEM;
}

struct nft_flags_value nft_flags_value(const struct pfw_item *item)
{
	struct nft_flags_value value = { 0 };

	if (item)
		memcpy(&value, pfw_item_value(item), sizeof(value));
	return value;
}
