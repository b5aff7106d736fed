/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What all programs share that use iptables: the lock, and which tables stand. */
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <linux/netfilter_ipv4/ip_tables.h>
#include <linux/netfilter_ipv6/ip6_tables.h>

#include "portfwd/base/lock.h"
#include "portfwd/kernel/xtables.h"

#define LOCK_FILE "/run/xtables.lock"

const char *pfw_xtables_lock_path(void)
{
	const char *path = secure_getenv("XTABLES_LOCKFILE");

	return path && *path ? path : LOCK_FILE;
}

/* Whether it is open, by this process, and is the file that others would open. */
static bool is_usable(const struct pfw_xtables_lock *lock, const char *path)
{
	struct stat ours, there;

	return lock->fd >= 0 && lock->opener == getpid() && !fstat(lock->fd, &ours) &&
	       !stat(path, &there) && ours.st_dev == there.st_dev && ours.st_ino == there.st_ino;
}

static int open_lock(struct pfw_xtables_lock *lock, const char *path, struct pfw_error *err)
{
	if (is_usable(lock, path))
		return 0;
	pfw_xtables_lock_close(lock);
	lock->fd = open(path, O_RDONLY | O_CREAT | O_CLOEXEC | O_NOCTTY, 0600);
	lock->opener = getpid();
	return lock->fd < 0 ? pfw_fail_errno(err, -errno, "cannot open %s, the lock of iptables",
					     path) : 0;
}

int pfw_xtables_lock(struct pfw_xtables_lock *lock, unsigned int seconds, bool wait,
		     struct pfw_error *err)
{
	const char *path = pfw_xtables_lock_path();
	int ret;

	if (lock->held)
		return 0;
	ret = open_lock(lock, path, err);
	if (ret)
		return ret;
	ret = pfw_lock_wait(lock->fd, LOCK_EX, pfw_lock_deadline(wait ? seconds : 0));
	lock->held = !ret;
	if (ret == -ETIMEDOUT)
		return pfw_fail(err, PFW_FAILED, ret,
				"another program holds %s, the lock of iptables, for more than %u "
				"seconds; try again, or see who with \"lslocks\"",
				path, seconds);
	return ret ? pfw_fail_errno(err, ret, "cannot lock %s", path) : 0;
}

void pfw_xtables_unlock(struct pfw_xtables_lock *lock)
{
	if (lock->held && lock->opener == getpid())
		flock(lock->fd, LOCK_UN);
	lock->held = false;
}

void pfw_xtables_lock_close(struct pfw_xtables_lock *lock)
{
	if (lock->fd >= 0)
		close(lock->fd);
	*lock = PFW_XTABLES_LOCK_INIT;
}

int pfw_xtables_stands(uint8_t family, const char *table, bool *ret, struct pfw_error *err)
{
	const char *path = family == AF_INET6 ? "/proc/thread-self/net/ip6_tables_names" :
						"/proc/thread-self/net/ip_tables_names";
	char line[XT_TABLE_MAXNAMELEN + 2];
	FILE *names = fopen(path, "re");

	if (!names && errno != ENOENT)
		return pfw_fail_errno(err, -errno, "cannot read %s", path);
	*ret = false;
	while (names && !*ret && fgets(line, sizeof(line), names)) {
		line[strcspn(line, "\n")] = '\0';
		*ret = !strcmp(line, table);
	}
	if (names)
		fclose(names);
	return 0;
}

static int open_socket(uint8_t family)
{
	int fd = socket(family, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_RAW);

	return fd < 0 ? -errno : fd;
}

int pfw_xtables_permitted(void)
{
	int fd = open_socket(AF_INET);

	if (fd >= 0)
		close(fd);
	return fd == -EPERM ? fd : 0;
}

int pfw_xtables_try(uint8_t family, const struct pfw_xtables_extension *extension)
{
	static const struct {
		int level;
		int match;
		int target;
	} options[] = {
		{ IPPROTO_IP, IPT_SO_GET_REVISION_MATCH, IPT_SO_GET_REVISION_TARGET },
		{ IPPROTO_IPV6, IP6T_SO_GET_REVISION_MATCH, IP6T_SO_GET_REVISION_TARGET },
	};
	const bool six = family == AF_INET6;
	struct xt_get_revision ask = { .revision = extension->revision };
	socklen_t len = sizeof(ask);
	int fd = open_socket(family), option, ret = 0;

	if (fd < 0)
		return fd;
	option = extension->is_target ? options[six].target : options[six].match;
	strncpy(ask.name, extension->name, sizeof(ask.name) - 1);
	if (getsockopt(fd, options[six].level, option, &ask, &len) < 0)
		ret = errno == EPROTONOSUPPORT ? -ENOENT : -errno;
	close(fd);
	return ret;
}
