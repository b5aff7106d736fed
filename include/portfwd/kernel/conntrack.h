/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The kernel's table of connections: looking through it once, and cutting what is
 * chosen (linux/netfilter/nfnetlink_conntrack.h).
 *
 * By libmnl, not libnetfilter_conntrack: two messages are all that is needed, a deletion can
 * give the tuple back byte for byte as the kernel told it, and one library less is in the
 * way (NFCT_Q_FLUSH_FILTER of its version 1.0.9 ignores the filter and would cut everything).
 */
#ifndef PORTFWD_KERNEL_CONNTRACK_H
#define PORTFWD_KERNEL_CONNTRACK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "portfwd/base/error.h"

/* An entry, as far as it tells what was rewritten. Addresses are in network byte order. */
struct pfw_connection {
	uint8_t family;			/* AF_INET or AF_INET6 */
	uint8_t protocol;		/* IPPROTO_TCP ... */
	bool dnat;			/* IPS_DST_NAT: the destination was rewritten */
	uint8_t source[16];		/* who opened it */
	uint8_t destination[16];	/* and where to, before anything was rewritten */
	uint16_t port;			/* of the destination, host byte order */
	uint8_t target[16];		/* whoever answers: the source of the replies */
	uint16_t target_port;		/* host byte order */
};

/*
 * What all wanted entries have in common; zero: anything. The kernel leaves out what
 * differs, so that a busy machine is not copied as a whole. A protocol and an address
 * count only with a family, a port only with a protocol.
 */
struct pfw_connection_filter {
	uint8_t family;
	uint8_t protocol;
	uint16_t port;			/* of the original destination, host byte order */
	bool has_address;
	uint8_t address[16];		/* of the original destination */
	bool dnat;			/* only those whose destination was rewritten */
};

/* 1: cut this one; 0: leave it; negative errno: stop, nothing was cut yet. */
typedef int pfw_connection_chooser(void *ctx, const struct pfw_connection *connection,
				   struct pfw_error *err);

struct pfw_netlink;

/*
 * Looks through all entries once, and cuts the chosen ones: each by its own tuple, zone and
 * id, so that none is cut that came in its place meanwhile. choose may see an entry twice, or
 * one that the filter does not want. What has ended by itself is no failure. *ret_n: how many
 * were cut. Works in the network namespace of the socket and needs CAP_NET_ADMIN there.
 */
int pfw_connections_cut(struct pfw_netlink *nl, const struct pfw_connection_filter *filter,
			pfw_connection_chooser *choose, void *ctx, size_t *ret_n,
			struct pfw_error *err);

#endif
