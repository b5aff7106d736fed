/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The shield: where connections from outside are led to 127.0.0.0/8, interfaces must take
 * packets for these addresses (route_localnet), and nobody may send such packets himself.
 */
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <string.h>

#include "nft.h"

/* Before connections are tracked and rewritten: NF_IP_PRI_RAW of linux/netfilter_ipv4.h. */
#define PRIORITY_RAW (-300)

static void add_drop(struct nft_chain *chain, bool source)
{
	struct nft_rule rule = { 0 };

	nft_match_from_wire(&rule);
	nft_match_family(&rule, AF_INET);
	nft_match_loopback(&rule, source);
	nft_add_verdict(&rule, NF_DROP, NULL);
	nft_chain_add(chain, &rule);
}

int nft_shield_add_chain(const struct pfw_plan *plan, struct pfw_image *image)
{
	const struct nft_chain_value head = {
		.is_base = 1,
		.hook = NF_INET_PRE_ROUTING,
		.priority = PRIORITY_RAW,
		.policy = NF_ACCEPT,
		.type = "filter",
	};
	struct nft_chain chain;

	if (!pfw_plan_localnet(plan))
		return 0;
	nft_chain_begin(&chain, NFT_CHAIN_SHIELD, &head);
	add_drop(&chain, true);
	add_drop(&chain, false);
	return nft_chain_end(&chain, image);
}

bool nft_is_shield(const struct pfw_item *item)
{
	return item->kind == NFT_KIND_CHAIN && !strcmp(nft_item_name(item), NFT_CHAIN_SHIELD);
}
