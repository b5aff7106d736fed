/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What tables and chains are called, and in which order the rules of forwards are asked. */
#include <stdio.h>
#include <string.h>

#include "iptables.h"

/* The kernel's limit: XT_EXTENSION_MAXNAMELEN of linux/netfilter/x_tables.h, without the NUL. */
#define CHAIN_NAME_MAX 28
#define DIGEST_LEN 8

const char *const ipt_table_names[IPT_TABLES] = {
	[IPT_TABLE_RAW] = "raw",
	[IPT_TABLE_FILTER] = "filter",
	[IPT_TABLE_NAT] = "nat",
};

void ipt_chain_name(const char *prefix, const char *forward, char ret[IPT_CHAIN_SIZE])
{
	static const char digits[] =
		"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_.";
	size_t room = CHAIN_NAME_MAX - strlen(prefix), len = strlen(forward), i;
	uint64_t digest;
	char *end;

	memset(ret, 0, IPT_CHAIN_SIZE);
	if (len <= room) {
		snprintf(ret, IPT_CHAIN_SIZE, "%s%s", prefix, forward);
		return;
	}
	digest = pfw_hash(forward, len);
	snprintf(ret, IPT_CHAIN_SIZE, "%s%.*s~", prefix, (int)(room - 1 - DIGEST_LEN), forward);
	end = ret + strlen(ret);
	for (i = 0; i < DIGEST_LEN; i++, digest >>= 6)
		end[i] = digits[digest & 63];
}

unsigned int ipt_chain_stage(const char *name)
{
	static const char *const prefixes[] = { IPT_PREFIX_TO, IPT_PREFIX_GO, IPT_PREFIX_IN };
	unsigned int i;

	for (i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++)
		if (!strncmp(name, prefixes[i], strlen(prefixes[i])))
			return i + 1;
	return 0;
}

bool ipt_chain_is_ours(const char *name)
{
	return !strncmp(name, IPT_PREFIX, strlen(IPT_PREFIX));
}

static int compare(unsigned int a, unsigned int b)
{
	return (a > b) - (a < b);
}

/* In the order of numbers, for who reads them. */
static int compare_keys(const struct pfw_key *a, const struct pfw_key *b)
{
	int order = compare(a->family, b->family);

	if (!order)
		order = compare(a->protocol, b->protocol);
	if (!order)
		order = compare(a->port.lo, b->port.lo);
	if (!order)
		order = compare(a->port.hi, b->port.hi);
	if (!order)
		order = memcmp(a->address, b->address, sizeof(a->address));
	return order ? order : memcmp(a->ifname, b->ifname, sizeof(a->ifname));
}

int ipt_rule_order(const struct ipt_rule_key *a, const struct ipt_rule_value *va,
		   const struct ipt_rule_key *b, const struct ipt_rule_value *vb)
{
	int order = compare(pfw_key_is_range(&a->key), pfw_key_is_range(&b->key));

	if (!order)
		order = compare(a->key.tier, b->key.tier);
	if (!order)
		order = compare_keys(&a->key, &b->key);
	if (!order)
		order = compare(va->rank, vb->rank);
	if (!order)
		order = strcmp(a->owner, b->owner);
	return order ? order : compare(a->number, b->number);
}
