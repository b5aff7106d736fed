/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Errors: lines, JSON, exit codes, and a standard output that takes nothing. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "../../../src/cli/cli.h"
#include "fake.h"
#include "suites.h"

START_TEST(errors_say_file_place_and_message)
{
	struct pfw_error err = PFW_ERROR_INIT;
	size_t mark;

	pfw_error_add(&err, PFW_FAILED, "nothing said where");
	mark = pfw_error_enter(&err, ".listen");
	pfw_error_add(&err, PFW_FAILED, "70000 is not a port (1-65535)");
	err.file = "/etc/a.json";
	pfw_error_add(&err, PFW_FAILED, "in a file");
	pfw_error_leave(&err, mark);
	pfw_error_add(&err, PFW_FAILED, "the whole file");
	fake.refusal = &err;
	EXPECT(1, "",
	       "portfwd: nothing said where\n"
	       "portfwd: listen: 70000 is not a port (1-65535)\n"
	       "portfwd: /etc/a.json: listen: in a file\n"
	       "portfwd: /etc/a.json: the whole file\n", "check");
}
END_TEST

START_TEST(beyond_ten_errors_there_is_a_count)
{
	struct pfw_error err = PFW_ERROR_INIT;
	struct run run;
	const char *at;
	int i, lines = 0;

	for (i = 0; i < 13; i++)
		pfw_error_add(&err, PFW_CONFLICT, "error %d", i);
	fake.refusal = &err;
	run = RUN("reload");
	for (at = run.err; (at = strchr(at, '\n')); at++)
		lines++;
	ck_assert_int_eq(lines, 11);
	ck_assert_ptr_nonnull(strstr(run.err, "portfwd: error 9\nportfwd: and 3 more\n"));
	ck_assert_int_eq(run.code, 4);
	run_free(&run);
}
END_TEST

START_TEST(exit_codes_are_the_kinds)
{
	static const struct {
		enum pfw_failure kind;
		const char *text;
		int code;
	} kinds[] = {
		{ PFW_FAILED, "failed", 1 },
		{ PFW_USAGE, "usage", 2 },
		{ PFW_NOT_FOUND, "not-found", 3 },
		{ PFW_CONFLICT, "conflict", 4 },
		{ PFW_NOT_PERMITTED, "not-permitted", 5 },
	};
	struct pfw_error err = PFW_ERROR_INIT;
	char expected[256];
	struct run run;
	size_t i;

	fake.refusal = &err;
	for (i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		pfw_fail(&err, kinds[i].kind, -EINVAL, "so");
		EXPECT(kinds[i].code, "", "portfwd: so\n", "flush");
		snprintf(expected, sizeof(expected), "\"kind\": \"%s\",\n    \"exit\": %d,",
			 kinds[i].text, kinds[i].code);
		run = RUN("flush", "-j");
		ck_assert_ptr_nonnull(strstr(run.out, expected));
		ck_assert_int_eq(run.code, kinds[i].code);
		run_free(&run);
	}
}
END_TEST

START_TEST(json_errors_are_objects_on_standard_output)
{
	struct pfw_error err = { .file = "/etc/a.json" };
	size_t mark = pfw_error_enter(&err, ".forwards[2].name");

	pfw_error_add(&err, PFW_CONFLICT, "\"web\" stands twice");
	pfw_error_leave(&err, mark);
	fake.refusal = &err;
	EXPECT(4,
	       "{\n"
	       "  \"error\": {\n"
	       "    \"kind\": \"conflict\",\n"
	       "    \"exit\": 4,\n"
	       "    \"count\": 1,\n"
	       "    \"errors\": [\n"
	       "      {\n"
	       "        \"file\": \"/etc/a.json\",\n"
	       "        \"path\": \"forwards[2].name\",\n"
	       "        \"message\": \"\\\"web\\\" stands twice\"\n"
	       "      }\n"
	       "    ]\n"
	       "  }\n"
	       "}\n",
	       "portfwd: /etc/a.json: forwards[2].name: \"web\" stands twice\n",
	       "--json", "check");
}
END_TEST

/* A program that asked for JSON gets it even if its command line could not be read. */
START_TEST(usage_errors_are_json_too)
{
	struct run run = RUN("lst", "--json");

	ck_assert_int_eq(run.code, 2);
	ck_assert_ptr_nonnull(strstr(run.out, "\"kind\": \"usage\""));
	run_free(&run);
	run = RUN("add", "--xyzzy", "-j");
	ck_assert_ptr_nonnull(strstr(run.out, "\"kind\": \"usage\""));
	run_free(&run);
	EXPECT(2, "", "portfwd: unknown command \"xyzzy\"; \"portfwd help\" lists them\n",
	       "xyzzy", "--", "--json");
}
END_TEST

/* A wrong word may be any bytes; its error is JSON all the same. */
START_TEST(what_is_not_utf8_becomes_json_all_the_same)
{
	struct run run = RUN("caf\xff", "--json");

	ck_assert_ptr_nonnull(strstr(run.out, "unknown command \\\"caf?\\\""));
	ck_assert_int_eq(run.code, 2);
	run_free(&run);
}
END_TEST

START_TEST(failures_without_words_have_those_of_the_system)
{
	struct pfw_error err = PFW_ERROR_INIT;

	fake.refusal = &err;
	fake.code = -ENOSPC;
	EXPECT(1, "", "portfwd: No space left on device\n", "flush");
}
END_TEST

/* "portfwd list > /dev/full" must not look like success. */
START_TEST(full_output_is_a_failure)
{
	struct pfw_cli cli = { .out = fopen("/dev/full", "w"), .err = tmpfile() };
	char program[] = "portfwd", command[] = "version";
	char *argv[] = { program, command, NULL };
	char line[128];

	ck_assert(cli.out && cli.err);
	ck_assert_int_eq(pfw_cli_main(&cli, 2, argv), 1);
	rewind(cli.err);
	ck_assert_ptr_nonnull(fgets(line, sizeof(line), cli.err));
	ck_assert_str_eq(line,
			 "portfwd: cannot write to standard output: No space left on device\n");
	fclose(cli.out);
	fclose(cli.err);
}
END_TEST

Suite *error_suite(void)
{
	Suite *suite = suite_create("errors");
	TCase *tcase = tcase_create("errors");

	tcase_add_checked_fixture(tcase, fake_reset, fake_reset);
	tcase_add_test(tcase, errors_say_file_place_and_message);
	tcase_add_test(tcase, beyond_ten_errors_there_is_a_count);
	tcase_add_test(tcase, exit_codes_are_the_kinds);
	tcase_add_test(tcase, json_errors_are_objects_on_standard_output);
	tcase_add_test(tcase, usage_errors_are_json_too);
	tcase_add_test(tcase, what_is_not_utf8_becomes_json_all_the_same);
	tcase_add_test(tcase, failures_without_words_have_those_of_the_system);
	tcase_add_test(tcase, full_output_is_a_failure);
	suite_add_tcase(suite, tcase);
	return suite;
}
