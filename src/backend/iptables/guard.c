/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The guard: where portfwd switched routing on, nothing but what its forwards made passes
 * between the interfaces that were there at that time. What comes in by one that
 * forwarded by itself even then passes as it did.
 */
#include <string.h>

#include "compile.h"

/*
 * Any of the destinations of a forward that changes nothing: such a connection has no status by
 * which the guard would know it, so its destination is asked for once more.
 */
static void add_pass(struct ipt_build *build, struct ipt_numbered *at, struct pfw_ports port)
{
	const struct pfw_key *key = &at->claim->slot->key;
	const struct pfw_forward *forward = at->claim->forward;
	size_t i;

	at->number = 0;
	for (i = 0; i < build->admitted.n; i++) {
		struct ipt_rule rule = { .target = IPT_RETURN };

		ipt_match_source(&rule, &build->admitted.list[i]);
		ipt_match_destination(&rule, key->address, key->family);
		if (ipt_tier_has_interface(key->tier))
			ipt_match_in(&rule, key->ifname);
		ipt_match_port(&rule, key->protocol, port);
		ipt_match_until(&rule, forward->expires);
		ipt_add_rule(build, at, &rule, IPT_CHAIN_GUARDED);
	}
}

void ipt_add_unchanged(struct ipt_build *build, const struct ipt_claim *claim)
{
	struct ipt_numbered at = { .claim = claim, .table = IPT_TABLE_FILTER };
	const struct pfw_key *key = &claim->slot->key;
	uint32_t port, first = 0;

	ipt_find_admitted(build, claim->forward, key->family);
	for (port = key->port.lo; port <= key->port.hi + 1u; port++) {
		if (port <= key->port.hi &&
		    pfw_forward_unchanged(claim->forward, key, (uint16_t)port)) {
			first = first ? first : port;
			continue;
		}
		if (first)
			add_pass(build, &at, (struct pfw_ports){ (uint16_t)first,
								 (uint16_t)(port - 1) });
		first = 0;
	}
}

static void add_link(struct ipt_chain *chain, const char *name, bool in)
{
	struct ipt_rule rule = { 0 };

	if (in) {
		ipt_match_in(&rule, name);
		ipt_rule_lead(&rule, IPT_GOTO, IPT_CHAIN_GUARDED);
	} else {
		rule.asks = IPT_OUT;
		memcpy(rule.out, name, strnlen(name, sizeof(rule.out) - 1));
		rule.target = IPT_DROP;
	}
	ipt_chain_add(chain, &rule);
}

static void add_links(struct ipt_chain *chain, uint8_t family, bool in)
{
	const struct pfw_facts *facts = &chain->build->plan->facts;
	const struct pfw_links *links = &facts->guarded[ipt_family_index(family)];
	size_t i;

	for (i = 0; i < links->n; i++)
		if (ipt_guard_holds(links->list[i].name) && !(in && links->list[i].routed))
			add_link(chain, links->list[i].name, in);
}

/* What needs no further look comes first, because it is most of the packets. */
void ipt_add_guard(struct ipt_build *build, uint8_t family)
{
	const struct ipt_rule reply = { .asks = IPT_REPLY }, dnated = { .asks = IPT_DNATED };
	struct ipt_chain chain;

	ipt_chain_begin(&chain, build, family, IPT_TABLE_FILTER, IPT_CHAIN_GUARDED, NULL);
	add_links(&chain, family, false);
	ipt_chain_end(&chain);
	ipt_chain_begin(&chain, build, family, IPT_TABLE_FILTER, IPT_CHAIN_GUARD, NULL);
	ipt_chain_add(&chain, &reply);
	ipt_chain_add(&chain, &dnated);
	add_links(&chain, family, true);
	ipt_chain_end(&chain);
	ipt_add_jump(build, family, IPT_TABLE_FILTER, "FORWARD", IPT_CHAIN_GUARD);
}
