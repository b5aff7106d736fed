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
 * Takes the lock, waiting for others so many seconds; close *ret_fd to give it back. It is
 * the file of iptables(8): $XTABLES_LOCKFILE, else /run/xtables.lock.
 */
int pfw_xtables_lock(unsigned int seconds, int *ret_fd, struct pfw_error *err);

/*
 * Whether a table ("nat") stands in this network namespace, for AF_INET or AF_INET6. The kernel
 * makes one, with its hooks, as soon as somebody asks what is in it; to ask here makes none.
 */
int pfw_xtables_stands(uint8_t family, const char *table, bool *ret, struct pfw_error *err);

/*
 * Whether the kernel has the tables of this family at all and lets us use them, and has a target of this
 * name and revision; it may load what they need. 0; -EPERM; -ENOPROTOOPT: no tables; -ENOENT:
 * no such target; another negative errno. Makes no table.
 */
int pfw_xtables_try(uint8_t family, const char *target, uint8_t revision);

#endif
