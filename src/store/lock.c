/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The lock of a configuration: flock(2) on its folder, which leaves no file behind. */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

#include "files.h"

#define WAIT_FIRST_MS 5
#define WAIT_MOST_MS 50

static uint64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static void wait_ms(unsigned int ms)
{
	struct timespec time = { .tv_nsec = (long)ms * 1000000 };

	nanosleep(&time, NULL);
}

/* Nothing tells when a flock is given back, other than waiting in it without a deadline. */
static int lock_fd(int fd, const char *folder, uint64_t deadline, struct pfw_error *err)
{
	unsigned int ms = WAIT_FIRST_MS;

	while (flock(fd, LOCK_EX | LOCK_NB) < 0) {
		if (errno == EINTR)
			continue;
		if (errno != EWOULDBLOCK)
			return pfw_fail_errno(err, -errno, "cannot lock %s", folder);
		if (now_ms() >= deadline)
			return pfw_fail(err, PFW_FAILED, -ETIMEDOUT, "cannot lock %s: another "
					"process holds it, most likely another portfwd at work; "
					"try again, or see who with \"fuser -v %s\"", folder, folder);
		wait_ms(ms);
		ms = ms * 2 < WAIT_MOST_MS ? ms * 2 : WAIT_MOST_MS;
	}
	return 0;
}

static int open_folder(const char *folder)
{
	int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

static int lock_folder(const char *folder, uint64_t deadline, int *ret_fd, struct pfw_error *err)
{
	int fd = open_folder(folder), ret;

	if (fd == -ENOENT)
		return fd;
	if (fd < 0)
		return pfw_fail_errno(err, fd, "cannot lock %s", folder);
	ret = lock_fd(fd, folder, deadline, err);
	if (ret < 0) {
		close(fd);
		return ret;
	}
	*ret_fd = fd;
	return 0;
}

/* The folder itself, or the nearest above it that is there. NULL without memory. */
static char *nearest(const char *folder)
{
	char *path = strdup(folder), *above;
	struct stat stat_buf;

	while (path && stat(path, &stat_buf) < 0 && errno == ENOENT) {
		above = path_folder(path);
		free(path);
		path = above;
	}
	return path;
}

static void release(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

void lock_release(struct pfw_store *store)
{
	release(&store->lock[0]);
	release(&store->lock[1]);
	release(&store->lock[2]);
	store->lock_above = false;
}

/* One try: -EAGAIN if the folders changed while we waited. */
static int try_home(struct pfw_store *store, uint64_t deadline, struct pfw_error *err)
{
	char *before = nearest(store->home), *after = NULL;
	bool above;
	int ret;

	if (!before)
		return pfw_fail_memory(err);
	above = strcmp(before, store->home) != 0;
	ret = lock_folder(before, deadline, &store->lock[above ? 1 : 0], err);
	if (ret == -ENOENT)
		ret = -EAGAIN;
	if (ret < 0 || !above)
		goto out;
	after = nearest(store->home);
	if (!after)
		ret = pfw_fail_memory(err);
	else if (strcmp(before, after) != 0)
		ret = -EAGAIN;
	else
		store->lock_above = true;
out:
	free(after);
	free(before);
	return ret;
}

/*
 * Whoever finds the folder missing holds the nearest one above, and makes all
 * that is missing at once, with the lock on it already; who waited above looks again.
 */
static int lock_home(struct pfw_store *store, uint64_t deadline, struct pfw_error *err)
{
	int ret;

	do {
		release(&store->lock[1]);
		ret = try_home(store, deadline, err);
	} while (ret == -EAGAIN);
	return ret;
}

/*
 * The folder of a symbolic link too, for its drop-ins: those who come by another
 * link, or by the file itself, do not share both.
 */
static int lock_links(struct pfw_store *store, uint64_t deadline, struct pfw_error *err)
{
	char *above = NULL;
	int ret = 0;

	if (strcmp(store->home, store->folder) == 0)
		return 0;
	if (store->lock_above) {
		above = nearest(store->home);
		if (!above)
			return pfw_fail_memory(err);
	}
	/* A second lock of one folder would wait for the first for ever. */
	if (!above || strcmp(above, store->folder) != 0)
		ret = lock_folder(store->folder, deadline, &store->lock[2], err);
	free(above);
	return ret == -ENOENT ? 0 : ret;
}

int pfw_store_lock(struct pfw_store *store, unsigned int seconds, struct pfw_error *err)
{
	uint64_t deadline = now_ms() + (uint64_t)seconds * 1000;
	int ret;

	if (store->lock[0] >= 0 || store->lock_above)
		return 0;
	ret = lock_home(store, deadline, err);
	if (!ret)
		ret = lock_links(store, deadline, err);
	if (ret < 0)
		lock_release(store);
	return ret;
}

/* Makes the folder at path, and all others down to its end; 0755 whatever the umask. */
static int make_down(char *path, size_t top)
{
	char *slash = path + top;
	int ret = 0;

	do {
		slash = strchr(slash + 1, '/');
		if (slash)
			*slash = '\0';
		if ((mkdir(path, 0755) < 0 && errno != EEXIST) || chmod(path, 0755) < 0)
			ret = -errno;
		if (slash)
			*slash = '/';
	} while (slash && !ret);
	return ret;
}

/* Removes them again, from the end up; those that were never made do not matter. */
static void drop_up(char *path, size_t top)
{
	while (strlen(path) > top) {
		rmdir(path);
		*strrchr(path, '/') = '\0';
	}
}

/* Under another name first: the rename makes the folder appear with its lock held. */
static int make_locked(const char *home, const char *above, int *ret_fd, struct pfw_error *err)
{
	size_t base = strcmp(above, "/") == 0 ? 0 : strlen(above);
	const char *rest = strchr(home + base + 1, '/');
	size_t first = rest ? (size_t)(rest - home) : strlen(home);
	char *final = strndup(home, first), *temp = NULL, *deep = NULL;
	int fd = -1, ret = -ENOMEM;

	if (!final || asprintf(&temp, "%s.XXXXXX", final) < 0) {
		temp = NULL;
		goto out;
	}
	if (!mkdtemp(temp)) {
		ret = -errno;
		goto out;
	}
	if (asprintf(&deep, "%s%s", temp, rest ? rest : "") < 0) {
		deep = NULL;
		rmdir(temp);
		goto out;
	}
	ret = make_down(deep, base);
	if (!ret) {
		fd = open_folder(deep);
		ret = fd < 0 ? fd : 0;
	}
	if (!ret && (flock(fd, LOCK_EX | LOCK_NB) < 0 ||
		     renameat2(AT_FDCWD, temp, AT_FDCWD, final, RENAME_NOREPLACE) < 0))
		ret = -errno;
	if (ret < 0)
		drop_up(deep, base);
out:
	free(deep);
	free(temp);
	free(final);
	if (ret < 0) {
		release(&fd);
		return pfw_fail_errno(err, ret, "cannot make the folder %s", home);
	}
	*ret_fd = fd;
	return 0;
}

int folder_make(struct pfw_store *store, struct pfw_error *err)
{
	char *above = nearest(store->home);
	int fd = -1, ret = 0;

	if (!above)
		return pfw_fail_memory(err);
	if (strcmp(above, store->home) == 0)
		goto out;
	ret = make_locked(store->home, above, &fd, err);
	if (ret < 0)
		goto out;
	if (store->lock_above) {
		store->lock[0] = fd;
		store->lock_above = false;
	} else {
		release(&fd);
	}
out:
	free(above);
	return ret;
}
