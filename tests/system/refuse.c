/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * For LD_PRELOAD: makes the real kernel, or the file system, refuse one thing in the
 * middle, as the environment says.
 *
 *   REFUSE_ELEMENT=NAME  each set element with this comment goes to nf_tables with a broken key
 *   REFUSE_NFTABLES=1    what is for nf_tables goes to a part of netfilter's netlink that is not there
 *   REFUSE_SOCKET=1      a socket for netfilter's netlink is one too many (ENFILE)
 *   REFUSE_OWNER=1       a table with the flags of Linux 6.9 is one with unknown flags
 *   REFUSE_RENAME=TEXT   rename(2) to a path that ends with this text fails with EIO
 *   REFUSE_SYNC=1        fsync(2) fails with EIO
 *   SLOW_SYNC=TEXT       fsync(2) takes 3 seconds where the file's name begins with this text
 *   REFUSE_SYSCTL=NAME   of the sysctls of this name, only the first can be written
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static struct nlattr *next(struct nlattr *attr)
{
	return (struct nlattr *)((char *)attr + NLA_ALIGN(attr->nla_len));
}

static struct nlattr *find(struct nlattr *attr, const char *end, int type)
{
	for (; (char *)attr < end; attr = next(attr))
		if ((attr->nla_type & NLA_TYPE_MASK) == type)
			return attr;
	return NULL;
}

static struct nlattr *inside(struct nlattr *nest, int type)
{
	return find(nest + 1, (char *)nest + nest->nla_len, type);
}

static void break_element(struct nlattr *element, const char *name)
{
	struct nlattr *owner = inside(element, NFTA_SET_ELEM_USERDATA);
	struct nlattr *key = inside(element, NFTA_SET_ELEM_KEY);
	const char *text = owner ? (const char *)(owner + 1) + 2 : NULL;

	if (!key || !text || strcmp(text, name) != 0)
		return;
	/* A value of no known type: the key is missing. */
	inside(key, NFTA_DATA_VALUE)->nla_type = NFTA_DATA_MAX + 7;
}

static void break_message(struct nlmsghdr *message, const char *name)
{
	char *end = (char *)message + message->nlmsg_len;
	struct nlattr *list, *element;

	if (message->nlmsg_type != (NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_NEWSETELEM))
		return;
	list = find((struct nlattr *)((char *)NLMSG_DATA(message) + sizeof(struct nfgenmsg)), end,
		    NFTA_SET_ELEM_LIST_ELEMENTS);
	if (!list)
		return;
	for (element = list + 1; (char *)element < (char *)list + list->nla_len;
	     element = next(element))
		break_element(element, name);
}

/* As where these flags are not known (linux/netfilter/nf_tables.h). */
static void spoil_owner(struct nlmsghdr *message)
{
	const uint32_t persist = htonl(0x4), unknown = htonl(0x80);
	struct nlattr *flags;
	uint32_t value;

	if (message->nlmsg_type != (NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_NEWTABLE))
		return;
	flags = find((struct nlattr *)((char *)NLMSG_DATA(message) + sizeof(struct nfgenmsg)),
		     (char *)message + message->nlmsg_len, NFTA_TABLE_FLAGS);
	if (!flags)
		return;
	memcpy(&value, flags + 1, sizeof(value));
	value |= value & persist ? unknown : 0;
	memcpy(flags + 1, &value, sizeof(value));
}

/* As where nf_tables is not: the rest of netfilter answers as ever. */
static void send_astray(struct nlmsghdr *message)
{
	struct nfgenmsg *begin = NLMSG_DATA(message);

	if (message->nlmsg_type >> 8 == NFNL_SUBSYS_NFTABLES)
		message->nlmsg_type = (uint16_t)(NFNL_SUBSYS_OSF << 8 | (message->nlmsg_type & 0xff));
	else if (message->nlmsg_type == NFNL_MSG_BATCH_BEGIN)
		begin->res_id = htons(NFNL_SUBSYS_OSF);
}

ssize_t sendto(int fd, const void *data, size_t len, int flags, const struct sockaddr *to,
	       socklen_t to_len)
{
	ssize_t (*real)(int, const void *, size_t, int, const struct sockaddr *, socklen_t) =
		(ssize_t (*)(int, const void *, size_t, int, const struct sockaddr *, socklen_t))
			dlsym(RTLD_NEXT, "sendto");
	struct nlmsghdr *message;
	size_t at;

	if (getenv("REFUSE_NFTABLES") && to && to->sa_family == AF_NETLINK)
		for (at = 0; at + sizeof(*message) <= len; at += NLMSG_ALIGN(message->nlmsg_len)) {
			message = (struct nlmsghdr *)((char *)data + at);
			send_astray(message);
		}
	return real(fd, data, len, flags, to, to_len);
}

ssize_t sendmsg(int fd, const struct msghdr *packet, int flags)
{
	ssize_t (*real)(int, const struct msghdr *, int) =
		(ssize_t (*)(int, const struct msghdr *, int))dlsym(RTLD_NEXT, "sendmsg");
	const char *name = getenv("REFUSE_ELEMENT");
	struct nlmsghdr *message;
	size_t i, at;

	bool astray = getenv("REFUSE_NFTABLES"), ownerless = getenv("REFUSE_OWNER");

	for (i = 0; (name || astray || ownerless) && i < packet->msg_iovlen; i++)
		for (at = 0; at < packet->msg_iov[i].iov_len; at += NLMSG_ALIGN(message->nlmsg_len)) {
			message = (struct nlmsghdr *)((char *)packet->msg_iov[i].iov_base + at);
			if (name)
				break_message(message, name);
			if (astray)
				send_astray(message);
			if (ownerless)
				spoil_owner(message);
		}
	return real(fd, packet, flags);
}

int socket(int domain, int type, int protocol)
{
	static int (*real)(int, int, int);

	if (!real)
		*(void **)&real = dlsym(RTLD_NEXT, "socket");
	if (getenv("REFUSE_SOCKET") && domain == AF_NETLINK && protocol == NETLINK_NETFILTER) {
		errno = ENFILE;
		return -1;
	}
	return real(domain, type, protocol);
}

int rename(const char *from, const char *to)
{
	int (*real)(const char *, const char *) =
		(int (*)(const char *, const char *))dlsym(RTLD_NEXT, "rename");
	const char *end = getenv("REFUSE_RENAME");

	if (end && strlen(to) >= strlen(end) && strcmp(to + strlen(to) - strlen(end), end) == 0) {
		errno = EIO;
		return -1;
	}
	return real(from, to);
}

/* As with a large file, or a disk that has much to do. */
static void sync_slowly(int fd, const char *begin)
{
	char link[64], path[PATH_MAX];
	ssize_t len;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	len = readlink(link, path, sizeof(path) - 1);
	path[len > 0 ? len : 0] = '\0';
	if (len > 0 && strncmp(strrchr(path, '/') + 1, begin, strlen(begin)) == 0)
		sleep(3);
}

int fsync(int fd)
{
	int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, "fsync");

	if (getenv("REFUSE_SYNC")) {
		errno = EIO;
		return -1;
	}
	if (getenv("SLOW_SYNC"))
		sync_slowly(fd, getenv("SLOW_SYNC"));
	return real(fd);
}

static int open_one(const char *function, const char *path, int flags, mode_t mode)
{
	int (*real)(const char *, int, ...) =
		(int (*)(const char *, int, ...))dlsym(RTLD_NEXT, function);
	const char *name = getenv("REFUSE_SYSCTL"), *slash = strrchr(path, '/');
	static unsigned int n;

	if (name && slash && strcmp(slash + 1, name) == 0 && (flags & O_ACCMODE) != O_RDONLY && n++) {
		errno = EROFS;
		return -1;
	}
	return real(path, flags, mode);
}

static mode_t mode_of(int flags, va_list rest)
{
	return flags & O_CREAT ? va_arg(rest, mode_t) : 0;
}

int open(const char *path, int flags, ...)
{
	va_list rest;
	mode_t mode;

	va_start(rest, flags);
	mode = mode_of(flags, rest);
	va_end(rest);
	return open_one("open", path, flags, mode);
}

int open64(const char *path, int flags, ...)
{
	va_list rest;
	mode_t mode;

	va_start(rest, flags);
	mode = mode_of(flags, rest);
	va_end(rest);
	return open_one("open64", path, flags, mode);
}
