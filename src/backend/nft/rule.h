/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Building rules. Each step adds what the kernel gets and how nft spells it, so
 * the two cannot drift apart.
 */
#ifndef PORTFWD_BACKEND_NFT_RULE_H
#define PORTFWD_BACKEND_NFT_RULE_H

#include "layout.h"

struct nftnl_expr;

/*
 * A rule as records: expressions as netlink attributes, in the form in which
 * the kernel dumps them, so that rules compare as bytes. The set of transport
 * protocols is a record of its own, because the anonymous set behind it has another
 * name in every dump.
 */
enum nft_record_kind { NFT_RECORD_EXPR, NFT_RECORD_PROTOCOLS };

struct nft_record {
	uint32_t kind;
	uint32_t len;
};

/* Zero-initialise; free with nft_rule_free(). */
struct nft_rule {
	struct pfw_buffer records;
	struct pfw_buffer text;
	bool failed;
};

/* Adds an expression as the kernel would dump it. */
void nft_rule_encode(struct nft_rule *rule, struct nftnl_expr *expr);
/* protocols: a byte each, in ascending order. */
void nft_rule_add_protocols(struct nft_rule *rule, const void *protocols, size_t len);
void nft_rule_free(struct nft_rule *rule);

/*
 * Takes the next record of a rule: its head and where its data is. False at the
 * end; *at starts at 0. The bytes need no alignment.
 */
bool nft_record_next(const uint8_t *records, size_t len, size_t *at, struct nft_record *ret,
		     const uint8_t **ret_data);

/* Matches. */
void nft_match_family(struct nft_rule *rule, uint8_t family);	/* meta nfproto ipv4 */
void nft_match_transport(struct nft_rule *rule);	/* meta l4proto { tcp, udp, sctp } */
void nft_match_to_machine(struct nft_rule *rule);	/* fib daddr type local */
void nft_match_from_elsewhere(struct nft_rule *rule);	/* fib saddr type != local */
void nft_match_off_loopback(struct nft_rule *rule, uint8_t family); /* ip daddr != 127.0.0.0/8 */
void nft_match_new(struct nft_rule *rule);		/* ct state new */
void nft_match_reply(struct nft_rule *rule);		/* ct state established,related */
void nft_match_links(struct nft_rule *rule, const char *set);	/* iifname @set oifname @set */
/* ip daddr . meta l4proto . th dport @set */
void nft_match_key(struct nft_rule *rule, uint8_t family, uint8_t tier, const char *set);
void nft_match_dnat(struct nft_rule *rule);		/* ct status dnat */
void nft_match_way_back(struct nft_rule *rule);	/* fib daddr . mark . iif oif exists */
void nft_match_hairpin(struct nft_rule *rule);		/* iifname . oifname @hairpin */

/* Statements. Keys are those of the tier, as the packet or its connection has them. */
void nft_add_dnat(struct nft_rule *rule, uint8_t family, uint8_t tier, const char *map);
void nft_add_dnat_port(struct nft_rule *rule, uint8_t family, uint8_t tier, const char *map);
void nft_add_redirect(struct nft_rule *rule, uint8_t family, uint8_t tier, const char *map);
void nft_add_vmap_original(struct nft_rule *rule, uint8_t family, uint8_t tier, const char *map);
void nft_add_learn_hairpin(struct nft_rule *rule);	/* add @hairpin { iifname . oifname } */
void nft_add_masquerade(struct nft_rule *rule);
void nft_add_verdict(struct nft_rule *rule, uint32_t verdict);	/* accept, drop */
void nft_add_goto(struct nft_rule *rule, const char *chain);

#endif
