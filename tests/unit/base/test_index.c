/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The hash index. */
#include "cases.h"
#include "portfwd/base/index.h"

#define MANY 5000

static bool is_number(const void *array, uint32_t id, const void *key)
{
	const uint32_t *numbers = array, *wanted = key;

	return numbers[id] == *wanted;
}

static uint64_t hash_of(uint32_t number)
{
	return pfw_hash(&number, sizeof(number));
}

START_TEST(test_finds_what_was_put)
{
	static uint32_t numbers[MANY];
	struct pfw_index index = { 0 };
	uint32_t i, none = MANY * 3 + 1;

	ck_assert_uint_eq(pfw_index_find(&index, 1, is_number, numbers, &none), PFW_INDEX_NONE);
	for (i = 0; i < MANY; i++) {
		numbers[i] = i * 3;
		ck_assert_int_eq(pfw_index_put(&index, hash_of(i * 3), i), 0);
	}
	for (i = 0; i < MANY; i++)
		ck_assert_uint_eq(pfw_index_find(&index, hash_of(numbers[i]), is_number, numbers,
						 &numbers[i]), i);
	ck_assert_uint_eq(pfw_index_find(&index, hash_of(none), is_number, numbers, &none),
			  PFW_INDEX_NONE);
	pfw_index_free(&index);
}
END_TEST

/* If this fails, an index that is changed for days fills up with dropped cells. */
START_TEST(test_drop_and_put_for_ever)
{
	static uint32_t numbers[16];
	struct pfw_index index = { 0 };
	uint32_t i, id;

	for (i = 0; i < 200000; i++) {
		id = i % COUNT(numbers);
		if (i >= COUNT(numbers))
			pfw_index_drop(&index, hash_of(numbers[id]), id);
		numbers[id] = i;
		ck_assert_int_eq(pfw_index_put(&index, hash_of(i), id), 0);
	}
	ck_assert_uint_eq(index.live, COUNT(numbers));
	ck_assert_uint_le(index.size, 1024);
	for (id = 0; id < COUNT(numbers); id++)
		ck_assert_uint_eq(pfw_index_find(&index, hash_of(numbers[id]), is_number, numbers,
						 &numbers[id]), id);
	pfw_index_free(&index);
}
END_TEST

START_TEST(test_equal_hashes)
{
	uint32_t numbers[] = { 10, 20, 30 };
	struct pfw_index index = { 0 };
	uint32_t i;

	for (i = 0; i < COUNT(numbers); i++)
		ck_assert_int_eq(pfw_index_put(&index, 42, i), 0);
	pfw_index_drop(&index, 42, 0);
	ck_assert_uint_eq(pfw_index_find(&index, 42, is_number, numbers, &numbers[2]), 2);
	ck_assert_uint_eq(pfw_index_find(&index, 42, is_number, numbers, &numbers[0]),
			  PFW_INDEX_NONE);
	pfw_index_free(&index);
}
END_TEST

TCase *index_case(void)
{
	TCase *tcase;

	UNIT_CASE(tcase, "index", test_finds_what_was_put, test_drop_and_put_for_ever,
		  test_equal_hashes);
	return tcase;
}
