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

/* The path by which a file belongs to the configuration, be that a link; NULL without memory. */
static char *path_of(const struct pfw_store *store, const char *entry)
{
	char *path;

	if (!*entry)
		return strdup(store->path);
	return asprintf(&path, "%s/" DROP_INS "/%s", store->folder, entry) < 0 ? NULL : path;
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

/* A file on its way back. */
struct back {
	char *path;		/* links followed */
	char *temp;		/* NULL: it says what it should already */
	struct seen seen;
};

/* A file that is gone comes back with the rights that it had. */
static int give_rights(const struct back *back, const struct kept_file *kept, struct pfw_error *err)
{
	if (back->seen.exists || (!chown(back->temp, kept->uid, kept->gid) &&
				  !chmod(back->temp, kept->mode)))
		return 0;
	return pfw_fail_errno(err, -errno, "cannot save %s", back->path);
}

static int stage(const struct pfw_store *store, const struct kept_file *kept, struct back *back,
		 struct pfw_error *err)
{
	char *path = path_of(store, kept->entry);
	int ret = path ? path_resolve(path, &back->path, err) : pfw_fail_memory(err);

	free(path);
	if (ret)
		return ret;
	seen_take(&back->seen, back->path);
	if (back->seen.exists && kept_says(kept, back->path))
		return 0;
	temp_sweep(store, back->path);
	ret = temp_write(back->path, &back->seen, kept->bytes, kept->size, &back->temp, err);
	return ret ? ret : give_rights(back, kept, err);
}

static int put_in_place(struct back *back, struct pfw_error *err)
{
	int ret = 0;

	if (!back->temp)
		return 0;
	if (back->seen.exists)
		ret = put_aside(back->path, false, err);
	if (ret)
		return ret;
	if (rename(back->temp, back->path) < 0)
		return pfw_fail_errno(err, -errno, "cannot save %s", back->path);
	free(back->temp);
	back->temp = NULL;
	ret = folder_sync(back->path);
	return ret ? pfw_fail_errno(err, ret, "cannot save %s", back->path) : 0;
}

/* The drop-ins' folder may have gone with the last of them. */
static int make_folders(struct pfw_store *store, const struct kept *kept, struct pfw_error *err)
{
	char *folder;
	int ret = folder_make(store, err);

	if (ret || kept->n == (kept_find(kept, "") != NULL))
		return ret;
	if (asprintf(&folder, "%s/" DROP_INS, store->folder) < 0)
		return pfw_fail_memory(err);
	if (mkdir(folder, 0755) < 0 && errno != EEXIST)
		ret = pfw_fail_errno(err, -errno, "cannot make the folder %s", folder);
	free(folder);
	return ret;
}

/* All of them are on the disk before the first takes its place. */
static int bring_back(struct pfw_store *store, const struct kept *kept, struct pfw_error *err)
{
	struct back *backs = calloc(kept->n + 1, sizeof(*backs));
	int ret = backs ? 0 : pfw_fail_memory(err);
	size_t i;

	if (!ret && kept->n)
		ret = make_folders(store, kept, err);
	for (i = 0; !ret && i < kept->n; i++)
		ret = stage(store, &kept->files[i], &backs[i], err);
	for (i = 0; !ret && i < kept->n; i++)
		ret = put_in_place(&backs[i], err);
	for (i = 0; backs && i < kept->n; i++) {
		if (backs[i].temp)
			unlink(backs[i].temp);
		free(backs[i].temp);
		free(backs[i].path);
	}
	free(backs);
	return ret;
}

struct dropping {
	const struct pfw_store *store;
	const struct kept *kept;
	struct pfw_error *err;
};

static int drop_new(void *ctx, const char *entry)
{
	const struct dropping *dropping = ctx;
	char *path;
	struct stat st;
	int ret;

	if (kept_find(dropping->kept, entry))
		return 0;
	path = path_of(dropping->store, entry);
	if (!path)
		return pfw_fail_memory(dropping->err);
	ret = lstat(path, &st) ? 0 : put_aside(path, true, dropping->err);
	if (!ret)
		ret = folder_sync(path);
	free(path);
	return ret;
}

int pfw_store_restore(struct pfw_store *store, bool empty, struct pfw_error *err)
{
	struct kept kept = { 0 };
	struct dropping dropping = { store, &kept, err };
	int ret = empty ? 0 : kept_read(store, PFW_KEPT_APPLIED, &kept, err);

	if (!ret && !kept_is_sound(&kept))
		ret = -ENOENT;
	if (ret == -ENOENT)
		pfw_fail(err, PFW_FAILED, ret, "what %s said before is not known", store->path);
	if (!ret && store->lock_refused)
		ret = pfw_fail_errno(err, store->lock_refused, "cannot save %s", store->path);
	if (!ret)
		ret = bring_back(store, &kept, err);
	if (!ret)
		ret = drop_new(&dropping, "");
	if (!ret)
		ret = drop_ins_each(store, drop_new, &dropping, err);
	if (!ret)
		ret = applied_return_journal(store, err);
	kept_free(&kept);
	return ret;
}
