/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A plan: what a ruleset needs of a kernel, before any backend turns it into
 * its own objects. It consists of slots (a key and the forwards that claim it)
 * and the frame around them (counts that decide which maps, chains and sysctls
 * are there at all). Pure: a ruleset and facts in, a plan out.
 */
#ifndef PORTFWD_PLAN_PLAN_H
#define PORTFWD_PLAN_PLAN_H

#include "portfwd/model/facts.h"
#include "portfwd/model/key.h"

/* What happens to the source address of a connection. */
enum pfw_source {
	PFW_SOURCE_AUTO,	/* masquerade what leaves by the interface it came in by */
	PFW_SOURCE_MASQUERADE,
	PFW_SOURCE_KEEP,
	PFW_SOURCE_ADDRESS,	/* rewrite to the forward's own snat_address */
};

/* What a slot needs: the plain rewrites, or more than a rewrite. */
enum pfw_shape {
	PFW_SHAPE_TARGET,	/* a port, to an address and port */
	PFW_SHAPE_SELF,		/* a port, to a port of the machine itself */
	PFW_SHAPE_COMPLEX,	/* a port, and sources, limits, several targets ... */
	PFW_SHAPE_SHIFT,	/* a range, to a range of the same length at an address */
	PFW_SHAPE_KEEP,		/* a range, to an address, ports kept */
	PFW_SHAPE_MANY,		/* a range, to one port of an address */
	PFW_SHAPE_WIDE_COMPLEX,	/* a range, and more than a rewrite */
};
#define PFW_SHAPES (PFW_SHAPE_WIDE_COMPLEX + 1)

/* A further forward that claims a slot's key, for other sources. */
struct pfw_claim {
	uint32_t forward;
	uint32_t next;
};

/*
 * A key that is claimed. Nearly always by one forward; several have disjoint
 * sources, or narrower ones. Free slots have forward == PFW_INDEX_NONE.
 * remote: connections that the machine itself opens are not taken, by any claim.
 */
struct pfw_slot {
	struct pfw_key key;
	uint32_t forward;	/* id in the ruleset of the first claim */
	uint32_t more;		/* further claims, or PFW_INDEX_NONE */
	uint32_t next;		/* slot of the same group, or PFW_INDEX_NONE */
	uint32_t group;
	uint8_t shape;		/* enum pfw_shape */
	bool outspoken;		/* a claim's source is not PFW_SOURCE_AUTO */
	bool remote;
	bool routed;		/* a claim goes to another host */
	bool unchanged;		/* of some connections a claim changes neither address nor port */
};

/*
 * All slots of one family, protocol and port or range. What a connection gets in
 * postrouting is looked up by precedence once more; where any slot of a group has
 * its own word on the source address, the more specific ones must speak too.
 */
struct pfw_group {
	uint8_t family;
	uint8_t protocol;
	struct pfw_ports port;
	uint32_t first;		/* slot, or PFW_INDEX_NONE */
	uint32_t n_outspoken;	/* outspoken slots */
};

/* What decides which maps are in use: index by family (0: IPv4), tier, remote. */
struct pfw_frame {
	uint32_t n_shape[PFW_SHAPES][2][PFW_TIERS][2];
	uint32_t n_source[2][2][PFW_TIERS][2];	/* speaking slots; first index 1: of ranges */
	uint32_t n_routed[2];	/* claims that go to another host */
	uint32_t n_auto;	/* of these, with PFW_SOURCE_AUTO */
	uint32_t n_masquerade;
	uint32_t n_connections[2];	/* claims whose forwards count open connections, by targets */
	uint32_t n_goals[2];
	uint32_t n_localnet;	/* claims that bring connections from outside to 127.0.0.0/8 */
	uint32_t n_unchanged[2][PFW_TIERS];	/* unchanged slots */
};

/*
 * An address that forwards with PFW_SOURCE_AUTO send connections to. What goes back
 * where it came from is theirs only if it goes there.
 */
struct pfw_goal {
	struct pfw_addr address;
	uint32_t n;		/* targets that have it */
};

/* For one family and protocol, how many outspoken ranges cover each port. */
struct pfw_cover {
	uint32_t *ports;	/* 65536 of them, or NULL: none ever did */
	uint32_t n_outspoken;	/* outspoken slots of ranges */
};

struct pfw_plan {
	const struct pfw_ruleset *ruleset;
	struct pfw_facts facts;
	struct pfw_slot *slots;
	uint32_t n_slots;	/* places, free ones too */
	uint32_t n_room;
	uint32_t free_slot;	/* first of the free ones, linked by next */
	struct pfw_claim *claims;
	uint32_t n_claims;
	uint32_t n_claims_room;
	uint32_t free_claim;
	uint32_t n_more;	/* claims in use */
	struct pfw_group *groups;
	uint32_t n_groups;
	uint32_t n_groups_room;
	struct pfw_goal *goals;
	uint32_t n_goals;
	uint32_t n_goals_room;
	struct pfw_index keys;
	struct pfw_index group_keys;
	struct pfw_index goal_keys;
	void *ranges;		/* tree of the slots of ranges, by key; see range.c */
	struct pfw_cover cover[2][PFW_PROTOCOLS];
	struct pfw_frame frame;
	uint64_t digest;	/* of all that the plan says, whatever the order */
};

/*
 * Plans the whole ruleset, which must outlive the plan. Forwards that claim
 * one key for overlapping sources are PFW_CONFLICT: up to ten are named, at the
 * places where they are written: file gives the name of a file by its number, ctx
 * is its own; file is NULL where no forward is from a file.
 */
typedef const char *pfw_file_name(const void *ctx, uint32_t file);
int pfw_plan_make(const struct pfw_ruleset *ruleset, const struct pfw_facts *facts,
		  pfw_file_name *file, const void *ctx, struct pfw_plan *ret,
		  struct pfw_error *err);
void pfw_plan_free(struct pfw_plan *plan);

/* Claims the keys of a forward that was put into the ruleset; a conflict leaves the plan as it was. */
int pfw_plan_put(struct pfw_plan *plan, uint32_t forward, struct pfw_error *err);
/* Gives the keys of a forward back; call it before the ruleset drops or replaces it. */
void pfw_plan_drop(struct pfw_plan *plan, uint32_t forward);

/* Whether the forward takes connections at all: enabled, and not expired. */
bool pfw_plan_active(const struct pfw_plan *plan, const struct pfw_forward *forward);

/*
 * What a change concerns: keys, the forwards whose own objects (chains and sets of
 * their name) may change with it, and goals that may come or go. Zero-initialise, pfw_touched_free().
 */
struct pfw_touched {
	struct pfw_key *keys;
	size_t n_keys;
	size_t n_keys_room;
	const char **names;	/* borrowed from the ruleset's arena */
	size_t n_names;
	size_t n_names_room;
	struct pfw_addr *goals;
	size_t n_goals;
	size_t n_goals_room;
};
void pfw_touched_free(struct pfw_touched *touched);

/*
 * Adds what putting or dropping these forwards concerns, in the plan as it is
 * now. Nothing stands twice.
 */
int pfw_plan_touch(const struct pfw_plan *plan, const struct pfw_forward *const *forwards,
		   size_t n, struct pfw_touched *touched, struct pfw_error *err);

/* Adds only what is theirs: what others have does not change with it. */
int pfw_plan_own(const struct pfw_plan *plan, const struct pfw_forward *const *forwards, size_t n,
		 struct pfw_touched *touched, struct pfw_error *err);

/* Whether any forward counts this address among its goals. */
bool pfw_plan_has_goal(const struct pfw_plan *plan, const struct pfw_addr *address);

/* The slot with this key, or NULL. */
const struct pfw_slot *pfw_plan_slot(const struct pfw_plan *plan, const struct pfw_key *key);
/* The group that a key belongs to, or NULL. */
const struct pfw_group *pfw_plan_group(const struct pfw_plan *plan, const struct pfw_key *key);
/* Whether the slot needs a word of its own on the source address. */
bool pfw_slot_speaks(const struct pfw_plan *plan, const struct pfw_slot *slot);
/*
 * The forwards that claim a slot, who is asked first first: narrower sources before
 * wider ones, else by name. *ret is to be freed; the number of them, or -ENOMEM.
 */
int pfw_slot_claims(const struct pfw_plan *plan, const struct pfw_slot *slot,
		    const struct pfw_forward ***ret);

static inline bool pfw_key_is_range(const struct pfw_key *key)
{
	return key->port.lo != key->port.hi;
}

/* What happens to the source address of this forward's connections of a family. */
enum pfw_source pfw_plan_source(const struct pfw_plan *plan, const struct pfw_forward *forward);
/* Whether connections that the machine opens itself are not taken. */
bool pfw_plan_remote(const struct pfw_plan *plan, const struct pfw_forward *forward);
/*
 * What a forward needs beside its elements: in this plan, a chain that decides who is
 * admitted and where to, and one that says what happens to the source address.
 */
bool pfw_plan_needs_to(const struct pfw_plan *plan, const struct pfw_forward *forward);
bool pfw_plan_needs_from(const struct pfw_plan *plan, const struct pfw_forward *forward);
/*
 * Where the guard stands, one that says whose connections pass it though the forward
 * changes neither their address nor their port.
 */
bool pfw_plan_needs_pass(const struct pfw_plan *plan, const struct pfw_forward *forward);
/* Whether that is so for connections with this key to this port of it. */
bool pfw_forward_unchanged(const struct pfw_forward *forward, const struct pfw_key *key,
			   uint16_t port);
/* Whether forwards of this family (AF_INET, AF_INET6) need the machine to route. */
bool pfw_plan_routes(const struct pfw_plan *plan, uint8_t family);
/*
 * Whether interfaces must let connections in to 127.0.0.0/8, so that nothing but the forwards may
 * come of it: for forwards, or for connections of removed ones that may finish.
 */
bool pfw_plan_localnet(const struct pfw_plan *plan);
/* Whether routing of this family is off and must be switched on. */
bool pfw_plan_switches_on(const struct pfw_plan *plan, uint8_t family);
/*
 * Whether portfwd answers for the routing of this family, having switched it on or
 * being about to, so that nothing but the forwards may come of it.
 */
bool pfw_plan_guards(const struct pfw_plan *plan, uint8_t family);

#endif
