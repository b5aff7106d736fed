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
static bool is_locked(const struct pfw_store *store, const char *path, const char *folder)
{
	size_t len = strlen(store->folder);

	if (store->runtime && strcmp(path, store->runtime) == 0)
		return true;
	return lock_is_held(store) && (strcmp(folder, store->home) == 0 ||
				       (strncmp(folder, store->folder, len) == 0 &&
					strcmp(folder + len, "/" DROP_INS) == 0));
}

/* Whoever does not succeed here misses nothing. */
void temp_sweep(const struct pfw_store *store, const char *path)
{
	char *folder = path_folder(path);
	const char *base = strrchr(path, '/') + 1;
	struct dirent *entry;
	struct stat st;
	DIR *dir = NULL;

	if (folder && is_locked(store, path, folder))
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
static int keep_rights(int fd, const struct seen *like)
{
	struct stat now;

	if (!like->exists)
		return fchmod(fd, 0644) < 0 ? -errno : 0;
	if (fstat(fd, &now) < 0)
		return -errno;
	if ((now.st_uid != like->stat.st_uid || now.st_gid != like->stat.st_gid) &&
	    fchown(fd, like->stat.st_uid, like->stat.st_gid) < 0)
		return -errno;
	return fchmod(fd, like->stat.st_mode & 07777) < 0 ? -errno : 0;
}

int temp_write(const char *path, const struct seen *like, const char *text, size_t len,
	       char **ret_name, struct pfw_error *err)
{
	char *name = NULL;
	int fd = open_temp(path, &name), ret;

	if (fd < 0)
		return pfw_fail_errno(err, fd, "cannot save %s", path);
	ret = pfw_file_write(fd, text, len);
	if (!ret)
		ret = keep_rights(fd, like);
	if (!ret && fsync(fd) < 0)
		ret = -errno;
	if (close(fd) < 0 && !ret)
		ret = -errno;
	if (ret < 0) {
		unlink(name);
		free(name);
		return pfw_fail_errno(err, ret, "cannot save %s", path);
	}
	*ret_name = name;
	return 0;
}

static int refuse_changed(const struct file *file, struct pfw_error *err)
{
	return pfw_fail(err, PFW_FAILED, -ESTALE, "cannot save %s: somebody else changed it "
			"meanwhile; run the command again", file->path);
}

/* What the changes want of this file; a new element gets its ticket, and its forward's origin tells it. */
static size_t collect(struct pfw_store *store, struct pfw_change *changes, size_t n, uint32_t number,
		      struct wish *to)
{
	struct tickets *tickets = &store->now.files[number].tickets;
	struct pfw_forward *forward;
	size_t found = 0, i;
	bool fresh;

	for (i = 0; i < n; i++) {
		forward = &changes[i].forward;
		if (origin_file(store, &forward->origin, &fresh) != number)
			continue;
		if (fresh)
			forward->origin = (struct pfw_origin){ number, tickets->next++ };
		to[found] = (struct wish){ .ticket = forward->origin.position, .order = i };
		if (changes[i].what == PFW_PUT)
			to[found].forward = forward;
		found++;
	}
	return found;
}

/* The file's new text, its digest and its elements. */
static int edit_file(struct file *file, struct wish *wishes, size_t n, struct pfw_buffer *ret,
		     struct pfw_error *err)
{
	uint32_t *appended = calloc(n, sizeof(*appended));
	struct pfw_edit *edits = calloc(n, sizeof(*edits));
	struct staged *staged = &file->staged;
	int code;

	if (!appended || !edits) {
		code = pfw_fail_memory(err);
		goto out;
	}
	n = edits_make(&file->tickets, wishes, n, edits, appended);
	code = file_open_text(file, err);
	if (code == -ESTALE)
		refuse_changed(file, err);
	if (!code)
		code = pfw_document_edit(&file->doc, edits, n, ret, err);
	if (!code && tickets_edit(&file->tickets, edits, n, appended, &staged->tickets))
		code = pfw_fail_memory(err);
	staged->edited = true;
	staged->digest = pfw_hash(ret->data, ret->len);
out:
	free(edits);
	free(appended);
	return code;
}

static int stage_file(struct pfw_store *store, uint32_t number, struct pfw_change *changes, size_t n,
		      struct pfw_error *err)
{
	struct file *file = &store->now.files[number];
	struct wish *wishes = calloc(n + 1, sizeof(*wishes));
	struct pfw_buffer text = { 0 };
	size_t n_wishes;
	int ret = 0;

	if (!wishes)
		return pfw_fail_memory(err);
	n_wishes = collect(store, changes, n, number, wishes);
	if (!n_wishes)
		goto out;
	if (file_changed(file)) {
		ret = refuse_changed(file, err);
		goto out;
	}
	temp_sweep(store, file->path);
	ret = edit_file(file, wishes, n_wishes, &text, err);
	if (!ret)
		ret = temp_write(file->path, &file->seen, text.data, text.len, &file->staged.temp, err);
out:
	pfw_buffer_free(&text);
	free(wishes);
	return ret;
}

/* Every change must be of a file that is there, and of an element that it has. */
static int check_changes(struct pfw_store *store, const struct pfw_change *changes, size_t n,
			 bool *ret_in_main, struct pfw_error *err)
{
	const struct pfw_origin *origin;
	bool fresh, known;
	uint32_t number;
	size_t i;

	for (i = 0; i < n; i++) {
		origin = &changes[i].forward.origin;
		number = origin_file(store, origin, &fresh);
		known = number < store->now.n_files &&
			(fresh || origin->position < store->now.files[number].tickets.next);
		if (!known)
			return pfw_fail(err, PFW_FAILED, -EINVAL, "\"%s\" is in no file",
					changes[i].name ? changes[i].name : "?");
		*ret_in_main |= number == 0;
	}
	return 0;
}

/* Who stays has given up what root may do with the files of others. */
static int refuse_save(const struct pfw_store *store, int code, struct pfw_error *err)
{
	if (store->journals && (code == -EACCES || code == -EPERM))
		return pfw_fail(err, PFW_NOT_PERMITTED, code, "cannot save %s: it, or its folder, does not "
				"belong to the user of portfwdd; stop that for this change, or let "
				"both belong to it", store->path);
	return pfw_fail_errno(err, code, "cannot save %s", store->path);
}

static int may_save(const struct pfw_store *store, struct pfw_error *err)
{
	if (!store->now.files)
		return pfw_fail(err, PFW_FAILED, -EINVAL, "nothing is loaded that could be saved");
	return store->lock_refused ? refuse_save(store, store->lock_refused, err) : 0;
}

/* Whether a file could take the place of this one, with its owner. */
static int try_replacing(const struct file *file)
{
	char *name = NULL;
	int fd = open_temp(file->path, &name), ret;

	if (fd < 0)
		return fd;
	ret = keep_rights(fd, &file->seen);
	close(fd);
	unlink(name);
	free(name);
	return ret;
}

/* What is in the journal goes to the file later, when it is too late to refuse it. */
static int may_settle(const struct pfw_store *store, struct pfw_error *err)
{
	const struct file *file = &store->now.files[0];
	const struct stat *st = &file->seen.stat;
	int ret = eaccess(store->home, W_OK | X_OK) < 0 ? -errno : 0;

	if (!ret && (st->st_uid != geteuid() || st->st_gid != getegid()))
		ret = try_replacing(file);
	return ret ? refuse_save(store, ret, err) : 0;
}

/* What is in a journal that was left is first written to the file by whoever loads it to write. */
static int stage_main(struct pfw_store *store, struct pfw_change *changes, size_t n,
		      struct pfw_error *err)
{
	struct file *file = &store->now.files[0];
	int ret;

	if (store->journals && file->seen.exists) {
		if (file_changed(file))
			return refuse_changed(file, err);
		ret = may_settle(store, err);
		return ret ? ret : journal_stage(store, changes, n, err);
	}
	if (store->now.journal.pendings.n)
		return refuse_changed(file, err);
	ret = folder_make(store, err);
	return ret ? ret : stage_file(store, 0, changes, n, err);
}

/*
 * Whether something comes to another file that the main file still has without the journal. Both would
 * have it for whoever reads them next, and a name that stands twice is an error.
 */
static bool moves_away(const struct pfw_store *store, const struct pfw_change *changes, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (changes[i].what == PFW_PUT &&
		    changes[i].forward.origin.file == PFW_ORIGIN_RUNTIME &&
		    pendings_has_gone(&store->now.journal.pendings, changes[i].name))
			return true;
	return false;
}

int pfw_store_stage(struct pfw_store *store, struct pfw_change *changes, size_t n,
		    struct pfw_error *err)
{
	bool in_main = false;
	int ret = may_save(store, err);
	uint32_t i;

	if (ret)
		return ret;
	pfw_store_abort(store);
	ret = check_changes(store, changes, n, &in_main, err);
	if (!ret && moves_away(store, changes, n))
		ret = pfw_store_settle(store, err);
	if (!ret && in_main)
		ret = stage_main(store, changes, n, err);
	for (i = 1; i < store->now.n_files && !ret; i++)
		ret = stage_file(store, i, changes, n, err);
	if (ret < 0)
		pfw_store_abort(store);
	return ret;
}

int pfw_store_stage_draft(struct pfw_store *store, struct pfw_error *err)
{
	struct file *file = &store->now.files[0];
	int ret;

	if (!store->draft)
		return 0;
	ret = may_save(store, err);
	if (!ret) {
		pfw_store_abort(store);
		ret = folder_make(store, err);
	}
	if (ret < 0)
		return ret;
	if (file_changed(file))
		return refuse_changed(file, err);
	temp_sweep(store, file->path);
	return temp_write(file->path, &file->seen, store->draft->text, store->draft->len,
			  &file->staged.temp, err);
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

	if (file->seen.exists) {
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
	else if (!file->seen.exists)
		unlink(file->path);
	folder_sync(file->path);
}

/* The file is what was staged: so it was loaded, as it were. */
static void take_staged(struct pfw_store *store, struct file *file)
{
	struct staged *staged = &file->staged;

	seen_take(&file->seen, file->path);
	if (file == store->now.files)
		store->n_loads++;
	if (!staged->edited)
		return;
	file_forget_text(file);
	tickets_free(&file->tickets);
	file->tickets = staged->tickets;
	staged->tickets = (struct tickets){ 0 };
	if (file == store->now.files)
		store->now.digest = staged->digest;
}

static int replace_files(struct pfw_store *store, struct pfw_error *err)
{
	struct file *files = store->now.files;
	uint32_t n_staged = store->now.journal.line != NULL, i;
	int ret = 0;

	for (i = 0; i < store->now.n_files; i++)
		n_staged += files[i].staged.temp != NULL;
	for (i = 0; i < store->now.n_files && !ret; i++)
		if (files[i].staged.temp)
			ret = put_in_place(&files[i], n_staged == 1);
	if (!ret)
		return 0;
	pfw_fail_errno(err, ret, "cannot save %s", files[i - 1].path);
	while (i--)
		put_back(&files[i]);
	return ret;
}

int pfw_store_commit(struct pfw_store *store, struct pfw_error *err)
{
	struct journal *journal = &store->now.journal;
	off_t len = journal->len;
	uint32_t i;
	int ret = 0;

	if (journal->line)
		ret = journal_append(store, err);
	if (!ret) {
		ret = replace_files(store, err);
		if (ret && journal->line)
			journal_cut(store, len);
	}
	for (i = 0; !ret && i < store->now.n_files; i++)
		if (store->now.files[i].staged.temp)
			take_staged(store, &store->now.files[i]);
	if (!ret && journal->line) {
		pendings_join(&journal->pendings, &journal->more);
		journal->n_lines++;
	}
	pfw_store_abort(store);
	return ret;
}

void pfw_store_abort(struct pfw_store *store)
{
	struct staged *staged;
	uint32_t i;

	journal_unstage(&store->now.journal);
	for (i = 0; i < store->now.n_files; i++) {
		staged = &store->now.files[i].staged;
		if (staged->temp && !staged->renamed)
			unlink(staged->temp);
		if (staged->backup)
			unlink(staged->backup);
		free(staged->temp);
		free(staged->backup);
		tickets_free(&staged->tickets);
		*staged = (struct staged){ 0 };
	}
}
