/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What is beyond a limit. iptables refuses to load DROP in table nat, and with it all else that was
 * saved, so such connections are sent where nothing can be: to a multicast group that nobody
 * is a member of. The kernel drops what comes from outside and asks for such a group.
 */
#include <string.h>

#include "compile.h"

/* The base of all groups; and one of those that never leave the machine. */
static const uint8_t sinks[2][16] = { { 224 }, { 0xff, 0x01 } };

/* What the machine itself sends to a group of IPv4 would go out, so it is dropped on its way. */
static void add_own(struct ipt_build *build)
{
	struct ipt_rule rule = { .asks = IPT_DNATED, .target = IPT_DROP };
	struct ipt_chain chain;

	ipt_match_destination(&rule, sinks[0], AF_INET);
	ipt_chain_begin(&chain, build, AF_INET, IPT_TABLE_FILTER, IPT_CHAIN_DROP, NULL);
	ipt_chain_add(&chain, &rule);
	ipt_chain_end(&chain);
	ipt_add_jump(build, AF_INET, IPT_TABLE_FILTER, "OUTPUT", IPT_CHAIN_DROP);
}

void ipt_add_sink(struct ipt_build *build, uint8_t family)
{
	struct ipt_rule rule = { .target = IPT_DNAT, .has_address = true };
	struct ipt_chain chain;

	memcpy(rule.address, sinks[ipt_family_index(family)], sizeof(rule.address));
	ipt_chain_begin(&chain, build, family, IPT_TABLE_NAT, IPT_CHAIN_DROP, NULL);
	ipt_chain_add(&chain, &rule);
	ipt_chain_end(&chain);
	if (family == AF_INET && build->sinks_own)
		add_own(build);
}
