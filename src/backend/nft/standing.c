/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a guard that stands in the kernel tells, where the record of it is lost. */
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <string.h>
#include <libnftnl/common.h>

#include "nft.h"

/* How often a dump that others disturb is begun anew. */
#define ATTEMPTS 50

static int take_key(const struct nlattr *key, struct pfw_links *links)
{
	char name[PFW_IFNAME_SIZE + 1] = "";
	const struct nlattr *value;

	mnl_attr_for_each_nested(value, key) {
		if (mnl_attr_get_type(value) != NFTA_DATA_VALUE ||
		    mnl_attr_get_payload_len(value) != PFW_IFNAME_SIZE)
			continue;
		memcpy(name, mnl_attr_get_payload(value), PFW_IFNAME_SIZE);
		return *name ? pfw_links_add(links, name) : 0;
	}
	return 0;
}

static int take_links(void *ctx, const struct nlmsghdr *message)
{
	const struct nlattr *list, *element, *attr;
	int ret = 0;

	mnl_attr_for_each(list, message, sizeof(struct nfgenmsg)) {
		if (mnl_attr_get_type(list) != NFTA_SET_ELEM_LIST_ELEMENTS)
			continue;
		mnl_attr_for_each_nested(element, list)
			mnl_attr_for_each_nested(attr, element)
				if (!ret && mnl_attr_get_type(attr) == NFTA_SET_ELEM_KEY)
					ret = take_key(attr, ctx);
	}
	return ret;
}

int pfw_nftables_guarded(struct pfw_backend_handle *handle, uint8_t family, struct pfw_links *ret,
			 struct pfw_error *err)
{
	_Alignas(struct nlmsghdr) char buf[512];
	struct pfw_links links = { 0 };
	struct nlmsghdr *message;
	struct nft_set set;
	int code = -EINTR, attempt;

	nft_set_describe(NFT_SET_GUARDED + (family == AF_INET6), &set);
	for (attempt = 0; code == -EINTR && attempt < ATTEMPTS; attempt++) {
		pfw_links_free(&links);
		memset(buf, 0, sizeof(buf));
		message = nftnl_nlmsg_build_hdr(buf,
						NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_GETSETELEM,
						NFPROTO_INET, NLM_F_DUMP, 0);
		mnl_attr_put_strz(message, NFTA_SET_ELEM_LIST_TABLE, NFT_TABLE);
		mnl_attr_put_strz(message, NFTA_SET_ELEM_LIST_SET, set.name);
		code = pfw_netlink_ask(handle->nl, message, take_links, &links, err);
	}
	if (code && code != -ENOENT) {
		pfw_links_free(&links);
		if (code == -EPERM && !err->count)
			return pfw_fail(err, PFW_NOT_PERMITTED, code,
					"cannot read nf_tables: %s; it takes CAP_NET_ADMIN, so run as root",
					strerror(-code));
		return err->count ? code : pfw_fail_errno(err, code, "cannot read set %s", set.name);
	}
	*ret = links;
	return 0;
}
