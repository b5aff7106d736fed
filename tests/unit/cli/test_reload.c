/* SPDX-License-Identifier: GPL-2.0-or-later */
/* "reload" on trial, and "confirm". */
#include "fake.h"
#include "suites.h"

#define WAITS "{\"changed\": true, \"forwards\": 2, \"confirm\": {\"seconds\": 60}}"
#define BEGUN "reloaded 2 forwards\nwhat was before returns in 60 seconds, unless " \
	"\"portfwd confirm\" comes first\n"
#define RETURNED "what was before has returned; a file that changed back has what it said beside " \
	"it, as NAME.unconfirmed\n"

static void setup(void)
{
	fake_reset();
}

START_TEST(a_plain_reload_waits_for_nobody)
{
	fake.answer = "{\"changed\": false, \"forwards\": 1, \"confirm\": null}";
	EXPECT(0, "reloaded 1 forward, nothing changed\n", "", "reload");
	EXPECT_REQUEST("{}");
	ck_assert_uint_eq(fake.waited, 0);
}
END_TEST

START_TEST(what_is_confirmed_stays)
{
	fake.answer = WAITS;
	fake.end = PFW_WAIT_CONFIRMED;
	EXPECT(0, BEGUN "confirmed\n", "", "reload", "--confirm", "60");
	EXPECT_REQUEST("{\"confirm\": 60}");
	ck_assert_uint_eq(fake.waited, 1);
	ck_assert_uint_eq(fake.called, 1);
	ck_assert_uint_eq(fake.opened, 0);
}
END_TEST

/* If this fails, a gateway whose administrator locked himself out stays locked. */
START_TEST(what_is_not_confirmed_is_taken_back)
{
	fake.answer = WAITS;
	fake.end = PFW_WAIT_OVER;
	EXPECT(1, BEGUN, "portfwd: the reload was not confirmed in time: " RETURNED, "reload",
	       "--confirm", "60");
	ck_assert_int_eq(fake.verb, PFW_VERB_REVERT);
	EXPECT_REQUEST("{}");
}
END_TEST

START_TEST(what_is_interrupted_is_taken_back_early)
{
	fake.answer = WAITS;
	fake.end = PFW_WAIT_WOKEN;
	EXPECT(1, BEGUN, "portfwd: the reload was interrupted before it was confirmed: " RETURNED,
	       "reload", "--confirm=60");
	ck_assert_int_eq(fake.verb, PFW_VERB_REVERT);
	EXPECT_REQUEST("{\"early\": true}");
}
END_TEST

START_TEST(the_daemon_waits_for_itself)
{
	fake.answer = WAITS;
	fake.end = PFW_WAIT_ELSEWHERE;
	EXPECT(0, BEGUN, "", "reload", "--confirm", "60");
	ck_assert_int_eq(fake.verb, PFW_VERB_RELOAD);
}
END_TEST

START_TEST(without_a_difference_there_is_nothing_to_confirm)
{
	fake.answer = "{\"changed\": false, \"forwards\": 2, \"confirm\": null}";
	EXPECT(0, "reloaded 2 forwards, nothing changed\n"
	       "the files say what was applied already: there is nothing to confirm\n", "", "reload",
	       "--confirm", "60");
	ck_assert_uint_eq(fake.waited, 0);
}
END_TEST

START_TEST(seconds_are_a_number_of_bounds)
{
	static const char *const wrong[] = { "", "0", "-1", "1.5", "60s", "86401", "999999999999" };
	char says[128];
	size_t i;

	for (i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		snprintf(says, sizeof(says), "portfwd: --confirm takes seconds, 1 to 86400, not \"%s\"\n",
			 wrong[i]);
		EXPECT(2, "", says, "reload", "--confirm", wrong[i]);
	}
	ck_assert_uint_eq(fake.called, 0);
	fake.answer = WAITS;
	EXPECT(0, BEGUN "confirmed\n", "", "reload", "--confirm", "86400");
}
END_TEST

START_TEST(confirm_asks_for_just_that)
{
	fake.answer = "{\"confirmed\": true}";
	EXPECT(0, "confirmed\n", "", "confirm");
	ck_assert_int_eq(fake.verb, PFW_VERB_CONFIRM);
	EXPECT(0, "", "", "-q", "confirm");
	EXPECT(0, "{\n  \"confirmed\": true\n}\n", "", "--json", "confirm");
}
END_TEST

Suite *reload_suite(void)
{
	Suite *suite = suite_create("reload");
	TCase *all = tcase_create("all");

	tcase_add_checked_fixture(all, setup, NULL);
	tcase_add_test(all, a_plain_reload_waits_for_nobody);
	tcase_add_test(all, what_is_confirmed_stays);
	tcase_add_test(all, what_is_not_confirmed_is_taken_back);
	tcase_add_test(all, what_is_interrupted_is_taken_back_early);
	tcase_add_test(all, the_daemon_waits_for_itself);
	tcase_add_test(all, without_a_difference_there_is_nothing_to_confirm);
	tcase_add_test(all, seconds_are_a_number_of_bounds);
	tcase_add_test(all, confirm_asks_for_just_that);
	suite_add_tcase(suite, all);
	return suite;
}
