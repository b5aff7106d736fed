/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Network namespaces. */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "portfwd/kernel/netns.h"

#ifndef SO_NETNS_COOKIE
#define SO_NETNS_COOKIE 71
#endif

#define PATH_SIZE 4096

static int fill_path(const char *name, char path[PATH_SIZE], struct pfw_error *err)
{
	if (!strchr(name, '/') && (!*name || !strcmp(name, ".") || !strcmp(name, "..")))
		return pfw_fail(err, PFW_FAILED, -EINVAL, "\"%s\" names no network namespace", name);
	if (snprintf(path, PATH_SIZE, "%s%s", strchr(name, '/') ? "" : "/run/netns/", name) >= PATH_SIZE)
		return pfw_fail(err, PFW_FAILED, -ENAMETOOLONG, "the namespace's name is too long");
	return 0;
}

static int no_such(const char *name, struct pfw_error *err)
{
	return pfw_fail(err, PFW_FAILED, -ENOENT,
			"there is no network namespace %s; \"ip netns list\" shows those that are", name);
}

int pfw_netns_file(const char *name, uint64_t *ret_device, uint64_t *ret_inode,
		   struct pfw_error *err)
{
	char path[PATH_SIZE] = "/proc/self/ns/net";
	int code = name ? fill_path(name, path, err) : 0;
	struct stat st;

	if (code)
		return code;
	if (stat(path, &st) < 0)
		return errno == ENOENT && name ? no_such(name, err) :
		       pfw_fail_errno(err, -errno, "cannot find network namespace %s", path);
	*ret_device = st.st_dev;
	*ret_inode = st.st_ino;
	return 0;
}

int pfw_netns_enter(const char *name, struct pfw_error *err)
{
	char path[PATH_SIZE];
	int fd, code = fill_path(name, path, err);

	if (code)
		return code;
	/* Whatever stands there, such as a pipe, must not make us wait. */
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0 && errno == ENOENT)
		return no_such(name, err);
	if (fd < 0)
		return pfw_fail_errno(err, -errno, "cannot open network namespace %s", path);
	code = setns(fd, CLONE_NEWNET) ? -errno : 0;
	close(fd);
	if (code == -EINVAL)
		return pfw_fail(err, PFW_FAILED, code, "%s is not a network namespace", path);
	if (code)
		return pfw_fail_errno(err, code, "cannot enter network namespace %s", name);
	return 0;
}

int pfw_netns_hold(void)
{
	int fd = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

int pfw_netns_return(int fd)
{
	int code = setns(fd, CLONE_NEWNET) ? -errno : 0;

	close(fd);
	return code;
}

int pfw_netns_id(uint64_t *ret, bool *ret_unique, struct pfw_error *err)
{
	uint64_t cookie = 0;
	socklen_t len = sizeof(cookie);
	struct stat st;
	int fd, code;

	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return pfw_fail_errno(err, -errno, "cannot make a socket");
	code = getsockopt(fd, SOL_SOCKET, SO_NETNS_COOKIE, &cookie, &len);
	close(fd);
	*ret_unique = !code;
	if (!code) {
		*ret = cookie;
		return 0;
	}
	if (stat("/proc/self/ns/net", &st) < 0)
		return pfw_fail_errno(err, -errno, "cannot read /proc/self/ns/net");
	*ret = st.st_ino;
	return 0;
}
