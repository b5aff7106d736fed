/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a change concerns, so that its cost follows the change. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "inside.h"

void pfw_touched_free(struct pfw_touched *touched)
{
	free(touched->keys);
	free(touched->names);
	free(touched->goals);
	*touched = (struct pfw_touched){ 0 };
}

struct touch {
	const struct pfw_plan *plan;
	struct pfw_touched *to;
	struct pfw_index seen_keys;
	struct pfw_index seen_names;
	struct pfw_index seen_goals;
	uint32_t n_own;		/* keys of the changed forwards themselves */
};

static bool is_key(const void *array, uint32_t id, const void *key)
{
	return pfw_key_equal((const struct pfw_key *)array + id, key);
}

static bool is_name(const void *array, uint32_t id, const void *key)
{
	return !strcmp(((const char *const *)array)[id], key);
}

static bool is_goal(const void *array, uint32_t id, const void *key)
{
	return pfw_addr_equal((const struct pfw_addr *)array + id, key);
}

static int grow(void **array, size_t n, size_t *n_room, size_t size)
{
	size_t room = *n_room ? *n_room * 2 : 16;
	void *grown;

	if (n < *n_room)
		return 0;
	grown = reallocarray(*array, room, size);
	if (!grown)
		return -ENOMEM;
	*array = grown;
	*n_room = room;
	return 0;
}

static int add_name(struct touch *touch, const char *name)
{
	struct pfw_touched *to = touch->to;
	uint64_t hash = pfw_hash(name, strlen(name));

	if (pfw_index_find(&touch->seen_names, hash, is_name, to->names, name) != PFW_INDEX_NONE)
		return 0;
	if (grow((void **)&to->names, to->n_names, &to->n_names_room, sizeof(*to->names)) ||
	    pfw_index_put(&touch->seen_names, hash, (uint32_t)to->n_names))
		return -ENOMEM;
	to->names[to->n_names++] = name;
	return 0;
}

static int add_goal(struct touch *touch, const struct pfw_addr *goal)
{
	struct pfw_touched *to = touch->to;
	uint64_t hash = pfw_hash(goal->bytes, pfw_addr_size(goal->family));

	if (pfw_index_find(&touch->seen_goals, hash, is_goal, to->goals, goal) != PFW_INDEX_NONE)
		return 0;
	if (grow((void **)&to->goals, to->n_goals, &to->n_goals_room, sizeof(*to->goals)) ||
	    pfw_index_put(&touch->seen_goals, hash, (uint32_t)to->n_goals))
		return -ENOMEM;
	to->goals[to->n_goals++] = *goal;
	return 0;
}

static int touch_goals(struct touch *touch, const struct pfw_forward *forward)
{
	uint16_t i;
	int ret = 0;

	for (i = 0; !ret && i < forward->n_targets; i++)
		if (target_is_goal(&forward->targets[i]))
			ret = add_goal(touch, &forward->targets[i].address);
	return ret;
}

/* The key, and who claims it: with one more or one less, all of them may look different. */
static int add_key(struct touch *touch, const struct pfw_key *key)
{
	const struct pfw_slot *slot = pfw_plan_slot(touch->plan, key);
	const struct pfw_forward *forwards = touch->plan->ruleset->forwards;
	struct pfw_touched *to = touch->to;
	uint64_t hash = pfw_key_hash(key);
	uint32_t at;
	int ret = 0;

	if (pfw_index_find(&touch->seen_keys, hash, is_key, to->keys, key) != PFW_INDEX_NONE)
		return 0;
	if (grow((void **)&to->keys, to->n_keys, &to->n_keys_room, sizeof(*to->keys)) ||
	    pfw_index_put(&touch->seen_keys, hash, (uint32_t)to->n_keys))
		return -ENOMEM;
	to->keys[to->n_keys++] = *key;
	if (!slot)
		return 0;
	ret = add_name(touch, forwards[slot->forward].name);
	for (at = slot->more; !ret && at != PFW_INDEX_NONE; at = touch->plan->claims[at].next)
		ret = add_name(touch, forwards[touch->plan->claims[at].forward].name);
	return ret;
}

static int touch_own(void *ctx, const struct pfw_key *key)
{
	struct touch *touch = ctx;

	touch->n_own++;
	return add_key(touch, key);
}

static int touch_slots(struct touch *touch, const struct pfw_group *group)
{
	uint32_t id;
	int ret = 0;

	for (id = group->first; !ret && id != PFW_INDEX_NONE; id = touch->plan->slots[id].next)
		ret = add_key(touch, &touch->plan->slots[id].key);
	return ret;
}

/* All of a range's ports, and all ranges: whatever may turn with an outspoken range. */
static int touch_covered(struct touch *touch, const struct pfw_key *key)
{
	const struct pfw_plan *plan = touch->plan;
	const struct pfw_cover *cover = cover_of(plan, key);
	const struct pfw_group *group;
	struct pfw_key port = *key;
	uint32_t at, i;
	int ret = 0;

	for (at = key->port.lo; !ret && at <= key->port.hi; at++) {
		if (cover->ports && cover->ports[at] > touch->n_own)
			continue;
		port.port = (struct pfw_ports){ (uint16_t)at, (uint16_t)at };
		group = pfw_plan_group(plan, &port);
		ret = group ? touch_slots(touch, group) : 0;
	}
	for (i = 0; !ret && cover->n_outspoken <= touch->n_own && i < plan->n_groups; i++) {
		group = &plan->groups[i];
		if (group->port.lo != group->port.hi && group->family == key->family &&
		    group->protocol == key->protocol)
			ret = touch_slots(touch, group);
	}
	return ret;
}

/*
 * Others change only when the first outspoken slot comes or the last one goes. The
 * changed forwards have at most n_own of them.
 */
static int touch_others(void *ctx, const struct pfw_key *key)
{
	struct touch *touch = ctx;
	const struct pfw_group *group = pfw_plan_group(touch->plan, key);
	int ret;

	if (pfw_key_is_range(key)) {
		ret = touch_covered(touch, key);
		if (ret)
			return ret;
	}
	return group && group->n_outspoken <= touch->n_own ? touch_slots(touch, group) : 0;
}

static int remember(struct touch *touch)
{
	const struct pfw_touched *to = touch->to;
	int ret = 0;
	size_t i;

	for (i = 0; !ret && i < to->n_keys; i++)
		ret = pfw_index_put(&touch->seen_keys, pfw_key_hash(&to->keys[i]), (uint32_t)i);
	for (i = 0; !ret && i < to->n_names; i++)
		ret = pfw_index_put(&touch->seen_names,
				    pfw_hash(to->names[i], strlen(to->names[i])), (uint32_t)i);
	for (i = 0; !ret && i < to->n_goals; i++)
		ret = pfw_index_put(&touch->seen_goals,
				    pfw_hash(to->goals[i].bytes, pfw_addr_size(to->goals[i].family)),
				    (uint32_t)i);
	return ret;
}

static int touch_forwards(struct touch *touch, const struct pfw_forward *const *forwards, size_t n)
{
	int ret = remember(touch);
	size_t i;

	for (i = 0; !ret && i < n; i++) {
		ret = add_name(touch, forwards[i]->name);
		if (!ret && pfw_plan_active(touch->plan, forwards[i]))
			ret = pfw_forward_keys(forwards[i], touch_own, touch);
		if (!ret)
			ret = touch_goals(touch, forwards[i]);
	}
	return ret;
}

static void touch_free(struct touch *touch)
{
	pfw_index_free(&touch->seen_keys);
	pfw_index_free(&touch->seen_names);
	pfw_index_free(&touch->seen_goals);
}

int pfw_plan_own(const struct pfw_plan *plan, const struct pfw_forward *const *forwards, size_t n,
		 struct pfw_touched *touched, struct pfw_error *err)
{
	struct touch touch = { .plan = plan, .to = touched };
	int ret = touch_forwards(&touch, forwards, n);

	touch_free(&touch);
	return ret ? pfw_fail_memory(err) : 0;
}

int pfw_plan_touch(const struct pfw_plan *plan, const struct pfw_forward *const *forwards,
		   size_t n, struct pfw_touched *touched, struct pfw_error *err)
{
	struct touch touch = { .plan = plan, .to = touched };
	int ret = touch_forwards(&touch, forwards, n);
	size_t i;

	for (i = 0; !ret && i < n; i++)
		if (pfw_plan_active(plan, forwards[i]) &&
		    pfw_plan_source(plan, forwards[i]) != PFW_SOURCE_AUTO)
			ret = pfw_forward_keys(forwards[i], touch_others, &touch);
	touch_free(&touch);
	return ret ? pfw_fail_memory(err) : 0;
}
