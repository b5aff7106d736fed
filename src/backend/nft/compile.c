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

/* Which maps slots of a shape use, and whether they hold ranges. */
static const struct {
	enum nft_purpose purpose;
	enum pfw_shape shape;
	bool range;
} lookups[] = {
	{ NFT_DNAT, PFW_SHAPE_TARGET, false },
	{ NFT_SELF, PFW_SHAPE_SELF, false },
	{ NFT_CHAIN, PFW_SHAPE_COMPLEX, false },
	{ NFT_SHIFT, PFW_SHAPE_SHIFT, true },
	{ NFT_KEEP, PFW_SHAPE_KEEP, true },
	{ NFT_MANY, PFW_SHAPE_MANY, true },
	{ NFT_CHAIN_RANGE, PFW_SHAPE_WIDE_COMPLEX, true },
};
#define LOOKUPS (sizeof(lookups) / sizeof(*lookups))

static uint32_t map_use(const struct pfw_frame *frame, enum nft_purpose purpose, unsigned int f,
			uint8_t tier, bool remote)
{
	size_t i;

	if (purpose == NFT_SNAT || purpose == NFT_SNAT_RANGE)
		return frame->n_source[purpose == NFT_SNAT_RANGE][f][tier][remote];
	for (i = 0; i < LOOKUPS; i++)
		if (lookups[i].purpose == purpose)
			return frame->n_shape[lookups[i].shape][f][tier][remote];
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
	uint8_t number;
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
	if (!ret && plan->frame.n_auto)
		ret = add_set(image, NFT_SET_HAIRPIN, false);
	if (!ret && plan->frame.n_auto)
		ret = add_set(image, NFT_SET_STRAIGHT, false);
	for (f = 0; !ret && f < 2; f++)
		if (plan->frame.n_goals[f])
			ret = add_set(image, (uint8_t)(NFT_SET_TARGETS + f), false);
	for (f = 0; !ret && f < 2; f++)
		if (plan->frame.n_connections[f])
			ret = add_set(image, (uint8_t)(NFT_SET_CONNECTIONS + f), false);
	for (number = NFT_SET_GUARDED; !ret && number < NFT_SETS; number++)
		if (nft_guard_uses(plan, number))
			ret = add_set(image, number, false);
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
	bool address = nft_tier_has_address(tier);
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

static void add_lookup(struct nft_chain *chain, enum nft_purpose purpose, uint8_t family,
		       uint8_t tier, bool output, const char *map)
{
	struct nft_rule rule = { 0 };

	if (purpose == NFT_SELF) {
		add_self_lookups(chain, family, tier, output, map);
		return;
	}
	begin_lookup(&rule, family, tier, false, output);
	switch (purpose) {
	case NFT_CHAIN:
	case NFT_CHAIN_RANGE:
		nft_add_vmap(&rule, family, tier, purpose == NFT_CHAIN_RANGE, map);
		break;
	case NFT_KEEP:
		nft_add_dnat_address(&rule, family, tier, map);
		break;
	default:
		nft_add_dnat(&rule, family, tier, purpose == NFT_MANY, map);
		break;
	}
	nft_chain_add(chain, &rule);
}

/* All lookups of one family, for single ports or for ranges, the most specific first. */
static void add_lookups(const struct pfw_plan *plan, struct nft_chain *chain, unsigned int f,
			bool range, bool output)
{
	unsigned int tier, remote, i;
	struct nft_set set;

	for (tier = 0; tier < PFW_TIERS; tier++)
		for (remote = 0; remote < 2; remote++)
			for (i = 0; i < LOOKUPS; i++) {
				if (lookups[i].range != range ||
				    (output && !machine_can_open((uint8_t)tier, remote)) ||
				    !map_use(&plan->frame, lookups[i].purpose, f, (uint8_t)tier,
					     remote))
					continue;
				nft_set_describe(nft_set_number(lookups[i].purpose, families[f],
								(uint8_t)tier, remote), &set);
				add_lookup(chain, lookups[i].purpose, families[f], (uint8_t)tier,
					   output, set.name);
			}
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
	struct nft_rule rule = { 0 };
	struct nft_chain chain;
	unsigned int f;

	nft_chain_begin(&chain, output ? "output" : "prerouting", &head);
	if (!has_slots(plan)) {
		/* Connections are tracked while a rule asks for something of them. */
		nft_match_dnat(&rule);
		nft_chain_add(&chain, &rule);
	}
	for (f = 0; f < 2; f++) {
		add_lookups(plan, &chain, f, false, output);
		add_lookups(plan, &chain, f, true, output);
	}
	return nft_chain_end(&chain, image);
}

/* Every packet passes here, so there is no such chain but for the guard. */
static int add_forward_chain(const struct pfw_plan *plan, struct pfw_image *image)
{
	const struct nft_chain_value head = {
		.is_base = 1,
		.hook = NF_INET_FORWARD,
		.priority = PRIORITY_FILTER,
		.policy = NF_ACCEPT,
		.type = "filter",
	};
	struct nft_chain chain;

	nft_chain_begin(&chain, "forward", &head);
	nft_guard_begin(plan, &chain);
	nft_guard_end(plan, &chain);
	return nft_chain_end(&chain, image);
}

/* What goes back where it came from, and where forwards send connections. */
static int add_hairpin_chain(const struct pfw_plan *plan, struct pfw_image *image)
{
	const struct nft_chain_value head = { 0 };
	struct nft_rule rule = { 0 };
	struct nft_chain chain;
	struct nft_set set;
	unsigned int f;

	nft_chain_begin(&chain, NFT_CHAIN_HAIRPINS, &head);
	/* Nearly all of them, by one lookup. */
	nft_match_straight(&rule);
	nft_add_verdict(&rule, NFT_RETURN, NULL);
	nft_chain_add(&chain, &rule);
	for (f = 0; f < 2; f++) {
		if (!plan->frame.n_goals[f])
			continue;
		nft_set_describe((uint8_t)(NFT_SET_TARGETS + f), &set);
		nft_match_dnat(&rule);
		nft_match_family(&rule, families[f]);
		nft_match_targets(&rule, families[f], set.name);
		nft_match_hairpin(&rule);
		nft_add_masquerade(&rule);
		nft_chain_add(&chain, &rule);
	}
	nft_match_dnat(&rule);
	nft_add_straight(&rule);
	nft_chain_add(&chain, &rule);
	return nft_chain_end(&chain, image);
}

static int add_masquerade_chain(struct pfw_image *image)
{
	const struct nft_chain_value head = { 0 };
	struct nft_rule rule = { 0 };
	struct nft_chain chain;

	nft_chain_begin(&chain, NFT_CHAIN_MASQUERADES, &head);
	nft_add_masquerade(&rule);
	nft_chain_add(&chain, &rule);
	return nft_chain_end(&chain, image);
}

static void add_source_lookups(const struct pfw_plan *plan, struct nft_chain *chain,
			       unsigned int f, bool range)
{
	enum nft_purpose purpose = range ? NFT_SNAT_RANGE : NFT_SNAT;
	unsigned int tier, remote;
	struct nft_rule rule = { 0 };
	struct nft_set set;

	for (tier = 0; tier < PFW_TIERS; tier++)
		for (remote = 0; remote < 2; remote++) {
			if (!plan->frame.n_source[range][f][tier][remote])
				continue;
			nft_set_describe(nft_set_number(purpose, families[f], (uint8_t)tier,
							remote), &set);
			nft_match_transport(&rule);
			if (remote)
				nft_match_from_elsewhere(&rule);
			if (!nft_tier_has_address((uint8_t)tier))
				nft_match_dnat(&rule);
			/* Where nft puts it when it reads its own list back. */
			nft_match_family(&rule, families[f]);
			nft_add_vmap_original(&rule, families[f], (uint8_t)tier, range, set.name);
			nft_chain_add(chain, &rule);
		}
}

/*
 * Where the source is rewritten: the forward that took the connection is found
 * by the connection's original destination and the one that it has now, in the same order
 * of precedence. A key without an address says nothing of where it went before, so there
 * the connection must have been rewritten; otherwise plain transit would match.
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
	struct nft_rule rule = { 0 };
	struct nft_chain chain;
	unsigned int f;

	nft_chain_begin(&chain, "postrouting", &head);
	for (f = 0; f < 2; f++) {
		add_source_lookups(plan, &chain, f, false);
		add_source_lookups(plan, &chain, f, true);
	}
	if (plan->frame.n_auto) {
		nft_add_verdict(&rule, NFT_GOTO, NFT_CHAIN_HAIRPINS);
		nft_chain_add(&chain, &rule);
	}
	return nft_chain_end(&chain, image);
}

static bool any_source(const struct pfw_plan *plan)
{
	const struct pfw_frame none = { 0 };

	return memcmp(plan->frame.n_source, none.n_source, sizeof(none.n_source)) != 0;
}

static bool any_from_machine(const struct pfw_plan *plan)
{
	unsigned int shape, f, tier;

	for (shape = 0; shape < PFW_SHAPES; shape++)
		for (f = 0; f < 2; f++)
			for (tier = 0; tier < PFW_TIERS; tier++)
				if (machine_can_open((uint8_t)tier, false) &&
				    plan->frame.n_shape[shape][f][tier][0])
					return true;
	return false;
}

static int add_chains(const struct pfw_plan *plan, struct pfw_image *image)
{
	int ret = nft_shield_add_chain(plan, image);

	if (!ret && (has_slots(plan) || plan->facts.draining))
		ret = add_dnat_chain(plan, false, image);
	if (!ret && any_from_machine(plan))
		ret = add_dnat_chain(plan, true, image);
	if (!ret && nft_guards(plan))
		ret = add_forward_chain(plan, image);
	if (!ret)
		ret = nft_guard_add_chain(plan, image);
	if (!ret && (plan->frame.n_auto || any_source(plan)))
		ret = add_postrouting_chain(plan, image);
	if (!ret && plan->frame.n_auto)
		ret = add_hairpin_chain(plan, image);
	if (!ret && plan->frame.n_masquerade)
		ret = add_masquerade_chain(image);
	return ret;
}

static int add_elements(const struct pfw_plan *plan, const struct pfw_touched *only,
			struct pfw_image *image)
{
	const struct pfw_slot *slot;
	int ret = 0;
	size_t i;

	if (only) {
		for (i = 0; !ret && i < only->n_keys; i++) {
			slot = pfw_plan_slot(plan, &only->keys[i]);
			ret = slot ? nft_compile_slot(plan, slot, image) : 0;
		}
		return ret;
	}
	for (i = 0; !ret && i < plan->n_slots; i++)
		if (plan->slots[i].forward != PFW_INDEX_NONE)
			ret = nft_compile_slot(plan, &plan->slots[i], image);
	return ret;
}

static int add_goal(const struct pfw_addr *goal, struct pfw_image *image)
{
	uint8_t key[1 + sizeof(goal->bytes)] = {
		(uint8_t)(NFT_SET_TARGETS + (goal->family == AF_INET6)),
	};
	size_t len = pfw_addr_size(goal->family);

	memcpy(key + 1, goal->bytes, len);
	return pfw_image_add(image, NFT_KIND_ELEMENT, key, 1 + len, NULL, 0, NULL) ? 0 : -ENOMEM;
}

static int add_goals(const struct pfw_plan *plan, const struct pfw_touched *only,
		     struct pfw_image *image)
{
	int ret = 0;
	size_t i;

	for (i = 0; only && !ret && i < only->n_goals; i++)
		if (pfw_plan_has_goal(plan, &only->goals[i]))
			ret = add_goal(&only->goals[i], image);
	for (i = 0; !only && !ret && i < plan->n_goals; i++)
		ret = add_goal(&plan->goals[i].address, image);
	return ret;
}

static int add_forwards(const struct pfw_plan *plan, const struct pfw_touched *only,
			struct pfw_image *image)
{
	const struct pfw_ruleset *ruleset = plan->ruleset;
	uint32_t id;
	int ret = 0;
	size_t i;

	if (only) {
		for (i = 0; !ret && i < only->n_names; i++) {
			id = pfw_ruleset_find(ruleset, only->names[i]);
			if (id != PFW_INDEX_NONE)
				ret = nft_compile_forward(plan, &ruleset->forwards[id], image);
		}
		return ret;
	}
	for (id = 0; !ret && id < ruleset->n_forwards; id++)
		if (ruleset->forwards[id].name)
			ret = nft_compile_forward(plan, &ruleset->forwards[id], image);
	return ret;
}

static int add_stamp(const struct pfw_plan *plan, struct pfw_image *image)
{
	uint8_t key[1 + 8] = { NFT_SET_REVISION };

	nft_stamp(plan, key + 1);
	return pfw_image_add(image, NFT_KIND_ELEMENT, key, sizeof(key), NULL, 0, NULL) ? 0 : -ENOMEM;
}

/*
 * Without any of these, a machine looks as if portfwd had never been there. The kernel rewrites
 * connections only while there is a nat chain and somebody who tracks them, so for those
 * that are left to finish such a chain stays, which does nothing to new ones.
 */
bool nft_has_table(const struct pfw_plan *plan)
{
	return has_slots(plan) || plan->facts.draining || nft_guards(plan);
}

int nft_compile(const struct pfw_plan *plan, const struct pfw_touched *only, struct pfw_image *ret,
		struct pfw_error *err)
{
	const struct nft_flags_value owned = { .flags = NFT_TABLE_OWNED };
	const uint32_t table_flags = 0;
	struct pfw_image image = { 0 };
	int code = -ENOMEM;

	if (!nft_has_table(plan)) {
		*ret = image;
		return 0;
	}
	if (pfw_image_add(&image, NFT_KIND_TABLE, NFT_TABLE, sizeof(NFT_TABLE), &table_flags,
			  sizeof(table_flags), NULL))
		code = plan->facts.owned ? nft_flags_add(&owned, &image) : 0;
	if (!code)
		code = add_sets(plan, &image);
	if (!code)
		code = add_chains(plan, &image);
	if (!code)
		code = nft_guard_add_links(plan, &image);
	if (!code)
		code = add_forwards(plan, only, &image);
	if (!code)
		code = add_elements(plan, only, &image);
	if (!code)
		code = add_goals(plan, only, &image);
	if (!code)
		code = add_stamp(plan, &image);
	if (code) {
		pfw_image_free(&image);
		return pfw_fail_memory(err);
	}
	*ret = image;
	return 0;
}
