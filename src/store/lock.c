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

/* The nearest folder above that exists. */
static int lock_above(const char *folder, uint64_t deadline, int *ret_fd, struct pfw_error *err)
{
	char *above = path_folder(folder), *next;
	int ret = -ENOENT;

	while (above) {
		ret = lock_folder(above, deadline, ret_fd, err);
		if (ret != -ENOENT)
			break;
		next = path_folder(above);
		free(above);
		above = next;
	}
	if (!above)
		return pfw_fail_memory(err);
	free(above);
	return ret;
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
	store->lock_above = false;
}

/*
 * Whoever finds the folder missing holds the one above, and makes the folder
 * with its lock on it already; who waited above looks again.
 */
static int lock_home(struct pfw_store *store, uint64_t deadline, struct pfw_error *err)
{
	int ret;

	ret = lock_folder(store->home, deadline, &store->lock[0], err);
	if (ret != -ENOENT)
		return ret;
	ret = lock_above(store->home, deadline, &store->lock[1], err);
	if (ret < 0)
		return ret;
	ret = lock_folder(store->home, deadline, &store->lock[0], err);
	if (ret == -ENOENT) {
		store->lock_above = true;
		return 0;
	}
	release(&store->lock[1]);
	return ret;
}

int pfw_store_lock(struct pfw_store *store, unsigned int seconds, struct pfw_error *err)
{
	uint64_t deadline = now_ms() + (uint64_t)seconds * 1000;
	int ret;

	if (store->lock[0] >= 0 || store->lock_above)
		return 0;
	ret = lock_home(store, deadline, err);
	/* A link's own folder too: those who come by the file itself do not share it. */
	if (!ret && strcmp(store->home, store->folder) != 0) {
		release(&store->lock[1]);
		ret = lock_folder(store->folder, deadline, &store->lock[1], err);
		if (ret == -ENOENT)
			ret = 0;
	}
	if (ret < 0)
		lock_release(store);
	return ret;
}

/* Makes all folders above this one. */
static int make_above(const char *folder, struct pfw_error *err)
{
	char *path = strdup(folder), *slash;
	int ret = 0;

	if (!path)
		return pfw_fail_memory(err);
	for (slash = strchr(path + 1, '/'); slash && !ret; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		if (mkdir(path, 0755) < 0 && errno != EEXIST)
			ret = pfw_fail_errno(err, -errno, "cannot make the folder %s", path);
		*slash = '/';
	}
	free(path);
	return ret;
}

int folder_make(struct pfw_store *store, struct pfw_error *err)
{
	char *temp = NULL;
	int fd = open_folder(store->home), ret;

	if (fd >= 0) {
		close(fd);
		return 0;
	}
	if (fd != -ENOENT)
		return pfw_fail_errno(err, fd, "cannot use the folder %s", store->home);
	ret = make_above(store->home, err);
	if (ret < 0)
		return ret;
	if (asprintf(&temp, "%s.XXXXXX", store->home) < 0)
		return pfw_fail_memory(err);
	if (!mkdtemp(temp)) {
		ret = pfw_fail_errno(err, -errno, "cannot make the folder %s", store->home);
		goto out;
	}
	fd = open_folder(temp);
	if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB) < 0 || fchmod(fd, 0755) < 0 ||
	    renameat2(AT_FDCWD, temp, AT_FDCWD, store->home, RENAME_NOREPLACE) < 0) {
		ret = pfw_fail_errno(err, fd < 0 ? fd : -errno, "cannot make the folder %s",
				     store->home);
		rmdir(temp);
		release(&fd);
		goto out;
	}
	if (store->lock_above) {
		release(&store->lock[1]);
		store->lock[0] = fd;
		store->lock_above = false;
	} else {
		close(fd);
	}
out:
	free(temp);
	return ret;
}
