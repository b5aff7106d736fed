/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Text from outside, made fit for messages. */
#include "cases.h"
#include "portfwd/base/text.h"

START_TEST(test_hazards)
{
	static const struct {
		const char *text;
		size_t hazard;
	} rows[] = {
		{ "a", 0 },		{ "\xc3\xa9", 0 },	{ "\n", 1 },
		{ "\x7f", 1 },		{ "\xc2\x85", 2 },	{ "\xc2\xa0", 0 },
		{ "\xd8\x9c", 2 },	{ "\xe2\x80\x8f", 3 },	{ "\xe2\x80\xa8", 3 },
		{ "\xe2\x80\xae", 3 },	{ "\xe2\x80\xaf", 0 },	{ "\xe2\x81\xa6", 3 },
		{ "\xe2\x81\xa9", 3 },	{ "\xe2\x81\xaa", 0 },	{ "\xe2\x80", 0 },
	};
	size_t i;

	for (i = 0; i < COUNT(rows); i++)
		ck_assert_msg(pfw_text_hazard(rows[i].text, strlen(rows[i].text)) ==
			      rows[i].hazard, "row %zu", i);
	ck_assert_uint_eq(pfw_text_hazard("", 0), 0);
}
END_TEST

START_TEST(test_quotes)
{
	char buf[PFW_QUOTE_SIZE], text[200];
	size_t len;

	ck_assert_str_eq(pfw_text_quote("80", 2, buf), "80");
	ck_assert_str_eq(pfw_text_quote("", 0, buf), "\"\"");
	ck_assert_str_eq(pfw_text_quote("a b", 3, buf), "\"a b\"");
	ck_assert_str_eq(pfw_text_quote("a\0b", 3, buf), "\"a?b\"");
	ck_assert_str_eq(pfw_text_quote("\xe2\x80\xae!", 4, buf), "\"?!\"");
	/* Cut at every length, it stays within its size and whole characters. */
	memset(text, 'x', sizeof(text));
	for (len = 0; len + 1 < sizeof(text); len += 2)
		memcpy(text + len, "\xc3\xa9", 2);
	for (len = 0; len < sizeof(text); len++) {
		pfw_text_quote(text, len - len % 2, buf);
		ck_assert_uint_lt(strlen(buf), sizeof(buf));
		pfw_text_clean(buf);
		ck_assert_ptr_null(strchr(buf, '?'));
	}
}
END_TEST

START_TEST(test_clean)
{
	char text[] = "ok \xc3\xa9 \xf0\x9f\x99\x82 \xed\xa0\x80 \xc0\xaf \xf5\x80\x80\x80 \xe2\x82";

	pfw_text_clean(text);
	ck_assert_str_eq(text, "ok \xc3\xa9 \xf0\x9f\x99\x82 ??? ?? ???? ??");
}
END_TEST

TCase *text_case(void)
{
	TCase *tcase;

	UNIT_CASE(tcase, "text", test_hazards, test_quotes, test_clean);
	return tcase;
}
