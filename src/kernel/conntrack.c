/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Connections: one dump, then one deletion for each that was chosen. */
#include <arpa/inet.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <string.h>
#include <sys/socket.h>

#include "portfwd/base/buffer.h"
#include "portfwd/kernel/conntrack.h"
#include "portfwd/kernel/netlink.h"

#define REQUEST_SIZE 512
/* A tuple is some 60 bytes for IPv6; what is larger is none that we know. */
#define TUPLE_MAX 256
/* How often a dump is started anew of which pieces were lost. */
#define DUMP_ATTEMPTS 5

/* Bits of CTA_FILTER_ORIG_FLAGS: linux/net/netfilter/nf_conntrack_netlink.c, not exported. */
enum {
	FILTER_IP_DST = 1 << 1,
	FILTER_PROTO_NUM = 1 << 3,
	FILTER_PROTO_DST_PORT = 1 << 5,
};

/* Messages that delete the chosen entries, one behind the other. */
struct dump {
	pfw_connection_chooser *choose;
	void *ctx;
	struct pfw_error *err;
	struct pfw_buffer deletions;
};

static uint16_t addr_size(uint8_t family)
{
	return family == AF_INET6 ? 16 : 4;
}

static struct nlmsghdr *put_header(void *buf, uint16_t type, uint16_t flags, uint8_t family)
{
	struct nlmsghdr *message = mnl_nlmsg_put_header(buf);
	struct nfgenmsg *generic;

	message->nlmsg_type = (uint16_t)(NFNL_SUBSYS_CTNETLINK << 8 | type);
	message->nlmsg_flags = NLM_F_REQUEST | flags;
	generic = mnl_nlmsg_put_extra_header(message, sizeof(*generic));
	generic->nfgen_family = family;
	generic->version = NFNETLINK_V0;
	return message;
}

/*
 * The tuple to compare with, and which of its fields count (Linux 5.8; before, all is dumped).
 * No IPv6 address: the kernel (up to 6.18 at least) compares it the wrong way round there, and gives
 * all entries but those (ctnetlink_filter_match_tuple()).
 */
static void put_tuple_filter(struct nlmsghdr *message,
			     const struct pfw_connection_filter *filter)
{
	struct nlattr *tuple, *part;
	uint32_t flags = 0;

	tuple = mnl_attr_nest_start(message, CTA_TUPLE_ORIG);
	if (filter->has_address && filter->family == AF_INET) {
		flags |= FILTER_IP_DST;
		part = mnl_attr_nest_start(message, CTA_TUPLE_IP);
		mnl_attr_put(message, CTA_IP_V4_DST, addr_size(AF_INET), filter->address);
		mnl_attr_nest_end(message, part);
	}
	if (filter->protocol) {
		flags |= FILTER_PROTO_NUM;
		part = mnl_attr_nest_start(message, CTA_TUPLE_PROTO);
		mnl_attr_put_u8(message, CTA_PROTO_NUM, filter->protocol);
		if (filter->port) {
			flags |= FILTER_PROTO_DST_PORT;
			mnl_attr_put_u16(message, CTA_PROTO_DST_PORT, htons(filter->port));
		}
		mnl_attr_nest_end(message, part);
	}
	mnl_attr_nest_end(message, tuple);
	part = mnl_attr_nest_start(message, CTA_FILTER);
	mnl_attr_put_u32(message, CTA_FILTER_ORIG_FLAGS, flags);
	mnl_attr_put_u32(message, CTA_FILTER_REPLY_FLAGS, 0);
	mnl_attr_nest_end(message, part);
}

/* buf has REQUEST_SIZE bytes; zeroed, because libmnl leaves the padding as it is. */
static struct nlmsghdr *put_dump(void *buf, const struct pfw_connection_filter *filter)
{
	struct nlmsghdr *message;

	memset(buf, 0, REQUEST_SIZE);
	message = put_header(buf, IPCTNL_MSG_CT_GET, NLM_F_DUMP, filter->family);
	if (filter->dnat) {
		mnl_attr_put_u32(message, CTA_STATUS, htonl(IPS_DST_NAT));
		mnl_attr_put_u32(message, CTA_STATUS_MASK, htonl(IPS_DST_NAT));
	}
	if (filter->family && (filter->protocol || filter->has_address))
		put_tuple_filter(message, filter);
	return message;
}

/* The parts of a tuple; each NULL where it is not told. */
struct tuple {
	const struct nlattr *source;
	const struct nlattr *destination;
	const struct nlattr *protocol;
	const struct nlattr *source_port;
	const struct nlattr *destination_port;
};

/* attr if it has just this size. */
static const struct nlattr *sized(const struct nlattr *attr, size_t size)
{
	return mnl_attr_get_payload_len(attr) == size ? attr : NULL;
}

static void parse_addresses(const struct nlattr *nest, uint8_t family, struct tuple *ret)
{
	bool v6 = family == AF_INET6;
	const struct nlattr *attr;

	mnl_attr_for_each_nested(attr, nest) {
		if (mnl_attr_get_type(attr) == (v6 ? CTA_IP_V6_SRC : CTA_IP_V4_SRC))
			ret->source = sized(attr, addr_size(family));
		if (mnl_attr_get_type(attr) == (v6 ? CTA_IP_V6_DST : CTA_IP_V4_DST))
			ret->destination = sized(attr, addr_size(family));
	}
}

static void parse_protocol(const struct nlattr *nest, struct tuple *ret)
{
	const struct nlattr *attr;

	mnl_attr_for_each_nested(attr, nest)
		switch (mnl_attr_get_type(attr)) {
		case CTA_PROTO_NUM:
			ret->protocol = sized(attr, sizeof(uint8_t));
			break;
		case CTA_PROTO_SRC_PORT:
			ret->source_port = sized(attr, sizeof(uint16_t));
			break;
		case CTA_PROTO_DST_PORT:
			ret->destination_port = sized(attr, sizeof(uint16_t));
			break;
		}
}

static struct tuple parse_tuple(const struct nlattr *nest, uint8_t family)
{
	const struct nlattr *attr;
	struct tuple ret = { 0 };

	mnl_attr_for_each_nested(attr, nest) {
		if (mnl_attr_get_type(attr) == CTA_TUPLE_IP)
			parse_addresses(attr, family, &ret);
		if (mnl_attr_get_type(attr) == CTA_TUPLE_PROTO)
			parse_protocol(attr, &ret);
	}
	return ret;
}

/* What of an entry matters, as the kernel told it. */
struct entry {
	uint8_t family;
	const struct nlattr *original;
	const struct nlattr *reply;
	const struct nlattr *status;
	const struct nlattr *zone;
	const struct nlattr *id;
};

static struct entry parse_entry(const struct nlmsghdr *message)
{
	const struct nfgenmsg *generic = mnl_nlmsg_get_payload(message);
	struct entry ret = { .family = generic->nfgen_family };
	const struct nlattr *attr;

	mnl_attr_for_each(attr, message, sizeof(*generic))
		switch (mnl_attr_get_type(attr)) {
		case CTA_TUPLE_ORIG:
			ret.original = attr;
			break;
		case CTA_TUPLE_REPLY:
			ret.reply = attr;
			break;
		case CTA_STATUS:
			ret.status = sized(attr, sizeof(uint32_t));
			break;
		case CTA_ZONE:
			ret.zone = sized(attr, sizeof(uint16_t));
			break;
		case CTA_ID:
			ret.id = sized(attr, sizeof(uint32_t));
			break;
		}
	return ret;
}

/* False for what has no ports or is not told in full: none of ours. */
static bool understand(const struct entry *entry, struct pfw_connection *ret)
{
	uint16_t size = addr_size(entry->family);
	struct tuple original, reply;

	if (entry->family != AF_INET && entry->family != AF_INET6)
		return false;
	if (!entry->original || !entry->reply || !entry->status || !entry->id)
		return false;
	original = parse_tuple(entry->original, entry->family);
	reply = parse_tuple(entry->reply, entry->family);
	if (!original.source || !original.destination || !original.protocol ||
	    !original.destination_port || !reply.source || !reply.source_port)
		return false;
	*ret = (struct pfw_connection){
		.family = entry->family,
		.protocol = mnl_attr_get_u8(original.protocol),
		.dnat = ntohl(mnl_attr_get_u32(entry->status)) & IPS_DST_NAT,
		.port = ntohs(mnl_attr_get_u16(original.destination_port)),
		.target_port = ntohs(mnl_attr_get_u16(reply.source_port)),
	};
	memcpy(ret->source, mnl_attr_get_payload(original.source), size);
	memcpy(ret->destination, mnl_attr_get_payload(original.destination), size);
	memcpy(ret->target, mnl_attr_get_payload(reply.source), size);
	return true;
}

static void copy_attr(struct nlmsghdr *message, const struct nlattr *attr)
{
	if (attr)
		mnl_attr_put(message, attr->nla_type, mnl_attr_get_payload_len(attr),
			     mnl_attr_get_payload(attr));
}

/* The tuple goes back as it came. A deletion without one would delete everything. */
static int put_deletion(struct pfw_buffer *deletions, const struct entry *entry)
{
	const size_t room = 128 + TUPLE_MAX;
	struct nlmsghdr *message;

	if (mnl_attr_get_payload_len(entry->original) > TUPLE_MAX)
		return -EBADMSG;
	message = pfw_buffer_reserve(deletions, room);
	if (!message)
		return -ENOMEM;
	memset(message, 0, room);
	put_header(message, IPCTNL_MSG_CT_DELETE, NLM_F_ACK, entry->family);
	copy_attr(message, entry->original);
	copy_attr(message, entry->zone);
	copy_attr(message, entry->id);
	deletions->len += MNL_ALIGN(message->nlmsg_len);
	return 0;
}

static int take_entry(void *ctx, const struct nlmsghdr *message)
{
	struct pfw_connection connection;
	struct dump *dump = ctx;
	struct entry entry;
	int ret;

	if (mnl_nlmsg_get_payload_len(message) < sizeof(struct nfgenmsg))
		return -EBADMSG;
	entry = parse_entry(message);
	if (!understand(&entry, &connection))
		return 0;
	ret = dump->choose(dump->ctx, &connection, dump->err);
	return ret > 0 ? put_deletion(&dump->deletions, &entry) : ret;
}

/* A kernel that does not know the filter gives all it has: choose says no to the rest. */
static int read_all(struct pfw_netlink *nl, const struct pfw_connection_filter *filter,
		    struct dump *dump)
{
	const struct pfw_connection_filter anything = { .family = filter->family };
	_Alignas(struct nlmsghdr) char buf[REQUEST_SIZE];
	int ret = -EINTR, attempt;

	for (attempt = 0; ret == -EINTR && attempt < DUMP_ATTEMPTS; attempt++) {
		dump->deletions.len = 0;
		ret = pfw_netlink_ask(nl, put_dump(buf, filter), take_entry, dump, dump->err);
		if ((ret == -EINVAL || ret == -EOPNOTSUPP) && !dump->err->count &&
		    filter != &anything) {
			filter = &anything;
			ret = -EINTR;
		}
	}
	if (!ret || dump->err->count)
		return ret;
	if (ret == -ENOMEM)
		return pfw_fail_memory(dump->err);
	if (ret == -EINTR)
		return pfw_fail(dump->err, PFW_FAILED, -EAGAIN,
				"the connections change faster than they can be read");
	return pfw_fail_errno(dump->err, ret, "cannot read the connections");
}

static int take_count(void *ctx, const struct nlmsghdr *message)
{
	const struct nlattr *attr;
	uint32_t *count = ctx;

	mnl_attr_for_each(attr, message, sizeof(struct nfgenmsg))
		if (mnl_attr_get_type(attr) == CTA_STATS_GLOBAL_ENTRIES && sized(attr, sizeof(*count)))
			*count = ntohl(mnl_attr_get_u32(attr));
	return 0;
}

/*
 * Whether this network namespace has no connections at all. The kernel counts them, but to find them
 * it goes through a table that all namespaces share. Who is not told looks.
 */
static bool has_none(struct pfw_netlink *nl)
{
	_Alignas(struct nlmsghdr) char buf[REQUEST_SIZE] = { 0 };
	struct pfw_error ignored = PFW_ERROR_INIT;
	uint32_t count = UINT32_MAX;

	return !pfw_netlink_ask(nl, put_header(buf, IPCTNL_MSG_CT_GET_STATS, 0, AF_UNSPEC), take_count,
				&count, &ignored) && !count;
}

static int ignore(void *ctx, const struct nlmsghdr *message)
{
	(void)ctx;
	(void)message;
	return 0;
}

/* Goes on after a failure: each connection that is cut is one less that should not be there. */
static int delete_all(struct pfw_netlink *nl, struct pfw_buffer *deletions, size_t *ret_n,
		      struct pfw_error *err)
{
	size_t at, n = 0, n_failed = 0;
	struct nlmsghdr *message;
	int ret, code = 0;

	for (at = 0; at < deletions->len; at += MNL_ALIGN(message->nlmsg_len)) {
		message = (struct nlmsghdr *)(void *)(deletions->data + at);
		ret = pfw_netlink_ask(nl, message, ignore, NULL, err);
		if (err->count)
			return ret;
		if (!ret)
			n++;
		else if (ret != -ENOENT && !n_failed++)
			code = ret;
	}
	if (code)
		return pfw_fail_errno(err, code, "%zu of %zu connections could not be cut",
				      n_failed, n + n_failed);
	*ret_n = n;
	return 0;
}

int pfw_connections_cut(struct pfw_netlink *nl, const struct pfw_connection_filter *filter,
			pfw_connection_chooser *choose, void *ctx, size_t *ret_n,
			struct pfw_error *err)
{
	struct dump dump = { .choose = choose, .ctx = ctx, .err = err };
	int ret;

	if (has_none(nl)) {
		*ret_n = 0;
		return 0;
	}
	ret = read_all(nl, filter, &dump);
	if (!ret)
		ret = delete_all(nl, &dump.deletions, ret_n, err);
	pfw_buffer_free(&dump.deletions);
	return ret;
}
