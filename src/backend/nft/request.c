/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The head of a question to nf_tables. */
#include <libmnl/libmnl.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nfnetlink.h>
#include <string.h>
#include <libnftnl/common.h>

#include "nft.h"

struct nlmsghdr *nft_request(void *buf, uint16_t type, uint16_t flags)
{
	memset(buf, 0, NFT_REQUEST_SIZE);
	return nftnl_nlmsg_build_hdr(buf, (uint16_t)(NFNL_SUBSYS_NFTABLES << 8 | type), NFPROTO_INET,
				     flags, 0);
}
