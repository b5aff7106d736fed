/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Facts, and the lists of interfaces in them. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "portfwd/model/facts.h"

int pfw_links_add(struct pfw_links *links, const char *name, uint32_t index, bool routed)
{
	size_t len = strlen(name), at;
	struct pfw_link *list;
	int order = 1;

	if (!len || len >= PFW_IFNAME_SIZE)
		return 0;
	for (at = 0; at < links->n; at++) {
		order = strcmp(links->list[at].name, name);
		if (order >= 0)
			break;
	}
	if (at < links->n && !order) {
		links->list[at].routed &= routed;
		return 0;
	}
	list = reallocarray(links->list, links->n + 1, sizeof(*list));
	if (!list)
		return -ENOMEM;
	links->list = list;
	memmove(list + at + 1, list + at, (links->n - at) * sizeof(*list));
	memset(&list[at], 0, sizeof(*list));
	memcpy(list[at].name, name, len);
	list[at].index = index;
	list[at].routed = routed;
	links->n++;
	return 0;
}

const struct pfw_link *pfw_links_find(const struct pfw_links *links, const char *name)
{
	size_t i;

	for (i = 0; i < links->n; i++)
		if (!strcmp(links->list[i].name, name))
			return &links->list[i];
	return NULL;
}

const struct pfw_link *pfw_links_find_index(const struct pfw_links *links, uint32_t index)
{
	size_t i;

	for (i = 0; index && i < links->n; i++)
		if (links->list[i].index == index)
			return &links->list[i];
	return NULL;
}

int pfw_links_copy(const struct pfw_links *from, struct pfw_links *ret)
{
	struct pfw_link *list;

	if (!from->n)
		return 0;
	list = calloc(from->n, sizeof(*list));
	if (!list)
		return -ENOMEM;
	memcpy(list, from->list, from->n * sizeof(*list));
	*ret = (struct pfw_links){ list, from->n };
	return 0;
}

void pfw_links_free(struct pfw_links *links)
{
	free(links->list);
	*links = (struct pfw_links){ 0 };
}

void pfw_facts_free(struct pfw_facts *facts)
{
	pfw_links_free(&facts->links);
	pfw_links_free(&facts->inet);
	pfw_links_free(&facts->localnet_held);
	pfw_links_free(&facts->guarded[0]);
	pfw_links_free(&facts->guarded[1]);
	pfw_links_free(&facts->advertised);
	*facts = (struct pfw_facts){ 0 };
}
