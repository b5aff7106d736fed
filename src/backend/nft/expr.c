/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Rules as records, and the expressions that they are made of. */
#include <arpa/inet.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter/nf_nat.h>
#include <linux/netfilter/nf_tables.h>
#include <stdio.h>
#include <libnftnl/expr.h>
#include <stdlib.h>
#include <string.h>

#include "expr.h"

/* More than any expression of ours, and room for what others may put into our chains. */
#define EXPR_SIZE 8192

/* A rule starts with the first register and goes through them in words of four bytes. */
uint32_t nft_register(uint32_t offset)
{
	uint32_t word = offset / 4;

	/* The kernel dumps the start of 16 bytes by its old name. */
	return word % 4 ? NFT_REG32_00 + word : NFT_REG_1 + word / 4;
}

static void add_record(struct nft_rule *rule, enum nft_record_kind kind, const void *data,
		       size_t len)
{
	struct nft_record record = { kind, (uint32_t)len };

	pfw_buffer_append(&rule->records, &record, sizeof(record));
	pfw_buffer_append(&rule->records, data, len);
}

/*
 * The kernel dumps a timeout of 0 for a dynset that has none, and refuses it for sets
 * without timeouts: it is left out of what is compared and sent.
 */
static void strip_timeout(struct nlmsghdr *message)
{
	struct nlattr *data = NULL, *attr;
	size_t len, behind;

	mnl_attr_for_each(attr, message, 0)
		if (mnl_attr_get_type(attr) == NFTA_EXPR_DATA)
			data = attr;
	if (!data)
		return;
	mnl_attr_for_each_nested(attr, data) {
		if (mnl_attr_get_type(attr) != NFTA_DYNSET_TIMEOUT || mnl_attr_get_u64(attr))
			continue;
		len = MNL_ALIGN(attr->nla_len);
		behind = (size_t)((char *)mnl_nlmsg_get_payload_tail(message) -
				  ((char *)attr + len));
		memmove(attr, (char *)attr + len, behind);
		data->nla_len = (uint16_t)(data->nla_len - len);
		message->nlmsg_len -= (uint32_t)len;
		return;
	}
}

void nft_rule_encode(struct nft_rule *rule, struct nftnl_expr *expr)
{
	/* Zeroed, because libmnl leaves the padding of attributes as it is. */
	_Alignas(struct nlmsghdr) char buf[EXPR_SIZE] = { 0 };
	struct nlmsghdr *message = mnl_nlmsg_put_header(buf);

	nftnl_expr_build_payload(message, expr);
	if (!strcmp(nftnl_expr_get_str(expr, NFTNL_EXPR_NAME), "dynset"))
		strip_timeout(message);
	add_record(rule, NFT_RECORD_EXPR, mnl_nlmsg_get_payload(message),
		   mnl_nlmsg_get_payload_len(message));
}

void nft_expr_add(struct nft_rule *rule, struct nftnl_expr *expr)
{
	if (!expr) {
		rule->failed = true;
		return;
	}
	nft_rule_encode(rule, expr);
	nftnl_expr_free(expr);
}

static int compare_elements(const void *a, const void *b, void *size)
{
	return memcmp(a, b, *(const size_t *)size);
}

void nft_rule_add_anonymous(struct nft_rule *rule, const struct nft_anonymous *set,
			    const void *elements)
{
	size_t size = nft_anonymous_size(set), len = set->n * size;
	struct nft_record record = { NFT_RECORD_ANONYMOUS, (uint32_t)(sizeof(*set) + len) };

	pfw_buffer_append(&rule->records, &record, sizeof(record));
	pfw_buffer_append(&rule->records, set, sizeof(*set));
	pfw_buffer_append(&rule->records, elements, len);
	/* Numbers as the machine has them need not be in the order of their bytes. */
	if (len && !rule->records.failed)
		qsort_r(rule->records.data + rule->records.len - len, set->n, size,
			compare_elements, &size);
}

size_t nft_anonymous_size(const struct nft_anonymous *set)
{
	return (size_t)set->key_len + sizeof(uint32_t) + set->data_len;
}

void nft_rule_free(struct nft_rule *rule)
{
	pfw_buffer_free(&rule->records);
	pfw_buffer_free(&rule->text);
}

bool nft_record_next(const uint8_t *records, size_t len, size_t *at, struct nft_record *ret,
		     const uint8_t **ret_data)
{
	if (*at + sizeof(*ret) > len)
		return false;
	memcpy(ret, records + *at, sizeof(*ret));
	if (ret->len > len - *at - sizeof(*ret))
		return false;
	*ret_data = records + *at + sizeof(*ret);
	*at += sizeof(*ret) + ret->len;
	return true;
}

void nft_say(struct nft_rule *rule, const char *words)
{
	pfw_buffer_printf(&rule->text, "%s%s", rule->text.len ? " " : "", words);
}

void nft_expr_numbers(struct nft_rule *rule, const char *name, const struct nft_number *numbers)
{
	struct nftnl_expr *expr = nftnl_expr_alloc(name);

	for (; expr && numbers->attribute; numbers++)
		nftnl_expr_set_u32(expr, numbers->attribute, numbers->value);
	nft_expr_add(rule, expr);
}

void nft_expr_meta(struct nft_rule *rule, uint32_t key, uint32_t reg)
{
	nft_expr_numbers(rule, "meta",
			 NFT_NUMBERS({ NFTNL_EXPR_META_KEY, key }, { NFTNL_EXPR_META_DREG, reg }));
}

void nft_expr_payload(struct nft_rule *rule, uint32_t base, uint32_t offset, uint32_t len,
		      uint32_t reg)
{
	nft_expr_numbers(rule, "payload",
			 NFT_NUMBERS({ NFTNL_EXPR_PAYLOAD_DREG, reg },
				     { NFTNL_EXPR_PAYLOAD_BASE, base },
				     { NFTNL_EXPR_PAYLOAD_OFFSET, offset },
				     { NFTNL_EXPR_PAYLOAD_LEN, len }));
}

void nft_expr_fib(struct nft_rule *rule, uint32_t flags, uint32_t result, uint32_t reg)
{
	nft_expr_numbers(rule, "fib",
			 NFT_NUMBERS({ NFTNL_EXPR_FIB_FLAGS, flags },
				     { NFTNL_EXPR_FIB_RESULT, result },
				     { NFTNL_EXPR_FIB_DREG, reg }));
}

void nft_expr_cmp(struct nft_rule *rule, uint32_t op, const void *data, uint32_t len)
{
	struct nftnl_expr *expr = nftnl_expr_alloc("cmp");

	if (expr) {
		nftnl_expr_set_u32(expr, NFTNL_EXPR_CMP_SREG, NFT_REG_1);
		nftnl_expr_set_u32(expr, NFTNL_EXPR_CMP_OP, op);
		nftnl_expr_set(expr, NFTNL_EXPR_CMP_DATA, data, len);
	}
	nft_expr_add(rule, expr);
}

void nft_expr_range_not(struct nft_rule *rule, const void *low, const void *high, uint32_t len)
{
	struct nftnl_expr *expr = nftnl_expr_alloc("range");

	if (expr) {
		nftnl_expr_set_u32(expr, NFTNL_EXPR_RANGE_SREG, NFT_REG_1);
		nftnl_expr_set_u32(expr, NFTNL_EXPR_RANGE_OP, NFT_RANGE_NEQ);
		nftnl_expr_set(expr, NFTNL_EXPR_RANGE_FROM_DATA, low, len);
		nftnl_expr_set(expr, NFTNL_EXPR_RANGE_TO_DATA, high, len);
	}
	nft_expr_add(rule, expr);
}

void nft_expr_mask(struct nft_rule *rule, const void *mask, uint32_t len)
{
	const uint8_t none[16] = { 0 };
	struct nftnl_expr *expr = nftnl_expr_alloc("bitwise");

	if (expr) {
		nftnl_expr_set_u32(expr, NFTNL_EXPR_BITWISE_SREG, NFT_REG_1);
		nftnl_expr_set_u32(expr, NFTNL_EXPR_BITWISE_DREG, NFT_REG_1);
		nftnl_expr_set_u32(expr, NFTNL_EXPR_BITWISE_OP, NFT_BITWISE_BOOL);
		nftnl_expr_set_u32(expr, NFTNL_EXPR_BITWISE_LEN, len);
		nftnl_expr_set(expr, NFTNL_EXPR_BITWISE_MASK, mask, len);
		nftnl_expr_set(expr, NFTNL_EXPR_BITWISE_XOR, none, len);
	}
	nft_expr_add(rule, expr);
}

void nft_expr_ct_bit(struct nft_rule *rule, uint32_t key, uint32_t bit)
{
	const uint32_t none = 0;

	nft_expr_numbers(rule, "ct",
			 NFT_NUMBERS({ NFTNL_EXPR_CT_DREG, NFT_REG_1 }, { NFTNL_EXPR_CT_KEY, key }));
	nft_expr_mask(rule, &bit, sizeof(bit));
	nft_expr_cmp(rule, NFT_CMP_NEQ, &none, sizeof(none));
}

/* dreg NULL: a set, which has no data. */
static void add_lookup(struct nft_rule *rule, const char *set, uint32_t flags, const uint32_t *dreg)
{
	struct nftnl_expr *expr = nftnl_expr_alloc("lookup");

	if (expr) {
		nftnl_expr_set_str(expr, NFTNL_EXPR_LOOKUP_SET, set);
		nftnl_expr_set_u32(expr, NFTNL_EXPR_LOOKUP_SREG, NFT_REG_1);
		nftnl_expr_set_u32(expr, NFTNL_EXPR_LOOKUP_FLAGS, flags);
		if (dreg)
			nftnl_expr_set_u32(expr, NFTNL_EXPR_LOOKUP_DREG, *dreg);
	}
	nft_expr_add(rule, expr);
}

void nft_expr_lookup(struct nft_rule *rule, const char *set, bool is_map, uint32_t dreg)
{
	add_lookup(rule, set, 0, is_map ? &dreg : NULL);
}

void nft_expr_lookup_not(struct nft_rule *rule, const char *set)
{
	add_lookup(rule, set, NFT_LOOKUP_F_INV, NULL);
}

void nft_expr_immediate(struct nft_rule *rule, uint32_t reg, const void *data, uint32_t len)
{
	struct nftnl_expr *expr = nftnl_expr_alloc("immediate");

	if (expr) {
		nftnl_expr_set_u32(expr, NFTNL_EXPR_IMM_DREG, reg);
		nftnl_expr_set(expr, NFTNL_EXPR_IMM_DATA, data, len);
	}
	nft_expr_add(rule, expr);
}

void nft_expr_nat(struct nft_rule *rule, uint32_t type, uint8_t family, uint32_t address,
		  uint32_t port)
{
	struct nftnl_expr *expr = nftnl_expr_alloc("nat");
	uint32_t flags = 0;

	if (!expr) {
		nft_expr_add(rule, NULL);
		return;
	}
	/* The kernel dumps ranges with both ends, and the flags that follow from them. */
	nftnl_expr_set_u32(expr, NFTNL_EXPR_NAT_TYPE, type);
	nftnl_expr_set_u32(expr, NFTNL_EXPR_NAT_FAMILY, family);
	if (address) {
		nftnl_expr_set_u32(expr, NFTNL_EXPR_NAT_REG_ADDR_MIN, address);
		nftnl_expr_set_u32(expr, NFTNL_EXPR_NAT_REG_ADDR_MAX, address);
		flags |= NF_NAT_RANGE_MAP_IPS;
	}
	if (port) {
		nftnl_expr_set_u32(expr, NFTNL_EXPR_NAT_REG_PROTO_MIN, port);
		nftnl_expr_set_u32(expr, NFTNL_EXPR_NAT_REG_PROTO_MAX, port);
		flags |= NF_NAT_RANGE_PROTO_SPECIFIED;
	}
	nftnl_expr_set_u32(expr, NFTNL_EXPR_NAT_FLAGS, flags);
	nft_expr_add(rule, expr);
}

void nft_expr_redir(struct nft_rule *rule)
{
	nft_expr_numbers(rule, "redir",
			 NFT_NUMBERS({ NFTNL_EXPR_REDIR_REG_PROTO_MIN, NFT_REG_1 },
				     { NFTNL_EXPR_REDIR_REG_PROTO_MAX, NFT_REG_1 },
				     { NFTNL_EXPR_REDIR_FLAGS, NF_NAT_RANGE_PROTO_SPECIFIED }));
}

const char *nft_dnat_words(uint8_t family)
{
	return family == AF_INET6 ? "dnat ip6 to " : "dnat ip to ";
}
