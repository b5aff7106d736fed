/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A private copy of a text for an editor, in a folder of its own. */
#include "config.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "copy.h"
#include "portfwd/base/file.h"

#define PAGE 65536

/* Whether nobody else can put another folder in the place of ours there. */
static bool is_safe(const char *folder)
{
	struct stat st;

	return !stat(folder, &st) && S_ISDIR(st.st_mode) &&
	       (st.st_uid == 0 || st.st_uid == geteuid()) &&
	       (!(st.st_mode & (S_IWGRP | S_IWOTH)) || st.st_mode & S_ISVTX);
}

/* TMPDIR may be that of the user who became root. */
static int make_folder(struct pfw_copy *copy, struct pfw_error *err)
{
	const char *above = getenv("TMPDIR");

	if (!above || *above != '/' || !is_safe(above))
		above = "/tmp";
	if (asprintf(&copy->folder, "%s/portfwd-edit.XXXXXX", above) < 0) {
		copy->folder = NULL;
		return pfw_fail_memory(err);
	}
	if (mkdtemp(copy->folder))
		return 0;
	pfw_fail_errno(err, -errno, "cannot make a folder in %s", above);
	free(copy->folder);
	copy->folder = NULL;
	return -EIO;
}

static int write_new(const char *path, const struct pfw_buffer *text)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	int ret;

	if (fd < 0)
		return -errno;
	ret = pfw_file_write(fd, text->data, text->len);
	if (close(fd) < 0 && !ret)
		ret = -errno;
	return ret;
}

int pfw_copy_make(struct pfw_copy *copy, const char *name, const struct pfw_buffer *text,
		  struct pfw_error *err)
{
	const char *slash = strrchr(name, '/');
	int ret = make_folder(copy, err);

	if (ret)
		return ret;
	if (asprintf(&copy->path, "%s/%s", copy->folder, slash ? slash + 1 : name) < 0) {
		copy->path = NULL;
		ret = pfw_fail_memory(err);
	} else {
		ret = write_new(copy->path, text);
		if (ret)
			pfw_fail_errno(err, ret, "cannot write %s", copy->path);
	}
	if (ret) {
		pfw_copy_remove(copy);
		pfw_copy_free(copy);
	}
	return ret;
}

static int read_all(int fd, struct pfw_buffer *ret)
{
	ssize_t n;
	char *room;

	do {
		room = pfw_buffer_reserve(ret, PAGE);
		if (!room)
			return -ENOMEM;
		n = read(fd, room, PAGE - 1);
		if (n < 0 && errno != EINTR)
			return -errno;
		if (n > 0)
			ret->len += (size_t)n;
	} while (n);
	ret->data[ret->len] = '\0';
	return 0;
}

int pfw_copy_read(const struct pfw_copy *copy, struct pfw_buffer *ret, struct pfw_error *err)
{
	struct pfw_buffer text = { 0 };
	struct stat st;
	int fd, code;

	/* Editors may save by putting a new file in its place. */
	fd = open(copy->path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return pfw_fail_errno(err, -errno, "cannot read %s, which the editor left", copy->path);
	if (fstat(fd, &st) < 0)
		code = -errno;
	else
		code = S_ISREG(st.st_mode) ? read_all(fd, &text) : -EINVAL;
	close(fd);
	if (code) {
		pfw_buffer_free(&text);
		return pfw_fail_errno(err, code, "cannot read %s, which the editor left", copy->path);
	}
	*ret = text;
	return 0;
}

void pfw_copy_remove(const struct pfw_copy *copy)
{
	struct dirent *entry;
	DIR *dir = opendir(copy->folder);

	while (dir && (entry = readdir(dir)))
		if (strcmp(entry->d_name, ".") && strcmp(entry->d_name, ".."))
			unlinkat(dirfd(dir), entry->d_name, 0);
	if (dir)
		closedir(dir);
	rmdir(copy->folder);
}

void pfw_copy_free(struct pfw_copy *copy)
{
	free(copy->path);
	free(copy->folder);
	*copy = (struct pfw_copy){ 0 };
}
