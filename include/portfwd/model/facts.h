/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Facts: what a plan depends on beside the ruleset, and what can change in time.
 * Whoever watches the machine only hands facts over; plans stay pure.
 */
#ifndef PORTFWD_MODEL_FACTS_H
#define PORTFWD_MODEL_FACTS_H

#include <stdbool.h>
#include <stdint.h>

struct pfw_facts {
	int64_t now;		/* seconds since 1970 UTC */
	/* By family, IPv4 and IPv6. */
	bool routing_on[2];	/* the machine routes */
	bool routing_held[2];	/* portfwd switched that on, and flush will put it back */
};

#endif
