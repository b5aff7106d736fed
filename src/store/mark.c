/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The mark that a reload waits to be confirmed. */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "applied.h"
#include "portfwd/base/file.h"

#define WORDS_MAX 16384

char *pfw_store_mark_path(const struct pfw_store *store)
{
	return path_hidden(store, "trial");
}

/* Nobody else can see it before it has its name, so the lock is had at once. */
static int write_mark(const char *temp, const char *words)
{
	int fd, ret;

	unlink(temp);
	fd = open(temp, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	ret = flock(fd, LOCK_EX | LOCK_NB) < 0 ? -errno : 0;
	if (!ret)
		ret = pfw_file_write(fd, words, strlen(words));
	if (!ret && fsync(fd) < 0)
		ret = -errno;
	if (!ret)
		return fd;
	close(fd);
	unlink(temp);
	return ret;
}

int pfw_store_mark(struct pfw_store *store, const char *words, int *ret_fd, struct pfw_error *err)
{
	char *temp = path_hidden(store, "marking"), *path = pfw_store_mark_path(store);
	int fd = -1, ret;

	if (!temp || !path) {
		ret = pfw_fail_memory(err);
		goto out;
	}
	fd = write_mark(temp, words);
	ret = fd < 0 ? fd : 0;
	if (!ret && rename(temp, path) < 0) {
		ret = -errno;
		unlink(temp);
	}
	if (!ret)
		ret = folder_sync(path);
	if (ret) {
		pfw_fail_errno(err, ret, "cannot save %s", path);
		if (fd >= 0)
			close(fd);
		goto out;
	}
	*ret_fd = fd;
out:
	free(temp);
	free(path);
	return ret;
}

static int read_words(int fd, struct pfw_buffer *ret)
{
	char *room = pfw_buffer_reserve(ret, WORDS_MAX + 1);
	ssize_t got = room ? pread(fd, room, WORDS_MAX, 0) : -1;

	if (got < 0)
		return room ? -errno : -ENOMEM;
	ret->len = (size_t)got;
	ret->data[got] = '\0';
	return 0;
}

static int check_mark(int fd, const char *path, struct pfw_error *err)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return pfw_fail_errno(err, -errno, "cannot read %s", path);
	if (S_ISREG(st.st_mode) && (st.st_uid == 0 || st.st_uid == geteuid()) &&
	    !(st.st_mode & (S_IWGRP | S_IWOTH)))
		return 0;
	return pfw_fail(err, PFW_NOT_PERMITTED, -EPERM,
			"%s is no file, or belongs to somebody else; remove it", path);
}

int pfw_store_read_mark(const struct pfw_store *store, struct pfw_buffer *ret, bool *ret_watched,
			struct pfw_error *err)
{
	char *path = pfw_store_mark_path(store);
	struct pfw_buffer words = { 0 };
	int fd, code;

	if (!path)
		return pfw_fail_memory(err);
	fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0) {
		code = -errno;
		if (code != -ENOENT && code != -ENOTDIR)
			pfw_fail_errno(err, code, "cannot read %s", path);
		free(path);
		return code == -ENOTDIR ? -ENOENT : code;
	}
	code = check_mark(fd, path, err);
	if (!code) {
		code = read_words(fd, &words);
		if (code)
			pfw_fail_errno(err, code, "cannot read %s", path);
	}
	if (!code) {
		*ret_watched = flock(fd, LOCK_SH | LOCK_NB) < 0;
		*ret = words;
	} else {
		pfw_buffer_free(&words);
	}
	close(fd);
	free(path);
	return code;
}

int pfw_store_unmark(struct pfw_store *store, struct pfw_error *err)
{
	char *path = pfw_store_mark_path(store);
	int ret = 0;

	if (!path)
		return pfw_fail_memory(err);
	if (unlink(path) < 0 && errno != ENOENT)
		ret = -errno;
	if (!ret)
		ret = folder_sync(path);
	if (ret)
		pfw_fail_errno(err, ret, "cannot remove %s", path);
	else
		pfw_store_forget(store, PFW_KEPT_TRIED);
	free(path);
	return ret;
}
