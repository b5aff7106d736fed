/* SPDX-License-Identifier: GPL-2.0-or-later */
/* "edit": what it makes of what the editor leaves, of answers, and of refusals. */
#include "config.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fake.h"
#include "portfwd/base/error.h"
#include "suites.h"

#define FILE_PATH "/etc/portfwd/portfwd.json"
#define ANSWER "{\"changed\": true, \"forwards\": 2, \"file\": \"" FILE_PATH "\", " \
	"\"objects\": 3, \"changes\": null, \"warning\": null}"
#define QUESTION "What now? (e)dit again, e(x)it and discard the changes: "

static char tmp[64];
static struct pfw_error refusal;

static void set_up(void)
{
	fake_reset();
	snprintf(tmp, sizeof(tmp), "/tmp/portfwd-unit.XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(tmp));
	setenv("TMPDIR", tmp, 1);
	unsetenv("VISUAL");
	fake.file = "{}\n";
	fake.answer = ANSWER;
	refusal = (struct pfw_error)PFW_ERROR_INIT;
	pfw_fail(&refusal, PFW_CONFLICT, -EEXIST, "no");
}

/* The number of copies that were left behind; removes them. */
static unsigned int n_kept(void)
{
	DIR *dir = opendir(tmp);
	struct dirent *entry;
	char path[512];
	unsigned int n = 0;

	ck_assert_ptr_nonnull(dir);
	while ((entry = readdir(dir))) {
		if (*entry->d_name == '.')
			continue;
		n++;
		snprintf(path, sizeof(path), "%s/%s/portfwd.json", tmp, entry->d_name);
		ck_assert_int_eq(unlink(path), 0);
		snprintf(path, sizeof(path), "%s/%s", tmp, entry->d_name);
		ck_assert_int_eq(rmdir(path), 0);
	}
	closedir(dir);
	return n;
}

static void tear_down(void)
{
	fake_reset();
	n_kept();
	ck_assert_int_eq(rmdir(tmp), 0);
}

START_TEST(a_new_text_is_handed_on)
{
	setenv("EDITOR", "sed -i 's/}/ }/'", 1);
	EXPECT(0, "saved " FILE_PATH " and reloaded 2 forwards\n", "", "edit");
	ck_assert_int_eq(fake.verb, PFW_VERB_WRITE);
	EXPECT_REQUEST("{\"text\": \"{ }\\n\", \"base\": \"{}\\n\"}");
	ck_assert_uint_eq(n_kept(), 0);
	EXPECT(0, "", "", "-q", "edit", "--drain");
	EXPECT_REQUEST("{\"text\": \"{ }\\n\", \"base\": \"{}\\n\", \"drain\": true}");
	setenv("VISUAL", "sed -i 's/}/  }/'", 1);
	EXPECT(0, "saved " FILE_PATH " and reloaded 2 forwards\n3 kernel objects changed\n", "",
	       "-v", "edit");
	EXPECT_REQUEST("{\"text\": \"{  }\\n\", \"base\": \"{}\\n\"}");
	ck_assert_uint_eq(n_kept(), 0);
}
END_TEST

START_TEST(a_missing_file_begins_as_a_skeleton)
{
	fake.file = NULL;
	setenv("EDITOR", "sed -i '2d; 3d'", 1);
	EXPECT(0, "saved " FILE_PATH " and reloaded 2 forwards\n", "", "edit");
	EXPECT_REQUEST("{\"text\": \"{\\n}\\n\"}");
}
END_TEST

/* If this fails, a look at the configuration reloads it. */
START_TEST(an_unchanged_text_asks_for_nothing)
{
	setenv("EDITOR", "true", 1);
	EXPECT(0, FILE_PATH " is unchanged\n", "", "edit");
	setenv("EDITOR", "touch", 1);
	EXPECT(0, "{\n  \"changed\": false,\n  \"forwards\": null,\n  \"file\": \"" FILE_PATH "\",\n"
	       "  \"objects\": 0,\n  \"warning\": null,\n  \"changes\": null,\n  \"kept\": null\n}\n",
	       "", "-j", "edit");
	ck_assert_uint_eq(fake.called, 0);
	ck_assert_uint_eq(n_kept(), 0);
}
END_TEST

START_TEST(an_editor_that_fails_lands_nothing)
{
	setenv("EDITOR", "exit 3;", 1);
	EXPECT(1, "", "portfwd: the editor (exit 3;) failed with exit code 3; nothing was changed\n",
	       "edit");
	setenv("EDITOR", "kill -9 $$;", 1);
	EXPECT(1, "", "portfwd: the editor (kill -9 $$;) was killed by signal 9; nothing was changed\n",
	       "edit");
	setenv("EDITOR", "exit 127;", 1);
	EXPECT(1, "", "portfwd: the editor (exit 127;) cannot be run; set VISUAL or EDITOR to one that "
	       "is there\n", "edit");
	ck_assert_uint_eq(fake.called, 0);
	ck_assert_uint_eq(n_kept(), 0);
}
END_TEST

/* If this fails, an hour of typing is lost because of one wrong letter. */
START_TEST(what_was_refused_is_kept)
{
	struct run run;

	fake.refusal = &refusal;
	setenv("EDITOR", "echo >>", 1);
	run = RUN("edit");
	ck_assert_int_eq(run.code, 4);
	ck_assert_ptr_nonnull(strstr(run.err, "portfwd: no\nportfwd: your text is kept in "));
	ck_assert_ptr_null(strstr(run.err, "What now"));
	run_free(&run);
	ck_assert_uint_eq(n_kept(), 1);
	setenv("EDITOR", "f() { echo >> $1; exit 1; }; f", 1);
	run = RUN("edit");
	ck_assert_ptr_nonnull(strstr(run.err, "exit code 1"));
	ck_assert_ptr_nonnull(strstr(run.err, "your text is kept in "));
	run_free(&run);
	ck_assert_uint_eq(n_kept(), 1);
}
END_TEST

/* Of many errors ten are told, but where the text is must not be left out. */
START_TEST(kept_is_told_behind_many_errors)
{
	unsigned int i;
	struct run run;

	for (i = 1; i < PFW_ERROR_ITEMS + 2; i++)
		pfw_error_add(&refusal, PFW_FAILED, "no %u", i);
	fake.refusal = &refusal;
	setenv("EDITOR", "echo >>", 1);
	run = RUN("edit");
	ck_assert_ptr_nonnull(strstr(run.err, "portfwd: no 8\nportfwd: your text is kept in "));
	ck_assert_ptr_nonnull(strstr(run.err, "portfwd: and 3 more\n"));
	run_free(&run);
}
END_TEST

START_TEST(who_is_there_is_asked)
{
	fake.refusal = &refusal;
	fake.refusals = 1;
	fake.typed = "what\ne\n";
	setenv("EDITOR", "echo >>", 1);
	EXPECT(0, "saved " FILE_PATH " and reloaded 2 forwards\n",
	       "portfwd: no\n" QUESTION QUESTION, "edit");
	ck_assert_uint_eq(fake.called, 2);
	EXPECT_REQUEST("{\"text\": \"{}\\n\\n\\n\", \"base\": \"{}\\n\"}");
	fake.refusals = 0;
	fake.typed = "e\nx\n";
	EXPECT(4, "", "portfwd: no\n" QUESTION "portfwd: no\n" QUESTION
	       "portfwd: " FILE_PATH " is as it was\n", "edit");
	ck_assert_uint_eq(n_kept(), 0);
}
END_TEST

START_TEST(who_goes_away_keeps_the_text)
{
	struct run run;

	fake.refusal = &refusal;
	fake.typed = "e\n";
	setenv("EDITOR", "echo >>", 1);
	run = RUN("edit");
	ck_assert_int_eq(run.code, 4);
	ck_assert_ptr_nonnull(strstr(run.err, FILE_PATH " is as it was\nportfwd: your text is kept in "));
	run_free(&run);
	ck_assert_uint_eq(n_kept(), 1);
}
END_TEST

/* Editing again would be in vain: what it is based on has changed. */
START_TEST(a_change_meanwhile_is_not_asked_about)
{
	struct run run;

	fake.refusal = &refusal;
	fake.code = -ESTALE;
	fake.typed = "e\n";
	setenv("EDITOR", "echo >>", 1);
	run = RUN("edit");
	ck_assert_int_eq(run.code, 4);
	ck_assert_ptr_null(strstr(run.err, "What now"));
	run_free(&run);
	ck_assert_uint_eq(fake.called, 1);
	ck_assert_uint_eq(n_kept(), 1);
}
END_TEST

START_TEST(a_dry_run_keeps_the_text)
{
	struct run run;

	setenv("EDITOR", "echo >>", 1);
	run = RUN("-n", "edit");
	ck_assert_int_eq(run.code, 0);
	ck_assert_ptr_nonnull(strstr(run.out, "would save " FILE_PATH " and reload 2 forwards\n"
					      "your text is kept in "));
	run_free(&run);
	EXPECT_REQUEST("{\"text\": \"{}\\n\\n\", \"base\": \"{}\\n\", \"dry_run\": true}");
	ck_assert_uint_eq(n_kept(), 1);
}
END_TEST

/* What the editor prints must not stand in the JSON. */
START_TEST(with_json_the_editor_prints_elsewhere)
{
	struct run run;

	setenv("EDITOR", "echo hello; echo >>", 1);
	run = RUN("--json", "edit");
	ck_assert_ptr_null(strstr(run.out, "hello"));
	ck_assert_int_eq(run.code, 0);
	run_free(&run);
}
END_TEST

Suite *edit_suite(void)
{
	Suite *suite = suite_create("edit");
	TCase *tcase = tcase_create("edit");

	tcase_add_checked_fixture(tcase, set_up, tear_down);
	tcase_add_test(tcase, a_new_text_is_handed_on);
	tcase_add_test(tcase, a_missing_file_begins_as_a_skeleton);
	tcase_add_test(tcase, an_unchanged_text_asks_for_nothing);
	tcase_add_test(tcase, an_editor_that_fails_lands_nothing);
	tcase_add_test(tcase, what_was_refused_is_kept);
	tcase_add_test(tcase, kept_is_told_behind_many_errors);
	tcase_add_test(tcase, who_is_there_is_asked);
	tcase_add_test(tcase, who_goes_away_keeps_the_text);
	tcase_add_test(tcase, a_change_meanwhile_is_not_asked_about);
	tcase_add_test(tcase, a_dry_run_keeps_the_text);
	tcase_add_test(tcase, with_json_the_editor_prints_elsewhere);
	suite_add_tcase(suite, tcase);
	return suite;
}
