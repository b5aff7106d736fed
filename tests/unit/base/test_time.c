/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Points in time and durations. */
#include "cases.h"
#include "portfwd/base/time.h"

START_TEST(test_times)
{
	static const struct {
		const char *text;
		int64_t seconds;
		const char *printed;
	} rows[] = {
		{ "2027-01-31T12:00:00Z", 1801396800, "2027-01-31T12:00:00Z" },
		{ "2027-01-31t12:00:00z", 1801396800, "2027-01-31T12:00:00Z" },
		{ "2027-01-31T14:00:00+02:00", 1801396800, "2027-01-31T12:00:00Z" },
		{ "2027-01-31T00:30:00-11:30", 1801396800, "2027-01-31T12:00:00Z" },
		{ "2027-01-31T12:00:00-00:00", 1801396800, "2027-01-31T12:00:00Z" },
		{ "2027-01-31T12:00:00.999999999Z", 1801396800, "2027-01-31T12:00:00Z" },
		{ "1970-01-01T00:00:01Z", 1, "1970-01-01T00:00:01Z" },
		{ "2000-02-29T23:59:59Z", 951868799, "2000-02-29T23:59:59Z" },
		{ "2038-01-19T03:14:08Z", 2147483648, "2038-01-19T03:14:08Z" },
		{ "9999-12-31T23:59:59Z", PFW_TIME_MAX, "9999-12-31T23:59:59Z" },
	};
	struct pfw_error err = PFW_ERROR_INIT;
	char buf[PFW_TIME_TEXT];
	int64_t seconds;
	size_t i;

	for (i = 0; i < COUNT(rows); i++) {
		ck_assert_msg(!pfw_time_parse(rows[i].text, strlen(rows[i].text), &seconds, &err),
			      "%s", rows[i].text);
		ck_assert_int_eq(seconds, rows[i].seconds);
		ck_assert_str_eq(pfw_time_print(seconds, buf), rows[i].printed);
	}
}
END_TEST

START_TEST(test_wrong_times)
{
	static const char *const wrong[] = {
		"", "now", "2027", "2027-01-31", "2027-01-31T12:00Z", "2027-01-31T12:00:00",
		"2027-01-31 12:00:00Z", "2027-01-31T12:00:00Z ", " 2027-01-31T12:00:00Z",
		"2027-1-31T12:00:00Z", "+2027-01-31T12:00:00Z", "2027-01-31T12:00:00+02",
		"2027-01-31T12:00:00+0200", "2027-01-31T12:00:00+02:00Z", "2027-01-31T12:00:00+24:00",
		"2027-01-31T12:00:00+02:60", "2027-01-31T12:00:00.Z", "2027-01-31T24:00:00Z",
		"2027-01-31T12:60:00Z", "2027-01-31T12:00:60Z", "2027-00-31T12:00:00Z",
		"2027-13-31T12:00:00Z", "2027-01-00T12:00:00Z", "2027-01-32T12:00:00Z",
		"2027-02-29T12:00:00Z", "2027-04-31T12:00:00Z", "2100-02-29T12:00:00Z",
		"1970-01-01T00:00:00Z", "1969-12-31T23:59:59Z", "0000-01-01T00:00:00Z",
		"9999-12-31T23:59:59-00:01", "20270-01-31T12:00:00Z",
	};
	struct pfw_error err = PFW_ERROR_INIT;
	int64_t seconds = 7;
	size_t i;

	for (i = 0; i < COUNT(wrong); i++)
		ck_assert_msg(pfw_time_parse(wrong[i], strlen(wrong[i]), &seconds, &err) < 0, "%s",
			      wrong[i]);
	ck_assert_int_eq(seconds, 7);
	pfw_error_clear(&err);
	pfw_time_parse("2h", 2, &seconds, &err);
	unit_has_error(&err, "2h is not a time such as 2027-01-31T12:00:00Z or");
	pfw_time_parse(wrong[COUNT(wrong) - 2], 25, &seconds, &err);
	unit_has_error(&err, "9999-12-31T23:59:59-00:01 is not in the years 1970 to 9999");
	ck_assert_int_lt(pfw_time_parse("2027-01-31T12:00:00Z\0", 21, &seconds, &err), 0);
}
END_TEST

START_TEST(test_durations)
{
	static const struct {
		const char *text;
		int64_t seconds;
	} rows[] = {
		{ "90s", 90 }, { "1s", 1 }, { "2h", 7200 }, { "1d12h", 129600 }, { "1w", 604800 },
		{ "1w1d1h1m1s", 694861 }, { "0h5m", 300 }, { "48h", 172800 },
		{ "253402300799s", PFW_TIME_MAX },
	};
	static const char *const wrong[] = {
		"", "2", "h", "2 h", "2h ", "-2h", "+2h", "2H", "1.5h", "12h1d", "1h1h", "1h30", "2hours",
		"0s", "0d0h", "1y", "253402300800s", "999999999999w", "1000000000000s",
		"99999999999999999999999s",
	};
	struct pfw_error err = PFW_ERROR_INIT;
	int64_t seconds;
	size_t i;

	for (i = 0; i < COUNT(rows); i++) {
		ck_assert_msg(!pfw_duration_parse(rows[i].text, strlen(rows[i].text), &seconds,
						  &err), "%s", rows[i].text);
		ck_assert_int_eq(seconds, rows[i].seconds);
	}
	seconds = 7;
	for (i = 0; i < COUNT(wrong); i++)
		ck_assert_msg(pfw_duration_parse(wrong[i], strlen(wrong[i]), &seconds, &err) < 0,
			      "%s", wrong[i]);
	ck_assert_int_eq(seconds, 7);
	pfw_error_clear(&err);
	pfw_duration_parse("2x", 2, &seconds, &err);
	unit_has_error(&err, "2x is not a duration such as 90s, 2h or 1d12h");
	pfw_duration_parse("0s", 2, &seconds, &err);
	unit_has_error(&err, "0s is too short a duration");
}
END_TEST

TCase *time_case(void)
{
	TCase *tcase;

	UNIT_CASE(tcase, "time", test_times, test_wrong_times, test_durations);
	return tcase;
}
