/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Plans that were changed thousands of times beside plans that are made at once. */
#include <errno.h>

#include "cases.h"

#define NAMES 40
#define SEEDS 8
#define CHANGES 3000

/* Everything that the backends see of a plan, and nothing of how it came about. */
static void same_plan(const struct pfw_plan *plan, const struct pfw_plan *scratch, uint64_t seed,
		      unsigned int step)
{
	const struct pfw_slot *slot;
	uint32_t i, live = 0;

	ck_assert_msg(plan->keys.live == scratch->keys.live, "seed %lu, step %u: keys", seed, step);
	ck_assert_msg(!memcmp(&plan->frame, &scratch->frame, sizeof(plan->frame)),
		      "seed %lu, step %u: frame", seed, step);
	ck_assert_msg(plan->digest == scratch->digest, "seed %lu, step %u: digest", seed, step);
	for (i = 0; i < plan->n_slots; i++) {
		slot = &plan->slots[i];
		if (slot->forward == PFW_INDEX_NONE)
			continue;
		live++;
		ck_assert_msg(sample_same_slot(plan, scratch, &slot->key),
			      "seed %lu, step %u: slot %u", seed, step, i);
		ck_assert_ptr_eq(pfw_plan_slot(plan, &slot->key), slot);
	}
	ck_assert_uint_eq(live, plan->keys.live);
	for (i = 0; i < plan->ruleset->n_forwards; i++)
		if (plan->ruleset->forwards[i].name)
			ck_assert_msg(sample_same_needs(plan, scratch,
							plan->ruleset->forwards[i].name),
				      "seed %lu, step %u: forward %u", seed, step, i);
}

static void compare_with_scratch(const struct pfw_plan *plan, uint64_t seed, unsigned int step)
{
	struct pfw_plan scratch;

	sample_plan(plan->ruleset, &scratch);
	same_plan(plan, &scratch, seed, step);
	pfw_plan_free(&scratch);
}

/* What of the language has been met in a plan so far. */
struct met {
	bool shapes[PFW_SHAPES];
	bool ranges_speak;
	bool covered;	/* a quiet port that an outspoken range makes speak */
	uint32_t most_claims;
};

static void meet(struct met *met, const struct pfw_plan *plan)
{
	const struct pfw_forward **claims;
	const struct pfw_slot *slot;
	uint32_t i;
	int n;

	for (i = 0; i < plan->n_slots; i++) {
		slot = &plan->slots[i];
		if (slot->forward == PFW_INDEX_NONE)
			continue;
		met->shapes[slot->shape] = true;
		if (pfw_slot_speaks(plan, slot) && !slot->outspoken) {
			met->ranges_speak |= pfw_key_is_range(&slot->key);
			met->covered |= slot->key.tier == PFW_TIER_ANY;
		}
		n = pfw_slot_claims(plan, slot, &claims);
		free(claims);
		if ((uint32_t)n > met->most_claims)
			met->most_claims = (uint32_t)n;
	}
}

/* If this fails, the samples leave a part of the language out, and the other tests say less. */
static void all_was_met(const struct met *met)
{
	unsigned int i;

	for (i = 0; i < PFW_SHAPES; i++)
		ck_assert_msg(met->shapes[i], "no slot of shape %u", i);
	ck_assert(met->ranges_speak);
	ck_assert(met->covered);
	ck_assert_uint_ge(met->most_claims, 3);
}

/* If this fails, a plan that lives long drifts away from what the files say. */
START_TEST(test_changed_as_made)
{
	unsigned int step, conflicts, puts;
	struct met met = { 0 };
	struct sample_random random;
	struct pfw_ruleset ruleset;
	struct pfw_forward forward;
	struct pfw_frame frame;
	struct pfw_plan plan;
	uint64_t seed, digest;
	char name[8];

	for (seed = 1; seed <= SEEDS; seed++) {
		random.state = seed;
		conflicts = puts = 0;
		sample_ruleset(&ruleset, NULL, 0);
		sample_plan(&ruleset, &plan);
		for (step = 0; step < CHANGES; step++) {
			snprintf(name, sizeof(name), "f%u", sample_below(&random, NAMES));
			sample_drop(&ruleset, &plan, name);
			frame = plan.frame;
			digest = plan.digest;
			if (sample_below(&random, 3)) {
				sample_any(&random, name, &ruleset.arena, &forward);
				puts++;
				if (sample_change(&ruleset, &plan, &forward)) {
					/* A refused one leaves no trace. */
					conflicts++;
					ck_assert_mem_eq(&plan.frame, &frame, sizeof(frame));
					ck_assert_uint_eq(plan.digest, digest);
				}
			}
			if (step % 25)
				continue;
			compare_with_scratch(&plan, seed, step);
			meet(&met, &plan);
		}
		/* The samples are of use only if both happen often. */
		ck_assert_uint_gt(conflicts, puts / 10);
		ck_assert_uint_gt(puts - conflicts, puts / 10);
		while (ruleset.n_live)
			for (step = 0; step < ruleset.n_forwards; step++)
				if (ruleset.forwards[step].name)
					sample_drop(&ruleset, &plan, ruleset.forwards[step].name);
		compare_with_scratch(&plan, seed, CHANGES);
		ck_assert_uint_eq(plan.digest, 0);
		pfw_plan_free(&plan);
		pfw_ruleset_free(&ruleset);
	}
	all_was_met(&met);
}
END_TEST

/* If this fails, a change that the kernel refused stays in the plan all the same. */
START_TEST(test_undone)
{
	struct sample_random random = { 4711 };
	struct pfw_ruleset ruleset;
	struct sample_step step;
	struct pfw_frame frame;
	struct pfw_plan plan;
	unsigned int i, k;
	uint64_t digest;

	sample_ruleset(&ruleset, NULL, 0);
	sample_plan(&ruleset, &plan);
	for (i = 0; i < 1000; i++) {
		frame = plan.frame;
		digest = plan.digest;
		sample_step_choose(&random, &ruleset, NAMES, &ruleset.arena, &step);
		sample_step_make(&ruleset, &plan, &step);
		if (i % 3 == 0)
			continue;
		for (k = 0; k < step.n; k++)
			if (step.new[k].name)
				sample_drop(&ruleset, &plan, step.new[k].name);
		for (k = 0; k < step.n; k++)
			if (step.old[k].name)
				ck_assert_int_eq(sample_change(&ruleset, &plan, &step.old[k]), 0);
		ck_assert_mem_eq(&plan.frame, &frame, sizeof(frame));
		ck_assert_uint_eq(plan.digest, digest);
	}
	compare_with_scratch(&plan, 4711, i);
	pfw_plan_free(&plan);
	pfw_ruleset_free(&ruleset);
}
END_TEST

TCase *random_case(void)
{
	TCase *tcase;

	UNIT_CASE(tcase, "random", test_changed_as_made, test_undone);
	tcase_set_timeout(tcase, 120);
	return tcase;
}
