/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The guard: where portfwd switched routing on, nothing but what its forwards made passes
 * between the interfaces that were there at that time. What comes in by one that
 * forwarded by itself even then passes as it did.
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

static uint8_t earlier_set(unsigned int f)
{
	return (uint8_t)(NFT_SET_EARLIER + f);
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
 * nft lists a name as it is, and reads one that ends with '*' as the beginning of others, and
 * ends at a quote. A table with such a name could not be loaded again, and with
 * it nothing else that stands in the same file.
 */
bool nft_guard_holds(const char *name)
{
	return !strchr(name, '"') && name[strlen(name) - 1] != '*';
}

bool nft_guard_uses(const struct pfw_plan *plan, uint8_t set)
{
	unsigned int f, t;

	for (f = 0; f < 2; f++) {
		if (!pfw_plan_guards(plan, families[f]))
			continue;
		if (set == guarded_set(f) || set == earlier_set(f))
			return true;
		for (t = 0; t < 2; t++)
			if (set == unchanged_set(f, tiers[t]) &&
			    plan->frame.n_unchanged[f][tiers[t]])
				return true;
	}
	return false;
}

/* In whatever order they are, and whatever their index is. */
static uint64_t links_digest(const struct pfw_links *links)
{
	struct pfw_link link;
	uint64_t digest = 0;
	size_t i;

	for (i = 0; i < links->n; i++) {
		link = links->list[i];
		link.index = 0;
		if (nft_guard_holds(link.name))
			digest += pfw_hash(&link, sizeof(link));
	}
	return digest;
}

uint64_t nft_guard_digest(const struct pfw_plan *plan)
{
	uint64_t content[2], digest = 0;
	unsigned int f;

	for (f = 0; f < 2; f++) {
		if (!pfw_plan_guards(plan, families[f]))
			continue;
		content[0] = families[f];
		content[1] = links_digest(&plan->facts.guarded[f]);
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
	struct nft_set in, out;
	unsigned int f;

	for (f = 0; f < 2; f++) {
		if (!pfw_plan_guards(plan, families[f]))
			continue;
		nft_set_describe(guarded_set(f), &in);
		nft_set_describe(earlier_set(f), &out);
		nft_match_family(&rule, families[f]);
		nft_match_links(&rule, in.name, out.name);
		nft_add_verdict(&rule, NFT_GOTO, CHAIN_GUARD);
		nft_chain_add(forward, &rule);
	}
}

/*
 * What a rewrite changed has the status dnat, whose ever it was. One that changed
 * nothing left no trace, so its destination is looked up once more, and with it whom the
 * forward admits; what it drops comes no further than there. The rest goes, a packet that
 * belongs to no connection too.
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
			nft_add_vmap(&rule, families[f], tiers[t], false, set.name);
			nft_chain_add(&chain, &rule);
		}
	nft_add_verdict(&rule, NF_DROP, NULL);
	nft_chain_add(&chain, &rule);
	return nft_chain_end(&chain, image);
}

static int add_link(struct pfw_image *image, uint8_t set, const struct pfw_link *link)
{
	uint8_t key[1 + PFW_IFNAME_SIZE];

	key[0] = set;
	memcpy(key + 1, link->name, PFW_IFNAME_SIZE);
	return pfw_image_add(image, NFT_KIND_ELEMENT, key, sizeof(key), NULL, 0, NULL) ? 0 : -ENOMEM;
}

int nft_guard_add_links(const struct pfw_plan *plan, struct pfw_image *image)
{
	const struct pfw_links *links;
	unsigned int f;
	int ret = 0;
	size_t i;

	for (f = 0; f < 2; f++) {
		if (!pfw_plan_guards(plan, families[f]))
			continue;
		links = &plan->facts.guarded[f];
		for (i = 0; !ret && i < links->n; i++) {
			if (!nft_guard_holds(links->list[i].name))
				continue;
			ret = add_link(image, earlier_set(f), &links->list[i]);
			if (!ret && !links->list[i].routed)
				ret = add_link(image, guarded_set(f), &links->list[i]);
		}
	}
	return ret;
}

int nft_guard_add_slot(const uint8_t *key, size_t key_len, const struct pfw_slot *slot,
		       const struct nft_verdict_value *verdict, const char *owner,
		       struct pfw_image *image)
{
	uint8_t whole[NFT_ELEMENT_KEY_MAX];

	if (key_len > sizeof(whole) - 1)
		return 0;
	whole[0] = unchanged_set(slot->key.family == AF_INET6, slot->key.tier);
	memcpy(whole + 1, key, key_len);
	return pfw_image_add(image, NFT_KIND_ELEMENT, whole, 1 + key_len, verdict, sizeof(*verdict),
			     owner) ? 0 : -ENOMEM;
}

static bool is_guard_set(uint8_t number)
{
	return number >= NFT_SET_GUARDED && number < NFT_SET_UNCHANGED + 4;
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
	case NFT_KIND_FLAGS:
		return false;
	}
	return false;
}
