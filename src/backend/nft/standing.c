/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Short questions to the kernel: whether it holds a plan, and what a standing guard covers. */
#include <arpa/inet.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <string.h>

#include "nft.h"

/* How often a dump that others disturb is begun anew. */
#define ATTEMPTS 50

static int refuse_reading(int code, const char *what, struct pfw_error *err)
{
	if (code == -EPERM)
		return pfw_fail(err, PFW_NOT_PERMITTED, code,
				"cannot read nf_tables: %s; it takes CAP_NET_ADMIN, so run as root",
				strerror(-code));
	return pfw_fail_errno(err, code, "cannot read %s of table inet " NFT_TABLE, what);
}

/* What is in the set, and what its elements are. */
struct taking {
	struct pfw_links *links;
	bool routed;
};

static int take_key(const struct nlattr *key, const struct taking *to)
{
	char name[PFW_IFNAME_SIZE + 1] = "";
	const struct nlattr *value;

	mnl_attr_for_each_nested(value, key) {
		if (mnl_attr_get_type(value) != NFTA_DATA_VALUE ||
		    mnl_attr_get_payload_len(value) != PFW_IFNAME_SIZE)
			continue;
		memcpy(name, mnl_attr_get_payload(value), PFW_IFNAME_SIZE);
		return *name ? pfw_links_add(to->links, name, 0, to->routed) : 0;
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

/* The elements of one set; none where there is no such set. */
static int take_set(struct pfw_backend_handle *handle, uint8_t number, struct taking *to,
		    struct pfw_error *err)
{
	_Alignas(struct nlmsghdr) char buf[NFT_REQUEST_SIZE];
	int code = -EINTR, attempt;
	struct nlmsghdr *message;
	struct nft_set set;

	nft_set_describe(number, &set);
	for (attempt = 0; code == -EINTR && attempt < ATTEMPTS; attempt++) {
		message = nft_request(buf, NFT_MSG_GETSETELEM, NLM_F_DUMP);
		mnl_attr_put_strz(message, NFTA_SET_ELEM_LIST_TABLE, NFT_TABLE);
		mnl_attr_put_strz(message, NFTA_SET_ELEM_LIST_SET, set.name);
		code = pfw_netlink_ask(handle->nl, message, take_links, to, err);
	}
	if (!code || code == -ENOENT || err->count)
		return code == -ENOENT ? 0 : code;
	return refuse_reading(code, set.name, err);
}

int nft_guarded(struct pfw_backend_handle *handle, uint8_t family, struct pfw_links *ret,
		struct pfw_error *err)
{
	const uint8_t f = family == AF_INET6;
	struct pfw_links links = { 0 };
	struct taking guarded = { &links, false }, earlier = { &links, true };
	int code;

	/* What is in both is guarded, and what goes out only was routing by itself. */
	code = take_set(handle, NFT_SET_GUARDED + f, &guarded, err);
	if (!code)
		code = take_set(handle, NFT_SET_EARLIER + f, &earlier, err);
	if (code) {
		pfw_links_free(&links);
		return code;
	}
	*ret = links;
	return 0;
}

uint32_t nft_generation(const struct pfw_backend_handle *handle)
{
	return handle->stands;
}

/*
 * The kernel counts every commit to the rules of a network namespace, of whatever table, but not
 * that an owner ended.
 */
int nft_unchanged(struct pfw_backend_handle *handle, uint32_t generation, bool *ret,
		  struct pfw_error *err)
{
	struct nft_table table = { 0 };
	uint32_t now;
	int code = pfw_netlink_generation(handle->nl, &now, err);

	if (!code)
		code = nft_ask_table(handle, &table, err);
	if (code && code != -ENOENT)
		return err->count ? code : refuse_reading(code, "the flags", err);
	*ret = now == generation && (code || nft_is_rightly_owned(handle, &table));
	handle->generation = handle->stands = *ret ? now : 0;
	handle->has_read = false;
	return 0;
}

static int take_any(void *ctx, const struct nlmsghdr *message)
{
	(void)ctx;
	(void)message;
	return 0;
}

int nft_shielded(struct pfw_backend_handle *handle, bool *ret, struct pfw_error *err)
{
	_Alignas(struct nlmsghdr) char buf[NFT_REQUEST_SIZE];
	struct nlmsghdr *message = nft_request(buf, NFT_MSG_GETCHAIN, 0);
	int code;

	mnl_attr_put_strz(message, NFTA_CHAIN_TABLE, NFT_TABLE);
	mnl_attr_put_strz(message, NFTA_CHAIN_NAME, NFT_CHAIN_SHIELD);
	code = pfw_netlink_ask(handle->nl, message, take_any, NULL, err);
	if (err->count)
		return code;
	if (code && code != -ENOENT)
		return refuse_reading(code, "chain " NFT_CHAIN_SHIELD, err);
	*ret = !code;
	return 0;
}

static int take_table(void *ctx, const struct nlmsghdr *message)
{
	struct nft_table *to = ctx;
	const struct nlattr *attr;

	mnl_attr_for_each(attr, message, sizeof(struct nfgenmsg)) {
		if (mnl_attr_get_type(attr) == NFTA_TABLE_FLAGS)
			to->flags = ntohl(mnl_attr_get_u32(attr));
		if (mnl_attr_get_type(attr) == NFTA_TABLE_OWNER)
			to->port = ntohl(mnl_attr_get_u32(attr));
	}
	return 0;
}

int nft_ask_table(struct pfw_backend_handle *handle, struct nft_table *ret, struct pfw_error *err)
{
	_Alignas(struct nlmsghdr) char buf[NFT_REQUEST_SIZE];
	struct nlmsghdr *message = nft_request(buf, NFT_MSG_GETTABLE, 0);
	struct nft_table table = { 0 };
	int code;

	mnl_attr_put_strz(message, NFTA_TABLE_NAME, NFT_TABLE);
	code = pfw_netlink_ask(handle->nl, message, take_table, &table, err);
	if (!code)
		*ret = table;
	return code;
}

static int ask_stamp(struct pfw_backend_handle *handle, const struct pfw_plan *plan,
		     struct pfw_error *err)
{
	_Alignas(struct nlmsghdr) char buf[NFT_REQUEST_SIZE];
	struct nlmsghdr *message = nft_request(buf, NFT_MSG_GETSETELEM, 0);
	struct nlattr *elements, *element, *key;
	uint8_t stamp[8];

	nft_stamp(plan, stamp);
	mnl_attr_put_strz(message, NFTA_SET_ELEM_LIST_TABLE, NFT_TABLE);
	mnl_attr_put_strz(message, NFTA_SET_ELEM_LIST_SET, "revision");
	elements = mnl_attr_nest_start(message, NFTA_SET_ELEM_LIST_ELEMENTS);
	element = mnl_attr_nest_start(message, NFTA_LIST_ELEM);
	key = mnl_attr_nest_start(message, NFTA_SET_ELEM_KEY);
	mnl_attr_put(message, NFTA_DATA_VALUE, sizeof(stamp), stamp);
	mnl_attr_nest_end(message, key);
	mnl_attr_nest_end(message, element);
	mnl_attr_nest_end(message, elements);
	return pfw_netlink_ask(handle->nl, message, take_any, NULL, err);
}

/*
 * The stamp is the only element of its set, so finding it there says it all, but for whether
 * somebody put the table to sleep, or owns it.
 */
int nft_holds(struct pfw_backend_handle *handle, const struct pfw_plan *plan, bool *ret,
	      struct pfw_error *err)
{
	struct nft_table table;
	int code;

	handle->generation = 0;
	handle->has_read = false;
	code = nft_ask_table(handle, &table, err);
	if (!code && nft_has_table(plan) && !(table.flags & NFT_TABLE_F_DORMANT) &&
	    nft_is_rightly_owned(handle, &table)) {
		code = ask_stamp(handle, plan, err);
		*ret = !code;
	} else {
		*ret = code == -ENOENT && !nft_has_table(plan);
	}
	if (err->count)
		return code;
	return code == -EPERM ? refuse_reading(code, "", err) : 0;
}
