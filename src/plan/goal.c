/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where connections go whose source is only rewritten if they go back where they came from. What
 * another program sent elsewhere, by rules of its own, is told apart by that.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "inside.h"

static bool is_goal(const void *array, uint32_t id, const void *key)
{
	return pfw_addr_equal(&((const struct pfw_goal *)array)[id].address, key);
}

static uint64_t goal_hash(const struct pfw_addr *address)
{
	return pfw_hash(address->bytes, pfw_addr_size(address->family));
}

static uint32_t find(const struct pfw_plan *plan, const struct pfw_addr *address)
{
	return pfw_index_find(&plan->goal_keys, goal_hash(address), is_goal, plan->goals, address);
}

bool pfw_plan_has_goal(const struct pfw_plan *plan, const struct pfw_addr *address)
{
	return find(plan, address) != PFW_INDEX_NONE;
}

bool target_is_goal(const struct pfw_target *target)
{
	return !target->self && !pfw_addr_is_loopback(&target->address);
}

static int count_in(struct pfw_plan *plan, const struct pfw_addr *address)
{
	uint32_t id = find(plan, address), n_room;
	struct pfw_goal *goals;

	if (id != PFW_INDEX_NONE) {
		plan->goals[id].n++;
		return 0;
	}
	if (plan->n_goals == plan->n_goals_room) {
		n_room = plan->n_goals_room ? plan->n_goals_room * 2 : 16;
		goals = reallocarray(plan->goals, n_room, sizeof(*goals));
		if (!goals)
			return -ENOMEM;
		plan->goals = goals;
		plan->n_goals_room = n_room;
	}
	if (pfw_index_put(&plan->goal_keys, goal_hash(address), plan->n_goals))
		return -ENOMEM;
	plan->goals[plan->n_goals++] = (struct pfw_goal){ *address, 1 };
	plan->frame.n_goals[family_index(address->family)]++;
	return 0;
}

/* The last one takes the place of the one that goes; that it finds room is certain. */
static void count_out(struct pfw_plan *plan, const struct pfw_addr *address)
{
	uint32_t id = find(plan, address), last = plan->n_goals - 1;
	struct pfw_addr moved;

	if (id == PFW_INDEX_NONE || --plan->goals[id].n)
		return;
	moved = plan->goals[last].address;
	plan->frame.n_goals[family_index(address->family)]--;
	pfw_index_drop(&plan->goal_keys, goal_hash(address), id);
	plan->n_goals--;
	if (id == last)
		return;
	pfw_index_drop(&plan->goal_keys, goal_hash(&moved), last);
	plan->goals[id] = plan->goals[last];
	pfw_index_put(&plan->goal_keys, goal_hash(&moved), id);
}

static void count_out_first(struct pfw_plan *plan, const struct pfw_forward *forward, uint16_t n)
{
	uint16_t i;

	for (i = 0; i < n; i++)
		if (target_is_goal(&forward->targets[i]))
			count_out(plan, &forward->targets[i].address);
}

int goals_count(struct pfw_plan *plan, const struct pfw_forward *forward, bool in)
{
	uint16_t i;

	if (pfw_plan_source(plan, forward) != PFW_SOURCE_AUTO)
		return 0;
	if (!in) {
		count_out_first(plan, forward, forward->n_targets);
		return 0;
	}
	for (i = 0; i < forward->n_targets; i++) {
		if (!target_is_goal(&forward->targets[i]) ||
		    !count_in(plan, &forward->targets[i].address))
			continue;
		count_out_first(plan, forward, i);
		return -ENOMEM;
	}
	return 0;
}
