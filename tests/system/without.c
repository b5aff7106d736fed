/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Runs a command as on a kernel that has no nf_tables, or no iptables, or neither:
 *
 *   without nftables|iptables|both COMMAND …
 *
 * A seccomp filter answers in the kernel's place, so no library can go past it. Without
 * nftables nothing of netfilter's netlink protocol is there.
 */
#include <errno.h>
#include <linux/filter.h>
#include <linux/netlink.h>
#include <linux/seccomp.h>
#include <netinet/in.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

/* IPT_BASE_CTL and IP6T_BASE_CTL, and how many there are of each. */
#define TABLES_FIRST 64
#define TABLES_LAST 67

#define ARGUMENT(n) \
	BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[n]))
#define SKIP_UNLESS(value, n) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, 0, n)
#define ANSWER(error) BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (error))
#define NUMBER BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr))
#define GO_ON BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)

static struct sock_filter no_netfilter[] = {
	NUMBER,
	SKIP_UNLESS(SYS_socket, 5),
	ARGUMENT(0),
	SKIP_UNLESS(AF_NETLINK, 3),
	ARGUMENT(2),
	SKIP_UNLESS(NETLINK_NETFILTER, 1),
	ANSWER(EPROTONOSUPPORT),
	GO_ON,
};

#define NO_TABLES(call, level) {						\
	NUMBER,									\
	SKIP_UNLESS(call, 6),							\
	ARGUMENT(1),								\
	SKIP_UNLESS(level, 4),							\
	ARGUMENT(2),								\
	BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, TABLES_FIRST, 0, 2),		\
	BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, TABLES_LAST, 1, 0),			\
	ANSWER(ENOPROTOOPT),							\
	GO_ON,									\
}

static struct sock_filter no_tables[][9] = {
	NO_TABLES(SYS_getsockopt, SOL_IP),
	NO_TABLES(SYS_setsockopt, SOL_IP),
	NO_TABLES(SYS_getsockopt, SOL_IPV6),
	NO_TABLES(SYS_setsockopt, SOL_IPV6),
};

static int install(struct sock_filter *filter, unsigned short length)
{
	struct sock_fprog program = { .len = length, .filter = filter };

	if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program)) {
		perror("without: prctl");
		return -1;
	}
	return 0;
}

int main(int argc, char **argv)
{
	int nftables = argc > 2 && strcmp(argv[1], "iptables") != 0;
	int iptables = argc > 2 && strcmp(argv[1], "nftables") != 0;
	size_t i;

	if (argc < 3) {
		fputs("usage: without nftables|iptables|both COMMAND ...\n", stderr);
		return 2;
	}
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)) {
		perror("without: prctl");
		return 1;
	}
	if (nftables && install(no_netfilter, sizeof(no_netfilter) / sizeof(*no_netfilter)))
		return 1;
	for (i = 0; iptables && i < sizeof(no_tables) / sizeof(*no_tables); i++)
		if (install(no_tables[i], sizeof(no_tables[i]) / sizeof(*no_tables[i])))
			return 1;
	execvp(argv[2], argv + 2);
	perror(argv[2]);
	return 127;
}
