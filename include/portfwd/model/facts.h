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

/*
 * Names of interfaces in the order of their bytes, none twice, zero-filled.
 * Zero-initialise; free with pfw_links_free().
 */
struct pfw_links {
	char (*names)[PFW_IFNAME_SIZE];
	size_t n;
};
/* A name that is too long is none: it is left out. -ENOMEM leaves all as it was. */
int pfw_links_add(struct pfw_links *links, const char *name);
/* *ret is zero-initialised. -ENOMEM leaves it so. */
int pfw_links_copy(const struct pfw_links *from, struct pfw_links *ret);
void pfw_links_free(struct pfw_links *links);

/* Zero-initialise; free with pfw_facts_free(). By family: IPv4 and IPv6. */
struct pfw_facts {
	int64_t now;		/* seconds since 1970 UTC */
	bool routing_on[2];	/* the machine routes */
	bool routing_held[2];	/* portfwd switched that on, and flush will put it back */
	/*
	 * Interfaces, without loopback, that were there when portfwd switched
	 * routing on; where it is off still, those that are there now.
	 */
	struct pfw_links guarded[2];
	/*
	 * Interfaces, and "default", that take IPv6 router advertisements as long
	 * as the machine does not route, and should go on to when it does.
	 */
	struct pfw_links advertised;
	/* Connections of removed forwards may finish: something must go on rewriting them. */
	bool draining;
};
void pfw_facts_free(struct pfw_facts *facts);

#endif
