/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Plans: which forward claims which key, and what frame that needs. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "inside.h"

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

bool pfw_plan_routes(const struct pfw_plan *plan, uint8_t family)
{
	return plan->frame.n_routed[family_index(family)] > 0;
}

bool pfw_plan_localnet(const struct pfw_plan *plan)
{
	return plan->frame.n_localnet || (plan->facts.draining && plan->facts.localnet_held.n);
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

bool pfw_plan_active(const struct pfw_plan *plan, const struct pfw_forward *forward)
{
	return forward->name && forward->enabled &&
	       (!forward->expires || forward->expires > plan->facts.now);
}

static uint64_t targets_digest(const struct pfw_forward *forward)
{
	uint64_t digest = forward->n_targets;
	uint16_t i;

	for (i = 0; i < forward->n_targets; i++) {
		const struct pfw_target *target = &forward->targets[i];
		struct {
			uint64_t before;
			uint8_t address[16];
			uint16_t lo, hi, weight;
			uint8_t family, self;
		} content = {
			digest, { 0 }, target->port.lo, target->port.hi, target->weight,
			target->self ? 0 : target->address.family, target->self,
		};

		if (!target->self)
			memcpy(content.address, target->address.bytes, sizeof(content.address));
		digest = pfw_hash(&content, sizeof(content));
	}
	return digest;
}

static uint64_t prefixes_digest(const struct pfw_prefix *prefixes, uint16_t n, uint64_t digest)
{
	uint16_t i;

	for (i = 0; i < n; i++) {
		struct {
			uint64_t before;
			uint8_t address[16];
			uint8_t family, len, zero[6];
		} content = { digest, { 0 }, prefixes[i].addr.family, prefixes[i].len, { 0 } };

		memcpy(content.address, prefixes[i].addr.bytes, sizeof(content.address));
		digest = pfw_hash(&content, sizeof(content));
	}
	return digest;
}

/* All that a forward says beside its keys. */
static uint64_t forward_digest(const struct pfw_plan *plan, const struct pfw_forward *forward)
{
	struct {
		uint64_t name, targets, sources, excluded;
		struct pfw_limit limit;
		int64_t expires;
		uint8_t snat_address[16];
		uint8_t source, remote, balance, log, zero[4];
	} content = {
		.name = pfw_hash(forward->name, strlen(forward->name)),
		.targets = targets_digest(forward),
		.sources = prefixes_digest(forward->sources, forward->n_sources, 0),
		.excluded = prefixes_digest(forward->excluded, forward->n_excluded, 1),
		.limit = forward->limit,
		.expires = forward->expires,
		.source = (uint8_t)pfw_plan_source(plan, forward),
		.remote = pfw_plan_remote(plan, forward),
		.balance = forward->balance,
		.log = forward->log,
	};

	memcpy(content.snat_address, forward->snat_address.bytes, sizeof(content.snat_address));
	return pfw_hash(&content, sizeof(content));
}

/* What a claim adds to the plan's digest; the same in whatever order claims come. */
static uint64_t claim_digest(const struct pfw_key *key, uint64_t forward)
{
	struct {
		struct pfw_key key;
		uint64_t forward;
	} content = { *key, forward };

	return pfw_hash(&content, sizeof(content));
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

static int make_claim(struct pfw_plan *plan, uint32_t *ret)
{
	struct pfw_claim *claims;
	uint32_t n_room;

	if (plan->free_claim != PFW_INDEX_NONE) {
		*ret = plan->free_claim;
		plan->free_claim = plan->claims[*ret].next;
		return 0;
	}
	if (plan->n_claims == plan->n_claims_room) {
		n_room = plan->n_claims_room ? plan->n_claims_room * 2 : 16;
		claims = reallocarray(plan->claims, n_room, sizeof(*claims));
		if (!claims)
			return -ENOMEM;
		plan->claims = claims;
		plan->n_claims_room = n_room;
	}
	*ret = plan->n_claims++;
	return 0;
}

struct claim {
	struct pfw_plan *plan;
	struct pfw_error *err;
	const struct pfw_forward *forward;
	uint32_t id;
	uint64_t digest;	/* of the forward */
	uint32_t n_released;	/* keys */
	pfw_file_name *file;	/* NULL: the forward is not in a file yet */
	const void *ctx;
};

static int refuse_claim(struct claim *claim, const struct pfw_key *key, uint32_t holder,
			const struct pfw_key *held)
{
	const struct pfw_forward *other = &claim->plan->ruleset->forwards[holder];
	const struct pfw_origin *origin = &claim->forward->origin;
	struct pfw_error *err = claim->err;
	char text[PFW_KEY_TEXT], ports[PFW_PORTS_TEXT], both[PFW_PORTS_TEXT];
	struct pfw_ports common = {
		key->port.lo > held->port.lo ? key->port.lo : held->port.lo,
		key->port.hi < held->port.hi ? key->port.hi : held->port.hi,
	};
	size_t mark = 0;

	if (claim->file) {
		err->file = claim->file(claim->ctx, origin->file);
		mark = pfw_error_enter(err, "forwards[%u].listen", origin->position);
	}
	pfw_key_print(key, text);
	if (pfw_key_equal(key, held))
		pfw_error_add(err, PFW_CONFLICT,
			      "\"%s\" and \"%s\" both claim %s%s; change one of them, or remove it",
			      claim->forward->name, other->name, text,
			      has_sources(claim->forward) || has_sources(other) ?
				      " for overlapping sources" : "");
	else
		pfw_error_add(err, PFW_CONFLICT,
			      "\"%s\" claims %s, and \"%s\" %s: both claim %s; change one of them, or "
			      "remove it", claim->forward->name, text, other->name,
			      pfw_ports_print(held->port, ports), pfw_ports_print(common, both));
	if (claim->file) {
		pfw_error_leave(err, mark);
		err->file = NULL;
	}
	return -EEXIST;
}

/* Whether the forward may share a key with this one: their sources are told apart. */
static bool may_share(const struct claim *claim, uint32_t other, uint8_t family)
{
	return pfw_forward_overlap(claim->forward, &claim->plan->ruleset->forwards[other],
				   family) != PFW_OVERLAP_EQUAL;
}

/* One more claim on a slot that others hold. */
static int share_slot(struct claim *claim, uint32_t id)
{
	struct pfw_plan *plan = claim->plan;
	struct pfw_slot *slot = &plan->slots[id];
	uint32_t at, more;

	if (!may_share(claim, slot->forward, slot->key.family))
		return refuse_claim(claim, &slot->key, slot->forward, &slot->key);
	for (at = slot->more; at != PFW_INDEX_NONE; at = plan->claims[at].next)
		if (!may_share(claim, plan->claims[at].forward, slot->key.family))
			return refuse_claim(claim, &slot->key, plan->claims[at].forward,
					    &slot->key);
	/* Any claim may make the slot outspoken, which for a range needs its room. */
	if (pfw_key_is_range(&slot->key) && cover_make(plan, &slot->key))
		return -ENOMEM;
	if (make_claim(plan, &more))
		return -ENOMEM;
	slot_count(plan, id, false);
	plan->claims[more] = (struct pfw_claim){ claim->id, slot->more };
	slot->more = more;
	plan->n_more++;
	slot_judge(plan, slot);
	slot_count(plan, id, true);
	return 0;
}

static int new_slot(struct claim *claim, const struct pfw_key *key)
{
	struct pfw_plan *plan = claim->plan;
	bool range = pfw_key_is_range(key);
	struct pfw_slot *slot;
	uint32_t id, group;

	if (range && cover_make(plan, key))
		return -ENOMEM;
	if (make_group(plan, key, &group) || make_slot(plan, &id))
		return -ENOMEM;
	slot = &plan->slots[id];
	*slot = (struct pfw_slot){
		.key = *key,
		.forward = claim->id,
		.more = PFW_INDEX_NONE,
		.group = group,
	};
	if (range && range_put(plan, id)) {
		give_slot_back(plan, id);
		return -ENOMEM;
	}
	if (pfw_index_put(&plan->keys, pfw_key_hash(key), id)) {
		if (range)
			range_drop(plan, key);
		give_slot_back(plan, id);
		return -ENOMEM;
	}
	slot_judge(plan, slot);
	slot_count(plan, id, true);
	return 0;
}

static int claim_key(void *ctx, const struct pfw_key *key)
{
	struct claim *claim = ctx;
	struct pfw_plan *plan = claim->plan;
	uint32_t id = find_slot(plan, key), overlapping;
	int ret;

	if (id != PFW_INDEX_NONE) {
		ret = share_slot(claim, id);
	} else {
		overlapping = pfw_key_is_range(key) ? range_find(plan, key) : PFW_INDEX_NONE;
		if (overlapping != PFW_INDEX_NONE)
			return refuse_claim(claim, key, plan->slots[overlapping].forward,
					    &plan->slots[overlapping].key);
		ret = new_slot(claim, key);
	}
	if (!ret)
		plan->digest += claim_digest(key, claim->digest);
	return ret;
}

static void remove_slot(struct pfw_plan *plan, uint32_t id)
{
	const struct pfw_key key = plan->slots[id].key;

	if (pfw_key_is_range(&key))
		range_drop(plan, &key);
	pfw_index_drop(&plan->keys, pfw_key_hash(&key), id);
	give_slot_back(plan, id);
}

/* Takes a claim that is not the first from the list; false if it is not there. */
static bool unlist_claim(struct pfw_plan *plan, struct pfw_slot *slot, uint32_t forward)
{
	uint32_t *link = &slot->more, at;

	while (*link != PFW_INDEX_NONE && plan->claims[*link].forward != forward)
		link = &plan->claims[*link].next;
	if (*link == PFW_INDEX_NONE)
		return false;
	at = *link;
	*link = plan->claims[at].next;
	plan->claims[at].next = plan->free_claim;
	plan->free_claim = at;
	plan->n_more--;
	return true;
}

static bool claims_slot(const struct pfw_plan *plan, const struct pfw_slot *slot, uint32_t forward)
{
	uint32_t at;

	if (slot->forward == forward)
		return true;
	for (at = slot->more; at != PFW_INDEX_NONE; at = plan->claims[at].next)
		if (plan->claims[at].forward == forward)
			return true;
	return false;
}

static int release_key(void *ctx, const struct pfw_key *key)
{
	struct claim *claim = ctx;
	struct pfw_plan *plan = claim->plan;
	uint32_t id = find_slot(plan, key), heir;
	struct pfw_slot *slot = id == PFW_INDEX_NONE ? NULL : &plan->slots[id];

	if (!slot || !claims_slot(plan, slot, claim->id))
		return 0;
	claim->n_released++;
	slot_count(plan, id, false);
	plan->digest -= claim_digest(key, claim->digest);
	if (slot->forward == claim->id && slot->more == PFW_INDEX_NONE) {
		remove_slot(plan, id);
		return 0;
	}
	if (slot->forward == claim->id) {
		heir = plan->claims[slot->more].forward;
		unlist_claim(plan, slot, heir);
		slot->forward = heir;
	} else {
		unlist_claim(plan, slot, claim->id);
	}
	slot_judge(plan, slot);
	slot_count(plan, id, true);
	return 0;
}

static int put_claim(struct claim *claim)
{
	int ret;

	claim->forward = &claim->plan->ruleset->forwards[claim->id];
	if (!pfw_plan_active(claim->plan, claim->forward))
		return 0;
	claim->digest = forward_digest(claim->plan, claim->forward);
	ret = pfw_forward_keys(claim->forward, claim_key, claim);
	if (!ret)
		ret = goals_count(claim->plan, claim->forward, true);
	if (ret)
		pfw_forward_keys(claim->forward, release_key, claim);
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
	struct claim claim = {
		.plan = plan,
		.forward = &plan->ruleset->forwards[forward],
		.id = forward,
	};

	if (!pfw_plan_active(plan, claim.forward))
		return;
	claim.digest = forward_digest(plan, claim.forward);
	pfw_forward_keys(claim.forward, release_key, &claim);
	/* One that never came in, for a conflict, has no goals either. */
	if (claim.n_released)
		goals_count(plan, claim.forward, false);
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
	struct pfw_plan plan = {
		.ruleset = ruleset,
		.facts = *facts,
		.free_slot = PFW_INDEX_NONE,
		.free_claim = PFW_INDEX_NONE,
	};
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
	free(plan->claims);
	free(plan->groups);
	free(plan->goals);
	range_free(plan);
	pfw_index_free(&plan->keys);
	pfw_index_free(&plan->goal_keys);
	pfw_index_free(&plan->group_keys);
	*plan = (struct pfw_plan){ .free_slot = PFW_INDEX_NONE, .free_claim = PFW_INDEX_NONE };
}
