/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The shield: where connections from outside are led to 127.0.0.0/8, interfaces must take
 * packets for these addresses (route_localnet), and nobody may send such packets himself.
 */
#include "compile.h"

static void add_drop(struct ipt_chain *chain, bool source)
{
	struct ipt_rule rule = {
		.asks = IPT_NOT_IN | (source ? IPT_SOURCE : IPT_DESTINATION),
		.in = "lo",
		.target = IPT_DROP,
	};

	rule.source_len = source ? 8 : 0;
	rule.source[0] = source ? 127 : 0;
	rule.destination_len = source ? 0 : 8;
	rule.destination[0] = source ? 0 : 127;
	ipt_chain_add(chain, &rule);
}

void ipt_add_shield(struct ipt_build *build)
{
	struct ipt_chain chain;

	ipt_chain_begin(&chain, build, AF_INET, IPT_TABLE_RAW, IPT_CHAIN_SHIELD, NULL);
	add_drop(&chain, true);
	add_drop(&chain, false);
	ipt_chain_end(&chain);
	ipt_add_jump(build, AF_INET, IPT_TABLE_RAW, "PREROUTING", IPT_CHAIN_SHIELD);
}
