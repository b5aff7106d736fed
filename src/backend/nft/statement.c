/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What rules do: NAT to given targets, limits, logging, verdicts. */
#include <arpa/inet.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_nat.h>
#include <linux/netfilter/nf_tables.h>
#include <stdio.h>
#include <libnftnl/expr.h>
#include <string.h>

#include "expr.h"

/* The kernel's default (linux/kern_levels.h), and what it dumps. */
#define LOG_LEVEL_WARNING 4

/* What nft and the kernel take where no burst is given. */
#define NFT_BURST_DEFAULT 5

void nft_add_masquerade(struct nft_rule *rule)
{
	nft_expr_add(rule, nftnl_expr_alloc("masq"));
	nft_say(rule, "masquerade");
}

void nft_add_dnat_to(struct nft_rule *rule, const struct pfw_addr *address, uint16_t port)
{
	uint16_t be_port = htons(port);
	char text[PFW_ADDR_TEXT];
	bool v6 = address->family == AF_INET6;

	nft_say(rule, nft_dnat_words(address->family));
	pfw_addr_print(address, text);
	pfw_buffer_printf(&rule->text, v6 && port ? "[%s]" : "%s", text);
	if (port)
		pfw_buffer_printf(&rule->text, ":%u", port);
	nft_expr_immediate(rule, NFT_REG_1, address->bytes,
			   (uint32_t)pfw_addr_size(address->family));
	if (port)
		nft_expr_immediate(rule, NFT_REG_2, &be_port, sizeof(be_port));
	nft_expr_nat(rule, NFT_NAT_DNAT, address->family, NFT_REG_1, port ? NFT_REG_2 : 0);
}

void nft_add_dnat_to_port(struct nft_rule *rule, uint16_t port)
{
	uint16_t be_port = htons(port);

	nft_say(rule, "dnat to :");
	pfw_buffer_printf(&rule->text, "%u", port);
	nft_expr_immediate(rule, NFT_REG_1, &be_port, sizeof(be_port));
	nft_expr_nat(rule, NFT_NAT_DNAT, NFPROTO_INET, 0, NFT_REG_1);
}

void nft_add_redirect_to(struct nft_rule *rule, uint16_t port)
{
	uint16_t be_port = htons(port);

	nft_say(rule, "redirect to :");
	pfw_buffer_printf(&rule->text, "%u", port);
	nft_expr_immediate(rule, NFT_REG_1, &be_port, sizeof(be_port));
	nft_expr_redir(rule);
}

void nft_add_redirect_kept(struct nft_rule *rule)
{
	nft_say(rule, "redirect");
	nft_expr_add(rule, nftnl_expr_alloc("redir"));
}

void nft_add_snat_to(struct nft_rule *rule, const struct pfw_addr *address)
{
	char text[PFW_ADDR_TEXT];

	nft_say(rule, address->family == AF_INET6 ? "snat ip6 to " : "snat ip to ");
	pfw_buffer_puts(&rule->text, pfw_addr_print(address, text));
	nft_expr_immediate(rule, NFT_REG_1, address->bytes,
			   (uint32_t)pfw_addr_size(address->family));
	nft_expr_nat(rule, NFT_NAT_SNAT, address->family, NFT_REG_1, 0);
}

static void print_target(const struct pfw_target *target, uint16_t port, struct pfw_buffer *to)
{
	char text[PFW_ADDR_TEXT];

	pfw_buffer_puts(to, pfw_addr_print(&target->address, text));
	if (port)
		pfw_buffer_printf(to, " . %u", port);
}

/* An element of an anonymous set: key, flags, data. */
static void put_element(struct pfw_buffer *to, const void *key, uint32_t key_len, uint32_t flags,
			const void *data, uint32_t data_len)
{
	static const uint8_t nothing[32];

	pfw_buffer_append(to, key, key_len);
	pfw_buffer_append(to, &flags, sizeof(flags));
	pfw_buffer_append(to, data ? data : nothing, data_len);
}

static void add_number(struct nft_rule *rule, uint8_t family, enum pfw_balance balance,
		       uint32_t modulus)
{
	uint32_t len = (uint32_t)pfw_addr_size(family);

	if (balance == PFW_BALANCE_SOURCE) {
		/* A fixed seed, so that a client keeps its target over reloads and machines. */
		nft_expr_payload(rule, NFT_PAYLOAD_NETWORK_HEADER, family == AF_INET6 ? 8 : 12, len,
				 NFT_REG_2);
		nft_expr_numbers(rule, "hash",
				 NFT_NUMBERS({ NFTNL_EXPR_HASH_SREG, NFT_REG_2 },
					     { NFTNL_EXPR_HASH_DREG, NFT_REG_1 },
					     { NFTNL_EXPR_HASH_LEN, len },
					     { NFTNL_EXPR_HASH_MODULUS, modulus },
					     { NFTNL_EXPR_HASH_SEED, NFT_HASH_SEED },
					     { NFTNL_EXPR_HASH_TYPE, NFT_HASH_JENKINS }));
		pfw_buffer_printf(&rule->text, "jhash %s saddr mod %u seed 0x%x",
				  family == AF_INET6 ? "ip6" : "ip", modulus, NFT_HASH_SEED);
	} else {
		nft_expr_numbers(rule, "numgen",
				 NFT_NUMBERS({ NFTNL_EXPR_NG_DREG, NFT_REG_1 },
					     { NFTNL_EXPR_NG_MODULUS, modulus },
					     { NFTNL_EXPR_NG_TYPE, balance == PFW_BALANCE_RANDOM ?
									   NFT_NG_RANDOM :
									   NFT_NG_INCREMENTAL },
					     { NFTNL_EXPR_NG_OFFSET, 0 }));
		pfw_buffer_printf(&rule->text, "numgen %s mod %u",
				  balance == PFW_BALANCE_RANDOM ? "random" : "inc", modulus);
	}
}

/* Intervals are compared in network order, single numbers as the machine has them. */
static void add_network_order(struct nft_rule *rule)
{
	nft_expr_numbers(rule, "byteorder",
			 NFT_NUMBERS({ NFTNL_EXPR_BYTEORDER_SREG, NFT_REG_1 },
				     { NFTNL_EXPR_BYTEORDER_DREG, NFT_REG_1 },
				     { NFTNL_EXPR_BYTEORDER_OP, NFT_BYTEORDER_HTON },
				     { NFTNL_EXPR_BYTEORDER_LEN, 4 },
				     { NFTNL_EXPR_BYTEORDER_SIZE, 4 }));
}

void nft_match_share(struct nft_rule *rule, uint8_t family, enum pfw_balance balance,
		     uint32_t modulus, uint32_t below)
{
	uint32_t be_below = htonl(below);

	pfw_buffer_puts(&rule->text, rule->text.len ? " " : "");
	add_number(rule, family, balance, modulus);
	add_network_order(rule);
	nft_expr_cmp(rule, NFT_CMP_LT, &be_below, sizeof(be_below));
	pfw_buffer_printf(&rule->text, " < %u", below);
}

/* dnat ip to numgen random mod 6 map { 0 : a . p, 1-2 : b . p, 3-5 : c . p } */
void nft_add_balance(struct nft_rule *rule, uint8_t family, enum pfw_balance balance,
		     const struct pfw_target *const *targets, unsigned int n)
{
	const enum nft_field address = family == AF_INET6 ? NFT_FIELD_IPV6_ADDR :
							    NFT_FIELD_IPV4_ADDR;
	const enum nft_field data[] = {
		address, targets[0]->port.lo ? NFT_FIELD_INET_SERVICE : NFT_FIELD_NONE,
	};
	struct nft_anonymous set = {
		.flags = NFT_SET_MAP,
		.key_type = NFT_TYPE_INTEGER,
		.key_len = 4,
		.data_type = nft_fields_type(data, 2),
		.data_len = nft_fields_size(data, 2),
		.sreg = NFT_REG_1,
		.dreg = NFT_REG_1,
		.n = n,
	};
	struct pfw_buffer elements = { 0 };
	uint32_t sum = 0, key;
	uint8_t bytes[32];
	unsigned int i;

	for (i = 0; i < n; i++)
		sum += targets[i]->weight;
	/* Like nft, intervals only where there are some. */
	if (sum > n)
		set.flags |= NFT_SET_INTERVAL;
	nft_say(rule, nft_dnat_words(family));
	add_number(rule, family, balance, sum);
	if (set.flags & NFT_SET_INTERVAL)
		add_network_order(rule);
	pfw_buffer_puts(&rule->text, " map { ");
	for (i = 0, sum = 0; i < n; i++) {
		key = set.flags & NFT_SET_INTERVAL ? htonl(sum) : sum;
		nft_put_target(&targets[i]->address, targets[i]->port.lo, bytes);
		put_element(&elements, &key, 4, 0, bytes, set.data_len);
		pfw_buffer_printf(&rule->text, "%s%u", i ? ", " : "", sum);
		sum += targets[i]->weight;
		if (targets[i]->weight > 1)
			pfw_buffer_printf(&rule->text, "-%u", sum - 1);
		pfw_buffer_puts(&rule->text, " : ");
		print_target(targets[i], targets[i]->port.lo, &rule->text);
	}
	if (set.flags & NFT_SET_INTERVAL) {
		key = htonl(sum);
		put_element(&elements, &key, 4, NFT_SET_ELEM_INTERVAL_END, NULL, set.data_len);
		set.n++;
	}
	pfw_buffer_puts(&rule->text, " }");
	rule->failed |= elements.failed;
	nft_rule_add_anonymous(rule, &set, elements.data);
	pfw_buffer_free(&elements);
	nft_expr_nat(rule, NFT_NAT_DNAT, family, NFT_REG_1,
		data[1] ? nft_register((uint32_t)pfw_addr_size(family)) : 0);
}

/* dnat ip to th dport map { 8000 : a . 80, 8001 : a . 81 }, or of self to :th dport map { 8000 : 80, ... } */
void nft_add_shift(struct nft_rule *rule, uint8_t family, const struct pfw_target *target,
		   struct pfw_ports from, bool redirect)
{
	const enum nft_field key[] = { NFT_FIELD_INET_SERVICE };
	const enum nft_field address[] = {
		family == AF_INET6 ? NFT_FIELD_IPV6_ADDR : NFT_FIELD_IPV4_ADDR,
		NFT_FIELD_INET_SERVICE,
	};
	const enum nft_field *data = target->self ? key : address;
	struct nft_anonymous set = {
		.flags = NFT_SET_MAP,
		.key_type = nft_fields_type(key, 1),
		.key_len = nft_fields_size(key, 1),
		.data_type = nft_fields_type(data, target->self ? 1 : 2),
		.data_len = nft_fields_size(data, target->self ? 1 : 2),
		.sreg = NFT_REG_1,
		.dreg = NFT_REG_1,
		.n = from.hi - from.lo + 1u,
	};
	struct pfw_buffer elements = { 0 };
	uint8_t bytes[32];
	uint16_t port, be_port;
	uint32_t i;

	nft_say(rule, redirect ? "redirect to :" : target->self ? "dnat to :" :
							      nft_dnat_words(family));
	pfw_buffer_puts(&rule->text, "th dport map { ");
	nft_expr_payload(rule, NFT_PAYLOAD_TRANSPORT_HEADER, 2, 2, NFT_REG_1);
	for (i = 0; i < set.n; i++) {
		port = (uint16_t)(target->port.lo + i);
		nft_put_target(target->self ? NULL : &target->address, port, bytes);
		be_port = htons((uint16_t)(from.lo + i));
		put_element(&elements, &be_port, sizeof(be_port), 0, bytes, set.data_len);
		pfw_buffer_printf(&rule->text, "%s%u : ", i ? ", " : "", from.lo + i);
		if (target->self)
			pfw_buffer_printf(&rule->text, "%u", port);
		else
			print_target(target, port, &rule->text);
	}
	pfw_buffer_puts(&rule->text, " }");
	rule->failed |= elements.failed;
	nft_rule_add_anonymous(rule, &set, elements.data);
	pfw_buffer_free(&elements);
	if (redirect)
		nft_expr_redir(rule);
	else if (target->self)
		nft_expr_nat(rule, NFT_NAT_DNAT, NFPROTO_INET, 0, NFT_REG_1);
	else
		nft_expr_nat(rule, NFT_NAT_DNAT, family, NFT_REG_1,
			     nft_register((uint32_t)pfw_addr_size(family)));
}

void nft_add_verdict(struct nft_rule *rule, int32_t code, const char *chain)
{
	static const struct {
		int32_t code;
		const char *word;
	} words[] = {
		{ NF_ACCEPT, "accept" }, { NF_DROP, "drop" }, { NFT_RETURN, "return" },
		{ NFT_GOTO, "goto " }, { NFT_JUMP, "jump " },
	};
	struct nftnl_expr *expr = nftnl_expr_alloc("immediate");
	size_t i;

	if (expr) {
		nftnl_expr_set_u32(expr, NFTNL_EXPR_IMM_DREG, NFT_REG_VERDICT);
		nftnl_expr_set_u32(expr, NFTNL_EXPR_IMM_VERDICT, (uint32_t)code);
		if (chain)
			nftnl_expr_set_str(expr, NFTNL_EXPR_IMM_CHAIN, chain);
	}
	nft_expr_add(rule, expr);
	for (i = 0; i < sizeof(words) / sizeof(*words); i++)
		if (words[i].code == code)
			nft_say(rule, words[i].word);
	pfw_buffer_puts(&rule->text, chain ? chain : "");
}

static const char *unit_word(uint32_t seconds)
{
	return seconds == 60 ? "minute" : seconds == 3600 ? "hour" : seconds == 86400 ? "day" : "second";
}

void nft_add_limit(struct nft_rule *rule, const struct pfw_limit *limit, bool over)
{
	struct nftnl_expr *expr = nftnl_expr_alloc("limit");
	uint32_t burst = limit->burst ? limit->burst : NFT_BURST_DEFAULT;

	if (expr) {
		nftnl_expr_set_u64(expr, NFTNL_EXPR_LIMIT_RATE, limit->rate);
		nftnl_expr_set_u64(expr, NFTNL_EXPR_LIMIT_UNIT, limit->per);
		nftnl_expr_set_u32(expr, NFTNL_EXPR_LIMIT_BURST, burst);
		nftnl_expr_set_u32(expr, NFTNL_EXPR_LIMIT_TYPE, NFT_LIMIT_PKTS);
		nftnl_expr_set_u32(expr, NFTNL_EXPR_LIMIT_FLAGS, over ? NFT_LIMIT_F_INV : 0);
	}
	nft_expr_add(rule, expr);
	nft_say(rule, over ? "limit rate over " : "limit rate ");
	pfw_buffer_printf(&rule->text, "%u/%s burst %u packets", limit->rate,
			  unit_word(limit->per), burst);
}

void nft_add_count(struct nft_rule *rule, uint8_t family, const char *set,
		   const uint32_t number[2], uint32_t most)
{
	uint32_t len = (uint32_t)pfw_addr_size(family);
	struct nftnl_expr *expr, *count;

	nft_expr_payload(rule, NFT_PAYLOAD_NETWORK_HEADER, family == AF_INET6 ? 8 : 12, len,
			 NFT_REG_1);
	nft_expr_immediate(rule, nft_register(len), &number[0], sizeof(number[0]));
	nft_expr_immediate(rule, nft_register(len + 4), &number[1], sizeof(number[1]));
	expr = nftnl_expr_alloc("dynset");
	count = nftnl_expr_alloc("connlimit");
	if (expr && count) {
		nftnl_expr_set_u32(count, NFTNL_EXPR_CONNLIMIT_COUNT, most);
		nftnl_expr_set_str(expr, NFTNL_EXPR_DYNSET_SET_NAME, set);
		nftnl_expr_set_u32(expr, NFTNL_EXPR_DYNSET_OP, NFT_DYNSET_OP_ADD);
		nftnl_expr_set_u32(expr, NFTNL_EXPR_DYNSET_SREG_KEY, NFT_REG_1);
		nftnl_expr_set_u32(expr, NFTNL_EXPR_DYNSET_FLAGS, 0);
		nftnl_expr_set(expr, NFTNL_EXPR_DYNSET_EXPR, count, 0);
	} else {
		if (expr)
			nftnl_expr_free(expr);
		if (count)
			nftnl_expr_free(count);
		expr = NULL;
	}
	nft_expr_add(rule, expr);
	nft_say(rule, "add @");
	pfw_buffer_printf(&rule->text, "%s { %s saddr . 0x%08x . 0x%08x ct count %u }", set,
			  family == AF_INET6 ? "ip6" : "ip", number[0], number[1], most);
}

/* Its numbers are nothing of the rule, so they are zero wherever rules are compared. */
void nft_add_counter(struct nft_rule *rule)
{
	struct nftnl_expr *expr = nftnl_expr_alloc("counter");

	if (expr) {
		nftnl_expr_set_u64(expr, NFTNL_EXPR_CTR_BYTES, 0);
		nftnl_expr_set_u64(expr, NFTNL_EXPR_CTR_PACKETS, 0);
	}
	nft_expr_add(rule, expr);
	nft_say(rule, "counter");
}

void nft_add_log(struct nft_rule *rule, const char *prefix)
{
	struct nftnl_expr *expr = nftnl_expr_alloc("log");

	if (expr) {
		nftnl_expr_set_str(expr, NFTNL_EXPR_LOG_PREFIX, prefix);
		nftnl_expr_set_u32(expr, NFTNL_EXPR_LOG_LEVEL, LOG_LEVEL_WARNING);
	}
	nft_expr_add(rule, expr);
	nft_say(rule, "log prefix ");
	pfw_buffer_printf(&rule->text, "\"%s\"", prefix);
}
