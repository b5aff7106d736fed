/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Flows: what the objects of a backend do to connections, in words that every
 * backend shares. The engine compares those before and after a change to know whose
 * connections must not go on as they are.
 */
#ifndef PORTFWD_BACKEND_FLOW_H
#define PORTFWD_BACKEND_FLOW_H

#include "portfwd/plan/plan.h"

/*
 * Lists of clients: of source addresses, each list once, so that lists with one number
 * are the same. Number 0 is everyone. Zero-initialise, pfw_clients_free().
 */
struct pfw_clients {
	struct pfw_client_list *lists;
	uint32_t n_lists;
	uint32_t n_room;
};

/* Both ends, inclusive, in network byte order; IPv4 uses the first four bytes. */
struct pfw_client_range {
	uint8_t low[16];
	uint8_t high[16];
};

/* The number of these ranges, ascending and apart; none of them: nobody. -ENOMEM. */
int pfw_clients_add(struct pfw_clients *clients, const struct pfw_client_range *ranges, uint32_t n,
		    uint32_t *ret);
bool pfw_clients_have(const struct pfw_clients *clients, uint32_t list, const uint8_t address[16]);
/* Whether all of list are in other, which has more. */
bool pfw_clients_within(const struct pfw_clients *clients, uint32_t list, uint32_t other);
void pfw_clients_free(struct pfw_clients *clients);

/*
 * Zero-filled and without padding, so that flows compare as bytes. A key of several
 * ports goes to kept ports, to as many ports one to one, or to a single one.
 */
struct pfw_flow {
	struct pfw_key key;
	uint8_t target[16];	/* network byte order; zero with self */
	uint8_t source_address[16];	/* with PFW_SOURCE_ADDRESS */
	struct pfw_ports port;	/* of the target; lo 0: the port is kept */
	uint8_t self;		/* the machine itself */
	uint8_t remote;		/* connections that the machine itself opens are not taken */
	uint8_t source;		/* enum pfw_source; PFW_SOURCE_AUTO with self */
	uint8_t wide;		/* asked with the ranges, even if the key is one port of it */
	uint32_t clients;	/* who is admitted: a list of struct pfw_clients */
};
_Static_assert(sizeof(struct pfw_flow) == 84, "a flow has no padding");

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
