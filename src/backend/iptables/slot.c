/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The rules that rewrite the destination, or lead to the chain of the forward that does. */
#include <string.h>

#include "compile.h"

static void match_key(struct ipt_rule *rule, const struct pfw_key *key)
{
	static const uint8_t loopback[2][16] = { { 127 }, { [15] = 1 } };
	bool ipv6 = key->family == AF_INET6;

	if (ipt_tier_has_address(key->tier)) {
		ipt_match_destination(rule, key->address, key->family);
	} else {
		/* A service on a loopback address stays there unless a forward names it. */
		rule->asks |= IPT_TO_LOCAL | IPT_NOT_DESTINATION;
		rule->destination_len = ipv6 ? 128 : 8;
		memcpy(rule->destination, loopback[ipv6], sizeof(rule->destination));
	}
	if (ipt_tier_has_interface(key->tier))
		ipt_match_in(rule, key->ifname);
	ipt_match_port(rule, key->protocol, key->port);
}

static struct pfw_ports single(uint16_t port)
{
	return (struct pfw_ports){ port, port };
}

/*
 * Redirecting and keeping the address is the same for the service, but an address that is
 * not the machine's can only be redirected.
 */
static void add_self(struct ipt_build *build, struct ipt_numbered *at, struct ipt_rule rule,
		     uint16_t port)
{
	bool own = rule.asks & IPT_TO_LOCAL;

	rule.to = single(port);
	rule.target = IPT_DNAT;
	rule.asks |= IPT_TO_LOCAL;
	ipt_add_rule(build, at, &rule, NULL);
	if (own)
		return;
	rule.target = IPT_REDIRECT;
	rule.asks &= ~(uint32_t)IPT_TO_LOCAL;
	ipt_add_rule(build, at, &rule, NULL);
}

static void add_target(struct ipt_build *build, struct ipt_numbered *at, struct ipt_rule rule,
		       enum pfw_shape shape)
{
	const struct pfw_key *key = &at->claim->slot->key;
	const struct pfw_target *target = pfw_forward_target(at->claim->forward, key->family);

	rule.target = IPT_DNAT;
	rule.has_address = true;
	memcpy(rule.address, target->address.bytes, sizeof(rule.address));
	rule.to = target->port;
	if (shape == PFW_SHAPE_TARGET && !target->port.lo)
		rule.to = key->port;
	if (shape == PFW_SHAPE_SHIFT)
		rule.base = key->port.lo;
	ipt_add_rule(build, at, &rule, NULL);
}

static void add_way(struct ipt_build *build, struct ipt_numbered *at, struct ipt_rule rule)
{
	const struct ipt_claim *claim = at->claim;
	char name[IPT_CHAIN_SIZE];

	ipt_chain_name(IPT_PREFIX_TO, claim->forward->name, name);
	ipt_rule_lead(&rule, IPT_JUMP, name);
	ipt_add_rule(build, at, &rule, NULL);
	build->needs_chain[claim->slot->key.family == AF_INET6]
			  [claim->forward - build->plan->ruleset->forwards] = true;
}

bool ipt_admits(const struct pfw_forward *forward, uint8_t family)
{
	uint16_t i;

	for (i = 0; i < forward->n_sources; i++)
		if (forward->sources[i].addr.family == family)
			return true;
	return !forward->n_sources;
}

void ipt_add_dispatch(struct ipt_build *build, const struct ipt_claim *claim)
{
	struct ipt_numbered at = { .claim = claim, .table = IPT_TABLE_NAT };
	const struct pfw_target *target = &claim->forward->targets[0];
	const struct pfw_slot *slot = claim->slot;
	struct ipt_rule rule = { 0 };

	if (!ipt_admits(claim->forward, slot->key.family))
		return;
	match_key(&rule, &slot->key);
	ipt_match_elsewhere(&rule, build->plan, claim);
	ipt_match_until(&rule, claim->forward->expires);
	switch (slot->shape) {
	case PFW_SHAPE_COMPLEX:
	case PFW_SHAPE_WIDE_COMPLEX:
		add_way(build, &at, rule);
		break;
	case PFW_SHAPE_SELF:
		add_self(build, &at, rule, target->port.lo ? target->port.lo : slot->key.port.lo);
		break;
	default:
		add_target(build, &at, rule, slot->shape);
		break;
	}
}
