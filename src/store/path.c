/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Paths of configuration files. */
#include "config.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "files.h"

#define LINKS_MAX 40	/* as the kernel's own bound, path_resolution(7) */

char *path_folder(const char *path)
{
	const char *slash = strrchr(path, '/');

	return strndup(path, slash > path ? (size_t)(slash - path) : 1);
}

/* The folder made plain ("..", links) where it exists, so that one file has one path. */
int path_absolute(const char *path, char **ret)
{
	const char *slash = strrchr(path, '/');
	char *folder, *plain, *whole = NULL;
	int len;

	folder = slash ? path_folder(path) : strdup(".");
	if (!folder)
		return -ENOMEM;
	plain = realpath(folder, NULL);
	if (plain)
		len = asprintf(&whole, "%s/%s", strcmp(plain, "/") == 0 ? "" : plain,
			       slash ? slash + 1 : path);
	else if (*path == '/')
		len = asprintf(&whole, "%s", path);
	else {
		plain = getcwd(NULL, 0);
		len = plain ? asprintf(&whole, "%s/%s", plain, path) : -1;
	}
	free(plain);
	free(folder);
	if (len < 0)
		return -ENOMEM;
	*ret = whole;
	return 0;
}

/* Where the link at path leads, seen from its own folder; *ret NULL: it is no link. */
static int follow(const char *path, char **ret)
{
	char target[PATH_MAX], *folder, *joined = NULL;
	ssize_t len = readlink(path, target, sizeof(target) - 1);
	int result;

	if (len < 0) {
		*ret = NULL;
		return 0;
	}
	target[len] = '\0';
	if (*target == '/')
		return path_absolute(target, ret);
	folder = path_folder(path);
	if (!folder)
		return -ENOMEM;
	result = asprintf(&joined, "%s/%s", folder, target) < 0 ? -ENOMEM : 0;
	free(folder);
	if (!result) {
		result = path_absolute(joined, ret);
		free(joined);
	}
	return result;
}

int path_resolve(const char *path, char **ret, struct pfw_error *err)
{
	char *now = NULL, *then;
	unsigned int links;

	if (path_absolute(path, &now) < 0)
		return pfw_fail_memory(err);
	for (links = 0; links < LINKS_MAX; links++) {
		if (follow(now, &then) < 0) {
			free(now);
			return pfw_fail_memory(err);
		}
		if (!then) {
			*ret = now;
			return 0;
		}
		free(now);
		now = then;
	}
	free(now);
	return pfw_fail_errno(err, -ELOOP, "cannot use %s", path);
}
