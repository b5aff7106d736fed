/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Words and what they stand for. */
#include <stdbool.h>

#include "cases.h"
#include "portfwd/base/names.h"

static const struct pfw_name table[] = {
	{ "auto", 1 }, { "masquerade", 2 }, { "none", 3 }, { NULL, 0 },
};

START_TEST(test_both_ways)
{
	ck_assert_int_eq(pfw_name_value(table, "none", 4), 3);
	ck_assert_int_eq(pfw_name_value(table, "nonexx", 4), 3);
	ck_assert_int_eq(pfw_name_value(table, "non", 3), -1);
	ck_assert_int_eq(pfw_name_value(table, "None", 4), -1);
	ck_assert_int_eq(pfw_name_value(table, "", 0), -1);
	ck_assert_str_eq(pfw_name_text(table, 2), "masquerade");
	ck_assert_ptr_null(pfw_name_text(table, 9));
}
END_TEST

START_TEST(test_list)
{
	char buf[64], small[8];

	ck_assert_str_eq(pfw_name_list(table, buf, sizeof(buf)), "auto, masquerade or none");
	ck_assert_str_eq(pfw_name_list(table + 1, buf, sizeof(buf)), "masquerade or none");
	ck_assert_str_eq(pfw_name_list(table + 2, buf, sizeof(buf)), "none");
	ck_assert_str_eq(pfw_name_list(table, small, sizeof(small)), "auto, m");
}
END_TEST

START_TEST(test_near)
{
	static const struct {
		const char *word, *meant;
		bool near;
	} rows[] = {
		{ "targte", "target", true },	{ "lisen", "listen", true },
		{ "Name", "name", true },	{ "enable", "enabled", true },
		{ "portx", "port", true },	{ "post", "port", true },
		{ "sorce", "source", true },	{ "comment", "target", false },
		{ "xy", "port", false },	{ "", "port", false },
		{ "a", "b", false },
		{ "a-word-that-is-much-too-long-to-be-near", "a-word", false },
	};
	size_t i;

	for (i = 0; i < COUNT(rows); i++)
		ck_assert_msg(!pfw_name_is_near(rows[i].word, rows[i].meant) == !rows[i].near,
			      "%s, %s", rows[i].word, rows[i].meant);
}
END_TEST

TCase *names_case(void)
{
	TCase *tcase;

	UNIT_CASE(tcase, "names", test_both_ways, test_list, test_near);
	return tcase;
}
