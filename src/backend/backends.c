/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which backends this program was built with. */
#include "config.h"

#include <stddef.h>
#include <string.h>

#include "portfwd/backend/backend.h"

const struct pfw_backend *const pfw_backends[] = {
#ifdef WITH_NFTABLES
	&pfw_backend_nftables,
#endif
#ifdef WITH_IPTABLES
	&pfw_backend_iptables,
#endif
	NULL,
};

const struct pfw_backend *pfw_backend_find(const char *name)
{
	size_t i;

	for (i = 0; pfw_backends[i]; i++)
		if (!strcmp(pfw_backends[i]->name, name))
			return pfw_backends[i];
	return NULL;
}
