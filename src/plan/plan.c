/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Plans: which forward claims which key, and what frame that needs. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "portfwd/plan/plan.h"

static unsigned int family_index(uint8_t family)
{
	return family == AF_INET6;
}

static bool slot_has_key(const void *array, uint32_t id, const void *key)
{
	return pfw_key_equal(&((const struct pfw_slot *)array)[id].key, key);
}

static bool group_has_key(const void *array, uint32_t id, const void *key)
{
	const struct pfw_group *group = (const struct pfw_group *)array + id;
	const struct pfw_key *of = key;

	return group->family == of->family && group->protocol == of->protocol &&
	       group->port.lo == of->port.lo && group->port.hi == of->port.hi;
}

static uint64_t group_hash(const struct pfw_key *key)
{
	const uint16_t parts[] = { key->family, key->protocol, key->port.lo, key->port.hi };

	return pfw_hash(parts, sizeof(parts));
}

static uint32_t find_slot(const struct pfw_plan *plan, const struct pfw_key *key)
{
	return pfw_index_find(&plan->keys, pfw_key_hash(key), slot_has_key, plan->slots, key);
}

static uint32_t find_group(const struct pfw_plan *plan, const struct pfw_key *key)
{
	return pfw_index_find(&plan->group_keys, group_hash(key), group_has_key, plan->groups, key);
}

const struct pfw_slot *pfw_plan_slot(const struct pfw_plan *plan, const struct pfw_key *key)
{
	uint32_t id = find_slot(plan, key);

	return id == PFW_INDEX_NONE ? NULL : &plan->slots[id];
}

const struct pfw_group *pfw_plan_group(const struct pfw_plan *plan, const struct pfw_key *key)
{
	uint32_t id = find_group(plan, key);

	return id == PFW_INDEX_NONE ? NULL : &plan->groups[id];
}

/* Nothing is less specific than the last tier, so only an own word counts there. */
static bool speaks(const struct pfw_slot *slot, const struct pfw_group *group)
{
	return slot->source != PFW_SOURCE_AUTO ||
	       (slot->key.tier != PFW_TIER_ANY && group->n_outspoken);
}

bool pfw_slot_speaks(const struct pfw_plan *plan, const struct pfw_slot *slot)
{
	return speaks(slot, &plan->groups[slot->group]);
}

bool pfw_plan_routes(const struct pfw_plan *plan, uint8_t family)
{
	unsigned int f = family_index(family), tier;
	uint32_t n = 0;

	for (tier = 0; tier < PFW_TIERS; tier++)
		n += plan->frame.n_target[f][tier][0] + plan->frame.n_target[f][tier][1];
	return n > 0;
}

bool pfw_plan_switches_on(const struct pfw_plan *plan, uint8_t family)
{
	return plan->ruleset->settings.ip_forward &&
	       !plan->facts.routing_on[family_index(family)] && pfw_plan_routes(plan, family);
}

bool pfw_plan_guards(const struct pfw_plan *plan, uint8_t family)
{
	return plan->ruleset->settings.guard &&
	       (plan->facts.routing_held[family_index(family)] ||
		pfw_plan_switches_on(plan, family));
}

static enum pfw_source source_of(const struct pfw_ruleset *ruleset, const struct pfw_forward *f,
				 bool self)
{
	if (self)
		return PFW_SOURCE_AUTO;	/* the machine is the end of the way: nothing to rewrite */
	switch (pfw_ruleset_snat(ruleset, f)) {
	case PFW_SNAT_MASQUERADE:
		return PFW_SOURCE_MASQUERADE;
	case PFW_SNAT_NONE:
		return PFW_SOURCE_KEEP;
	default:
		return pfw_ruleset_hairpin(ruleset, f) ? PFW_SOURCE_AUTO : PFW_SOURCE_KEEP;
	}
}

bool pfw_plan_outspoken(const struct pfw_plan *plan, const struct pfw_forward *forward)
{
	return source_of(plan->ruleset, forward, forward->targets[0].self) != PFW_SOURCE_AUTO;
}

/* What the slot adds to the plan's digest; the same for equal slots, in whatever order they come. */
static uint64_t slot_digest(const struct pfw_plan *plan, const struct pfw_slot *slot)
{
	const struct pfw_forward *forward = &plan->ruleset->forwards[slot->forward];
	const struct pfw_target *target = pfw_forward_target(forward, slot->key.family);
	struct {
		struct pfw_key key;
		uint8_t address[16];
		uint16_t lo, hi;
		uint8_t source, self, remote, zero;
		uint64_t name;
	} content = {
		.key = slot->key,
		.lo = target->port.lo,
		.hi = target->port.hi,
		.source = slot->source,
		.self = slot->self,
		.remote = slot->remote,
		.name = pfw_hash(forward->name, strlen(forward->name)),
	};

	if (!target->self)
		memcpy(content.address, target->address.bytes, sizeof(content.address));
	return pfw_hash(&content, sizeof(content));
}

/* Counts the slot into the frame, or with step -1 out of it. */
static void count_slot(struct pfw_plan *plan, const struct pfw_slot *slot, uint32_t step)
{
	unsigned int f = family_index(slot->key.family), tier = slot->key.tier;
	struct pfw_frame *frame = &plan->frame;

	if (slot->self)
		frame->n_self[f][tier][slot->remote] += step;
	else
		frame->n_target[f][tier][slot->remote] += step;
	if (!slot->self && slot->source == PFW_SOURCE_AUTO)
		frame->n_auto[f] += step;
	if (slot->source == PFW_SOURCE_MASQUERADE)
		frame->n_masquerade += step;
	if (slot->unchanged)
		frame->n_unchanged[f][tier] += step;
}

/* The slots of a group that speak, counted into the frame or out of it. */
static void count_speakers(struct pfw_plan *plan, const struct pfw_group *group, uint32_t step)
{
	const struct pfw_slot *slot;
	uint32_t id;

	for (id = group->first; id != PFW_INDEX_NONE; id = slot->next) {
		slot = &plan->slots[id];
		if (speaks(slot, group))
			plan->frame.n_source[family_index(slot->key.family)][slot->key.tier]
					    [slot->remote] += step;
	}
}

/* A group grows or shrinks by one slot; only where that turns it, all of it is counted anew. */
static void change_group(struct pfw_plan *plan, struct pfw_group *group, uint32_t id, bool joins)
{
	struct pfw_slot *slot = &plan->slots[id];
	uint32_t step = joins ? 1u : UINT32_MAX, *link;
	uint32_t outspoken = slot->source != PFW_SOURCE_AUTO ? step : 0;
	bool turns = outspoken && group->n_outspoken + (joins ? 0 : UINT32_MAX) == 0;
	uint32_t *n = &plan->frame.n_source[family_index(slot->key.family)][slot->key.tier]
					   [slot->remote];

	if (turns)
		count_speakers(plan, group, UINT32_MAX);
	else if (!joins && speaks(slot, group))
		*n -= 1;
	group->n_outspoken += outspoken;
	if (joins) {
		slot->next = group->first;
		group->first = id;
	} else {
		for (link = &group->first; *link != id; link = &plan->slots[*link].next)
			;
		*link = slot->next;
	}
	if (turns)
		count_speakers(plan, group, 1);
	else if (joins && speaks(slot, group))
		*n += 1;
}

static int make_group(struct pfw_plan *plan, const struct pfw_key *key, uint32_t *ret)
{
	struct pfw_group *groups;
	uint32_t n_room;

	*ret = find_group(plan, key);
	if (*ret != PFW_INDEX_NONE)
		return 0;
	if (plan->n_groups == plan->n_groups_room) {
		n_room = plan->n_groups_room ? plan->n_groups_room * 2 : 64;
		groups = reallocarray(plan->groups, n_room, sizeof(*groups));
		if (!groups)
			return -ENOMEM;
		plan->groups = groups;
		plan->n_groups_room = n_room;
	}
	if (pfw_index_put(&plan->group_keys, group_hash(key), plan->n_groups))
		return -ENOMEM;
	plan->groups[plan->n_groups] = (struct pfw_group){
		.family = key->family,
		.protocol = key->protocol,
		.port = key->port,
		.first = PFW_INDEX_NONE,
	};
	*ret = plan->n_groups++;
	return 0;
}

static int make_slot(struct pfw_plan *plan, uint32_t *ret)
{
	struct pfw_slot *slots;
	uint32_t n_room;

	if (plan->free_slot != PFW_INDEX_NONE) {
		*ret = plan->free_slot;
		plan->free_slot = plan->slots[*ret].next;
		return 0;
	}
	if (plan->n_slots == plan->n_room) {
		n_room = plan->n_room ? plan->n_room * 2 : 64;
		slots = n_room >= PFW_INDEX_NONE / 2 ?
				NULL : reallocarray(plan->slots, n_room, sizeof(*slots));
		if (!slots)
			return -ENOMEM;
		plan->slots = slots;
		plan->n_room = n_room;
	}
	*ret = plan->n_slots++;
	return 0;
}

static void give_slot_back(struct pfw_plan *plan, uint32_t id)
{
	plan->slots[id].forward = PFW_INDEX_NONE;
	plan->slots[id].next = plan->free_slot;
	plan->free_slot = id;
}

struct claim {
	struct pfw_plan *plan;
	struct pfw_error *err;
	const struct pfw_forward *forward;
	uint32_t id;
	pfw_file_name *file;	/* NULL: the forward is not in a file yet */
	const void *ctx;
};

static int refuse_claim(struct claim *claim, const struct pfw_key *key, uint32_t holder)
{
	const struct pfw_forward *other = &claim->plan->ruleset->forwards[holder];
	const struct pfw_origin *origin = &claim->forward->origin;
	struct pfw_error *err = claim->err;
	char text[PFW_KEY_TEXT];
	size_t mark = 0;

	if (claim->file) {
		err->file = claim->file(claim->ctx, origin->file);
		mark = pfw_error_enter(err, "forwards[%u].listen", origin->position);
	}
	pfw_error_add(err, PFW_CONFLICT,
		      "\"%s\" and \"%s\" both claim %s; change one of them, or remove it",
		      claim->forward->name, other->name, pfw_key_print(key, text));
	if (claim->file) {
		pfw_error_leave(err, mark);
		err->file = NULL;
	}
	return -EEXIST;
}

/* Only a key with an address says where the connection went before. */
static bool changes_nothing(const struct pfw_key *key, const struct pfw_target *target)
{
	return (key->tier == PFW_TIER_ADDRESS_INTERFACE || key->tier == PFW_TIER_ADDRESS) &&
	       !target->self &&
	       !memcmp(key->address, target->address.bytes, pfw_addr_size(key->family)) &&
	       (!target->port.lo || target->port.lo == key->port.lo);
}

static int claim_key(void *ctx, const struct pfw_key *key)
{
	struct claim *claim = ctx;
	struct pfw_plan *plan = claim->plan;
	const struct pfw_target *target = pfw_forward_target(claim->forward, key->family);
	uint32_t id = find_slot(plan, key), group;
	struct pfw_slot *slot;

	if (id != PFW_INDEX_NONE)
		return refuse_claim(claim, key, plan->slots[id].forward);
	if (make_group(plan, key, &group) || make_slot(plan, &id))
		return -ENOMEM;
	slot = &plan->slots[id];
	*slot = (struct pfw_slot){
		.key = *key,
		.forward = claim->id,
		.group = group,
		.source = (uint8_t)source_of(plan->ruleset, claim->forward, target->self),
		.self = target->self,
		/* What must come in by an interface is never the machine's own. */
		.remote = (key->tier == PFW_TIER_ADDRESS || key->tier == PFW_TIER_ANY) &&
			  !pfw_ruleset_local(plan->ruleset, claim->forward),
		.unchanged = changes_nothing(key, target),
	};
	if (pfw_index_put(&plan->keys, pfw_key_hash(key), id)) {
		give_slot_back(plan, id);
		return -ENOMEM;
	}
	count_slot(plan, slot, 1);
	change_group(plan, &plan->groups[group], id, true);
	plan->digest += slot_digest(plan, slot);
	return 0;
}

static int release_key(void *ctx, const struct pfw_key *key)
{
	struct claim *claim = ctx;
	struct pfw_plan *plan = claim->plan;
	uint32_t id = find_slot(plan, key);
	struct pfw_slot *slot;

	if (id == PFW_INDEX_NONE || plan->slots[id].forward != claim->id)
		return 0;
	slot = &plan->slots[id];
	plan->digest -= slot_digest(plan, slot);
	change_group(plan, &plan->groups[slot->group], id, false);
	count_slot(plan, slot, UINT32_MAX);
	pfw_index_drop(&plan->keys, pfw_key_hash(key), id);
	give_slot_back(plan, id);
	return 0;
}

static int put_claim(struct claim *claim)
{
	int ret;

	claim->forward = &claim->plan->ruleset->forwards[claim->id];
	if (!claim->forward->name || !claim->forward->enabled)
		return 0;
	ret = pfw_forward_keys(claim->forward, claim_key, claim);
	if (ret)
		pfw_plan_drop(claim->plan, claim->id);
	return ret;
}

int pfw_plan_put(struct pfw_plan *plan, uint32_t forward, struct pfw_error *err)
{
	struct claim claim = { .plan = plan, .err = err, .id = forward };
	int ret = put_claim(&claim);

	return ret == -ENOMEM ? pfw_fail_memory(err) : ret;
}

void pfw_plan_drop(struct pfw_plan *plan, uint32_t forward)
{
	struct claim claim = { .plan = plan, .id = forward };

	if (plan->ruleset->forwards[forward].enabled)
		pfw_forward_keys(&plan->ruleset->forwards[forward], release_key, &claim);
}

static int put_all(struct pfw_plan *plan, pfw_file_name *file, const void *ctx,
		   struct pfw_error *err)
{
	struct claim claim = { .plan = plan, .err = err, .file = file, .ctx = ctx };

	for (claim.id = 0; claim.id < plan->ruleset->n_forwards; claim.id++)
		if (put_claim(&claim) == -ENOMEM)
			return pfw_fail_memory(err);
	return err->count ? -EEXIST : 0;
}

int pfw_plan_make(const struct pfw_ruleset *ruleset, const struct pfw_facts *facts,
		  pfw_file_name *file, const void *ctx, struct pfw_plan *ret, struct pfw_error *err)
{
	struct pfw_plan plan = { .ruleset = ruleset, .facts = *facts, .free_slot = PFW_INDEX_NONE };
	int code;

	if (pfw_index_grow(&plan.keys, ruleset->n_live) ||
	    pfw_index_grow(&plan.group_keys, ruleset->n_live)) {
		pfw_plan_free(&plan);
		return pfw_fail_memory(err);
	}
	code = put_all(&plan, file, ctx, err);
	if (code) {
		pfw_plan_free(&plan);
		return code;
	}
	*ret = plan;
	return 0;
}

void pfw_plan_free(struct pfw_plan *plan)
{
	free(plan->slots);
	free(plan->groups);
	pfw_index_free(&plan->keys);
	pfw_index_free(&plan->group_keys);
	*plan = (struct pfw_plan){ .free_slot = PFW_INDEX_NONE };
}
