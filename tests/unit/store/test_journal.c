/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The journal: what a process that stays commits, and what anybody makes of it later. */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cases.h"
#include "desk.h"

#define JOURNAL "p.json.journal"
#define BEFORE "{\"forwards\": [\n  " ONE("a", "1") ",\n  " UNNAMED ",\n  " ONE("b", "7") "\n]}\n"
#define UNNAMED "{\"listen\": \"2\", \"target\": \"self\"}"
#define STATE "a=1 b=7 tcp-2=2 x=90"

/* Three in the main file, one of them without a name, and one beside. */
static void folder_fill(struct folder *f)
{
	folder_init(f);
	folder_write(f, "p.json", BEFORE);
	folder_mkdir(f, "portfwd.d");
	folder_write(f, "portfwd.d/x.json", "{\"forwards\": [" ONE("x", "90") "]}");
}

static size_t read_file(struct folder *f, const char *name, char *buf, size_t size)
{
	int fd = open(folder_path(f, name), O_RDONLY);
	ssize_t len = fd < 0 ? -1 : read(fd, buf, size);

	ck_assert_int_ge(len, 0);
	close(fd);
	return (size_t)len;
}

static void write_file(struct folder *f, const char *name, const char *buf, size_t len)
{
	int fd = open(folder_path(f, name), O_WRONLY | O_CREAT | O_TRUNC, 0600);

	ck_assert_int_eq(write(fd, buf, len), (ssize_t)len);
	close(fd);
}

static bool is_there(struct folder *f, const char *name)
{
	return !access(folder_path(f, name), F_OK);
}

/* If this fails, each change still writes the whole file, or nobody else sees it. */
START_TEST(test_changes_go_to_the_journal)
{
	char state[STATE_SIZE];
	struct folder f;
	struct desk desk;
	struct stat st;

	folder_fill(&f);
	desk_open(&desk, &f, true);
	desk_has(&desk, STATE);
	desk_must(&desk, "c=3");
	desk_must(&desk, "a=11,-tcp-2");
	desk_must(&desk, "c=33");
	folder_has(&f, "p.json", BEFORE);
	ck_assert_uint_eq(pfw_store_n_lines(desk.store), 3);
	ck_assert_int_eq(stat(folder_path(&f, JOURNAL), &st), 0);
	ck_assert_uint_eq(st.st_mode & 07777, 0600);
	state_seen(&f, state);
	ck_assert_str_eq(state, "a=11 b=7 c=33 x=90");
	desk_must(&desk, "!");
	folder_has(&f, "p.json", "{\"forwards\": [\n  " ONE("a", "11") ",\n  " ONE("b", "7") ",\n  "
		   ONE("c", "33") "\n]}\n");
	ck_assert_uint_eq(pfw_store_n_lines(desk.store), 0);
	ck_assert_int_eq(stat(folder_path(&f, JOURNAL), &st), 0);
	ck_assert_int_eq(st.st_size, 0);
	desk_must(&desk, "b=70,-c");
	state_seen(&f, state);
	ck_assert_str_eq(state, "a=11 b=70 x=90");
	desk_close(&desk);
	state_folded(&f, state);
	ck_assert_str_eq(state, "a=11 b=70 x=90");
	folder_has(&f, "p.json", "{\"forwards\": [\n  " ONE("a", "11") ",\n  " ONE("b", "70") "\n]}\n");
	folder_free(&f);
}
END_TEST

/* Nobody reads a file again that only we have written, and everybody sees what others write. */
START_TEST(test_current)
{
	struct folder f;
	struct desk desk;

	folder_fill(&f);
	desk_open(&desk, &f, true);
	ck_assert(pfw_store_is_current(desk.store, true));
	desk_must(&desk, "c=3");
	ck_assert(pfw_store_is_current(desk.store, true));
	desk_must(&desk, "!");
	ck_assert(pfw_store_is_current(desk.store, true));
	folder_write(&f, "portfwd.d/y.json", "{}");
	ck_assert(!pfw_store_is_current(desk.store, true));
	desk_must(&desk, "c=4");
	folder_write(&f, "p.json", BEFORE " ");
	ck_assert(!pfw_store_is_current(desk.store, true));
	desk_must(&desk, "c=5");
	folder_unlink(&f, JOURNAL);
	ck_assert(!pfw_store_is_current(desk.store, true));
	desk_close(&desk);
	folder_free(&f);
}
END_TEST

/* If this fails, a broken file takes away what was there before. */
START_TEST(test_failed_load_changes_nothing)
{
	struct pfw_error err = PFW_ERROR_INIT;
	struct folder f;
	struct desk desk;

	folder_fill(&f);
	desk_open(&desk, &f, true);
	desk_must(&desk, "c=3");
	folder_write(&f, "p.json", "{\"forwards\": [{}]}");
	ck_assert_int_eq(desk_do(&desk, "d=4", &err), -EINVAL);
	ck_assert_uint_eq(pfw_store_n_lines(desk.store), 1);
	desk_has(&desk, "a=1 b=7 c=3 tcp-2=2 x=90");
	folder_write(&f, "p.json", BEFORE " ");
	desk_must(&desk, "d=4");
	desk_has(&desk, "a=1 b=7 c=3 d=4 tcp-2=2 x=90");
	desk_close(&desk);
	folder_free(&f);
}
END_TEST

/* A line counts when all of it is there, wherever it was torn. */
START_TEST(test_torn_at_every_byte)
{
	static const char *const requests[] = { "c=3", "a=11,-b,d=4", "-c" };
	char journal[2048], state[STATE_SIZE], expected[STATE_SIZE];
	size_t len, cut, i, n;
	struct folder f;
	struct desk desk;

	folder_fill(&f);
	desk_open(&desk, &f, true);
	for (i = 0; i < COUNT(requests); i++)
		desk_must(&desk, requests[i]);
	desk_close(&desk);
	len = read_file(&f, JOURNAL, journal, sizeof(journal));
	ck_assert_uint_lt(len, sizeof(journal));
	for (cut = 0; cut <= len; cut++) {
		folder_write(&f, "p.json", BEFORE);
		write_file(&f, JOURNAL, journal, cut);
		for (n = 0, i = 0; i < cut; i++)
			n += journal[i] == '\n';
		snprintf(expected, sizeof(expected), STATE);
		for (i = 0; i < n; i++)
			state_after(expected, requests[i]);
		state_seen(&f, state);
		ck_assert_str_eq(state, expected);
		if (cut)
			state_folded(&f, state);
		ck_assert_str_eq(state, expected);
	}
	folder_free(&f);
}
END_TEST

/* Whoever was killed before the journal went left lines that the file has already. */
START_TEST(test_written_already)
{
	static const char *const requests[] = { "c=3", "a=11,-b", "c=4", "a=1", "-c", "c=3", "b=8" };
	char journal[2048], state[STATE_SIZE], expected[STATE_SIZE];
	size_t len, i, from;
	struct folder f;
	struct desk desk;

	for (from = 0; from <= COUNT(requests); from++) {
		folder_fill(&f);
		snprintf(expected, sizeof(expected), STATE);
		desk_open(&desk, &f, true);
		for (i = 0; i < COUNT(requests); i++) {
			desk_must(&desk, requests[i]);
			state_after(expected, requests[i]);
		}
		desk_close(&desk);
		len = read_file(&f, JOURNAL, journal, sizeof(journal));
		/* The file of some point in between, and all of the journal. */
		folder_write(&f, "p.json", BEFORE);
		folder_unlink(&f, JOURNAL);
		desk_open(&desk, &f, false);
		for (i = 0; i < from; i++)
			desk_must(&desk, requests[i]);
		desk_close(&desk);
		write_file(&f, JOURNAL, journal, len);
		state_seen(&f, state);
		ck_assert_str_eq(state, expected);
		state_folded(&f, state);
		ck_assert_str_eq(state, expected);
		ck_assert(!is_there(&f, JOURNAL ".rejected"));
		folder_free(&f);
	}
}
END_TEST

/* What was done by hand stands, and what does not touch it is done. */
START_TEST(test_edited_by_hand)
{
	static const char after[] = "{\"forwards\": [" ONE("a", "99") ", " ONE("b", "7") ", "
		ONE("e", "5") "]}";
	char journal[2048], rejected[2048], state[STATE_SIZE], *notice;
	struct folder f;
	struct desk desk;
	size_t len;

	folder_fill(&f);
	desk_open(&desk, &f, true);
	desk_must(&desk, "c=3");
	desk_must(&desk, "a=11,d=4");
	desk_must(&desk, "b=8");
	folder_write(&f, "p.json", after);
	state_seen(&f, state);
	ck_assert_str_eq(state, "a=99 b=8 c=3 e=5 x=90");
	len = read_file(&f, JOURNAL, journal, sizeof(journal) - 1);
	journal[len] = '\0';
	desk_must(&desk, "f=6");
	desk_has(&desk, "a=99 b=8 c=3 e=5 f=6 x=90");
	notice = pfw_store_take_notice(desk.store);
	ck_assert_ptr_nonnull(strstr(notice, "\"a\" was changed in "));
	free(notice);
	ck_assert_ptr_null(pfw_store_take_notice(desk.store));
	desk_close(&desk);
	state_folded(&f, state);
	ck_assert_str_eq(state, "a=99 b=8 c=3 e=5 f=6 x=90");
	len = read_file(&f, JOURNAL ".rejected", rejected, sizeof(rejected) - 1);
	rejected[len] = '\0';
	/* The second line, and no other. */
	ck_assert_ptr_eq(strstr(journal, rejected), strchr(journal, '\n') + 1);
	ck_assert_ptr_eq(strchr(rejected, '\n'), rejected + len - 1);
	folder_free(&f);
}
END_TEST

START_TEST(test_taken_elsewhere_by_hand)
{
	char state[STATE_SIZE];
	struct folder f;
	struct desk desk;

	folder_fill(&f);
	desk_open(&desk, &f, true);
	desk_must(&desk, "c=3");
	desk_must(&desk, "-b");
	desk_close(&desk);
	folder_write(&f, "portfwd.d/y.json", "{\"forwards\": [" ONE("c", "3") "]}");
	state_folded(&f, state);
	ck_assert_str_eq(state, "a=1 c=3 tcp-2=2 x=90");
	ck_assert(is_there(&f, JOURNAL ".rejected"));
	folder_has(&f, "portfwd.d/y.json", "{\"forwards\": [" ONE("c", "3") "]}");
	folder_free(&f);
}
END_TEST

START_TEST(test_rejected_as_a_whole)
{
	struct pfw_error err = PFW_ERROR_INIT;
	struct pfw_ruleset ruleset = { 0 };
	struct pfw_store *store;
	char state[STATE_SIZE];
	struct folder f;
	struct desk desk;

	folder_fill(&f);
	desk_open(&desk, &f, true);
	desk_must(&desk, "c=3");
	desk_must(&desk, "-b");
	desk_close(&desk);
	store = store_of(&f, "p.json");
	ck_assert_int_eq(pfw_store_lock(store, 0, true, &err), 0);
	pfw_store_reject_journal(store);
	ck_assert_int_eq(pfw_store_load(store, false, &ruleset, &err), 0);
	state_of(&ruleset, state);
	ck_assert_str_eq(state, STATE);
	ck_assert_int_eq(pfw_store_settle(store, &err), 0);
	folder_has(&f, "p.json", BEFORE);
	ck_assert(!is_there(&f, JOURNAL));
	ck_assert(is_there(&f, JOURNAL ".rejected"));
	pfw_ruleset_free(&ruleset);
	pfw_store_close(store);
	folder_free(&f);
}
END_TEST

START_TEST(test_damaged_lines)
{
	static const char *const damaged[] = {
		"", "{}", "null", "[]", "{\"put\": {}, \"was\": null}", "{\"drop\": 3, \"was\": null}",
		"{\"drop\": \"a\"}", "{\"drop\": \"a\", \"was\": \"12\"}", "{\"drop\": \"\\n\", \"was\": null}",
		"{\"changes\": [{\"drop\": \"b\", \"was\": null}, 1]}", "{\"drop\": \"a\", \"was\"",
	};
	char journal[2048], state[STATE_SIZE], text[4096];
	struct folder f;
	struct desk desk;
	size_t len, i;

	folder_fill(&f);
	desk_open(&desk, &f, true);
	desk_must(&desk, "c=3");
	desk_close(&desk);
	len = read_file(&f, JOURNAL, journal, sizeof(journal));
	for (i = 0; i < COUNT(damaged); i++) {
		folder_write(&f, "p.json", BEFORE);
		snprintf(text, sizeof(text), "%s\n%.*s", damaged[i], (int)len, journal);
		write_file(&f, JOURNAL, text, strlen(text));
		state_folded(&f, state);
		ck_assert_str_eq(state, "a=1 b=7 c=3 tcp-2=2 x=90");
		snprintf(text, sizeof(text), "%s\n", damaged[i]);
		folder_has(&f, JOURNAL ".rejected", text);
		folder_unlink(&f, JOURNAL ".rejected");
	}
	folder_free(&f);
}
END_TEST

/* If this fails, changes stop while a large file is written, or are lost by it. */
START_TEST(test_changes_while_settling)
{
	char state[STATE_SIZE], journal[2048];
	struct folder f;
	struct desk desk;
	size_t len;

	folder_fill(&f);
	desk_open(&desk, &f, true);
	desk_must(&desk, "c=3");
	desk_must(&desk, "-b");
	desk_must(&desk, "d=4");
	desk_must(&desk, "<");
	desk_must(&desk, "-c");
	desk_must(&desk, "d=44,e=5");
	state_seen(&f, state);
	ck_assert_str_eq(state, "a=1 d=44 e=5 tcp-2=2 x=90");
	desk_must(&desk, ">");
	folder_has(&f, "p.json", "{\"forwards\": [\n  " ONE("a", "1") ",\n  " UNNAMED ",\n  "
		   ONE("c", "3") ",\n  " ONE("d", "4") "\n]}\n");
	ck_assert_uint_eq(pfw_store_n_lines(desk.store), 2);
	len = read_file(&f, JOURNAL, journal, sizeof(journal) - 1);
	journal[len] = '\0';
	ck_assert_ptr_null(strstr(journal, "\"b\""));
	desk_must(&desk, "e=55");
	state_seen(&f, state);
	ck_assert_str_eq(state, "a=1 d=44 e=55 tcp-2=2 x=90");
	desk_must(&desk, "!");
	folder_has(&f, "p.json", "{\"forwards\": [\n  " ONE("a", "1") ",\n  " UNNAMED ",\n  "
		   ONE("d", "44") ",\n  " ONE("e", "55") "\n]}\n");
	desk_close(&desk);
	folder_free(&f);
}
END_TEST

/* Somebody else wrote the file in between: what was prepared says too little. */
START_TEST(test_overtaken_while_settling)
{
	struct pfw_error err = PFW_ERROR_INIT;
	char state[STATE_SIZE];
	struct folder f;
	struct desk desk;

	folder_fill(&f);
	desk_open(&desk, &f, true);
	desk_must(&desk, "c=3");
	desk_must(&desk, "<");
	folder_write(&f, "p.json", "{\"forwards\": [" ONE("z", "5") "]}");
	ck_assert_int_eq(desk_do(&desk, ">", &err), -ESTALE);
	state_seen(&f, state);
	ck_assert_str_eq(state, "c=3 x=90 z=5");
	/* Nothing is left beside. */
	ck_assert_uint_eq(folder_count(&f, "."), is_there(&f, JOURNAL) ? 4 : 3);
	desk_close(&desk);
	folder_free(&f);
}
END_TEST

/* If this fails, a change that was refused comes true later. */
START_TEST(test_failed_append)
{
	struct rlimit limit = { 0, RLIM_INFINITY };
	struct pfw_error err = PFW_ERROR_INIT;
	char state[STATE_SIZE];
	struct folder f;
	struct desk desk;
	struct stat st;
	int ret;

	folder_fill(&f);
	desk_open(&desk, &f, true);
	desk_must(&desk, "c=3");
	ck_assert_int_eq(stat(folder_path(&f, JOURNAL), &st), 0);
	signal(SIGXFSZ, SIG_IGN);
	limit.rlim_cur = (rlim_t)st.st_size + 20;
	/* Between these the test framework cannot write either. */
	setrlimit(RLIMIT_FSIZE, &limit);
	ret = desk_do(&desk, "d=4", &err);
	limit.rlim_cur = RLIM_INFINITY;
	setrlimit(RLIMIT_FSIZE, &limit);
	ck_assert_int_eq(ret, -EFBIG);
	unit_has_error(&err, "p.json.journal: File too large");
	desk_must(&desk, "e=5");
	desk_close(&desk);
	state_folded(&f, state);
	ck_assert_str_eq(state, "a=1 b=7 c=3 e=5 tcp-2=2 x=90");
	ck_assert(!is_there(&f, JOURNAL ".rejected"));
	folder_free(&f);
}
END_TEST

/* What somebody else put there is no word of ours. */
START_TEST(test_foreign_journal)
{
	struct pfw_error err = PFW_ERROR_INIT;
	struct pfw_ruleset ruleset = { 0 };
	struct pfw_store *store;
	struct folder f;

	folder_fill(&f);
	write_file(&f, JOURNAL, "{}\n", 3);
	ck_assert_int_eq(chmod(folder_path(&f, JOURNAL), 0666), 0);
	store = store_of(&f, "p.json");
	ck_assert_int_eq(pfw_store_load(store, false, &ruleset, &err), -EPERM);
	unit_has_error(&err, "p.json.journal belongs to somebody else");
	pfw_store_close(store);
	folder_free(&f);
}
END_TEST

/* The first forward of all makes the file, so a journal never stands alone. */
START_TEST(test_no_file_yet)
{
	struct folder f;
	struct desk desk;

	folder_init(&f);
	desk_open(&desk, &f, true);
	desk_must(&desk, "a=1");
	folder_has(&f, "p.json", "{\n  \"forwards\": [\n    " ONE("a", "1") "\n  ]\n}\n");
	ck_assert(!is_there(&f, JOURNAL));
	desk_must(&desk, "b=2");
	desk_must(&desk, "a=3");
	ck_assert(is_there(&f, JOURNAL));
	desk_must(&desk, "!");
	folder_has(&f, "p.json", "{\n  \"forwards\": [\n    " ONE("a", "3") ",\n    " ONE("b", "2")
		   "\n  ]\n}\n");
	desk_close(&desk);
	folder_free(&f);
}
END_TEST

/* A drop-in is written at once, again and again. */
START_TEST(test_drop_ins_are_written)
{
	struct folder f;
	struct desk desk;

	folder_fill(&f);
	desk_open(&desk, &f, true);
	desk_must(&desk, "x=91,c=3");
	folder_has(&f, "portfwd.d/x.json", "{\"forwards\": [" ONE("x", "91") "]}");
	desk_must(&desk, "x=92");
	desk_must(&desk, "-x");
	folder_has(&f, "portfwd.d/x.json", "{\"forwards\": []}");
	desk_has(&desk, "a=1 b=7 c=3 tcp-2=2");
	desk_close(&desk);
	folder_free(&f);
}
END_TEST

/* Without a journal too: what stays knows where everything stands. */
START_TEST(test_stays_without_journal)
{
	struct folder f;
	struct desk desk;

	folder_fill(&f);
	desk_open(&desk, &f, false);
	desk_must(&desk, "-a,c=3");
	desk_must(&desk, "b=8");
	desk_must(&desk, "c=4");
	desk_must(&desk, "-tcp-2");
	folder_has(&f, "p.json", "{\"forwards\": [\n  " ONE("b", "8") ",\n  " ONE("c", "4") "\n]}\n");
	ck_assert(!is_there(&f, JOURNAL));
	desk_close(&desk);
	folder_free(&f);
}
END_TEST

TCase *journal_case(void)
{
	TCase *tcase;

	UNIT_CASE(tcase, "journal", test_changes_go_to_the_journal, test_current,
		  test_failed_load_changes_nothing, test_torn_at_every_byte, test_written_already,
		  test_edited_by_hand, test_taken_elsewhere_by_hand, test_rejected_as_a_whole,
		  test_damaged_lines, test_changes_while_settling, test_overtaken_while_settling,
		  test_failed_append, test_foreign_journal, test_no_file_yet,
		  test_drop_ins_are_written, test_stays_without_journal);
	return tcase;
}
