/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reading one file whole. */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "files.h"

static const char *kind_of(mode_t mode)
{
	switch (mode & S_IFMT) {
	case S_IFDIR:
		return "a directory";
	case S_IFIFO:
		return "a pipe";
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

int file_read(const char *path, char **ret_text, size_t *ret_len, struct stat *ret_stat,
	      struct pfw_error *err)
{
	char *text = NULL;
	struct stat stat;
	size_t len = 0, size;
	int fd, ret;

	/* Non-blocking, so that a pipe in place of the file does not hold us. */
	fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
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

bool file_changed(const struct file *file)
{
	const struct stat *old = &file->stat;
	struct stat now;

	if (stat(file->path, &now) < 0)
		return file->exists;
	return !file->exists || now.st_dev != old->st_dev || now.st_ino != old->st_ino ||
	       now.st_size != old->st_size || now.st_mtim.tv_sec != old->st_mtim.tv_sec ||
	       now.st_mtim.tv_nsec != old->st_mtim.tv_nsec;
}

void file_free(struct file *file)
{
	pfw_document_free(&file->doc);
	free(file->text);
	free(file->path);
	free(file->entry);
	free(file->staged.temp);
	free(file->staged.backup);
	*file = (struct file){ 0 };
}
