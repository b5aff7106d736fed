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

char *path_hidden(const struct pfw_store *store, const char *what)
{
	const char *path = store->files[0].path, *slash = strrchr(path, '/');
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

/* Whether the file is part of the configuration that is saved: not of what the next boot forgets. */
static bool is_saved(const struct pfw_store *store, uint32_t number)
{
	return !pfw_store_is_runtime(store, number);
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
	for (i = 0; !code && same && i < store->n_files; i++) {
		if (!is_saved(store, i) || !store->files[i].exists)
			continue;
		file = kept_find(&kept, file_entry(store, i));
		same = file && kept_says(file, store->files[i].path);
		n++;
	}
	same = same && n == kept.n;
	kept_free(&kept);
	if (!code)
		*ret = same;
	return code;
}

/* ---- Writing a copy */

/* Whether the copy has just these files, none of them written since. */
static bool is_current(const struct pfw_store *store, enum pfw_kept which)
{
	struct pfw_error ignored = PFW_ERROR_INIT;
	const struct kept_file *file;
	struct kept kept = { 0 };
	char stamp[sizeof(file->stamp)];
	bool current = !kept_read(store, which, &kept, &ignored);
	struct stat st;
	size_t n = 0;
	uint32_t i;

	for (i = 0; current && i < store->n_files; i++) {
		if (!is_saved(store, i) || stat(store->files[i].path, &st) < 0)
			continue;
		file = kept_find(&kept, file_entry(store, i));
		print_stamp(&st, stamp, sizeof(stamp));
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

/* One line of the head, and the file's bytes. */
static int take_file(const struct pfw_store *store, uint32_t number, struct pfw_buffer *head,
		     struct text *ret, struct pfw_error *err)
{
	const char *entry = file_entry(store, number);
	char stamp[sizeof(((struct kept_file *)0)->stamp)];
	struct stat st;
	int code = file_read(store->files[number].path, &ret->bytes, &ret->len, &st, err);

	if (code)
		return code;
	print_stamp(&st, stamp, sizeof(stamp));
	pfw_buffer_printf(head, "%zu %016" PRIx64 " %o %u %u %s %zu %s\n", ret->len,
			  pfw_hash(ret->bytes, ret->len), st.st_mode & 07777, st.st_uid, st.st_gid,
			  stamp, strlen(entry), entry);
	return 0;
}

static int write_copy(int fd, const struct pfw_buffer *head, const struct text *texts, uint32_t n,
		      const struct file *like, bool sync)
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

static int replace(const struct pfw_store *store, const char *path, const struct pfw_buffer *head,
		   const struct text *texts, bool sync)
{
	char *temp = path_hidden(store, "copying");
	int fd, ret = temp ? 0 : -ENOMEM;

	if (ret)
		return ret;
	unlink(temp);
	fd = open(temp, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0) {
		ret = -errno;
		goto out;
	}
	ret = write_copy(fd, head, texts, store->n_files, &store->files[0], sync);
	if (close(fd) < 0 && !ret)
		ret = -errno;
	if (!ret && rename(temp, path) < 0)
		ret = -errno;
	if (ret)
		unlink(temp);
	else if (sync)
		ret = folder_sync(path);
out:
	free(temp);
	return ret;
}

static int copy_files(struct pfw_store *store, const char *path, bool sync, struct pfw_error *err)
{
	struct text *texts = calloc(store->n_files, sizeof(*texts));
	struct pfw_buffer head = { 0 };
	uint32_t i, n = 0;
	int ret = texts ? 0 : pfw_fail_memory(err);

	pfw_buffer_puts(&head, HEAD);
	for (i = 0; !ret && i < store->n_files; i++) {
		if (!is_saved(store, i))
			continue;
		ret = take_file(store, i, &head, &texts[i], err);
		if (ret == -ENOENT && !i)
			ret = 0;
		else
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
	for (i = 0; texts && i < store->n_files; i++)
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
		return pfw_fail_errno(err, store->lock_refused, "cannot keep a copy of %s",
				      store->files[0].path);
	if (!sync && is_current(store, which))
		return 0;
	path = copy_path(store, which);
	ret = path ? copy_files(store, path, sync, err) : pfw_fail_memory(err);
	if (ret && path)
		unlink(path);
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
