/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which keys a change touches: all that it changes, and few more. */
#include <sys/socket.h>

#include "cases.h"

static size_t touched(const struct pfw_plan *plan, const struct sample *sample)
{
	struct pfw_error err = PFW_ERROR_INIT;
	struct pfw_touched keys = { 0 };
	struct pfw_arena arena = { 0 };
	const struct pfw_forward *list[1];
	struct pfw_forward forward;
	size_t n;

	sample_make(sample, &arena, &forward);
	list[0] = &forward;
	ck_assert_int_eq(pfw_plan_touch(plan, list, 1, &keys, &err), 0);
	n = keys.n_keys;
	pfw_touched_free(&keys);
	pfw_touched_free(&keys);
	pfw_arena_free(&arena);
	return n;
}

#define NEIGHBOURS 500

/* If this fails, one forward among many costs as much as all of them. */
START_TEST(test_cost)
{
	static const struct sample quiet = { .name = "q", .targets = "10.0.0.2" };
	static const struct sample loud = { .name = "l", .targets = "10.0.0.2",
					    .snat = PFW_SNAT_MASQUERADE };
	static const struct sample off = { .name = "o", .targets = "10.0.0.2", .disabled = true,
					   .snat = PFW_SNAT_MASQUERADE };
	struct pfw_forward forward;
	struct pfw_ruleset ruleset;
	struct pfw_plan plan;
	char name[16], address[32];
	unsigned int i;

	sample_ruleset(&ruleset, NULL, 0);
	for (i = 0; i < NEIGHBOURS; i++) {
		snprintf(name, sizeof(name), "n%u", i);
		snprintf(address, sizeof(address), "192.0.%u.%u", i / 250, i % 250);
		sample_put(&ruleset, &(struct sample){ .name = name, .addresses = address,
						       .targets = "10.0.0.2" });
	}
	sample_plan(&ruleset, &plan);
	ck_assert_uint_eq(touched(&plan, &quiet), 1);
	ck_assert_uint_eq(touched(&plan, &off), 0);
	/* The first with a word of its own makes the others speak. */
	ck_assert_uint_eq(touched(&plan, &loud), NEIGHBOURS + 1);
	for (i = 0; i < 2; i++) {
		snprintf(name, sizeof(name), "n%u", i);
		snprintf(address, sizeof(address), "192.0.0.%u", i);
		sample_make(&(struct sample){ .name = name, .addresses = address,
					      .targets = "10.0.0.2", .snat = PFW_SNAT_NONE },
			    &ruleset.arena, &forward);
		sample_change(&ruleset, &plan, &forward);
	}
	/* Then one more changes nothing for them. */
	ck_assert_uint_eq(touched(&plan, &loud), 1);
	pfw_plan_free(&plan);
	pfw_ruleset_free(&ruleset);
}
END_TEST

START_TEST(test_no_key_twice)
{
	static const struct sample samples[] = { { .name = "a", .ports = "80 81" },
						 { .name = "b", .addresses = "192.0.2.1",
						   .targets = "10.0.0.2" } };
	struct pfw_error err = PFW_ERROR_INIT;
	const struct pfw_forward *list[4];
	struct pfw_touched keys = { 0 };
	struct pfw_ruleset ruleset;
	struct pfw_plan plan;
	size_t i, j;

	sample_ruleset(&ruleset, samples, COUNT(samples));
	sample_plan(&ruleset, &plan);
	for (i = 0; i < COUNT(list); i++)
		list[i] = &ruleset.forwards[i % 2];
	ck_assert_int_eq(pfw_plan_touch(&plan, list, COUNT(list), &keys, &err), 0);
	/* It adds to what is there. */
	ck_assert_int_eq(pfw_plan_touch(&plan, list, COUNT(list), &keys, &err), 0);
	ck_assert_uint_eq(keys.n_keys, 5);
	for (i = 0; i < keys.n_keys; i++)
		for (j = 0; j < i; j++)
			ck_assert(!pfw_key_equal(&keys.keys[i], &keys.keys[j]));
	pfw_touched_free(&keys);
	pfw_plan_free(&plan);
	pfw_ruleset_free(&ruleset);
}
END_TEST

static bool lists_name(const struct pfw_touched *touched, const char *name)
{
	size_t i;

	for (i = 0; i < touched->n_names; i++)
		if (!strcmp(touched->names[i], name))
			return true;
	return false;
}

/* The same of the forwards with chains of their own. */
static void unnamed_is_unchanged(const struct pfw_plan *before, const struct pfw_plan *after,
				 const struct pfw_touched *touched, unsigned int step)
{
	const struct pfw_ruleset *ruleset = before->ruleset;
	uint32_t i;

	for (i = 0; i < ruleset->n_forwards; i++)
		if (ruleset->forwards[i].name)
			ck_assert_msg(lists_name(touched, ruleset->forwards[i].name) ||
					      sample_same_needs(before, after,
								ruleset->forwards[i].name),
				      "step %u: %s changed, and was not touched", step,
				      ruleset->forwards[i].name);
}

static void untouched_is_unchanged(const struct pfw_plan *before, const struct pfw_plan *after,
				   const struct pfw_touched *keys, unsigned int step)
{
	const struct pfw_slot *slot;
	bool listed;
	uint32_t i;
	size_t k;

	for (i = 0; i < before->n_slots; i++) {
		slot = &before->slots[i];
		if (slot->forward == PFW_INDEX_NONE || sample_same_slot(before, after, &slot->key))
			continue;
		for (k = 0, listed = false; !listed && k < keys->n_keys; k++)
			listed = pfw_key_equal(&keys->keys[k], &slot->key);
		ck_assert_msg(listed, "step %u: slot %u changed, and its key was not touched", step, i);
	}
}

/* If this fails, objects that should change with their neighbours stay in the kernel as they were. */
START_TEST(test_all_that_changes_is_touched)
{
	struct sample_random random = { 99 };
	struct pfw_ruleset ruleset, old_ruleset;
	struct pfw_plan plan, old_plan;
	struct sample_step step;
	struct pfw_touched keys;
	unsigned int i;
	uint32_t id;

	sample_ruleset(&ruleset, NULL, 0);
	sample_plan(&ruleset, &plan);
	for (i = 0; i < 1500; i++) {
		old_ruleset = (struct pfw_ruleset){ .settings = ruleset.settings };
		for (id = 0; id < ruleset.n_forwards; id++)
			if (ruleset.forwards[id].name)
				ck_assert_int_eq(pfw_ruleset_put(&old_ruleset,
								 &ruleset.forwards[id], NULL), 0);
		sample_plan(&old_ruleset, &old_plan);
		keys = (struct pfw_touched){ 0 };
		sample_step_choose(&random, &ruleset, 25, &ruleset.arena, &step);
		sample_step_touch(&plan, &step, &keys);
		sample_step_make(&ruleset, &plan, &step);
		untouched_is_unchanged(&old_plan, &plan, &keys, i);
		untouched_is_unchanged(&plan, &old_plan, &keys, i);
		unnamed_is_unchanged(&old_plan, &plan, &keys, i);
		unnamed_is_unchanged(&plan, &old_plan, &keys, i);
		pfw_touched_free(&keys);
		pfw_plan_free(&old_plan);
		pfw_ruleset_free(&old_ruleset);
	}
	pfw_plan_free(&plan);
	pfw_ruleset_free(&ruleset);
}
END_TEST

TCase *touch_case(void)
{
	TCase *tcase;

	UNIT_CASE(tcase, "touch", test_cost, test_no_key_twice, test_all_that_changes_is_touched);
	tcase_set_timeout(tcase, 120);
	return tcase;
}
