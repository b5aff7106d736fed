/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The copy of what is applied, putting it back, and the mark of a trial. */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cases.h"
#include "desk.h"
#include "folder.h"
#include "portfwd/store/applied.h"

#define FILE_OF(...) "{\"forwards\": [" __VA_ARGS__ "]}\n"
#define OLD FILE_OF(ONE("a", "1"))
#define OLD_DROP FILE_OF(ONE("b", "2"))
#define NEW FILE_OF(ONE("a", "3"))

static struct folder f;
static struct pfw_store *store;
static struct pfw_ruleset ruleset;

static void reload(void)
{
	struct pfw_error err = PFW_ERROR_INIT;

	pfw_ruleset_free(&ruleset);
	ruleset = (struct pfw_ruleset){ 0 };
	ck_assert_msg(pfw_store_load(store, false, &ruleset, &err) == 0, "%s", err.item[0].message);
}

static void setup(void)
{
	struct pfw_error err = PFW_ERROR_INIT;

	folder_init(&f);
	folder_mkdir(&f, "portfwd.d");
	folder_write(&f, "p.json", OLD);
	folder_write(&f, "portfwd.d/b.json", OLD_DROP);
	store = store_of(&f, "p.json");
	ck_assert_int_eq(pfw_store_lock(store, 0, true, &err), 0);
	reload();
}

static void teardown(void)
{
	pfw_ruleset_free(&ruleset);
	ruleset = (struct pfw_ruleset){ 0 };
	pfw_store_close(store);
	folder_free(&f);
}

static void keep(enum pfw_kept which)
{
	struct pfw_error err = PFW_ERROR_INIT;

	ck_assert_msg(pfw_store_keep(store, which, false, &err) == 0, "%s", err.item[0].message);
}

static void restore(void)
{
	struct pfw_error err = PFW_ERROR_INIT;

	ck_assert_msg(pfw_store_restore(store, false, &err) == 0, "%s", err.item[0].message);
}

static bool is_applied(void)
{
	struct pfw_error err = PFW_ERROR_INIT;
	bool same = false;

	reload();
	ck_assert_int_eq(pfw_store_is_applied(store, &same, &err), 0);
	return same;
}

START_TEST(test_files_return)
{
	struct stat before, after;

	keep(PFW_KEPT_APPLIED);
	ck_assert(is_applied());
	ck_assert_int_eq(stat(folder_path(&f, "portfwd.d/b.json"), &before), 0);
	ck_assert_int_eq(chmod(folder_path(&f, "p.json"), 0640), 0);
	folder_write(&f, "p.json", NEW);
	folder_write(&f, "portfwd.d/c.json", FILE_OF(ONE("c", "4")));
	ck_assert(!is_applied());
	restore();
	ck_assert(is_applied());
	folder_has(&f, "p.json", OLD);
	folder_has(&f, "p.json.unconfirmed", NEW);
	folder_has(&f, "portfwd.d/c.json.unconfirmed", FILE_OF(ONE("c", "4")));
	ck_assert_uint_eq(ruleset.n_live, 2);
	ck_assert_int_eq(stat(folder_path(&f, "portfwd.d/b.json"), &after), 0);
	ck_assert_uint_eq(before.st_ino, after.st_ino);
	ck_assert_int_eq(stat(folder_path(&f, "p.json"), &after), 0);
	ck_assert_uint_eq(after.st_mode & 07777, 0640);
	/* Nothing temporary is left: these, their folder, the lock and the copy. */
	ck_assert_uint_eq(folder_count(&f, "portfwd.d"), 2);
	ck_assert_uint_eq(folder_count(&f, "."), 5);
}
END_TEST

START_TEST(test_removed_files_return)
{
	struct stat stat_buf;

	ck_assert_int_eq(chmod(folder_path(&f, "portfwd.d/b.json"), 0604), 0);
	keep(PFW_KEPT_APPLIED);
	folder_unlink(&f, "portfwd.d/b.json");
	folder_unlink(&f, "portfwd.d");
	folder_unlink(&f, "p.json");
	restore();
	folder_has(&f, "p.json", OLD);
	folder_has(&f, "portfwd.d/b.json", OLD_DROP);
	ck_assert_int_eq(stat(folder_path(&f, "portfwd.d/b.json"), &stat_buf), 0);
	ck_assert_uint_eq(stat_buf.st_mode & 07777, 0604);
}
END_TEST

/* A name may be any bytes: blanks, a newline, what is no UTF-8. */
START_TEST(test_names_of_drop_ins)
{
	static const char name[] = "portfwd.d/ \n\xff 1.json";

	folder_write(&f, name, FILE_OF(ONE("c", "4")));
	reload();
	keep(PFW_KEPT_APPLIED);
	ck_assert(is_applied());
	folder_unlink(&f, name);
	restore();
	folder_has(&f, name, FILE_OF(ONE("c", "4")));
	ck_assert(is_applied());
}
END_TEST

START_TEST(test_copy_is_private_and_written_once)
{
	struct stat before, after;

	keep(PFW_KEPT_APPLIED);
	ck_assert_int_eq(stat(folder_path(&f, ".p.json.applied"), &before), 0);
	ck_assert_uint_eq(before.st_mode & 07777, 0600);
	keep(PFW_KEPT_APPLIED);
	ck_assert_int_eq(stat(folder_path(&f, ".p.json.applied"), &after), 0);
	ck_assert_uint_eq(before.st_ino, after.st_ino);
	folder_write(&f, "p.json", NEW);
	reload();
	keep(PFW_KEPT_APPLIED);
	ck_assert(is_applied());
	ck_assert_int_eq(stat(folder_path(&f, ".p.json.applied"), &after), 0);
	ck_assert_uint_ne(before.st_ino, after.st_ino);
}
END_TEST

static void damaged(off_t at, const char *with)
{
	struct pfw_error err = PFW_ERROR_INIT;
	bool same;
	int fd;

	keep(PFW_KEPT_APPLIED);
	fd = open(folder_path(&f, ".p.json.applied"), O_RDWR | O_CLOEXEC);
	ck_assert_int_ge(fd, 0);
	if (with)
		ck_assert_int_eq(pwrite(fd, with, strlen(with), at), (ssize_t)strlen(with));
	else
		ck_assert_int_eq(ftruncate(fd, at), 0);
	close(fd);
	ck_assert_int_eq(pfw_store_is_applied(store, &same, &err), -ENOENT);
	ck_assert_uint_eq(err.count, 0);
	ck_assert_int_eq(pfw_store_restore(store, false, &err), -ENOENT);
	folder_has(&f, "p.json", NEW);
	folder_unlink(&f, ".p.json.applied");
	reload();
}

/* If this fails, half a configuration returns. */
START_TEST(test_damaged_copy_is_none)
{
	struct stat stat_buf;
	off_t len, i;

	folder_write(&f, "p.json", NEW);
	reload();
	keep(PFW_KEPT_APPLIED);
	ck_assert_int_eq(stat(folder_path(&f, ".p.json.applied"), &stat_buf), 0);
	len = stat_buf.st_size;
	for (i = 1; i < len; i += 7)
		damaged(i, NULL);
	damaged(len - 1, NULL);
	damaged(len - 3, "x");
	damaged(0, "q");
	damaged(10, "99999999999999999999");
	damaged(10, "-");
}
END_TEST

START_TEST(test_what_was_tried_is_applied_once_confirmed)
{
	struct pfw_error err = PFW_ERROR_INIT;

	keep(PFW_KEPT_APPLIED);
	folder_write(&f, "p.json", NEW);
	reload();
	keep(PFW_KEPT_TRIED);
	/* Edited again, and not reloaded since. */
	folder_write(&f, "p.json", FILE_OF());
	ck_assert_int_eq(pfw_store_keep_tried(store, &err), 0);
	ck_assert(!is_applied());
	restore();
	folder_has(&f, "p.json", NEW);
}
END_TEST

START_TEST(test_no_files_at_all)
{
	struct pfw_error err = PFW_ERROR_INIT;
	bool same;

	keep(PFW_KEPT_APPLIED);
	ck_assert_int_eq(pfw_store_restore(store, true, &err), 0);
	folder_has(&f, "p.json.unconfirmed", OLD);
	folder_has(&f, "portfwd.d/b.json.unconfirmed", OLD_DROP);
	reload();
	ck_assert_uint_eq(ruleset.n_live, 0);
	keep(PFW_KEPT_APPLIED);
	ck_assert_int_eq(pfw_store_is_applied(store, &same, &err), -ENOENT);
}
END_TEST

START_TEST(test_mark)
{
	struct pfw_error err = PFW_ERROR_INIT;
	struct pfw_buffer words = { 0 };
	bool watched = false;
	int fd = -1, second = -1;

	ck_assert_int_eq(pfw_store_read_mark(store, &words, &watched, &err), -ENOENT);
	ck_assert_uint_eq(err.count, 0);
	ck_assert_int_eq(pfw_store_mark(store, "one", &fd, &err), 0);
	ck_assert_int_eq(pfw_store_read_mark(store, &words, &watched, &err), 0);
	ck_assert_str_eq(words.data, "one");
	ck_assert(watched);
	pfw_buffer_free(&words);
	ck_assert_int_eq(pfw_store_mark(store, "two", &second, &err), 0);
	close(second);
	ck_assert_int_eq(pfw_store_read_mark(store, &words, &watched, &err), 0);
	ck_assert_str_eq(words.data, "two");
	ck_assert(!watched);
	pfw_buffer_free(&words);
	close(fd);
	ck_assert_int_eq(pfw_store_unmark(store, &err), 0);
	ck_assert_int_eq(pfw_store_unmark(store, &err), 0);
	ck_assert_int_eq(pfw_store_read_mark(store, &words, &watched, &err), -ENOENT);
}
END_TEST

/*
 * What is in the journal alone is in no file that could be copied: the copy follows once it is
 * written, whoever does that, and not where somebody edited the file by hand meanwhile.
 */
START_TEST(test_copy_follows_the_journal)
{
	struct pfw_error err = PFW_ERROR_INIT;
	struct folder folder;
	struct desk desk;
	bool same = false;

	folder_init(&folder);
	folder_write(&folder, "p.json", OLD);
	desk_open(&desk, &folder, true);
	ck_assert_int_eq(pfw_store_keep(desk.store, PFW_KEPT_APPLIED, false, &err), 0);
	desk_must(&desk, "c=5");
	ck_assert_int_eq(pfw_store_keep(desk.store, PFW_KEPT_APPLIED, false, &err), 0);
	ck_assert_int_eq(pfw_store_is_applied(desk.store, &same, &err), 0);
	ck_assert(same);
	folder_has(&folder, "p.json", OLD);
	desk_must(&desk, "!");
	ck_assert_int_eq(pfw_store_is_applied(desk.store, &same, &err), 0);
	ck_assert(same);

	/* One that was killed is brought to its end by the next. */
	desk_must(&desk, "d=6");
	desk_close(&desk);
	desk_open(&desk, &folder, false);
	ck_assert_int_eq(pfw_store_settle(desk.store, &err), 0);
	ck_assert_int_eq(pfw_store_is_applied(desk.store, &same, &err), 0);
	ck_assert(same);
	desk_close(&desk);

	desk_open(&desk, &folder, true);
	desk_must(&desk, "e=7");
	desk_close(&desk);
	folder_write(&folder, "p.json", OLD);
	desk_open(&desk, &folder, false);
	ck_assert_int_eq(pfw_store_settle(desk.store, &err), 0);
	ck_assert_int_eq(pfw_store_is_applied(desk.store, &same, &err), 0);
	ck_assert(!same);
	ck_assert_int_eq(pfw_store_restore(desk.store, false, &err), 0);
	desk_close(&desk);
	/* With what was acknowledged before the edit. */
	desk_open(&desk, &folder, false);
	desk_has(&desk, "a=1 c=5 d=6 e=7");
	desk_close(&desk);
	folder_free(&folder);
}
END_TEST

static bool is_there(struct folder *folder, const char *name)
{
	return !access(folder_path(folder, name), F_OK);
}

/*
 * Whoever serves others meanwhile writes a copy in the same other thread. If this fails, everybody
 * waits for a large file, or the copy is of what no file says.
 */
START_TEST(test_copy_is_written_with_the_file)
{
	struct pfw_settling *settling = NULL;
	struct pfw_error err = PFW_ERROR_INIT;
	struct folder folder;
	struct desk desk;
	bool same = false;
	struct stat st;
	ino_t inode;

	folder_init(&folder);
	folder_write(&folder, "p.json", OLD);
	desk_open(&desk, &folder, true);
	ck_assert_int_eq(pfw_store_keep(desk.store, PFW_KEPT_APPLIED, false, &err), 0);
	desk_must(&desk, "c=5");
	ck_assert_int_eq(pfw_store_settle_begin(desk.store, &settling, &err), 0);
	ck_assert_int_eq(pfw_settling_prepare(settling, &err), 0);
	ck_assert_int_eq(stat(folder_path(&folder, ".p.json.applied.new"), &st), 0);
	inode = st.st_ino;
	ck_assert_int_eq(pfw_store_settle_end(desk.store, settling, &err), 0);
	pfw_settling_free(settling);
	ck_assert_int_eq(stat(folder_path(&folder, ".p.json.applied"), &st), 0);
	ck_assert(st.st_ino == inode);
	ck_assert_int_eq(pfw_store_is_applied(desk.store, &same, &err), 0);
	ck_assert(same);

	/* What has come meanwhile is applied too, and in the journal: it belongs to copy and file alike. */
	desk_must(&desk, "d=6");
	ck_assert_int_eq(pfw_store_settle_begin(desk.store, &settling, &err), 0);
	ck_assert_int_eq(pfw_settling_prepare(settling, &err), 0);
	desk_must(&desk, "e=7");
	ck_assert_int_eq(pfw_store_settle_end(desk.store, settling, &err), 0);
	pfw_settling_free(settling);
	ck_assert(!is_there(&folder, ".p.json.applied.new"));
	ck_assert_int_eq(pfw_store_is_applied(desk.store, &same, &err), 0);
	ck_assert(same);
	desk_must(&desk, "!");
	ck_assert_int_eq(pfw_store_is_applied(desk.store, &same, &err), 0);
	ck_assert(same);
	ck_assert(!is_there(&folder, ".p.json.applied.new"));
	desk_close(&desk);
	folder_free(&folder);
}
END_TEST

/* If this fails, a reload that nobody confirms takes back what was answered long before it. */
START_TEST(test_copy_follows_a_file_that_is_behind_the_journal)
{
	struct pfw_settling *settling = NULL;
	struct pfw_error err = PFW_ERROR_INIT;
	struct folder folder;
	struct desk desk;
	bool same = true;

	folder_init(&folder);
	folder_write(&folder, "p.json", OLD);
	desk_open(&desk, &folder, true);
	ck_assert_int_eq(pfw_store_keep(desk.store, PFW_KEPT_APPLIED, false, &err), 0);
	desk_must(&desk, "c=5");
	ck_assert_int_eq(pfw_store_settle_begin(desk.store, &settling, &err), 0);
	ck_assert_int_eq(pfw_settling_prepare(settling, &err), 0);
	desk_must(&desk, "d=6");
	ck_assert_int_eq(pfw_store_settle_end(desk.store, settling, &err), 0);
	pfw_settling_free(settling);
	desk_close(&desk);
	folder_write(&folder, "p.json", NEW);
	desk_open(&desk, &folder, true);
	desk_must(&desk, "!");
	ck_assert_int_eq(pfw_store_is_applied(desk.store, &same, &err), 0);
	ck_assert(!same);
	ck_assert_int_eq(pfw_store_restore(desk.store, false, &err), 0);
	desk_close(&desk);
	desk_open(&desk, &folder, false);
	desk_has(&desk, "a=1 c=5 d=6");
	desk_close(&desk);
	folder_free(&folder);
}
END_TEST

TCase *applied_case(void)
{
	TCase *tcase;

	UNIT_CASE(tcase, "applied", test_files_return, test_removed_files_return,
		  test_names_of_drop_ins, test_copy_is_private_and_written_once,
		  test_damaged_copy_is_none, test_what_was_tried_is_applied_once_confirmed,
		  test_no_files_at_all, test_copy_follows_the_journal,
		  test_copy_is_written_with_the_file,
		  test_copy_follows_a_file_that_is_behind_the_journal, test_mark);
	tcase_add_checked_fixture(tcase, setup, teardown);
	return tcase;
}
