/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Putting the files back to what is kept as applied. */
#include "config.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "applied.h"

#define ASIDE ".unconfirmed"	/* behind a name: no drop-in */

static struct file *find_file(struct pfw_store *store, const char *entry)
{
	uint32_t i;

	for (i = 0; i < store->n_files; i++)
		if (!strcmp(file_entry(store, i), entry))
			return &store->files[i];
	return NULL;
}

/* What stands at path keeps a second name, or with move only that one. */
static int put_aside(const char *path, bool move, struct pfw_error *err)
{
	char *aside;
	int ret = 0;

	if (asprintf(&aside, "%s" ASIDE, path) < 0)
		return pfw_fail_memory(err);
	if (unlink(aside) < 0 && errno != ENOENT)
		ret = -errno;
	if (!ret && (move ? rename(path, aside) : link(path, aside)) < 0)
		ret = -errno;
	/* A file system without links still lets the old text return. */
	if (ret == -EPERM && !move)
		ret = 0;
	if (ret)
		pfw_fail_errno(err, ret, "cannot put %s aside as %s", path, aside);
	free(aside);
	return ret;
}

/* A file that is gone comes back with the rights that it had. */
static int give_rights(const struct file *file, const struct kept_file *kept, struct pfw_error *err)
{
	if (file->exists || (!chown(file->staged.temp, kept->uid, kept->gid) &&
			     !chmod(file->staged.temp, kept->mode)))
		return 0;
	return pfw_fail_errno(err, -errno, "cannot save %s", file->path);
}

static int stage(struct file *file, const struct kept_file *kept, struct pfw_error *err)
{
	struct pfw_buffer text = { .data = (char *)(uintptr_t)kept->bytes, .len = kept->size };
	int ret;

	file->exists = !stat(file->path, &file->stat);
	if (file->exists && kept_says(kept, file->path))
		return 0;
	ret = file_stage(file, &text, err);
	if (!ret)
		ret = give_rights(file, kept, err);
	if (!ret && file->exists)
		ret = put_aside(file->path, false, err);
	return ret;
}

/* Their folder may have gone with the last of them. */
static int make_folder(const struct pfw_store *store, struct pfw_error *err)
{
	char *folder;
	int ret = 0;

	if (asprintf(&folder, "%s/" DROP_INS, store->folder) < 0)
		return pfw_fail_memory(err);
	if (mkdir(folder, 0755) < 0 && errno != EEXIST)
		ret = pfw_fail_errno(err, -errno, "cannot make the folder %s", folder);
	free(folder);
	return ret;
}

static int stage_all(struct pfw_store *store, const struct kept *kept, struct pfw_error *err)
{
	const struct kept_file *from;
	struct file *to;
	int ret = 0;

	for (from = kept->files; !ret && from < kept->files + kept->n; from++) {
		to = find_file(store, from->entry);
		if (!to) {
			ret = make_folder(store, err);
			if (!ret)
				ret = files_add(store, from->entry, err);
			to = &store->files[store->n_files - 1];
		}
		if (!ret)
			ret = stage(to, from, err);
	}
	return ret;
}

/* By the name that makes it a part of the configuration, be that a link. */
static int put_entry_aside(const struct pfw_store *store, uint32_t number, struct pfw_error *err)
{
	struct stat st;
	char *path;
	int ret;

	if (number)
		ret = asprintf(&path, "%s/" DROP_INS "/%s", store->folder, file_entry(store, number));
	else
		ret = asprintf(&path, "%s", store->files[0].path);
	if (ret < 0)
		return pfw_fail_memory(err);
	ret = lstat(path, &st) ? 0 : put_aside(path, true, err);
	if (!ret)
		ret = folder_sync(path);
	free(path);
	return ret;
}

static int drop_new(struct pfw_store *store, const struct kept *kept, struct pfw_error *err)
{
	uint32_t i;
	int ret = 0;

	for (i = 0; !ret && i < store->n_files; i++)
		if (!kept_find(kept, file_entry(store, i)))
			ret = put_entry_aside(store, i, err);
	return ret;
}

int pfw_store_restore(struct pfw_store *store, bool empty, struct pfw_error *err)
{
	struct kept kept = { 0 };
	int ret = empty ? 0 : kept_read(store, PFW_KEPT_APPLIED, &kept, err);

	if (!ret && !kept_is_sound(&kept))
		ret = -ENOENT;
	if (ret == -ENOENT)
		pfw_fail(err, PFW_FAILED, ret, "what %s said before is not known", store->files[0].path);
	if (!ret && store->lock_refused)
		ret = pfw_fail_errno(err, store->lock_refused, "cannot save %s", store->files[0].path);
	if (!ret)
		ret = files_find(store, err);
	if (!ret)
		ret = stage_all(store, &kept, err);
	if (!ret)
		ret = pfw_store_commit(store, err);
	else
		pfw_store_abort(store);
	if (!ret)
		ret = drop_new(store, &kept, err);
	kept_free(&kept);
	return ret;
}
