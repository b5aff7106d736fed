/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which keys a change concerns, so that its cost follows the change. */
#include <errno.h>
#include <stdlib.h>

#include "portfwd/plan/plan.h"

void pfw_keys_free(struct pfw_keys *keys)
{
	free(keys->keys);
	*keys = (struct pfw_keys){ 0 };
}

struct touch {
	const struct pfw_plan *plan;
	struct pfw_keys *keys;
	struct pfw_index seen;
	uint32_t n_own;		/* keys of the changed forwards themselves */
};

static bool is_key(const void *array, uint32_t id, const void *key)
{
	return pfw_key_equal((const struct pfw_key *)array + id, key);
}

static int add_key(struct touch *touch, const struct pfw_key *key)
{
	struct pfw_keys *keys = touch->keys;
	uint64_t hash = pfw_key_hash(key);
	struct pfw_key *grown;
	size_t n_room;

	if (pfw_index_find(&touch->seen, hash, is_key, keys->keys, key) != PFW_INDEX_NONE)
		return 0;
	if (keys->n_keys == keys->n_room) {
		n_room = keys->n_room ? keys->n_room * 2 : 16;
		grown = reallocarray(keys->keys, n_room, sizeof(*grown));
		if (!grown)
			return -ENOMEM;
		keys->keys = grown;
		keys->n_room = n_room;
	}
	if (pfw_index_put(&touch->seen, hash, (uint32_t)keys->n_keys))
		return -ENOMEM;
	keys->keys[keys->n_keys++] = *key;
	return 0;
}

static int touch_own(void *ctx, const struct pfw_key *key)
{
	struct touch *touch = ctx;

	touch->n_own++;
	return add_key(touch, key);
}

/*
 * The others of the group change only when its first outspoken slot comes or its
 * last one goes. The changed forwards have at most n_own of them.
 */
static int touch_group(void *ctx, const struct pfw_key *key)
{
	struct touch *touch = ctx;
	const struct pfw_group *group = pfw_plan_group(touch->plan, key);
	const struct pfw_slot *slot;
	uint32_t id;
	int ret = 0;

	if (!group || group->n_outspoken > touch->n_own)
		return 0;
	for (id = group->first; !ret && id != PFW_INDEX_NONE; id = slot->next) {
		slot = &touch->plan->slots[id];
		ret = add_key(touch, &slot->key);
	}
	return ret;
}

int pfw_plan_touch(const struct pfw_plan *plan, const struct pfw_forward *const *forwards,
		   size_t n, struct pfw_keys *keys, struct pfw_error *err)
{
	struct touch touch = { .plan = plan, .keys = keys };
	int ret = 0;
	size_t i;

	for (i = 0; !ret && i < keys->n_keys; i++)
		ret = pfw_index_put(&touch.seen, pfw_key_hash(&keys->keys[i]), (uint32_t)i);
	for (i = 0; !ret && i < n; i++)
		if (forwards[i]->enabled)
			ret = pfw_forward_keys(forwards[i], touch_own, &touch);
	for (i = 0; !ret && i < n; i++)
		if (forwards[i]->enabled && pfw_plan_outspoken(plan, forwards[i]))
			ret = pfw_forward_keys(forwards[i], touch_group, &touch);
	pfw_index_free(&touch.seen);
	return ret ? pfw_fail_memory(err) : 0;
}
