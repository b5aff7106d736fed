/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the chains of forwards say, read back from their records: the opposite of forward.c. */
#include <arpa/inet.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nft.h"

/* More than any expression of ours; see EXPR_SIZE in expr.c. */
#define EXPR_MAX 8192
#define SADDR_OFFSET4 12
#define SADDR_OFFSET6 8

/* What the expressions of one rule have said so far. */
struct reading {
	uint8_t family;			/* AF_UNSPEC: not asked for */
	uint8_t source_family;		/* the source address is in the register; or AF_UNSPEC */
	bool has_sources, not;		/* compared with ranges: the rule wants those outside */
	struct nft_admission sources;
	uint8_t mask[16];
	bool has_mask;
	uint8_t low[16];		/* what the source address is not below */
	bool asks_machine;		/* fib saddr */
	uint8_t address[16];
	uint32_t address_len;
	uint16_t port;
	const uint8_t *map;		/* struct nft_anonymous and its elements */
	size_t map_len;
	struct nft_decoded *to;
};

static int grow(void **array, uint32_t n, size_t size)
{
	void *grown;

	/* Full at each power of two. */
	if (n & (n - 1))
		return 0;
	grown = reallocarray(*array, n ? 2 * (size_t)n : 1, size);
	if (!grown)
		return -ENOMEM;
	*array = grown;
	return 0;
}

static int add_range(struct nft_admission *to, const uint8_t low[16], const uint8_t high[16])
{
	if (grow((void **)&to->ranges, to->n, sizeof(*to->ranges)))
		return -ENOMEM;
	memcpy(to->ranges[to->n].low, low, 16);
	memcpy(to->ranges[to->n].high, high, 16);
	to->n++;
	return 0;
}

static bool same_route(const struct nft_route *a, const struct nft_route *b)
{
	if (a->self || b->self)
		return a->self == b->self && a->port.lo == b->port.lo;
	return a->family == b->family && !memcmp(a->target, b->target, sizeof(a->target)) &&
	       a->port.lo == b->port.lo && a->port.hi == b->port.hi;
}

static int add_route(struct nft_decoded *to, const struct nft_route *route)
{
	uint32_t i;

	/* Several rules lead to one: a rule for each protocol, or with the address kept and by redirect. */
	for (i = 0; i < to->n_routes; i++)
		if (same_route(&to->routes[i], route))
			return 0;
	if (grow((void **)&to->routes, to->n_routes, sizeof(*to->routes)))
		return -ENOMEM;
	to->routes[to->n_routes++] = *route;
	return 0;
}

/* ---- Addresses */

static void last_address(size_t size, uint8_t ret[16])
{
	memset(ret, 0, 16);
	memset(ret, 0xff, size);
}

/* What lies outside of the ranges. */
static int complement(const struct nft_admission *of, size_t size, struct nft_admission *ret)
{
	uint8_t low[16] = { 0 }, high[16], last[16];
	uint32_t i;
	int code = 0;

	last_address(size, last);
	for (i = 0; !code && i < of->n; i++) {
		if (memcmp(low, of->ranges[i].low, 16) < 0) {
			memcpy(high, of->ranges[i].low, 16);
			pfw_bytes_previous(high, size);
			code = add_range(ret, low, high);
		}
		if (!memcmp(of->ranges[i].high, last, 16))
			return code;
		memcpy(low, of->ranges[i].high, 16);
		pfw_bytes_next(low, size);
	}
	return code ? code : add_range(ret, low, last);
}

static int intersect(const struct nft_admission *a, const struct nft_admission *b,
		     struct nft_admission *ret)
{
	const uint8_t *low, *high;
	uint32_t i = 0, k = 0;
	int code = 0;

	while (!code && i < a->n && k < b->n) {
		low = memcmp(a->ranges[i].low, b->ranges[k].low, 16) > 0 ? a->ranges[i].low :
									   b->ranges[k].low;
		high = memcmp(a->ranges[i].high, b->ranges[k].high, 16) < 0 ? a->ranges[i].high :
									      b->ranges[k].high;
		if (memcmp(low, high, 16) <= 0)
			code = add_range(ret, low, high);
		if (high == a->ranges[i].high)
			i++;
		else
			k++;
	}
	return code;
}

/* Only those stay admitted who are within the ranges, or outside of them. */
static int admit(struct nft_admission *admitted, const struct nft_admission *ranges, bool within,
		 size_t size)
{
	struct nft_admission outside = { 0 }, all = { 0 }, both = { .said = true };
	const struct nft_admission none = { 0 };
	int ret = 0;

	if (!within)
		ret = complement(ranges, size, &outside);
	if (!ret && !admitted->said)
		ret = complement(&none, size, &all);
	if (!ret)
		ret = intersect(admitted->said ? admitted : &all, within ? ranges : &outside, &both);
	free(outside.ranges);
	free(all.ranges);
	if (ret) {
		free(both.ranges);
		return ret;
	}
	free(admitted->ranges);
	*admitted = both;
	return 0;
}

/* ---- Sets in the rule */

struct anonymous {
	struct nft_anonymous set;
	const uint8_t *elements;
	size_t size;
};

static bool open_anonymous(const uint8_t *data, size_t len, struct anonymous *ret)
{
	if (len < sizeof(ret->set))
		return false;
	memcpy(&ret->set, data, sizeof(ret->set));
	ret->elements = data + sizeof(ret->set);
	ret->size = nft_anonymous_size(&ret->set);
	return ret->set.n <= (len - sizeof(ret->set)) / ret->size;
}

static bool is_end(const struct anonymous *from, uint32_t i)
{
	uint32_t flags;

	memcpy(&flags, from->elements + i * from->size + from->set.key_len, sizeof(flags));
	return flags & NFT_SET_ELEM_INTERVAL_END;
}

static int take_source_set(struct reading *reading, const struct anonymous *from)
{
	size_t size = pfw_addr_size(reading->source_family);
	uint8_t low[16] = { 0 }, high[16];
	bool open = false;
	uint32_t i;
	int ret = 0;

	if (from->set.key_len != size || !(from->set.flags & NFT_SET_INTERVAL))
		return 0;
	for (i = 0; !ret && i < from->set.n; i++) {
		const uint8_t *key = from->elements + i * from->size;

		if (!is_end(from, i)) {
			memcpy(low, key, size);
			open = true;
		} else if (open) {
			memset(high, 0, sizeof(high));
			memcpy(high, key, size);
			pfw_bytes_previous(high, size);
			ret = add_range(&reading->sources, low, high);
			open = false;
		}
	}
	last_address(size, high);
	if (!ret && open)
		ret = add_range(&reading->sources, low, high);
	reading->has_sources = true;
	reading->not = from->set.lookup_flags & NFT_LOOKUP_F_INV;
	return ret;
}

static uint16_t port_at(const uint8_t *bytes)
{
	uint16_t port;

	memcpy(&port, bytes, sizeof(port));
	return ntohs(port);
}

/* The routes of a map: to each of several targets, or port by port of one target. */
static int take_map(struct reading *reading, uint8_t family)
{
	size_t address = family ? pfw_addr_size(family) : 0;
	struct nft_route route = { .family = family, .self = !family };
	struct anonymous from;
	const uint8_t *data;
	bool shift, port;
	uint32_t i;
	int ret = 0;

	if (!open_anonymous(reading->map, reading->map_len, &from) || !from.set.n)
		return 0;
	shift = from.set.key_len == sizeof(uint16_t);
	port = from.set.data_len >= address + sizeof(uint16_t);
	if (from.set.data_len < address || (!address && !port))
		return 0;
	for (i = 0; !ret && i < from.set.n; i++) {
		data = from.elements + i * from.size + from.set.key_len + sizeof(uint32_t);
		if (is_end(&from, i))
			continue;
		memcpy(route.target, data, address);
		if (port)
			route.port.hi = port_at(data + address);
		if (!shift || !route.port.lo)
			route.port.lo = route.port.hi;
		if (!shift)
			ret = add_route(reading->to, &route);
	}
	return ret || !shift ? ret : add_route(reading->to, &route);
}

/* ---- Expressions */

/* An expression's attributes by their number; those that are not there are NULL. */
#define ATTRIBUTES 16
struct expression {
	const char *name;
	const struct nlattr *attr[ATTRIBUTES];
};

static void take_attributes(const struct nlattr *nest, const struct nlattr *ret[ATTRIBUTES])
{
	const struct nlattr *attr;

	mnl_attr_for_each_nested(attr, nest)
		if (mnl_attr_get_type(attr) < ATTRIBUTES)
			ret[mnl_attr_get_type(attr)] = attr;
}

/* bytes are aligned, and zero-filled behind their end. */
static bool open_expression(const char *bytes, size_t len, struct expression *ret)
{
	const struct nlattr *attr;

	*ret = (struct expression){ 0 };
	mnl_attr_for_each_payload((void *)(uintptr_t)bytes, len) {
		if (mnl_attr_get_type(attr) == NFTA_EXPR_NAME)
			ret->name = mnl_attr_get_str(attr);
		if (mnl_attr_get_type(attr) == NFTA_EXPR_DATA)
			take_attributes(attr, ret->attr);
	}
	return ret->name;
}

static uint32_t number(const struct expression *expr, unsigned int attribute)
{
	const struct nlattr *attr = expr->attr[attribute];

	return attr && mnl_attr_get_payload_len(attr) == 4 ? ntohl(mnl_attr_get_u32(attr)) : 0;
}

/* The bytes of a value, or NULL; no more than 16. */
static const uint8_t *value(const struct expression *expr, unsigned int attribute,
			    uint32_t *ret_len)
{
	const struct nlattr *parts[ATTRIBUTES] = { 0 };

	if (expr->attr[attribute])
		take_attributes(expr->attr[attribute], parts);
	if (!parts[NFTA_DATA_VALUE] || mnl_attr_get_payload_len(parts[NFTA_DATA_VALUE]) > 16)
		return NULL;
	*ret_len = mnl_attr_get_payload_len(parts[NFTA_DATA_VALUE]);
	return mnl_attr_get_payload(parts[NFTA_DATA_VALUE]);
}

static void take_payload(struct reading *reading, const struct expression *expr)
{
	uint32_t offset = number(expr, NFTA_PAYLOAD_OFFSET);

	reading->source_family = AF_UNSPEC;
	if (number(expr, NFTA_PAYLOAD_BASE) != NFT_PAYLOAD_NETWORK_HEADER)
		return;
	if (offset == SADDR_OFFSET4 && reading->family == AF_INET)
		reading->source_family = AF_INET;
	if (offset == SADDR_OFFSET6 && reading->family == AF_INET6)
		reading->source_family = AF_INET6;
}

/* One range of the source address in two comparisons. */
static int take_bound(struct reading *reading, uint32_t op, const uint8_t *bytes, uint32_t len)
{
	uint8_t high[16] = { 0 };

	if (op == NFT_CMP_GTE) {
		memset(reading->low, 0, sizeof(reading->low));
		memcpy(reading->low, bytes, len);
		return 0;
	}
	memcpy(high, bytes, len);
	reading->has_sources = true;
	reading->not = false;
	return add_range(&reading->sources, reading->low, high);
}

static int take_range(struct reading *reading, const struct expression *expr)
{
	uint8_t low[16] = { 0 }, high[16] = { 0 };
	uint32_t low_len, high_len;
	const uint8_t *from = value(expr, NFTA_RANGE_FROM_DATA, &low_len);
	const uint8_t *to = value(expr, NFTA_RANGE_TO_DATA, &high_len);

	if (!from || !to || !reading->source_family)
		return 0;
	memcpy(low, from, low_len);
	memcpy(high, to, high_len);
	reading->has_sources = true;
	reading->not = number(expr, NFTA_RANGE_OP) == NFT_RANGE_NEQ;
	return add_range(&reading->sources, low, high);
}

/* A prefix of the source address, or the family. */
static int take_cmp(struct reading *reading, const struct expression *expr)
{
	uint8_t low[16] = { 0 }, high[16];
	const uint8_t *bytes;
	uint32_t len, i, op = number(expr, NFTA_CMP_OP);
	size_t size;

	bytes = value(expr, NFTA_CMP_DATA, &len);
	if (!bytes)
		return 0;
	if (!reading->source_family) {
		if (len == 1 && (*bytes == NFPROTO_IPV4 || *bytes == NFPROTO_IPV6))
			reading->family = *bytes == NFPROTO_IPV6 ? AF_INET6 : AF_INET;
		return 0;
	}
	size = pfw_addr_size(reading->source_family);
	if (len > size)
		return 0;
	if (op == NFT_CMP_GTE || op == NFT_CMP_LTE)
		return take_bound(reading, op, bytes, len);
	last_address(size, high);
	memcpy(low, bytes, len);
	for (i = 0; i < len; i++)
		high[i] = reading->has_mask ? (uint8_t)(low[i] | ~reading->mask[i]) : low[i];
	reading->has_sources = true;
	reading->not = op == NFT_CMP_NEQ;
	return add_range(&reading->sources, low, high);
}

static int take_return(struct reading *reading)
{
	static const struct nft_admission nobody;
	size_t size;

	if (reading->asks_machine) {
		reading->to->remote = true;
		return 0;
	}
	if (!reading->family)
		return 0;
	size = pfw_addr_size(reading->family);
	return admit(&reading->to->admitted[reading->family == AF_INET6],
		     reading->has_sources ? &reading->sources : &nobody,
		     !reading->has_sources || reading->not, size);
}

static int take_verdict(struct reading *reading, const struct nlattr *nest)
{
	const struct nlattr *parts[ATTRIBUTES] = { 0 };
	const struct nft_route kept = { .self = true };
	struct nft_decoded *to = reading->to;
	const char *chain = "";
	uint32_t code;

	take_attributes(nest, parts);
	if (!parts[NFTA_VERDICT_CODE])
		return 0;
	code = ntohl(mnl_attr_get_u32(parts[NFTA_VERDICT_CODE]));
	if (parts[NFTA_VERDICT_CHAIN])
		chain = mnl_attr_get_str(parts[NFTA_VERDICT_CHAIN]);
	switch ((int32_t)code) {
	case NFT_RETURN:
		return take_return(reading);
	case NF_ACCEPT:
		if (!to->hairpin)
			to->source = PFW_SOURCE_KEEP;
		return add_route(to, &kept);
	case NFT_GOTO:
	case NFT_JUMP:
		if (!strcmp(chain, NFT_CHAIN_MASQUERADES))
			to->source = PFW_SOURCE_MASQUERADE;
		/* What is no hairpin comes back from there, and is accepted. */
		if (!strcmp(chain, NFT_CHAIN_HAIRPINS))
			to->hairpin = true;
		if (!strcmp(chain, NFT_CHAIN_MASQUERADES) || !strcmp(chain, NFT_CHAIN_HAIRPINS))
			return 0;
		if (grow((void **)&to->next, to->n_next, sizeof(*to->next)))
			return -ENOMEM;
		snprintf(to->next[to->n_next++], sizeof(*to->next), "%s", chain);
		return 0;
	}
	return 0;
}

static int take_immediate(struct reading *reading, const struct expression *expr)
{
	const struct nlattr *parts[ATTRIBUTES] = { 0 };
	const uint8_t *bytes;
	uint32_t len;

	bytes = value(expr, NFTA_IMMEDIATE_DATA, &len);
	if (bytes && len == sizeof(reading->port)) {
		reading->port = port_at(bytes);
	} else if (bytes) {
		memcpy(reading->address, bytes, len);
		reading->address_len = len;
	} else if (expr->attr[NFTA_IMMEDIATE_DATA]) {
		take_attributes(expr->attr[NFTA_IMMEDIATE_DATA], parts);
		if (parts[NFTA_DATA_VERDICT])
			return take_verdict(reading, parts[NFTA_DATA_VERDICT]);
	}
	return 0;
}

/* dnat or redirect; family AF_UNSPEC: to the machine itself. */
static int take_target(struct reading *reading, uint8_t family)
{
	struct nft_route route = {
		.family = family,
		.self = !family,
		.port = { reading->port, reading->port },
	};

	if (reading->map)
		return take_map(reading, family);
	if (family && reading->address_len != pfw_addr_size(family))
		return 0;
	if (family)
		memcpy(route.target, reading->address, reading->address_len);
	return add_route(reading->to, &route);
}

static int take_nat(struct reading *reading, const struct expression *expr)
{
	uint32_t family = number(expr, NFTA_NAT_FAMILY);

	if (number(expr, NFTA_NAT_TYPE) == NFT_NAT_DNAT)
		return take_target(reading, family == NFPROTO_IPV4 ? AF_INET :
					    family == NFPROTO_IPV6 ? AF_INET6 : AF_UNSPEC);
	reading->to->source = PFW_SOURCE_ADDRESS;
	memcpy(reading->to->source_address, reading->address, reading->address_len);
	return 0;
}

static int take_expression(struct reading *reading, const struct expression *expr)
{
	const uint8_t *mask;
	uint32_t len;

	if (!strcmp(expr->name, "payload"))
		take_payload(reading, expr);
	/* What is compared then is another's: a number made of it, or of the packet. */
	if (!strcmp(expr->name, "meta") || !strcmp(expr->name, "hash"))
		reading->source_family = AF_UNSPEC;
	if (!strcmp(expr->name, "fib"))
		reading->asks_machine = number(expr, NFTA_FIB_FLAGS) & NFTA_FIB_F_SADDR;
	if (!strcmp(expr->name, "bitwise")) {
		mask = value(expr, NFTA_BITWISE_MASK, &len);
		reading->has_mask = mask;
		if (mask)
			memcpy(reading->mask, mask, len);
	}
	if (!strcmp(expr->name, "cmp"))
		return take_cmp(reading, expr);
	if (!strcmp(expr->name, "range"))
		return take_range(reading, expr);
	if (!strcmp(expr->name, "immediate"))
		return take_immediate(reading, expr);
	if (!strcmp(expr->name, "nat"))
		return take_nat(reading, expr);
	if (!strcmp(expr->name, "redir"))
		return take_target(reading, AF_UNSPEC);
	return 0;
}

static int take_anonymous(struct reading *reading, const uint8_t *data, size_t len)
{
	struct anonymous from;

	if (!open_anonymous(data, len, &from))
		return 0;
	if (from.set.flags & NFT_SET_MAP) {
		reading->map = data;
		reading->map_len = len;
		return 0;
	}
	return reading->source_family ? take_source_set(reading, &from) : 0;
}

static int take_rule(struct nft_decoded *to, const uint8_t *records, size_t len)
{
	_Alignas(struct nlattr) char bytes[EXPR_MAX];
	struct reading reading = { .to = to };
	struct expression expr;
	struct nft_record record;
	const uint8_t *data;
	size_t at = 0;
	int ret = 0;

	while (!ret && nft_record_next(records, len, &at, &record, &data)) {
		if (record.kind == NFT_RECORD_ANONYMOUS) {
			ret = take_anonymous(&reading, data, record.len);
			continue;
		}
		if (record.len > sizeof(bytes))
			continue;
		memcpy(bytes, data, record.len);
		if (open_expression(bytes, record.len, &expr))
			ret = take_expression(&reading, &expr);
	}
	free(reading.sources.ranges);
	return ret;
}

int nft_decode_chain(const struct pfw_item *item, struct nft_decoded *ret)
{
	struct nft_decoded decoded = { .source = PFW_SOURCE_AUTO };
	const uint8_t *records;
	size_t at = 0, len;
	int code = 0;

	while (!code && nft_chain_next_rule(item, &at, &records, &len))
		code = take_rule(&decoded, records, len);
	if (code)
		nft_decoded_free(&decoded);
	else
		*ret = decoded;
	return code;
}

void nft_decoded_free(struct nft_decoded *decoded)
{
	free(decoded->admitted[0].ranges);
	free(decoded->admitted[1].ranges);
	free(decoded->routes);
	free(decoded->next);
	*decoded = (struct nft_decoded){ 0 };
}
