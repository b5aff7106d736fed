/* SPDX-License-Identifier: GPL-2.0-or-later */
/* All forwards and settings of one configuration. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "portfwd/model/ruleset.h"

const struct pfw_name pfw_backend_names[] = {
	{ "auto", PFW_BACKEND_AUTO },
	{ "nftables", PFW_BACKEND_NFTABLES },
	{ "iptables", PFW_BACKEND_IPTABLES },
	{ NULL, 0 },
};

const struct pfw_settings pfw_settings_default = {
	.backend = PFW_BACKEND_AUTO,
	.ip_forward = true,
	.guard = true,
	.counters = true,
	.own_table = false,
	.hairpin = true,
	.local = true,
	.snat = PFW_SNAT_AUTO,
};

static bool has_name(const void *array, uint32_t id, const void *key)
{
	const struct pfw_forward *forwards = array;

	return strcmp(forwards[id].name, key) == 0;
}

uint32_t pfw_ruleset_find(const struct pfw_ruleset *ruleset, const char *name)
{
	return pfw_index_find(&ruleset->names, pfw_hash(name, strlen(name)), has_name,
			      ruleset->forwards, name);
}

struct listen_search {
	const struct pfw_listen *listen;
	uint32_t from;
	uint32_t found;
};

/* Takes down the first one, and goes on with the search. */
static bool note_listen(const void *array, uint32_t id, const void *key)
{
	struct listen_search *search = (struct listen_search *)(uintptr_t)key;
	const struct pfw_forward *forwards = array;

	if (id >= search->from && id < search->found &&
	    pfw_listen_equal(&forwards[id].listen, search->listen))
		search->found = id;
	return false;
}

uint32_t pfw_ruleset_find_listen(const struct pfw_ruleset *ruleset, const struct pfw_listen *listen,
				 uint32_t from)
{
	struct listen_search search = { listen, from, PFW_INDEX_NONE };
	uint32_t id;

	if (ruleset->listens.size) {
		pfw_index_find(&ruleset->listens, pfw_listen_hash(listen), note_listen,
			       ruleset->forwards, &search);
		return search.found;
	}
	for (id = from; id < ruleset->n_forwards; id++)
		if (ruleset->forwards[id].name &&
		    pfw_listen_equal(&ruleset->forwards[id].listen, listen))
			return id;
	return PFW_INDEX_NONE;
}

static void add_listen(struct pfw_ruleset *ruleset, uint32_t id)
{
	/* Without memory for all of them there is none. */
	if (ruleset->listens.size &&
	    pfw_index_put(&ruleset->listens, pfw_listen_hash(&ruleset->forwards[id].listen), id))
		pfw_index_free(&ruleset->listens);
}

static void drop_listen(struct pfw_ruleset *ruleset, uint32_t id)
{
	if (ruleset->listens.size)
		pfw_index_drop(&ruleset->listens,
			       pfw_listen_hash(&ruleset->forwards[id].listen), id);
}

void pfw_ruleset_index_listens(struct pfw_ruleset *ruleset)
{
	uint32_t id;

	pfw_index_free(&ruleset->listens);
	if (pfw_index_grow(&ruleset->listens, (size_t)ruleset->n_live + 1))
		return;
	for (id = 0; id < ruleset->n_forwards; id++)
		if (ruleset->forwards[id].name)
			add_listen(ruleset, id);
}

static int make_room(struct pfw_ruleset *ruleset, uint32_t n)
{
	uint32_t room = ruleset->n_room ? ruleset->n_room * 2 : 16;
	struct pfw_forward *forwards;

	if (n <= ruleset->n_room - ruleset->n_forwards)
		return 0;
	if (n > UINT32_MAX - ruleset->n_forwards || room <= ruleset->n_room)
		return -ENOMEM;
	if (room < ruleset->n_forwards + n)
		room = ruleset->n_forwards + n;
	forwards = reallocarray(ruleset->forwards, room, sizeof(*forwards));
	if (!forwards)
		return -ENOMEM;
	ruleset->forwards = forwards;
	ruleset->n_room = room;
	return 0;
}

struct pfw_forward *pfw_ruleset_reserve(struct pfw_ruleset *ruleset, uint32_t n)
{
	if (make_room(ruleset, n) < 0 ||
	    pfw_index_grow(&ruleset->names, (size_t)ruleset->n_forwards + n) < 0)
		return NULL;
	return ruleset->forwards + ruleset->n_forwards;
}

int pfw_ruleset_name(struct pfw_ruleset *ruleset, uint32_t id, const char *name)
{
	struct pfw_forward *forward = &ruleset->forwards[id];

	if (pfw_index_put(&ruleset->names, pfw_hash(name, strlen(name)), id) < 0)
		return -ENOMEM;
	forward->name = name;
	return 0;
}

int pfw_ruleset_put_shallow(struct pfw_ruleset *ruleset, const struct pfw_forward *forward,
			    uint32_t *ret_id)
{
	uint32_t id = PFW_INDEX_NONE;

	if (forward->name)
		id = pfw_ruleset_find(ruleset, forward->name);
	if (id == PFW_INDEX_NONE) {
		if (make_room(ruleset, 1) < 0)
			return -ENOMEM;
		id = ruleset->n_forwards;
		ruleset->forwards[id] = *forward;
		if (forward->name && pfw_ruleset_name(ruleset, id, forward->name) < 0)
			return -ENOMEM;
		ruleset->n_forwards++;
		ruleset->n_live++;
	} else {
		drop_listen(ruleset, id);
		/* The index leads to the name by the place, so any equal text will do. */
		ruleset->forwards[id] = *forward;
	}
	add_listen(ruleset, id);
	if (ret_id)
		*ret_id = id;
	return 0;
}

int pfw_ruleset_put(struct pfw_ruleset *ruleset, const struct pfw_forward *forward,
		    uint32_t *ret_id)
{
	struct pfw_forward copy;

	if (pfw_forward_copy(forward, &ruleset->arena, &copy) < 0)
		return -ENOMEM;
	return pfw_ruleset_put_shallow(ruleset, &copy, ret_id);
}

void pfw_ruleset_drop(struct pfw_ruleset *ruleset, uint32_t id)
{
	struct pfw_forward *forward = &ruleset->forwards[id];

	if (forward->name)
		pfw_index_drop(&ruleset->names, pfw_hash(forward->name, strlen(forward->name)), id);
	drop_listen(ruleset, id);
	*forward = (struct pfw_forward){ 0 };
	ruleset->n_live--;
}

void pfw_ruleset_free(struct pfw_ruleset *ruleset)
{
	free(ruleset->forwards);
	pfw_index_free(&ruleset->names);
	pfw_index_free(&ruleset->listens);
	pfw_arena_free(&ruleset->arena);
	*ruleset = (struct pfw_ruleset){ 0 };
}

enum pfw_snat pfw_ruleset_snat(const struct pfw_ruleset *ruleset, const struct pfw_forward *f)
{
	return f->snat == PFW_SNAT_UNSET ? ruleset->settings.snat : f->snat;
}

bool pfw_ruleset_hairpin(const struct pfw_ruleset *ruleset, const struct pfw_forward *f)
{
	return f->hairpin == PFW_UNSET ? ruleset->settings.hairpin : f->hairpin == PFW_ON;
}

bool pfw_ruleset_local(const struct pfw_ruleset *ruleset, const struct pfw_forward *f)
{
	return f->local == PFW_UNSET ? ruleset->settings.local : f->local == PFW_ON;
}
