/* SPDX-License-Identifier: GPL-2.0-or-later */
/* From a plan to the objects of table inet portfwd. */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <string.h>

#include "nft.h"

/* Hooks and priorities: those of iptables' nat table and of filter (linux/netfilter_ipv4.h). */
#define PRIORITY_DSTNAT (-100)
#define PRIORITY_FILTER 0
#define PRIORITY_SRCNAT 100

static const uint8_t families[] = { AF_INET, AF_INET6 };

static bool machine_can_open(uint8_t tier, bool remote)
{
	return !remote && (tier == PFW_TIER_ADDRESS || tier == PFW_TIER_ANY);
}

static bool has_slots(const struct pfw_plan *plan)
{
	return plan->keys.live > 0;
}

static bool has_auto(const struct pfw_plan *plan)
{
	return plan->frame.n_auto[0] || plan->frame.n_auto[1];
}

static uint32_t map_use(const struct pfw_frame *frame, enum nft_purpose purpose, unsigned int f,
			uint8_t tier, bool remote)
{
	switch (purpose) {
	case NFT_DNAT:
		return frame->n_target[f][tier][remote];
	case NFT_SELF:
		return frame->n_self[f][tier][remote];
	case NFT_SNAT:
		return frame->n_source[f][tier][remote];
	}
	return 0;
}

static int add_set(struct pfw_image *image, uint8_t number, bool counters)
{
	struct nft_set_value value;
	struct nft_set set;

	nft_set_describe(number, &set);
	value = (struct nft_set_value){
		.key_type = nft_fields_type(set.key, NFT_SET_FIELDS),
		.key_len = nft_fields_size(set.key, NFT_SET_FIELDS),
		.data_type = nft_fields_type(set.data, 2),
		.data_len = nft_fields_size(set.data, 2),
		.flags = set.flags,
		.size = set.size,
		.timeout = set.timeout,
		.counter = set.counts && counters,
	};
	return pfw_image_add(image, NFT_KIND_SET, set.name, strlen(set.name) + 1, &value,
			     sizeof(value), NULL) ? 0 : -ENOMEM;
}

static int add_sets(const struct pfw_plan *plan, struct pfw_image *image)
{
	bool counters = plan->ruleset->settings.counters;
	unsigned int purpose, f, tier, remote;
	int ret = 0;

	for (purpose = 0; purpose < NFT_PURPOSES; purpose++)
		for (f = 0; f < 2; f++)
			for (tier = 0; tier < PFW_TIERS; tier++)
				for (remote = 0; !ret && remote < 2; remote++)
					if (map_use(&plan->frame, purpose, f, tier, remote))
						ret = add_set(image,
							      nft_set_number(purpose, families[f],
									     tier, remote),
							      counters);
	if (!ret && has_auto(plan))
		ret = add_set(image, NFT_SET_HAIRPIN, false);
	return ret ? ret : add_set(image, NFT_SET_REVISION, false);
}

/*
 * What stands before the lookup. The family is asked where nft asks for it when it
 * reads its own list back, so that a ruleset saved and loaded with nft is the
 * same to the byte.
 */
static void begin_lookup(struct nft_rule *rule, uint8_t family, uint8_t tier, bool self,
			 bool output)
{
	bool address = tier == PFW_TIER_ADDRESS_INTERFACE || tier == PFW_TIER_ADDRESS;
	bool late = address ? !self : output;

	if (!late)
		nft_match_family(rule, family);
	nft_match_transport(rule);
	if (!address)
		nft_match_to_machine(rule);
	if (late)
		nft_match_family(rule, family);
	if (!address && output)
		nft_match_off_loopback(rule, family);
}

/*
 * Redirecting and keeping the address is the same for the service, but an address that is
 * not the machine's can only be redirected.
 */
static void add_self_lookups(struct nft_chain *chain, uint8_t family, uint8_t tier, bool output,
			     const char *map)
{
	bool own = tier == PFW_TIER_INTERFACE || tier == PFW_TIER_ANY;
	struct nft_rule rule = { 0 };

	begin_lookup(&rule, family, tier, true, output);
	if (!own)
		nft_match_to_machine(&rule);
	nft_add_dnat_port(&rule, family, tier, map);
	nft_chain_add(chain, &rule);
	if (own)
		return;
	begin_lookup(&rule, family, tier, true, output);
	nft_add_redirect(&rule, family, tier, map);
	nft_chain_add(chain, &rule);
}

/* Where the destination is rewritten: prerouting, or output for the machine's own connections. */
static int add_dnat_chain(const struct pfw_plan *plan, bool output, struct pfw_image *image)
{
	const struct nft_chain_value head = {
		.is_base = 1,
		.hook = output ? NF_INET_LOCAL_OUT : NF_INET_PRE_ROUTING,
		.priority = PRIORITY_DSTNAT,
		.policy = NF_ACCEPT,
		.type = "nat",
	};
	const struct pfw_frame *frame = &plan->frame;
	unsigned int f, tier, remote;
	struct nft_rule rule = { 0 };
	struct nft_chain chain;
	struct nft_set set;

	nft_chain_begin(&chain, output ? "output" : "prerouting", &head);
	if (!has_slots(plan)) {
		/* Connections are tracked while a rule asks for something of them. */
		nft_match_dnat(&rule);
		nft_chain_add(&chain, &rule);
	}
	for (f = 0; f < 2; f++)
		for (tier = 0; tier < PFW_TIERS; tier++)
			for (remote = 0; remote < 2; remote++) {
				if (output && !machine_can_open(tier, remote))
					continue;
				if (frame->n_target[f][tier][remote]) {
					nft_set_describe(nft_set_number(NFT_DNAT, families[f],
									tier, remote), &set);
					begin_lookup(&rule, families[f], tier, false, output);
					nft_add_dnat(&rule, families[f], tier, set.name);
					nft_chain_add(&chain, &rule);
				}
				if (frame->n_self[f][tier][remote]) {
					nft_set_describe(nft_set_number(NFT_SELF, families[f],
									tier, remote), &set);
					add_self_lookups(&chain, families[f], tier, output,
							 set.name);
				}
			}
	return nft_chain_end(&chain, image);
}

/* The first packet of a connection that goes back where it came from teaches the hairpin. */
static int add_forward_chain(struct pfw_image *image)
{
	const struct nft_chain_value head = {
		.is_base = 1,
		.hook = NF_INET_FORWARD,
		.priority = PRIORITY_FILTER,
		.policy = NF_ACCEPT,
		.type = "filter",
	};
	struct nft_rule rule = { 0 };
	struct nft_chain chain;

	nft_chain_begin(&chain, "forward", &head);
	nft_match_new(&rule);
	nft_match_dnat(&rule);
	nft_match_way_back(&rule);
	nft_add_learn_hairpin(&rule);
	nft_chain_add(&chain, &rule);
	return nft_chain_end(&chain, image);
}

static int add_hairpin_chain(struct pfw_image *image)
{
	const struct nft_chain_value head = { 0 };
	struct nft_rule rule = { 0 };
	struct nft_chain chain;

	nft_chain_begin(&chain, NFT_CHAIN_HAIRPIN, &head);
	nft_match_dnat(&rule);
	nft_match_hairpin(&rule);
	nft_add_masquerade(&rule);
	nft_chain_add(&chain, &rule);
	return nft_chain_end(&chain, image);
}

static int add_masquerade_chain(struct pfw_image *image)
{
	const struct nft_chain_value head = { 0 };
	struct nft_rule rule = { 0 };
	struct nft_chain chain;

	nft_chain_begin(&chain, NFT_CHAIN_MASQUERADE, &head);
	nft_add_masquerade(&rule);
	nft_chain_add(&chain, &rule);
	return nft_chain_end(&chain, image);
}

/*
 * Where the source is rewritten: the forward that took the connection is found
 * by the connection's original destination, in the same order of precedence.
 * A key without an address says nothing of the destination, so there the connection must
 * have been rewritten; otherwise plain transit would match.
 */
static int add_postrouting_chain(const struct pfw_plan *plan, struct pfw_image *image)
{
	const struct nft_chain_value head = {
		.is_base = 1,
		.hook = NF_INET_POST_ROUTING,
		.priority = PRIORITY_SRCNAT,
		.policy = NF_ACCEPT,
		.type = "nat",
	};
	unsigned int f, tier, remote;
	struct nft_rule rule = { 0 };
	struct nft_chain chain;
	struct nft_set set;

	nft_chain_begin(&chain, "postrouting", &head);
	for (f = 0; f < 2; f++)
		for (tier = 0; tier < PFW_TIERS; tier++)
			for (remote = 0; remote < 2; remote++) {
				if (!plan->frame.n_source[f][tier][remote])
					continue;
				nft_set_describe(nft_set_number(NFT_SNAT, families[f], tier,
								remote), &set);
				nft_match_family(&rule, families[f]);
				nft_match_transport(&rule);
				if (remote)
					nft_match_from_elsewhere(&rule);
				if (tier == PFW_TIER_INTERFACE || tier == PFW_TIER_ANY)
					nft_match_dnat(&rule);
				nft_add_vmap_original(&rule, families[f], tier, set.name);
				nft_chain_add(&chain, &rule);
			}
	if (has_auto(plan)) {
		nft_add_goto(&rule, NFT_CHAIN_HAIRPIN);
		nft_chain_add(&chain, &rule);
	}
	return nft_chain_end(&chain, image);
}

static bool any_source(const struct pfw_plan *plan)
{
	unsigned int f, tier;

	for (f = 0; f < 2; f++)
		for (tier = 0; tier < PFW_TIERS; tier++)
			if (plan->frame.n_source[f][tier][0] || plan->frame.n_source[f][tier][1])
				return true;
	return false;
}

static bool any_from_machine(const struct pfw_plan *plan)
{
	const struct pfw_frame *frame = &plan->frame;
	unsigned int f, tier;

	for (f = 0; f < 2; f++)
		for (tier = 0; tier < PFW_TIERS; tier++)
			if (machine_can_open((uint8_t)tier, false) &&
			    (frame->n_target[f][tier][0] || frame->n_self[f][tier][0]))
				return true;
	return false;
}

static int add_chains(const struct pfw_plan *plan, struct pfw_image *image)
{
	int ret = add_dnat_chain(plan, false, image);

	if (!ret && any_from_machine(plan))
		ret = add_dnat_chain(plan, true, image);
	if (!ret && has_auto(plan))
		ret = add_forward_chain(image);
	if (!ret && (has_auto(plan) || any_source(plan)))
		ret = add_postrouting_chain(plan, image);
	if (!ret && has_auto(plan))
		ret = add_hairpin_chain(image);
	if (!ret && plan->frame.n_masquerade)
		ret = add_masquerade_chain(image);
	return ret;
}

/* The key of an element as it stands in registers. */
static size_t put_key(const struct pfw_key *key, uint8_t *to)
{
	uint16_t port = htons(key->port.lo);
	size_t at = 0, size = pfw_addr_size(key->family);

	if (key->tier == PFW_TIER_ADDRESS_INTERFACE || key->tier == PFW_TIER_ADDRESS) {
		memcpy(to, key->address, size);
		at += size;
	}
	memset(to + at, 0, 8);
	to[at] = key->protocol;
	memcpy(to + at + 4, &port, sizeof(port));
	at += 8;
	if (key->tier == PFW_TIER_ADDRESS_INTERFACE || key->tier == PFW_TIER_INTERFACE) {
		memcpy(to + at, key->ifname, PFW_IFNAME_SIZE);
		at += PFW_IFNAME_SIZE;
	}
	return at;
}

/* Where it goes: a port of the machine itself, or an address and its port. */
static size_t put_target(const struct pfw_target *target, const struct pfw_key *key, uint8_t *to)
{
	uint16_t port = htons(target->port.lo ? target->port.lo : key->port.lo);
	size_t at = pfw_addr_size(key->family);

	if (target->self) {
		memcpy(to, &port, sizeof(port));
		return sizeof(port);
	}
	memcpy(to, target->address.bytes, at);
	memset(to + at, 0, 4);
	memcpy(to + at, &port, sizeof(port));
	return at + 4;
}

static struct nft_verdict_value source_verdict(const struct pfw_slot *slot)
{
	if (slot->source == PFW_SOURCE_MASQUERADE)
		return (struct nft_verdict_value){ NFT_GOTO, NFT_CHAIN_MASQUERADE };
	if (slot->source == PFW_SOURCE_AUTO && !slot->self)
		return (struct nft_verdict_value){ NFT_GOTO, NFT_CHAIN_HAIRPIN };
	return (struct nft_verdict_value){ NF_ACCEPT, "" };
}

static int add_slot(const struct pfw_plan *plan, const struct pfw_slot *slot,
		    struct pfw_image *image)
{
	const struct pfw_forward *forward = &plan->ruleset->forwards[slot->forward];
	const struct pfw_target *target = pfw_forward_target(forward, slot->key.family);
	uint8_t key[NFT_ELEMENT_KEY_MAX], data[32];
	struct nft_verdict_value verdict;
	size_t key_len, data_len;

	key_len = 1 + put_key(&slot->key, key + 1);
	key[0] = nft_set_number(slot->self ? NFT_SELF : NFT_DNAT, slot->key.family, slot->key.tier,
				slot->remote);
	data_len = put_target(target, &slot->key, data);
	if (!pfw_image_add(image, NFT_KIND_ELEMENT, key, key_len, data, data_len, forward->name))
		return -ENOMEM;
	if (!pfw_slot_speaks(plan, slot))
		return 0;
	key[0] = nft_set_number(NFT_SNAT, slot->key.family, slot->key.tier, slot->remote);
	verdict = source_verdict(slot);
	return pfw_image_add(image, NFT_KIND_ELEMENT, key, key_len, &verdict, sizeof(verdict),
			     forward->name) ? 0 : -ENOMEM;
}

static int add_elements(const struct pfw_plan *plan, const struct pfw_keys *only,
			struct pfw_image *image)
{
	const struct pfw_slot *slot;
	int ret = 0;
	size_t i;

	if (only) {
		for (i = 0; !ret && i < only->n_keys; i++) {
			slot = pfw_plan_slot(plan, &only->keys[i]);
			ret = slot ? add_slot(plan, slot, image) : 0;
		}
		return ret;
	}
	for (i = 0; !ret && i < plan->n_slots; i++)
		if (plan->slots[i].forward != PFW_INDEX_NONE)
			ret = add_slot(plan, &plan->slots[i], image);
	return ret;
}

static int add_stamp(const struct pfw_plan *plan, struct pfw_image *image)
{
	uint8_t key[1 + 8] = { NFT_SET_REVISION };

	nft_stamp(plan, key + 1);
	return pfw_image_add(image, NFT_KIND_ELEMENT, key, sizeof(key), NULL, 0, NULL) ? 0 : -ENOMEM;
}

/*
 * No forward, no table: a machine without forwards looks as if portfwd had never been there. But
 * the kernel rewrites connections only while there is a nat chain and somebody who tracks them,
 * so for those that are left to finish such a chain stays, which does nothing to new ones.
 */
int nft_compile(const struct pfw_plan *plan, const struct pfw_keys *only, struct pfw_image *ret,
		struct pfw_error *err)
{
	const uint32_t table_flags = 0;
	struct pfw_image image = { 0 };
	int code = -ENOMEM;

	if (!has_slots(plan) && !plan->facts.draining) {
		*ret = image;
		return 0;
	}
	if (pfw_image_add(&image, NFT_KIND_TABLE, NFT_TABLE, sizeof(NFT_TABLE), &table_flags,
			  sizeof(table_flags), NULL))
		code = add_sets(plan, &image);
	if (!code)
		code = add_chains(plan, &image);
	if (!code)
		code = add_elements(plan, only, &image);
	if (!code)
		code = add_stamp(plan, &image);
	if (code) {
		pfw_image_free(&image);
		return pfw_fail_memory(err);
	}
	*ret = image;
	return 0;
}
