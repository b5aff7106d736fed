/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The lock: one writer at a time, also where the folder is not there yet. */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cases.h"
#include "folder.h"
#include "portfwd/store/store.h"

#define WRITERS 20

START_TEST(test_second_waits_in_vain)
{
	struct pfw_error err = PFW_ERROR_INIT;
	struct pfw_store *first, *second;
	struct stat stat_buf;
	struct folder f;

	folder_init(&f);
	first = store_of(&f, "p.json");
	second = store_of(&f, "p.json");
	ck_assert_int_eq(pfw_store_lock(first, 0, true, &err), 0);
	ck_assert_int_eq(pfw_store_lock(first, 0, true, &err), 0);
	ck_assert_int_eq(pfw_store_lock(second, 0, true, &err), -ETIMEDOUT);
	unit_has_error(&err, "another process holds it");
	pfw_store_close(first);
	ck_assert_int_eq(pfw_store_lock(second, 0, true, &err), 0);
	pfw_store_close(second);
	ck_assert_uint_eq(folder_count(&f, "."), 1);
	ck_assert_int_eq(stat(folder_path(&f, ".portfwd.lock"), &stat_buf), 0);
	ck_assert_uint_eq(stat_buf.st_mode & 07777, 0600);
	folder_free(&f);
}
END_TEST

/* If this fails, whoever may read the folder can keep all administrators waiting. */
START_TEST(test_folder_is_not_the_lock)
{
	struct pfw_error err = PFW_ERROR_INIT;
	struct pfw_store *store;
	struct folder f;
	int fd;

	folder_init(&f);
	fd = open(f.path, O_RDONLY | O_DIRECTORY);
	ck_assert_int_eq(flock(fd, LOCK_EX), 0);
	store = store_of(&f, "p.json");
	ck_assert_int_eq(pfw_store_lock(store, 0, true, &err), 0);
	pfw_store_close(store);
	close(fd);
	folder_free(&f);
}
END_TEST

static void refused(struct folder *f, int code, const char *words)
{
	struct pfw_error err = PFW_ERROR_INIT;
	struct pfw_store *store = store_of(f, "p.json");

	ck_assert_int_eq(pfw_store_lock(store, 0, true, &err), code);
	unit_has_error(&err, words);
	pfw_store_close(store);
}

/* What somebody put in the lock's place is not followed, waited for or trusted. */
START_TEST(test_planted_lock)
{
	struct folder f;

	folder_init(&f);
	ck_assert_int_eq(symlink("victim", folder_path(&f, ".portfwd.lock")), 0);
	refused(&f, -EINVAL, ".portfwd.lock is not a file; remove it");
	ck_assert_uint_eq(folder_count(&f, "."), 1);
	folder_unlink(&f, ".portfwd.lock");
	folder_mkdir(&f, ".portfwd.lock");
	refused(&f, -EINVAL, ".portfwd.lock is not a file; remove it");
	folder_unlink(&f, ".portfwd.lock");
	ck_assert_int_eq(mkfifo(folder_path(&f, ".portfwd.lock"), 0600), 0);
	refused(&f, -EINVAL, ".portfwd.lock is not a file; remove it");
	folder_unlink(&f, ".portfwd.lock");
	folder_write(&f, ".portfwd.lock", "");
	if (geteuid() == 0 && chown(folder_path(&f, ".portfwd.lock"), 12, 34) == 0)
		refused(&f, -EPERM, ".portfwd.lock belongs to somebody else; remove it");
	folder_free(&f);
}
END_TEST

/* A command that was refused leaves no folder behind, nor takes one away that was there. */
START_TEST(test_missing_folder)
{
	struct pfw_error err = PFW_ERROR_INIT;
	struct pfw_store *first, *second;
	struct folder f;

	folder_init(&f);
	folder_mkdir(&f, "there");
	first = store_of(&f, "there/a/b/p.json");
	second = store_of(&f, "there/a/b/p.json");
	ck_assert_int_eq(pfw_store_lock(first, 0, true, &err), 0);
	ck_assert_int_eq(pfw_store_lock(second, 0, true, &err), -ETIMEDOUT);
	pfw_store_close(first);
	ck_assert_uint_eq(folder_count(&f, "there"), 0);
	ck_assert_int_eq(pfw_store_lock(second, 0, true, &err), 0);
	pfw_store_close(second);
	ck_assert_uint_eq(folder_count(&f, "there"), 0);
	/* A link to a folder that is not there: nothing can be made, and nobody waits for ever. */
	ck_assert_int_eq(symlink("nowhere", folder_path(&f, "there/link")), 0);
	first = store_of(&f, "there/link/p.json");
	ck_assert_int_eq(pfw_store_lock(first, 0, true, &err), 0);
	pfw_store_close(first);
	folder_free(&f);
}
END_TEST

/* One folder by two paths: a lock of it twice would wait for itself. */
START_TEST(test_two_links)
{
	struct pfw_error err = PFW_ERROR_INIT;
	struct pfw_store *first, *second;
	struct folder f;

	folder_init(&f);
	folder_mkdir(&f, "a");
	folder_mkdir(&f, "b");
	ck_assert_int_eq(symlink("../b/p.json", folder_path(&f, "a/p.json")), 0);
	ck_assert_int_eq(symlink("../a/q.json", folder_path(&f, "b/q.json")), 0);
	first = store_of(&f, "a/p.json");
	second = store_of(&f, "b/q.json");
	ck_assert_int_eq(pfw_store_lock(first, 0, true, &err), 0);
	ck_assert_int_eq(pfw_store_lock(second, 0, true, &err), -ETIMEDOUT);
	unit_has_error(&err, "/a: another process holds it");
	pfw_store_close(first);
	pfw_store_close(second);
	folder_free(&f);
}
END_TEST

static void add_one(struct folder *f, const char *name, unsigned int number)
{
	struct pfw_ports port = { (uint16_t)(1000 + number), (uint16_t)(1000 + number) };
	struct pfw_target self = { .self = true, .weight = 1 };
	struct pfw_error err = PFW_ERROR_INIT;
	struct pfw_store *store = store_of(f, name);
	struct pfw_ruleset ruleset = { 0 };
	char own[16];
	struct pfw_change change = {
		.what = PFW_PUT, .name = own,
		.forward = { .name = own, .enabled = true,
			     .listen = { .ports = &port, .n_ports = 1, .protocols = PFW_TCP },
			     .targets = &self, .n_targets = 1,
			     .origin = { .file = PFW_ORIGIN_NONE } },
	};

	snprintf(own, sizeof(own), "n%u", number);
	if (pfw_store_lock(store, 20, true, &err) < 0 || pfw_store_load(store, false, &ruleset, &err) < 0 ||
	    pfw_store_stage(store, &change, 1, &err) < 0 || pfw_store_commit(store, &err) < 0) {
		fprintf(stderr, "%s\n", err.item[0].message);
		_exit(1);
	}
	_exit(0);
}

static void add_many(struct folder *f, const char *const names[2])
{
	struct pfw_ruleset ruleset;
	struct pfw_store *store;
	unsigned int i;
	int status;

	for (i = 0; i < WRITERS; i++)
		if (fork() == 0)
			add_one(f, names[i % 2], i);
	for (i = 0; i < WRITERS; i++) {
		ck_assert_int_gt(wait(&status), 0);
		ck_assert_int_eq(status, 0);
	}
	store = store_of(f, names[0]);
	load(store, &ruleset);
	ck_assert_uint_eq(ruleset.n_live, WRITERS);
	pfw_ruleset_free(&ruleset);
	pfw_store_close(store);
}

/* If this fails, one of two administrators loses a forward. */
START_TEST(test_many_writers)
{
	static const char *const same[] = { "p.json", "p.json" };
	static const char *const deep[] = { "etc/portfwd/p.json", "etc/portfwd/p.json" };
	static const char *const link[] = { "link.json", "real/r.json" };
	static const char *const later[] = { "later.json", "not/yet/r.json" };
	struct folder f;

	folder_init(&f);
	add_many(&f, same);
	add_many(&f, deep);
	folder_mkdir(&f, "real");
	ck_assert_int_eq(symlink("real/r.json", folder_path(&f, "link.json")), 0);
	add_many(&f, link);
	ck_assert_int_eq(symlink("not/yet/r.json", folder_path(&f, "later.json")), 0);
	add_many(&f, later);
	folder_free(&f);
}
END_TEST

TCase *lock_case(void)
{
	TCase *tcase;

	UNIT_CASE(tcase, "lock", test_second_waits_in_vain, test_folder_is_not_the_lock,
		  test_planted_lock, test_missing_folder, test_two_links, test_many_writers);
	tcase_set_timeout(tcase, 120);
	return tcase;
}
