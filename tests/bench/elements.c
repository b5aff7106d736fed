/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Counts nf_tables elements, so that a measured command is known to have done its
 * work; nft takes seconds to list a large map.
 *
 * usage: elements in TABLE SET		how many stand in a set of family inet
 *        elements sent COMMAND …	how many the kernel was given to add meanwhile,
 *					but for those of the set "revision"
 */
#include <arpa/inet.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define PIECE (64 * 1024)
#define ROOM (64 * 1024 * 1024)
/* NFTA_SET_COUNT of Linux 6.16; an older kernel has no such attribute. */
#define SET_COUNT 20

struct count {
	unsigned long elements;
	bool known;
};

static int take_message(const struct nlmsghdr *message, void *ctx)
{
	bool set = message->nlmsg_type == (NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_NEWSET);
	bool elements = message->nlmsg_type == (NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_NEWSETELEM);
	const struct nlattr *attr, *element;
	struct count *count = ctx;

	mnl_attr_for_each(attr, message, sizeof(struct nfgenmsg)) {
		if (set && mnl_attr_get_type(attr) == SET_COUNT) {
			count->elements = ntohl(mnl_attr_get_u32(attr));
			count->known = true;
		}
		if (elements && mnl_attr_get_type(attr) == NFTA_SET_ELEM_LIST_SET &&
		    !strcmp(mnl_attr_get_str(attr), "revision"))
			return MNL_CB_OK;
		if (elements && mnl_attr_get_type(attr) == NFTA_SET_ELEM_LIST_ELEMENTS)
			mnl_attr_for_each_nested(element, attr)
				count->elements++;
	}
	return MNL_CB_OK;
}

static int ask(struct mnl_socket *socket, uint16_t type, uint16_t flags, const char *table,
	       const char *set, struct count *count)
{
	_Alignas(struct nlmsghdr) static char buf[PIECE];
	struct nlmsghdr *message = mnl_nlmsg_put_header(buf);
	struct nfgenmsg *generic;
	ssize_t len;
	int ret;

	message->nlmsg_type = (uint16_t)(NFNL_SUBSYS_NFTABLES << 8 | type);
	message->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | flags;
	generic = mnl_nlmsg_put_extra_header(message, sizeof(*generic));
	generic->nfgen_family = NFPROTO_INET;
	generic->version = NFNETLINK_V0;
	/* These have the same numbers in requests for sets and for elements. */
	mnl_attr_put_strz(message, NFTA_SET_TABLE, table);
	mnl_attr_put_strz(message, NFTA_SET_NAME, set);
	if (mnl_socket_sendto(socket, message, message->nlmsg_len) < 0)
		return -1;
	do {
		len = mnl_socket_recvfrom(socket, buf, sizeof(buf));
		if (len < 0)
			return -1;
		ret = mnl_cb_run(buf, (size_t)len, 0, 0, take_message, count);
	} while (ret > MNL_CB_STOP);
	return ret;
}

static int count_in(struct mnl_socket *socket, const char *table, const char *set,
		    struct count *count)
{
	int ret = ask(socket, NFT_MSG_GETSET, 0, table, set, count);

	if (ret < 0 || count->known)
		return ret;
	return ask(socket, NFT_MSG_GETSETELEM, NLM_F_DUMP, table, set, count);
}

static int run(char **command)
{
	int status;
	pid_t pid = fork();

	if (!pid) {
		execvp(*command, command);
		perror(*command);
		_exit(127);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		return -1;
	errno = ECANCELED;
	return status ? -1 : 0;
}

/* The kernel tells of a transaction before sendmsg() returns to who sent it. */
static int count_sent(struct mnl_socket *socket, char **command, struct count *count)
{
	_Alignas(struct nlmsghdr) static char buf[PIECE];
	int group = NFNLGRP_NFTABLES, room = ROOM, fd = mnl_socket_get_fd(socket);
	ssize_t len;

	setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof(room));
	if (mnl_socket_setsockopt(socket, NETLINK_ADD_MEMBERSHIP, &group, sizeof(group)) < 0 ||
	    run(command) < 0)
		return -1;
	while ((len = recv(fd, buf, sizeof(buf), MSG_DONTWAIT)) > 0)
		if (mnl_cb_run(buf, (size_t)len, 0, 0, take_message, count) < 0)
			return -1;
	return len < 0 && errno == EAGAIN ? 0 : -1;
}

int main(int argc, char **argv)
{
	bool in = argc == 4 && !strcmp(argv[1], "in"), sent = argc > 2 && !strcmp(argv[1], "sent");
	struct count count = { 0 };
	struct mnl_socket *socket;
	int ret = -1;

	if (!in && !sent) {
		fprintf(stderr, "usage: elements in TABLE SET\n"
				"       elements sent COMMAND [ARGUMENT ...]\n");
		return 2;
	}
	socket = mnl_socket_open2(NETLINK_NETFILTER, SOCK_CLOEXEC);
	if (socket && mnl_socket_bind(socket, 0, MNL_SOCKET_AUTOPID) >= 0)
		ret = in ? count_in(socket, argv[2], argv[3], &count) :
			   count_sent(socket, argv + 2, &count);
	if (ret < 0) {
		perror("elements");
		return 1;
	}
	printf("%lu\n", count.elements);
	mnl_socket_close(socket);
	return 0;
}
