/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The interfaces of the present network namespace. */
#ifndef PORTFWD_KERNEL_LINK_H
#define PORTFWD_KERNEL_LINK_H

#include "portfwd/base/error.h"

/*
 * Calls with the name of each interface, up or down, but not of loopback. Stops
 * at a negative answer and returns it.
 */
int pfw_link_each(int (*each)(void *ctx, const char *name), void *ctx, struct pfw_error *err);

#endif
