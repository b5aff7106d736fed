/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Network namespaces: entering one, and telling one from another. */
#ifndef PORTFWD_KERNEL_NETNS_H
#define PORTFWD_KERNEL_NETNS_H

#include <stdbool.h>
#include <stdint.h>

#include "portfwd/base/error.h"

/* Enters the namespace: a name as of ip-netns(8), or a path where there is a '/'. */
int pfw_netns_enter(const char *name, struct pfw_error *err);

/* A descriptor of the present namespace, to come back to it; a negative errno. */
int pfw_netns_hold(void);
/* Goes back to a namespace that was held, and closes the descriptor. */
int pfw_netns_return(int fd);

/* The file of a namespace, as names are for pfw_netns_enter(), or NULL for the present one. */
int pfw_netns_file(const char *name, uint64_t *ret_device, uint64_t *ret_inode,
		   struct pfw_error *err);

/*
 * A number that this namespace alone has until the next boot: its cookie
 * (SO_NETNS_COOKIE, Linux 5.14), else the inode of its file, which another one may have
 * once this one is gone: *ret_unique is false then.
 */
int pfw_netns_id(uint64_t *ret, bool *ret_unique, struct pfw_error *err);

#endif
