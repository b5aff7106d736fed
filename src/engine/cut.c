/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Cutting connections with the change: from the difference of two images to the flows that
 * are lost and gained, and from these to the entries of the kernel's table of connections.
 */
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "inside.h"
#include "match.h"
#include "portfwd/kernel/address.h"

/* ---- Whose flows may have changed */

/* Names of forwards, each once. */
struct owners {
	const char **names;
	size_t n;
	size_t n_room;
	struct pfw_index index;
};

static bool has_name(const void *array, uint32_t id, const void *name)
{
	return !strcmp(((const char *const *)array)[id], name);
}

static bool owners_have(const void *ctx, const char *name)
{
	const struct owners *owners = ctx;

	return pfw_index_find(&owners->index, pfw_hash(name, strlen(name)), has_name, owners->names,
			      name) != PFW_INDEX_NONE;
}

static int add_owner(struct owners *owners, const struct pfw_item *item)
{
	size_t n_room = owners->n_room ? owners->n_room * 2 : 16;
	const char **names;

	if (!item || !item->owner || owners_have(owners, item->owner))
		return 0;
	if (owners->n == owners->n_room) {
		names = reallocarray(owners->names, n_room, sizeof(*names));
		if (!names)
			return -ENOMEM;
		owners->names = names;
		owners->n_room = n_room;
	}
	if (pfw_index_put(&owners->index, pfw_hash(item->owner, strlen(item->owner)),
			  (uint32_t)owners->n))
		return -ENOMEM;
	owners->names[owners->n++] = item->owner;
	return 0;
}

static int find_owners(const struct side *side, const struct pfw_image *planned,
		       struct owners *ret)
{
	const struct pfw_step *step;
	int code = 0;
	size_t i;

	for (i = 0; !code && i < side->difference.n_steps; i++) {
		step = &side->difference.steps[i];
		code = add_owner(ret, step->before);
		if (!code)
			code = add_owner(ret, step->after);
	}
	for (i = 0; !code && planned && i < planned->n_items; i++)
		code = add_owner(ret, &planned->items[i]);
	return code;
}

static void owners_free(struct owners *owners)
{
	free(owners->names);
	pfw_index_free(&owners->index);
}

/* ---- What is lost and gained */

static int fill(struct flow_set *set, const struct pfw_backend *ops, const struct pfw_image *image,
		const struct owners *owners)
{
	struct pfw_flows flows = { 0 };
	int ret;

	ret = ops->flows(image, owners ? owners_have : NULL, owners, &flows);
	if (!ret)
		ret = flow_set_fill(set, &flows);
	pfw_flows_free(&flows);
	return ret;
}

/* What of from is not in other; only UDP if so wanted. */
static int subtract(const struct flow_set *from, const struct flow_set *other, bool udp_only,
		    struct flow_set *ret)
{
	const struct pfw_flow *flow;
	int code = 0;
	size_t i;

	for (i = 0; !code && i < from->list.n_flows; i++) {
		flow = &from->list.flows[i];
		if ((!udp_only || flow->key.protocol == IPPROTO_UDP) && !flow_set_has(other, flow))
			code = flow_set_add(ret, flow);
	}
	return code;
}

static int compare(const struct side *side, const struct pfw_backend *ops,
		   const struct pfw_image *planned, bool drain, struct match *ret)
{
	struct flow_set before = { 0 }, wished = { 0 }, after = { 0 };
	struct owners owners = { 0 };
	int code;

	code = find_owners(side, planned, &owners);
	if (!owners.n)
		goto out;
	if (!code)
		code = fill(&before, ops, &side->before, &owners);
	if (!code)
		code = fill(&after, ops, &side->after, &owners);
	if (!code && planned)
		code = fill(&wished, ops, planned, NULL);
	if (!code)
		code = subtract(&before, &after, drain, &ret->lost);
	if (!code)
		code = subtract(&wished, &after, drain, &ret->lost);
	if (!code)
		code = subtract(&after, &before, true, &ret->gained);
out:
	flow_set_free(&before);
	flow_set_free(&wished);
	flow_set_free(&after);
	owners_free(&owners);
	return code;
}

/* ---- What else stands there */

enum { GROUP_TOUCHED = 1, GROUP_ANY_ADDRESS = 2 };

/* How each group of the plan is touched by these flows, by its position. */
static void mark_groups(const struct pfw_plan *plan, const struct flow_set *set, uint8_t *marks)
{
	static const uint8_t no_address[16];
	const struct pfw_group *group;
	const struct pfw_key *key;
	size_t i;

	for (i = 0; i < set->list.n_flows; i++) {
		key = &set->list.flows[i].key;
		group = pfw_plan_group(plan, key);
		if (!group)
			continue;
		marks[group - plan->groups] |= GROUP_TOUCHED;
		if (!memcmp(key->address, no_address, sizeof(no_address)))
			marks[group - plan->groups] |= GROUP_ANY_ADDRESS;
	}
}

/* Whether a connection of the lost and gained flows may as well be one of this slot. */
static bool overlaps(const struct match *match, const struct pfw_slot *slot, uint8_t mark)
{
	return mark & GROUP_ANY_ADDRESS || slot->key.tier == PFW_TIER_ANY ||
	       slot->key.tier == PFW_TIER_INTERFACE ||
	       flow_set_has_spot(&match->lost, &slot->key) ||
	       flow_set_has_spot(&match->gained, &slot->key);
}

static int add_key(struct pfw_keys *keys, const struct pfw_key *key)
{
	size_t n_room = keys->n_room ? keys->n_room * 2 : 16;
	struct pfw_key *grown;

	if (keys->n_keys == keys->n_room) {
		grown = reallocarray(keys->keys, n_room, sizeof(*grown));
		if (!grown)
			return -ENOMEM;
		keys->keys = grown;
		keys->n_room = n_room;
	}
	keys->keys[keys->n_keys++] = *key;
	return 0;
}

/* Goes once through the groups of the lost and gained flows. */
static int find_neighbours(const struct pfw_plan *plan, const struct match *match,
			   struct pfw_keys *keys)
{
	uint8_t *marks = calloc(plan->n_groups + 1u, sizeof(*marks));
	const struct pfw_slot *slot;
	uint32_t group, id;
	int ret = 0;

	if (!marks)
		return -ENOMEM;
	mark_groups(plan, &match->lost, marks);
	mark_groups(plan, &match->gained, marks);
	for (group = 0; group < plan->n_groups; group++) {
		if (!marks[group])
			continue;
		id = plan->groups[group].first;
		for (; !ret && id != PFW_INDEX_NONE; id = slot->next) {
			slot = &plan->slots[id];
			if (overlaps(match, slot, marks[group]))
				ret = add_key(keys, &slot->key);
		}
	}
	free(marks);
	return ret;
}

static int find_standing(const struct pfw_plan *plan, const struct pfw_backend *ops,
			 struct match *match, struct pfw_error *err)
{
	struct pfw_image image = { 0 };
	struct pfw_keys keys = { 0 };
	int ret = find_neighbours(plan, match, &keys);

	if (!ret && keys.n_keys)
		ret = ops->compile(plan, &keys, &image, err);
	if (!ret)
		ret = fill(&match->standing, ops, &image, NULL);
	pfw_image_free(&image);
	pfw_keys_free(&keys);
	return ret;
}

/* ---- The connections */

/* What of the filter the flow has not in common with the others is given up. */
static void narrow(const struct pfw_flow *flow, bool first, struct pfw_connection_filter *filter)
{
	const struct pfw_key *key = &flow->key;
	bool has_address = key->tier == PFW_TIER_ADDRESS ||
			   key->tier == PFW_TIER_ADDRESS_INTERFACE;

	if (first) {
		filter->family = key->family;
		filter->protocol = key->protocol;
		filter->port = key->port.lo == key->port.hi ? key->port.lo : 0;
		filter->has_address = has_address;
		memcpy(filter->address, key->address, sizeof(filter->address));
		return;
	}
	if (filter->family != key->family)
		filter->family = 0;
	if (filter->protocol != key->protocol)
		filter->protocol = 0;
	if (filter->port != key->port.lo || filter->port != key->port.hi)
		filter->port = 0;
	if (!has_address || memcmp(filter->address, key->address, sizeof(filter->address)))
		filter->has_address = false;
}

static struct pfw_connection_filter make_filter(const struct match *match)
{
	struct pfw_connection_filter filter = { .dnat = !match->gained.list.n_flows };
	const struct pfw_flows *lost = &match->lost.list, *gained = &match->gained.list;
	size_t i;

	for (i = 0; i < lost->n_flows; i++)
		narrow(&lost->flows[i], !i, &filter);
	for (i = 0; i < gained->n_flows; i++)
		narrow(&gained->flows[i], !i && !lost->n_flows, &filter);
	return filter;
}

/* The routing socket is opened by the first question. */
static int is_own(void *ctx, uint8_t family, const uint8_t address[16], bool *ret,
		  struct pfw_error *err)
{
	struct pfw_addresses **addresses = ctx;
	int code = *addresses ? 0 : pfw_addresses_open(addresses, err);

	return code ? code : pfw_addresses_own(*addresses, family, address, ret, err);
}

static int choose(void *ctx, const struct pfw_connection *connection, struct pfw_error *err)
{
	return match_is_cut(ctx, connection, err);
}

static int cut(const struct side *side, const struct pfw_backend *ops,
	       const struct pfw_image *planned, const struct pfw_plan *plan, bool drain,
	       struct pfw_error *err)
{
	struct pfw_addresses *addresses = NULL;
	struct match match = { .own = is_own, .ctx = &addresses };
	struct pfw_connection_filter filter;
	size_t n;
	int ret;

	ret = compare(side, ops, planned, drain, &match);
	if (ret || (!match.lost.list.n_flows && !match.gained.list.n_flows))
		goto out;
	if (plan)
		ret = find_standing(plan, ops, &match, err);
	if (ret)
		goto out;
	filter = make_filter(&match);
	ret = pfw_connections_cut(&filter, choose, &match, &n, err);
out:
	match_free(&match);
	pfw_addresses_close(addresses);
	return ret && !err->count ? pfw_fail_memory(err) : ret;
}

void side_cut(const struct side *side, const struct pfw_backend *ops,
	      const struct pfw_image *planned, const struct pfw_plan *plan, bool drain,
	      struct pfw_report *report)
{
	struct pfw_error err = PFW_ERROR_INIT;
	struct pfw_buffer text = { 0 };

	if (!ops->flows || !cut(side, ops, planned, plan, drain, &err))
		return;
	pfw_buffer_printf(&text, "the change is made, but connections of before may go on: %s",
			  err.item[0].message);
	report->warning = text.failed ? NULL :
				pfw_arena_text(&report->arena, text.data, text.len);
	if (!report->warning)
		report->warning = "the change is made, but connections of before may go on: "
				  "out of memory";
	pfw_buffer_free(&text);
}
