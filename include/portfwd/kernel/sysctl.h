/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Network sysctls of the present network namespace, below /proc/sys. */
#ifndef PORTFWD_KERNEL_SYSCTL_H
#define PORTFWD_KERNEL_SYSCTL_H

#include <stddef.h>

#include "portfwd/base/error.h"

#define PFW_SYSCTL_VALUE 64

/*
 * key is as below /proc/sys: "net/ipv4/ip_forward". The value comes without its
 * newline. -ENOENT (without words) where the kernel has no such key.
 */
int pfw_sysctl_read(const char *key, char ret[PFW_SYSCTL_VALUE], struct pfw_error *err);
int pfw_sysctl_write(const char *key, const char *value, struct pfw_error *err);

/*
 * Calls with the name of each interface below "net/ipv4/conf" (or ipv6), "all"
 * and "default" too, in the order of their names. Stops at a negative answer and returns it.
 */
int pfw_sysctl_each(const char *dir, int (*each)(void *ctx, const char *name), void *ctx,
		    struct pfw_error *err);

#endif
