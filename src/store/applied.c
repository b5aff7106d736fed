/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Copies of a whole configuration. A copy begins with a line for each file, ends these with an
 * empty line, and then has the bytes of all of them:
 *
 *	portfwd 1
 *	SIZE DIGEST MODE UID GID STAMP LENGTH ENTRY
 *
 * LENGTH is that of ENTRY, the name below the drop-ins' folder, empty for the main file. STAMP tells
 * whether the file on disk is still the one that was copied, without reading it.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "applied.h"
#include "portfwd/base/file.h"
#include "portfwd/base/index.h"

#define HEAD "portfwd 1\n"
#define KEPT_JOURNAL "applied.journal"	/* changes beyond what is kept, that return with it */

char *path_hidden(const struct pfw_store *store, const char *what)
{
	const char *path = store->path, *slash = strrchr(path, '/');
	char *hidden;

	return asprintf(&hidden, "%.*s/.%s.%s", (int)(slash - path), path, slash + 1, what) < 0 ?
	       NULL : hidden;
}

static char *copy_path(const struct pfw_store *store, enum pfw_kept which)
{
	return path_hidden(store, which == PFW_KEPT_TRIED ? "tried" : "applied");
}

static void print_stamp(const struct stat *st, char *ret, size_t size)
{
	snprintf(ret, size, "%llx:%llx:%llx.%lx", (unsigned long long)st->st_dev,
		 (unsigned long long)st->st_ino, (unsigned long long)st->st_mtim.tv_sec,
		 (unsigned long)st->st_mtim.tv_nsec);
}

/* Whether the file is there, and is saved: not what the next boot forgets. */
static bool is_saved(const struct pfw_store *store, uint32_t number)
{
	return store->now.files[number].seen.exists && !pfw_store_is_runtime(store, number);
}

static const char *entry_of(const struct file *file)
{
	return file->entry ? file->entry : "";
}

/* ---- Reading a copy */

static int parse_file(char **text, const char *end, struct kept_file *file)
{
	char line[256];
	size_t entry_len;
	int at = 0;

	/* The numbers alone: a text of its own, for sscanf() reads to the end. */
	snprintf(line, sizeof(line), "%.*s", (int)(end - *text < 255 ? end - *text : 255), *text);
	if (sscanf(line, "%zu %" SCNx64 " %o %u %u %63s %zu%n", &file->size, &file->digest,
		   &file->mode, &file->uid, &file->gid, file->stamp, &entry_len, &at) != 7 ||
	    line[at] != ' ')
		return -EBADMSG;
	*text += at + 1;
	if (entry_len >= (size_t)(end - *text) || (*text)[entry_len] != '\n')
		return -EBADMSG;
	file->entry = *text;
	file->entry[entry_len] = '\0';
	if (strlen(file->entry) != entry_len || strchr(file->entry, '/'))
		return -EBADMSG;
	*text += entry_len + 1;
	return 0;
}

static int add_file(struct kept *kept, const struct kept_file *file)
{
	struct kept_file *files = realloc(kept->files, (kept->n + 1) * sizeof(*files));

	if (!files)
		return -ENOMEM;
	kept->files = files;
	kept->files[kept->n++] = *file;
	return 0;
}

/* The bytes of each file, which must be all that follows. */
static int find_bytes(struct kept *kept, const char *text, const char *end)
{
	struct kept_file *file;

	for (file = kept->files; file < kept->files + kept->n; file++) {
		if (file->size > (size_t)(end - text))
			return -EBADMSG;
		file->bytes = text;
		text += file->size;
	}
	return text == end ? 0 : -EBADMSG;
}

static int parse(struct kept *kept)
{
	char *text = kept->map, *end = text + kept->map_len;
	struct kept_file file;
	int ret = 0;

	if (kept->map_len <= strlen(HEAD) || memcmp(text, HEAD, strlen(HEAD)) != 0)
		return -EBADMSG;
	text += strlen(HEAD);
	while (!ret && text < end && *text != '\n') {
		file = (struct kept_file){ 0 };
		ret = parse_file(&text, end, &file);
		if (!ret)
			ret = add_file(kept, &file);
	}
	if (!ret && text == end)
		ret = -EBADMSG;
	return ret ? ret : find_bytes(kept, text + 1, end);
}

/* Who can write there says what is applied as root one day. */
static bool is_ours(const struct stat *st)
{
	return S_ISREG(st->st_mode) && (st->st_uid == 0 || st->st_uid == geteuid()) &&
	       !(st->st_mode & (S_IWGRP | S_IWOTH)) && st->st_size > 0;
}

static int map(const char *path, struct kept *kept)
{
	int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC), ret = 0;
	struct stat st;

	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) < 0)
		ret = -errno;
	else if (!is_ours(&st))
		ret = -ENOENT;
	if (!ret) {
		kept->map_len = (size_t)st.st_size;
		/* Ours to write in, so that names become texts. */
		kept->map = mmap(NULL, kept->map_len, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
		if (kept->map == MAP_FAILED) {
			kept->map = NULL;
			ret = -errno;
		}
	}
	close(fd);
	return ret;
}

int kept_read(const struct pfw_store *store, enum pfw_kept which, struct kept *ret,
	      struct pfw_error *err)
{
	char *path = copy_path(store, which);
	struct kept kept = { 0 };
	int code = path ? map(path, &kept) : -ENOMEM;

	if (!code)
		code = parse(&kept);
	if (code == -ENOMEM)
		pfw_fail_memory(err);
	else if (code == -EBADMSG)
		code = -ENOENT;
	else if (code && code != -ENOENT)
		pfw_fail_errno(err, code, "cannot read %s", path);
	free(path);
	if (code)
		kept_free(&kept);
	else
		*ret = kept;
	return code;
}

void kept_free(struct kept *kept)
{
	if (kept->map)
		munmap(kept->map, kept->map_len);
	free(kept->files);
	*kept = (struct kept){ 0 };
}

bool kept_is_sound(const struct kept *kept)
{
	const struct kept_file *file;

	for (file = kept->files; file < kept->files + kept->n; file++)
		if (pfw_hash(file->bytes, file->size) != file->digest)
			return false;
	return true;
}

const struct kept_file *kept_find(const struct kept *kept, const char *entry)
{
	size_t i;

	for (i = 0; i < kept->n; i++)
		if (!strcmp(kept->files[i].entry, entry))
			return &kept->files[i];
	return NULL;
}

bool kept_says(const struct kept_file *kept, const char *path)
{
	struct pfw_error ignored = PFW_ERROR_INIT;
	struct stat st;
	size_t len;
	bool same;
	char *text;

	if (file_read(path, &text, &len, &st, &ignored))
		return false;
	same = len == kept->size && !memcmp(text, kept->bytes, len);
	free(text);
	return same;
}

int pfw_store_is_applied(const struct pfw_store *store, bool *ret, struct pfw_error *err)
{
	const struct kept_file *file;
	struct kept kept = { 0 };
	size_t n = 0;
	uint32_t i;
	int code = kept_read(store, PFW_KEPT_APPLIED, &kept, err);
	bool same = true;

	if (code)
		return code;
	if (!kept_is_sound(&kept))
		code = -ENOENT;
	for (i = 0; !code && same && i < store->now.n_files; i++) {
		if (!is_saved(store, i))
			continue;
		file = kept_find(&kept, entry_of(&store->now.files[i]));
		same = file && kept_says(file, store->now.files[i].path);
		n++;
	}
	same = same && n == kept.n;
	kept_free(&kept);
	if (!code)
		*ret = same;
	return code;
}

/* ---- Writing a copy */

static void forget_journal(const struct pfw_store *store)
{
	char *path = path_hidden(store, KEPT_JOURNAL);

	if (path)
		unlink(path);
	free(path);
}

/* Whether the copy has just these files, as they were loaded or written. */
static bool is_current(const struct pfw_store *store, enum pfw_kept which)
{
	struct pfw_error ignored = PFW_ERROR_INIT;
	const struct kept_file *file;
	struct kept kept = { 0 };
	char stamp[sizeof(file->stamp)];
	bool current = !kept_read(store, which, &kept, &ignored);
	size_t n = 0;
	uint32_t i;

	for (i = 0; current && i < store->now.n_files; i++) {
		if (!is_saved(store, i))
			continue;
		file = kept_find(&kept, entry_of(&store->now.files[i]));
		print_stamp(&store->now.files[i].seen.stat, stamp, sizeof(stamp));
		current = file && !strcmp(file->stamp, stamp);
		n++;
	}
	current = current && n == kept.n;
	kept_free(&kept);
	return current;
}

struct text {
	char *bytes;
	size_t len;
};

static void put_head(struct pfw_buffer *head, const struct text *text, const struct stat *st,
		     const char *entry)
{
	char stamp[sizeof(((struct kept_file *)0)->stamp)];

	print_stamp(st, stamp, sizeof(stamp));
	pfw_buffer_printf(head, "%zu %016" PRIx64 " %o %u %u %s %zu %s\n", text->len,
			  pfw_hash(text->bytes, text->len), st->st_mode & 07777, st->st_uid,
			  st->st_gid, stamp, strlen(entry), entry);
}

/* One line of the head, and the file's bytes. What others wrote since it was loaded is not applied. */
static int take_file(const struct file *file, struct pfw_buffer *head, struct text *ret,
		     struct pfw_error *err)
{
	struct stat st;
	int code = file_read(file->path, &ret->bytes, &ret->len, &st, err);

	if (!code && file_changed(file))
		code = -ESTALE;
	if (code)
		return err->count ? code : pfw_fail(err, PFW_FAILED, code, "cannot keep a copy of %s: "
						    "somebody else changed it meanwhile", file->path);
	put_head(head, ret, &st, entry_of(file));
	return 0;
}

static int write_copy(int fd, const struct pfw_buffer *head, const struct text *texts, uint32_t n,
		      const struct seen *like, bool sync)
{
	uint32_t i;
	int ret = pfw_file_write(fd, head->data, head->len);

	for (i = 0; !ret && i < n; i++)
		ret = pfw_file_write(fd, texts[i].bytes, texts[i].len);
	/* Whoever may write the configuration may have the copy; nobody misses it where that fails. */
	if (!ret && like->exists && fchown(fd, like->stat.st_uid, like->stat.st_gid) < 0)
		errno = 0;
	if (!ret && sync && fsync(fd) < 0)
		ret = -errno;
	return ret;
}

/* What a killed process left there goes. */
static int write_temp(const char *temp, const struct pfw_buffer *head, const struct text *texts,
		      uint32_t n, const struct seen *like, bool sync)
{
	int fd, ret;

	unlink(temp);
	fd = open(temp, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	ret = write_copy(fd, head, texts, n, like, sync);
	if (close(fd) < 0 && !ret)
		ret = -errno;
	if (ret)
		unlink(temp);
	return ret;
}

static int replace(const struct pfw_store *store, const char *path, const struct pfw_buffer *head,
		   const struct text *texts, bool sync)
{
	char *temp = path_hidden(store, "copying");
	int ret = temp ? write_temp(temp, head, texts, store->now.n_files,
				    &store->now.files[0].seen, sync) : -ENOMEM;

	if (!ret && rename(temp, path) < 0) {
		ret = -errno;
		unlink(temp);
	}
	if (!ret && sync)
		ret = folder_sync(path);
	free(temp);
	return ret;
}

static int copy_files(struct pfw_store *store, const char *path, bool sync, struct pfw_error *err)
{
	const uint32_t n_files = store->now.n_files;
	struct text *texts = calloc(n_files + 1, sizeof(*texts));
	struct pfw_buffer head = { 0 };
	uint32_t i, n = 0;
	int ret = texts ? 0 : pfw_fail_memory(err);

	pfw_buffer_puts(&head, HEAD);
	for (i = 0; !ret && i < n_files; i++) {
		if (!is_saved(store, i))
			continue;
		ret = take_file(&store->now.files[i], &head, &texts[i], err);
		n++;
	}
	pfw_buffer_puts(&head, "\n");
	if (!ret && head.failed)
		ret = pfw_fail_memory(err);
	if (!ret && n) {
		ret = replace(store, path, &head, texts, sync);
		if (ret)
			pfw_fail_errno(err, ret, "cannot save %s", path);
	} else if (!ret) {
		unlink(path);
	}
	for (i = 0; texts && i < n_files; i++)
		free(texts[i].bytes);
	free(texts);
	pfw_buffer_free(&head);
	return ret;
}

int pfw_store_keep(struct pfw_store *store, enum pfw_kept which, bool sync, struct pfw_error *err)
{
	char *path;
	int ret;

	if (store->lock_refused)
		return pfw_fail_errno(err, store->lock_refused, "cannot keep a copy of %s", store->path);
	/* What is applied is in no file yet. */
	store->keep_due = store->now.journal.len > 0;
	if (store->keep_due)
		return 0;
	if (which == PFW_KEPT_APPLIED)
		forget_journal(store);
	if (!sync && is_current(store, which))
		return 0;
	path = copy_path(store, which);
	ret = path ? copy_files(store, path, sync, err) : pfw_fail_memory(err);
	if (ret && path)
		unlink(path);
	free(path);
	return ret;
}

/* Whether something is kept; *ret_same: its main file has this text. */
static bool is_kept(const struct pfw_store *store, uint64_t digest, bool *ret_same)
{
	struct pfw_error ignored = PFW_ERROR_INIT;
	const struct kept_file *file;
	struct kept kept = { 0 };

	if (kept_read(store, PFW_KEPT_APPLIED, &kept, &ignored))
		return false;
	file = kept_find(&kept, "");
	*ret_same = file && file->digest == digest;
	kept_free(&kept);
	return true;
}

/* Whether the copy is of what is in the journal and the main file, which has this text, and follows. */
static bool follows(const struct pfw_store *store, uint64_t digest)
{
	bool same;

	return store->keep_due || (is_kept(store, digest, &same) && same);
}

/* Whether the main file is all that would be copied. */
static bool is_alone(const struct pfw_store *store)
{
	uint32_t i;

	for (i = 1; i < store->now.n_files; i++)
		if (is_saved(store, i))
			return false;
	return true;
}

char *applied_copy_path(const struct pfw_store *store)
{
	return is_alone(store) && follows(store, store->now.digest) ?
		       copy_path(store, PFW_KEPT_APPLIED) : NULL;
}

/* On disk at once, for the kernel flushes what is renamed before that, and who renames it must not wait. */
char *applied_write_copy(const char *path, const char *file, const struct seen *like, const char *bytes,
			 size_t len)
{
	const struct text text = { (char *)(uintptr_t)bytes, len };
	struct pfw_buffer head = { 0 };
	char *temp = NULL;
	struct stat st;

	if (stat(file, &st) < 0 || asprintf(&temp, "%s.new", path) < 0)
		return NULL;
	pfw_buffer_puts(&head, HEAD);
	put_head(&head, &text, &st, "");
	pfw_buffer_puts(&head, "\n");
	if (head.failed || write_temp(temp, &head, &text, 1, like, true)) {
		free(temp);
		temp = NULL;
	}
	pfw_buffer_free(&head);
	return temp;
}

/* The copy that was written while the file was. */
static bool take_copy(struct pfw_store *store, char **copy)
{
	char *path = copy_path(store, PFW_KEPT_APPLIED);
	bool taken = path && *copy && is_alone(store) && !rename(*copy, path);

	if (taken) {
		free(*copy);
		*copy = NULL;
		forget_journal(store);
	}
	free(path);
	return taken;
}

void applied_follow(struct pfw_store *store, uint64_t digest_before, char **copy)
{
	struct pfw_error ignored = PFW_ERROR_INIT;

	if (!follows(store, digest_before))
		return;
	/* With the rest of the journal it is what is applied, as the file is. */
	store->keep_due = false;
	if (!take_copy(store, copy))
		pfw_store_keep(store, PFW_KEPT_APPLIED, false, &ignored);
}

static int append(const char *path, const char *text, size_t len)
{
	int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | PLAIN, 0600), ret;

	if (fd < 0)
		return -errno;
	ret = pfw_file_write(fd, text, len);
	if (!ret && fsync(fd) < 0)
		ret = -errno;
	close(fd);
	return ret;
}

/* Appends one file to another; nothing where there is none. */
static int append_file(const char *to, const char *from, struct pfw_error *err)
{
	struct stat st;
	char *text = NULL;
	size_t len;
	int ret = file_read_plain(from, &text, &len, &st, err);

	if (ret)
		return ret == -ENOENT ? 0 : ret;
	ret = append(to, text, len);
	free(text);
	return ret ? pfw_fail_errno(err, ret, "cannot save %s", to) : 0;
}

void applied_keep_journal(struct pfw_store *store)
{
	struct pfw_error ignored = PFW_ERROR_INIT;
	bool same;
	char *path;

	if (!store->now.journal.left || !is_kept(store, store->now.digest, &same) || same)
		return;
	path = path_hidden(store, KEPT_JOURNAL);
	if (path)
		append_file(path, store->journal_path, &ignored);
	free(path);
}

int applied_return_journal(struct pfw_store *store, struct pfw_error *err)
{
	char *path = path_hidden(store, KEPT_JOURNAL);
	int ret = path ? append_file(store->journal_path, path, err) : pfw_fail_memory(err);

	if (!ret && !unlink(path))
		ret = folder_sync(path);
	free(path);
	return ret;
}

int pfw_store_keep_tried(struct pfw_store *store, struct pfw_error *err)
{
	char *from = copy_path(store, PFW_KEPT_TRIED), *to = copy_path(store, PFW_KEPT_APPLIED);
	int ret = 0;

	if (!from || !to)
		ret = pfw_fail_memory(err);
	/* Of no files at all there is no copy. */
	else if (rename(from, to) < 0 && (errno != ENOENT || (unlink(to) < 0 && errno != ENOENT)))
		ret = pfw_fail_errno(err, -errno, "cannot save %s", to);
	else
		forget_journal(store);
	free(from);
	free(to);
	return ret;
}

void pfw_store_forget(struct pfw_store *store, enum pfw_kept which)
{
	char *path = copy_path(store, which);

	if (path)
		unlink(path);
	free(path);
}
