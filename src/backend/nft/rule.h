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
 * the kernel dumps them, so that rules compare as bytes. A lookup in an anonymous
 * set is a record of its own with all of the set in it, because the set has
 * another name in every dump.
 */
enum nft_record_kind { NFT_RECORD_EXPR, NFT_RECORD_ANONYMOUS };

struct nft_record {
	uint32_t kind;
	uint32_t len;
};

/*
 * An anonymous set and the lookup in it. Elements follow, in ascending order of their
 * bytes, whatever the order in which they were given: the key, flags
 * (NFT_SET_ELEM_..., host order), data (zero where an interval ends).
 */
struct nft_anonymous {
	uint32_t flags;		/* beside anonymous and constant, which all are */
	uint32_t key_type;
	uint32_t key_len;
	uint32_t data_type;	/* maps only, like dreg */
	uint32_t data_len;
	uint32_t sreg;
	uint32_t dreg;
	uint32_t lookup_flags;
	uint32_t n;
};
/* nft's number of an integer without further type, for key_type. */
#define NFT_TYPE_INTEGER 4
size_t nft_anonymous_size(const struct nft_anonymous *set);	/* of an element */

/* Zero-initialise; free with nft_rule_free(). */
struct nft_rule {
	struct pfw_buffer records;
	struct pfw_buffer text;
	bool failed;
};

/* Adds an expression as the kernel would dump it. */
void nft_rule_encode(struct nft_rule *rule, struct nftnl_expr *expr);
/* Sorts the elements, which may be in any order. */
void nft_rule_add_anonymous(struct nft_rule *rule, const struct nft_anonymous *set,
			    const void *elements);
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
void nft_match_protocol(struct nft_rule *rule, uint8_t protocol);	/* meta l4proto tcp */
void nft_match_to_machine(struct nft_rule *rule);	/* fib daddr type local */
void nft_match_from_elsewhere(struct nft_rule *rule);	/* fib saddr type != local */
void nft_match_from_machine(struct nft_rule *rule);	/* fib saddr type local */
void nft_match_off_loopback(struct nft_rule *rule, uint8_t family); /* ip daddr != 127.0.0.0/8 */
void nft_match_from_wire(struct nft_rule *rule);	/* iiftype != loopback */
void nft_match_loopback(struct nft_rule *rule, bool source);	/* ip saddr 127.0.0.0/8, or daddr */
void nft_match_before(struct nft_rule *rule, int64_t time);	/* meta time < 1798761600 */
void nft_match_since(struct nft_rule *rule, int64_t time);	/* meta time >= 1798761600 */
void nft_match_reply(struct nft_rule *rule);		/* ct state established,related */
/* iifname @in oifname @out */
void nft_match_links(struct nft_rule *rule, const char *in, const char *out);
void nft_match_dnat(struct nft_rule *rule);		/* ct status dnat */
void nft_match_straight(struct nft_rule *rule);	/* iifname . oifname @straight */
void nft_add_straight(struct nft_rule *rule);	/* iif != 0 add @straight { iifname . oifname } */
/* ip daddr @targets4: after the destination was rewritten */
void nft_match_targets(struct nft_rule *rule, uint8_t family, const char *set);
/* update @hairpin { oifname . oifname } iifname . oifname @hairpin: it goes out where it came in */
void nft_match_hairpin(struct nft_rule *rule);
/* ip saddr [!=] { 203.0.113.0/24, ... }: those of the family; -ENOENT if there is none. */
int nft_match_sources(struct nft_rule *rule, uint8_t family, const struct pfw_prefix *prefixes,
		      unsigned int n, bool not);

/*
 * Lookups that decide. The key is that of the tier, as the packet or its connection has it;
 * interval: the map holds intervals, for which nft writes the key a little otherwise.
 */
void nft_add_dnat(struct nft_rule *rule, uint8_t family, uint8_t tier, bool interval,
		  const char *map);
void nft_add_dnat_address(struct nft_rule *rule, uint8_t family, uint8_t tier, const char *map);
void nft_add_dnat_port(struct nft_rule *rule, uint8_t family, uint8_t tier, const char *map);
void nft_add_redirect(struct nft_rule *rule, uint8_t family, uint8_t tier, const char *map);
void nft_add_vmap(struct nft_rule *rule, uint8_t family, uint8_t tier, bool interval,
		  const char *map);
void nft_add_vmap_original(struct nft_rule *rule, uint8_t family, uint8_t tier, bool interval,
			   const char *map);

/* A client keeps its target as long as this stays. */
#define NFT_HASH_SEED 0x706f7274

/* Statements. */
void nft_add_masquerade(struct nft_rule *rule);
void nft_add_verdict(struct nft_rule *rule, int32_t code, const char *chain); /* chain: or NULL */
void nft_add_limit(struct nft_rule *rule, const struct pfw_limit *limit, bool over);
/*
 * add @SET { ip saddr . NUMBER ct count N }: true while a client has at most N open connections
 * that were counted with this number.
 */
void nft_add_count(struct nft_rule *rule, uint8_t family, const char *set,
		   const uint32_t number[2], uint32_t most);
void nft_add_counter(struct nft_rule *rule);
void nft_add_log(struct nft_rule *rule, const char *prefix);
/* dnat to one address, and to one port unless it is 0. */
void nft_add_dnat_to(struct nft_rule *rule, const struct pfw_addr *address, uint16_t port);
/* dnat to :PORT or redirect to :PORT. */
void nft_add_dnat_to_port(struct nft_rule *rule, uint16_t port);
void nft_add_redirect_to(struct nft_rule *rule, uint16_t port);
void nft_add_redirect_kept(struct nft_rule *rule);	/* redirect, to the same port */
void nft_add_snat_to(struct nft_rule *rule, const struct pfw_addr *address);
/* numgen random mod 4 < 3: so many of so many connections. */
void nft_match_share(struct nft_rule *rule, uint8_t family, enum pfw_balance balance,
		     uint32_t modulus, uint32_t below);
/* dnat to one of several targets, of one family, by their weights. */
void nft_add_balance(struct nft_rule *rule, uint8_t family, enum pfw_balance balance,
		     const struct pfw_target *const *targets, unsigned int n);
/* dnat to th dport map { 8000 : a . 80, ... }; self: dnat or redirect to :th dport map { 8000 : 80, ... } */
void nft_add_shift(struct nft_rule *rule, uint8_t family, const struct pfw_target *target,
		   struct pfw_ports from, bool redirect);

#endif
