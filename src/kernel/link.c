/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The interfaces of the present network namespace. */
#include <errno.h>
#include <net/if.h>

#include "portfwd/kernel/link.h"

/* Every namespace has one, under whatever name (LOOPBACK_IFINDEX of the kernel's net/flow.h). */
#define LOOPBACK_INDEX 1

int pfw_link_each(int (*each)(void *ctx, const char *name, uint32_t index), void *ctx,
		  struct pfw_error *err)
{
	struct if_nameindex *links = if_nameindex(), *link;
	int ret = 0;

	if (!links)
		return pfw_fail_errno(err, -errno, "cannot list the network interfaces");
	for (link = links; link->if_index && ret >= 0; link++)
		if (link->if_index != LOOPBACK_INDEX)
			ret = each(ctx, link->if_name, link->if_index);
	if_freenameindex(links);
	return ret < 0 ? ret : 0;
}

uint32_t pfw_link_index(const char *name)
{
	return if_nametoindex(name);
}
