/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Facts: what a plan depends on beside the ruleset, and what can change in time.
 * Whoever watches the machine only hands facts over; plans stay pure.
 */
#ifndef PORTFWD_MODEL_FACTS_H
#define PORTFWD_MODEL_FACTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "portfwd/base/net.h"

/* Compared and copied as bytes, so zero-filled. */
struct pfw_link {
	char name[PFW_IFNAME_SIZE];
	uint32_t index;		/* by which the kernel knows it under every name; 0: not known */
	uint32_t routed;	/* it forwarded what came in by it before portfwd had a hand in it */
};

/*
 * Interfaces in the order of the bytes of their names, no name twice.
 * Zero-initialise; free with pfw_links_free().
 */
struct pfw_links {
	struct pfw_link *list;
	size_t n;
};
/*
 * A name that stands already keeps its index, and is routed only if both are. A name that is too
 * long is none: it is left out. -ENOMEM leaves all as it was.
 */
int pfw_links_add(struct pfw_links *links, const char *name, uint32_t index, bool routed);
/* The one of this name, or of this index, or NULL. */
const struct pfw_link *pfw_links_find(const struct pfw_links *links, const char *name);
const struct pfw_link *pfw_links_find_index(const struct pfw_links *links, uint32_t index);
/* *ret is zero-initialised. -ENOMEM leaves it so. */
int pfw_links_copy(const struct pfw_links *from, struct pfw_links *ret);
void pfw_links_free(struct pfw_links *links);

/* Zero-initialise; free with pfw_facts_free(). By family: IPv4 and IPv6. */
struct pfw_facts {
	int64_t now;		/* seconds since 1970 UTC */
	bool routing_on[2];	/* the machine routes */
	bool routing_held[2];	/* portfwd switched that on, and flush will put it back */
	struct pfw_links links;	/* the interfaces that are there, without loopback */
	/*
	 * Interfaces, without loopback, that were there when portfwd switched
	 * routing on, by the names that they have now; where it is off still, those
	 * that are there now.
	 */
	struct pfw_links guarded[2];
	/*
	 * Interfaces, and "default", that take IPv6 router advertisements as long
	 * as the machine does not route, and should go on to when it does.
	 */
	struct pfw_links advertised;
	struct pfw_links inet;	/* of those that are there, the ones that take IPv4 */
	struct pfw_links localnet_held;	/* whose route_localnet portfwd switched on */
	/* Connections of removed forwards may finish: something must go on rewriting them. */
	bool draining;
	/* What programs the packets belongs to this process alone, as long as it runs. */
	bool owned;
};
void pfw_facts_free(struct pfw_facts *facts);

#endif
