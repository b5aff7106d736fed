/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Staging, committing and aborting changes. */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <signal.h>
#include <unistd.h>

#include "cases.h"
#include "folder.h"
#include "portfwd/store/store.h"

static struct pfw_ports port = { 99, 99 };
static struct pfw_target self = { .self = true, .weight = 1 };
#define NEW "{\"name\": \"new\", \"listen\": \"99\", \"target\": \"self\"}"

static const struct pfw_change add = {
	.what = PFW_PUT, .name = "new",
	.forward = {
		.name = "new", .enabled = true,
		.listen = { .ports = &port, .n_ports = 1, .protocols = PFW_TCP },
		.targets = &self, .n_targets = 1, .origin = { .file = PFW_ORIGIN_NONE },
	},
};

static struct pfw_change drop_of(const struct pfw_ruleset *ruleset, const char *name)
{
	uint32_t id = pfw_ruleset_find(ruleset, name);

	ck_assert_uint_ne(id, PFW_INDEX_NONE);
	return (struct pfw_change){ PFW_DROP, name, ruleset->forwards[id] };
}

/* Of a copy: a new forward is told where it comes to stand. */
static int stage(struct pfw_store *store, const struct pfw_change *changes, size_t n,
		 struct pfw_error *err)
{
	struct pfw_change copy[8];

	ck_assert_uint_le(n, COUNT(copy));
	memcpy(copy, changes, n * sizeof(*copy));
	return pfw_store_stage(store, copy, n, err);
}

static void save(struct pfw_store *store, const struct pfw_change *changes, size_t n)
{
	struct pfw_error err = PFW_ERROR_INIT;

	ck_assert_msg(stage(store, changes, n, &err) == 0, "%s", err.item[0].message);
	ck_assert_msg(pfw_store_commit(store, &err) == 0, "%s", err.item[0].message);
}

START_TEST(test_new_folder_and_file)
{
	struct pfw_error err = PFW_ERROR_INIT;
	struct folder f;
	struct pfw_ruleset ruleset;
	struct pfw_store *store;
	struct stat stat_buf;

	umask(077);
	folder_init(&f);
	store = store_of(&f, "etc/portfwd/p.json");
	ck_assert_int_eq(pfw_store_lock(store, 0, true, &err), 0);
	load(store, &ruleset);
	save(store, &add, 1);
	folder_has(&f, "etc/portfwd/p.json", "{\n  \"forwards\": [\n    " NEW "\n  ]\n}\n");
	ck_assert_int_eq(stat(folder_path(&f, "etc/portfwd/p.json"), &stat_buf), 0);
	ck_assert_uint_eq(stat_buf.st_mode & 07777, 0644);
	ck_assert_int_eq(stat(folder_path(&f, "etc/portfwd"), &stat_buf), 0);
	ck_assert_uint_eq(stat_buf.st_mode & 07777, 0755);
	/* The file and its lock. */
	ck_assert_uint_eq(folder_count(&f, "etc/portfwd"), 2);
	ck_assert_uint_eq(folder_count(&f, "etc"), 1);
	pfw_ruleset_free(&ruleset);
	load(store, &ruleset);
	ck_assert_uint_eq(ruleset.n_live, 1);
	pfw_ruleset_free(&ruleset);
	pfw_store_close(store);
	folder_free(&f);
}
END_TEST

START_TEST(test_several_files)
{
	struct folder f;
	struct pfw_ruleset ruleset;
	struct pfw_store *store;
	struct pfw_change changes[3];

	folder_init(&f);
	folder_write(&f, "p.json", "{\"forwards\": [ " ONE("a", "1") ",\n" ONE("b", "2") "]}\n");
	folder_mkdir(&f, "portfwd.d");
	folder_write(&f, "portfwd.d/x.json", "{\"forwards\": [" ONE("c", "3") "]}");
	store = store_of(&f, "p.json");
	load(store, &ruleset);
	changes[0] = add;
	changes[1] = drop_of(&ruleset, "c");
	changes[2] = drop_of(&ruleset, "a");
	save(store, changes, 3);
	folder_has(&f, "p.json", "{\"forwards\": [ " ONE("b", "2") ",\n" NEW "]}\n");
	folder_has(&f, "portfwd.d/x.json", "{\"forwards\": []}");
	ck_assert_uint_eq(folder_count(&f, "portfwd.d"), 1);
	ck_assert_uint_eq(folder_count(&f, "."), 2);
	pfw_ruleset_free(&ruleset);
	pfw_store_close(store);
	folder_free(&f);
}
END_TEST

/* What a killed save left is removed, and nothing that only looks like it. */
START_TEST(test_left_overs)
{
	static const char *const left[] = {
		".p.json.0123456789abcdef", "portfwd.d/.x.json.fedcba9876543210",
	};
	static const char *const kept[] = {
		".p.json.0123456789abcde", ".p.json.0123456789abcdeg", ".p.json.0123456789ABCDEF",
		".q.json.0123456789abcdef", "p.json.0123456789abcdef", ".p.json.0123456789abcdef0",
		"portfwd.d/.y.json.0123456789abcdef",
	};
	struct pfw_error err = PFW_ERROR_INIT;
	struct pfw_change changes[2];
	struct folder f;
	struct pfw_ruleset ruleset;
	struct pfw_store *store;
	size_t i;

	folder_init(&f);
	folder_write(&f, "p.json", "{}");
	folder_mkdir(&f, "portfwd.d");
	folder_write(&f, "portfwd.d/x.json", "{\"forwards\": [" ONE("c", "3") "]}");
	for (i = 0; i < COUNT(left); i++)
		folder_write(&f, left[i], "old");
	for (i = 0; i < COUNT(kept); i++)
		folder_write(&f, kept[i], "mine");
	folder_mkdir(&f, ".p.json.aaaaaaaaaaaaaaaa");
	ck_assert_int_eq(symlink("p.json", folder_path(&f, ".p.json.bbbbbbbbbbbbbbbb")), 0);
	store = store_of(&f, "p.json");
	load(store, &ruleset);
	changes[0] = add;
	changes[1] = drop_of(&ruleset, "c");
	/* Without the lock, somebody may be about to rename them. */
	ck_assert_int_eq(stage(store, changes, 2, &err), 0);
	folder_has(&f, left[0], "old");
	pfw_store_abort(store);
	ck_assert_int_eq(pfw_store_lock(store, 0, true, &err), 0);
	save(store, changes, 2);
	for (i = 0; i < COUNT(left); i++)
		ck_assert_int_ne(access(folder_path(&f, left[i]), F_OK), 0);
	for (i = 0; i < COUNT(kept); i++)
		folder_has(&f, kept[i], "mine");
	ck_assert_int_eq(access(folder_path(&f, ".p.json.aaaaaaaaaaaaaaaa"), F_OK), 0);
	ck_assert_int_eq(access(folder_path(&f, ".p.json.bbbbbbbbbbbbbbbb"), F_OK), 0);
	pfw_ruleset_free(&ruleset);
	pfw_store_close(store);
	folder_free(&f);
}
END_TEST

START_TEST(test_runtime_file)
{
	struct pfw_error err = PFW_ERROR_INIT;
	struct pfw_change change = add;
	struct folder f;
	struct pfw_ruleset ruleset;
	struct pfw_store *store;

	folder_init(&f);
	folder_mkdir(&f, "run");
	change.forward.origin.file = PFW_ORIGIN_RUNTIME;
	store = store_of(&f, "etc/p.json");
	load(store, &ruleset);
	ck_assert_int_eq(stage(store, &change, 1, &err), -EINVAL);
	pfw_ruleset_free(&ruleset);
	ck_assert_int_eq(pfw_store_set_runtime(store, folder_path(&f, "run/r.json"), false), 0);
	load(store, &ruleset);
	ck_assert(!pfw_store_has_main(store));
	save(store, &change, 1);
	folder_has(&f, "run/r.json", "{\n  \"forwards\": [\n    " NEW "\n  ]\n}\n");
	/* The configuration is none of its business. */
	ck_assert_uint_eq(folder_count(&f, "."), 1);
	pfw_ruleset_free(&ruleset);
	load(store, &ruleset);
	change = drop_of(&ruleset, "new");
	save(store, &change, 1);
	folder_has(&f, "run/r.json", "{\n  \"forwards\": []\n}\n");
	pfw_ruleset_free(&ruleset);
	pfw_store_close(store);
	folder_free(&f);
}
END_TEST

START_TEST(test_link_mode_and_owner_stay)
{
	struct folder f;
	struct pfw_ruleset ruleset;
	struct pfw_store *store;
	struct stat stat_buf;

	folder_init(&f);
	folder_mkdir(&f, "real");
	folder_mkdir(&f, "portfwd.d");
	folder_write(&f, "portfwd.d/x.json", "{\"forwards\": [" ONE("c", "3") "]}");
	folder_write(&f, "real/r.json", "{}");
	ck_assert_int_eq(chmod(folder_path(&f, "real/r.json"), 0640), 0);
	if (geteuid() == 0)
		ck_assert_int_eq(chown(folder_path(&f, "real/r.json"), 12, 34), 0);
	ck_assert_int_eq(symlink("real/r.json", folder_path(&f, "p.json")), 0);
	store = store_of(&f, "p.json");
	load(store, &ruleset);
	ck_assert_uint_eq(ruleset.n_live, 1);
	save(store, &add, 1);
	ck_assert_int_eq(lstat(folder_path(&f, "p.json"), &stat_buf), 0);
	ck_assert(S_ISLNK(stat_buf.st_mode));
	ck_assert_int_eq(stat(folder_path(&f, "real/r.json"), &stat_buf), 0);
	ck_assert_uint_eq(stat_buf.st_mode & 07777, 0640);
	if (geteuid() == 0) {
		ck_assert_uint_eq(stat_buf.st_uid, 12);
		ck_assert_uint_eq(stat_buf.st_gid, 34);
	}
	folder_has(&f, "real/r.json", "{\n  \"forwards\": [\n    " NEW "\n  ]\n}");
	pfw_ruleset_free(&ruleset);
	pfw_store_close(store);
	folder_free(&f);
}
END_TEST

START_TEST(test_abort_leaves_nothing)
{
	struct pfw_error err = PFW_ERROR_INIT;
	struct folder f;
	struct pfw_ruleset ruleset;
	struct pfw_store *store;

	folder_init(&f);
	folder_write(&f, "p.json", "{}");
	store = store_of(&f, "p.json");
	ck_assert_int_lt(stage(store, &add, 1, &err), 0);
	load(store, &ruleset);
	ck_assert_int_eq(stage(store, &add, 1, &err), 0);
	ck_assert_uint_eq(folder_count(&f, "."), 2);
	pfw_store_abort(store);
	ck_assert_uint_eq(folder_count(&f, "."), 1);
	ck_assert_int_eq(stage(store, &add, 1, &err), 0);
	pfw_store_close(store);
	ck_assert_uint_eq(folder_count(&f, "."), 1);
	folder_has(&f, "p.json", "{}");
	pfw_ruleset_free(&ruleset);
	folder_free(&f);
}
END_TEST

/* If this fails, portfwd writes over what an editor saved in the meantime. */
START_TEST(test_changed_meanwhile)
{
	struct pfw_error err = PFW_ERROR_INIT;
	struct folder f;
	struct pfw_ruleset ruleset;
	struct pfw_store *store;

	folder_init(&f);
	folder_write(&f, "p.json", "{}");
	store = store_of(&f, "p.json");
	load(store, &ruleset);
	folder_write(&f, "p.json", "{ \"forwards\": [] }");
	ck_assert_int_eq(stage(store, &add, 1, &err), -ESTALE);
	unit_has_error(&err, "somebody else changed it meanwhile");
	folder_has(&f, "p.json", "{ \"forwards\": [] }");
	pfw_ruleset_free(&ruleset);
	pfw_store_close(store);
	folder_free(&f);
}
END_TEST

START_TEST(test_failed_write)
{
	struct pfw_error err = PFW_ERROR_INIT;
	struct rlimit limit = { 10, 10 };
	struct folder f;
	struct pfw_ruleset ruleset;
	struct pfw_store *store;

	folder_init(&f);
	folder_write(&f, "p.json", "{}");
	store = store_of(&f, "p.json");
	load(store, &ruleset);
	/* A limit stands for the full disk: a write that stops half way. */
	signal(SIGXFSZ, SIG_IGN);
	ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
	ck_assert_int_eq(stage(store, &add, 1, &err), -EFBIG);
	unit_has_error(&err, "p.json: File too large");
	ck_assert_uint_eq(folder_count(&f, "."), 1);
	folder_has(&f, "p.json", "{}");
	pfw_ruleset_free(&ruleset);
	pfw_store_close(store);
	folder_free(&f);
}
END_TEST

START_TEST(test_failed_commit_puts_back)
{
	struct pfw_error err = PFW_ERROR_INIT;
	struct folder f;
	struct pfw_ruleset ruleset;
	struct pfw_store *store;
	struct pfw_change changes[2];

	folder_init(&f);
	folder_write(&f, "p.json", "{}");
	folder_mkdir(&f, "portfwd.d");
	folder_write(&f, "portfwd.d/x.json", "{\"forwards\": [" ONE("c", "3") "]}");
	store = store_of(&f, "p.json");
	load(store, &ruleset);
	changes[0] = add;
	changes[1] = drop_of(&ruleset, "c");
	ck_assert_int_eq(stage(store, changes, 2, &err), 0);
	/* The second file cannot be renamed over a folder; the first is put back. */
	folder_unlink(&f, "portfwd.d/x.json");
	folder_mkdir(&f, "portfwd.d/x.json");
	ck_assert_int_lt(pfw_store_commit(store, &err), 0);
	unit_has_error(&err, "cannot save ");
	folder_has(&f, "p.json", "{}");
	ck_assert_uint_eq(folder_count(&f, "."), 2);
	ck_assert_uint_eq(folder_count(&f, "portfwd.d"), 1);
	pfw_ruleset_free(&ruleset);
	pfw_store_close(store);
	folder_free(&f);
}
END_TEST

START_TEST(test_later_change_wins)
{
	struct folder f;
	struct pfw_ruleset ruleset;
	struct pfw_store *store;
	struct pfw_change changes[2];

	folder_init(&f);
	folder_write(&f, "p.json", "{\"forwards\": [" ONE("a", "1") "]}");
	store = store_of(&f, "p.json");
	load(store, &ruleset);
	changes[0] = drop_of(&ruleset, "a");
	changes[1] = add;
	changes[1].forward.origin = changes[0].forward.origin;
	save(store, changes, 2);
	folder_has(&f, "p.json", "{\"forwards\": [" NEW "]}");
	pfw_ruleset_free(&ruleset);
	pfw_store_close(store);
	folder_free(&f);
}
END_TEST

TCase *save_case(void)
{
	TCase *tcase;

	UNIT_CASE(tcase, "save", test_new_folder_and_file, test_several_files, test_runtime_file, test_left_overs,
		  test_link_mode_and_owner_stay, test_abort_leaves_nothing,
		  test_changed_meanwhile, test_failed_write, test_failed_commit_puts_back,
		  test_later_change_wins);
	return tcase;
}
