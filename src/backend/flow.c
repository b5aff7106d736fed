/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Lists of flows and of clients. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

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

struct pfw_client_list {
	struct pfw_client_range *ranges;
	uint32_t n;
};

static const struct pfw_client_list *list_of(const struct pfw_clients *clients, uint32_t list)
{
	return &clients->lists[list - 1];
}

static bool is_list(const struct pfw_client_list *list, const struct pfw_client_range *ranges,
		    uint32_t n)
{
	return list->n == n && (!n || !memcmp(list->ranges, ranges, n * sizeof(*ranges)));
}

/* One after the other: forwards with lists of their own are few, and share them. */
int pfw_clients_add(struct pfw_clients *clients, const struct pfw_client_range *ranges, uint32_t n,
		    uint32_t *ret)
{
	uint32_t n_room = clients->n_room ? clients->n_room * 2 : 16, i;
	struct pfw_client_range *copy;
	struct pfw_client_list *grown;

	for (i = 0; i < clients->n_lists; i++)
		if (is_list(&clients->lists[i], ranges, n)) {
			*ret = i + 1;
			return 0;
		}
	if (clients->n_lists == clients->n_room) {
		grown = reallocarray(clients->lists, n_room, sizeof(*grown));
		if (!grown)
			return -ENOMEM;
		clients->lists = grown;
		clients->n_room = n_room;
	}
	copy = calloc(n + 1u, sizeof(*copy));
	if (!copy)
		return -ENOMEM;
	if (n)
		memcpy(copy, ranges, n * sizeof(*copy));
	clients->lists[clients->n_lists++] = (struct pfw_client_list){ copy, n };
	*ret = clients->n_lists;
	return 0;
}

/* Whether one range of the list has all from low to high. */
static bool has_range(const struct pfw_client_list *list, const uint8_t low[16],
		      const uint8_t high[16])
{
	uint32_t from = 0, to = list->n, middle;

	/* The last that begins at or before low. */
	while (from < to) {
		middle = from + (to - from) / 2;
		if (memcmp(list->ranges[middle].low, low, 16) <= 0)
			from = middle + 1;
		else
			to = middle;
	}
	return from && memcmp(list->ranges[from - 1].high, high, 16) >= 0;
}

bool pfw_clients_have(const struct pfw_clients *clients, uint32_t list, const uint8_t address[16])
{
	return !list || has_range(list_of(clients, list), address, address);
}

bool pfw_clients_within(const struct pfw_clients *clients, uint32_t list, uint32_t other)
{
	const struct pfw_client_list *inner;
	uint32_t i;

	if (list == other || !list)
		return false;
	if (!other)
		return true;
	inner = list_of(clients, list);
	for (i = 0; i < inner->n; i++)
		if (!has_range(list_of(clients, other), inner->ranges[i].low, inner->ranges[i].high))
			return false;
	return true;
}

void pfw_clients_free(struct pfw_clients *clients)
{
	uint32_t i;

	for (i = 0; i < clients->n_lists; i++)
		free(clients->lists[i].ranges);
	free(clients->lists);
	*clients = (struct pfw_clients){ 0 };
}
