/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What our rules do to connections. Limits, logs and the shares of targets say nothing about a
 * connection that is open.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "compile.h"

/* Where a chain sends connections. Without padding, so that routes compare as bytes. */
struct route {
	uint8_t target[16];
	struct pfw_ports port;	/* lo 0: it is kept */
	uint8_t self;
	uint8_t zero;
};

/* The chain of a forward that decides who is admitted and where to; read when first asked for. */
struct chain {
	const struct pfw_item *item;
	bool is_read;
	uint32_t clients;
	struct route *routes;
	size_t n_routes;
};

struct walk {
	const struct pfw_image *image;
	bool (*wanted)(const void *ctx, const char *owner);
	const void *ctx;
	struct pfw_clients *clients;
	struct pfw_flows *flows;
	struct chain *chains;
	uint32_t n_chains;
	struct pfw_index places;	/* of the chains */
	struct pfw_index sources;	/* items that have a word on the source address */
};

static const struct ipt_rule *rule_of(const struct pfw_item *item)
{
	return &ipt_item_value(item)->rule;
}

/* ---- Chains */

static bool chain_has_place(const void *array, uint32_t id, const void *key)
{
	const struct chain *chain = &((const struct chain *)array)[id];

	return !memcmp(pfw_item_key(chain->item), key, sizeof(struct ipt_place));
}

/* The chain of this name, of table nat, if it is the same forward's; else NULL. */
static struct chain *find_chain(struct walk *walk, uint8_t family, const char *name,
				const char *owner)
{
	struct ipt_place place = { .family = family, .table = IPT_TABLE_NAT };
	uint32_t id;

	strncpy(place.chain, name, sizeof(place.chain) - 1);
	id = pfw_index_find(&walk->places, pfw_hash(&place, sizeof(place)), chain_has_place,
			    walk->chains, &place);
	if (id == PFW_INDEX_NONE || strcmp(walk->chains[id].item->owner, owner))
		return NULL;
	return &walk->chains[id];
}

/* Where the chain goes on for whom it admits. Never back: others could have made it a circle. */
static struct chain *next_chain(struct walk *walk, const struct chain *chain)
{
	const struct ipt_place *place = ipt_item_place(chain->item);
	const struct ipt_rule *rules;
	size_t n, i;

	rules = ipt_item_rules(chain->item, &n);
	for (i = 0; i < n; i++)
		if (rules[i].target == IPT_GOTO &&
		    ipt_chain_stage(rules[i].chain) > ipt_chain_stage(place->chain))
			return find_chain(walk, place->family, rules[i].chain, chain->item->owner);
	return NULL;
}

/* ---- Who is admitted */

static struct pfw_prefix source_of(const struct ipt_rule *rule, uint8_t family)
{
	struct pfw_prefix prefix = { .addr.family = family, .len = rule->source_len };

	memcpy(prefix.addr.bytes, rule->source, sizeof(prefix.addr.bytes));
	return prefix;
}

/* Prefixes in the order of their addresses, as ranges that are apart. */
static int add_clients(struct walk *walk, const struct ipt_prefixes *admitted, uint8_t family,
		       uint32_t *ret)
{
	struct pfw_client_range *ranges = calloc(admitted->n + 1, sizeof(*ranges)), *to = ranges;
	uint8_t next[16];
	uint32_t n = 0;
	size_t i;
	int code;

	if (!ranges)
		return -ENOMEM;
	for (i = 0; i < admitted->n; i++) {
		if (n) {
			memcpy(next, to->high, sizeof(next));
			if (pfw_bytes_next(next, pfw_addr_size(family)) &&
			    !memcmp(next, admitted->list[i].addr.bytes, sizeof(next))) {
				pfw_prefix_last(&admitted->list[i], to->high);
				continue;
			}
		}
		to = &ranges[n++];
		memcpy(to->low, admitted->list[i].addr.bytes, sizeof(to->low));
		pfw_prefix_last(&admitted->list[i], to->high);
	}
	code = pfw_clients_add(walk->clients, ranges, n, ret);
	free(ranges);
	return code;
}

/* The first rules ask for sources: they lead who is excluded back, and others on. */
static int read_clients(struct walk *walk, struct chain *chain)
{
	uint8_t family = ipt_item_place(chain->item)->family;
	struct pfw_forward says = { 0 };
	struct ipt_prefixes admitted = { 0 };
	const struct ipt_rule *rules;
	size_t n, i;
	int ret;

	rules = ipt_item_rules(chain->item, &n);
	says.sources = calloc(n + 1, sizeof(*says.sources));
	says.excluded = calloc(n + 1, sizeof(*says.excluded));
	ret = says.sources && says.excluded ? 0 : -ENOMEM;
	for (i = 0; !ret && i < n; i++)
		if (ipt_chain_stage(rules[i].chain) == ipt_chain_stage(IPT_PREFIX_GO))
			says.sources[says.n_sources++] = source_of(&rules[i], family);
		else if (rules[i].target == IPT_RETURN)
			says.excluded[says.n_excluded++] = source_of(&rules[i], family);
	if (!ret && (says.n_sources || says.n_excluded)) {
		ret = ipt_admitted(&says, family, SIZE_MAX, &admitted);
		if (!ret)
			ret = add_clients(walk, &admitted, family, &chain->clients);
	}
	free(says.sources);
	free(says.excluded);
	free(admitted.list);
	return ret;
}

/* ---- Where to */

/* False: the rule sends nowhere. */
static bool route_of(const struct ipt_rule *rule, struct route *ret)
{
	if (rule->target != IPT_DNAT && rule->target != IPT_REDIRECT && rule->target != IPT_ACCEPT)
		return false;
	memset(ret, 0, sizeof(*ret));
	ret->port = rule->to;
	ret->self = !rule->has_address;
	memcpy(ret->target, rule->address, sizeof(ret->target));
	return true;
}

static int compare_routes(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct route));
}

/* Several rules lead to one target: one for each protocol, and for each share. */
static void keep_each_once(struct chain *chain)
{
	size_t i, kept = 0;

	qsort(chain->routes, chain->n_routes, sizeof(*chain->routes), compare_routes);
	for (i = 0; i < chain->n_routes; i++)
		if (!kept || compare_routes(&chain->routes[kept - 1], &chain->routes[i]))
			chain->routes[kept++] = chain->routes[i];
	chain->n_routes = kept;
}

/* Adds what another chain of the forward says to this one. */
static int add_routes(struct chain *chain, const struct chain *from)
{
	const struct ipt_rule *rules;
	struct route *grown, route;
	size_t n, i;

	rules = ipt_item_rules(from->item, &n);
	grown = reallocarray(chain->routes, chain->n_routes + n + 1, sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	chain->routes = grown;
	for (i = 0; i < n; i++) {
		/* Beside a rule for the machine's own addresses, the same for all others. */
		if (rules[i].target == IPT_REDIRECT && chain->n_routes)
			continue;
		if (route_of(&rules[i], &route))
			grown[chain->n_routes++] = route;
	}
	return 0;
}

static int read_chain(struct walk *walk, struct chain *chain)
{
	const struct chain *from;
	int ret;

	if (chain->is_read)
		return 0;
	chain->is_read = true;
	ret = read_clients(walk, chain);
	for (from = chain; !ret && from; from = next_chain(walk, from))
		ret = add_routes(chain, from);
	if (!ret && chain->n_routes)
		keep_each_once(chain);
	return ret;
}

/* ---- The source address */

/* What a word on the source address is asked for by. */
struct asked {
	struct pfw_key key;
	char owner[PFW_NAME_MAX + 1];
};

static struct asked asked_by(const struct ipt_rule_key *key)
{
	struct asked asked = { .key = key->key };

	memcpy(asked.owner, key->owner, sizeof(asked.owner));
	return asked;
}

static bool source_is_asked(const void *array, uint32_t id, const void *key)
{
	const struct asked asked = asked_by(ipt_item_key(&((const struct pfw_item *)array)[id]));

	return !memcmp(&asked, key, sizeof(asked));
}

static void take_source(const struct walk *walk, const struct ipt_rule_key *key,
			struct pfw_flow *flow)
{
	const struct asked asked = asked_by(key);
	const struct ipt_rule *rule;
	uint32_t id;

	/* What ends on the machine itself is let go, which means nothing there. */
	if (flow->self || (flow->key.family == AF_INET && flow->target[0] == 127))
		return;
	id = pfw_index_find(&walk->sources, pfw_hash(&asked, sizeof(asked)), source_is_asked,
			    walk->image->items, &asked);
	if (id == PFW_INDEX_NONE)
		return;
	rule = rule_of(&walk->image->items[id]);
	if (rule->target == IPT_MASQUERADE)
		flow->source = PFW_SOURCE_MASQUERADE;
	else if (rule->target == IPT_RETURN)
		flow->source = PFW_SOURCE_KEEP;
	if (rule->target != IPT_SNAT)
		return;
	flow->source = PFW_SOURCE_ADDRESS;
	memcpy(flow->source_address, rule->address, sizeof(flow->source_address));
}

/* ---- Flows */

static int add_flow(struct walk *walk, const struct ipt_rule_key *key, const struct pfw_flow *base,
		    const struct route *route)
{
	struct pfw_flow flow = *base;

	flow.self = route->self;
	flow.port = route->port;
	memcpy(flow.target, route->target, sizeof(flow.target));
	if (!flow.port.lo && !pfw_key_is_range(&flow.key))
		flow.port = flow.key.port;
	take_source(walk, key, &flow);
	return pfw_flows_add(walk->flows, &flow);
}

/* A range that is shifted, port by port, as the other backend has it. */
static int add_shifted(struct walk *walk, const struct ipt_rule_key *key,
		       const struct pfw_flow *base, const struct route *range)
{
	struct pfw_flow flow = *base;
	struct route route = *range;
	uint32_t port, to = range->port.lo;
	int ret = 0;

	for (port = base->key.port.lo; !ret && port <= base->key.port.hi; port++, to++) {
		flow.key.port = (struct pfw_ports){ (uint16_t)port, (uint16_t)port };
		route.port = (struct pfw_ports){ (uint16_t)to, (uint16_t)to };
		ret = add_flow(walk, key, &flow, &route);
	}
	return ret;
}

static int add_chain_flows(struct walk *walk, const struct pfw_item *item, struct pfw_flow *flow)
{
	const struct ipt_rule_key *key = ipt_item_key(item);
	struct chain *chain = find_chain(walk, key->key.family, rule_of(item)->chain, item->owner);
	size_t i;
	int ret;

	if (!chain || ipt_chain_stage(rule_of(item)->chain) != ipt_chain_stage(IPT_PREFIX_TO))
		return 0;
	ret = read_chain(walk, chain);
	flow->clients = chain->clients;
	for (i = 0; !ret && i < chain->n_routes; i++)
		ret = add_flow(walk, key, flow, &chain->routes[i]);
	return ret;
}

static bool is_of_nat(const struct pfw_item *item, bool source)
{
	return item->kind == IPT_KIND_RULE && item->owner &&
	       ipt_item_key(item)->table == IPT_TABLE_NAT && ipt_item_key(item)->source == source;
}

static int add_item(struct walk *walk, const struct pfw_item *item)
{
	struct pfw_flow flow = { .source = PFW_SOURCE_AUTO };
	const struct ipt_rule_key *key = ipt_item_key(item);
	const struct ipt_rule *rule;
	struct route route;

	if (!is_of_nat(item, false) || (walk->wanted && !walk->wanted(walk->ctx, item->owner)))
		return 0;
	rule = rule_of(item);
	flow.key = key->key;
	/* The machine's own connections never come in by an interface. */
	flow.remote = *flow.key.ifname || (rule->asks & IPT_FROM_ELSEWHERE);
	flow.wide = pfw_key_is_range(&flow.key);
	if (rule->target == IPT_JUMP)
		return add_chain_flows(walk, item, &flow);
	/* Beside the rule for the machine's own addresses, the same for all others. */
	if (!route_of(rule, &route) || (rule->target == IPT_REDIRECT && key->number))
		return 0;
	if (route.port.lo != route.port.hi)
		return add_shifted(walk, key, &flow, &route);
	return add_flow(walk, key, &flow, &route);
}

static int index_item(struct walk *walk, uint32_t id)
{
	const struct pfw_item *item = &walk->image->items[id];
	struct asked asked;

	if (item->kind == IPT_KIND_CHAIN && item->owner) {
		walk->chains[walk->n_chains].item = item;
		return pfw_index_put(&walk->places,
				     pfw_hash(pfw_item_key(item), sizeof(struct ipt_place)),
				     walk->n_chains++);
	}
	if (!is_of_nat(item, true) || ipt_item_key(item)->number)
		return 0;
	asked = asked_by(ipt_item_key(item));
	return pfw_index_put(&walk->sources, pfw_hash(&asked, sizeof(asked)), id);
}

int ipt_flows(const struct pfw_image *image, bool (*wanted)(const void *ctx, const char *owner),
	      const void *ctx, struct pfw_clients *clients, struct pfw_flows *flows)
{
	struct walk walk = {
		.image = image,
		.wanted = wanted,
		.ctx = ctx,
		.clients = clients,
		.flows = flows,
		.chains = calloc(image->n_items + 1u, sizeof(*walk.chains)),
	};
	int ret = walk.chains ? 0 : -ENOMEM;
	uint32_t i;

	for (i = 0; !ret && i < image->n_items; i++)
		ret = index_item(&walk, i);
	for (i = 0; !ret && i < image->n_items; i++)
		ret = add_item(&walk, &image->items[i]);
	for (i = 0; i < walk.n_chains; i++)
		free(walk.chains[i].routes);
	free(walk.chains);
	pfw_index_free(&walk.places);
	pfw_index_free(&walk.sources);
	return ret;
}
