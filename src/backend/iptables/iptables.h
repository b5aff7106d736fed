/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the parts of the iptables backend share: its tables and chains, and items as they
 * are encoded in images.
 */
#ifndef PORTFWD_BACKEND_IPTABLES_IPTABLES_H
#define PORTFWD_BACKEND_IPTABLES_IPTABLES_H

#include "portfwd/backend/backend.h"
#include "rule.h"

/* In the order in which they are changed where something comes. */
enum ipt_table { IPT_TABLE_RAW, IPT_TABLE_FILTER, IPT_TABLE_NAT };
#define IPT_TABLES 3
extern const char *const ipt_table_names[IPT_TABLES];

/* All of our chains begin so. */
#define IPT_PREFIX "PORTFWD-"
#define IPT_CHAIN_DNAT IPT_PREFIX "DNAT"	/* nat, from PREROUTING and OUTPUT */
#define IPT_CHAIN_SNAT IPT_PREFIX "SNAT"	/* nat, from POSTROUTING */
#define IPT_CHAIN_HAIRPIN IPT_PREFIX "HAIRPIN"	/* nat: -i X -o X, each interface */
#define IPT_CHAIN_TARGETS IPT_PREFIX "TARGETS"	/* nat: where forwards send connections */
#define IPT_CHAIN_DROP IPT_PREFIX "DROP"	/* nat, and filter, from OUTPUT: beyond a limit */
#define IPT_CHAIN_GUARD IPT_PREFIX "GUARD"	/* filter, from FORWARD */
#define IPT_CHAIN_GUARDED IPT_PREFIX "GUARDED"	/* filter: -o Y, each interface */
#define IPT_CHAIN_SHIELD IPT_PREFIX "SHIELD"	/* raw, from PREROUTING */
/* Chains of one forward: PREFIX and its name, or what fits of that and a digest. */
#define IPT_PREFIX_TO IPT_PREFIX "to-"		/* who is admitted, and where to */
#define IPT_PREFIX_GO IPT_PREFIX "go-"		/* the same, for those who are admitted */
#define IPT_PREFIX_IN IPT_PREFIX "in-"		/* the same, within the limits */

/*
 * Kinds of item, in the order in which they come into being.
 *
 * CHAIN: key struct ipt_place, value its own rules (struct ipt_rule, none or more), which
 *   stand behind the RULE items of the chain. A chain of one forward has its owner.
 * RULE: one rule of a forward among those of others, in a chain that leads to or that
 *   judges connections by their key. Key struct ipt_rule_key, value struct ipt_rule_value.
 * JUMP: from a built-in chain to ours. Key struct ipt_place with the built-in chain, value
 *   struct ipt_rule. It is inserted at the head; where it stands later is no difference.
 */
enum ipt_kind { IPT_KIND_CHAIN, IPT_KIND_RULE, IPT_KIND_JUMP };

/*
 * Keys and values are zero-filled and compared as bytes. They stand one behind the other, so
 * what is behind a key is aligned only because its size is a multiple of 8.
 */
struct ipt_place {
	uint8_t family;			/* AF_INET, AF_INET6 */
	uint8_t table;			/* enum ipt_table */
	uint8_t zero[6];
	char chain[IPT_CHAIN_SIZE];
};
_Static_assert(sizeof(struct ipt_place) % 8 == 0, "aligned values");

struct ipt_rule_key {
	struct pfw_key key;		/* of the slot: has the family */
	uint8_t table;			/* NAT, or FILTER for what the guard lets pass */
	uint8_t source;			/* NAT: 0 rewrites the destination, 1 the source */
	uint16_t zero;
	char owner[PFW_NAME_MAX + 1];
	uint32_t number;		/* among those of one key and owner, from 0, in order */
};
_Static_assert(sizeof(struct ipt_rule_key) % 8 == 0, "aligned values");

struct ipt_rule_value {
	char chain[IPT_CHAIN_SIZE];
	uint16_t rank;			/* of the claim: how many owners of the key come first */
	uint16_t misplaced;		/* 1: read from the kernel, and out of this order */
	uint32_t zero;
	struct ipt_rule rule;
};

static inline const struct ipt_place *ipt_item_place(const struct pfw_item *item)
{
	return (const struct ipt_place *)pfw_item_key(item);
}

/* Of a RULE item. */
static inline const struct ipt_rule_key *ipt_item_key(const struct pfw_item *item)
{
	return (const struct ipt_rule_key *)pfw_item_key(item);
}

static inline const struct ipt_rule_value *ipt_item_value(const struct pfw_item *item)
{
	return (const struct ipt_rule_value *)pfw_item_value(item);
}

/* The rules of a CHAIN or JUMP item. */
static inline const struct ipt_rule *ipt_item_rules(const struct pfw_item *item, size_t *ret_n)
{
	*ret_n = item->value_len / sizeof(struct ipt_rule);
	return (const struct ipt_rule *)pfw_item_value(item);
}

/* The order of RULE items in their chain: precedence. As of qsort(). */
int ipt_rule_order(const struct ipt_rule_key *a, const struct ipt_rule_value *va,
		   const struct ipt_rule_key *b, const struct ipt_rule_value *vb);

/* "PORTFWD-to-web"; what is too long ends in '~' and a digest. */
void ipt_chain_name(const char *prefix, const char *forward, char ret[IPT_CHAIN_SIZE]);
/* Which of a forward's chains, in the order in which connections go through them; 0: none. */
unsigned int ipt_chain_stage(const char *name);
/* Whether it has the name of one of ours. */
bool ipt_chain_is_ours(const char *name);

int ipt_compile(const struct pfw_plan *plan, const struct pfw_touched *only, struct pfw_image *ret,
		struct pfw_error *err);
/*
 * Whether iptables can express a forward of this plan; adds an error for each key that it cannot,
 * at paths below the present place: "balance: ... the iptables backend ...".
 */
int ipt_refuse(const struct pfw_plan *plan, const struct pfw_forward *forward,
	       struct pfw_error *err);

/*
 * What iptables cannot express: the key of a forward, and in words what of it. Ends with a row
 * without key. The manual lists the same.
 */
struct ipt_limit {
	const char *key;	/* "limit.rate" */
	const char *says;
	bool (*exceeded)(const struct pfw_plan *plan, const struct pfw_forward *forward);
};
extern const struct ipt_limit ipt_limits[];

int ipt_read(struct pfw_backend_handle *handle, struct pfw_image *ret, struct pfw_error *err);
int ipt_apply(struct pfw_backend_handle *handle, const struct pfw_image *after,
	      const struct pfw_difference *difference, bool dry_run, struct pfw_error *err);
int ipt_flows(const struct pfw_image *image, bool (*wanted)(const void *ctx, const char *owner),
	      const void *ctx, struct pfw_clients *clients, struct pfw_flows *flows);

void ipt_print(const struct pfw_item *item, struct pfw_buffer *ret);
/* The image as a file for iptables-restore (AF_INET) or ip6tables-restore (AF_INET6). */
void ipt_text(const struct pfw_image *image, uint8_t family, struct pfw_buffer *ret);
bool ipt_is_guard(const struct pfw_item *item);
bool ipt_is_shield(const struct pfw_item *item);
bool ipt_is_broken(const struct pfw_step *step);
bool ipt_guard_holds(const char *name);
int ipt_guarded(struct pfw_backend_handle *handle, uint8_t family, struct pfw_links *ret,
		struct pfw_error *err);
int ipt_shielded(struct pfw_backend_handle *handle, bool *ret, struct pfw_error *err);

#endif
