/* SPDX-License-Identifier: GPL-2.0-or-later */
/* From a plan to the chains and rules of both families. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "compile.h"

static const uint8_t families[] = { AF_INET, AF_INET6 };

/* ---- Slots and forwards */

static void add_claim(struct ipt_build *build, const struct ipt_claim *claim)
{
	ipt_add_dispatch(build, claim);
	if (pfw_slot_speaks(build->plan, claim->slot))
		ipt_add_source(build, claim);
	if (claim->slot->unchanged && pfw_plan_guards(build->plan, claim->slot->key.family))
		ipt_add_unchanged(build, claim);
}

static void add_slot(struct ipt_build *build, const struct pfw_slot *slot)
{
	uint16_t ranks[2] = { 0 };
	struct ipt_claim claim = {
		.ranks = ranks,
		.slot = slot,
		.forward = &build->plan->ruleset->forwards[slot->forward],
	};
	const struct pfw_forward **claims = NULL;
	int n = 1, i;

	if (slot->more == PFW_INDEX_NONE) {
		add_claim(build, &claim);
		return;
	}
	n = pfw_slot_claims(build->plan, slot, &claims);
	if (n < 0)
		build->failed = true;
	for (i = 0; i < n; i++) {
		claim.forward = claims[i];
		add_claim(build, &claim);
	}
	free(claims);
}

static void add_slots(struct ipt_build *build)
{
	const struct pfw_plan *plan = build->plan;
	uint32_t i;

	for (i = 0; !build->failed && i < plan->n_slots; i++)
		if (plan->slots[i].forward != PFW_INDEX_NONE)
			add_slot(build, &plan->slots[i]);
}

static void add_forwards(struct ipt_build *build)
{
	const struct pfw_ruleset *ruleset = build->plan->ruleset;
	unsigned int f;
	uint32_t id;

	for (f = 0; f < 2; f++)
		for (id = 0; !build->failed && id < ruleset->n_forwards; id++)
			if (build->needs_chain[f][id])
				ipt_add_forward(build, &ruleset->forwards[id], families[f]);
}

/* ---- The frame */

static bool machine_can_open(const struct pfw_plan *plan, unsigned int f)
{
	static const uint8_t tiers[] = { PFW_TIER_ADDRESS, PFW_TIER_ANY };
	unsigned int shape, t;

	for (shape = 0; shape < PFW_SHAPES; shape++)
		for (t = 0; t < sizeof(tiers); t++)
			if (plan->frame.n_shape[shape][f][tiers[t]][false])
				return true;
	return false;
}

/*
 * The kernel rewrites connections only while somebody tracks them, so for those that are left
 * to finish a rule stays that asks for something of them, and does nothing.
 */
static void add_draining(struct ipt_build *build, uint8_t family)
{
	const struct ipt_rule rule = { .asks = IPT_DNATED };
	struct ipt_chain chain;

	ipt_chain_begin(&chain, build, family, IPT_TABLE_NAT, IPT_CHAIN_DNAT, NULL);
	ipt_chain_add(&chain, &rule);
	ipt_chain_end(&chain);
	ipt_add_jump(build, family, IPT_TABLE_NAT, "PREROUTING", IPT_CHAIN_DNAT);
}

static void add_frame(struct ipt_build *build, unsigned int f)
{
	const struct pfw_plan *plan = build->plan;
	uint8_t family = families[f];
	bool hairpin = ipt_has_hairpin(plan, family);

	if (build->n_rules[f][false])
		ipt_add_jump(build, family, IPT_TABLE_NAT, "PREROUTING", IPT_CHAIN_DNAT);
	else if (plan->facts.draining)
		add_draining(build, family);
	if (build->n_rules[f][false] && machine_can_open(plan, f))
		ipt_add_jump(build, family, IPT_TABLE_NAT, "OUTPUT", IPT_CHAIN_DNAT);
	if (build->n_rules[f][true] || hairpin)
		ipt_add_jump(build, family, IPT_TABLE_NAT, "POSTROUTING", IPT_CHAIN_SNAT);
	if (hairpin)
		ipt_add_hairpin(build, family);
	if (build->needs_sink[f])
		ipt_add_sink(build, family);
	if (pfw_plan_guards(plan, family))
		ipt_add_guard(build, family);
	if (family == AF_INET && pfw_plan_localnet(plan))
		ipt_add_shield(build);
}

/* ---- The image */

static int compare_keys(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct pfw_key));
}

static int compare_names(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static bool is_touched(const struct pfw_touched *only, const struct pfw_item *item)
{
	if (item->kind == IPT_KIND_RULE)
		return only->n_keys && bsearch(pfw_item_key(item), only->keys, only->n_keys,
					       sizeof(*only->keys), compare_keys);
	return !item->owner || (only->n_names && bsearch(&item->owner, only->names, only->n_names,
							 sizeof(*only->names), compare_names));
}

/* Where a rule stands depends on all others, so all are made, and those kept that are asked for. */
static int keep_touched(struct pfw_image *image, const struct pfw_touched *only)
{
	struct pfw_touched sorted = { .n_keys = only->n_keys, .n_names = only->n_names };
	uint32_t i, kept = 0;

	sorted.keys = calloc(only->n_keys + 1, sizeof(*sorted.keys));
	sorted.names = calloc(only->n_names + 1, sizeof(*sorted.names));
	if (!sorted.keys || !sorted.names) {
		pfw_touched_free(&sorted);
		return -ENOMEM;
	}
	if (only->n_keys)
		memcpy(sorted.keys, only->keys, only->n_keys * sizeof(*only->keys));
	if (only->n_names)
		memcpy(sorted.names, only->names, only->n_names * sizeof(*only->names));
	qsort(sorted.keys, sorted.n_keys, sizeof(*sorted.keys), compare_keys);
	qsort(sorted.names, sorted.n_names, sizeof(*sorted.names), compare_names);
	for (i = 0; i < image->n_items; i++)
		if (is_touched(&sorted, &image->items[i]))
			image->items[kept++] = image->items[i];
	image->n_items = kept;
	pfw_touched_free(&sorted);
	return 0;
}

static int begin(struct ipt_build *build)
{
	unsigned int f;

	for (f = 0; f < 2; f++) {
		build->needs_chain[f] = calloc(build->plan->ruleset->n_forwards + 1u, sizeof(bool));
		if (!build->needs_chain[f])
			return -ENOMEM;
	}
	return 0;
}

static void end(struct ipt_build *build)
{
	free(build->cells);
	free(build->needs_chain[0]);
	free(build->needs_chain[1]);
	free(build->admitted.list);
}

static int refuse(const struct pfw_forward *forward, struct pfw_error *err)
{
	return pfw_fail(err, PFW_FAILED, -EINVAL,
			"\"%s\" admits more than %u address prefixes, for which the iptables "
			"backend has no rules; join some, or use the nftables backend",
			forward->name, IPT_ADMITTED_MAX);
}

int ipt_compile(const struct pfw_plan *plan, const struct pfw_touched *only, struct pfw_image *ret,
		struct pfw_error *err)
{
	struct ipt_build build = { .plan = plan };
	int code = begin(&build);

	if (!code) {
		add_slots(&build);
		add_forwards(&build);
		ipt_add_trees(&build);
		add_frame(&build, 0);
		add_frame(&build, 1);
		code = build.failed ? -ENOMEM : build.refused ? -EINVAL : 0;
	}
	if (!code && only)
		code = keep_touched(&build.image, only);
	end(&build);
	if (code) {
		pfw_image_free(&build.image);
		return code == -ENOMEM ? pfw_fail_memory(err) : refuse(build.refused, err);
	}
	*ret = build.image;
	return 0;
}
