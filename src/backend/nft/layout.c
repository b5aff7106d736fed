/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The sets and maps of table inet portfwd, and the types of their fields. */
#include <arpa/inet.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <stdio.h>
#include <string.h>

#include "layout.h"
#include "portfwd/base/text.h"

/* Numbers as in nftables' include/datatype.h, which nft reads a dump by. */
const struct nft_field_type nft_fields[] = {
	[NFT_FIELD_NONE] = { "", 0, 0, 0 },
	[NFT_FIELD_IPV4_ADDR] = { "ipv4_addr", 7, 4, 4 },
	[NFT_FIELD_IPV6_ADDR] = { "ipv6_addr", 8, 16, 16 },
	[NFT_FIELD_INET_PROTO] = { "inet_proto", 12, 1, 4 },
	[NFT_FIELD_INET_SERVICE] = { "inet_service", 13, 2, 4 },
	[NFT_FIELD_IFNAME] = { "ifname", 41, 16, 16 },
	[NFT_FIELD_MARK] = { "mark", 19, 4, 4 },
	[NFT_FIELD_VERDICT] = { "verdict", NFT_DATA_VERDICT, 0, 0 },
};
#define FIELD_TYPE_BITS 6

/* A row a purpose: its name, its data, and what its elements may be. */
static const struct purpose {
	const char *name;
	bool address;		/* data begins with an address */
	bool port;		/* data has a port */
	bool interval;
	bool timeout;
} purposes[NFT_PURPOSES] = {
	[NFT_DNAT] = { "dnat", .address = true, .port = true },
	[NFT_SELF] = { "self", .port = true },
	[NFT_CHAIN] = { "chain", .timeout = true },
	[NFT_SNAT] = { "snat", .timeout = true },
	[NFT_SHIFT] = { "shift", .address = true, .port = true },
	[NFT_KEEP] = { "keep", .address = true, .interval = true },
	[NFT_MANY] = { "many", .address = true, .port = true, .interval = true },
	[NFT_CHAIN_RANGE] = { "chain_range", .interval = true, .timeout = true },
	[NFT_SNAT_RANGE] = { "snat_range", .interval = true, .timeout = true },
};
static const char *const tiers[PFW_TIERS] = {
	[PFW_TIER_ADDRESS_INTERFACE] = "addr_if",
	[PFW_TIER_ADDRESS] = "addr",
	[PFW_TIER_INTERFACE] = "if",
	[PFW_TIER_ANY] = "any",
};

uint8_t nft_set_number(enum nft_purpose purpose, uint8_t family, uint8_t tier, bool remote)
{
	return (uint8_t)(((purpose * 2 + (family == AF_INET6)) * PFW_TIERS + tier) * 2 + remote);
}

struct nft_map nft_set_map(uint8_t number)
{
	return (struct nft_map){
		.purpose = number / 2 / PFW_TIERS / 2,
		.family = number / 2 / PFW_TIERS % 2 ? AF_INET6 : AF_INET,
		.tier = number / 2 % PFW_TIERS,
		.remote = number % 2,
	};
}

static void describe_map(uint8_t number, struct nft_set *ret)
{
	struct nft_map map = nft_set_map(number);
	const struct purpose *purpose = &purposes[map.purpose];
	bool v6 = map.family == AF_INET6;
	enum nft_field address = v6 ? NFT_FIELD_IPV6_ADDR : NFT_FIELD_IPV4_ADDR;
	unsigned int n = 0;

	snprintf(ret->name, sizeof(ret->name), "%s%c_%s%s", purpose->name, v6 ? '6' : '4',
		 tiers[map.tier], map.remote ? "_remote" : "");
	if (nft_tier_has_address(map.tier))
		ret->key[n++] = address;
	ret->key[n++] = NFT_FIELD_INET_PROTO;
	ret->key[n++] = NFT_FIELD_INET_SERVICE;
	if (nft_is_source(map.purpose)) {
		ret->key[n++] = address;
		if (nft_tier_has_new_port(map.tier))
			ret->key[n++] = NFT_FIELD_INET_SERVICE;
	}
	if (nft_tier_has_interface(map.tier))
		ret->key[n++] = NFT_FIELD_IFNAME;
	n = 0;
	if (purpose->address)
		ret->data[n++] = address;
	if (purpose->port)
		ret->data[n++] = NFT_FIELD_INET_SERVICE;
	if (!n)
		ret->data[0] = NFT_FIELD_VERDICT;
	ret->flags = NFT_SET_MAP | (purpose->interval ? NFT_SET_INTERVAL | NFT_SET_CONCAT : 0) |
		     (purpose->timeout ? NFT_SET_TIMEOUT : 0);
	/* Chains count for themselves whom they admit. */
	ret->counts = ret->data[0] != NFT_FIELD_VERDICT;
	ret->fitted = !purpose->interval && !purpose->timeout;
}

/* The sets that are no such maps, in the order of their numbers. */
static const struct nft_set others[NFT_SETS - NFT_SET_MAPS] = {
	{
		.name = "hairpin",
		.key = { NFT_FIELD_IFNAME, NFT_FIELD_IFNAME },
		.flags = NFT_SET_TIMEOUT | NFT_SET_EVAL,
		.size = 65535,
		.timeout = 60 * 60 * 1000,
	},
	{
		.name = "revision",
		.key = { NFT_FIELD_MARK, NFT_FIELD_MARK },
	},
	{ .name = "guarded4", .key = { NFT_FIELD_IFNAME } },
	{ .name = "guarded6", .key = { NFT_FIELD_IFNAME } },
	{ .name = "earlier4", .key = { NFT_FIELD_IFNAME } },
	{ .name = "earlier6", .key = { NFT_FIELD_IFNAME } },
	{
		.name = "unchanged4_addr_if",
		.key = { NFT_FIELD_IPV4_ADDR, NFT_FIELD_INET_PROTO,
			 NFT_FIELD_INET_SERVICE, NFT_FIELD_IFNAME },
		.data = { NFT_FIELD_VERDICT },
		.flags = NFT_SET_MAP | NFT_SET_TIMEOUT,
	},
	{
		.name = "unchanged4_addr",
		.key = { NFT_FIELD_IPV4_ADDR, NFT_FIELD_INET_PROTO,
			 NFT_FIELD_INET_SERVICE },
		.data = { NFT_FIELD_VERDICT },
		.flags = NFT_SET_MAP | NFT_SET_TIMEOUT,
	},
	{
		.name = "unchanged6_addr_if",
		.key = { NFT_FIELD_IPV6_ADDR, NFT_FIELD_INET_PROTO,
			 NFT_FIELD_INET_SERVICE, NFT_FIELD_IFNAME },
		.data = { NFT_FIELD_VERDICT },
		.flags = NFT_SET_MAP | NFT_SET_TIMEOUT,
	},
	{
		.name = "unchanged6_addr",
		.key = { NFT_FIELD_IPV6_ADDR, NFT_FIELD_INET_PROTO,
			 NFT_FIELD_INET_SERVICE },
		.data = { NFT_FIELD_VERDICT },
		.flags = NFT_SET_MAP | NFT_SET_TIMEOUT,
	},
	/*
	 * A client, and the number of a forward. One set for all of them, because the
	 * kernel makes room beforehand for all that it may hold; this is
	 * how many connections it tracks at most, if nobody says otherwise.
	 */
	{
		.name = "connections4",
		.key = { NFT_FIELD_IPV4_ADDR, NFT_FIELD_MARK, NFT_FIELD_MARK },
		.flags = NFT_SET_EVAL,
		.size = 262144,
	},
	{
		.name = "connections6",
		.key = { NFT_FIELD_IPV6_ADDR, NFT_FIELD_MARK, NFT_FIELD_MARK },
		.flags = NFT_SET_EVAL,
		.size = 262144,
	},
	{
		.name = "straight",
		.key = { NFT_FIELD_IFNAME, NFT_FIELD_IFNAME },
		.flags = NFT_SET_TIMEOUT | NFT_SET_EVAL,
		.size = 65535,
		.timeout = 60 * 60 * 1000,
	},
	{ .name = "targets4", .key = { NFT_FIELD_IPV4_ADDR }, .fitted = true },
	{ .name = "targets6", .key = { NFT_FIELD_IPV6_ADDR }, .fitted = true },
};

void nft_set_describe(uint8_t number, struct nft_set *ret)
{
	*ret = (struct nft_set){ 0 };
	if (number < NFT_SET_MAPS)
		describe_map(number, ret);
	else if (number < NFT_SETS)
		*ret = others[number - NFT_SET_MAPS];
}

#define FITTED_FROM 4096
#define FITTED_MOST (UINT32_C(1) << 30)

uint32_t nft_fitted_size(size_t n)
{
	uint32_t size = FITTED_FROM;

	if (n < FITTED_FROM)
		return 0;
	while (size < n * 2 && size < FITTED_MOST)
		size *= 2;
	return size;
}

uint8_t nft_set_find(const char *name)
{
	struct nft_set set;
	uint8_t number;

	for (number = 0; number < NFT_SETS; number++) {
		nft_set_describe(number, &set);
		if (!strcmp(set.name, name))
			break;
	}
	return number;
}

const char *nft_name_owner(const char *name)
{
	static const char *const prefixes[] = {
		NFT_PREFIX_TO, NFT_PREFIX_GO, NFT_PREFIX_FROM, NFT_PREFIX_PASS,
	};
	size_t i, len;

	for (i = 0; i < sizeof(prefixes) / sizeof(*prefixes); i++) {
		len = strlen(prefixes[i]);
		if (!strncmp(name, prefixes[i], len) && name[len])
			return name + len;
	}
	return NULL;
}

uint32_t nft_fields_size(const enum nft_field *fields, unsigned int n)
{
	uint32_t size = 0;
	unsigned int i;

	for (i = 0; i < n && fields[i]; i++)
		size += nft_fields[fields[i]].size;
	return i == 1 ? nft_fields[fields[0]].bytes : size;
}

uint32_t nft_fields_type(const enum nft_field *fields, unsigned int n)
{
	uint32_t type = 0;
	unsigned int i;

	for (i = 0; i < n && fields[i]; i++)
		type = type << FIELD_TYPE_BITS | nft_fields[fields[i]].number;
	return type;
}

void nft_fields_print_type(const enum nft_field *fields, unsigned int n, struct pfw_buffer *ret)
{
	unsigned int i;

	for (i = 0; i < n && fields[i]; i++)
		pfw_buffer_printf(ret, "%s%s", i ? " . " : "", nft_fields[fields[i]].text);
}

size_t nft_put_target(const struct pfw_addr *address, uint16_t port, uint8_t *to)
{
	uint16_t be_port = htons(port);
	size_t at;

	if (!address) {
		memcpy(to, &be_port, sizeof(be_port));
		return sizeof(be_port);
	}
	at = pfw_addr_size(address->family);
	memcpy(to, address->bytes, at);
	if (!port)
		return at;
	memset(to + at, 0, 4);
	memcpy(to + at, &be_port, sizeof(be_port));
	return at + 4;
}

static void print_verdict(const uint8_t *bytes, size_t len, struct pfw_buffer *ret)
{
	struct nft_verdict_value verdict = { 0 };

	memcpy(&verdict, bytes, len < sizeof(verdict) ? len : sizeof(verdict));
	verdict.chain[sizeof(verdict.chain) - 1] = '\0';
	switch (verdict.code) {
	case NFT_GOTO:
		pfw_buffer_printf(ret, "goto %s", verdict.chain);
		break;
	case NFT_JUMP:
		pfw_buffer_printf(ret, "jump %s", verdict.chain);
		break;
	case NF_ACCEPT:
		pfw_buffer_puts(ret, "accept");
		break;
	case NF_DROP:
		pfw_buffer_puts(ret, "drop");
		break;
	default:
		pfw_buffer_printf(ret, "verdict %d", verdict.code);
	}
}

static void print_field(enum nft_field field, const uint8_t *bytes, struct pfw_buffer *ret)
{
	char text[INET6_ADDRSTRLEN], ifname[PFW_IFNAME_SIZE + 1] = "";
	const char *word;
	uint16_t port;
	uint32_t mark;

	switch (field) {
	case NFT_FIELD_IPV4_ADDR:
		pfw_buffer_puts(ret, inet_ntop(AF_INET, bytes, text, sizeof(text)));
		break;
	case NFT_FIELD_IPV6_ADDR:
		pfw_buffer_puts(ret, inet_ntop(AF_INET6, bytes, text, sizeof(text)));
		break;
	case NFT_FIELD_INET_PROTO:
		word = pfw_protocol_text(bytes[0]);
		if (word)
			pfw_buffer_puts(ret, word);
		else
			pfw_buffer_printf(ret, "%u", bytes[0]);
		break;
	case NFT_FIELD_INET_SERVICE:
		memcpy(&port, bytes, sizeof(port));
		pfw_buffer_printf(ret, "%u", ntohs(port));
		break;
	case NFT_FIELD_IFNAME:
		memcpy(ifname, bytes, PFW_IFNAME_SIZE);
		pfw_text_clean(ifname);
		pfw_buffer_printf(ret, "\"%s\"", ifname);
		break;
	case NFT_FIELD_MARK:
		memcpy(&mark, bytes, sizeof(mark));
		pfw_buffer_printf(ret, "0x%08x", mark);
		break;
	case NFT_FIELD_NONE:
	case NFT_FIELD_VERDICT:
		break;
	}
}

void nft_fields_print_interval(const enum nft_field *fields, unsigned int n, const uint8_t *low,
			       const uint8_t *high, struct pfw_buffer *ret)
{
	unsigned int i;
	size_t at = 0, size;

	for (i = 0; i < n && fields[i]; i++, at += size) {
		size = nft_fields[fields[i]].size;
		pfw_buffer_puts(ret, i ? " . " : "");
		print_field(fields[i], low + at, ret);
		if (!memcmp(low + at, high + at, size))
			continue;
		pfw_buffer_puts(ret, "-");
		print_field(fields[i], high + at, ret);
	}
}

void nft_fields_print(const enum nft_field *fields, unsigned int n, const uint8_t *bytes,
		      size_t len, struct pfw_buffer *ret)
{
	unsigned int i;
	size_t at = 0;

	if (fields[0] == NFT_FIELD_VERDICT) {
		print_verdict(bytes, len, ret);
		return;
	}
	for (i = 0; i < n && fields[i] && at + nft_fields[fields[i]].bytes <= len; i++) {
		pfw_buffer_puts(ret, i ? " . " : "");
		print_field(fields[i], bytes + at, ret);
		at += nft_fields[fields[i]].size;
	}
}
