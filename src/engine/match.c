/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which connections must not go on after a change. */
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "match.h"

static const uint8_t no_address[16];

/* Where a connection goes before anything is rewritten; without padding, as it is hashed. */
struct spot {
	uint8_t family;
	uint8_t protocol;
	uint16_t port;
	uint8_t address[16];	/* zero: any of the machine's own */
};
_Static_assert(sizeof(struct spot) == 20, "a spot has no padding");

static struct spot spot_of(const struct pfw_key *key)
{
	struct spot spot = { key->family, key->protocol, key->port.lo, { 0 } };

	memcpy(spot.address, key->address, sizeof(spot.address));
	return spot;
}

static bool is_range(const struct pfw_key *key)
{
	return key->port.lo != key->port.hi;
}

static bool flow_has_spot(const void *array, uint32_t id, const void *wanted)
{
	const struct pfw_flow *flow = (const struct pfw_flow *)array + id;
	struct spot spot = spot_of(&flow->key);

	return !is_range(&flow->key) && !memcmp(&spot, wanted, sizeof(spot));
}

static uint32_t first_at(const struct flow_set *set, const struct spot *spot)
{
	return pfw_index_find(&set->spots, pfw_hash(spot, sizeof(*spot)), flow_has_spot,
			      set->list.flows, spot);
}

static uint32_t first_range(const struct flow_set *set)
{
	return set->ranges ? set->ranges - 1 : PFW_INDEX_NONE;
}

static uint32_t first_like(const struct flow_set *set, const struct pfw_key *key)
{
	struct spot spot = spot_of(key);

	return is_range(key) ? first_range(set) : first_at(set, &spot);
}

static bool flow_is(const void *array, uint32_t id, const void *wanted)
{
	return !memcmp((const struct pfw_flow *)array + id, wanted, sizeof(struct pfw_flow));
}

bool flow_set_has(const struct flow_set *set, const struct pfw_flow *flow)
{
	uint32_t id;

	/* All ranges follow each other, so they are not gone through for each. */
	if (is_range(&flow->key))
		return pfw_index_find(&set->whole, pfw_hash(flow, sizeof(*flow)), flow_is,
				      set->list.flows, flow) != PFW_INDEX_NONE;
	for (id = first_like(set, &flow->key); id != PFW_INDEX_NONE; id = set->next[id])
		if (flow_is(set->list.flows, id, flow))
			return true;
	return false;
}

bool flow_set_has_spot(const struct flow_set *set, const struct pfw_key *key)
{
	struct spot spot = spot_of(key);

	return first_at(set, &spot) != PFW_INDEX_NONE;
}

/* Links the flow at this place of the list with those of its spot, behind the first. */
static int link_flow(struct flow_set *set, uint32_t id)
{
	const struct pfw_key *key = &set->list.flows[id].key;
	struct spot spot = spot_of(key);
	uint32_t *next, first;

	if (id >= set->n_next) {
		next = reallocarray(set->next, set->list.n_room, sizeof(*next));
		if (!next)
			return -ENOMEM;
		set->next = next;
		set->n_next = set->list.n_room;
	}
	first = first_like(set, key);
	set->next[id] = PFW_INDEX_NONE;
	if (is_range(key) && pfw_index_put(&set->whole, pfw_hash(&set->list.flows[id],
								 sizeof(*set->list.flows)), id))
		return -ENOMEM;
	if (first != PFW_INDEX_NONE) {
		set->next[id] = set->next[first];
		set->next[first] = id;
	} else if (is_range(key)) {
		set->ranges = id + 1;
	} else {
		return pfw_index_put(&set->spots, pfw_hash(&spot, sizeof(spot)), id);
	}
	return 0;
}

int flow_set_add(struct flow_set *set, const struct pfw_flow *flow)
{
	if (flow_set_has(set, flow))
		return 0;
	if (pfw_flows_add(&set->list, flow))
		return -ENOMEM;
	return link_flow(set, (uint32_t)set->list.n_flows - 1);
}

int flow_set_fill(struct flow_set *set, struct pfw_flows *flows)
{
	size_t i;
	int ret;

	set->list = *flows;
	*flows = (struct pfw_flows){ 0 };
	ret = set->list.n_flows ? pfw_index_grow(&set->spots, set->list.n_flows) : 0;
	for (i = 0; !ret && i < set->list.n_flows; i++)
		ret = link_flow(set, (uint32_t)i);
	return ret;
}

void flow_set_free(struct flow_set *set)
{
	pfw_flows_free(&set->list);
	pfw_index_free(&set->spots);
	pfw_index_free(&set->whole);
	free(set->next);
	*set = (struct flow_set){ 0 };
}

void match_free(struct match *match)
{
	flow_set_free(&match->lost);
	flow_set_free(&match->gained);
	flow_set_free(&match->standing);
	pfw_clients_free(&match->clients);
}

/* One question about an entry: what the machine's own addresses say is asked when needed. */
struct question {
	struct match *match;
	const struct pfw_connection *connection;
	struct pfw_error *err;
	int code;	/* the first failure; all answers are no from then on */
};

static bool is_own(struct question *question, const uint8_t address[16])
{
	bool own = false;

	if (!question->code)
		question->code = question->match->own(question->match->ctx,
						      question->connection->family, address, &own,
						      question->err);
	return !question->code && own;
}

static bool is_loopback(const struct pfw_connection *connection)
{
	struct pfw_addr addr = { .family = connection->family };

	memcpy(addr.bytes, connection->destination, sizeof(addr.bytes));
	return pfw_addr_is_loopback(&addr);
}

/* Whether the key of the flow takes a connection like this. */
static bool takes(struct question *question, const struct pfw_flow *flow)
{
	const struct pfw_connection *connection = question->connection;
	const struct pfw_key *key = &flow->key;

	if (key->family != connection->family || key->protocol != connection->protocol ||
	    connection->port < key->port.lo || connection->port > key->port.hi)
		return false;
	if (memcmp(key->address, no_address, sizeof(no_address))) {
		if (memcmp(key->address, connection->destination, sizeof(key->address)))
			return false;
	} else if (is_loopback(connection) || !is_own(question, connection->destination)) {
		return false;
	}
	return pfw_clients_have(&question->match->clients, flow->clients, connection->source) &&
	       (!flow->remote || !is_own(question, connection->source));
}

/* The port that a connection of this one's port is sent to; no port there is, if of another. */
static uint32_t port_of(const struct pfw_flow *flow, uint16_t port)
{
	if (!flow->port.lo)
		return port;
	if (flow->port.lo == flow->port.hi)
		return flow->port.lo;
	return (uint32_t)flow->port.lo + port - flow->key.port.lo;
}

/* Whether it goes where the flow sends it. */
static bool leads(struct question *question, const struct pfw_flow *flow)
{
	const struct pfw_connection *connection = question->connection;

	if (connection->target_port != port_of(flow, connection->port))
		return false;
	if (!flow->self)
		return !memcmp(connection->target, flow->target, sizeof(flow->target));
	return !memcmp(connection->target, connection->destination, sizeof(connection->target)) ||
	       is_own(question, connection->target);
}

static bool is_of(struct question *question, const struct pfw_flow *flow)
{
	/* The cheaper question first. */
	return leads(question, flow) && takes(question, flow);
}

/*
 * Goes through the flows of a set that may have the connection: those of its
 * destination, those of any address, and the ranges. step starts at 0, id at PFW_INDEX_NONE.
 */
static const struct pfw_flow *next_flow(const struct flow_set *set,
					const struct pfw_connection *connection,
					unsigned int *step, uint32_t *id)
{
	struct spot spot = { connection->family, connection->protocol, connection->port, { 0 } };

	if (*id != PFW_INDEX_NONE)
		*id = set->next[*id];
	for (; *id == PFW_INDEX_NONE && *step < 3; ++*step) {
		if (*step == 0)
			memcpy(spot.address, connection->destination, sizeof(spot.address));
		else
			memset(spot.address, 0, sizeof(spot.address));
		*id = *step == 2 ? first_range(set) : first_at(set, &spot);
	}
	return *id == PFW_INDEX_NONE ? NULL : &set->list.flows[*id];
}

static bool is_wide(const struct pfw_flow *flow)
{
	return flow->wide || is_range(&flow->key);
}

/* Precedence: single ports before ranges, then by tier, then those of fewer clients. */
static bool is_asked_after(const struct match *match, const struct pfw_flow *a,
			   const struct pfw_flow *b)
{
	if (is_wide(a) != is_wide(b))
		return is_wide(a);
	if (a->key.tier != b->key.tier)
		return a->key.tier > b->key.tier;
	return pfw_clients_within(&match->clients, b->clients, a->clients);
}

/* Whether one element, or chain of a key, has both; given that both take one connection. */
static bool is_together(const struct pfw_flow *a, const struct pfw_flow *b)
{
	return is_wide(a) == is_wide(b) && a->key.tier == b->key.tier &&
	       !memcmp(a->key.ifname, b->key.ifname, sizeof(a->key.ifname));
}

static bool same_source(const struct pfw_flow *a, const struct pfw_flow *b)
{
	return a->source == b->source &&
	       !memcmp(a->source_address, b->source_address, sizeof(a->source_address));
}

/*
 * Whether the connection of a lost flow was not this standing one's, although it would
 * be now: they share their place, and differ in their word on the source. It was the standing
 * one's if that stood before and was asked first.
 */
static bool has_taken_over(const struct match *match, const struct pfw_flow *flow,
			   const struct pfw_flow *lost)
{
	return !same_source(flow, lost) && is_together(flow, lost) &&
	       (!is_asked_after(match, lost, flow) || flow_set_has(&match->gained, flow));
}

/*
 * The standing flow that the connection is of, the first to be asked where there are several.
 * With lost, those that have only taken over from it do not count.
 */
static const struct pfw_flow *standing_of(struct question *question, const struct pfw_flow *lost)
{
	const struct match *match = question->match;
	const struct pfw_flow *flow, *found = NULL;
	uint32_t id = PFW_INDEX_NONE;
	unsigned int step = 0;

	while ((flow = next_flow(&match->standing, question->connection, &step, &id))) {
		if (!is_of(question, flow) || (lost && has_taken_over(match, flow, lost)))
			continue;
		if (!found || is_asked_after(match, found, flow))
			found = flow;
	}
	return found;
}

static bool is_lost(struct question *question)
{
	const struct flow_set *set = &question->match->lost;
	const struct pfw_flow *flow;
	uint32_t id = PFW_INDEX_NONE;
	unsigned int step = 0;

	if (!question->connection->dnat)
		return false;
	while ((flow = next_flow(set, question->connection, &step, &id)))
		if (is_of(question, flow) && !standing_of(question, flow))
			return true;
	return false;
}

/* Whether the connection goes past a flow that would take it were it new. */
static bool goes_past(struct question *question)
{
	const struct flow_set *set = &question->match->gained;
	const struct pfw_flow *flow, *holder;
	uint32_t id = PFW_INDEX_NONE;
	unsigned int step = 0;

	if (question->connection->protocol != IPPROTO_UDP)
		return false;
	while ((flow = next_flow(set, question->connection, &step, &id))) {
		if (leads(question, flow) || !takes(question, flow))
			continue;
		holder = standing_of(question, NULL);
		if (holder ? is_asked_after(question->match, holder, flow) :
			     !question->connection->dnat)
			return true;
	}
	return false;
}

int match_is_cut(struct match *match, const struct pfw_connection *connection,
		 struct pfw_error *err)
{
	struct question question = { .match = match, .connection = connection, .err = err };
	bool cut = is_lost(&question) || goes_past(&question);

	return question.code ? question.code : cut;
}
