/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Hairpins: what forwards send back by the interface that it came in by is masqueraded, so that
 * the answer comes back through this machine.
 */
#include <string.h>

#include "compile.h"

bool ipt_has_hairpin(const struct pfw_plan *plan, uint8_t family)
{
	return plan->frame.n_goals[ipt_family_index(family)] > 0;
}

void ipt_add_hairpin(struct ipt_build *build, uint8_t family)
{
	const struct pfw_links *links = &build->plan->facts.links;
	struct ipt_chain chain;
	bool any = false;
	size_t i;

	ipt_chain_begin(&chain, build, family, IPT_TABLE_NAT, IPT_CHAIN_HAIRPIN, NULL);
	for (i = 0; i < links->n; i++) {
		struct ipt_rule rule = { .asks = IPT_OUT | IPT_DNATED };

		if (!ipt_guard_holds(links->list[i].name))
			continue;
		ipt_match_in(&rule, links->list[i].name);
		memcpy(rule.out, rule.in, sizeof(rule.out));
		ipt_rule_lead(&rule, IPT_GOTO, IPT_CHAIN_TARGETS);
		ipt_chain_add(&chain, &rule);
		any = true;
	}
	ipt_chain_end(&chain);
	if (any)
		ipt_add_masquerades(build, family);
}
