/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Lists of flows. */
#include <errno.h>
#include <stdlib.h>

#include "portfwd/backend/flow.h"

int pfw_flows_add(struct pfw_flows *flows, const struct pfw_flow *flow)
{
	size_t n_room = flows->n_room ? flows->n_room * 2 : 16;
	struct pfw_flow *grown;

	if (flows->n_flows == flows->n_room) {
		grown = reallocarray(flows->flows, n_room, sizeof(*grown));
		if (!grown)
			return -ENOMEM;
		flows->flows = grown;
		flows->n_room = n_room;
	}
	flows->flows[flows->n_flows++] = *flow;
	return 0;
}

void pfw_flows_free(struct pfw_flows *flows)
{
	free(flows->flows);
	*flows = (struct pfw_flows){ 0 };
}
