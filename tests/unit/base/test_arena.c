/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Memory that is freed all at once. */
#include <stdint.h>

#include "cases.h"
#include "portfwd/base/arena.h"

START_TEST(test_objects_do_not_overlap)
{
	struct pfw_arena arena = { 0 };
	unsigned char *parts[500];
	size_t i, j, wrong = 0;

	for (i = 0; i < COUNT(parts); i++) {
		parts[i] = pfw_arena_alloc(&arena, i * 7);
		ck_assert_ptr_nonnull(parts[i]);
		ck_assert_uint_eq((uintptr_t)parts[i] % _Alignof(max_align_t), 0);
		memset(parts[i], (int)(i & 0xff), i * 7);
	}
	for (i = 0; i < COUNT(parts); i++)
		for (j = 0; j < i * 7; j++)
			wrong += parts[i][j] != (i & 0xff);
	ck_assert_uint_eq(wrong, 0);
	pfw_arena_free(&arena);
	ck_assert_ptr_null(arena.block);
}
END_TEST

START_TEST(test_large_and_endless)
{
	struct pfw_arena arena = { 0 };
	char *large = pfw_arena_array(&arena, 1000, 1000);

	ck_assert_ptr_nonnull(large);
	ck_assert_int_eq(large[999999], 0);
	ck_assert_ptr_null(pfw_arena_array(&arena, SIZE_MAX / 2, 3));
	ck_assert_ptr_null(pfw_arena_alloc(&arena, SIZE_MAX));
	ck_assert_str_eq(pfw_arena_text(&arena, "abcdef", 3), "abc");
	pfw_arena_free(&arena);
}
END_TEST

/* If this fails, what one thread has parsed is freed too early or never, or written over. */
START_TEST(test_joined)
{
	struct pfw_arena one = { 0 }, other = { 0 };
	char *texts[3], *after;

	texts[0] = pfw_arena_text(&other, "first", 5);
	pfw_arena_join(&one, &other);
	ck_assert_ptr_null(other.block);
	texts[1] = pfw_arena_text(&one, "second", 6);
	texts[2] = pfw_arena_text(&other, "third", 5);
	ck_assert_ptr_nonnull(pfw_arena_alloc(&other, 100000));
	pfw_arena_join(&one, &other);
	pfw_arena_join(&one, &other);
	after = pfw_arena_text(&one, "fourth", 6);
	ck_assert_str_eq(texts[0], "first");
	ck_assert_str_eq(texts[1], "second");
	ck_assert_str_eq(texts[2], "third");
	ck_assert_str_eq(after, "fourth");
	pfw_arena_free(&one);
}
END_TEST

TCase *arena_case(void)
{
	TCase *tcase;

	UNIT_CASE(tcase, "arena", test_objects_do_not_overlap, test_large_and_endless, test_joined);
	return tcase;
}
