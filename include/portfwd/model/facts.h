/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Facts: what a plan depends on beside the ruleset, and what can change in time.
 * Whoever watches the machine only hands facts over; plans stay pure.
 */
#ifndef PORTFWD_MODEL_FACTS_H
#define PORTFWD_MODEL_FACTS_H

#include <stdbool.h>

struct pfw_facts {
	/* By family, IPv4 and IPv6. */
	bool routing_on[2];	/* the machine routes */
	bool routing_held[2];	/* portfwd switched that on, and flush will put it back */
	/* Connections of removed forwards may finish: something must go on rewriting them. */
	bool draining;
};

#endif
