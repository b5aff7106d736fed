/* SPDX-License-Identifier: GPL-2.0-or-later */
/* From a slot to its elements, and to the chain of a key that several forwards claim. */
#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nft.h"

/* The key with this port as it stands in registers. */
static size_t put_key(const struct pfw_key *key, uint16_t port, uint8_t *to)
{
	size_t at = 0, size = pfw_addr_size(key->family);
	uint16_t be_port = htons(port);

	if (nft_tier_has_address(key->tier)) {
		memcpy(to, key->address, size);
		at += size;
	}
	memset(to + at, 0, 8);
	to[at] = key->protocol;
	memcpy(to + at + 4, &be_port, sizeof(be_port));
	at += 8;
	if (nft_tier_has_interface(key->tier)) {
		memcpy(to + at, key->ifname, PFW_IFNAME_SIZE);
		at += PFW_IFNAME_SIZE;
	}
	return at;
}

/* Where it goes: a port of the machine itself (address NULL), or an address and its port, if any. */
static size_t put_target(const struct pfw_addr *address, uint16_t port, uint8_t *to)
{
	uint16_t be_port = htons(port);
	size_t at;

	if (!address) {
		memcpy(to, &be_port, sizeof(be_port));
		return sizeof(be_port);
	}
	at = pfw_addr_size(address->family);
	memcpy(to, address->bytes, at);
	if (!port)
		return at;
	memset(to + at, 0, 4);
	memcpy(to + at, &be_port, sizeof(be_port));
	return at + 4;
}

static int add_element(struct pfw_image *image, enum nft_purpose purpose, const struct pfw_slot *slot,
		       struct pfw_ports ports, const void *data, size_t data_len, const char *owner)
{
	uint8_t key[NFT_ELEMENT_KEY_MAX];
	size_t len = 1;

	key[0] = nft_set_number(purpose, slot->key.family, slot->key.tier, slot->remote);
	len += put_key(&slot->key, ports.lo, key + len);
	if (ports.lo != ports.hi)
		len += put_key(&slot->key, ports.hi, key + len);
	return pfw_image_add(image, NFT_KIND_ELEMENT, key, len, data, data_len, owner) ? 0 : -ENOMEM;
}

static int add_shifted(struct pfw_image *image, const struct pfw_slot *slot,
		       const struct pfw_target *target, const char *owner)
{
	uint32_t port;
	uint8_t data[32];
	size_t len;
	int ret = 0;

	for (port = slot->key.port.lo; !ret && port <= slot->key.port.hi; port++) {
		len = put_target(&target->address,
				 (uint16_t)(target->port.lo + (port - slot->key.port.lo)), data);
		ret = add_element(image, NFT_SHIFT, slot,
				  (struct pfw_ports){ (uint16_t)port, (uint16_t)port }, data, len,
				  owner);
	}
	return ret;
}

static struct nft_verdict_value verdict(int32_t code, int64_t until)
{
	return (struct nft_verdict_value){ .code = code, .until = until };
}

static void key_chain_name(const char *prefix, const struct pfw_key *key, char ret[NFT_CHAIN_NAME])
{
	snprintf(ret, NFT_CHAIN_NAME, "%s%c-%016" PRIx64, prefix, key->family == AF_INET6 ? '6' : '4',
		 pfw_key_hash(key));
}

/*
 * A chain that asks the forwards of a key one after the other. Its element stays as long
 * as any of them, so who expires is told by the time.
 */
static int add_key_chain(struct pfw_image *image, const char *name, const char *prefix,
			 const struct pfw_forward *const *claims, int n)
{
	const struct nft_chain_value head = { 0 };
	struct nft_rule rule = { 0 };
	char to[NFT_CHAIN_NAME];
	struct nft_chain chain;
	int i;

	nft_chain_begin(&chain, name, &head);
	for (i = 0; i < n; i++) {
		snprintf(to, sizeof(to), "%s%s", prefix, claims[i]->name);
		/* The element of the key stays for the others. */
		if (claims[i]->expires)
			nft_match_before(&rule, claims[i]->expires);
		nft_add_verdict(&rule, NFT_JUMP, to);
		nft_chain_add(&chain, &rule);
	}
	return nft_chain_end(&chain, image);
}

/* The element that leads to the forward's own chain, or to the chain of the key. */
static int add_chain_element(struct pfw_image *image, enum nft_purpose purpose,
			     const struct pfw_slot *slot, const char *key_prefix,
			     const char *prefix, const struct pfw_forward *const *claims, int n)
{
	struct nft_verdict_value value = verdict(NFT_JUMP, n == 1 ? claims[0]->expires : 0);
	int ret = 0;

	if (n > 1) {
		key_chain_name(key_prefix, &slot->key, value.chain);
		ret = add_key_chain(image, value.chain, prefix, claims, n);
	} else {
		snprintf(value.chain, sizeof(value.chain), "%s%s", prefix, claims[0]->name);
	}
	return ret ? ret : add_element(image, purpose, slot, slot->key.port, &value, sizeof(value),
				       claims[0]->name);
}

static int add_source(const struct pfw_plan *plan, const struct pfw_slot *slot,
		      const struct pfw_forward *const *claims, int n, struct pfw_image *image)
{
	enum nft_purpose purpose = pfw_key_is_range(&slot->key) ? NFT_SNAT_RANGE : NFT_SNAT;
	enum pfw_source source = pfw_plan_source(plan, claims[0]);
	struct nft_verdict_value value;

	if (n > 1 || nft_from_is_chain(plan, claims[0]))
		return add_chain_element(image, purpose, slot, "keyfrom", NFT_PREFIX_FROM, claims, n);
	value = verdict(NF_ACCEPT, claims[0]->expires);
	if (source == PFW_SOURCE_MASQUERADE || (source == PFW_SOURCE_AUTO && !pfw_forward_stays(claims[0]))) {
		value.code = NFT_GOTO;
		snprintf(value.chain, sizeof(value.chain), "%s",
			 source == PFW_SOURCE_AUTO ? NFT_CHAIN_HAIRPINS : NFT_CHAIN_MASQUERADES);
	}
	return add_element(image, purpose, slot, slot->key.port, &value, sizeof(value),
			   claims[0]->name);
}

static int add_destination(const struct pfw_slot *slot, const struct pfw_forward *const *claims,
			   int n, struct pfw_image *image)
{
	const struct pfw_forward *forward = claims[0];
	const struct pfw_target *target = pfw_forward_target(forward, slot->key.family);
	uint16_t port = target->port.lo ? target->port.lo : slot->key.port.lo;
	uint8_t data[32];
	size_t len;

	switch (slot->shape) {
	case PFW_SHAPE_COMPLEX:
		return add_chain_element(image, NFT_CHAIN, slot, "key", NFT_PREFIX_TO, claims, n);
	case PFW_SHAPE_WIDE_COMPLEX:
		return add_chain_element(image, NFT_CHAIN_RANGE, slot, "key", NFT_PREFIX_TO, claims,
					 n);
	case PFW_SHAPE_SHIFT:
		return add_shifted(image, slot, target, forward->name);
	case PFW_SHAPE_KEEP:
		len = put_target(&target->address, 0, data);
		return add_element(image, NFT_KEEP, slot, slot->key.port, data, len, forward->name);
	case PFW_SHAPE_MANY:
		len = put_target(&target->address, port, data);
		return add_element(image, NFT_MANY, slot, slot->key.port, data, len, forward->name);
	case PFW_SHAPE_SELF:
		len = put_target(NULL, port, data);
		return add_element(image, NFT_SELF, slot, slot->key.port, data, len, forward->name);
	default:
		len = put_target(&target->address, port, data);
		return add_element(image, NFT_DNAT, slot, slot->key.port, data, len, forward->name);
	}
}

/* What the guard must let pass though its rewrite changes nothing; of a range each port. */
static int add_unchanged(const struct pfw_plan *plan, const struct pfw_slot *slot,
			 struct pfw_image *image)
{
	uint8_t key[NFT_ELEMENT_KEY_MAX];
	uint32_t port;
	size_t len;
	int ret = 0;

	if (!slot->unchanged)
		return 0;
	for (port = slot->key.port.lo; !ret && port <= slot->key.port.hi; port++) {
		len = put_key(&slot->key, (uint16_t)port, key);
		ret = nft_guard_add_slot(plan, slot, key, len, image);
	}
	return ret;
}

int nft_compile_slot(const struct pfw_plan *plan, const struct pfw_slot *slot,
		     struct pfw_image *image)
{
	const struct pfw_forward *first = &plan->ruleset->forwards[slot->forward];
	const struct pfw_forward **claims = &first, **several = NULL;
	int n = 1, ret;

	if (slot->more != PFW_INDEX_NONE) {
		n = pfw_slot_claims(plan, slot, &several);
		if (n < 0)
			return n;
		claims = several;
	}
	ret = add_destination(slot, claims, n, image);
	if (!ret)
		ret = add_unchanged(plan, slot, image);
	if (!ret && pfw_slot_speaks(plan, slot))
		ret = add_source(plan, slot, claims, n, image);
	free(several);
	return ret;
}
