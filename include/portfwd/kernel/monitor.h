/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What others change of the packet rules and of the host's routing, as the kernel tells it while
 * it happens (netlink multicast, and inotify(7) for single sysctls, of which netlink tells nothing,
 * and for the lock of those who change rules of which nothing is told).
 */
#ifndef PORTFWD_KERNEL_MONITOR_H
#define PORTFWD_KERNEL_MONITOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "portfwd/base/error.h"

struct pfw_monitor;

/* All that came since the last time. Zero-initialise. */
struct pfw_monitor_news {
	bool rules;		/* the table was changed, or may have been */
	bool host;		/* forwarding or a sysctl was written, or an interface came or went */
	/* Who changed the table last, as the first namespace of processes counts; 0: not known. */
	uint32_t process;
	char by[16];		/* the name of that process; "": not known */
};

/*
 * Listens in the present network namespace; table is one of family inet of nf_tables. Opened
 * before any other netfilter netlink socket, it leaves the process's own number, which others may
 * have later, to none that changes something.
 */
int pfw_monitor_open(const char *table, struct pfw_monitor **ret, struct pfw_error *err);
void pfw_monitor_close(struct pfw_monitor *monitor);

/* The descriptors to poll for reading; they stay the same ones. -1: there is nothing to poll. */
#define PFW_MONITOR_FDS 3
void pfw_monitor_fds(const struct pfw_monitor *monitor, int ret[PFW_MONITOR_FDS]);

/* Takes off what came, without waiting, and adds it to the news. */
void pfw_monitor_read(struct pfw_monitor *monitor, struct pfw_monitor_news *news);

/*
 * What the kernel told of the table in all that was read and not forgotten since: its messages, one
 * behind the other, without those that end a transaction. They hold until the next read.
 */
struct pfw_told {
	const void *messages;
	size_t len;
};
/* False: something was lost, or it was too much to keep. */
bool pfw_monitor_told(const struct pfw_monitor *monitor, struct pfw_told *ret);
void pfw_monitor_forget(struct pfw_monitor *monitor);

/*
 * From now on, nothing is told of what the netlink socket of this number (pfw_netlink_port()) changes
 * in the rules. The last few that were named count.
 */
void pfw_monitor_ignore(struct pfw_monitor *monitor, uint32_t port);

/*
 * Watches just these sysctls (keys as of pfw_sysctl_read()) from now on; one that is not there is
 * none. Cheap where they are the same as before. -ENOMEM: those of before stay watched.
 */
int pfw_monitor_follow(struct pfw_monitor *monitor, const char *const *keys, size_t n);

/*
 * From now on, whoever closes this file is taken for somebody who has changed the rules; NULL:
 * nobody is. It is looked for anew in each call, for it may be another one.
 */
void pfw_monitor_follow_lock(struct pfw_monitor *monitor, const char *path);

#endif
