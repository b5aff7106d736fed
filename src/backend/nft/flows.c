/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the elements of table inet portfwd do to connections. */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <string.h>

#include "nft.h"

static uint16_t port_at(const uint8_t *bytes)
{
	uint16_t port;

	memcpy(&port, bytes, sizeof(port));
	return ntohs(port);
}

/* The opposite of what compiling does: the fields of the key, as they stand in registers. */
static void decode_key(const struct nft_map *map, const uint8_t *from, struct pfw_key *ret)
{
	bool address = map->tier == PFW_TIER_ADDRESS_INTERFACE || map->tier == PFW_TIER_ADDRESS;
	bool ifname = map->tier == PFW_TIER_ADDRESS_INTERFACE || map->tier == PFW_TIER_INTERFACE;

	*ret = (struct pfw_key){ .family = map->family, .tier = map->tier };
	if (address) {
		memcpy(ret->address, from, pfw_addr_size(map->family));
		from += pfw_addr_size(map->family);
	}
	ret->protocol = *from;
	from += nft_fields[NFT_FIELD_INET_PROTO].size;
	ret->port.lo = ret->port.hi = port_at(from);
	from += nft_fields[NFT_FIELD_INET_SERVICE].size;
	if (ifname)
		memcpy(ret->ifname, from, PFW_IFNAME_SIZE);
}

/* Fills in key and remote, and the target of an element that has one. */
static bool decode(const struct pfw_item *item, struct pfw_flow *ret, enum nft_purpose *ret_purpose)
{
	const uint8_t *value = pfw_item_value(item);
	struct nft_map map;
	struct nft_set set;

	if (item->kind != NFT_KIND_ELEMENT || nft_element_set(item) >= NFT_SET_MAPS)
		return false;
	map = nft_set_map(nft_element_set(item));
	nft_set_describe(nft_element_set(item), &set);
	if (item->key_len != 1 + nft_fields_size(set.key, NFT_SET_FIELDS))
		return false;
	if (map.purpose != NFT_SNAT && item->value_len != nft_fields_size(set.data, 2))
		return false;
	*ret = (struct pfw_flow){ .source = PFW_SOURCE_AUTO };
	decode_key(&map, pfw_item_key(item) + 1, &ret->key);
	/* The machine's own connections never come in by an interface. */
	ret->remote = map.remote || *ret->key.ifname;
	ret->self = map.purpose == NFT_SELF;
	if (map.purpose == NFT_DNAT) {
		memcpy(ret->target, value, pfw_addr_size(map.family));
		value += pfw_addr_size(map.family);
	}
	if (map.purpose != NFT_SNAT)
		ret->port.lo = ret->port.hi = port_at(value);
	*ret_purpose = map.purpose;
	return true;
}

static uint8_t source_of(const struct pfw_item *item)
{
	struct nft_verdict_value verdict = { 0 };
	size_t len = item->value_len < sizeof(verdict) ? item->value_len : sizeof(verdict);

	memcpy(&verdict, pfw_item_value(item), len);
	verdict.chain[sizeof(verdict.chain) - 1] = '\0';
	if (verdict.code == NFT_GOTO && !strcmp(verdict.chain, NFT_CHAIN_MASQUERADE))
		return PFW_SOURCE_MASQUERADE;
	if (verdict.code == NFT_GOTO && !strcmp(verdict.chain, NFT_CHAIN_HAIRPIN))
		return PFW_SOURCE_AUTO;
	return PFW_SOURCE_KEEP;
}

static bool flow_has_key(const void *array, uint32_t id, const void *key)
{
	return pfw_key_equal(&((const struct pfw_flow *)array)[id].key, key);
}

/*
 * First the targets, then the words on the source address: a key without one has
 * PFW_SOURCE_AUTO. The machine itself as a target says accept, which means nothing there.
 */
int nft_flows(const struct pfw_image *image, bool (*wanted)(const void *ctx, const char *owner),
	      const void *ctx, struct pfw_flows *flows)
{
	const struct pfw_item *item, *end = image->items + image->n_items;
	const size_t first = flows->n_flows;
	struct pfw_index index = { 0 };
	enum nft_purpose purpose;
	struct pfw_flow flow;
	unsigned int sources;
	uint32_t id;
	int ret = 0;

	for (sources = 0; sources < 2; sources++)
		for (item = image->items; !ret && item < end; item++) {
			if (!item->owner || (wanted && !wanted(ctx, item->owner)) ||
			    !decode(item, &flow, &purpose) || (purpose == NFT_SNAT) != sources)
				continue;
			if (!sources) {
				id = (uint32_t)(flows->n_flows - first);
				ret = pfw_flows_add(flows, &flow);
				if (!ret)
					ret = pfw_index_put(&index, pfw_key_hash(&flow.key), id);
				continue;
			}
			id = pfw_index_find(&index, pfw_key_hash(&flow.key), flow_has_key,
					    flows->flows + first, &flow.key);
			if (id != PFW_INDEX_NONE && !flows->flows[first + id].self)
				flows->flows[first + id].source = source_of(item);
		}
	pfw_index_free(&index);
	return ret;
}
