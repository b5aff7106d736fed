/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What rules match, and the lookups that rewrite. */
#include <arpa/inet.h>
#include <endian.h>
#include <inttypes.h>
#include <libnftnl/common.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_nat.h>
#include <linux/netfilter/nf_tables.h>
#include <stdio.h>
#include <libnftnl/expr.h>
#include <net/if_arp.h>
#include <string.h>

#include "expr.h"

void nft_match_family(struct nft_rule *rule, uint8_t family)
{
	uint8_t nfproto = family == AF_INET6 ? NFPROTO_IPV6 : NFPROTO_IPV4;

	nft_expr_meta(rule, NFT_META_NFPROTO, NFT_REG_1);
	nft_expr_cmp(rule, NFT_CMP_EQ, &nfproto, sizeof(nfproto));
	nft_say(rule, family == AF_INET6 ? "meta nfproto ipv6" : "meta nfproto ipv4");
}

void nft_match_transport(struct nft_rule *rule)
{
	/* A key of one byte, flags, no data. */
	static const struct {
		uint8_t protocol;
		uint8_t flags[4];
	} elements[] = { { IPPROTO_TCP, { 0 } }, { IPPROTO_UDP, { 0 } }, { IPPROTO_SCTP, { 0 } } };
	const enum nft_field key[] = { NFT_FIELD_INET_PROTO };
	const struct nft_anonymous set = {
		.key_type = nft_fields_type(key, 1),
		.key_len = nft_fields_size(key, 1),
		.sreg = NFT_REG_1,
		.n = 3,
	};

	nft_expr_meta(rule, NFT_META_L4PROTO, NFT_REG_1);
	nft_rule_add_anonymous(rule, &set, elements);
	nft_say(rule, "meta l4proto { tcp, udp, sctp }");
}

void nft_match_protocol(struct nft_rule *rule, uint8_t protocol)
{
	nft_expr_meta(rule, NFT_META_L4PROTO, NFT_REG_1);
	nft_expr_cmp(rule, NFT_CMP_EQ, &protocol, sizeof(protocol));
	nft_say(rule, "meta l4proto ");
	pfw_buffer_puts(&rule->text, pfw_protocol_text(protocol));
}

/* As in linux/rtnetlink.h, which does not go together with every libc header. */
#define ADDRESS_TYPE_LOCAL 2

static void match_address_type(struct nft_rule *rule, uint32_t flags, uint32_t op)
{
	const uint32_t local = ADDRESS_TYPE_LOCAL;

	nft_expr_fib(rule, flags, NFT_FIB_RESULT_ADDRTYPE, NFT_REG_1);
	nft_expr_cmp(rule, op, &local, sizeof(local));
}

void nft_match_to_machine(struct nft_rule *rule)
{
	match_address_type(rule, NFTA_FIB_F_DADDR, NFT_CMP_EQ);
	nft_say(rule, "fib daddr type local");
}

void nft_match_from_elsewhere(struct nft_rule *rule)
{
	match_address_type(rule, NFTA_FIB_F_SADDR, NFT_CMP_NEQ);
	nft_say(rule, "fib saddr type != local");
}

/* Where the destination stands in the network header. */
static uint32_t daddr_offset(uint8_t family)
{
	return family == AF_INET6 ? 24 : 16;
}

void nft_match_from_machine(struct nft_rule *rule)
{
	match_address_type(rule, NFTA_FIB_F_SADDR, NFT_CMP_EQ);
	nft_say(rule, "fib saddr type local");
}

void nft_match_off_loopback(struct nft_rule *rule, uint8_t family)
{
	static const uint8_t net4[] = { 127 };
	static const uint8_t host6[16] = { [15] = 1 };
	const void *address = family == AF_INET6 ? host6 : net4;
	uint32_t len = family == AF_INET6 ? sizeof(host6) : sizeof(net4);

	nft_expr_payload(rule, NFT_PAYLOAD_NETWORK_HEADER, daddr_offset(family), len, NFT_REG_1);
	nft_expr_cmp(rule, NFT_CMP_NEQ, address, len);
	nft_say(rule, family == AF_INET6 ? "ip6 daddr != ::1" : "ip daddr != 127.0.0.0/8");
}

/* The kind of the interface, because its name may be another one than "lo". */
void nft_match_from_wire(struct nft_rule *rule)
{
	const uint16_t loopback = ARPHRD_LOOPBACK;

	nft_expr_meta(rule, NFT_META_IIFTYPE, NFT_REG_1);
	nft_expr_cmp(rule, NFT_CMP_NEQ, &loopback, sizeof(loopback));
	nft_say(rule, "iiftype != loopback");
}

void nft_match_loopback(struct nft_rule *rule, bool source)
{
	static const uint8_t net[] = { 127 };

	nft_expr_payload(rule, NFT_PAYLOAD_NETWORK_HEADER, source ? 12 : daddr_offset(AF_INET),
			 sizeof(net), NFT_REG_1);
	nft_expr_cmp(rule, NFT_CMP_EQ, net, sizeof(net));
	nft_say(rule, source ? "ip saddr 127.0.0.0/8" : "ip daddr 127.0.0.0/8");
}

static void compare_time(struct nft_rule *rule, uint32_t operation, const char *sign, int64_t time)
{
	const int64_t most = INT64_MAX / 1000000000;	/* in the year 2262 */
	const uint64_t be_ns = htobe64((uint64_t)(time < most ? time : most) * 1000000000u);

	nft_expr_meta(rule, NFT_META_TIME_NS, NFT_REG_1);
	nft_expr_numbers(rule, "byteorder",
			 NFT_NUMBERS({ NFTNL_EXPR_BYTEORDER_SREG, NFT_REG_1 },
				     { NFTNL_EXPR_BYTEORDER_DREG, NFT_REG_1 },
				     { NFTNL_EXPR_BYTEORDER_OP, NFT_BYTEORDER_HTON },
				     { NFTNL_EXPR_BYTEORDER_LEN, 8 },
				     { NFTNL_EXPR_BYTEORDER_SIZE, 8 }));
	nft_expr_cmp(rule, operation, &be_ns, sizeof(be_ns));
	pfw_buffer_printf(&rule->text, "%smeta time %s %" PRId64, rule->text.len ? " " : "", sign,
			  time < most ? time : most);
}

void nft_match_before(struct nft_rule *rule, int64_t time)
{
	compare_time(rule, NFT_CMP_LT, "<", time);
}

void nft_match_since(struct nft_rule *rule, int64_t time)
{
	compare_time(rule, NFT_CMP_GTE, ">=", time);
}

void nft_match_reply(struct nft_rule *rule)
{
	nft_expr_ct_bit(rule, NFT_CT_STATE,
			NF_CT_STATE_BIT(IP_CT_ESTABLISHED) | NF_CT_STATE_BIT(IP_CT_RELATED));
	nft_say(rule, "ct state established,related");
}

void nft_match_dnat(struct nft_rule *rule)
{
	nft_expr_ct_bit(rule, NFT_CT_STATUS, IPS_DST_NAT);
	nft_say(rule, "ct status dnat");
}

void nft_match_targets(struct nft_rule *rule, uint8_t family, const char *set)
{
	nft_expr_payload(rule, NFT_PAYLOAD_NETWORK_HEADER, daddr_offset(family),
			 (uint32_t)pfw_addr_size(family), NFT_REG_1);
	nft_expr_lookup(rule, set, false, 0);
	pfw_buffer_printf(&rule->text, "%s%s daddr @%s", rule->text.len ? " " : "",
			  family == AF_INET6 ? "ip6" : "ip", set);
}

void nft_match_links(struct nft_rule *rule, const char *in, const char *out)
{
	nft_expr_meta(rule, NFT_META_IIFNAME, NFT_REG_1);
	nft_expr_lookup(rule, in, false, 0);
	nft_expr_meta(rule, NFT_META_OIFNAME, NFT_REG_1);
	nft_expr_lookup(rule, out, false, 0);
	pfw_buffer_printf(&rule->text, "%siifname @%s oifname @%s", rule->text.len ? " " : "", in,
			  out);
}

/* Puts a pair of interface names into a set, or looks it up there. */
static void pair_links(struct nft_rule *rule, uint32_t first, uint32_t second)
{
	nft_expr_meta(rule, first, nft_register(0));
	nft_expr_meta(rule, second, nft_register(PFW_IFNAME_SIZE));
}

static void put_pair(struct nft_rule *rule, uint32_t operation, const char *set)
{
	struct nftnl_expr *expr = nftnl_expr_alloc("dynset");

	if (expr) {
		nftnl_expr_set_str(expr, NFTNL_EXPR_DYNSET_SET_NAME, set);
		nftnl_expr_set_u32(expr, NFTNL_EXPR_DYNSET_OP, operation);
		nftnl_expr_set_u32(expr, NFTNL_EXPR_DYNSET_SREG_KEY, NFT_REG_1);
		nftnl_expr_set_u32(expr, NFTNL_EXPR_DYNSET_FLAGS, 0);
	}
	nft_expr_add(rule, expr);
}

void nft_match_straight(struct nft_rule *rule)
{
	pair_links(rule, NFT_META_IIFNAME, NFT_META_OIFNAME);
	nft_expr_lookup(rule, "straight", false, 0);
	nft_say(rule, "iifname . oifname @straight");
}

/*
 * nft compares what it reads with constants only, and with what stands in a set: so the
 * interface that it goes out by is put there twice, to find it came in by the same.
 */
void nft_match_hairpin(struct nft_rule *rule)
{
	pair_links(rule, NFT_META_OIFNAME, NFT_META_OIFNAME);
	put_pair(rule, NFT_DYNSET_OP_UPDATE, "hairpin");
	pair_links(rule, NFT_META_IIFNAME, NFT_META_OIFNAME);
	nft_expr_lookup(rule, "hairpin", false, 0);
	nft_say(rule, "update @hairpin { oifname . oifname } iifname . oifname @hairpin");
}

/*
 * What the machine itself opens came in by none, and nft reads no empty name. A pair that could
 * not be asked for in the other set is not put into this one.
 */
void nft_add_straight(struct nft_rule *rule)
{
	const uint32_t none = 0;

	nft_expr_meta(rule, NFT_META_IIF, NFT_REG_1);
	nft_expr_cmp(rule, NFT_CMP_NEQ, &none, sizeof(none));
	pair_links(rule, NFT_META_OIFNAME, NFT_META_OIFNAME);
	put_pair(rule, NFT_DYNSET_OP_UPDATE, "hairpin");
	pair_links(rule, NFT_META_IIFNAME, NFT_META_OIFNAME);
	nft_expr_lookup_not(rule, "hairpin");
	pair_links(rule, NFT_META_IIFNAME, NFT_META_OIFNAME);
	put_pair(rule, NFT_DYNSET_OP_ADD, "straight");
	nft_say(rule, "iif != 0 update @hairpin { oifname . oifname } iifname . oifname != @hairpin "
		"add @straight { iifname . oifname }");
}

/*
 * The protocol's part of a key. For a map of intervals nft turns it into network
 * order, which for one byte does nothing, and does the same with what it reads back.
 */
static uint32_t load_protocol(struct nft_rule *rule, uint32_t at, bool interval)
{
	uint32_t reg = nft_register(at);

	nft_expr_meta(rule, NFT_META_L4PROTO, reg);
	if (interval)
		nft_expr_numbers(rule, "byteorder",
				 NFT_NUMBERS({ NFTNL_EXPR_BYTEORDER_SREG, reg },
					     { NFTNL_EXPR_BYTEORDER_DREG, reg },
					     { NFTNL_EXPR_BYTEORDER_OP, NFT_BYTEORDER_HTON },
					     { NFTNL_EXPR_BYTEORDER_LEN, 1 },
					     { NFTNL_EXPR_BYTEORDER_SIZE, 2 }));
	return at + nft_fields[NFT_FIELD_INET_PROTO].size;
}

/* ip daddr . meta l4proto . th dport . iifname */
static void load_key(struct nft_rule *rule, uint8_t family, uint8_t tier, bool interval)
{
	uint32_t len = (uint32_t)pfw_addr_size(family), at = 0;

	if (nft_tier_has_address(tier)) {
		nft_expr_payload(rule, NFT_PAYLOAD_NETWORK_HEADER, daddr_offset(family), len,
			    nft_register(at));
		at += len;
		pfw_buffer_puts(&rule->text, family == AF_INET6 ? "ip6 daddr . " : "ip daddr . ");
	}
	at = load_protocol(rule, at, interval);
	nft_expr_payload(rule, NFT_PAYLOAD_TRANSPORT_HEADER, 2, 2, nft_register(at));
	at += nft_fields[NFT_FIELD_INET_SERVICE].size;
	pfw_buffer_puts(&rule->text, "meta l4proto . th dport");
	if (nft_tier_has_interface(tier)) {
		nft_expr_meta(rule, NFT_META_IIFNAME, nft_register(at));
		pfw_buffer_puts(&rule->text, " . iifname");
	}
}

static void load_ct_original(struct nft_rule *rule, uint32_t key, uint32_t reg)
{
	struct nftnl_expr *expr = nftnl_expr_alloc("ct");

	if (expr) {
		nftnl_expr_set_u32(expr, NFTNL_EXPR_CT_DREG, reg);
		nftnl_expr_set_u32(expr, NFTNL_EXPR_CT_KEY, key);
		nftnl_expr_set_u8(expr, NFTNL_EXPR_CT_DIR, IP_CT_DIR_ORIGINAL);
	}
	nft_expr_add(rule, expr);
}

/* ct original ip daddr . meta l4proto . ct original proto-dst . ip daddr . th dport . iifname */
static void load_original_key(struct nft_rule *rule, uint8_t family, uint8_t tier,
			      bool interval)
{
	uint32_t len = (uint32_t)pfw_addr_size(family), at = 0;

	if (nft_tier_has_address(tier)) {
		load_ct_original(rule, family == AF_INET6 ? NFT_CT_DST_IP6 : NFT_CT_DST_IP,
				 nft_register(at));
		at += len;
		pfw_buffer_puts(&rule->text, family == AF_INET6 ? "ct original ip6 daddr . " :
								  "ct original ip daddr . ");
	}
	at = load_protocol(rule, at, interval);
	load_ct_original(rule, NFT_CT_PROTO_DST, nft_register(at));
	at += nft_fields[NFT_FIELD_INET_SERVICE].size;
	pfw_buffer_puts(&rule->text, "meta l4proto . ct original proto-dst . ");
	nft_expr_payload(rule, NFT_PAYLOAD_NETWORK_HEADER, daddr_offset(family), len,
			 nft_register(at));
	at += len;
	pfw_buffer_puts(&rule->text, family == AF_INET6 ? "ip6 daddr" : "ip daddr");
	if (nft_tier_has_new_port(tier)) {
		nft_expr_payload(rule, NFT_PAYLOAD_TRANSPORT_HEADER, 2, 2, nft_register(at));
		at += nft_fields[NFT_FIELD_INET_SERVICE].size;
		pfw_buffer_puts(&rule->text, " . th dport");
	}
	if (nft_tier_has_interface(tier)) {
		nft_expr_meta(rule, NFT_META_IIFNAME, nft_register(at));
		pfw_buffer_puts(&rule->text, " . iifname");
	}
}

static void add_map(struct nft_rule *rule, const char *word, const char *map, uint32_t dreg)
{
	pfw_buffer_printf(&rule->text, " %s @%s", word, map);
	nft_expr_lookup(rule, map, true, dreg);
}

void nft_add_dnat(struct nft_rule *rule, uint8_t family, uint8_t tier, bool interval,
		  const char *map)
{
	nft_say(rule, nft_dnat_words(family));
	load_key(rule, family, tier, interval);
	add_map(rule, "map", map, NFT_REG_1);
	nft_expr_nat(rule, NFT_NAT_DNAT, family, NFT_REG_1,
		nft_register((uint32_t)pfw_addr_size(family)));
}

void nft_add_dnat_address(struct nft_rule *rule, uint8_t family, uint8_t tier, const char *map)
{
	nft_say(rule, nft_dnat_words(family));
	load_key(rule, family, tier, true);
	add_map(rule, "map", map, NFT_REG_1);
	nft_expr_nat(rule, NFT_NAT_DNAT, family, NFT_REG_1, 0);
}

void nft_add_dnat_port(struct nft_rule *rule, uint8_t family, uint8_t tier, const char *map)
{
	nft_say(rule, "dnat to :");
	load_key(rule, family, tier, false);
	add_map(rule, "map", map, NFT_REG_1);
	nft_expr_nat(rule, NFT_NAT_DNAT, NFPROTO_INET, 0, NFT_REG_1);
}

void nft_add_redirect(struct nft_rule *rule, uint8_t family, uint8_t tier, const char *map)
{
	nft_say(rule, "redirect to :");
	load_key(rule, family, tier, false);
	add_map(rule, "map", map, NFT_REG_1);
	nft_expr_redir(rule);
}

void nft_add_vmap(struct nft_rule *rule, uint8_t family, uint8_t tier, bool interval,
		  const char *map)
{
	pfw_buffer_puts(&rule->text, rule->text.len ? " " : "");
	load_key(rule, family, tier, interval);
	add_map(rule, "vmap", map, NFT_REG_VERDICT);
}

void nft_add_vmap_original(struct nft_rule *rule, uint8_t family, uint8_t tier, bool interval,
			   const char *map)
{
	pfw_buffer_puts(&rule->text, rule->text.len ? " " : "");
	load_original_key(rule, family, tier, interval);
	add_map(rule, "vmap", map, NFT_REG_VERDICT);
}
