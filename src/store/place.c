/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Where the elements of a file stand while others come and go, and what is not written there yet. */
#include "config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "files.h"

uint32_t tickets_find(const struct tickets *tickets, uint32_t ticket)
{
	uint32_t from = 0, to = tickets->n, middle;

	if (!tickets->list)
		return ticket < tickets->n ? ticket : PFW_INDEX_NONE;
	while (from < to) {
		middle = from + (to - from) / 2;
		if (tickets->list[middle] < ticket)
			from = middle + 1;
		else
			to = middle;
	}
	return from < tickets->n && tickets->list[from] == ticket ? from : PFW_INDEX_NONE;
}

int tickets_edit(const struct tickets *from, const struct pfw_edit *edits, size_t n,
		 const uint32_t *appended, struct tickets *ret)
{
	uint32_t *list = calloc((size_t)from->n + n + 1, sizeof(*list));
	size_t at = 0;
	uint32_t i, kept = 0;

	if (!list)
		return -ENOMEM;
	for (i = 0; i < from->n; i++) {
		while (at < n && edits[at].position < i)
			at++;
		if (at == n || edits[at].position != i || edits[at].forward || edits[at].text)
			list[kept++] = from->list ? from->list[i] : i;
	}
	for (at = 0; at < n; at++)
		if (edits[at].position == PFW_EDIT_APPEND)
			list[kept++] = *appended++;
	*ret = (struct tickets){ list, kept, from->next };
	return 0;
}

static int compare_wishes(const void *a, const void *b)
{
	const struct wish *x = a, *y = b;

	if (x->ticket != y->ticket)
		return x->ticket < y->ticket ? -1 : 1;
	return x->order < y->order ? -1 : 1;
}

size_t edits_make(const struct tickets *tickets, struct wish *wishes, size_t n,
		  struct pfw_edit *edits, uint32_t *appended)
{
	const struct wish *wish;
	size_t n_edits = 0, i;
	uint32_t position;

	/* Tickets are in the order of positions, so the edits are too. */
	qsort(wishes, n, sizeof(*wishes), compare_wishes);
	for (i = 0; i < n; i++) {
		wish = &wishes[i];
		if (i + 1 < n && wishes[i + 1].ticket == wish->ticket)
			continue;
		position = tickets_find(tickets, wish->ticket);
		if (position == PFW_INDEX_NONE) {
			/* It came and went. */
			if (!wish->forward && !wish->text)
				continue;
			position = PFW_EDIT_APPEND;
			*appended++ = wish->ticket;
		}
		edits[n_edits++] = (struct pfw_edit){ position, wish->forward, wish->text };
	}
	return n_edits;
}

void tickets_free(struct tickets *tickets)
{
	free(tickets->list);
	*tickets = (struct tickets){ 0 };
}

int pendings_grow(struct pendings *pendings, size_t n)
{
	size_t room = pendings->n_room ? pendings->n_room : 16;
	struct pending *list;

	while (room - pendings->n < n)
		room *= 2;
	if (room == pendings->n_room)
		return 0;
	list = reallocarray(pendings->list, room, sizeof(*list));
	if (!list)
		return -ENOMEM;
	pendings->list = list;
	pendings->n_room = room;
	return 0;
}

int pendings_add(struct pendings *pendings, uint32_t ticket, char *text)
{
	if (pendings_grow(pendings, 1)) {
		free(text);
		return -ENOMEM;
	}
	pendings->list[pendings->n++] = (struct pending){ .ticket = ticket, .text = text };
	return 0;
}

int pendings_add_gone(struct pendings *pendings, uint32_t ticket, const char *name)
{
	char *gone = strdup(name);

	if (!gone || pendings_add(pendings, ticket, NULL)) {
		free(gone);
		return -ENOMEM;
	}
	pendings->list[pendings->n - 1].gone = gone;
	return 0;
}

bool pendings_has_gone(const struct pendings *pendings, const char *name)
{
	size_t i;

	for (i = 0; i < pendings->n; i++)
		if (pendings->list[i].gone && !strcmp(pendings->list[i].gone, name))
			return true;
	return false;
}

void pendings_join(struct pendings *pendings, struct pendings *more)
{
	size_t i;

	for (i = 0; i < more->n; i++)
		pendings->list[pendings->n++] = more->list[i];
	more->n = 0;
	pendings_free(more);
}

void pendings_drop(struct pendings *pendings, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++) {
		free(pendings->list[i].text);
		free(pendings->list[i].gone);
	}
	for (i = n; i < pendings->n; i++)
		pendings->list[i - n] = pendings->list[i];
	pendings->n -= n;
}

void pendings_free(struct pendings *pendings)
{
	pendings_drop(pendings, pendings->n);
	free(pendings->list);
	*pendings = (struct pendings){ 0 };
}
