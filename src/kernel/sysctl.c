/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Network sysctls, below /proc/sys of the present network namespace. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "portfwd/kernel/sysctl.h"

#define KEY_SIZE 256

static int open_key(const char *key, int flags, struct pfw_error *err)
{
	char path[KEY_SIZE];
	int fd;

	if (snprintf(path, sizeof(path), "/proc/sys/%s", key) >= (int)sizeof(path))
		return pfw_fail(err, PFW_FAILED, -ENAMETOOLONG, "sysctl name too long: %s", key);
	fd = open(path, flags | O_CLOEXEC);
	if (fd >= 0)
		return fd;
	if (errno == ENOENT)
		return -ENOENT;
	return pfw_fail_errno(err, -errno, "cannot open sysctl %s", key);
}

int pfw_sysctl_read(const char *key, char ret[PFW_SYSCTL_VALUE], struct pfw_error *err)
{
	char value[PFW_SYSCTL_VALUE];
	ssize_t len;
	int fd, code;

	fd = open_key(key, O_RDONLY, err);
	if (fd < 0)
		return fd;
	len = read(fd, value, sizeof(value) - 1);
	code = len < 0 ? -errno : 0;
	close(fd);
	if (code)
		return pfw_fail_errno(err, code, "cannot read sysctl %s", key);
	value[len] = '\0';
	value[strcspn(value, "\n")] = '\0';
	memcpy(ret, value, sizeof(value));
	return 0;
}

int pfw_sysctl_write(const char *key, const char *value, struct pfw_error *err)
{
	size_t len = strlen(value);
	int fd, code;

	fd = open_key(key, O_WRONLY, err);
	if (fd < 0)
		return fd;
	code = write(fd, value, len) == (ssize_t)len ? 0 : -errno;
	close(fd);
	if (code)
		return pfw_fail_errno(err, code, "cannot set sysctl %s to %s", key, value);
	return 0;
}

int pfw_sysctl_each(const char *dir, int (*each)(void *ctx, const char *name), void *ctx,
		    struct pfw_error *err)
{
	struct dirent **entries;
	char path[KEY_SIZE];
	int n, i, ret = 0;

	if (snprintf(path, sizeof(path), "/proc/sys/%s", dir) >= (int)sizeof(path))
		return pfw_fail(err, PFW_FAILED, -ENAMETOOLONG, "sysctl name too long: %s", dir);
	n = scandir(path, &entries, NULL, alphasort);
	if (n < 0 && errno == ENOENT)
		return -ENOENT;
	if (n < 0)
		return pfw_fail_errno(err, -errno, "cannot list sysctls below %s", dir);
	for (i = 0; i < n; i++) {
		if (ret >= 0 && entries[i]->d_name[0] != '.')
			ret = each(ctx, entries[i]->d_name);
		free(entries[i]);
	}
	free(entries);
	return ret < 0 ? ret : 0;
}
