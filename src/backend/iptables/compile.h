/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the parts share that turn a plan into chains and rules. */
#ifndef PORTFWD_BACKEND_IPTABLES_COMPILE_H
#define PORTFWD_BACKEND_IPTABLES_COMPILE_H

#include <string.h>
#include <sys/socket.h>

#include "iptables.h"

/* A list of prefixes that do not overlap. Zero-initialise, free the list. */
struct ipt_prefixes {
	struct pfw_prefix *list;
	size_t n;
	size_t n_room;
};

/* A RULE item as long as it can be changed: it stands so in the image's arena. */
struct ipt_cell {
	struct ipt_rule_key key;
	struct ipt_rule_value value;
};

/*
 * An image in the making: first the rules of forwards, most of them without a chain, then the
 * chains for them. Once it has failed, for want of memory, it is of no use.
 */
struct ipt_build {
	const struct pfw_plan *plan;
	struct pfw_image image;
	bool failed;
	const struct pfw_forward *refused;	/* admits more prefixes than there are rules for */
	struct ipt_cell **cells;	/* that have no chain yet */
	size_t n_cells;
	size_t n_cells_room;
	size_t n_rules[2][2];		/* of these, by family, and whether of the source */
	bool *needs_chain[2];		/* by family and forward: a rule leads to its own chain */
	bool needs_sink[2];
	bool sinks_own;			/* of IPv4, and what the machine itself opens too */
	/* Who is admitted, of the forward that was asked for last. */
	struct ipt_prefixes admitted;
	const struct pfw_forward *admitted_of;
	uint8_t admitted_family;
};

/* A chain that is being put together. */
struct ipt_chain {
	struct ipt_build *build;
	struct ipt_place place;
	const char *owner;		/* a forward, or NULL */
	struct pfw_buffer rules;
};
void ipt_chain_begin(struct ipt_chain *chain, struct ipt_build *build, uint8_t family,
		     enum ipt_table table, const char *name, const char *owner);
void ipt_chain_add(struct ipt_chain *chain, const struct ipt_rule *rule);
/* A rule without conditions, to another chain. Nothing if to is NULL. */
void ipt_chain_go(struct ipt_chain *chain, const char *to);
void ipt_chain_end(struct ipt_chain *chain);
/* From a built-in chain to one of ours. */
void ipt_add_jump(struct ipt_build *build, uint8_t family, enum ipt_table table, const char *from,
		  const char *to);

static inline void ipt_rule_lead(struct ipt_rule *rule, enum ipt_target how, const char *chain)
{
	size_t len = strlen(chain);

	rule->target = (uint8_t)how;
	memcpy(rule->chain, chain, len < sizeof(rule->chain) ? len : sizeof(rule->chain) - 1);
}

static inline void ipt_rule_own(struct ipt_rule *rule, const struct pfw_forward *forward)
{
	strncpy(rule->owner, forward->name, sizeof(rule->owner) - 1);
}

static inline unsigned int ipt_family_index(uint8_t family)
{
	return family == AF_INET6;
}

/* Fills in build->admitted. */
void ipt_find_admitted(struct ipt_build *build, const struct pfw_forward *forward, uint8_t family);

/* A claim of a slot, whose rules are made. */
struct ipt_claim {
	const struct pfw_slot *slot;
	const struct pfw_forward *forward;
	uint16_t *ranks;	/* of the slot: claims with rules so far; 1: of the source */
};

/* Adds a RULE item; without a chain it finds its own later, in a tree. */
struct ipt_numbered {
	const struct ipt_claim *claim;
	enum ipt_table table;
	bool source;
	uint32_t number;	/* of the next one */
	uint16_t rank;		/* of the claim, once it has a rule */
};
void ipt_add_rule(struct ipt_build *build, struct ipt_numbered *at, const struct ipt_rule *rule,
		  const char *chain);

static inline bool ipt_tier_has_address(uint8_t tier)
{
	return tier == PFW_TIER_ADDRESS_INTERFACE || tier == PFW_TIER_ADDRESS;
}

static inline bool ipt_tier_has_interface(uint8_t tier)
{
	return tier == PFW_TIER_ADDRESS_INTERFACE || tier == PFW_TIER_INTERFACE;
}

/* Conditions that several parts make. */
void ipt_match_destination(struct ipt_rule *rule, const uint8_t *address, uint8_t family);
void ipt_match_source(struct ipt_rule *rule, const struct pfw_prefix *prefix);
void ipt_match_in(struct ipt_rule *rule, const char *name);
void ipt_match_port(struct ipt_rule *rule, uint8_t protocol, struct pfw_ports port);
void ipt_match_until(struct ipt_rule *rule, int64_t expires);
void ipt_match_elsewhere(struct ipt_rule *rule, const struct pfw_plan *plan,
			 const struct ipt_claim *claim);

/* slot.c, source.c, guard.c: the rules of one claim. */
void ipt_add_dispatch(struct ipt_build *build, const struct ipt_claim *claim);
void ipt_add_source(struct ipt_build *build, const struct ipt_claim *claim);
void ipt_add_unchanged(struct ipt_build *build, const struct ipt_claim *claim);
/* Whether anybody of the family may use it: where all sources are of the other one, nobody may. */
bool ipt_admits(const struct pfw_forward *forward, uint8_t family);
/* forward.c: the chains of a forward that needs more than a rewrite. */
void ipt_add_forward(struct ipt_build *build, const struct pfw_forward *forward, uint8_t family);
/* tree.c: finds a chain for each rule that has none, and makes these chains. */
void ipt_add_trees(struct ipt_build *build);
/* The same for addresses whose connections are masqueraded; goals of the family. */
void ipt_add_masquerades(struct ipt_build *build, uint8_t family);
/* hairpin.c, sink.c, guard.c, shield.c: chains of the frame. */
bool ipt_has_hairpin(const struct pfw_plan *plan, uint8_t family);
void ipt_add_hairpin(struct ipt_build *build, uint8_t family);
void ipt_add_sink(struct ipt_build *build, uint8_t family);
void ipt_add_guard(struct ipt_build *build, uint8_t family);
void ipt_add_shield(struct ipt_build *build);

/*
 * prefix.c: who is admitted, of one family: the sources without those that are excluded, as
 * prefixes in the order of their addresses. Everyone is one prefix of length 0. More than max of
 * them: -E2BIG. -ENOMEM. *ret may hold some of them then.
 */
int ipt_admitted(const struct pfw_forward *forward, uint8_t family, size_t max,
		 struct ipt_prefixes *ret);
/* How many there may be where a rule stands for each. */
#define IPT_ADMITTED_MAX 1024

/* The sums of shares that a balance can have; by their greatest common divisor. */
#define IPT_ROUNDS_MAX 1024
uint32_t ipt_shares(const struct pfw_forward *forward, uint8_t family, uint32_t *ret_divisor);

#endif
