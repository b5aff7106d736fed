/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The monitor: what others do is told, and nothing else. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "cases.h"
#include "portfwd/kernel/monitor.h"
#include "portfwd/kernel/netlink.h"
#include "portfwd/kernel/xtables.h"

#define KEY "net/ipv4/conf/lo/route_localnet"

static struct pfw_error err;
static struct pfw_monitor *monitor;

static void begin(void)
{
	err = (struct pfw_error)PFW_ERROR_INIT;
	sandbox_enter();
	ck_assert_int_eq(pfw_monitor_open("ours", &monitor, &err), 0);
}

static struct pfw_netlink *netlink(void)
{
	struct pfw_netlink *nl = NULL;

	ck_assert_int_eq(pfw_netlink_open(&nl, &err), 0);
	return nl;
}

static void put_table(struct pfw_batch *batch, uint16_t type, const char *table)
{
	struct nlmsghdr *message = pfw_batch_begin(batch, type,
						   type == NFT_MSG_NEWTABLE ? NLM_F_CREATE : 0,
						   NFPROTO_INET, 256, NULL);

	ck_assert_ptr_nonnull(message);
	mnl_attr_put_strz(message, NFTA_TABLE_NAME, table);
	pfw_batch_end(batch, message);
}

/* One transaction with a table or two. */
static void change(struct pfw_netlink *nl, uint16_t type, const char *table, const char *other)
{
	struct pfw_batch batch = { 0 };
	struct pfw_refusal refusal = { 0 };

	put_table(&batch, type, table);
	if (other)
		put_table(&batch, type, other);
	ck_assert_int_eq(pfw_batch_send(nl, &batch, 0, false, &refusal, &err), 0);
	pfw_batch_free(&batch);
}

static struct pfw_monitor_news news(void)
{
	struct pfw_monitor_news ret = { 0 };

	pfw_monitor_read(monitor, &ret);
	return ret;
}

static bool is_readable(unsigned int which)
{
	struct pollfd poll_fd = { .events = POLLIN };
	int fds[PFW_MONITOR_FDS];

	pfw_monitor_fds(monitor, fds);
	poll_fd.fd = fds[which];
	return poll(&poll_fd, 1, 0) == 1;
}

/* If this fails, what others do to our table stays, or the daemon looks at what is not its own. */
START_TEST(test_rules)
{
	struct pfw_netlink *nl;
	struct pfw_monitor_news now;

	begin();
	nl = netlink();
	ck_assert(!news().rules);
	change(nl, NFT_MSG_NEWTABLE, "theirs", NULL);
	ck_assert(is_readable(0));
	ck_assert(!news().rules);
	change(nl, NFT_MSG_NEWTABLE, "ours", NULL);
	now = news();
	ck_assert(now.rules && !now.host);
	ck_assert_uint_ne(now.process, 0);
	ck_assert_uint_ne(strlen(now.by), 0);
	ck_assert(!news().rules);
	change(nl, NFT_MSG_NEWTABLE, "oursalso", NULL);
	ck_assert(!news().rules);
	change(nl, NFT_MSG_DELTABLE, "theirs", "ours");
	ck_assert(news().rules);
	pfw_netlink_close(nl);
	pfw_monitor_close(monitor);
}
END_TEST

/* If this fails, every change of our own makes the daemon look at all rules. */
START_TEST(test_own_rules)
{
	struct pfw_netlink *nl, *other;

	begin();
	nl = netlink();
	other = netlink();
	ck_assert_uint_ne(pfw_netlink_port(nl), (uint32_t)getpid());
	pfw_monitor_ignore(monitor, pfw_netlink_port(nl));
	pfw_monitor_ignore(monitor, pfw_netlink_port(nl));
	change(nl, NFT_MSG_NEWTABLE, "ours", NULL);
	ck_assert(!is_readable(0));
	change(other, NFT_MSG_DELTABLE, "ours", NULL);
	ck_assert(news().rules);
	pfw_netlink_close(nl);
	nl = netlink();
	change(nl, NFT_MSG_NEWTABLE, "ours", NULL);
	ck_assert(is_readable(0));
	pfw_monitor_ignore(monitor, pfw_netlink_port(nl));
	ck_assert(!news().rules);
	change(nl, NFT_MSG_DELTABLE, "ours", NULL);
	ck_assert(!is_readable(0));
	pfw_netlink_close(nl);
	pfw_netlink_close(other);
	pfw_monitor_close(monitor);
}
END_TEST

/* If this fails, what is lost because it was too much is not looked after. */
START_TEST(test_overrun)
{
	struct pfw_netlink *nl;
	unsigned int i;

	begin();
	nl = netlink();
	for (i = 0; i < 6000; i++)
		change(nl, i % 2 ? NFT_MSG_DELTABLE : NFT_MSG_NEWTABLE, "theirs", NULL);
	ck_assert(news().rules);
	ck_assert(!news().rules);
	pfw_netlink_close(nl);
	pfw_monitor_close(monitor);
}
END_TEST

/* If this fails, nobody switches forwarding on again. */
START_TEST(test_forwarding)
{
	begin();
	ck_assert(!news().host);
	sandbox_sysctl("net/ipv4/ip_forward", "1");
	ck_assert(is_readable(1));
	ck_assert(news().host);
	ck_assert(!news().host);
	sandbox_sysctl("net/ipv6/conf/all/forwarding", "1");
	ck_assert(news().host);
	sandbox_sysctl("net/ipv4/tcp_ecn", "1");
	ck_assert(!news().host);
	pfw_monitor_close(monitor);
}
END_TEST

/* If this fails, a service on 127.0.0.1 is not reached again once somebody switched that off. */
START_TEST(test_sysctl)
{
	const char *const keys[] = { KEY, "net/ipv4/conf/nosuch/route_localnet",
				     "net/ipv4/conf/all/route_localnet",
				     "net/ipv4/conf/default/route_localnet" };

	begin();
	sandbox_sysctl(KEY, "1");
	ck_assert(!news().host);
	ck_assert_int_eq(pfw_monitor_follow(monitor, keys, COUNT(keys)), 0);
	ck_assert(!news().host);
	sandbox_sysctl(KEY, "0");
	ck_assert(is_readable(2));
	ck_assert(news().host);
	ck_assert_int_eq(pfw_monitor_follow(monitor, keys, COUNT(keys)), 0);
	ck_assert(!is_readable(2));
	sandbox_sysctl(KEY, "1");
	ck_assert(news().host);
	ck_assert_int_eq(pfw_monitor_follow(monitor, NULL, 0), 0);
	ck_assert(!news().host);
	sandbox_sysctl(KEY, "0");
	ck_assert(!news().host);
	pfw_monitor_close(monitor);
}
END_TEST

/* As iptables does. */
static void use_lock(const char *path)
{
	int fd = open(path, O_RDONLY | O_CREAT | O_CLOEXEC, 0600);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(flock(fd, LOCK_EX), 0);
	close(fd);
}

/* If this fails, what others change by iptables stays, or the daemon looks at it again and again. */
START_TEST(test_lock)
{
	struct pfw_xtables_lock lock = PFW_XTABLES_LOCK_INIT;
	char path[] = "/tmp/portfwd-test-XXXXXX";
	int i, fd = mkstemp(path);

	ck_assert_int_ge(fd, 0);
	close(fd);
	ck_assert_int_eq(setenv("XTABLES_LOCKFILE", path, 1), 0);
	begin();
	use_lock(path);
	ck_assert(!is_readable(2));
	for (i = 0; i < 3; i++) {
		ck_assert_int_eq(pfw_xtables_lock(&lock, 1, true, &err), 0);
		ck_assert_int_eq(pfw_xtables_lock(&lock, 1, true, &err), 0);
		pfw_monitor_follow_lock(monitor, pfw_xtables_lock_path());
		pfw_xtables_unlock(&lock);
		ck_assert(!is_readable(2));
		use_lock(path);
		ck_assert(is_readable(2));
		ck_assert(news().rules);
		ck_assert(!news().rules);
	}
	/* Who makes it anew locks another file than before. */
	ck_assert_int_eq(unlink(path), 0);
	ck_assert(news().rules);
	use_lock(path);
	ck_assert_int_eq(pfw_xtables_lock(&lock, 1, true, &err), 0);
	pfw_monitor_follow_lock(monitor, path);
	ck_assert(!news().host);
	pfw_xtables_unlock(&lock);
	use_lock(path);
	ck_assert(news().rules);
	pfw_monitor_follow_lock(monitor, NULL);
	(void)news();
	use_lock(path);
	ck_assert(!news().rules);
	pfw_xtables_lock_close(&lock);
	pfw_monitor_close(monitor);
	unlink(path);
}
END_TEST

TCase *monitor_case(void)
{
	TCase *tcase;

	UNIT_CASE(tcase, "monitor", test_rules, test_own_rules, test_overrun, test_forwarding,
		  test_sysctl, test_lock);
	tcase_set_timeout(tcase, 30);
	return tcase;
}
