/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Cutting connections with the change: from the difference of two images to the flows that
 * are lost and gained, and from these to the entries of the kernel's table of connections.
 */
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "inside.h"
#include "match.h"
#include "portfwd/kernel/address.h"
#include "portfwd/kernel/netlink.h"

/* ---- Whose flows may have changed */

/* Names of forwards, each once. */
struct owners {
	const char **names;
	size_t n;
	size_t n_room;
	struct pfw_index index;
};

static bool has_name(const void *array, uint32_t id, const void *name)
{
	return !strcmp(((const char *const *)array)[id], name);
}

static bool owners_have(const void *ctx, const char *name)
{
	const struct owners *owners = ctx;

	return pfw_index_find(&owners->index, pfw_hash(name, strlen(name)), has_name, owners->names,
			      name) != PFW_INDEX_NONE;
}

static int add_name(struct owners *owners, const char *name)
{
	size_t n_room = owners->n_room ? owners->n_room * 2 : 16;
	const char **names;

	if (owners_have(owners, name))
		return 0;
	if (owners->n == owners->n_room) {
		names = reallocarray(owners->names, n_room, sizeof(*names));
		if (!names)
			return -ENOMEM;
		owners->names = names;
		owners->n_room = n_room;
	}
	if (pfw_index_put(&owners->index, pfw_hash(name, strlen(name)), (uint32_t)owners->n))
		return -ENOMEM;
	owners->names[owners->n++] = name;
	return 0;
}

static int add_owner(struct owners *owners, const struct pfw_item *item)
{
	return item && item->owner ? add_name(owners, item->owner) : 0;
}

static int find_owners(const struct side sides[ENGINE_BACKENDS], const struct pfw_image *planned,
		       struct owners *ret)
{
	const struct pfw_difference *difference;
	unsigned int backend;
	int code = 0;
	size_t i;

	for (backend = 0; backend < ENGINE_PACKET_BACKENDS; backend++) {
		difference = &sides[backend].difference;
		for (i = 0; !code && i < difference->n_steps; i++) {
			code = add_owner(ret, difference->steps[i].before);
			if (!code)
				code = add_owner(ret, difference->steps[i].after);
		}
	}
	for (i = 0; !code && planned && i < planned->n_items; i++)
		code = add_owner(ret, &planned->items[i]);
	return code;
}

static void owners_free(struct owners *owners)
{
	free(owners->names);
	pfw_index_free(&owners->index);
}

/* ---- What is lost and gained */

static int fill(struct flow_set *set, const struct pfw_backend *ops, const struct pfw_image *image,
		const struct owners *owners, struct pfw_clients *clients)
{
	struct pfw_flows flows = { 0 };
	int ret;

	ret = ops->flows(image, owners ? owners_have : NULL, owners, clients, &flows);
	if (!ret)
		ret = flow_set_fill(set, &flows);
	pfw_flows_free(&flows);
	return ret;
}

/* All that stood before, whatever backend made it. */
static int fill_before(struct flow_set *set, const struct pfw_engine *engine,
		       const struct side sides[ENGINE_BACKENDS], const struct owners *owners,
		       struct pfw_clients *clients)
{
	const struct pfw_backend *ops;
	struct pfw_flows flows = { 0 };
	unsigned int backend;
	int ret = 0;

	for (backend = 0; !ret && backend < ENGINE_PACKET_BACKENDS; backend++) {
		ops = engine->backends[backend].ops;
		if (ops)
			ret = ops->flows(&sides[backend].before, owners_have, owners, clients,
					 &flows);
	}
	if (!ret)
		ret = flow_set_fill(set, &flows);
	pfw_flows_free(&flows);
	return ret;
}

/* What of from is not in other; only UDP if so wanted. */
static int subtract(const struct flow_set *from, const struct flow_set *other, bool udp_only,
		    struct flow_set *ret)
{
	const struct pfw_flow *flow;
	int code = 0;
	size_t i;

	for (i = 0; !code && i < from->list.n_flows; i++) {
		flow = &from->list.flows[i];
		if ((!udp_only || flow->key.protocol == IPPROTO_UDP) && !flow_set_has(other, flow))
			code = flow_set_add(ret, flow);
	}
	return code;
}

static int compare(const struct pfw_engine *engine, const struct side sides[ENGINE_BACKENDS],
		   const struct pfw_image *planned, bool drain, struct match *ret)
{
	const struct pfw_backend *ops = engine->backends[ENGINE_PACKETS].ops;
	struct flow_set before = { 0 }, wished = { 0 }, after = { 0 };
	struct owners owners = { 0 };
	int code;

	code = find_owners(sides, planned, &owners);
	if (!owners.n)
		goto out;
	if (!code)
		code = fill_before(&before, engine, sides, &owners, &ret->clients);
	if (!code)
		code = fill(&after, ops, &sides[ENGINE_PACKETS].after, &owners, &ret->clients);
	if (!code && planned)
		code = fill(&wished, ops, planned, NULL, &ret->clients);
	if (!code)
		code = subtract(&before, &after, drain, &ret->lost);
	if (!code)
		code = subtract(&wished, &after, drain, &ret->lost);
	if (!code)
		code = subtract(&after, &before, false, &ret->gained);
out:
	flow_set_free(&before);
	flow_set_free(&wished);
	flow_set_free(&after);
	owners_free(&owners);
	return code;
}

/* ---- What else stands there */

#define PORTS (UINT16_MAX + 1u)

/*
 * Of one family and protocol: the next port, from each on, that a lost or gained flow has, or
 * PORTS; and the next of one without an address.
 */
struct touched_ports {
	uint32_t next[PORTS];
	uint32_t next_any[PORTS];
};

/* By family and by protocol, made where there are any. */
struct touched_all {
	struct touched_ports *ports[2][UINT8_MAX + 1];
};

static void touched_free(struct touched_all *touched)
{
	unsigned int f, p;

	for (f = 0; f < 2; f++)
		for (p = 0; p <= UINT8_MAX; p++)
			free(touched->ports[f][p]);
	free(touched);
}

/* First every port of a flow has itself, then each has the next one. */
static int touch_ports(const struct flow_set *set, struct touched_all *touched)
{
	static const uint8_t no_address[16];
	struct touched_ports **ports;
	const struct pfw_key *key;
	uint32_t port;
	size_t i;

	for (i = 0; i < set->list.n_flows; i++) {
		key = &set->list.flows[i].key;
		ports = &touched->ports[key->family == AF_INET6][key->protocol];
		if (!*ports) {
			*ports = malloc(sizeof(**ports));
			if (!*ports)
				return -ENOMEM;
			for (port = 0; port < PORTS; port++)
				(*ports)->next[port] = (*ports)->next_any[port] = PORTS;
		}
		for (port = key->port.lo; port <= key->port.hi; port++) {
			(*ports)->next[port] = port;
			if (!memcmp(key->address, no_address, sizeof(no_address)))
				(*ports)->next_any[port] = port;
		}
	}
	return 0;
}

static void link_ports(struct touched_all *touched)
{
	struct touched_ports *ports;
	unsigned int f, p;
	uint32_t port;

	for (f = 0; f < 2; f++)
		for (p = 0; p <= UINT8_MAX; p++) {
			ports = touched->ports[f][p];
			for (port = PORTS - 1; ports && port-- > 0;) {
				if (ports->next[port] == PORTS)
					ports->next[port] = ports->next[port + 1];
				if (ports->next_any[port] == PORTS)
					ports->next_any[port] = ports->next_any[port + 1];
			}
		}
}

static bool has_spot(const struct flow_set *set, const struct pfw_key *key)
{
	/* Of ranges the address is not looked up. */
	return set->ranges || flow_set_has_spot(set, key);
}

/* Whether a connection of the lost and gained flows may as well be one of this slot. */
static bool overlaps(const struct match *match, const struct pfw_slot *slot, bool any_address)
{
	return any_address || pfw_key_is_range(&slot->key) || slot->key.tier == PFW_TIER_ANY ||
	       slot->key.tier == PFW_TIER_INTERFACE || has_spot(&match->lost, &slot->key) ||
	       has_spot(&match->gained, &slot->key);
}

static int add_key(struct pfw_touched *to, const struct pfw_key *key)
{
	size_t n_room = to->n_keys_room ? to->n_keys_room * 2 : 16;
	struct pfw_key *grown;

	if (to->n_keys == to->n_keys_room) {
		grown = reallocarray(to->keys, n_room, sizeof(*grown));
		if (!grown)
			return -ENOMEM;
		to->keys = grown;
		to->n_keys_room = n_room;
	}
	to->keys[to->n_keys++] = *key;
	return 0;
}

/* The slot's key, and the names of who claims it. */
static int add_slot(const struct pfw_plan *plan, const struct pfw_slot *slot,
		    struct pfw_touched *to, struct owners *names)
{
	const struct pfw_forward *forwards = plan->ruleset->forwards;
	int ret = add_key(to, &slot->key);
	uint32_t at;

	if (!ret)
		ret = add_name(names, forwards[slot->forward].name);
	for (at = slot->more; !ret && at != PFW_INDEX_NONE; at = plan->claims[at].next)
		ret = add_name(names, forwards[plan->claims[at].forward].name);
	return ret;
}

/* Goes once through the groups that have ports of the lost and gained flows. */
static int find_neighbours(const struct pfw_plan *plan, const struct match *match,
			   struct pfw_touched *to, struct owners *names)
{
	struct touched_all *touched = calloc(1, sizeof(*touched));
	const struct touched_ports *ports;
	const struct pfw_group *group;
	uint32_t i, id;
	bool any;
	int ret;

	if (!touched)
		return -ENOMEM;
	ret = touch_ports(&match->lost, touched);
	if (!ret)
		ret = touch_ports(&match->gained, touched);
	link_ports(touched);
	for (i = 0; !ret && i < plan->n_groups; i++) {
		group = &plan->groups[i];
		ports = touched->ports[group->family == AF_INET6][group->protocol];
		if (!ports || ports->next[group->port.lo] > group->port.hi)
			continue;
		any = ports->next_any[group->port.lo] <= group->port.hi;
		for (id = group->first; !ret && id != PFW_INDEX_NONE; id = plan->slots[id].next)
			if (overlaps(match, &plan->slots[id], any))
				ret = add_slot(plan, &plan->slots[id], to, names);
	}
	touched_free(touched);
	return ret;
}

static int find_standing(const struct pfw_plan *plan, const struct pfw_backend *ops,
			 struct match *match, struct pfw_error *err)
{
	struct pfw_touched touched = { 0 };
	struct pfw_image image = { 0 };
	struct owners names = { 0 };
	int ret = find_neighbours(plan, match, &touched, &names);

	touched.names = names.names;
	touched.n_names = names.n;
	names.names = NULL;
	if (!ret && touched.n_keys)
		ret = ops->compile(plan, &touched, &image, err);
	if (!ret)
		ret = fill(&match->standing, ops, &image, NULL, &match->clients);
	pfw_image_free(&image);
	pfw_touched_free(&touched);
	owners_free(&names);
	return ret;
}

/* ---- The connections */

/* What of the filter the flow has not in common with the others is given up. */
static void narrow(const struct pfw_flow *flow, bool first, struct pfw_connection_filter *filter)
{
	const struct pfw_key *key = &flow->key;
	bool has_address = key->tier == PFW_TIER_ADDRESS ||
			   key->tier == PFW_TIER_ADDRESS_INTERFACE;

	if (first) {
		filter->family = key->family;
		filter->protocol = key->protocol;
		filter->port = key->port.lo == key->port.hi ? key->port.lo : 0;
		filter->has_address = has_address;
		memcpy(filter->address, key->address, sizeof(filter->address));
		return;
	}
	if (filter->family != key->family)
		filter->family = 0;
	if (filter->protocol != key->protocol)
		filter->protocol = 0;
	if (filter->port != key->port.lo || filter->port != key->port.hi)
		filter->port = 0;
	if (!has_address || memcmp(filter->address, key->address, sizeof(filter->address)))
		filter->has_address = false;
}

/* Of what is gained, only UDP is looked for. */
static bool is_looked_for(const struct pfw_flow *gained)
{
	return gained->key.protocol == IPPROTO_UDP;
}

/* False where there is nothing to look for. */
static bool make_filter(const struct match *match, struct pfw_connection_filter *ret)
{
	const struct pfw_flows *lost = &match->lost.list, *gained = &match->gained.list;
	struct pfw_connection_filter filter = { .dnat = true };
	bool first = true;
	size_t i;

	for (i = 0; i < lost->n_flows; i++, first = false)
		narrow(&lost->flows[i], first, &filter);
	for (i = 0; i < gained->n_flows; i++) {
		if (!is_looked_for(&gained->flows[i]))
			continue;
		narrow(&gained->flows[i], first, &filter);
		first = filter.dnat = false;
	}
	*ret = filter;
	return !first;
}

/* The routing socket is opened by the first question. */
static int is_own(void *ctx, uint8_t family, const uint8_t address[16], bool *ret,
		  struct pfw_error *err)
{
	struct pfw_addresses **addresses = ctx;
	int code = *addresses ? 0 : pfw_addresses_open(addresses, err);

	return code ? code : pfw_addresses_own(*addresses, family, address, ret, err);
}

/* What stands beside is asked for only where there is a connection that might be of it. */
struct choice {
	struct match match;
	const struct pfw_plan *plan;	/* NULL: nothing stands */
	const struct pfw_backend *ops;
	bool ready;
};

static int choose(void *ctx, const struct pfw_connection *connection, struct pfw_error *err)
{
	struct choice *choice = ctx;
	int ret = 0;

	if (!choice->ready && choice->plan)
		ret = find_standing(choice->plan, choice->ops, &choice->match, err);
	if (ret)
		return ret;
	choice->ready = true;
	return match_is_cut(&choice->match, connection, err);
}

/*
 * Whether there can be anything to cut: something of a forward goes or changes, or UDP comes.
 * Where forwards only come, this spares looking at each of them.
 */
static bool can_matter(const struct side sides[ENGINE_BACKENDS], const struct pfw_image *planned,
		       const struct pfw_plan *plan)
{
	const struct pfw_difference *difference = &sides[ENGINE_PACKETS].difference;
	uint32_t i;

	if (!plan || (planned && planned->n_items) || sides[ENGINE_OTHER].difference.n_steps)
		return true;
	for (i = 0; i < difference->n_steps; i++)
		if (difference->steps[i].before)
			return true;
	for (i = 0; i < plan->n_groups; i++)
		if (plan->groups[i].protocol == IPPROTO_UDP)
			return true;
	return false;
}

/*
 * The socket stays open while the engine does: when one of netfilter is closed, the kernel waits until
 * it has freed what was taken out of nf_tables.
 */
static int cut_chosen(struct pfw_engine *engine, const struct pfw_connection_filter *filter,
		      struct choice *choice, struct pfw_error *err)
{
	size_t n;
	int ret = engine->connections ? 0 : pfw_netlink_open(&engine->connections, err);

	if (!ret)
		ret = pfw_connections_cut(engine->connections, filter, choose, choice, &n, err);
	if (ret) {
		pfw_netlink_close(engine->connections);
		engine->connections = NULL;
	}
	return ret;
}

static int cut(struct pfw_engine *engine, const struct side sides[ENGINE_BACKENDS],
	       const struct pfw_image *planned, const struct pfw_plan *plan, bool drain,
	       struct pfw_error *err)
{
	struct pfw_addresses *addresses = NULL;
	struct choice choice = {
		.match = { .own = is_own, .ctx = &addresses },
		.plan = plan,
		.ops = engine->backends[ENGINE_PACKETS].ops,
	};
	struct pfw_connection_filter filter;
	int ret;

	if (!can_matter(sides, planned, plan))
		return 0;
	ret = compare(engine, sides, planned, drain, &choice.match);
	if (!ret && make_filter(&choice.match, &filter))
		ret = cut_chosen(engine, &filter, &choice, err);
	match_free(&choice.match);
	pfw_addresses_close(addresses);
	return ret && !err->count ? pfw_fail_memory(err) : ret;
}

void engine_cut(struct pfw_engine *engine, const struct side sides[ENGINE_BACKENDS],
		const struct pfw_image *planned, const struct pfw_plan *plan, bool drain,
		struct pfw_report *report)
{
	struct pfw_error err = PFW_ERROR_INIT, ignored = PFW_ERROR_INIT;

	if (cut(engine, sides, planned, plan, drain, &err) &&
	    report_warn(report, &ignored, "the change is made, but connections of before may go "
			"on: %s", err.item[0].message))
		report->warning = "the change is made, but connections of before may go on: "
				  "out of memory";
}
