/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Command words: how they are found, what is said of those that are not, and help. */
#include "config.h"

#include <stdio.h>
#include <string.h>

#include "../../../src/cli/command.h"
#include "fake.h"
#include "suites.h"

/* A wrong word must never reach the service as another command. */
START_TEST(unknown_words_are_answered_with_near_ones)
{
	EXPECT(2, "", "portfwd: unknown command \"lst\"; did you mean \"list\"?\n", "lst");
	EXPECT(2, "", "portfwd: unknown command \"relaod\"; did you mean \"reload\"?\n", "relaod");
	EXPECT(2, "", "portfwd: unknown command \"xyzzy\"; \"portfwd help\" lists them\n", "xyzzy");
	EXPECT(2, "", "portfwd: unknown command \"\"; \"portfwd help\" lists them\n", "");
	ck_assert_uint_eq(fake.called, 0);
}
END_TEST

START_TEST(ambiguous_words_are_answered_with_all_they_may_mean)
{
	EXPECT(2, "", "portfwd: command \"re\" is ambiguous; "
	       "did you mean \"remove\" or \"reload\"?\n", "re");
	EXPECT(2, "", "portfwd: command \"e\" is ambiguous; "
	       "did you mean \"enable\", \"edit\" or \"export\"?\n", "e");
	ck_assert_uint_eq(fake.called, 0);
}
END_TEST

START_TEST(unique_beginnings_are_commands)
{
	EXPECT(0, "", "", "rem", "-q", "web");
	ck_assert_int_eq(fake.verb, PFW_VERB_REMOVE);
	EXPECT(0, "", "", "dis", "-q", "web");
	ck_assert_int_eq(fake.verb, PFW_VERB_DISABLE);
	EXPECT(0, "portfwd " PACKAGE_VERSION "\n", "", "v");
}
END_TEST

/* Every command word must find itself, even if it begins another one. */
START_TEST(every_command_is_found_by_its_name)
{
	const struct pfw_command *command, *found;
	struct pfw_error err = PFW_ERROR_INIT;

	for (command = pfw_commands; command->name; command++) {
		ck_assert_int_eq(pfw_command_find(command->name, &found, &err), 0);
		ck_assert_ptr_eq(found, command);
		ck_assert(command->min <= command->max);
		ck_assert_ptr_nonnull(command->run);
		ck_assert_uint_ne(strlen(command->summary), 0);
	}
}
END_TEST

START_TEST(missing_command_is_a_usage_error)
{
	EXPECT(2, "", "portfwd: a command is missing; \"portfwd help\" lists them\n", "-q");
	EXPECT(2, "", "portfwd: a command is missing; \"portfwd help\" lists them\n", "--");
}
END_TEST

START_TEST(numbers_of_operands_are_checked_first)
{
	EXPECT(2, "", "portfwd: too few operands; usage: portfwd remove NAME|LISTEN...\n",
	       "remove");
	EXPECT(2, "", "portfwd: too few operands; "
	       "usage: portfwd add [NAME] LISTEN TARGET[,TARGET...]\n", "add", "80");
	EXPECT(2, "", "portfwd: too many operands; "
	       "usage: portfwd add [NAME] LISTEN TARGET[,TARGET...]\n", "add", "a", "b", "c", "d");
	EXPECT(2, "", "portfwd: too many operands; usage: portfwd check [FILE]\n",
	       "check", "a", "b");
	EXPECT(2, "", "portfwd: \"flush\" takes no operands, but got \"web\"\n", "flush", "web");
	ck_assert_uint_eq(fake.called, 0);
}
END_TEST

START_TEST(names_and_files_are_handed_on)
{
	EXPECT(0, "", "", "-q", "enable", "web", "--", "-dns");
	ck_assert_int_eq(fake.verb, PFW_VERB_ENABLE);
	EXPECT_REQUEST("{\"names\": [\"web\", \"-dns\"]}");
	EXPECT(0, "", "", "-q", "check", "x.json");
	ck_assert_int_eq(fake.verb, PFW_VERB_CHECK);
	EXPECT_REQUEST("{\"file\": \"x.json\"}");
	EXPECT(0, "", "", "show", "web", "dns");
	ck_assert_int_eq(fake.verb, PFW_VERB_LIST);
	EXPECT_REQUEST("{\"names\": [\"web\", \"dns\"]}");
	EXPECT(0, "", "", "-qn", "flush");
	ck_assert_int_eq(fake.verb, PFW_VERB_FLUSH);
	EXPECT_REQUEST("{\"dry_run\": true}");
}
END_TEST

START_TEST(export_knows_its_formats)
{
	EXPECT(0, "", "", "export");
	EXPECT_REQUEST("{\"format\": \"json\"}");
	EXPECT(0, "", "", "export", "--format", "nft");
	EXPECT_REQUEST("{\"format\": \"nft\"}");
	EXPECT(2, "", "portfwd: --format takes json, nft, iptables or ip6tables, not \"xml\"\n",
	       "export", "--format=xml");
	ck_assert_uint_eq(fake.called, 2);
}
END_TEST

START_TEST(version_needs_no_service)
{
	EXPECT(0, "portfwd " PACKAGE_VERSION "\n", "", "version");
	EXPECT(0, "portfwd " PACKAGE_VERSION "\n", "", "--version");
	EXPECT(0, "{\n  \"version\": \"" PACKAGE_VERSION "\"\n}\n", "", "-j", "version");
	ck_assert_uint_eq(fake.called, 0);
}
END_TEST

/* Help comes from the tables, so that nothing can be missing in it. */
START_TEST(help_names_every_command_and_option)
{
	struct run run = RUN("help");
	const struct pfw_command *command;
	const struct pfw_option *option;
	struct run one;
	char word[64];

	for (command = pfw_commands; command->name; command++) {
		snprintf(word, sizeof(word), "\n  %s %s", command->name, command->operands);
		ck_assert_msg(strstr(run.out, word) != NULL, "help lacks %s", word);
		one = RUN("help", command->name);
		for (option = pfw_options; option->name; option++) {
			snprintf(word, sizeof(word), "--%s ", option->name);
			ck_assert_msg(!(option->scope & command->scopes) || strstr(one.out, word),
				      "help %s lacks %s", command->name, word);
			ck_assert_msg(option->scope != PFW_SCOPE_GLOBAL || strstr(run.out, word),
				      "help lacks %s", word);
		}
		ck_assert_int_eq(one.code, 0);
		run_free(&one);
	}
	ck_assert_int_eq(run.code, 0);
	ck_assert_str_eq(run.err, "");
	run_free(&run);
}
END_TEST

START_TEST(help_has_one_text_and_three_spellings)
{
	struct run help = RUN("help", "add"), before = RUN("-h", "add");
	struct run behind = RUN("add", "--help");

	ck_assert_str_eq(before.out, help.out);
	ck_assert_str_eq(behind.out, help.out);
	run_free(&help);
	run_free(&before);
	run_free(&behind);
	EXPECT(2, "", "portfwd: unknown command \"ad\\d\"; did you mean \"add\"?\n",
	       "help", "ad\\d");
	ck_assert_uint_eq(fake.called, 0);
}
END_TEST

Suite *command_suite(void)
{
	Suite *suite = suite_create("commands");
	TCase *tcase = tcase_create("commands");

	tcase_add_checked_fixture(tcase, fake_reset, fake_reset);
	tcase_add_test(tcase, unknown_words_are_answered_with_near_ones);
	tcase_add_test(tcase, ambiguous_words_are_answered_with_all_they_may_mean);
	tcase_add_test(tcase, unique_beginnings_are_commands);
	tcase_add_test(tcase, every_command_is_found_by_its_name);
	tcase_add_test(tcase, missing_command_is_a_usage_error);
	tcase_add_test(tcase, numbers_of_operands_are_checked_first);
	tcase_add_test(tcase, names_and_files_are_handed_on);
	tcase_add_test(tcase, export_knows_its_formats);
	tcase_add_test(tcase, version_needs_no_service);
	tcase_add_test(tcase, help_names_every_command_and_option);
	tcase_add_test(tcase, help_has_one_text_and_three_spellings);
	suite_add_tcase(suite, tcase);
	return suite;
}
