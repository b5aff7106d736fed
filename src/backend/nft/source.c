/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Matching the source address against a list of prefixes. */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/netfilter/nf_tables.h>
#include <stdio.h>
#include <libnftnl/expr.h>
#include <stdlib.h>
#include <string.h>

#include "expr.h"

/* Both ends of an interval of addresses, inclusive. */
struct interval {
	uint8_t low[16];
	uint8_t high[16];
};

static void interval_of(const struct pfw_prefix *prefix, struct interval *ret)
{
	memcpy(ret->low, prefix->addr.bytes, sizeof(ret->low));
	pfw_prefix_last(prefix, ret->high);
}

static int compare_intervals(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct interval));
}

/* Sorts, and joins what overlaps or touches; the number left. */
static unsigned int merge(struct interval *intervals, unsigned int n, size_t size)
{
	unsigned int i, kept = 0;
	uint8_t next[16];

	qsort(intervals, n, sizeof(*intervals), compare_intervals);
	for (i = 1; i < n; i++) {
		memcpy(next, intervals[kept].high, sizeof(next));
		if (!pfw_bytes_next(next, size) || memcmp(intervals[i].low, next, size) <= 0) {
			if (memcmp(intervals[i].high, intervals[kept].high, size) > 0)
				memcpy(intervals[kept].high, intervals[i].high, size);
		} else {
			intervals[++kept] = intervals[i];
		}
	}
	return kept + 1;
}

/* The length of the prefix that the interval is, or -1. */
static int prefix_of(const struct interval *interval, size_t size)
{
	int len = 0, bit;
	bool host = false;

	for (bit = 0; bit < (int)size * 8; bit++) {
		bool low = interval->low[bit / 8] >> (7 - bit % 8) & 1;
		bool high = interval->high[bit / 8] >> (7 - bit % 8) & 1;

		if (host && (low || !high))
			return -1;
		if (low == high)
			len++;
		else if (!low)
			host = true;
	}
	return len;
}

static void print_interval(const struct interval *interval, size_t size, struct pfw_buffer *to)
{
	struct pfw_addr low = { .family = size == 4 ? AF_INET : AF_INET6 }, high = low;
	int len = prefix_of(interval, size);
	char text[PFW_ADDR_TEXT];

	memcpy(low.bytes, interval->low, size);
	memcpy(high.bytes, interval->high, size);
	pfw_buffer_puts(to, pfw_addr_print(&low, text));
	if (len < 0)
		pfw_buffer_printf(to, "-%s", pfw_addr_print(&high, text));
	else if ((size_t)len < size * 8)
		pfw_buffer_printf(to, "/%d", len);
}

static void put_end(struct pfw_buffer *to, const uint8_t *key, size_t size, uint32_t flags)
{
	pfw_buffer_append(to, key, size);
	pfw_buffer_append(to, &flags, sizeof(flags));
}

/* One prefix: nft compares only the bytes that count, or masks. */
static void match_one(struct nft_rule *rule, const struct interval *interval, size_t size,
		      uint32_t offset, bool not)
{
	int len = prefix_of(interval, size);
	uint32_t bytes = (uint32_t)(len % 8 || !len ? size : (size_t)len / 8);
	uint8_t mask[16] = { 0 };
	size_t i;

	nft_expr_payload(rule, NFT_PAYLOAD_NETWORK_HEADER, offset, bytes, NFT_REG_1);
	if (bytes == size && (size_t)len < size * 8) {
		for (i = 0; i < size; i++)
			mask[i] = (uint8_t)~(interval->low[i] ^ interval->high[i]);
		nft_expr_mask(rule, mask, bytes);
	}
	nft_expr_cmp(rule, not ? NFT_CMP_NEQ : NFT_CMP_EQ, interval->low, bytes);
	print_interval(interval, size, &rule->text);
}

/* Prefixes that make one range, and no prefix: nft puts a single range into no set. */
static void match_range(struct nft_rule *rule, const struct interval *interval, size_t size,
			uint32_t offset, bool not)
{
	nft_expr_payload(rule, NFT_PAYLOAD_NETWORK_HEADER, offset, (uint32_t)size, NFT_REG_1);
	if (not) {
		nft_expr_range_not(rule, interval->low, interval->high, (uint32_t)size);
	} else {
		nft_expr_cmp(rule, NFT_CMP_GTE, interval->low, (uint32_t)size);
		nft_expr_cmp(rule, NFT_CMP_LTE, interval->high, (uint32_t)size);
	}
	print_interval(interval, size, &rule->text);
}

/* nft begins a set with the end of what lies before its first interval. */
static void match_set(struct nft_rule *rule, struct interval *intervals, unsigned int n, size_t size,
		      uint32_t offset, bool not)
{
	const enum nft_field key[] = { size == 4 ? NFT_FIELD_IPV4_ADDR : NFT_FIELD_IPV6_ADDR };
	static const uint8_t zero[16];
	struct nft_anonymous set = {
		.flags = NFT_SET_INTERVAL,
		.key_type = nft_fields_type(key, 1),
		.key_len = nft_fields_size(key, 1),
		.sreg = NFT_REG_1,
		.lookup_flags = not ? NFT_LOOKUP_F_INV : 0,
	};
	struct pfw_buffer elements = { 0 };
	unsigned int i;

	nft_expr_payload(rule, NFT_PAYLOAD_NETWORK_HEADER, offset, (uint32_t)size, NFT_REG_1);
	if (memcmp(intervals[0].low, zero, size)) {
		put_end(&elements, zero, size, NFT_SET_ELEM_INTERVAL_END);
		set.n++;
	}
	pfw_buffer_puts(&rule->text, "{ ");
	for (i = 0; i < n; i++) {
		pfw_buffer_puts(&rule->text, i ? ", " : "");
		print_interval(&intervals[i], size, &rule->text);
		put_end(&elements, intervals[i].low, size, 0);
		set.n++;
		if (!pfw_bytes_next(intervals[i].high, size))
			continue;
		put_end(&elements, intervals[i].high, size, NFT_SET_ELEM_INTERVAL_END);
		set.n++;
	}
	pfw_buffer_puts(&rule->text, " }");
	rule->failed |= elements.failed;
	nft_rule_add_anonymous(rule, &set, elements.data);
	pfw_buffer_free(&elements);
}

int nft_match_sources(struct nft_rule *rule, uint8_t family, const struct pfw_prefix *prefixes,
		      unsigned int n, bool not)
{
	size_t size = pfw_addr_size(family);
	uint32_t offset = family == AF_INET6 ? 8 : 12;
	struct interval *intervals = calloc(n + 1, sizeof(*intervals));
	unsigned int i, found = 0;
	int ret = 0;

	if (!intervals) {
		rule->failed = true;
		return -ENOMEM;
	}
	for (i = 0; i < n; i++)
		if (prefixes[i].addr.family == family)
			interval_of(&prefixes[i], &intervals[found++]);
	if (!found) {
		ret = -ENOENT;
		goto out;
	}
	found = merge(intervals, found, size);
	nft_say(rule, family == AF_INET6 ? "ip6 saddr " : "ip saddr ");
	pfw_buffer_puts(&rule->text, not ? "!= " : "");
	if (found == 1 && prefix_of(intervals, size) >= 0)
		match_one(rule, intervals, size, offset, not);
	else if (found == 1)
		match_range(rule, intervals, size, offset, not);
	else
		match_set(rule, intervals, found, size, offset, not);
out:
	free(intervals);
	return ret;
}
