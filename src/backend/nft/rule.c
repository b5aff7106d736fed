/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Rules, expression by expression. */
#include <arpa/inet.h>
#include <libmnl/libmnl.h>
#include <stdio.h>
#include <libnftnl/expr.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_nat.h>
#include <linux/netfilter/nf_tables.h>
#include <string.h>

#include "rule.h"

/* More than any expression of ours, and room for what others may put into our chains. */
#define EXPR_SIZE 8192

/* A rule starts with the first register and goes through them in words of four bytes. */
static uint32_t register_at(uint32_t offset)
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

void nft_rule_encode(struct nft_rule *rule, struct nftnl_expr *expr)
{
	/* Zeroed, because libmnl leaves the padding of attributes as it is. */
	_Alignas(struct nlmsghdr) char buf[EXPR_SIZE] = { 0 };
	struct nlmsghdr *message = mnl_nlmsg_put_header(buf);

	nftnl_expr_build_payload(message, expr);
	add_record(rule, NFT_RECORD_EXPR, mnl_nlmsg_get_payload(message),
		   mnl_nlmsg_get_payload_len(message));
}

/* Takes the expression over, NULL too. */
static void add_built(struct nft_rule *rule, struct nftnl_expr *expr)
{
	if (!expr) {
		rule->failed = true;
		return;
	}
	nft_rule_encode(rule, expr);
	nftnl_expr_free(expr);
}

void nft_rule_add_protocols(struct nft_rule *rule, const void *protocols, size_t len)
{
	add_record(rule, NFT_RECORD_PROTOCOLS, protocols, len);
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

static void say(struct nft_rule *rule, const char *words)
{
	pfw_buffer_printf(&rule->text, "%s%s", rule->text.len ? " " : "", words);
}

/* An expression whose attributes are all numbers. */
struct number {
	uint16_t attribute;
	uint32_t value;
};
#define NUMBERS(...) ((const struct number[]){ __VA_ARGS__, { 0, 0 } })

static void add_expr(struct nft_rule *rule, const char *name, const struct number *numbers)
{
	struct nftnl_expr *expr = nftnl_expr_alloc(name);

	for (; expr && numbers->attribute; numbers++)
		nftnl_expr_set_u32(expr, numbers->attribute, numbers->value);
	add_built(rule, expr);
}

static void add_meta(struct nft_rule *rule, uint32_t key, uint32_t reg)
{
	add_expr(rule, "meta", NUMBERS({ NFTNL_EXPR_META_KEY, key }, { NFTNL_EXPR_META_DREG, reg }));
}

static void add_payload(struct nft_rule *rule, uint32_t base, uint32_t offset, uint32_t len,
			uint32_t reg)
{
	add_expr(rule, "payload",
		 NUMBERS({ NFTNL_EXPR_PAYLOAD_DREG, reg }, { NFTNL_EXPR_PAYLOAD_BASE, base },
			 { NFTNL_EXPR_PAYLOAD_OFFSET, offset }, { NFTNL_EXPR_PAYLOAD_LEN, len }));
}

static void add_fib(struct nft_rule *rule, uint32_t flags, uint32_t result, uint32_t reg)
{
	add_expr(rule, "fib",
		 NUMBERS({ NFTNL_EXPR_FIB_FLAGS, flags }, { NFTNL_EXPR_FIB_RESULT, result },
			 { NFTNL_EXPR_FIB_DREG, reg }));
}

static void add_cmp(struct nft_rule *rule, uint32_t op, const void *data, uint32_t len)
{
	struct nftnl_expr *expr = nftnl_expr_alloc("cmp");

	if (expr) {
		nftnl_expr_set_u32(expr, NFTNL_EXPR_CMP_SREG, NFT_REG_1);
		nftnl_expr_set_u32(expr, NFTNL_EXPR_CMP_OP, op);
		nftnl_expr_set(expr, NFTNL_EXPR_CMP_DATA, data, len);
	}
	add_built(rule, expr);
}

/* ct KEY, a bit set of which one is wanted, or any of several. */
static void add_ct_bit(struct nft_rule *rule, uint32_t key, uint32_t bit)
{
	const uint32_t none = 0;
	struct nftnl_expr *expr;

	add_expr(rule, "ct", NUMBERS({ NFTNL_EXPR_CT_DREG, NFT_REG_1 }, { NFTNL_EXPR_CT_KEY, key }));
	expr = nftnl_expr_alloc("bitwise");
	if (expr) {
		nftnl_expr_set_u32(expr, NFTNL_EXPR_BITWISE_SREG, NFT_REG_1);
		nftnl_expr_set_u32(expr, NFTNL_EXPR_BITWISE_DREG, NFT_REG_1);
		nftnl_expr_set_u32(expr, NFTNL_EXPR_BITWISE_OP, NFT_BITWISE_BOOL);
		nftnl_expr_set_u32(expr, NFTNL_EXPR_BITWISE_LEN, sizeof(bit));
		nftnl_expr_set(expr, NFTNL_EXPR_BITWISE_MASK, &bit, sizeof(bit));
		nftnl_expr_set(expr, NFTNL_EXPR_BITWISE_XOR, &none, sizeof(none));
	}
	add_built(rule, expr);
	add_cmp(rule, NFT_CMP_NEQ, &none, sizeof(none));
}

static void add_lookup(struct nft_rule *rule, const char *set, bool is_map, uint32_t dreg)
{
	struct nftnl_expr *expr = nftnl_expr_alloc("lookup");

	if (expr) {
		nftnl_expr_set_str(expr, NFTNL_EXPR_LOOKUP_SET, set);
		nftnl_expr_set_u32(expr, NFTNL_EXPR_LOOKUP_SREG, NFT_REG_1);
		nftnl_expr_set_u32(expr, NFTNL_EXPR_LOOKUP_FLAGS, 0);
		if (is_map)
			nftnl_expr_set_u32(expr, NFTNL_EXPR_LOOKUP_DREG, dreg);
	}
	add_built(rule, expr);
}

void nft_match_family(struct nft_rule *rule, uint8_t family)
{
	uint8_t nfproto = family == AF_INET6 ? NFPROTO_IPV6 : NFPROTO_IPV4;

	add_meta(rule, NFT_META_NFPROTO, NFT_REG_1);
	add_cmp(rule, NFT_CMP_EQ, &nfproto, sizeof(nfproto));
	say(rule, family == AF_INET6 ? "meta nfproto ipv6" : "meta nfproto ipv4");
}

void nft_match_transport(struct nft_rule *rule)
{
	static const uint8_t protocols[] = { IPPROTO_TCP, IPPROTO_UDP, IPPROTO_SCTP };

	add_meta(rule, NFT_META_L4PROTO, NFT_REG_1);
	nft_rule_add_protocols(rule, protocols, sizeof(protocols));
	say(rule, "meta l4proto { tcp, udp, sctp }");
}

/* As in linux/rtnetlink.h, which does not go together with every libc header. */
#define ADDRESS_TYPE_LOCAL 2

static void match_address_type(struct nft_rule *rule, uint32_t flags, uint32_t op)
{
	const uint32_t local = ADDRESS_TYPE_LOCAL;

	add_fib(rule, flags, NFT_FIB_RESULT_ADDRTYPE, NFT_REG_1);
	add_cmp(rule, op, &local, sizeof(local));
}

void nft_match_to_machine(struct nft_rule *rule)
{
	match_address_type(rule, NFTA_FIB_F_DADDR, NFT_CMP_EQ);
	say(rule, "fib daddr type local");
}

void nft_match_from_elsewhere(struct nft_rule *rule)
{
	match_address_type(rule, NFTA_FIB_F_SADDR, NFT_CMP_NEQ);
	say(rule, "fib saddr type != local");
}

/* Where the destination stands in the network header. */
static uint32_t daddr_offset(uint8_t family)
{
	return family == AF_INET6 ? 24 : 16;
}

void nft_match_off_loopback(struct nft_rule *rule, uint8_t family)
{
	static const uint8_t net4[] = { 127 };
	static const uint8_t host6[16] = { [15] = 1 };
	const void *address = family == AF_INET6 ? host6 : net4;
	uint32_t len = family == AF_INET6 ? sizeof(host6) : sizeof(net4);

	add_payload(rule, NFT_PAYLOAD_NETWORK_HEADER, daddr_offset(family), len, NFT_REG_1);
	add_cmp(rule, NFT_CMP_NEQ, address, len);
	say(rule, family == AF_INET6 ? "ip6 daddr != ::1" : "ip daddr != 127.0.0.0/8");
}

void nft_match_new(struct nft_rule *rule)
{
	add_ct_bit(rule, NFT_CT_STATE, NF_CT_STATE_BIT(IP_CT_NEW));
	say(rule, "ct state new");
}

void nft_match_reply(struct nft_rule *rule)
{
	add_ct_bit(rule, NFT_CT_STATE,
		   NF_CT_STATE_BIT(IP_CT_ESTABLISHED) | NF_CT_STATE_BIT(IP_CT_RELATED));
	say(rule, "ct state established,related");
}

void nft_match_dnat(struct nft_rule *rule)
{
	add_ct_bit(rule, NFT_CT_STATUS, IPS_DST_NAT);
	say(rule, "ct status dnat");
}

void nft_match_way_back(struct nft_rule *rule)
{
	/* The kernel stores one byte and clears the rest of the register. */
	static const uint8_t yes[4] = { 1 };

	add_fib(rule, NFTA_FIB_F_DADDR | NFTA_FIB_F_MARK | NFTA_FIB_F_IIF | NFTA_FIB_F_PRESENT,
		NFT_FIB_RESULT_OIF, NFT_REG_1);
	add_cmp(rule, NFT_CMP_EQ, yes, sizeof(yes));
	say(rule, "fib daddr . mark . iif oif exists");
}

static void load_hairpin_key(struct nft_rule *rule)
{
	add_meta(rule, NFT_META_IIFNAME, register_at(0));
	add_meta(rule, NFT_META_OIFNAME, register_at(PFW_IFNAME_SIZE));
}

void nft_match_links(struct nft_rule *rule, const char *set)
{
	add_meta(rule, NFT_META_IIFNAME, NFT_REG_1);
	add_lookup(rule, set, false, 0);
	add_meta(rule, NFT_META_OIFNAME, NFT_REG_1);
	add_lookup(rule, set, false, 0);
	pfw_buffer_printf(&rule->text, "%siifname @%s oifname @%s", rule->text.len ? " " : "", set,
			  set);
}

void nft_match_hairpin(struct nft_rule *rule)
{
	load_hairpin_key(rule);
	add_lookup(rule, "hairpin", false, 0);
	say(rule, "iifname . oifname @hairpin");
}

void nft_add_learn_hairpin(struct nft_rule *rule)
{
	struct nftnl_expr *expr;

	load_hairpin_key(rule);
	expr = nftnl_expr_alloc("dynset");
	if (expr) {
		nftnl_expr_set_str(expr, NFTNL_EXPR_DYNSET_SET_NAME, "hairpin");
		nftnl_expr_set_u32(expr, NFTNL_EXPR_DYNSET_OP, NFT_DYNSET_OP_ADD);
		nftnl_expr_set_u32(expr, NFTNL_EXPR_DYNSET_SREG_KEY, NFT_REG_1);
		nftnl_expr_set_u64(expr, NFTNL_EXPR_DYNSET_TIMEOUT, 0);
		nftnl_expr_set_u32(expr, NFTNL_EXPR_DYNSET_FLAGS, 0);
	}
	add_built(rule, expr);
	say(rule, "add @hairpin { iifname . oifname }");
}

static bool has_address(uint8_t tier)
{
	return tier == PFW_TIER_ADDRESS_INTERFACE || tier == PFW_TIER_ADDRESS;
}

static bool has_interface(uint8_t tier)
{
	return tier == PFW_TIER_ADDRESS_INTERFACE || tier == PFW_TIER_INTERFACE;
}

/* What of the key follows the address and the port: the same in the packet and the connection. */
static uint32_t load_protocol(struct nft_rule *rule, uint32_t at)
{
	add_meta(rule, NFT_META_L4PROTO, register_at(at));
	return at + nft_fields[NFT_FIELD_INET_PROTO].size;
}

/* ip daddr . meta l4proto . th dport . iifname */
static void load_key(struct nft_rule *rule, uint8_t family, uint8_t tier)
{
	uint32_t len = (uint32_t)pfw_addr_size(family), at = 0;

	if (has_address(tier)) {
		add_payload(rule, NFT_PAYLOAD_NETWORK_HEADER, daddr_offset(family), len,
			    register_at(at));
		at += len;
		pfw_buffer_puts(&rule->text, family == AF_INET6 ? "ip6 daddr . " : "ip daddr . ");
	}
	at = load_protocol(rule, at);
	add_payload(rule, NFT_PAYLOAD_TRANSPORT_HEADER, 2, 2, register_at(at));
	at += nft_fields[NFT_FIELD_INET_SERVICE].size;
	pfw_buffer_puts(&rule->text, "meta l4proto . th dport");
	if (has_interface(tier)) {
		add_meta(rule, NFT_META_IIFNAME, register_at(at));
		pfw_buffer_puts(&rule->text, " . iifname");
	}
}

void nft_match_key(struct nft_rule *rule, uint8_t family, uint8_t tier, const char *set)
{
	pfw_buffer_puts(&rule->text, rule->text.len ? " " : "");
	load_key(rule, family, tier);
	add_lookup(rule, set, false, 0);
	pfw_buffer_printf(&rule->text, " @%s", set);
}

static void load_ct_original(struct nft_rule *rule, uint32_t key, uint32_t reg)
{
	struct nftnl_expr *expr = nftnl_expr_alloc("ct");

	if (expr) {
		nftnl_expr_set_u32(expr, NFTNL_EXPR_CT_DREG, reg);
		nftnl_expr_set_u32(expr, NFTNL_EXPR_CT_KEY, key);
		nftnl_expr_set_u8(expr, NFTNL_EXPR_CT_DIR, IP_CT_DIR_ORIGINAL);
	}
	add_built(rule, expr);
}

/* ct original ip daddr . meta l4proto . ct original proto-dst . iifname */
static void load_original_key(struct nft_rule *rule, uint8_t family, uint8_t tier)
{
	uint32_t at = 0;

	if (has_address(tier)) {
		load_ct_original(rule, family == AF_INET6 ? NFT_CT_DST_IP6 : NFT_CT_DST_IP,
				 register_at(at));
		at += (uint32_t)pfw_addr_size(family);
		pfw_buffer_puts(&rule->text, family == AF_INET6 ? "ct original ip6 daddr . " :
								  "ct original ip daddr . ");
	}
	at = load_protocol(rule, at);
	load_ct_original(rule, NFT_CT_PROTO_DST, register_at(at));
	at += nft_fields[NFT_FIELD_INET_SERVICE].size;
	pfw_buffer_puts(&rule->text, "meta l4proto . ct original proto-dst");
	if (has_interface(tier)) {
		add_meta(rule, NFT_META_IIFNAME, register_at(at));
		pfw_buffer_puts(&rule->text, " . iifname");
	}
}

/* The kernel dumps ranges with both ends and the flags that follow from them. */
void nft_add_dnat(struct nft_rule *rule, uint8_t family, uint8_t tier, const char *map)
{
	uint32_t port = register_at((uint32_t)pfw_addr_size(family));

	say(rule, family == AF_INET6 ? "dnat ip6 to " : "dnat ip to ");
	load_key(rule, family, tier);
	pfw_buffer_printf(&rule->text, " map @%s", map);
	add_lookup(rule, map, true, NFT_REG_1);
	add_expr(rule, "nat",
		 NUMBERS({ NFTNL_EXPR_NAT_TYPE, NFT_NAT_DNAT }, { NFTNL_EXPR_NAT_FAMILY, family },
			 { NFTNL_EXPR_NAT_REG_ADDR_MIN, NFT_REG_1 },
			 { NFTNL_EXPR_NAT_REG_ADDR_MAX, NFT_REG_1 },
			 { NFTNL_EXPR_NAT_REG_PROTO_MIN, port },
			 { NFTNL_EXPR_NAT_REG_PROTO_MAX, port },
			 { NFTNL_EXPR_NAT_FLAGS,
			   NF_NAT_RANGE_MAP_IPS | NF_NAT_RANGE_PROTO_SPECIFIED }));
}

void nft_add_dnat_port(struct nft_rule *rule, uint8_t family, uint8_t tier, const char *map)
{
	say(rule, "dnat to :");
	load_key(rule, family, tier);
	pfw_buffer_printf(&rule->text, " map @%s", map);
	add_lookup(rule, map, true, NFT_REG_1);
	add_expr(rule, "nat",
		 NUMBERS({ NFTNL_EXPR_NAT_TYPE, NFT_NAT_DNAT },
			 { NFTNL_EXPR_NAT_FAMILY, NFPROTO_INET },
			 { NFTNL_EXPR_NAT_REG_PROTO_MIN, NFT_REG_1 },
			 { NFTNL_EXPR_NAT_REG_PROTO_MAX, NFT_REG_1 },
			 { NFTNL_EXPR_NAT_FLAGS, NF_NAT_RANGE_PROTO_SPECIFIED }));
}

void nft_add_redirect(struct nft_rule *rule, uint8_t family, uint8_t tier, const char *map)
{
	say(rule, "redirect to :");
	load_key(rule, family, tier);
	pfw_buffer_printf(&rule->text, " map @%s", map);
	add_lookup(rule, map, true, NFT_REG_1);
	add_expr(rule, "redir",
		 NUMBERS({ NFTNL_EXPR_REDIR_REG_PROTO_MIN, NFT_REG_1 },
			 { NFTNL_EXPR_REDIR_REG_PROTO_MAX, NFT_REG_1 },
			 { NFTNL_EXPR_REDIR_FLAGS, NF_NAT_RANGE_PROTO_SPECIFIED }));
}

void nft_add_vmap_original(struct nft_rule *rule, uint8_t family, uint8_t tier, const char *map)
{
	pfw_buffer_puts(&rule->text, rule->text.len ? " " : "");
	load_original_key(rule, family, tier);
	pfw_buffer_printf(&rule->text, " vmap @%s", map);
	add_lookup(rule, map, true, NFT_REG_VERDICT);
}

void nft_add_masquerade(struct nft_rule *rule)
{
	add_built(rule, nftnl_expr_alloc("masq"));
	say(rule, "masquerade");
}

void nft_add_verdict(struct nft_rule *rule, uint32_t verdict)
{
	add_expr(rule, "immediate",
		 NUMBERS({ NFTNL_EXPR_IMM_DREG, NFT_REG_VERDICT },
			 { NFTNL_EXPR_IMM_VERDICT, verdict }));
	say(rule, verdict == NF_ACCEPT ? "accept" : "drop");
}

void nft_add_goto(struct nft_rule *rule, const char *chain)
{
	struct nftnl_expr *expr = nftnl_expr_alloc("immediate");

	if (expr) {
		nftnl_expr_set_u32(expr, NFTNL_EXPR_IMM_DREG, NFT_REG_VERDICT);
		nftnl_expr_set_u32(expr, NFTNL_EXPR_IMM_VERDICT, (uint32_t)NFT_GOTO);
		nftnl_expr_set_str(expr, NFTNL_EXPR_IMM_CHAIN, chain);
	}
	add_built(rule, expr);
	say(rule, "goto ");
	pfw_buffer_puts(&rule->text, chain);
}
