/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What all programs share that use iptables: the lock by which they wait for each other,
 * and which tables stand.
 */
#ifndef PORTFWD_KERNEL_XTABLES_H
#define PORTFWD_KERNEL_XTABLES_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "portfwd/base/error.h"

/*
 * The lock, which is the file of iptables(8). It stays open while it is not held, so that whoever
 * watches who closes the file (pfw_monitor_follow_lock()) hears of others alone.
 */
struct pfw_xtables_lock {
	int fd;			/* -1: not open */
	bool held;
	pid_t opener;		/* a child's lock would be one with its parent's */
};
#define PFW_XTABLES_LOCK_INIT ((struct pfw_xtables_lock){ .fd = -1 })

/* $XTABLES_LOCKFILE, else /run/xtables.lock. */
const char *pfw_xtables_lock_path(void);
/*
 * Takes it, if it is not held already; where others hold it, waits so many seconds, or without wait is
 * -ETIMEDOUT at once, in the same words.
 */
int pfw_xtables_lock(struct pfw_xtables_lock *lock, unsigned int seconds, bool wait,
		     struct pfw_error *err);
void pfw_xtables_unlock(struct pfw_xtables_lock *lock);
/* Gives it back and closes the file. */
void pfw_xtables_lock_close(struct pfw_xtables_lock *lock);

/*
 * Whether a table ("nat") stands in this network namespace, for AF_INET or AF_INET6. The kernel
 * makes one, with its hooks, as soon as somebody asks what is in it; to ask here makes none.
 */
int pfw_xtables_stands(uint8_t family, const char *table, bool *ret, struct pfw_error *err);

/* -EPERM: whoever may not make raw sockets may not see what stands in tables either; else 0. */
int pfw_xtables_permitted(void);

struct pfw_xtables_extension {
	const char *name;	/* "DNAT", "conntrack" */
	uint8_t revision;
	bool is_target;
};
/*
 * Whether the kernel has tables of this family at all, and this match or target for them, which it
 * may load. 0; -EPERM; -ENOENT: not this one; another negative errno: no tables. Makes no table.
 */
int pfw_xtables_try(uint8_t family, const struct pfw_xtables_extension *extension);

#endif
