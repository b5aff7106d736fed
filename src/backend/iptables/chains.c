/* SPDX-License-Identifier: GPL-2.0-or-later */
/* An image as chains: each with its rules of forwards in order, and its own rules behind them. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "chains.h"

static bool has_place(const void *array, uint32_t id, const void *key)
{
	const struct ipt_lines *chains = array;

	return !memcmp(&chains[id].place, key, sizeof(struct ipt_place));
}

struct ipt_lines *ipt_chains_find(const struct ipt_chains *chains, const struct ipt_place *place)
{
	uint32_t id = pfw_index_find(&chains->places, pfw_hash(place, sizeof(*place)), has_place,
				     chains->list, place);

	return id == PFW_INDEX_NONE ? NULL : &chains->list[id];
}

struct ipt_lines *ipt_chains_add(struct ipt_chains *chains, const struct ipt_place *place,
				 bool builtin)
{
	struct ipt_lines *chain = ipt_chains_find(chains, place), *list;
	uint32_t n_room;

	if (chain)
		return chain;
	if (chains->n == chains->n_room) {
		n_room = chains->n_room ? chains->n_room * 2 : 16;
		list = reallocarray(chains->list, n_room, sizeof(*list));
		if (!list)
			return NULL;
		chains->list = list;
		chains->n_room = n_room;
	}
	if (pfw_index_put(&chains->places, pfw_hash(place, sizeof(*place)), chains->n))
		return NULL;
	chain = &chains->list[chains->n++];
	*chain = (struct ipt_lines){ .place = *place, .builtin = builtin };
	return chain;
}

int ipt_lines_append(struct ipt_lines *chain, const struct ipt_rule *rule, struct ipt_count count,
		     uint32_t number)
{
	struct ipt_line *list;
	uint32_t n_room;

	if (chain->n == chain->n_room) {
		n_room = chain->n_room ? chain->n_room * 2 : 8;
		list = reallocarray(chain->list, n_room, sizeof(*list));
		if (!list)
			return -ENOMEM;
		chain->list = list;
		chain->n_room = n_room;
	}
	chain->list[chain->n++] = (struct ipt_line){ rule, count, number };
	return 0;
}

void ipt_chains_free(struct ipt_chains *chains)
{
	uint32_t i;

	for (i = 0; i < chains->n; i++)
		free(chains->list[i].list);
	free(chains->list);
	pfw_index_free(&chains->places);
	pfw_arena_free(&chains->arena);
	*chains = (struct ipt_chains){ 0 };
}

static struct ipt_place rule_place(const struct pfw_item *item)
{
	struct ipt_place place = { .family = ipt_item_key(item)->key.family,
				   .table = ipt_item_key(item)->table };

	memcpy(place.chain, ipt_item_value(item)->chain, sizeof(place.chain));
	return place;
}

static int compare_items(const void *a, const void *b)
{
	const struct pfw_item *x = *(const struct pfw_item *const *)a;
	const struct pfw_item *y = *(const struct pfw_item *const *)b;

	return ipt_rule_order(ipt_item_key(x), ipt_item_value(x), ipt_item_key(y),
			      ipt_item_value(y));
}

/* All chains of the image, so that each is there whatever comes first. */
static int add_places(const struct pfw_image *image, struct ipt_chains *chains)
{
	const struct pfw_item *item;
	struct ipt_place place;
	uint32_t i;

	for (i = 0; i < image->n_items; i++) {
		item = &image->items[i];
		place = item->kind == IPT_KIND_RULE ? rule_place(item) : *ipt_item_place(item);
		if (!ipt_chains_add(chains, &place, item->kind == IPT_KIND_JUMP))
			return -ENOMEM;
	}
	return 0;
}

/* Compiling gives most of them in order already. */
static bool is_sorted(const struct pfw_item **items, size_t n)
{
	size_t i;

	for (i = 1; i < n; i++)
		if (compare_items(&items[i - 1], &items[i]) > 0)
			return false;
	return true;
}

static int append_item_rules(struct ipt_chains *chains, const struct pfw_item **items, size_t n)
{
	struct ipt_place place;
	int ret = 0;
	size_t i;

	if (!is_sorted(items, n))
		qsort(items, n, sizeof(*items), compare_items);
	for (i = 0; !ret && i < n; i++) {
		place = rule_place(items[i]);
		ret = ipt_lines_append(ipt_chains_find(chains, &place),
				       &ipt_item_value(items[i])->rule, (struct ipt_count){ 0 }, 0);
	}
	return ret;
}

static int append_rules(const struct pfw_image *image, struct ipt_chains *chains)
{
	const struct pfw_item **items = malloc((image->n_items + 1) * sizeof(*items));
	size_t n = 0;
	uint32_t i;
	int ret;

	if (!items)
		return -ENOMEM;
	for (i = 0; i < image->n_items; i++)
		if (image->items[i].kind == IPT_KIND_RULE)
			items[n++] = &image->items[i];
	ret = append_item_rules(chains, items, n);
	free(items);
	return ret;
}

static int append_own_rules(const struct pfw_image *image, struct ipt_chains *chains)
{
	const struct pfw_item *item;
	const struct ipt_rule *rules;
	struct ipt_lines *chain;
	size_t n, k;
	uint32_t i;
	int ret = 0;

	for (i = 0; i < image->n_items; i++) {
		item = &image->items[i];
		if (item->kind == IPT_KIND_RULE)
			continue;
		chain = ipt_chains_find(chains, ipt_item_place(item));
		rules = ipt_item_rules(item, &n);
		for (k = 0; !ret && k < n; k++)
			ret = ipt_lines_append(chain, &rules[k], (struct ipt_count){ 0 }, 0);
	}
	return ret;
}

int ipt_chains_make(const struct pfw_image *image, struct ipt_chains *ret)
{
	struct ipt_chains chains = { 0 };
	int code = add_places(image, &chains);

	if (!code)
		code = append_rules(image, &chains);
	if (!code)
		code = append_own_rules(image, &chains);
	if (code)
		ipt_chains_free(&chains);
	else
		*ret = chains;
	return code;
}
