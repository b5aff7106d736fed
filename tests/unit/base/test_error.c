/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Errors as words. */
#include <errno.h>

#include "cases.h"

START_TEST(test_paths)
{
	struct pfw_error err = PFW_ERROR_INIT;
	size_t outer, inner;

	err.file = "/f.json";
	outer = pfw_error_enter_key(&err, "forwards");
	inner = pfw_error_enter_index(&err, 1002);
	pfw_error_enter(&err, ".listen");
	ck_assert_int_eq(pfw_error_add(&err, PFW_CONFLICT, "%d is wrong", 7), -EINVAL);
	ck_assert_str_eq(err.item[0].path, "forwards[1002].listen");
	ck_assert_str_eq(err.item[0].file, "/f.json");
	ck_assert_str_eq(err.item[0].message, "7 is wrong");
	pfw_error_leave(&err, inner);
	ck_assert_str_eq(err.where, "forwards");
	pfw_error_leave(&err, outer);
	ck_assert_str_eq(err.where, "");
	pfw_error_enter_index(&err, 0);
	ck_assert_str_eq(err.where, "[0]");
}
END_TEST

START_TEST(test_collects_ten_and_counts_all)
{
	struct pfw_error err = PFW_ERROR_INIT;
	int i;

	for (i = 0; i < 25; i++)
		pfw_error_add(&err, i ? PFW_FAILED : PFW_CONFLICT, "error %d", i);
	ck_assert_uint_eq(err.count, 25);
	ck_assert_int_eq(err.kind, PFW_CONFLICT);
	ck_assert_str_eq(err.item[PFW_ERROR_ITEMS - 1].message, "error 9");
	ck_assert_int_eq(pfw_fail(&err, PFW_NOT_FOUND, -ENOENT, "only this"), -ENOENT);
	ck_assert_uint_eq(err.count, 1);
	ck_assert_int_eq(err.kind, PFW_NOT_FOUND);
	ck_assert_str_eq(err.item[0].message, "only this");
}
END_TEST

/* If this fails, a full table of descriptors says that the kernel lacks something. */
START_TEST(test_errno_passes)
{
	ck_assert(pfw_errno_passes(-ENFILE));
	ck_assert(pfw_errno_passes(-ENOMEM));
	ck_assert(!pfw_errno_passes(-EPROTONOSUPPORT));
	ck_assert(!pfw_errno_passes(-EPERM));
	ck_assert(!pfw_errno_passes(0));
}
END_TEST

START_TEST(test_errno_kinds)
{
	struct pfw_error err = PFW_ERROR_INIT;

	pfw_fail_errno(&err, -EACCES, "cannot read %s", "x");
	ck_assert_int_eq(err.kind, PFW_NOT_PERMITTED);
	ck_assert_str_eq(err.item[0].message, "cannot read x: Permission denied");
	pfw_fail_errno(&err, -ENOSPC, "cannot save");
	ck_assert_int_eq(err.kind, PFW_FAILED);
}
END_TEST

/* If this fails, a hostile file can write to the terminal of whoever reads the error. */
START_TEST(test_messages_are_clean)
{
	struct pfw_error err = PFW_ERROR_INIT;
	char key[1000];

	memset(key, 'k', sizeof(key) - 1);
	key[sizeof(key) - 1] = '\0';
	pfw_error_enter_key(&err, "a\033[31m");
	pfw_error_enter_key(&err, key);
	pfw_error_add(&err, PFW_FAILED, "bell \a, override \xe2\x80\xae, broken \xff\xc3");
	ck_assert_str_eq(err.item[0].message, "bell ?, override ?, broken ??");
	ck_assert_int_eq(strncmp(err.item[0].path, "a?[31m.kkk", 10), 0);
	ck_assert_uint_lt(strlen(err.item[0].path), sizeof(err.item[0].path));
}
END_TEST

/* If this fails, ten errors hide what to do about them. */
START_TEST(test_advice_is_always_told)
{
	struct pfw_error err = PFW_ERROR_INIT;
	unsigned int i;

	pfw_error_add_advice(&err, PFW_FAILED, "first");
	ck_assert_uint_eq(err.count, 1);
	ck_assert_str_eq(err.item[0].message, "first");
	for (i = 1; i < PFW_ERROR_ITEMS + 2; i++)
		pfw_error_add(&err, PFW_CONFLICT, "no %u", i);
	pfw_error_add_advice(&err, PFW_FAILED, "do this");
	ck_assert_uint_eq(err.count, PFW_ERROR_ITEMS + 3);
	ck_assert_str_eq(err.item[PFW_ERROR_ITEMS - 1].message, "do this");
	ck_assert_str_eq(err.item[PFW_ERROR_ITEMS - 2].message, "no 8");
}
END_TEST

TCase *error_case(void)
{
	TCase *tcase;

	UNIT_CASE(tcase, "error", test_paths, test_collects_ten_and_counts_all, test_errno_kinds,
		  test_errno_passes, test_messages_are_clean, test_advice_is_always_told);
	return tcase;
}
