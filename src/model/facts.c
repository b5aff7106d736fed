/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Facts, and the lists of interfaces in them. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "portfwd/model/facts.h"

int pfw_links_add(struct pfw_links *links, const char *name)
{
	char (*names)[PFW_IFNAME_SIZE];
	size_t len = strlen(name), at;
	int order = 1;

	if (!len || len >= PFW_IFNAME_SIZE)
		return 0;
	for (at = 0; at < links->n; at++) {
		order = strcmp(links->names[at], name);
		if (order >= 0)
			break;
	}
	if (at < links->n && !order)
		return 0;
	names = reallocarray(links->names, links->n + 1, sizeof(*names));
	if (!names)
		return -ENOMEM;
	links->names = names;
	memmove(names + at + 1, names + at, (links->n - at) * sizeof(*names));
	memset(names[at], 0, sizeof(*names));
	memcpy(names[at], name, len);
	links->n++;
	return 0;
}

int pfw_links_copy(const struct pfw_links *from, struct pfw_links *ret)
{
	char (*names)[PFW_IFNAME_SIZE];

	if (!from->n)
		return 0;
	names = calloc(from->n, sizeof(*names));
	if (!names)
		return -ENOMEM;
	memcpy(names, from->names, from->n * sizeof(*names));
	*ret = (struct pfw_links){ names, from->n };
	return 0;
}

void pfw_links_free(struct pfw_links *links)
{
	free(links->names);
	*links = (struct pfw_links){ 0 };
}

void pfw_facts_free(struct pfw_facts *facts)
{
	pfw_links_free(&facts->guarded[0]);
	pfw_links_free(&facts->guarded[1]);
	pfw_links_free(&facts->advertised);
	*facts = (struct pfw_facts){ 0 };
}
