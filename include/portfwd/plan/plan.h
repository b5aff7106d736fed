/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A plan: what a ruleset needs of a kernel, before any backend turns it into
 * its own objects. It consists of slots (a key and the forward that claims it)
 * and the frame around them (counts that decide which maps, chains and sysctls
 * are there at all). Pure: a ruleset and facts in, a plan out.
 */
#ifndef PORTFWD_PLAN_PLAN_H
#define PORTFWD_PLAN_PLAN_H

#include "portfwd/model/facts.h"
#include "portfwd/model/key.h"

/* What happens to the source address of a slot's connections. */
enum pfw_source {
	PFW_SOURCE_AUTO,	/* masquerade what leaves by the interface it came in by */
	PFW_SOURCE_MASQUERADE,
	PFW_SOURCE_KEEP,
};

/*
 * remote: connections that the machine itself opens are not taken.
 * Free slots have forward == PFW_INDEX_NONE.
 */
struct pfw_slot {
	struct pfw_key key;
	uint32_t forward;	/* id in the ruleset */
	uint32_t next;		/* slot of the same group, or PFW_INDEX_NONE */
	uint32_t group;
	uint8_t source;		/* enum pfw_source */
	bool self;
	bool remote;
	bool unchanged;		/* the rewrite changes neither address nor port */
};

/*
 * All slots of one family, protocol and port. What a connection gets in
 * postrouting is looked up by precedence once more; where any slot of a group
 * has its own word on the source address, the more specific ones must speak too.
 */
struct pfw_group {
	uint8_t family;
	uint8_t protocol;
	struct pfw_ports port;
	uint32_t first;		/* slot, or PFW_INDEX_NONE */
	uint32_t n_outspoken;	/* slots whose source is not PFW_SOURCE_AUTO */
};

/* What decides which maps are in use: index by family (0: IPv4), tier, remote. */
struct pfw_frame {
	uint32_t n_target[2][PFW_TIERS][2];	/* slots that go to an address */
	uint32_t n_self[2][PFW_TIERS][2];	/* slots that go to the machine itself */
	uint32_t n_source[2][PFW_TIERS][2];	/* slots with a word on the source address */
	uint32_t n_auto[2];	/* slots to an address whose source is PFW_SOURCE_AUTO */
	uint32_t n_masquerade;
	uint32_t n_unchanged[2][PFW_TIERS];	/* slots that rewrite nothing */
};

struct pfw_plan {
	const struct pfw_ruleset *ruleset;
	struct pfw_facts facts;
	struct pfw_slot *slots;
	uint32_t n_slots;	/* places, free ones too */
	uint32_t n_room;
	uint32_t free_slot;	/* first of the free ones, linked by next */
	struct pfw_group *groups;
	uint32_t n_groups;
	uint32_t n_groups_room;
	struct pfw_index keys;
	struct pfw_index group_keys;
	struct pfw_frame frame;
	uint64_t digest;	/* of all that the plan says, whatever the order */
};

/*
 * Plans the whole ruleset; it and what the facts point to must outlive the plan. Two forwards that
 * claim one key are PFW_CONFLICT: up to ten are named, at the places where they
 * are written: file gives the name of a file by its number, ctx is its own; file
 * is NULL where no forward is from a file.
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

/* A growing list of keys; zero-initialise, free with pfw_keys_free(). */
struct pfw_keys {
	struct pfw_key *keys;
	size_t n_keys;
	size_t n_room;
};
void pfw_keys_free(struct pfw_keys *keys);

/*
 * Adds the keys that putting or dropping these forwards concerns, their own and
 * those of others whose objects may change with them. None stands twice.
 */
int pfw_plan_touch(const struct pfw_plan *plan, const struct pfw_forward *const *forwards,
		   size_t n, struct pfw_keys *keys, struct pfw_error *err);

/* The slot with this key, or NULL. */
const struct pfw_slot *pfw_plan_slot(const struct pfw_plan *plan, const struct pfw_key *key);
/* The group that a key belongs to, or NULL. */
const struct pfw_group *pfw_plan_group(const struct pfw_plan *plan, const struct pfw_key *key);
/* Whether a forward says anything on the source address but PFW_SOURCE_AUTO. */
bool pfw_plan_outspoken(const struct pfw_plan *plan, const struct pfw_forward *forward);
/* Whether the slot needs a word of its own on the source address. */
bool pfw_slot_speaks(const struct pfw_plan *plan, const struct pfw_slot *slot);
/* Whether forwards of this family (AF_INET, AF_INET6) need the machine to route. */
bool pfw_plan_routes(const struct pfw_plan *plan, uint8_t family);
/* Whether routing of this family is off and must be switched on. */
bool pfw_plan_switches_on(const struct pfw_plan *plan, uint8_t family);
/*
 * Whether portfwd answers for the routing of this family, having switched it on or
 * being about to, so that nothing but the forwards may come of it.
 */
bool pfw_plan_guards(const struct pfw_plan *plan, uint8_t family);

#endif
