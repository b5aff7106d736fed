/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Saved files: each way to save is told, once, and nothing else is. */
#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../../../src/daemon/files.h"
#include "cases.h"

#define TOLD_MS 3000	/* until when it should be */
#define SILENT_MS 250	/* how long we believe that nothing comes */

static char folder[64];
static uv_loop_t loop;
static uv_timer_t patience;
static struct files *files;
static unsigned int told;

static const char *path(const char *name)
{
	static char ret[2][256];
	static unsigned int next;

	next = !next;
	snprintf(ret[next], sizeof(ret[next]), "%s/%s", folder, name);
	return ret[next];
}

static void save(const char *name, const char *text)
{
	FILE *file = fopen(path(name), "w");

	ck_assert_ptr_nonnull(file);
	fputs(text, file);
	fclose(file);
}

static void on_changed(void *ctx)
{
	(void)ctx;
	told++;
	uv_stop(&loop);
}

static void give_up(uv_timer_t *timer)
{
	uv_stop(timer->loop);
}

/* How often it is told in the time that it should take. */
static unsigned int times(unsigned int ms)
{
	told = 0;
	uv_timer_start(&patience, give_up, ms, 0);
	uv_run(&loop, UV_RUN_DEFAULT);
	return told;
}

#define TOLD() ck_assert_uint_eq(times(TOLD_MS), 1)
#define SILENT() ck_assert_uint_eq(times(SILENT_MS), 0)

static void begin(const char *config)
{
	struct pfw_error err = PFW_ERROR_INIT;

	strcpy(folder, "/tmp/portfwd-files-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(folder));
	ck_assert_int_eq(uv_loop_init(&loop), 0);
	uv_timer_init(&loop, &patience);
	ck_assert_int_eq(files_open(&loop, path(config), on_changed, NULL, &files, &err), 0);
}

static void end(void)
{
	char command[128];

	files_close(files);
	uv_close((uv_handle_t *)&patience, NULL);
	uv_run(&loop, UV_RUN_DEFAULT);
	ck_assert_int_eq(uv_loop_close(&loop), 0);
	snprintf(command, sizeof(command), "rm -r '%s'", folder);
	ck_assert_int_eq(system(command), 0);
}

START_TEST(test_ways_to_save)
{
	begin("p.json");
	save("p.json", "{}");
	TOLD();
	save("new", "{}");
	SILENT();
	ck_assert_int_eq(rename(path("new"), path("p.json")), 0);
	TOLD();
	save("other", "{}");
	unlink(path("p.json"));
	TOLD();
	ck_assert_int_eq(link(path("other"), path("p.json")), 0);
	TOLD();
	save(".p.json.0123456789abcdef", "{}");
	save("p.json~", "{}");
	save("p.json.journal", "{}");
	SILENT();
	end();
}
END_TEST

START_TEST(test_drop_ins)
{
	begin("p.json");
	ck_assert_int_eq(mkdir(path("portfwd.d"), 0755), 0);
	TOLD();
	save("portfwd.d/a.json", "{}");
	TOLD();
	save("portfwd.d/README", "no");
	save("portfwd.d/.a.json", "no");
	SILENT();
	unlink(path("portfwd.d/a.json"));
	TOLD();
	ck_assert_int_eq(rename(path("portfwd.d"), path("away")), 0);
	TOLD();
	save("away/b.json", "{}");
	SILENT();
	end();
}
END_TEST

/* If this fails, a daemon that was started before its configuration never sees it. */
START_TEST(test_waits_for_folders)
{
	begin("a/b/p.json");
	ck_assert_int_eq(mkdir(path("x"), 0755), 0);
	SILENT();
	ck_assert_int_eq(mkdir(path("a"), 0755), 0);
	TOLD();
	ck_assert_int_eq(mkdir(path("a/b"), 0755), 0);
	save("a/b/p.json", "{}");
	TOLD();
	save("a/b/p.json", "{ }");
	TOLD();
	unlink(path("a/b/p.json"));
	ck_assert_int_eq(rmdir(path("a/b")), 0);
	TOLD();
	ck_assert_int_eq(mkdir(path("a/b"), 0755), 0);
	TOLD();
	save("a/b/p.json", "{ }");
	TOLD();
	end();
}
END_TEST

START_TEST(test_links)
{
	begin("p.json");
	ck_assert_int_eq(mkdir(path("there"), 0755), 0);
	save("there/q.json", "{}");
	ck_assert_int_eq(symlink("there/q.json", path("p.json")), 0);
	TOLD();
	save("there/q.json", "{ }");
	TOLD();
	save("there/r.json", "{ }");
	SILENT();
	unlink(path("p.json"));
	ck_assert_int_eq(symlink("there/r.json", path("p.json")), 0);
	TOLD();
	save("there/q.json", "{ }");
	SILENT();
	save("there/r.json", "{ }");
	TOLD();
	end();
}
END_TEST

TCase *files_case(void)
{
	TCase *tcase;

	UNIT_CASE(tcase, "files", test_ways_to_save, test_drop_ins, test_waits_for_folders, test_links);
	tcase_set_timeout(tcase, 60);
	return tcase;
}
