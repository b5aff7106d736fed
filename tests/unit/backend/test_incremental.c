/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The promise that cost follows the change: compiling only the touched keys,
 * before and after, gives the very steps that compiling everything gives.
 */
#include "../../../src/backend/nft/nft.h"
#include "cases.h"

#define SEEDS 4
#define CHANGES 300

/* If this fails, a forward that is added or removed leaves the kernel other than a reload would. */
START_TEST(test_same_steps)
{
	struct pfw_image before, after, some_before, some_after;
	struct pfw_buffer all, some;
	struct sample_random random;
	struct pfw_ruleset ruleset;
	struct sample_step step;
	struct pfw_touched keys;
	struct pfw_plan plan;
	uint64_t seed;
	unsigned int i;

	for (seed = 1; seed <= SEEDS; seed++) {
		random.state = seed * 7919;
		sample_ruleset(&ruleset, NULL, 0);
		sample_plan(&ruleset, &plan);
		for (i = 0; i < CHANGES; i++) {
			keys = (struct pfw_touched){ 0 };
			all = some = (struct pfw_buffer){ 0 };
			/* Few names at first, so that the last of a map often goes. */
			sample_step_choose(&random, &ruleset, i < CHANGES / 2 ? 3 : 40,
					   &ruleset.arena, &step);
			sample_step_touch(&plan, &step, &keys);
			images_compile(&plan, NULL, &before);
			images_compile(&plan, &keys, &some_before);
			sample_step_make(&ruleset, &plan, &step);
			images_compile(&plan, NULL, &after);
			images_compile(&plan, &keys, &some_after);
			images_steps(&before, &after, &all);
			images_steps(&some_before, &some_after, &some);
			ck_assert_msg(!strcmp(all.data, some.data),
				      "seed %lu, change %u: with everything\n%.2000s\nwith the touched"
				      " keys\n%.2000s", seed, i, all.data, some.data);
			pfw_buffer_free(&all);
			pfw_buffer_free(&some);
			pfw_image_free(&before);
			pfw_image_free(&after);
			pfw_image_free(&some_before);
			pfw_image_free(&some_after);
			pfw_touched_free(&keys);
		}
		pfw_plan_free(&plan);
		pfw_ruleset_free(&ruleset);
	}
}
END_TEST

#define MANY 20000u

/* If this fails, one forward among many is compiled with all of them. */
START_TEST(test_size)
{
	struct pfw_touched keys = { 0 };
	struct pfw_forward forward;
	struct pfw_ruleset ruleset;
	struct sample_step step = { .n = 1 };
	struct pfw_image image;
	struct pfw_plan plan;
	char name[16], address[32];
	uint32_t i, elements = 0;

	sample_ruleset(&ruleset, NULL, 0);
	for (i = 0; i < MANY; i++) {
		snprintf(name, sizeof(name), "n%u", i);
		snprintf(address, sizeof(address), "192.%u.%u.1", i / 250, i % 250);
		sample_put(&ruleset, &(struct sample){ .name = name, .addresses = address,
						       .targets = "10.0.0.2" });
	}
	sample_plan(&ruleset, &plan);
	sample_make(&(struct sample){ .name = "one", .targets = "10.0.0.2" }, &ruleset.arena,
		    &forward);
	step.new[0] = forward;
	sample_step_touch(&plan, &step, &keys);
	sample_step_make(&ruleset, &plan, &step);
	images_compile(&plan, &keys, &image);
	for (i = 0; i < image.n_items; i++)
		elements += image.items[i].kind == NFT_KIND_ELEMENT;
	/* Its own, its target's and the stamp. */
	ck_assert_uint_eq(elements, 3);
	ck_assert_uint_lt(image.n_items, 20);
	pfw_image_free(&image);
	pfw_touched_free(&keys);
	pfw_plan_free(&plan);
	pfw_ruleset_free(&ruleset);
}
END_TEST

TCase *incremental_case(void)
{
	TCase *tcase;

	UNIT_CASE(tcase, "incremental", test_same_steps, test_size);
	tcase_set_timeout(tcase, 240);
	return tcase;
}
