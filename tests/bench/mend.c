/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Disturbs what portfwdd keeps, at random moments, and tells how long it takes until all stands again:
 * from when the kernel told of the foreign change until it told of the last one that the daemon
 * answered with before it logged its repair.
 *
 * usage: mend LOG TIMES SEED COMMAND …
 *
 * LOG is the daemon's. Each of the commands, words for sh, changes something in nf_tables, or switches
 * IPv4 forwarding off; they are run at random. Prints nanoseconds, a line each.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <libmnl/libmnl.h>
#include <linux/filter.h>
#include <linux/netconf.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/rtnetlink.h>
#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define DAEMON "portfwdd"
#define REPAIRED "put back what others had changed"
#define PIECE (64 * 1024)
/* Between disturbances; one that comes at once after a repair is taken for a fight, and waits. */
#define PAUSE_MS 120
#define PAUSE_MORE_MS 60
#define PATIENCE_NS 20000000000u

#define NEW_GENERATION (NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_NEWGEN)

struct watch {
	struct mnl_socket *sockets[2];	/* of nf_tables and of the host */
	int log;
	uint64_t disturbed;		/* 0: not yet */
	uint64_t mended;		/* the last time */
	unsigned int repairs;		/* that were logged */
};

static _Noreturn void fail(const char *what)
{
	fprintf(stderr, "mend: %s: %s\n", what, errno ? strerror(errno) : "not as expected");
	exit(1);
}

static uint64_t now(void)
{
	struct timespec at;

	clock_gettime(CLOCK_MONOTONIC, &at);
	return (uint64_t)at.tv_sec * 1000000000u + (uint64_t)at.tv_nsec;
}

/* ---- What the kernel and the log tell */

static struct mnl_socket *listen_to(int protocol, int group)
{
	struct mnl_socket *socket = mnl_socket_open2(protocol, SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (!socket || mnl_socket_bind(socket, 0, MNL_SOCKET_AUTOPID) < 0 ||
	    mnl_socket_setsockopt(socket, NETLINK_ADD_MEMBERSHIP, &group, sizeof(group)) < 0)
		fail("listening");
	return socket;
}

/* ldh [nlmsg_type]; jeq #NEWGEN: each transaction is told once, however large it is. */
static void only_generations(struct mnl_socket *socket)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_H | BPF_ABS, offsetof(struct nlmsghdr, nlmsg_type)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, htons(NEW_GENERATION), 0, 1),
		BPF_STMT(BPF_RET | BPF_K, UINT32_MAX),
		BPF_STMT(BPF_RET | BPF_K, 0),
	};
	const struct sock_fprog program = { .len = sizeof(code) / sizeof(*code), .filter = code };

	if (setsockopt(mnl_socket_get_fd(socket), SOL_SOCKET, SO_ATTACH_FILTER, &program,
		       sizeof(program)) < 0)
		fail("filter");
}

static void tell(struct watch *watch, bool mended)
{
	if (mended)
		watch->mended = now();
	else if (!watch->disturbed)
		watch->disturbed = now();
}

static int take_message(const struct nlmsghdr *message, void *ctx)
{
	const struct nlattr *attr;

	if (message->nlmsg_type == NEW_GENERATION)
		mnl_attr_for_each(attr, message, sizeof(struct nfgenmsg))
			if (mnl_attr_get_type(attr) == NFTA_GEN_PROC_NAME)
				tell(ctx, !strcmp(mnl_attr_get_str(attr), DAEMON));
	if (message->nlmsg_type == RTM_NEWNETCONF)
		mnl_attr_for_each(attr, message, sizeof(struct netconfmsg))
			if (mnl_attr_get_type(attr) == NETCONFA_FORWARDING)
				tell(ctx, mnl_attr_get_u32(attr) != 0);
	return MNL_CB_OK;
}

static void take_messages(struct watch *watch)
{
	_Alignas(struct nlmsghdr) static char buf[PIECE];
	ssize_t len;
	size_t i;

	for (i = 0; i < 2; i++)
		while ((len = mnl_socket_recvfrom(watch->sockets[i], buf, sizeof(buf))) > 0)
			mnl_cb_run(buf, (size_t)len, 0, 0, take_message, watch);
}

/* A line is written at once. */
static void read_log(struct watch *watch)
{
	static char text[PIECE + 1];
	const char *at;
	ssize_t len;

	while ((len = read(watch->log, text, PIECE)) > 0) {
		text[len] = '\0';
		for (at = text; (at = strstr(at, REPAIRED)); at++)
			watch->repairs++;
	}
}

static void look(struct watch *watch, int ms)
{
	struct pollfd fds[2];
	size_t i;

	for (i = 0; i < 2; i++)
		fds[i] = (struct pollfd){ mnl_socket_get_fd(watch->sockets[i]), POLLIN, 0 };
	poll(fds, 2, ms);
	take_messages(watch);
	read_log(watch);
	/* What was told before the line was. */
	take_messages(watch);
}

/* ---- One disturbance */

static void wait_a_moment(struct watch *watch)
{
	uint64_t end = now() + 1000000u * (uint64_t)(PAUSE_MS + rand() % PAUSE_MORE_MS);

	while (now() < end)
		look(watch, 10);
	watch->disturbed = watch->mended = 0;
	watch->repairs = 0;
}

static void run(const char *command)
{
	pid_t pid = fork();

	if (!pid) {
		execl("/bin/sh", "sh", "-c", command, (char *)NULL);
		_exit(127);
	}
	if (pid < 0)
		fail("fork");
}

static void reap(const char *command)
{
	int status;

	if (wait(&status) < 0 || status) {
		errno = 0;
		fail(command);
	}
}

static uint64_t disturb(struct watch *watch, const char *command)
{
	uint64_t begin = now();

	run(command);
	while (!watch->disturbed || !watch->repairs || watch->mended < watch->disturbed) {
		look(watch, 1);
		if (now() - begin > PATIENCE_NS) {
			errno = ETIMEDOUT;
			fail(command);
		}
	}
	reap(command);
	return watch->mended - watch->disturbed;
}

int main(int argc, char **argv)
{
	struct watch watch = { .log = -1 };
	const char *command;
	int times;

	if (argc < 5) {
		fprintf(stderr, "usage: mend LOG TIMES SEED COMMAND ...\n");
		return 2;
	}
	watch.log = open(argv[1], O_RDONLY | O_CLOEXEC);
	if (watch.log < 0)
		fail(argv[1]);
	watch.sockets[0] = listen_to(NETLINK_NETFILTER, NFNLGRP_NFTABLES);
	only_generations(watch.sockets[0]);
	watch.sockets[1] = listen_to(NETLINK_ROUTE, RTNLGRP_IPV4_NETCONF);
	srand((unsigned int)atoi(argv[3]));
	for (times = atoi(argv[2]); times > 0; times--) {
		wait_a_moment(&watch);
		command = argv[4 + rand() % (argc - 4)];
		printf("%ju\n", (uintmax_t)disturb(&watch, command));
	}
	mnl_socket_close(watch.sockets[0]);
	mnl_socket_close(watch.sockets[1]);
	close(watch.log);
	return 0;
}
