/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the elements of table inet portfwd, and the chains that they lead to, do to
 * connections. Limits, logs and the weights of targets say nothing about a connection
 * that is open.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nft.h"

/* A chain of the image; read when first asked for. */
struct chain {
	const struct pfw_item *item;
	bool is_read;
	struct nft_decoded says;
};

/* A word on the source address, by its key. */
struct source {
	struct pfw_key key;
	const struct pfw_item *item;
};

/* How long the keys and data of a map's elements are. */
struct sizes {
	uint32_t key;		/* 0: not asked for yet */
	uint32_t value;
};

struct walk {
	const struct pfw_image *image;
	struct sizes sizes[NFT_SET_MAPS];
	bool (*wanted)(const void *ctx, const char *owner);
	const void *ctx;
	struct pfw_clients *clients;
	struct pfw_flows *flows;
	struct chain *chains;
	uint32_t n_chains;
	struct pfw_index names;
	struct source *sources;
	uint32_t n_sources;
	struct pfw_index keys;		/* of the sources */
	uint32_t *ranges;		/* sources of several ports */
	uint32_t n_ranges;
	uint32_t last_range;		/* where the last one was found */
};

static uint16_t port_at(const uint8_t *bytes)
{
	uint16_t port;

	memcpy(&port, bytes, sizeof(port));
	return ntohs(port);
}

/* ---- Elements */

static bool is_interval(enum nft_purpose purpose)
{
	return purpose == NFT_KEEP || purpose == NFT_MANY || purpose == NFT_CHAIN_RANGE ||
	       purpose == NFT_SNAT_RANGE;
}

/*
 * The opposite of put_key() in slot.c: the fields of the key, as they stand in registers. Whichever
 * target of a key a word on the source address is for, it leads to that of each forward.
 */
static void decode_key(const struct nft_map *map, const uint8_t *from, struct pfw_key *ret)
{
	*ret = (struct pfw_key){ .family = map->family, .tier = map->tier };
	if (nft_tier_has_address(map->tier)) {
		memcpy(ret->address, from, pfw_addr_size(map->family));
		from += pfw_addr_size(map->family);
	}
	ret->protocol = *from;
	from += nft_fields[NFT_FIELD_INET_PROTO].size;
	ret->port.lo = ret->port.hi = port_at(from);
	from += nft_fields[NFT_FIELD_INET_SERVICE].size;
	if (nft_is_source(map->purpose)) {
		from += pfw_addr_size(map->family);
		if (nft_tier_has_new_port(map->tier))
			from += nft_fields[NFT_FIELD_INET_SERVICE].size;
	}
	if (nft_tier_has_interface(map->tier))
		memcpy(ret->ifname, from, PFW_IFNAME_SIZE);
}

static const struct sizes *sizes_of(struct walk *walk, uint8_t number)
{
	struct sizes *sizes = &walk->sizes[number];
	struct nft_set set;

	if (sizes->key)
		return sizes;
	nft_set_describe(number, &set);
	sizes->key = nft_fields_size(set.key, NFT_SET_FIELDS);
	sizes->value = set.data[0] == NFT_FIELD_VERDICT ? sizeof(struct nft_verdict_value) :
							  nft_fields_size(set.data, 2);
	return sizes;
}

/* An element's map and key; false for what is none of ours. */
static bool decode_element(struct walk *walk, const struct pfw_item *item, struct nft_map *ret_map,
			   struct pfw_key *ret_key)
{
	const struct sizes *sizes;
	struct pfw_key high;
	uint32_t size;

	if (item->kind != NFT_KIND_ELEMENT || nft_element_set(item) >= NFT_SET_MAPS || !item->owner)
		return false;
	*ret_map = nft_set_map(nft_element_set(item));
	sizes = sizes_of(walk, nft_element_set(item));
	size = sizes->key;
	if (item->key_len != 1 + size && (!is_interval(ret_map->purpose) || item->key_len != 1 + 2 * size))
		return false;
	if (item->value_len != sizes->value)
		return false;
	decode_key(ret_map, pfw_item_key(item) + 1, ret_key);
	if (item->key_len == 1 + size)
		return true;
	decode_key(ret_map, pfw_item_key(item) + 1 + size, &high);
	ret_key->port.hi = high.port.lo;
	high.port = ret_key->port;
	return ret_key->port.lo <= ret_key->port.hi && pfw_key_equal(ret_key, &high);
}

static struct nft_verdict_value verdict_of(const struct pfw_item *item)
{
	struct nft_verdict_value verdict;

	memcpy(&verdict, pfw_item_value(item), sizeof(verdict));
	verdict.chain[sizeof(verdict.chain) - 1] = '\0';
	return verdict;
}

/* ---- Chains */

static bool chain_has_name(const void *array, uint32_t id, const void *name)
{
	return !strcmp(nft_item_name(((const struct chain *)array)[id].item), name);
}

/* *ret is NULL where there is no such chain. */
static int find_chain(struct walk *walk, const char *name, struct chain **ret)
{
	uint32_t id = pfw_index_find(&walk->names, pfw_hash(name, strlen(name)), chain_has_name,
				     walk->chains, name);
	struct chain *chain = id == PFW_INDEX_NONE ? NULL : &walk->chains[id];
	int code;

	if (chain && !chain->is_read) {
		code = nft_decode_chain(chain->item, &chain->says);
		if (code)
			return code;
		chain->is_read = true;
	}
	*ret = chain;
	return 0;
}

static bool source_has_key(const void *array, uint32_t id, const void *key)
{
	return pfw_key_equal(&((const struct source *)array)[id].key, key);
}

/* Whether the port of a key is within that of a word on the source, all else being equal. */
static bool covers(const struct pfw_key *range, const struct pfw_key *key)
{
	struct pfw_key other = *key;

	if (range->port.lo > key->port.lo || range->port.hi < key->port.hi)
		return false;
	other.port = range->port;
	return pfw_key_equal(range, &other);
}

/* The element that has the word on the source address of this flow, or NULL. */
static const struct pfw_item *find_source(struct walk *walk, const struct pfw_flow *flow)
{
	const struct source *source;
	uint32_t id, i;

	id = pfw_index_find(&walk->keys, pfw_key_hash(&flow->key), source_has_key, walk->sources,
			    &flow->key);
	if (id != PFW_INDEX_NONE && (!flow->wide || flow->key.port.lo != flow->key.port.hi))
		return walk->sources[id].item;
	/* Port by port of one range: that of the port before, mostly. */
	for (i = 0; flow->wide && i < walk->n_ranges; i++) {
		id = (walk->last_range + i) % walk->n_ranges;
		source = &walk->sources[walk->ranges[id]];
		if (covers(&source->key, &flow->key)) {
			walk->last_range = id;
			return source->item;
		}
	}
	return NULL;
}

static int take_source(struct walk *walk, const char *owner, struct pfw_flow *flow)
{
	const struct pfw_item *item = find_source(walk, flow);
	struct nft_verdict_value verdict;
	struct chain *chain = NULL;
	char own[NFT_CHAIN_NAME];
	int ret;

	/* What ends on the machine itself says accept, which means nothing there. */
	if (!item || flow->self || (flow->key.family == AF_INET && flow->target[0] == 127))
		return 0;
	verdict = verdict_of(item);
	if (verdict.code == NFT_GOTO && !strcmp(verdict.chain, NFT_CHAIN_MASQUERADES))
		flow->source = PFW_SOURCE_MASQUERADE;
	else if (verdict.code == NF_ACCEPT)
		flow->source = PFW_SOURCE_KEEP;
	if (verdict.code != NFT_JUMP)
		return 0;
	ret = find_chain(walk, verdict.chain, &chain);
	if (ret || !chain)
		return ret;
	if (!chain->item->owner || strcmp(chain->item->owner, owner)) {
		/* Others share the key, or the target too: what the flow's own forward says. */
		snprintf(own, sizeof(own), "%s%s", NFT_PREFIX_FROM, owner);
		ret = find_chain(walk, own, &chain);
	}
	if (ret || !chain)
		return ret;
	flow->source = chain->says.source;
	memcpy(flow->source_address, chain->says.source_address, sizeof(flow->source_address));
	return 0;
}

static int add_flow(struct walk *walk, const char *owner, struct pfw_flow *flow)
{
	int ret = take_source(walk, owner, flow);

	return ret ? ret : pfw_flows_add(walk->flows, flow);
}

/* All targets of a forward's chain, and of the one that it goes on to within its limits. */
static int add_routes(struct walk *walk, const struct chain *chain, struct pfw_flow *flow)
{
	const struct nft_decoded *says = &chain->says;
	const struct nft_route *route;
	struct chain *next = NULL;
	uint32_t i;
	int ret = 0;

	for (i = 0; !ret && i < says->n_routes; i++) {
		route = &says->routes[i];
		if (route->family && route->family != flow->key.family)
			continue;
		flow->self = route->self;
		flow->port = route->port;
		flow->source = PFW_SOURCE_AUTO;
		memset(flow->source_address, 0, sizeof(flow->source_address));
		memcpy(flow->target, route->target, sizeof(flow->target));
		/* As an element says it. */
		if (!flow->port.lo && flow->key.port.lo == flow->key.port.hi)
			flow->port = flow->key.port;
		ret = add_flow(walk, chain->item->owner, flow);
	}
	for (i = 0; !ret && i < says->n_next; i++) {
		if (strncmp(says->next[i], NFT_PREFIX_GO, strlen(NFT_PREFIX_GO)))
			continue;
		ret = find_chain(walk, says->next[i], &next);
		/* It goes nowhere else; others could have made it a circle. */
		if (!ret && next && !next->says.n_next)
			ret = add_routes(walk, next, flow);
	}
	return ret;
}

static int add_claim(struct walk *walk, const char *name, const struct pfw_item *item,
		     const struct pfw_flow *base)
{
	struct pfw_flow flow = *base;
	const struct nft_admission *admitted;
	struct chain *chain = NULL;
	int ret = find_chain(walk, name, &chain);

	if (ret || !chain || !chain->item->owner ||
	    strncmp(name, NFT_PREFIX_TO, strlen(NFT_PREFIX_TO)))
		return ret;
	if (walk->wanted && !walk->wanted(walk->ctx, item->owner) &&
	    !walk->wanted(walk->ctx, chain->item->owner))
		return 0;
	flow.remote |= chain->says.remote;
	admitted = &chain->says.admitted[flow.key.family == AF_INET6];
	if (admitted->said)
		ret = pfw_clients_add(walk->clients, admitted->ranges, admitted->n, &flow.clients);
	return ret ? ret : add_routes(walk, chain, &flow);
}

/* An element that leads to a forward's chain, or to that of a key. */
static int add_chain_flows(struct walk *walk, const struct pfw_item *item,
			   const struct pfw_flow *base)
{
	struct nft_verdict_value verdict = verdict_of(item);
	struct chain *chain = NULL;
	uint32_t i;
	int ret;

	if (verdict.code != NFT_JUMP)
		return 0;
	ret = find_chain(walk, verdict.chain, &chain);
	if (ret || !chain)
		return ret;
	if (chain->item->owner)
		return add_claim(walk, verdict.chain, item, base);
	for (i = 0; !ret && i < chain->says.n_next; i++)
		ret = add_claim(walk, chain->says.next[i], item, base);
	return ret;
}

static int add_element(struct walk *walk, const struct pfw_item *item)
{
	struct pfw_flow flow = { .source = PFW_SOURCE_AUTO };
	const uint8_t *value = pfw_item_value(item);
	struct nft_map map;

	if (!decode_element(walk, item, &map, &flow.key) || nft_is_source(map.purpose))
		return 0;
	/* The machine's own connections never come in by an interface. */
	flow.remote = map.remote || *flow.key.ifname;
	flow.wide = map.purpose == NFT_SHIFT || is_interval(map.purpose);
	if (map.purpose == NFT_CHAIN || map.purpose == NFT_CHAIN_RANGE)
		return add_chain_flows(walk, item, &flow);
	if (walk->wanted && !walk->wanted(walk->ctx, item->owner))
		return 0;
	flow.self = map.purpose == NFT_SELF;
	if (!flow.self) {
		memcpy(flow.target, value, pfw_addr_size(map.family));
		value += pfw_addr_size(map.family);
	}
	if (map.purpose != NFT_KEEP)
		flow.port.lo = flow.port.hi = port_at(value);
	return add_flow(walk, item->owner, &flow);
}

/* ---- What all of them look up */

static int index_items(struct walk *walk)
{
	const struct pfw_image *image = walk->image;
	const struct pfw_item *item;
	struct source source;
	struct nft_map map;
	const char *name;
	uint32_t i;
	int ret = 0;

	walk->chains = calloc(image->n_items + 1u, sizeof(*walk->chains));
	walk->sources = calloc(image->n_items + 1u, sizeof(*walk->sources));
	walk->ranges = calloc(image->n_items + 1u, sizeof(*walk->ranges));
	if (!walk->chains || !walk->sources || !walk->ranges)
		return -ENOMEM;
	for (i = 0; !ret && i < image->n_items; i++) {
		item = &image->items[i];
		if (item->kind == NFT_KIND_CHAIN) {
			name = nft_item_name(item);
			walk->chains[walk->n_chains].item = item;
			ret = pfw_index_put(&walk->names, pfw_hash(name, strlen(name)),
					    walk->n_chains++);
		} else if (decode_element(walk, item, &map, &source.key) && nft_is_source(map.purpose)) {
			source.item = item;
			walk->sources[walk->n_sources] = source;
			if (map.purpose == NFT_SNAT_RANGE)
				walk->ranges[walk->n_ranges++] = walk->n_sources;
			ret = pfw_index_put(&walk->keys, pfw_key_hash(&source.key),
					    walk->n_sources++);
		}
	}
	return ret;
}

int nft_flows(const struct pfw_image *image, bool (*wanted)(const void *ctx, const char *owner),
	      const void *ctx, struct pfw_clients *clients, struct pfw_flows *flows)
{
	struct walk walk = {
		.image = image,
		.wanted = wanted,
		.ctx = ctx,
		.clients = clients,
		.flows = flows,
	};
	uint32_t i;
	int ret = index_items(&walk);

	for (i = 0; !ret && i < image->n_items; i++)
		ret = add_element(&walk, &image->items[i]);
	for (i = 0; i < walk.n_chains; i++)
		nft_decoded_free(&walk.chains[i].says);
	free(walk.chains);
	free(walk.sources);
	free(walk.ranges);
	pfw_index_free(&walk.names);
	pfw_index_free(&walk.keys);
	return ret;
}
