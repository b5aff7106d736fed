/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The rules that say what happens to the source address. The forward that took the connection
 * is told by the connection's original destination and the one that it has now, in
 * the same order of precedence, and by who is admitted.
 */
#include <stdlib.h>
#include <string.h>

#include "compile.h"

/* Where connections of a slot go to. */
struct goal {
	struct pfw_addr address;
	struct pfw_ports port;
};

static int compare_goals(const void *a, const void *b)
{
	const struct goal *x = a, *y = b;
	int order = memcmp(x->address.bytes, y->address.bytes, sizeof(x->address.bytes));

	return order ? order : (int)x->port.lo - y->port.lo;
}

/* Each goal once; the number of them. */
static size_t find_goals(const struct ipt_claim *claim, struct goal *ret)
{
	const struct pfw_target *target = claim->forward->targets;
	const struct pfw_key *key = &claim->slot->key;
	size_t i, n = 0, kept = 0;

	for (i = 0; i < claim->forward->n_targets; i++, target++)
		if (!target->self && target->address.family == key->family)
			ret[n++] = (struct goal){ target->address,
						  target->port.lo ? target->port : key->port };
	qsort(ret, n, sizeof(*ret), compare_goals);
	for (i = 0; i < n; i++)
		if (!kept || compare_goals(&ret[kept - 1], &ret[i]))
			ret[kept++] = ret[i];
	return kept;
}

/*
 * A key without an address says nothing of where a connection went before, so there it must
 * have been rewritten; otherwise plain transit would match.
 */
static void match_original(struct ipt_rule *rule, const struct pfw_key *key)
{
	rule->asks |= IPT_ORIGINAL_PORT;
	rule->original_port = key->port;
	if (!ipt_tier_has_address(key->tier)) {
		rule->asks |= IPT_DNATED;
		return;
	}
	rule->asks |= IPT_ORIGINAL_ADDRESS;
	rule->original_len = (uint8_t)(pfw_addr_size(key->family) * 8);
	memcpy(rule->original, key->address, sizeof(rule->original));
}

/* What ends on this machine itself has no source to rewrite. */
static void judge(const struct pfw_plan *plan, const struct ipt_claim *claim, struct ipt_rule *rule)
{
	const struct pfw_forward *forward = claim->forward;

	switch (pfw_plan_source(plan, forward)) {
	case PFW_SOURCE_MASQUERADE:
		rule->target = IPT_MASQUERADE;
		break;
	case PFW_SOURCE_ADDRESS:
		rule->target = IPT_SNAT;
		rule->has_address = true;
		memcpy(rule->address, forward->snat_address.bytes, sizeof(rule->address));
		break;
	case PFW_SOURCE_AUTO:
		if (!pfw_forward_stays(forward) && ipt_has_hairpin(plan, claim->slot->key.family)) {
			ipt_rule_lead(rule, IPT_GOTO, IPT_CHAIN_HAIRPIN);
			break;
		}
		__attribute__((fallthrough));
	case PFW_SOURCE_KEEP:
		rule->target = IPT_RETURN;
		break;
	}
}

static void add_goal(struct ipt_build *build, struct ipt_numbered *at, const struct goal *goal)
{
	const struct pfw_key *key = &at->claim->slot->key;
	size_t i;

	for (i = 0; i < build->admitted.n; i++) {
		struct ipt_rule rule = { 0 };

		ipt_match_source(&rule, &build->admitted.list[i]);
		ipt_match_destination(&rule, goal->address.bytes, key->family);
		if (ipt_tier_has_interface(key->tier))
			ipt_match_in(&rule, key->ifname);
		ipt_match_port(&rule, key->protocol, goal->port);
		match_original(&rule, key);
		ipt_match_elsewhere(&rule, build->plan, at->claim);
		ipt_match_until(&rule, at->claim->forward->expires);
		judge(build->plan, at->claim, &rule);
		ipt_add_rule(build, at, &rule, NULL);
	}
}

void ipt_add_source(struct ipt_build *build, const struct ipt_claim *claim)
{
	struct ipt_numbered at = { .claim = claim, .table = IPT_TABLE_NAT, .source = true };
	struct goal *goals = calloc(claim->forward->n_targets, sizeof(*goals));
	size_t n, i;

	if (!goals) {
		build->failed = true;
		return;
	}
	n = find_goals(claim, goals);
	ipt_find_admitted(build, claim->forward, claim->slot->key.family);
	for (i = 0; i < n; i++)
		add_goal(build, &at, &goals[i]);
	free(goals);
}
