/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Facts: what a plan depends on beside the ruleset, and what can change in time.
 * Whoever watches the machine only hands facts over; plans stay pure.
 */
#ifndef PORTFWD_MODEL_FACTS_H
#define PORTFWD_MODEL_FACTS_H

#include <stdbool.h>

struct pfw_facts {
	/* Routing that portfwd switched on earlier and that flush will put back. */
	bool routing_held[2];	/* IPv4, IPv6 */
};

#endif
