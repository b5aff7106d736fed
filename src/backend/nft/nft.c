/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The nf_tables backend: its contract, opening and closing. */
#include <errno.h>
#include <stdlib.h>

#include "nft.h"

static void nft_close(struct pfw_backend_handle *handle)
{
	if (!handle)
		return;
	pfw_netlink_close(handle->nl);
	free(handle);
}

static int nft_open(bool write, struct pfw_backend_handle **ret, struct pfw_error *err)
{
	struct pfw_backend_handle *handle = calloc(1, sizeof(*handle));
	int code;

	(void)write;
	if (!handle)
		return pfw_fail_memory(err);
	code = pfw_netlink_open(&handle->nl, err);
	if (!code && !pfw_netlink_has_nftables(handle->nl))
		code = -EPROTONOSUPPORT;
	if (code == -EPROTONOSUPPORT)
		code = pfw_fail(err, PFW_FAILED, -EOPNOTSUPP,
				"this kernel has no nf_tables: load or build it, or let the iptables "
				"backend work");
	if (code) {
		nft_close(handle);
		return code;
	}
	handle->port = pfw_netlink_port(handle->nl);
	*ret = handle;
	return 0;
}

static int nft_part(struct pfw_backend_handle *handle, struct pfw_error *err)
{
	pfw_netlink_close(handle->nl);
	handle->nl = NULL;
	return pfw_netlink_open(&handle->nl, err);
}

static void nft_prepare(struct pfw_backend_handle *handle, bool write, bool hasty)
{
	(void)write;
	handle->hasty = hasty;
}

static uint32_t nft_port(const struct pfw_backend_handle *handle)
{
	return handle->port;
}

static const char *nft_kind_name(const struct pfw_item *item)
{
	static const char *const names[] = {
		[NFT_KIND_TABLE] = "table",
		[NFT_KIND_SET] = "set",
		[NFT_KIND_CHAIN] = "chain",
		[NFT_KIND_ELEMENT] = "element",
		[NFT_KIND_FLAGS] = "flags",
	};

	return names[item->kind];
}

static const struct pfw_text_format nft_formats[] = {
	{ "nft", nft_text },
	{ 0 },
};

const struct pfw_backend pfw_backend_nftables = {
	.name = "nftables",
	.table = NFT_TABLE,
	.open = nft_open,
	.probe = nft_probe,
	.compile = nft_compile,
	.read = nft_read,
	.recheck = nft_recheck,
	.glance = nft_glance,
	.holds = nft_holds,
	.generation = nft_generation,
	.unchanged = nft_unchanged,
	.port = nft_port,
	.own = nft_own,
	.owner = nft_owner,
	.apply = nft_apply,
	.flows = nft_flows,
	.print = nft_print,
	.kind = nft_kind_name,
	.guarded = nft_guarded,
	.shielded = nft_shielded,
	.formats = nft_formats,
	.is_past = nft_is_past,
	.is_broken = nft_is_broken,
	.is_guard = nft_is_guard,
	.is_shield = nft_is_shield,
	.guard_holds = nft_guard_holds,
	.part = nft_part,
	.prepare = nft_prepare,
	.close = nft_close,
};
