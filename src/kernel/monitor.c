/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What others change of the packet rules and of the host's routing. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <libmnl/libmnl.h>
#include <limits.h>
#include <linux/filter.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/socket.h>
#include <unistd.h>

#include "portfwd/base/buffer.h"
#include "portfwd/kernel/monitor.h"

#define RECEIVE_SIZE (64 * 1024)
#define RECEIVE_BUFFER (1024 * 1024)
#define PORTS 4
#define LOCK_EVENTS (IN_CLOSE | IN_ATTRIB)	/* the latter where it is removed */
#define PIECES_MAX 1000		/* of one reading: whoever sends for ever does not hold us */
#define TOLD_MAX (256 * 1024)	/* kept of what was told */

/* A sysctl that is watched. */
struct followed {
	int fd;
	int watch;
};

struct pfw_monitor {
	char *table;
	struct mnl_socket *rules;
	struct mnl_socket *host;
	int files;			/* inotify, or -1 */
	struct followed *followed;
	size_t n_followed;
	struct pfw_buffer keys;		/* of what is followed */
	int lock_watch;			/* -1: none */
	bool stale;			/* interfaces came or went: other files may have these keys */
	uint32_t ports[PORTS];		/* whose changes are none; 0: unused */
	unsigned int next_port;
	bool touched;			/* the table, in the transaction that is being told */
	struct pfw_buffer told;		/* of the table */
	bool forgetful;			/* not all of it is there */
	_Alignas(struct nlmsghdr) char receive[RECEIVE_SIZE];
};

static int open_socket(int protocol, const int *groups, size_t n, struct mnl_socket **ret)
{
	const int size = RECEIVE_BUFFER;
	struct mnl_socket *socket = mnl_socket_open2(protocol, SOCK_CLOEXEC | SOCK_NONBLOCK);
	int group, fd;
	size_t i;

	if (!socket)
		return -errno;
	*ret = socket;
	if (mnl_socket_bind(socket, 0, MNL_SOCKET_AUTOPID) < 0)
		return -errno;
	fd = mnl_socket_get_fd(socket);
	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)) < 0)
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	for (i = 0; i < n; i++) {
		group = groups[i];
		if (mnl_socket_setsockopt(socket, NETLINK_ADD_MEMBERSHIP, &group, sizeof(group)) < 0)
			return -errno;
	}
	return 0;
}

int pfw_monitor_open(const char *table, struct pfw_monitor **ret, struct pfw_error *err)
{
	static const int rules[] = { NFNLGRP_NFTABLES };
	static const int host[] = { RTNLGRP_IPV4_NETCONF, RTNLGRP_IPV6_NETCONF };
	struct pfw_monitor *monitor = calloc(1, sizeof(*monitor));
	int code;

	if (!monitor)
		return pfw_fail_memory(err);
	monitor->files = monitor->lock_watch = -1;
	monitor->table = strdup(table);
	code = monitor->table ? 0 : -ENOMEM;
	if (!code)
		code = open_socket(NETLINK_NETFILTER, rules, 1, &monitor->rules);
	/* Without nf_tables in the kernel nobody changes a table. */
	if (code == -EPROTONOSUPPORT)
		code = 0;
	if (!code)
		code = open_socket(NETLINK_ROUTE, host, 2, &monitor->host);
	if (!code) {
		monitor->files = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
		code = monitor->files < 0 ? -errno : 0;
	}
	if (code) {
		pfw_monitor_close(monitor);
		return pfw_fail_errno(err, code, "cannot listen to the kernel");
	}
	*ret = monitor;
	return 0;
}

static void forget_sysctls(struct pfw_monitor *monitor)
{
	struct followed *followed;

	while (monitor->n_followed) {
		followed = &monitor->followed[--monitor->n_followed];
		inotify_rm_watch(monitor->files, followed->watch);
		close(followed->fd);
	}
}

void pfw_monitor_close(struct pfw_monitor *monitor)
{
	if (!monitor)
		return;
	if (monitor->rules)
		mnl_socket_close(monitor->rules);
	if (monitor->host)
		mnl_socket_close(monitor->host);
	forget_sysctls(monitor);
	if (monitor->files >= 0)
		close(monitor->files);
	free(monitor->followed);
	pfw_buffer_free(&monitor->keys);
	pfw_buffer_free(&monitor->told);
	free(monitor->table);
	free(monitor);
}

void pfw_monitor_fds(const struct pfw_monitor *monitor, int ret[PFW_MONITOR_FDS])
{
	ret[0] = monitor->rules ? mnl_socket_get_fd(monitor->rules) : -1;
	ret[1] = mnl_socket_get_fd(monitor->host);
	ret[2] = monitor->files;
}

/* ---- Rules */

/* The first attribute of every object of nf_tables is the name of its table. */
static bool is_of_table(const struct pfw_monitor *monitor, const struct nlmsghdr *message)
{
	const struct nfgenmsg *generic = mnl_nlmsg_get_payload(message);
	const struct nlattr *attr = mnl_nlmsg_get_payload_offset(message, sizeof(*generic));

	if (mnl_nlmsg_get_payload_len(message) < sizeof(*generic) + sizeof(*attr) ||
	    generic->nfgen_family != NFPROTO_INET ||
	    mnl_attr_get_type(attr) != NFTA_TABLE_NAME ||
	    mnl_attr_validate(attr, MNL_TYPE_NUL_STRING) < 0)
		return false;
	return !strcmp(mnl_attr_get_str(attr), monitor->table);
}

static void tell_process(const struct nlmsghdr *message, struct pfw_monitor_news *news)
{
	const struct nlattr *attr;

	news->process = 0;
	*news->by = '\0';
	mnl_attr_for_each(attr, message, sizeof(struct nfgenmsg)) {
		if (mnl_attr_get_type(attr) == NFTA_GEN_PROC_PID &&
		    mnl_attr_validate(attr, MNL_TYPE_U32) >= 0)
			news->process = ntohl(mnl_attr_get_u32(attr));
		if (mnl_attr_get_type(attr) == NFTA_GEN_PROC_NAME &&
		    mnl_attr_validate(attr, MNL_TYPE_NUL_STRING) >= 0)
			snprintf(news->by, sizeof(news->by), "%s", mnl_attr_get_str(attr));
	}
}

/* The filter knows our sockets only once they were named; what it let through before is ours too. */
static bool is_ours(const struct pfw_monitor *monitor, const struct nlmsghdr *message)
{
	unsigned int i;

	for (i = 0; i < PORTS; i++)
		if (monitor->ports[i] && monitor->ports[i] == message->nlmsg_pid)
			return true;
	return false;
}

static void keep_told(struct pfw_monitor *monitor, const struct nlmsghdr *message)
{
	size_t len = MNL_ALIGN(message->nlmsg_len);

	if (monitor->forgetful)
		return;
	if (monitor->told.len + len <= TOLD_MAX)
		pfw_buffer_append(&monitor->told, message, len);
	else
		monitor->forgetful = true;
}

/* A transaction is told object by object, and its end is the new generation. */
static void take_rules(struct pfw_monitor *monitor, const struct nlmsghdr *message,
		       struct pfw_monitor_news *news)
{
	if (message->nlmsg_type >> 8 != NFNL_SUBSYS_NFTABLES || is_ours(monitor, message))
		return;
	if ((message->nlmsg_type & 0xff) != NFT_MSG_NEWGEN) {
		if (is_of_table(monitor, message)) {
			monitor->touched = true;
			keep_told(monitor, message);
		}
		return;
	}
	if (!monitor->touched)
		return;
	monitor->touched = false;
	news->rules = true;
	tell_process(message, news);
}

static void take_host(struct pfw_monitor *monitor, const struct nlmsghdr *message,
		      struct pfw_monitor_news *news)
{
	if (message->nlmsg_type == RTM_NEWNETCONF || message->nlmsg_type == RTM_DELNETCONF)
		news->host = monitor->stale = true;
}

typedef void take_function(struct pfw_monitor *monitor, const struct nlmsghdr *message,
			   struct pfw_monitor_news *news);

/* False: something was lost, for it was more than fits. */
static bool take_all(struct pfw_monitor *monitor, struct mnl_socket *socket, take_function *take,
		     struct pfw_monitor_news *news)
{
	const struct nlmsghdr *message;
	bool whole = true;
	unsigned int i;
	ssize_t len;
	int left;

	for (i = 0; i < PIECES_MAX; i++) {
		len = mnl_socket_recvfrom(socket, monitor->receive, sizeof(monitor->receive));
		if (len < 0 && errno == EINTR)
			continue;
		if (len < 0 && errno != ENOBUFS)
			break;
		whole = whole && len >= 0;
		left = len < 0 ? 0 : (int)len;
		message = (const struct nlmsghdr *)monitor->receive;
		for (; mnl_nlmsg_ok(message, left); message = mnl_nlmsg_next(message, &left))
			take(monitor, message, news);
	}
	return whole;
}

/* ---- Sysctls, and the lock */

static void take_file(const struct pfw_monitor *monitor, const struct inotify_event *event,
		      struct pfw_monitor_news *news)
{
	const bool lost = event->mask & IN_Q_OVERFLOW;

	if (lost || (event->mask & LOCK_EVENTS && event->wd == monitor->lock_watch))
		news->rules = true;
	if (lost || event->mask & IN_MODIFY)
		news->host = true;
}

static void take_files(struct pfw_monitor *monitor, struct pfw_monitor_news *news)
{
	const struct inotify_event *event;
	const char *at;
	ssize_t len;

	while ((len = read(monitor->files, monitor->receive, sizeof(monitor->receive))) > 0)
		for (at = monitor->receive; at < monitor->receive + len;
		     at += sizeof(*event) + event->len) {
			event = (const struct inotify_event *)(const void *)at;
			take_file(monitor, event, news);
		}
}

/*
 * As long as the file is open, the kernel keeps it, and with it the inode that is watched: else it
 * could make another one for whoever writes next.
 */
static void follow_one(struct pfw_monitor *monitor, const char *key)
{
	struct followed *followed = &monitor->followed[monitor->n_followed];
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "/proc/sys/%s", key);
	followed->fd = open(path, O_RDONLY | O_CLOEXEC);
	if (followed->fd < 0)
		return;
	followed->watch = inotify_add_watch(monitor->files, path, IN_MODIFY);
	if (followed->watch < 0)
		close(followed->fd);
	else
		monitor->n_followed++;
}

/* All keys behind one another. */
static void list_keys(const char *const *keys, size_t n, struct pfw_buffer *ret)
{
	size_t i;

	for (i = 0; i < n; i++)
		pfw_buffer_append(ret, keys[i], strlen(keys[i]) + 1);
}

int pfw_monitor_follow(struct pfw_monitor *monitor, const char *const *keys, size_t n)
{
	struct pfw_buffer *old = &monitor->keys, list = { 0 };
	struct followed *followed;
	size_t i;

	list_keys(keys, n, &list);
	if (!monitor->stale && !list.failed && list.len == old->len &&
	    (!list.len || !memcmp(list.data, old->data, list.len))) {
		pfw_buffer_free(&list);
		return 0;
	}
	followed = calloc(n ? n : 1, sizeof(*followed));
	if (!followed || list.failed) {
		pfw_buffer_free(&list);
		return -ENOMEM;
	}
	forget_sysctls(monitor);
	free(monitor->followed);
	monitor->followed = followed;
	pfw_buffer_free(old);
	*old = list;
	monitor->stale = false;
	for (i = 0; i < n; i++)
		follow_one(monitor, keys[i]);
	return 0;
}

void pfw_monitor_follow_lock(struct pfw_monitor *monitor, const char *path)
{
	const int watch = path ? inotify_add_watch(monitor->files, path, LOCK_EVENTS) : -1;

	if (monitor->lock_watch >= 0 && monitor->lock_watch != watch)
		inotify_rm_watch(monitor->files, monitor->lock_watch);
	monitor->lock_watch = watch;
}

void pfw_monitor_read(struct pfw_monitor *monitor, struct pfw_monitor_news *news)
{
	if (monitor->rules && !take_all(monitor, monitor->rules, take_rules, news))
		news->rules = monitor->forgetful = true;
	if (!take_all(monitor, monitor->host, take_host, news))
		news->host = monitor->stale = true;
	take_files(monitor, news);
}

bool pfw_monitor_told(const struct pfw_monitor *monitor, struct pfw_told *ret)
{
	if (monitor->forgetful || monitor->told.failed)
		return false;
	*ret = (struct pfw_told){ monitor->told.data, monitor->told.len };
	return true;
}

void pfw_monitor_forget(struct pfw_monitor *monitor)
{
	pfw_buffer_free(&monitor->told);
	monitor->forgetful = false;
}

/* ---- Whose changes are none */

/*
 * ld [nlmsg_pid]; jeq #port, drop; ... ret all. The kernel then queues nothing of our own
 * changes, however large they are.
 */
static void attach_filter(struct pfw_monitor *monitor)
{
	struct sock_filter code[PORTS + 3];
	struct sock_fprog program = { .filter = code };
	unsigned short n = 0;
	unsigned int i;

	code[n++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
						 offsetof(struct nlmsghdr, nlmsg_pid));
	for (i = 0; i < PORTS; i++)
		code[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K,
							 htonl(monitor->ports[i]), 0, 0);
	code[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, UINT32_MAX);
	for (i = 1; i <= PORTS; i++)
		if (monitor->ports[i - 1])
			code[i].jt = (unsigned char)(n - i - 1);
	code[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, 0);
	program.len = n;
	/* Without it, our own changes are looked after once more, and found to be in order. */
	(void)setsockopt(mnl_socket_get_fd(monitor->rules), SOL_SOCKET, SO_ATTACH_FILTER, &program,
			 sizeof(program));
}

void pfw_monitor_ignore(struct pfw_monitor *monitor, uint32_t port)
{
	unsigned int i;

	for (i = 0; i < PORTS; i++)
		if (monitor->ports[i] == port || !monitor->rules)
			return;
	monitor->ports[monitor->next_port++ % PORTS] = port;
	attach_filter(monitor);
}
