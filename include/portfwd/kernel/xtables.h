/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What all programs share that use iptables: the lock by which they wait for each other,
 * and which tables stand.
 */
#ifndef PORTFWD_KERNEL_XTABLES_H
#define PORTFWD_KERNEL_XTABLES_H

#include <stdbool.h>
#include <stdint.h>

#include "portfwd/base/error.h"

/*
 * Takes the lock; where others hold it, waits so many seconds, or without wait is -ETIMEDOUT at
 * once, in the same words. Close *ret_fd to give it back. It is the file of iptables(8):
 * $XTABLES_LOCKFILE, else /run/xtables.lock.
 */
int pfw_xtables_lock(unsigned int seconds, bool wait, int *ret_fd, struct pfw_error *err);

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
