/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The guard: where portfwd switched routing on, nothing but what its forwards made
 * passes between the interfaces that were there at that time.
 */
#include <errno.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <string.h>
#include <sys/socket.h>

#include "nft.h"

#define CHAIN_GUARD "guard"

static const uint8_t families[] = { AF_INET, AF_INET6 };
static const uint8_t tiers[] = { PFW_TIER_ADDRESS_INTERFACE, PFW_TIER_ADDRESS };

static uint8_t guarded_set(unsigned int f)
{
	return (uint8_t)(NFT_SET_GUARDED + f);
}

static uint8_t unchanged_set(unsigned int f, uint8_t tier)
{
	return (uint8_t)(NFT_SET_UNCHANGED + 2 * f + (tier == PFW_TIER_ADDRESS));
}

bool nft_guards(const struct pfw_plan *plan)
{
	return pfw_plan_guards(plan, AF_INET) || pfw_plan_guards(plan, AF_INET6);
}

/*
 * nft lists a name as it is, and reads one that ends with '*' as the beginning of others,
 * so a table with such a name could not be loaded again.
 */
static bool reads_back(const char *name)
{
	return !strchr(name, '"') && name[strlen(name) - 1] != '*';
}

int nft_guard_check(const struct pfw_plan *plan, struct pfw_error *err)
{
	const struct pfw_links *links;
	unsigned int f;
	size_t i;

	for (f = 0; f < 2; f++) {
		if (!pfw_plan_guards(plan, families[f]))
			continue;
		links = &plan->facts.guarded[f];
		for (i = 0; i < links->n; i++)
			if (!reads_back(links->list[i].name))
				return pfw_fail(err, PFW_FAILED, -EINVAL,
						"interface %s has a name that nft cannot read back, so "
						"it cannot be guarded; rename it, or set \"guard\" to "
						"false in the settings", links->list[i].name);
	}
	return 0;
}

bool nft_guard_uses(const struct pfw_plan *plan, uint8_t set)
{
	unsigned int f, t;

	for (f = 0; f < 2; f++) {
		if (!pfw_plan_guards(plan, families[f]))
			continue;
		if (set == guarded_set(f))
			return true;
		for (t = 0; t < 2; t++)
			if (set == unchanged_set(f, tiers[t]) &&
			    plan->frame.n_unchanged[f][tiers[t]])
				return true;
	}
	return false;
}

uint64_t nft_guard_digest(const struct pfw_plan *plan)
{
	const struct pfw_links *links;
	uint64_t content[2], digest = 0;
	unsigned int f;
	size_t i;

	for (f = 0; f < 2; f++) {
		if (!pfw_plan_guards(plan, families[f]))
			continue;
		links = &plan->facts.guarded[f];
		content[0] = families[f];
		content[1] = 0;
		for (i = 0; i < links->n; i++)
			content[1] += pfw_hash(links->list[i].name, PFW_IFNAME_SIZE);
		digest += pfw_hash(content, sizeof(content));
	}
	return digest;
}

/* What needs no further look; first, because it is most of the packets. */
void nft_guard_begin(const struct pfw_plan *plan, struct nft_chain *forward)
{
	struct nft_rule rule = { 0 };

	if (!nft_guards(plan))
		return;
	nft_match_reply(&rule);
	nft_add_verdict(&rule, NF_ACCEPT, NULL);
	nft_chain_add(forward, &rule);
}

void nft_guard_end(const struct pfw_plan *plan, struct nft_chain *forward)
{
	struct nft_rule rule = { 0 };
	struct nft_set set;
	unsigned int f;

	for (f = 0; f < 2; f++) {
		if (!pfw_plan_guards(plan, families[f]))
			continue;
		nft_set_describe(guarded_set(f), &set);
		nft_match_family(&rule, families[f]);
		nft_match_links(&rule, set.name);
		nft_add_verdict(&rule, NFT_GOTO, CHAIN_GUARD);
		nft_chain_add(forward, &rule);
	}
}

/*
 * What a rewrite changed has the status dnat, whose ever it was. One that changed
 * nothing left no trace, so its destination is looked up once more. The rest
 * goes, a packet that belongs to no connection too.
 */
int nft_guard_add_chain(const struct pfw_plan *plan, struct pfw_image *image)
{
	const struct nft_chain_value head = { 0 };
	struct nft_rule rule = { 0 };
	struct nft_chain chain;
	struct nft_set set;
	unsigned int f, t;

	if (!nft_guards(plan))
		return 0;
	nft_chain_begin(&chain, CHAIN_GUARD, &head);
	nft_match_dnat(&rule);
	nft_add_verdict(&rule, NF_ACCEPT, NULL);
	nft_chain_add(&chain, &rule);
	for (f = 0; f < 2; f++)
		for (t = 0; t < 2; t++) {
			if (!nft_guard_uses(plan, unchanged_set(f, tiers[t])))
				continue;
			nft_set_describe(unchanged_set(f, tiers[t]), &set);
			/* The family stands where nft puts it when it reads its own list back. */
			nft_match_transport(&rule);
			nft_match_family(&rule, families[f]);
			nft_match_key(&rule, families[f], tiers[t], set.name);
			nft_add_verdict(&rule, NF_ACCEPT, NULL);
			nft_chain_add(&chain, &rule);
		}
	nft_add_verdict(&rule, NF_DROP, NULL);
	nft_chain_add(&chain, &rule);
	return nft_chain_end(&chain, image);
}

int nft_guard_add_links(const struct pfw_plan *plan, struct pfw_image *image)
{
	uint8_t key[1 + PFW_IFNAME_SIZE];
	const struct pfw_links *links;
	unsigned int f;
	size_t i;

	for (f = 0; f < 2; f++) {
		if (!pfw_plan_guards(plan, families[f]))
			continue;
		links = &plan->facts.guarded[f];
		key[0] = guarded_set(f);
		for (i = 0; i < links->n; i++) {
			memcpy(key + 1, links->list[i].name, PFW_IFNAME_SIZE);
			if (!pfw_image_add(image, NFT_KIND_ELEMENT, key, sizeof(key), NULL, 0, NULL))
				return -ENOMEM;
		}
	}
	return 0;
}

int nft_guard_add_slot(const struct pfw_plan *plan, const struct pfw_slot *slot,
		       const uint8_t *key, size_t key_len, struct pfw_image *image)
{
	uint8_t whole[NFT_ELEMENT_KEY_MAX];

	if (!slot->unchanged || !pfw_plan_guards(plan, slot->key.family) ||
	    key_len > sizeof(whole) - 1)
		return 0;
	whole[0] = unchanged_set(slot->key.family == AF_INET6, slot->key.tier);
	memcpy(whole + 1, key, key_len);
	return pfw_image_add(image, NFT_KIND_ELEMENT, whole, 1 + key_len, NULL, 0,
			     plan->ruleset->forwards[slot->forward].name) ? 0 : -ENOMEM;
}

static bool is_guard_set(uint8_t number)
{
	return number >= NFT_SET_GUARDED && number < NFT_SETS;
}

bool nft_is_guard(const struct pfw_item *item)
{
	const char *name = nft_item_name(item);

	switch ((enum nft_kind)item->kind) {
	case NFT_KIND_TABLE:
		return true;
	case NFT_KIND_SET:
		return is_guard_set(nft_set_find(name));
	case NFT_KIND_CHAIN:
		return !strcmp(name, CHAIN_GUARD) || !strcmp(name, "forward");
	case NFT_KIND_ELEMENT:
		return is_guard_set(nft_element_set(item));
	}
	return false;
}
