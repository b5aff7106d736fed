/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Slots: what their claims make of them, and how they count in the frame. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "inside.h"

bool has_sources(const struct pfw_forward *forward)
{
	return forward->n_sources || forward->n_excluded;
}

static bool has_limit(const struct pfw_forward *forward)
{
	return forward->limit.rate || forward->limit.connections;
}

/* Whether any key of the forward may be complex; false is certain. */
static bool may_be_complex(const struct pfw_forward *forward)
{
	return has_sources(forward) || has_limit(forward) || forward->log || forward->expires ||
	       forward->n_targets > 1 || forward->targets[0].self;
}

bool claim_is_complex(const struct pfw_forward *forward, const struct pfw_key *key)
{
	const struct pfw_target *target = pfw_forward_target(forward, key->family);

	return has_sources(forward) || has_limit(forward) || forward->log || forward->expires ||
	       pfw_forward_n_targets(forward, key->family) > 1 ||
	       (target->self && pfw_key_is_range(key));
}

enum pfw_source pfw_plan_source(const struct pfw_plan *plan, const struct pfw_forward *forward)
{
	if (pfw_forward_stays(forward))
		return PFW_SOURCE_AUTO;	/* the machine is the end of the way: nothing to rewrite */
	switch (pfw_ruleset_snat(plan->ruleset, forward)) {
	case PFW_SNAT_MASQUERADE:
		return PFW_SOURCE_MASQUERADE;
	case PFW_SNAT_NONE:
		return PFW_SOURCE_KEEP;
	case PFW_SNAT_ADDRESS:
		return PFW_SOURCE_ADDRESS;
	default:
		return pfw_ruleset_hairpin(plan->ruleset, forward) ? PFW_SOURCE_AUTO :
								     PFW_SOURCE_KEEP;
	}
}

bool pfw_plan_remote(const struct pfw_plan *plan, const struct pfw_forward *forward)
{
	return !pfw_ruleset_local(plan->ruleset, forward);
}

static const struct pfw_forward *forward_of(const struct pfw_plan *plan, uint32_t id)
{
	return &plan->ruleset->forwards[id];
}

static enum pfw_shape plain_shape(const struct pfw_forward *forward, const struct pfw_key *key)
{
	const struct pfw_target *target = pfw_forward_target(forward, key->family);

	if (claim_is_complex(forward, key))
		return pfw_key_is_range(key) ? PFW_SHAPE_WIDE_COMPLEX : PFW_SHAPE_COMPLEX;
	if (target->self)
		return PFW_SHAPE_SELF;
	if (!pfw_key_is_range(key))
		return PFW_SHAPE_TARGET;
	if (!target->port.lo)
		return PFW_SHAPE_KEEP;
	return target->port.lo == target->port.hi ? PFW_SHAPE_MANY : PFW_SHAPE_SHIFT;
}

/* Only a key with an address says where the connection went before. */
static bool stays_at_address(const struct pfw_target *target, const struct pfw_key *key)
{
	return (key->tier == PFW_TIER_ADDRESS_INTERFACE || key->tier == PFW_TIER_ADDRESS) &&
	       !target->self && target->address.family == key->family &&
	       !memcmp(key->address, target->address.bytes, pfw_addr_size(key->family));
}

bool pfw_forward_unchanged(const struct pfw_forward *forward, const struct pfw_key *key,
			   uint16_t port)
{
	const struct pfw_target *target = forward->targets;
	uint16_t i, to;

	for (i = 0; i < forward->n_targets; i++, target++) {
		if (!stays_at_address(target, key))
			continue;
		to = !target->port.lo ? port :
		     target->port.lo == target->port.hi ? target->port.lo :
		     (uint16_t)(target->port.lo + (port - key->port.lo));
		if (to == port)
			return true;
	}
	return false;
}

/* Of a range that goes to one port, it is that port which may be the same. */
static bool ever_unchanged(const struct pfw_forward *forward, const struct pfw_key *key)
{
	const struct pfw_target *target = forward->targets;
	uint16_t i;

	for (i = 0; i < forward->n_targets; i++, target++)
		if (stays_at_address(target, key) &&
		    (!target->port.lo || target->port.lo == key->port.lo ||
		     (target->port.lo == target->port.hi && target->port.lo > key->port.lo &&
		      target->port.lo <= key->port.hi)))
			return true;
	return false;
}

void slot_judge(const struct pfw_plan *plan, struct pfw_slot *slot)
{
	const struct pfw_forward *forward = forward_of(plan, slot->forward);
	bool by_interface = slot->key.tier == PFW_TIER_ADDRESS_INTERFACE ||
			    slot->key.tier == PFW_TIER_INTERFACE;
	uint32_t claim;

	slot->shape = (uint8_t)plain_shape(forward, &slot->key);
	slot->outspoken = pfw_plan_source(plan, forward) != PFW_SOURCE_AUTO;
	slot->remote = pfw_plan_remote(plan, forward);
	slot->routed = !forward->targets[0].self;
	slot->unchanged = ever_unchanged(forward, &slot->key);
	for (claim = slot->more; claim != PFW_INDEX_NONE; claim = plan->claims[claim].next) {
		forward = forward_of(plan, plan->claims[claim].forward);
		slot->shape = pfw_key_is_range(&slot->key) ? PFW_SHAPE_WIDE_COMPLEX :
							     PFW_SHAPE_COMPLEX;
		slot->outspoken |= pfw_plan_source(plan, forward) != PFW_SOURCE_AUTO;
		slot->remote &= pfw_plan_remote(plan, forward);
		slot->routed |= !forward->targets[0].self;
		slot->unchanged |= ever_unchanged(forward, &slot->key);
	}
	/* What must come in by an interface is never the machine's own. */
	if (by_interface)
		slot->remote = false;
}

/*
 * Whether a slot must say what happens to the source address: because it has its own
 * word, or because something less specific has one that must not reach it. Single ports
 * come before all ranges; among ranges it is enough that any is outspoken. What stays on
 * this machine has no source address to rewrite.
 */
static bool speaks(const struct pfw_plan *plan, const struct pfw_slot *slot)
{
	const struct pfw_group *group = &plan->groups[slot->group];
	const struct pfw_cover *cover = cover_of(plan, &slot->key);

	if (!slot->routed)
		return false;
	if (slot->outspoken)
		return true;
	if (pfw_key_is_range(&slot->key))
		return slot->key.tier != PFW_TIER_ANY && cover->n_outspoken;
	return (slot->key.tier != PFW_TIER_ANY && group->n_outspoken) ||
	       (cover->ports && cover->ports[slot->key.port.lo]);
}

bool pfw_slot_speaks(const struct pfw_plan *plan, const struct pfw_slot *slot)
{
	return speaks(plan, slot);
}

static void count_speaker(struct pfw_plan *plan, const struct pfw_slot *slot, uint32_t step)
{
	if (speaks(plan, slot))
		plan->frame.n_source[pfw_key_is_range(&slot->key)][family_index(slot->key.family)]
				    [slot->key.tier][slot->remote] += step;
}

static void count_group(struct pfw_plan *plan, const struct pfw_group *group, uint32_t step)
{
	uint32_t id;

	for (id = group->first; id != PFW_INDEX_NONE; id = plan->slots[id].next)
		count_speaker(plan, &plan->slots[id], step);
}

/*
 * Every slot whose word may turn with an outspoken range: those of the ports that it
 * covers, and all ranges where it is the first or the last one.
 */
static void count_covered(struct pfw_plan *plan, const struct pfw_slot *slot, bool with_ranges,
			  uint32_t step)
{
	const struct pfw_group *group;
	struct pfw_key port = slot->key;
	uint32_t at, i;

	for (at = slot->key.port.lo; at <= slot->key.port.hi; at++) {
		port.port = (struct pfw_ports){ (uint16_t)at, (uint16_t)at };
		group = pfw_plan_group(plan, &port);
		if (group)
			count_group(plan, group, step);
	}
	for (i = 0; with_ranges && i < plan->n_groups; i++) {
		group = &plan->groups[i];
		if (group->port.lo != group->port.hi && group->family == slot->key.family &&
		    group->protocol == slot->key.protocol)
			count_group(plan, group, step);
	}
}

static void cover_add(struct pfw_plan *plan, const struct pfw_key *key, uint32_t step)
{
	struct pfw_cover *cover = cover_of(plan, key);
	uint32_t at;

	cover->n_outspoken += step;
	for (at = key->port.lo; at <= key->port.hi; at++)
		cover->ports[at] += step;
}

static void count_claim(struct pfw_plan *plan, const struct pfw_slot *slot, uint32_t id,
			uint32_t step)
{
	const struct pfw_forward *forward = forward_of(plan, id);
	enum pfw_source source = pfw_plan_source(plan, forward);

	if (pfw_forward_leaves(forward, slot->key.family))
		plan->frame.n_routed[family_index(slot->key.family)] += step;
	if (!pfw_forward_stays(forward))
		plan->frame.n_auto += source == PFW_SOURCE_AUTO ? step : 0;
	if (slot->key.family == AF_INET && pfw_forward_needs_localnet(forward))
		plan->frame.n_localnet += step;
	plan->frame.n_masquerade += source == PFW_SOURCE_MASQUERADE ? step : 0;
	if (!forward->limit.connections)
		return;
	plan->frame.n_connections[0] += pfw_forward_target(forward, AF_INET) ? step : 0;
	plan->frame.n_connections[1] += pfw_forward_target(forward, AF_INET6) ? step : 0;
}

static void link_slot(struct pfw_plan *plan, uint32_t id, bool in)
{
	if (in)
		group_link(plan, id);
	else
		group_unlink(plan, id);
}

/* An outspoken range turns others with it: they are counted out before, and in after. */
static void count_outspoken_range(struct pfw_plan *plan, uint32_t id, bool in)
{
	struct pfw_slot *slot = &plan->slots[id];
	uint32_t step = in ? 1u : UINT32_MAX;
	bool turns = cover_of(plan, &slot->key)->n_outspoken == (in ? 0 : 1);

	count_covered(plan, slot, turns, UINT32_MAX);
	plan->groups[slot->group].n_outspoken += step;
	cover_add(plan, &slot->key, step);
	link_slot(plan, id, in);
	count_covered(plan, slot, turns, 1);
	if (!turns)
		plan->frame.n_source[1][family_index(slot->key.family)][slot->key.tier]
				    [slot->remote] += step;
}

/* The same for a single port, within its group: the first or last one turns the others. */
static void count_outspoken_port(struct pfw_plan *plan, uint32_t id, bool in)
{
	struct pfw_group *group = &plan->groups[plan->slots[id].group];
	uint32_t step = in ? 1u : UINT32_MAX;
	bool turns = group->n_outspoken == (in ? 0 : 1);

	if (turns)
		count_group(plan, group, UINT32_MAX);
	group->n_outspoken += step;
	link_slot(plan, id, in);
	if (turns)
		count_group(plan, group, 1);
	else
		count_speaker(plan, &plan->slots[id], step);
}

void slot_count(struct pfw_plan *plan, uint32_t id, bool in)
{
	struct pfw_slot *slot = &plan->slots[id];
	uint32_t step = in ? 1u : UINT32_MAX, claim;

	plan->frame.n_shape[slot->shape][family_index(slot->key.family)][slot->key.tier]
			   [slot->remote] += step;
	if (slot->unchanged)
		plan->frame.n_unchanged[family_index(slot->key.family)][slot->key.tier] += step;
	count_claim(plan, slot, slot->forward, step);
	for (claim = slot->more; claim != PFW_INDEX_NONE; claim = plan->claims[claim].next)
		count_claim(plan, slot, plan->claims[claim].forward, step);
	if (slot->outspoken && pfw_key_is_range(&slot->key)) {
		count_outspoken_range(plan, id, in);
	} else if (slot->outspoken) {
		count_outspoken_port(plan, id, in);
	} else {
		count_speaker(plan, slot, step);
		link_slot(plan, id, in);
	}
}

void group_link(struct pfw_plan *plan, uint32_t id)
{
	struct pfw_group *group = &plan->groups[plan->slots[id].group];

	plan->slots[id].next = group->first;
	group->first = id;
}

void group_unlink(struct pfw_plan *plan, uint32_t id)
{
	uint32_t *link = &plan->groups[plan->slots[id].group].first;

	while (*link != id)
		link = &plan->slots[*link].next;
	*link = plan->slots[id].next;
}

struct ordered {
	const struct pfw_forward *forward;
	unsigned int depth;	/* how many other claims have wider sources */
};

static int compare_claims(const void *a, const void *b)
{
	const struct ordered *x = a, *y = b;

	if (x->depth != y->depth)
		return x->depth > y->depth ? -1 : 1;
	return strcmp(x->forward->name, y->forward->name);
}

int pfw_slot_claims(const struct pfw_plan *plan, const struct pfw_slot *slot,
		    const struct pfw_forward ***ret)
{
	const struct pfw_forward **claims;
	struct ordered *order;
	unsigned int n = 1, i, k;
	uint32_t claim;

	for (claim = slot->more; claim != PFW_INDEX_NONE; claim = plan->claims[claim].next)
		n++;
	order = calloc(n, sizeof(*order));
	claims = calloc(n, sizeof(*claims));
	if (!order || !claims) {
		free(order);
		free(claims);
		return -ENOMEM;
	}
	order[0].forward = forward_of(plan, slot->forward);
	for (i = 1, claim = slot->more; i < n; i++, claim = plan->claims[claim].next)
		order[i].forward = forward_of(plan, plan->claims[claim].forward);
	for (i = 0; i < n; i++)
		for (k = 0; k < n; k++)
			order[i].depth += k != i &&
					  pfw_forward_overlap(order[i].forward, order[k].forward,
							      slot->key.family) == PFW_OVERLAP_INNER;
	qsort(order, n, sizeof(*order), compare_claims);
	for (i = 0; i < n; i++)
		claims[i] = order[i].forward;
	free(order);
	*ret = claims;
	return (int)n;
}

struct need {
	const struct pfw_plan *plan;
	const struct pfw_forward *forward;
};

static int key_needs_to(void *ctx, const struct pfw_key *key)
{
	const struct need *need = ctx;
	const struct pfw_slot *slot = pfw_plan_slot(need->plan, key);

	return slot && (claim_is_complex(need->forward, key) || slot->more != PFW_INDEX_NONE);
}

static int key_needs_from(void *ctx, const struct pfw_key *key)
{
	const struct need *need = ctx;
	const struct pfw_slot *slot = pfw_plan_slot(need->plan, key);

	/* A shared key speaks for all of its forwards. */
	if (!slot || need->forward->targets[0].self || !speaks(need->plan, slot))
		return 0;
	return has_sources(need->forward) || slot->more != PFW_INDEX_NONE ||
	       pfw_plan_source(need->plan, need->forward) == PFW_SOURCE_ADDRESS;
}

bool pfw_plan_needs_to(const struct pfw_plan *plan, const struct pfw_forward *forward)
{
	struct need need = { plan, forward };

	/* Most forwards are alone on their keys and rewrite only. */
	if (!plan->n_more && !may_be_complex(forward))
		return false;
	return pfw_plan_active(plan, forward) && pfw_forward_keys(forward, key_needs_to, &need);
}

bool pfw_plan_needs_from(const struct pfw_plan *plan, const struct pfw_forward *forward)
{
	struct need need = { plan, forward };

	if (!plan->n_more && !has_sources(forward) &&
	    pfw_plan_source(plan, forward) != PFW_SOURCE_ADDRESS)
		return false;
	return pfw_plan_active(plan, forward) && pfw_forward_keys(forward, key_needs_from, &need);
}

static int key_needs_pass(void *ctx, const struct pfw_key *key)
{
	const struct need *need = ctx;
	const struct pfw_slot *slot = pfw_plan_slot(need->plan, key);

	return slot && slot->unchanged && pfw_plan_guards(need->plan, key->family) &&
	       (has_sources(need->forward) || slot->more != PFW_INDEX_NONE);
}

bool pfw_plan_needs_pass(const struct pfw_plan *plan, const struct pfw_forward *forward)
{
	struct need need = { plan, forward };

	if (!plan->n_more && !has_sources(forward))
		return false;
	return pfw_plan_active(plan, forward) && pfw_forward_keys(forward, key_needs_pass, &need);
}
