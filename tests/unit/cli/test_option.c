/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Options: where they may stand, what they do, and what is said of wrong ones. */
#include <string.h>

#include "../../../src/cli/options.h"
#include "fake.h"
#include "suites.h"

static const char *given(const char *key)
{
	const char *text = json_string_value(json_object_get(fake.options, key));

	return text ? text : "(none)";
}

START_TEST(global_options_stand_before_and_behind)
{
	EXPECT(0, "", "", "-q", "-c", "a.json", "--netns=gw", "flush", "--run-dir", "/tmp/r",
	       "--backend", "nftables");
	ck_assert_str_eq(given("config"), "a.json");
	ck_assert_str_eq(given("netns"), "gw");
	ck_assert_str_eq(given("run_dir"), "/tmp/r");
	ck_assert_str_eq(given("backend"), "nftables");
	EXPECT(0, "", "", "flush", "--config", "b.json", "-qn");
	ck_assert_str_eq(given("config"), "b.json");
	ck_assert_str_eq(given("netns"), "(none)");
	EXPECT_REQUEST("{\"dry_run\": true}");
}
END_TEST

START_TEST(options_stand_between_operands)
{
	EXPECT(0, "", "", "add", "80", "--snat", "none", "10.0.0.2", "-q");
	EXPECT_REQUEST("{\"forward\": {\"listen\": \"80\", \"target\": \"10.0.0.2\", "
		       "\"snat\": \"none\"}}");
}
END_TEST

START_TEST(unknown_options_are_answered_with_near_ones)
{
	EXPECT(2, "", "portfwd: unknown option \"--jsn\"; did you mean \"--json\"?\n", "--jsn");
	EXPECT(2, "", "portfwd: unknown option \"--snatt\"; did you mean \"--snat\"?\n",
	       "add", "80", "10.0.0.2", "--snatt=none");
	EXPECT(2, "", "portfwd: unknown option \"--xyzzy\"; \"portfwd help\" lists them\n",
	       "list", "--xyzzy");
	EXPECT(2, "", "portfwd: unknown option \"-x\"; \"portfwd help\" lists them\n",
	       "list", "-qx");
	EXPECT(2, "", "portfwd: option \"--no\" is ambiguous; "
	       "did you mean \"--no-hairpin\" or \"--no-local\"?\n", "add", "--no");
	ck_assert_uint_eq(fake.called, 0);
}
END_TEST

/* An option of another command is not unknown, but wrong here. */
START_TEST(options_of_other_commands_are_refused)
{
	EXPECT(2, "", "portfwd: \"list\" takes no option \"--snat\"\n", "list", "--snat", "none");
	EXPECT(2, "", "portfwd: \"status\" takes no option \"-o\"\n", "status", "-o", "name");
	EXPECT(2, "", "portfwd: option \"--columns\" goes behind the command word\n",
	       "--columns", "name", "list");
	EXPECT(2, "", "portfwd: option \"-o\" goes behind the command word\n",
	       "-o", "name", "list");
	ck_assert_uint_eq(fake.called, 0);
}
END_TEST

START_TEST(arguments_are_there_where_they_belong)
{
	EXPECT(2, "", "portfwd: option \"--columns\" needs its argument, COLUMNS\n", "list", "-o");
	EXPECT(2, "", "portfwd: option \"--netns\" needs its argument, NAME|PATH\n", "--netns");
	EXPECT(2, "", "portfwd: option \"--json\" takes no argument\n", "--json=yes", "list");
	ck_assert_uint_eq(fake.called, 0);
}
END_TEST

/* An unset variable in a script must not turn into "this machine". */
START_TEST(empty_arguments_are_refused)
{
	EXPECT(2, "", "portfwd: --netns: the NAME|PATH is empty\n", "--netns", "", "flush");
	EXPECT(2, "", "portfwd: --config: the FILE is empty\n", "-c", "", "flush");
	ck_assert_uint_eq(fake.called, 0);
}
END_TEST

/* getopt_long() needs letters and names that are told apart. */
START_TEST(table_has_no_two_of_one_name)
{
	const struct pfw_option *a, *b;

	for (a = pfw_options; a->name; a++) {
		ck_assert_ptr_nonnull(a->apply);
		ck_assert_uint_ne(strlen(a->help), 0);
		for (b = a + 1; b->name; b++) {
			ck_assert_str_ne(a->name, b->name);
			ck_assert_msg(!a->letter || a->letter != b->letter, "-%c twice", a->letter);
		}
	}
}
END_TEST

Suite *option_suite(void)
{
	Suite *suite = suite_create("options");
	TCase *tcase = tcase_create("options");

	tcase_add_checked_fixture(tcase, fake_reset, fake_reset);
	tcase_add_test(tcase, global_options_stand_before_and_behind);
	tcase_add_test(tcase, options_stand_between_operands);
	tcase_add_test(tcase, unknown_options_are_answered_with_near_ones);
	tcase_add_test(tcase, options_of_other_commands_are_refused);
	tcase_add_test(tcase, arguments_are_there_where_they_belong);
	tcase_add_test(tcase, empty_arguments_are_refused);
	tcase_add_test(tcase, table_has_no_two_of_one_name);
	suite_add_tcase(suite, tcase);
	return suite;
}
