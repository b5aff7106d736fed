/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a service works with, in words. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "portfwd/engine/engine.h"
#include "portfwd/service/place.h"
#include "portfwd/store/store.h"

int pfw_place_config(const char *config, char **ret, struct pfw_error *err)
{
	struct pfw_store *store = NULL;
	int code = pfw_store_open(config, &store, err);

	if (code)
		return code;
	*ret = strdup(pfw_store_path(store));
	pfw_store_close(store);
	return *ret ? 0 : pfw_fail_memory(err);
}

int pfw_place_netns(const char *netns, char ret[PFW_PLACE_NETNS], struct pfw_error *err)
{
	uint64_t device, inode;
	int code = pfw_engine_netns(netns, &device, &inode, err);

	if (!code)
		snprintf(ret, PFW_PLACE_NETNS, "%" PRIu64 ":%" PRIu64, device, inode);
	return code;
}
