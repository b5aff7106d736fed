/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Prints what flags table inet portfwd has, which old versions of nft cannot: "owner persist". */
#include <arpa/inet.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static const char table[] = "portfwd";

/* Asks for the table; returns the length of the answer, or -1. */
static ssize_t ask(void *answer, size_t size)
{
	struct {
		struct nlmsghdr head;
		struct nfgenmsg generic;
		struct nlattr name;
		char text[NLA_ALIGN(sizeof(table))];
	} request = {
		.head = { sizeof(request), NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_GETTABLE, NLM_F_REQUEST, 1, 0 },
		.generic = { NFPROTO_INET, NFNETLINK_V0, 0 },
		.name = { NLA_HDRLEN + sizeof(table), NFTA_TABLE_NAME },
	};
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER);
	ssize_t len = -1;

	memcpy(request.text, table, sizeof(table));
	if (fd >= 0 && send(fd, &request, sizeof(request), 0) == sizeof(request))
		len = recv(fd, answer, size, 0);
	if (fd >= 0)
		close(fd);
	return len;
}

int main(void)
{
	static const char *const names[] = { "dormant", "owner", "persist" };
	_Alignas(struct nlmsghdr) char answer[8192];
	ssize_t len = ask(answer, sizeof(answer));
	const struct nlmsghdr *head = (const struct nlmsghdr *)answer;
	const char *at = answer + NLMSG_HDRLEN + sizeof(struct nfgenmsg), *space = "";
	uint32_t flags = 0;
	struct nlattr attr;
	size_t i;

	if (len < (ssize_t)sizeof(*head) || head->nlmsg_type == NLMSG_ERROR) {
		puts("no table");
		return 1;
	}
	for (; at + sizeof(attr) < answer + len; at += NLA_ALIGN(attr.nla_len)) {
		memcpy(&attr, at, sizeof(attr));
		if (attr.nla_type == NFTA_TABLE_FLAGS)
			memcpy(&flags, at + NLA_HDRLEN, sizeof(flags));
	}
	for (i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (ntohl(flags) & 1u << i) {
			printf("%s%s", space, names[i]);
			space = " ";
		}
	puts("");
	return 0;
}
