/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Ranges of ports: which overlap, and which ports outspoken ones cover. */
#include <errno.h>
#include <netinet/in.h>
#include <search.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "inside.h"

/*
 * Ranges in the tree never overlap where all else of their keys is equal, so calling
 * overlapping ones equal keeps the order of the tree sound, and makes looking
 * up a range find whatever it would collide with.
 */
struct node {
	struct pfw_key key;
	uint32_t slot;
};

static int compare(const void *a, const void *b)
{
	const struct pfw_key *x = a, *y = b;
	struct pfw_key left = *x, right = *y;
	int order;

	left.port = right.port = (struct pfw_ports){ 0, 0 };
	order = memcmp(&left, &right, sizeof(left));
	if (order)
		return order;
	if (x->port.hi < y->port.lo)
		return -1;
	return x->port.lo > y->port.hi;
}

uint32_t range_find(const struct pfw_plan *plan, const struct pfw_key *key)
{
	void *root = plan->ranges;
	struct node **found = tfind(key, &root, compare);

	return found ? (*found)->slot : PFW_INDEX_NONE;
}

int range_put(struct pfw_plan *plan, uint32_t slot)
{
	struct node *node = malloc(sizeof(*node));

	if (!node)
		return -ENOMEM;
	*node = (struct node){ plan->slots[slot].key, slot };
	if (!tsearch(node, &plan->ranges, compare)) {
		free(node);
		return -ENOMEM;
	}
	return 0;
}

void range_drop(struct pfw_plan *plan, const struct pfw_key *key)
{
	struct node **found = tfind(key, &plan->ranges, compare), *node;

	if (!found)
		return;
	node = *found;
	tdelete(key, &plan->ranges, compare);
	free(node);
}

void range_free(struct pfw_plan *plan)
{
	unsigned int f, p;

	tdestroy(plan->ranges, free);
	plan->ranges = NULL;
	for (f = 0; f < 2; f++)
		for (p = 0; p < PFW_PROTOCOLS; p++)
			free(plan->cover[f][p].ports);
}

static unsigned int protocol_index(uint8_t protocol)
{
	unsigned int i;

	for (i = 0; i < PFW_PROTOCOLS - 1; i++)
		if (pfw_protocol_number(1u << i) == protocol)
			break;
	return i;
}

struct pfw_cover *cover_of(const struct pfw_plan *plan, const struct pfw_key *key)
{
	return (struct pfw_cover *)&plan->cover[family_index(key->family)]
						[protocol_index(key->protocol)];
}

int cover_make(struct pfw_plan *plan, const struct pfw_key *key)
{
	struct pfw_cover *cover = cover_of(plan, key);

	if (!cover->ports)
		cover->ports = calloc(UINT16_MAX + 1u, sizeof(*cover->ports));
	return cover->ports ? 0 : -ENOMEM;
}
