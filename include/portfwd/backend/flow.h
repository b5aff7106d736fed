/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Flows: what the objects of a backend do to connections, in words that every
 * backend shares. The engine compares those before and after a change to know whose
 * connections must not go on as they are.
 */
#ifndef PORTFWD_BACKEND_FLOW_H
#define PORTFWD_BACKEND_FLOW_H

#include "portfwd/plan/plan.h"

/* Zero-filled and without padding, so that flows compare and hash as bytes. */
struct pfw_flow {
	struct pfw_key key;
	uint8_t target[16];	/* network byte order; zero with self */
	struct pfw_ports port;	/* of the target; lo 0: the port is kept */
	uint8_t self;		/* the machine itself */
	uint8_t remote;		/* connections that the machine itself opens are not taken */
	uint8_t source;		/* enum pfw_source; PFW_SOURCE_AUTO with self */
	uint8_t zero;
};
_Static_assert(sizeof(struct pfw_flow) == 64, "a flow has no padding");

/* A growing list; zero-initialise, free with pfw_flows_free(). */
struct pfw_flows {
	struct pfw_flow *flows;
	size_t n_flows;
	size_t n_room;
};

/* -ENOMEM leaves the list as it was. */
int pfw_flows_add(struct pfw_flows *flows, const struct pfw_flow *flow);
void pfw_flows_free(struct pfw_flows *flows);

#endif
