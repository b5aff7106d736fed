/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Log lines: what a program that reads them relies on. */
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../../../src/daemon/log.h"
#include "cases.h"

static int kept = -1, file = -1;

/* Standard error goes to a file of our own meanwhile. */
static void begin(void)
{
	char path[] = "/tmp/portfwd-log-XXXXXX";

	file = mkstemp(path);
	ck_assert_int_ge(file, 0);
	unlink(path);
	kept = dup(STDERR_FILENO);
	ck_assert_int_eq(dup2(file, STDERR_FILENO), STDERR_FILENO);
}

static void expect(const char *text)
{
	char got[2048] = "";

	fflush(stderr);
	dup2(kept, STDERR_FILENO);
	close(kept);
	ck_assert_int_ge(pread(file, got, sizeof(got) - 1, 0), 0);
	close(file);
	ck_assert_str_eq(got, text);
}

START_TEST(test_values)
{
	struct log log = { 0 };

	begin();
	log_event(&log, LOG_INFO, "nothing more", NULL);
	log_event(&log, LOG_INFO, "all kinds",
		  json_pack("{s:s, s:i, s:b, s:n, s:s, s:s}", "word", "a/b-c", "number", 3, "yes", 1,
			    "none", "text", "two words", "empty", ""));
	log_event(&log, LOG_INFO, "hostile", json_pack("{s:s}", "by", "a\"b\\c\nd=\x1b[1m"));
	log_event(&log, LOG_DEBUG, "not wanted", NULL);
	expect("portfwdd: nothing more\n"
	       "portfwdd: all kinds: word=a/b-c number=3 yes=true text=\"two words\" empty=\"\"\n"
	       "portfwdd: hostile: by=\"a\\\"b\\\\c?d=?[1m\"\n");
}
END_TEST

START_TEST(test_errors)
{
	struct log log = { 0 };
	struct pfw_error err = PFW_ERROR_INIT;

	begin();
	err.file = "/etc/p.json";
	pfw_error_enter(&err, ".forwards[2]");
	pfw_error_add(&err, PFW_FAILED, "no such thing");
	log_error(&log, "not loaded", &err);
	err = (struct pfw_error)PFW_ERROR_INIT;
	while (err.count < PFW_ERROR_ITEMS + 2)
		pfw_error_add(&err, PFW_FAILED, "bad");
	err.item[1] = err.item[0];
	log_error(&log, NULL, &err);
	expect("portfwdd: not loaded: no such thing: file=/etc/p.json path=forwards[2]\n"
	       "portfwdd: bad\nportfwdd: bad\nportfwdd: bad\nportfwdd: bad\nportfwdd: bad\n"
	       "portfwdd: bad\nportfwdd: bad\nportfwdd: bad\nportfwdd: bad\nportfwdd: bad\n"
	       "portfwdd: there are more errors: more=2\n");
}
END_TEST

/* If this fails, what is tried each second fills the log. */
START_TEST(test_failure)
{
	struct pfw_error one = PFW_ERROR_INIT, other = PFW_ERROR_INIT;
	struct log_failure last = { 0 };
	struct log log = { 0 };

	begin();
	pfw_fail(&one, PFW_FAILED, -1, "one");
	pfw_fail(&other, PFW_FAILED, -1, "other");
	log_failure(&log, &last, "cannot", &one);
	log_failure(&log, &last, "cannot", &one);
	log_failure(&log, &last, "cannot", &other);
	log_failure(&log, &last, "cannot", &one);
	expect("portfwdd: cannot: one\nportfwdd: cannot: other\nportfwdd: cannot: one\n");
}
END_TEST

/* If this fails, systemd's journal knows no priorities. */
START_TEST(test_journal)
{
	struct log log;
	char stream[64];
	struct stat st;

	begin();
	ck_assert_int_eq(fstat(STDERR_FILENO, &st), 0);
	snprintf(stream, sizeof(stream), "%ju:%ju", (uintmax_t)st.st_dev, (uintmax_t)st.st_ino);
	setenv("JOURNAL_STREAM", stream, 1);
	log_open(&log, false, true);
	log_event(&log, LOG_DEBUG, "detail", NULL);
	log_event(&log, LOG_ERR, "failure", NULL);
	setenv("JOURNAL_STREAM", "1:1", 1);
	log_open(&log, false, false);
	log_event(&log, LOG_ERR, "elsewhere", NULL);
	expect("<7>detail\n<3>failure\nportfwdd: elsewhere\n");
}
END_TEST

TCase *log_case(void)
{
	TCase *tcase;

	UNIT_CASE(tcase, "log", test_values, test_errors, test_failure, test_journal);
	return tcase;
}
