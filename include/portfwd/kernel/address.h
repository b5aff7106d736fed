/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Addresses as the kernel's routing sees them. */
#ifndef PORTFWD_KERNEL_ADDRESS_H
#define PORTFWD_KERNEL_ADDRESS_H

#include <stdbool.h>
#include <stdint.h>

#include "portfwd/base/error.h"

struct pfw_addresses;

/* Binds to the present network namespace. */
int pfw_addresses_open(struct pfw_addresses **ret, struct pfw_error *err);
void pfw_addresses_close(struct pfw_addresses *addresses);

/*
 * Whether the address is one of the machine's own: the question that the rules ask with
 * "fib daddr type local", put to the same tables (a route of type local, RTM_GETROUTE of
 * rtnetlink(7)). Answers are remembered for as long as it is open. family is AF_INET or
 * AF_INET6; IPv4 uses the first four bytes.
 */
int pfw_addresses_own(struct pfw_addresses *addresses, uint8_t family, const uint8_t address[16],
		      bool *ret, struct pfw_error *err);

#endif
