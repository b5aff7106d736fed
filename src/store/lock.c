/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The lock of a configuration: flock(2) on a file in its folder that only its owner and root can
 * open. The folder itself will not do: whoever may read it could hold that lock.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "files.h"
#include "portfwd/base/lock.h"

#define LOCK_FILE ".portfwd.lock"
#define TRIES 1000	/* to lock what others remove */

static void release(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

/* Makes the missing folders down to path, 0755 whatever the umask. *ret_made: so many. */
static int make_down(char *path, unsigned int *ret_made)
{
	char *slash = path;
	int ret = 0;

	do {
		slash = strchr(slash + 1, '/');
		if (slash)
			*slash = '\0';
		if (!mkdir(path, 0755)) {
			(*ret_made)++;
			if (chmod(path, 0755) < 0)
				ret = -errno;
		} else if (errno != EEXIST) {
			ret = -errno;
		}
		if (slash)
			*slash = '/';
	} while (slash && !ret);
	return ret;
}

/* Removes the last n folders of the path again, as long as they are empty. */
static void drop_up(const char *path, unsigned int n)
{
	char *copy = strdup(path);

	for (; copy && n && !rmdir(copy); n--)
		*strrchr(copy, '/') = '\0';
	free(copy);
}

int folder_make(struct pfw_store *store, struct pfw_error *err)
{
	struct stat st;
	int ret;

	if (!stat(store->home, &st))
		return 0;
	ret = make_down(store->home, &store->made);
	return ret < 0 ? pfw_fail_errno(err, ret, "cannot make the folder %s", store->home) : 0;
}

/* NFS takes a lock only where one may write; a file system that is read-only, only where one may not. */
static int open_lock(const char *path)
{
	const int flags = O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC;
	int fd = open(path, O_RDWR | O_CREAT | flags, 0600), code = -errno;

	if (fd < 0 && (code == -EROFS || code == -EACCES)) {
		fd = open(path, O_RDONLY | flags);
		/* It cannot be made: that says more than that it is not there. */
		code = errno == ENOENT ? code : -errno;
	}
	return fd < 0 ? code : fd;
}

/* In a folder of somebody else, what has our name may be anything. */
static int check_lock(int fd, const char *folder, const char *path, struct pfw_error *err)
{
	struct stat st, above;

	if (fstat(fd, &st) < 0 || stat(folder, &above) < 0)
		return pfw_fail_errno(err, -errno, "cannot lock %s", folder);
	if (!S_ISREG(st.st_mode))
		return pfw_fail(err, PFW_FAILED, -EINVAL, "cannot lock %s: %s is not a file; remove it",
				folder, path);
	if (st.st_uid != 0 && st.st_uid != geteuid() && st.st_uid != above.st_uid)
		return pfw_fail(err, PFW_NOT_PERMITTED, -EPERM, "cannot lock %s: %s belongs to somebody "
				"else; remove it", folder, path);
	return 0;
}

/* Two paths may lead to one folder, and a second lock of ours would wait for the first for ever. */
static bool is_held(const struct pfw_store *store, int fd)
{
	struct stat one, other;
	size_t i;

	for (i = 0; i < sizeof(store->lock) / sizeof(store->lock[0]); i++)
		if (store->lock[i] >= 0 && !fstat(fd, &one) && !fstat(store->lock[i], &other) &&
		    one.st_dev == other.st_dev && one.st_ino == other.st_ino)
			return true;
	return false;
}

/* One try: -EAGAIN if the file was gone when we had it. */
static int try_lock(struct pfw_store *store, const char *folder, const char *path, uint64_t deadline,
		    int *to, struct pfw_error *err)
{
	int fd = open_lock(path), ret;

	if (fd == -ELOOP || fd == -ENXIO || fd == -EISDIR)
		return pfw_fail(err, PFW_FAILED, -EINVAL, "cannot lock %s: %s is not a file; remove it",
				folder, path);
	if (fd < 0) {
		/* Who cannot make a lock cannot save either, and saving says so. */
		store->lock_refused = fd;
		return 0;
	}
	ret = check_lock(fd, folder, path, err);
	if (!ret && is_held(store, fd))
		goto out;
	if (!ret) {
		ret = pfw_lock_wait(fd, LOCK_EX, deadline);
		if (ret == -ETIMEDOUT)
			pfw_fail(err, PFW_FAILED, ret, "cannot lock %s: another process holds it, most "
				 "likely another portfwd at work; try again, or see who with "
				 "\"fuser -v %s\"", folder, path);
		else if (ret)
			pfw_fail_errno(err, ret, "cannot lock %s", path);
		else if (!pfw_lock_is_current(fd, path))
			ret = -EAGAIN;
	}
	if (!ret) {
		*to = fd;
		return 0;
	}
out:
	close(fd);
	return ret;
}

static int lock_folder(struct pfw_store *store, const char *folder, uint64_t deadline, bool make,
		       int *to, struct pfw_error *err)
{
	bool home = strcmp(folder, store->home) == 0;
	unsigned int tries = 0, made;
	char *path;
	int ret;

	if (asprintf(&path, "%s/" LOCK_FILE, strcmp(folder, "/") ? folder : "") < 0)
		return pfw_fail_memory(err);
	do {
		made = 0;
		/* Whoever finds the folder missing makes it, and takes it away where nothing came of it. */
		store->lock_refused = home && make ? make_down(store->home, &made) : 0;
		store->made = made ? made : store->made;
		ret = store->lock_refused ? 0 : try_lock(store, folder, path, deadline, to, err);
	} while ((ret == -EAGAIN || store->lock_refused == -ENOENT) && ++tries < TRIES);
	free(path);
	return ret == -EAGAIN ? pfw_fail(err, PFW_FAILED, ret, "cannot lock %s: it comes and goes", folder) :
				ret;
}

int pfw_store_lock(struct pfw_store *store, unsigned int seconds, bool make,
		   struct pfw_error *err)
{
	uint64_t deadline = pfw_lock_deadline(seconds);
	int order = strcmp(store->home, store->folder), refused, ret;

	if (store->lock[0] >= 0 || store->lock_refused)
		return 0;
	/* The order is the same for all who need both. */
	ret = lock_folder(store, order <= 0 ? store->home : store->folder, deadline, make,
			  &store->lock[0], err);
	refused = store->lock_refused;
	if (!ret && order)
		ret = lock_folder(store, order <= 0 ? store->folder : store->home, deadline, make,
				  &store->lock[1], err);
	if (refused)
		store->lock_refused = refused;
	if (ret < 0)
		lock_release(store);
	return ret;
}

/* A folder that was made for a file that never came goes again, with the lock still held. */
static void drop_made(struct pfw_store *store)
{
	struct stat st;
	char *path;

	if (!store->made || !lstat(store->path, &st) ||
	    asprintf(&path, "%s/" LOCK_FILE, store->home) < 0)
		return;
	unlink(path);
	free(path);
	drop_up(store->home, store->made);
}

void lock_release(struct pfw_store *store)
{
	if (store->path && store->home)
		drop_made(store);
	release(&store->lock[0]);
	release(&store->lock[1]);
	store->lock_refused = 0;
	store->made = 0;
}

bool lock_is_held(const struct pfw_store *store)
{
	return store->lock[0] >= 0;
}

void pfw_store_unlock(struct pfw_store *store)
{
	lock_release(store);
}
