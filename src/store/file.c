/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reading one file whole. */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "files.h"

static const char *kind_of(mode_t mode)
{
	switch (mode & S_IFMT) {
	case S_IFDIR:
		return "a directory";
	case S_IFIFO:
		return "a pipe";
	case S_IFLNK:
		return "a symbolic link";
	case S_IFSOCK:
		return "a socket";
	default:
		return "a device";
	}
}

static int not_a_file(const char *path, mode_t mode, struct pfw_error *err)
{
	return pfw_fail(err, PFW_FAILED, -EINVAL, "cannot read %s: it is %s, not a file", path,
			kind_of(mode));
}

static int cannot_open(const char *path, int code, struct pfw_error *err)
{
	struct stat now;

	if (code == -ENOENT)
		return code;
	/* A socket, and some devices: of these the system says "no such device". */
	if (code == -ENXIO && !stat(path, &now) && !S_ISREG(now.st_mode))
		return not_a_file(path, now.st_mode, err);
	if (code == -ELOOP && !lstat(path, &now) && S_ISLNK(now.st_mode))
		return not_a_file(path, now.st_mode, err);
	return pfw_fail_errno(err, code, "cannot read %s", path);
}

static int read_all(int fd, char *text, size_t size, size_t *ret_len)
{
	size_t len = 0;
	ssize_t got;

	while (len < size) {
		got = read(fd, text + len, size - len);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -errno;
		if (!got)
			break;
		len += (size_t)got;
	}
	*ret_len = len;
	return 0;
}

static int read_with(const char *path, int flags, char **ret_text, size_t *ret_len,
		     struct stat *ret_stat, struct pfw_error *err)
{
	char *text = NULL;
	struct stat stat;
	size_t len = 0, size;
	int fd, ret;

	/* Non-blocking, so that a pipe in place of the file does not hold us. */
	fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC | flags);
	if (fd < 0)
		return cannot_open(path, -errno, err);
	if (fstat(fd, &stat) < 0) {
		ret = pfw_fail_errno(err, -errno, "cannot read %s", path);
		goto out;
	}
	if (!S_ISREG(stat.st_mode)) {
		ret = not_a_file(path, stat.st_mode, err);
		goto out;
	}
	if (stat.st_size > PFW_DOCUMENT_MAX) {
		ret = pfw_fail(err, PFW_FAILED, -EFBIG, "cannot read %s: it is larger than %u MiB",
			       path, PFW_DOCUMENT_MAX >> 20);
		goto out;
	}
	size = (size_t)stat.st_size + 1;
	text = malloc(size + 1);
	if (!text) {
		ret = pfw_fail_memory(err);
		goto out;
	}
	ret = read_all(fd, text, size, &len);
	if (ret < 0) {
		pfw_fail_errno(err, ret, "cannot read %s", path);
		goto out;
	}
	if (len == size) {
		ret = pfw_fail(err, PFW_FAILED, -EAGAIN, "cannot read %s: somebody is writing it",
			       path);
		goto out;
	}
	text[len] = '\0';
	*ret_text = text;
	*ret_len = len;
	*ret_stat = stat;
	text = NULL;
out:
	free(text);
	close(fd);
	return ret;
}

int file_read(const char *path, char **ret_text, size_t *ret_len, struct stat *ret_stat,
	      struct pfw_error *err)
{
	return read_with(path, 0, ret_text, ret_len, ret_stat, err);
}

int file_read_plain(const char *path, char **ret_text, size_t *ret_len, struct stat *ret_stat,
		    struct pfw_error *err)
{
	return read_with(path, O_NOFOLLOW, ret_text, ret_len, ret_stat, err);
}

void seen_take(struct seen *seen, const char *path)
{
	*seen = (struct seen){ 0 };
	seen->exists = !stat(path, &seen->stat);
}

static bool is_before(const struct timespec *a, const struct timespec *b)
{
	return a->tv_sec != b->tv_sec ? a->tv_sec < b->tv_sec : a->tv_nsec < b->tv_nsec;
}

/* The times of files go by a clock that stands still for some milliseconds. */
void seen_judge(struct seen *seen)
{
	struct timespec now;

	seen->racy = seen->exists && (clock_gettime(CLOCK_REALTIME_COARSE, &now) ||
				      !is_before(&seen->stat.st_ctim, &now));
}

static bool same_time(const struct timespec *a, const struct timespec *b)
{
	return a->tv_sec == b->tv_sec && a->tv_nsec == b->tv_nsec;
}

static bool same_content(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_size == b->st_size &&
	       same_time(&a->st_mtim, &b->st_mtim);
}

bool seen_is_current(const struct seen *seen, const char *path)
{
	struct seen now;

	seen_take(&now, path);
	if (!now.exists || !seen->exists)
		return now.exists == seen->exists;
	return !seen->racy && same_content(&now.stat, &seen->stat) &&
	       same_time(&now.stat.st_ctim, &seen->stat.st_ctim);
}

bool file_changed(const struct file *file)
{
	struct seen now;

	seen_take(&now, file->path);
	if (!now.exists || !file->seen.exists)
		return now.exists != file->seen.exists;
	return !same_content(&now.stat, &file->seen.stat);
}

int file_open_text(struct file *file, struct pfw_error *err)
{
	struct stat stat;
	size_t len;
	int ret;

	if (file->text || !file->seen.exists)
		return 0;
	ret = file_read(file->path, &file->text, &len, &stat, err);
	if (!ret && !same_content(&stat, &file->seen.stat))
		ret = -ESTALE;
	if (!ret)
		ret = pfw_document_scan(&file->doc, file->text, len, err);
	if (!ret && file->doc.n_forwards != file->tickets.n)
		ret = -ESTALE;
	if (ret)
		file_forget_text(file);
	return ret;
}

void file_forget_text(struct file *file)
{
	pfw_document_free(&file->doc);
	free(file->text);
	file->text = NULL;
}

void file_free(struct file *file)
{
	file_forget_text(file);
	tickets_free(&file->tickets);
	tickets_free(&file->staged.tickets);
	free(file->path);
	free(file->entry);
	free(file->staged.temp);
	free(file->staged.backup);
	*file = (struct file){ 0 };
}
