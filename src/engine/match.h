/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which connections must not go on after a change. Pure: three sets of flows and an entry
 * of the kernel's table in, yes or no out.
 *
 * An entry tells who opened the connection and where to, whether the destination was
 * rewritten, and who answers. It does not tell which rule rewrote it, nor by which
 * interface it came in. So an entry is of a flow if
 * - its original destination, protocol and port are those of the flow's key; where the key has no
 *   address, the destination is now an address of the machine itself (and not a loopback
 *   address), as the rules ask as well;
 * - the machine did not open it itself, if the flow does not take such connections, and who
 *   opened it is one of the flow's clients;
 * - whoever answers is the flow's target, address and port; for the target self, the original
 *   destination or another address of the machine.
 *
 * Cut is an entry whose destination was rewritten and that is of a flow that is lost, unless it
 * is of a flow that stands as well: then it would be made just so again. And cut is a UDP entry
 * that a gained flow would take, if nothing rewrote it or a flow did that is asked
 * after the gained one. What others rewrote stays.
 *
 * What this cannot tell apart:
 * - a connection that another program's rule sent from the same key to the same target: it
 *   is cut with the forward;
 * - two forwards with overlapping keys (by interface, or one of them for any address) and the
 *   same target: the connections of a removed one go on as those of the other, even if only
 *   their word on the source address differs;
 * - a UDP flow through another interface than that of a gained flow, to the same address and
 *   port: it is cut, which costs nothing, because its next packet makes the same entry anew;
 * - a forward whose target is its own listen address and port: it rewrites nothing, its
 *   connections are like those that only pass, and they are never cut;
 * - what an earlier change left open on request (drain) with a target that is not the
 *   forward's any more: no later change knows of it;
 * - what a forward left open that has expired: its elements were gone before any change;
 *   whole forwards that others took out of the kernel before a reload or flush, likewise: there
 *   what stood before is known from the kernel alone (a change knows the configuration too).
 */
#ifndef ENGINE_MATCH_H
#define ENGINE_MATCH_H

#include "portfwd/backend/flow.h"
#include "portfwd/base/index.h"
#include "portfwd/kernel/conntrack.h"

/* Flows by what can be known of them from an entry. Zero-initialise; flow_set_free(). */
struct flow_set {
	struct pfw_flows list;
	uint32_t *next;		/* another flow with the same destination, or PFW_INDEX_NONE */
	size_t n_next;
	struct pfw_index spots;	/* family, protocol, port and address -> the first flow there */
	uint32_t ranges;	/* the first flow of several ports, plus 1; 0: there is none */
	struct pfw_index whole;	/* flows of several ports by all that they are */
};

/* Takes the flows over, each once; on -ENOMEM the set is to be freed. */
int flow_set_fill(struct flow_set *set, struct pfw_flows *flows);
/* Adds a flow that may be there already; -ENOMEM. */
int flow_set_add(struct flow_set *set, const struct pfw_flow *flow);
bool flow_set_has(const struct flow_set *set, const struct pfw_flow *flow);
/* Whether some flow has the family, protocol, port and address of this key. */
bool flow_set_has_spot(const struct flow_set *set, const struct pfw_key *key);
void flow_set_free(struct flow_set *set);

struct match {
	struct flow_set lost;		/* stood before and do not stand any more */
	struct flow_set gained;		/* stand now and did not before */
	struct flow_set standing;	/* all that stand now and could have an entry of these */
	struct pfw_clients clients;	/* of all of them */
	/* Whether the address is the machine's own. */
	int (*own)(void *ctx, uint8_t family, const uint8_t address[16], bool *ret,
		   struct pfw_error *err);
	void *ctx;
};

/* 1: the connection must be cut; 0: not; or the failure of own. */
int match_is_cut(struct match *match, const struct pfw_connection *connection,
		 struct pfw_error *err);
void match_free(struct match *match);

#endif
