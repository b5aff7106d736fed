/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Saving: whole new files beside the old ones, then a rename for each. */
#include "config.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "files.h"
#include "portfwd/base/file.h"

#define NAME_TRIES 8

/* An edit and who asked last: of two for one element the later counts. */
struct ordered {
	struct pfw_edit edit;
	size_t order;
};

static int compare_edits(const void *a, const void *b)
{
	const struct ordered *x = a, *y = b;

	if (x->edit.position != y->edit.position)
		return x->edit.position < y->edit.position ? -1 : 1;
	return x->order < y->order ? -1 : 1;
}

static size_t collect(const struct pfw_store *store, const struct pfw_change *changes, size_t n,
		      uint32_t file, struct ordered *to)
{
	const struct pfw_forward *forward;
	size_t found = 0, i;
	bool fresh;

	for (i = 0; i < n; i++) {
		forward = &changes[i].forward;
		if (origin_file(store, &forward->origin, &fresh) != file)
			continue;
		to[found].edit.position = fresh ? PFW_EDIT_APPEND : forward->origin.position;
		to[found].edit.forward = changes[i].what == PFW_PUT ? forward : NULL;
		to[found++].order = i;
	}
	return found;
}

/* Sorted, and only the last edit of each element. */
static size_t settle(struct ordered *from, size_t n, struct pfw_edit *to)
{
	size_t kept = 0, i;

	qsort(from, n, sizeof(*from), compare_edits);
	for (i = 0; i < n; i++) {
		if (kept && from[i].edit.position != PFW_EDIT_APPEND &&
		    to[kept - 1].position == from[i].edit.position)
			kept--;
		to[kept++] = from[i].edit;
	}
	return kept;
}

/* ".NAME.RANDOM" beside the file: hidden, so no drop-in either. NULL without memory. */
static char *name_beside(const char *path)
{
	const char *slash = strrchr(path, '/');
	uint64_t random = 0;
	char *name;

	if (getrandom(&random, sizeof(random), 0) != (ssize_t)sizeof(random))
		random = (uint64_t)getpid();
	if (asprintf(&name, "%.*s/.%s.%016" PRIx64, (int)(slash - path), path, slash + 1,
		     random) < 0)
		return NULL;
	return name;
}

/* Whether it is the name of such a file, for this one. */
static bool is_beside(const char *name, const char *base)
{
	size_t len = strlen(base);

	return name[0] == '.' && strncmp(name + 1, base, len) == 0 && name[len + 1] == '.' &&
	       strlen(name + len + 2) == 16 && strspn(name + len + 2, "0123456789abcdef") == 16;
}

/* Whether nobody else can be saving a file of this folder. */
static bool is_locked(const struct pfw_store *store, const struct file *file, const char *folder)
{
	size_t len = strlen(store->folder);

	if (store->runtime && strcmp(file->path, store->runtime) == 0)
		return true;
	return store->lock[0] >= 0 && (strcmp(folder, store->home) == 0 ||
				       (strncmp(folder, store->folder, len) == 0 &&
					strcmp(folder + len, "/" DROP_INS) == 0));
}

/* Removes what a save left that was killed. Whoever does not succeed here misses nothing. */
static void sweep(const struct pfw_store *store, const struct file *file)
{
	char *folder = path_folder(file->path);
	const char *base = strrchr(file->path, '/') + 1;
	struct dirent *entry;
	struct stat st;
	DIR *dir = NULL;

	if (folder && is_locked(store, file, folder))
		dir = opendir(folder);
	while (dir && (entry = readdir(dir)))
		if (is_beside(entry->d_name, base) &&
		    !fstatat(dirfd(dir), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) &&
		    S_ISREG(st.st_mode))
			unlinkat(dirfd(dir), entry->d_name, 0);
	if (dir)
		closedir(dir);
	free(folder);
}

static int open_temp(const char *path, char **ret_name)
{
	unsigned int tries;
	char *name;
	int fd;

	for (tries = 0; tries < NAME_TRIES; tries++) {
		name = name_beside(path);
		if (!name)
			return -ENOMEM;
		fd = open(name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
		if (fd >= 0) {
			*ret_name = name;
			return fd;
		}
		free(name);
		if (errno != EEXIST)
			return -errno;
	}
	return -EEXIST;
}

/* The owner first: changing it takes special bits of the mode away. */
static int keep_rights(int fd, const struct file *file)
{
	struct stat now;

	if (!file->exists)
		return fchmod(fd, 0644) < 0 ? -errno : 0;
	if (fstat(fd, &now) < 0)
		return -errno;
	if ((now.st_uid != file->stat.st_uid || now.st_gid != file->stat.st_gid) &&
	    fchown(fd, file->stat.st_uid, file->stat.st_gid) < 0)
		return -errno;
	return fchmod(fd, file->stat.st_mode & 07777) < 0 ? -errno : 0;
}

int file_stage(struct file *file, const struct pfw_buffer *text, struct pfw_error *err)
{
	char *name = NULL;
	int fd = open_temp(file->path, &name), ret;

	if (fd < 0)
		return pfw_fail_errno(err, fd, "cannot save %s", file->path);
	ret = pfw_file_write(fd, text->data, text->len);
	if (!ret)
		ret = keep_rights(fd, file);
	if (!ret && fsync(fd) < 0)
		ret = -errno;
	if (close(fd) < 0 && !ret)
		ret = -errno;
	if (ret < 0) {
		unlink(name);
		free(name);
		return pfw_fail_errno(err, ret, "cannot save %s", file->path);
	}
	file->staged.temp = name;
	return 0;
}

static int refuse_changed(const struct file *file, struct pfw_error *err)
{
	return pfw_fail(err, PFW_FAILED, -ESTALE, "cannot save %s: somebody else changed it "
			"meanwhile; run the command again", file->path);
}

static int stage_file(struct pfw_store *store, uint32_t number, const struct pfw_change *changes,
		      size_t n, struct pfw_error *err)
{
	struct file *file = &store->files[number];
	struct ordered *found = calloc(n, sizeof(*found));
	struct pfw_edit *edits = calloc(n, sizeof(*edits));
	struct pfw_buffer text = { 0 };
	size_t n_edits;
	int ret = 0;

	if (!found || !edits) {
		ret = pfw_fail_memory(err);
		goto out;
	}
	n_edits = settle(found, collect(store, changes, n, number, found), edits);
	if (!n_edits)
		goto out;
	if (file_changed(file)) {
		ret = refuse_changed(file, err);
		goto out;
	}
	sweep(store, file);
	ret = pfw_document_edit(&file->doc, edits, n_edits, &text, err);
	if (!ret)
		ret = file_stage(file, &text, err);
out:
	pfw_buffer_free(&text);
	free(edits);
	free(found);
	return ret;
}

int pfw_store_stage(struct pfw_store *store, const struct pfw_change *changes, size_t n,
		    struct pfw_error *err)
{
	bool fresh, in_main = false;
	uint32_t i, file;
	int ret = 0;

	if (!store->loaded)
		return pfw_fail(err, PFW_FAILED, -EINVAL, "nothing is loaded that could be saved");
	pfw_store_abort(store);
	for (i = 0; i < n && !ret; i++) {
		file = origin_file(store, &changes[i].forward.origin, &fresh);
		in_main |= file == 0;
		if (file >= store->n_files)
			ret = pfw_fail(err, PFW_FAILED, -EINVAL, "\"%s\" is in no file",
				       changes[i].name ? changes[i].name : "?");
	}
	if (!ret && store->lock_refused)
		ret = pfw_fail_errno(err, store->lock_refused, "cannot save %s", store->files[0].path);
	if (!ret && in_main)
		ret = folder_make(store, err);
	for (i = 0; i < store->n_files && !ret; i++)
		ret = stage_file(store, i, changes, n, err);
	if (ret < 0)
		pfw_store_abort(store);
	return ret;
}

int pfw_store_stage_draft(struct pfw_store *store, struct pfw_error *err)
{
	struct file *file = &store->files[0];
	struct pfw_buffer text;
	int ret;

	if (!store->draft)
		return 0;
	if (!store->loaded)
		return pfw_fail(err, PFW_FAILED, -EINVAL, "nothing is loaded that could be saved");
	pfw_store_abort(store);
	if (store->lock_refused)
		return pfw_fail_errno(err, store->lock_refused, "cannot save %s", file->path);
	ret = folder_make(store, err);
	if (ret < 0)
		return ret;
	if (file_changed(file))
		return refuse_changed(file, err);
	sweep(store, file);
	text = (struct pfw_buffer){ .data = file->text, .len = store->draft->len };
	return file_stage(file, &text, err);
}

int folder_sync(const char *path)
{
	char *folder = path_folder(path);
	int fd, ret = 0;

	if (!folder)
		return -ENOMEM;
	fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	free(folder);
	if (fd < 0)
		return -errno;
	/* EINVAL: this file system does not sync folders. */
	if (fsync(fd) < 0 && errno != EINVAL)
		ret = -errno;
	close(fd);
	return ret;
}

static int keep_backup(struct file *file)
{
	char *name = name_beside(file->path);
	int ret;

	if (!name)
		return -ENOMEM;
	if (link(file->path, name) < 0) {
		ret = -errno;
		free(name);
		return ret;
	}
	file->staged.backup = name;
	return 0;
}

/* A file alone does without a backup where the file system has no links. */
static int put_in_place(struct file *file, bool alone)
{
	struct staged *staged = &file->staged;
	int ret;

	if (file->exists) {
		ret = keep_backup(file);
		if (ret < 0 && !alone)
			return ret;
	}
	if (rename(staged->temp, file->path) < 0)
		return -errno;
	staged->renamed = true;
	return folder_sync(file->path);
}

static void put_back(struct file *file)
{
	if (!file->staged.renamed)
		return;
	if (file->staged.backup)
		rename(file->staged.backup, file->path);
	else if (!file->exists)
		unlink(file->path);
	folder_sync(file->path);
}

int pfw_store_commit(struct pfw_store *store, struct pfw_error *err)
{
	uint32_t n_staged = 0, i;
	int ret = 0;

	for (i = 0; i < store->n_files; i++)
		n_staged += store->files[i].staged.temp != NULL;
	for (i = 0; i < store->n_files && !ret; i++)
		if (store->files[i].staged.temp)
			ret = put_in_place(&store->files[i], n_staged == 1);
	if (ret < 0) {
		pfw_fail_errno(err, ret, "cannot save %s", store->files[i - 1].path);
		while (i--)
			put_back(&store->files[i]);
	}
	pfw_store_abort(store);
	if (!ret)
		store->loaded = false;
	return ret;
}

void pfw_store_abort(struct pfw_store *store)
{
	struct staged *staged;
	uint32_t i;

	for (i = 0; i < store->n_files; i++) {
		staged = &store->files[i].staged;
		if (staged->temp && !staged->renamed)
			unlink(staged->temp);
		if (staged->backup)
			unlink(staged->backup);
		free(staged->temp);
		free(staged->backup);
		*staged = (struct staged){ 0 };
	}
}
