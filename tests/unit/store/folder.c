/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A scratch folder with configuration files, and stores on it. */
#include "config.h"

#include <dirent.h>
#include <ftw.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../unit.h"
#include "folder.h"

void folder_init(struct folder *f)
{
	char *plain;

	snprintf(f->path, sizeof(f->path), "/tmp/portfwd-store.XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(f->path));
	plain = realpath(f->path, NULL);
	ck_assert_ptr_nonnull(plain);
	snprintf(f->path, sizeof(f->path), "%s", plain);
	free(plain);
}

static int drop(const char *path, const struct stat *stat, int type, struct FTW *ftw)
{
	(void)stat;
	(void)type;
	(void)ftw;
	return remove(path);
}

void folder_free(struct folder *f)
{
	ck_assert_int_eq(nftw(f->path, drop, 16, FTW_DEPTH | FTW_PHYS), 0);
}

const char *folder_path(struct folder *f, const char *name)
{
	snprintf(f->name, sizeof(f->name), "%s/%s", f->path, name);
	return f->name;
}

void folder_mkdir(struct folder *f, const char *name)
{
	ck_assert_int_eq(mkdir(folder_path(f, name), 0755), 0);
}

void folder_write(struct folder *f, const char *name, const char *text)
{
	FILE *file = fopen(folder_path(f, name), "w");

	ck_assert_ptr_nonnull(file);
	ck_assert_int_ge(fputs(text, file), 0);
	ck_assert_int_eq(fclose(file), 0);
}

void folder_unlink(struct folder *f, const char *name)
{
	ck_assert_int_eq(remove(folder_path(f, name)), 0);
}

void folder_has(struct folder *f, const char *name, const char *text)
{
	FILE *file = fopen(folder_path(f, name), "r");
	char buf[4096];
	size_t len;

	ck_assert_msg(file != NULL, "%s", name);
	len = fread(buf, 1, sizeof(buf) - 1, file);
	buf[len] = '\0';
	fclose(file);
	ck_assert_str_eq(buf, text);
}

unsigned int folder_count(struct folder *f, const char *name)
{
	DIR *dir = opendir(folder_path(f, name));
	unsigned int n = 0;

	ck_assert_ptr_nonnull(dir);
	while (readdir(dir))
		n++;
	closedir(dir);
	return n - 2;
}

struct pfw_store *store_of(struct folder *f, const char *name)
{
	struct pfw_error err = PFW_ERROR_INIT;
	struct pfw_store *store = NULL;

	ck_assert_int_eq(pfw_store_open(folder_path(f, name), &store, &err), 0);
	return store;
}

void load(struct pfw_store *store, struct pfw_ruleset *ruleset)
{
	struct pfw_error err = PFW_ERROR_INIT;

	*ruleset = (struct pfw_ruleset){ 0 };
	ck_assert_msg(pfw_store_load(store, false, ruleset, &err) == 0, "%s",
		      err.item[0].message);
}
