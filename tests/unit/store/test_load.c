/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reading the files of a configuration. */
#include "config.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cases.h"
#include "folder.h"
#include "portfwd/store/store.h"

START_TEST(test_main_and_drop_ins)
{
	struct folder f;
	struct pfw_ruleset ruleset = { 0 };
	struct pfw_store *store;
	uint32_t id;

	folder_init(&f);
	folder_write(&f, "p.json", "{\"settings\": {\"snat\": \"none\"}, \"forwards\": [" ONE("a", "1") "]}");
	folder_mkdir(&f, "portfwd.d");
	folder_write(&f, "portfwd.d/20-b.json", "{\"forwards\": [" ONE("b", "2") "]}");
	folder_write(&f, "portfwd.d/10-c.json",
		     "{\"forwards\": [{\"listen\": \"3\", \"target\": \"self\"}]}");
	folder_write(&f, "portfwd.d/.hidden.json", "no JSON");
	folder_write(&f, "portfwd.d/readme.txt", "no JSON");
	folder_write(&f, "portfwd.d/.json", "no JSON");
	store = store_of(&f, "p.json");
	load(store, &ruleset);
	ck_assert_uint_eq(ruleset.n_live, 3);
	ck_assert_int_eq(ruleset.settings.snat, PFW_SNAT_NONE);
	ck_assert_uint_eq(pfw_ruleset_find(&ruleset, "a"), 0);
	ck_assert_uint_eq(pfw_ruleset_find(&ruleset, "tcp-3"), 1);
	id = pfw_ruleset_find(&ruleset, "b");
	ck_assert_uint_eq(id, 2);
	ck_assert_str_eq(pfw_store_file(store, ruleset.forwards[id].origin.file),
			 folder_path(&f, "portfwd.d/20-b.json"));
	ck_assert_str_eq(pfw_store_path(store), folder_path(&f, "p.json"));
	ck_assert_ptr_null(pfw_store_file(store, 3));
	pfw_ruleset_free(&ruleset);
	/* Again, with less. */
	folder_unlink(&f, "portfwd.d/20-b.json");
	load(store, &ruleset);
	ck_assert_uint_eq(ruleset.n_live, 2);
	pfw_ruleset_free(&ruleset);
	pfw_store_close(store);
	folder_free(&f);
}
END_TEST

START_TEST(test_missing)
{
	struct pfw_error err = PFW_ERROR_INIT;
	struct folder f;
	struct pfw_ruleset ruleset = { 0 };
	struct pfw_store *store;

	folder_init(&f);
	store = store_of(&f, "no/such/p.json");
	load(store, &ruleset);
	ck_assert_uint_eq(ruleset.n_live, 0);
	ck_assert(ruleset.settings.ip_forward);
	pfw_ruleset_free(&ruleset);
	ck_assert_int_eq(pfw_store_load(store, true, &ruleset, &err), -ENOENT);
	unit_has_error(&err, "no/such/p.json: there is no such file");
	pfw_store_close(store);
	folder_free(&f);
}
END_TEST

static void refused(struct folder *f, const char *name, const char *message)
{
	struct pfw_error err = PFW_ERROR_INIT;
	struct pfw_ruleset ruleset = { 0 };
	struct pfw_store *store = store_of(f, name);

	ck_assert_int_lt(pfw_store_load(store, false, &ruleset, &err), 0);
	unit_has_error(&err, message);
	ck_assert_ptr_null(ruleset.forwards);
	ck_assert_ptr_null(err.file);
	pfw_store_close(store);
}

START_TEST(test_not_a_file)
{
	struct folder f;

	folder_init(&f);
	folder_mkdir(&f, "d.json");
	refused(&f, "d.json", "d.json: it is a directory, not a file");
	ck_assert_int_eq(mkfifo(folder_path(&f, "pipe.json"), 0600), 0);
	refused(&f, "pipe.json", "pipe.json: it is a pipe, not a file");
	ck_assert_int_eq(symlink("/dev/zero", folder_path(&f, "zero.json")), 0);
	refused(&f, "zero.json", "/dev/zero: it is a device, not a file");
	ck_assert_int_eq(symlink("loop.json", folder_path(&f, "loop.json")), 0);
	folder_write(&f, "file", "");
	refused(&f, "file/p.json", "Not a directory");
	folder_write(&f, "empty.json", "");
	refused(&f, "empty.json", "empty.json: line 1, column 1: no text at all");
	folder_write(&f, "huge.json", "");
	ck_assert_int_eq(truncate(folder_path(&f, "huge.json"), 1L << 40), 0);
	refused(&f, "huge.json", "it is larger than 1024 MiB");
	folder_free(&f);
}
END_TEST

START_TEST(test_errors_of_all_files)
{
	struct folder f;

	folder_init(&f);
	folder_write(&f, "p.json", "{\"forwards\": [1]}");
	folder_mkdir(&f, "portfwd.d");
	folder_write(&f, "portfwd.d/a.json", "{\"settings\": {}}");
	refused(&f, "p.json", "p.json: forwards[0]: 1 is not a forward");
	refused(&f, "p.json", "portfwd.d/a.json: settings: only the main file has settings");
	folder_write(&f, "p.json", "{\"forwards\": [" ONE("a", "1") "]}");
	folder_write(&f, "portfwd.d/a.json", "{\"forwards\": [" ONE("a", "2") "]}");
	refused(&f, "p.json", "/p.json already");
	folder_unlink(&f, "portfwd.d/a.json");
	folder_mkdir(&f, "portfwd.d/a.json");
	refused(&f, "p.json", "a.json: it is a directory, not a file");
	folder_free(&f);
}
END_TEST

START_TEST(test_paths)
{
	struct pfw_error err = PFW_ERROR_INIT;
	struct pfw_store *store;
	struct folder f;

	folder_init(&f);
	folder_mkdir(&f, "sub");
	store = store_of(&f, "sub/../p.json");
	ck_assert_str_eq(pfw_store_path(store), folder_path(&f, "p.json"));
	pfw_store_close(store);
	ck_assert_int_eq(symlink("sub/real.json", folder_path(&f, "p.json")), 0);
	store = store_of(&f, "p.json");
	ck_assert_str_eq(pfw_store_path(store), folder_path(&f, "sub/real.json"));
	pfw_store_close(store);
	ck_assert_int_eq(chdir(folder_path(&f, "sub")), 0);
	ck_assert_int_eq(pfw_store_open("here.json", &store, &err), 0);
	ck_assert_str_eq(pfw_store_path(store), folder_path(&f, "sub/here.json"));
	pfw_store_close(store);
	ck_assert_int_lt(pfw_store_open("", &store, &err), 0);
	ck_assert_int_lt(pfw_store_open("sub/", &store, &err), 0);
	ck_assert_int_eq(symlink("loop.json", folder_path(&f, "loop.json")), 0);
	ck_assert_int_eq(pfw_store_open(folder_path(&f, "loop.json"), &store, &err), -ELOOP);
	ck_assert_int_eq(chdir("/"), 0);
	folder_free(&f);
}
END_TEST

/* If this fails, a forward of yesterday comes back, or one of today is not there. */
START_TEST(test_runtime)
{
	struct pfw_error err = PFW_ERROR_INIT;
	struct folder f;
	struct pfw_ruleset ruleset = { 0 };
	struct pfw_store *store;
	uint32_t id;

	folder_init(&f);
	folder_write(&f, "p.json", "{\"forwards\": [" ONE("a", "1") "]}");
	folder_mkdir(&f, "portfwd.d");
	folder_write(&f, "portfwd.d/b.json", "{\"forwards\": [" ONE("b", "2") "]}");
	folder_write(&f, "runtime.json", "{\"forwards\": [" ONE("c", "3") "]}");
	store = store_of(&f, "p.json");
	ck_assert_int_eq(pfw_store_set_runtime(store, folder_path(&f, "runtime.json"), false), 0);
	load(store, &ruleset);
	id = pfw_ruleset_find(&ruleset, "c");
	ck_assert_uint_eq(id, 2);
	ck_assert(pfw_store_is_runtime(store, ruleset.forwards[id].origin.file));
	ck_assert(!pfw_store_is_runtime(store, ruleset.forwards[1].origin.file));
	ck_assert(!pfw_store_is_runtime(store, 0));
	ck_assert_str_eq(pfw_store_file(store, PFW_ORIGIN_RUNTIME), folder_path(&f, "runtime.json"));
	ck_assert_str_eq(pfw_store_file(store, 2), folder_path(&f, "runtime.json"));
	pfw_ruleset_free(&ruleset);
	ck_assert_int_eq(pfw_store_set_runtime(store, folder_path(&f, "runtime.json"), true), 0);
	load(store, &ruleset);
	ck_assert_uint_eq(ruleset.n_live, 2);
	pfw_ruleset_free(&ruleset);
	ck_assert_int_eq(pfw_store_set_runtime(store, folder_path(&f, "runtime.json"), false), 0);
	ck_assert_int_eq(chmod(folder_path(&f, "runtime.json"), 0664), 0);
	ck_assert_int_eq(pfw_store_load(store, false, &ruleset, &err), -EPERM);
	unit_has_error(&err, "runtime.json belongs to somebody else, or others may write it");
	folder_unlink(&f, "runtime.json");
	load(store, &ruleset);
	ck_assert_uint_eq(ruleset.n_live, 2);
	pfw_ruleset_free(&ruleset);
	pfw_store_close(store);
	folder_free(&f);
}
END_TEST

/* If this fails, an editor's text is saved that was never checked, or over somebody's change. */
START_TEST(test_draft)
{
	const struct pfw_draft draft = { "{\"forwards\": [" ONE("new", "2") "]}", 0, "{}", 2 };
	struct pfw_draft whole = draft, first;
	struct pfw_error err = PFW_ERROR_INIT;
	struct folder f;
	struct pfw_ruleset ruleset = { 0 };
	struct pfw_store *store;

	whole.len = strlen(draft.text);
	folder_init(&f);
	folder_write(&f, "p.json", "{}");
	store = store_of(&f, "p.json");
	pfw_store_set_draft(store, &whole);
	load(store, &ruleset);
	ck_assert_uint_eq(ruleset.n_live, 1);
	folder_has(&f, "p.json", "{}");
	ck_assert_int_eq(pfw_store_stage_draft(store, &err), 0);
	ck_assert_int_eq(pfw_store_commit(store, &err), 0);
	folder_has(&f, "p.json", draft.text);
	pfw_ruleset_free(&ruleset);
	ck_assert_int_eq(pfw_store_load(store, false, &ruleset, &err), -ESTALE);
	unit_has_error(&err, "somebody else changed it meanwhile; edit it anew");
	first = whole;
	first.base = NULL;
	pfw_store_set_draft(store, &first);
	ck_assert_int_eq(pfw_store_load(store, false, &ruleset, &err), -ESTALE);
	folder_unlink(&f, "p.json");
	load(store, &ruleset);
	ck_assert_int_eq(pfw_store_stage_draft(store, &err), 0);
	/* Somebody who takes no lock. */
	folder_write(&f, "p.json", "{ }");
	pfw_store_abort(store);
	ck_assert_int_eq(pfw_store_stage_draft(store, &err), -ESTALE);
	folder_has(&f, "p.json", "{ }");
	pfw_ruleset_free(&ruleset);
	pfw_store_close(store);
	ck_assert_uint_eq(folder_count(&f, "."), 1);
	folder_free(&f);
}
END_TEST

TCase *load_case(void)
{
	TCase *tcase;

	UNIT_CASE(tcase, "load", test_main_and_drop_ins, test_missing, test_not_a_file,
		  test_errors_of_all_files, test_paths, test_runtime, test_draft);
	return tcase;
}
