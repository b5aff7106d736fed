/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The interfaces of the present network namespace. */
#ifndef PORTFWD_KERNEL_LINK_H
#define PORTFWD_KERNEL_LINK_H

#include <stdint.h>

#include "portfwd/base/error.h"

/*
 * Calls with the name and the index of each interface, up or down, but not of loopback. Stops
 * at a negative answer and returns it.
 */
int pfw_link_each(int (*each)(void *ctx, const char *name, uint32_t index), void *ctx,
		  struct pfw_error *err);

/* The index of an interface, or 0: there is none of that name. */
uint32_t pfw_link_index(const char *name);

#endif
