/* SPDX-License-Identifier: GPL-2.0-or-later */
/* From the kernel to an image: which rule is whose, and for what. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "portfwd/kernel/xtables.h"
#include "standing.h"

/*
 * How many rules there are of a key and owner, and with an empty owner how many owners of a
 * key: those who come later are asked later.
 */
struct tally {
	struct ipt_rule_key key;	/* number 0 */
	uint32_t n;
	uint16_t rank;
};

struct tallies {
	struct tally *list;
	uint32_t n;
	uint32_t n_room;
	struct pfw_index keys;
};

static bool has_key(const void *array, uint32_t id, const void *key)
{
	return !memcmp(&((const struct tally *)array)[id].key, key, sizeof(struct ipt_rule_key));
}

/* The place of the key's tally, a new one if need be; PFW_INDEX_NONE without memory. */
static uint32_t find_tally(struct tallies *tallies, const struct ipt_rule_key *key)
{
	uint64_t hash = pfw_hash(key, sizeof(*key));
	uint32_t id = pfw_index_find(&tallies->keys, hash, has_key, tallies->list, key), n_room;
	struct tally *list;

	if (id != PFW_INDEX_NONE)
		return id;
	if (tallies->n == tallies->n_room) {
		n_room = tallies->n_room ? tallies->n_room * 2 : 64;
		list = reallocarray(tallies->list, n_room, sizeof(*list));
		if (!list)
			return PFW_INDEX_NONE;
		tallies->list = list;
		tallies->n_room = n_room;
	}
	if (pfw_index_put(&tallies->keys, hash, tallies->n))
		return PFW_INDEX_NONE;
	tallies->list[tallies->n] = (struct tally){ .key = *key };
	return tallies->n++;
}

/* Counts a rule in: fills in its number, and the rank of its owner among those of the key. */
static int count_in(struct tallies *tallies, struct ipt_rule_key *key, uint16_t *ret_rank)
{
	struct ipt_rule_key shared = *key;
	uint32_t id = find_tally(tallies, key), of_key;

	if (id == PFW_INDEX_NONE)
		return -ENOMEM;
	if (!tallies->list[id].n) {
		memset(shared.owner, 0, sizeof(shared.owner));
		of_key = find_tally(tallies, &shared);
		if (of_key == PFW_INDEX_NONE)
			return -ENOMEM;
		tallies->list[id].rank = (uint16_t)tallies->list[of_key].n++;
	}
	key->number = tallies->list[id].n++;
	*ret_rank = tallies->list[id].rank;
	return 0;
}

/* Which key of which forward a rule decides about; false: none, it is the chain's own. */
static bool find_key(const struct ipt_rule *rule, const struct ipt_place *place,
		     struct ipt_rule_key *ret)
{
	const bool source = rule->asks & IPT_ORIGINAL_PORT;
	const size_t size = pfw_addr_size(place->family);
	const bool address = source ? rule->asks & IPT_ORIGINAL_ADDRESS &&
					      rule->original_len == size * 8 :
				      rule->asks & IPT_DESTINATION &&
					      rule->destination_len == size * 8;
	const bool in = rule->asks & IPT_IN;
	struct ipt_rule_key key = { .table = place->table, .source = source };

	if (rule->target == IPT_FOREIGN || !*rule->owner || place->table == IPT_TABLE_RAW ||
	    ipt_chain_stage(place->chain) || !(rule->asks & (IPT_PORT | IPT_ORIGINAL_PORT)))
		return false;
	key.key = (struct pfw_key){
		.family = place->family,
		.tier = address ? in ? PFW_TIER_ADDRESS_INTERFACE : PFW_TIER_ADDRESS :
			in ? PFW_TIER_INTERFACE : PFW_TIER_ANY,
		.protocol = rule->protocol,
		.port = source ? rule->original_port : rule->port,
	};
	if (address)
		memcpy(key.key.address, source ? rule->original : rule->destination, size);
	if (in)
		memcpy(key.key.ifname, rule->in, sizeof(key.key.ifname));
	memcpy(key.owner, rule->owner, sizeof(key.owner));
	*ret = key;
	return true;
}

/* What of a chain has been gone through. */
struct progress {
	struct ipt_rule_key key;	/* of the last rule of a forward, if any */
	struct ipt_rule_value value;
	bool any;
	struct pfw_buffer own;		/* the chain's own rules */
	uint64_t count;			/* connections counted by these */
	const char *owner;		/* of the first of these that has one */
};

static int add_rule(struct pfw_image *image, const struct ipt_line *line, struct tallies *tallies,
		    struct ipt_rule_key *key, struct progress *progress,
		    const struct ipt_place *place)
{
	struct ipt_rule_value value = { .rule = *line->rule };
	struct pfw_item *item;

	memcpy(value.chain, place->chain, sizeof(value.chain));
	if (count_in(tallies, key, &value.rank))
		return -ENOMEM;
	if (key->table == IPT_TABLE_FILTER)
		value.rank = 0;
	value.misplaced = progress->own.len ||
			  (progress->any &&
			   ipt_rule_order(&progress->key, &progress->value, key, &value) > 0);
	progress->key = *key;
	progress->value = value;
	progress->any = true;
	item = pfw_image_add(image, IPT_KIND_RULE, key, sizeof(*key), &value, sizeof(value), NULL);
	if (!item)
		return -ENOMEM;
	item->owner = ipt_item_key(item)->owner;
	item->count = ipt_rule_counts(line->rule) ? line->count.packets : 0;
	return 0;
}

static void add_own(const struct ipt_line *line, struct progress *progress)
{
	pfw_buffer_append(&progress->own, line->rule, sizeof(*line->rule));
	progress->count += ipt_rule_counts(line->rule) ? line->count.packets : 0;
	if (!progress->owner && *line->rule->owner)
		progress->owner = line->rule->owner;
}

static int add_chain(struct pfw_image *image, const struct ipt_lines *chain,
		     const struct progress *progress)
{
	struct pfw_item *item;

	if (chain->kept || (chain->builtin && !progress->own.len))
		return 0;
	item = pfw_image_add(image, chain->builtin ? IPT_KIND_JUMP : IPT_KIND_CHAIN, &chain->place,
			     sizeof(chain->place), progress->own.data, progress->own.len, NULL);
	if (!item)
		return -ENOMEM;
	item->count = progress->count;
	if (!ipt_chain_stage(chain->place.chain) || !progress->owner)
		return 0;
	item->owner = pfw_arena_text(&image->arena, progress->owner, strlen(progress->owner));
	return item->owner ? 0 : -ENOMEM;
}

static int add_chain_items(struct pfw_image *image, const struct ipt_lines *chain,
			   struct tallies *tallies)
{
	struct progress progress = { 0 };
	struct ipt_rule_key key;
	uint32_t i;
	int ret = 0;

	for (i = 0; !ret && i < chain->n; i++) {
		if (!chain->builtin && find_key(chain->list[i].rule, &chain->place, &key))
			ret = add_rule(image, &chain->list[i], tallies, &key, &progress,
				       &chain->place);
		else
			add_own(&chain->list[i], &progress);
	}
	if (!ret)
		ret = progress.own.failed ? -ENOMEM : add_chain(image, chain, &progress);
	pfw_buffer_free(&progress.own);
	return ret;
}

int ipt_chains_items(const struct ipt_chains *chains, struct pfw_image *image)
{
	struct tallies tallies = { 0 };
	uint32_t i;
	int ret = 0;

	for (i = 0; !ret && i < chains->n; i++)
		ret = add_chain_items(image, &chains->list[i], &tallies);
	free(tallies.list);
	pfw_index_free(&tallies.keys);
	return ret;
}

uint64_t ipt_image_digest(const struct pfw_image *image)
{
	const struct pfw_item *item;
	uint64_t digest = image->n_items;
	uint32_t i;

	for (i = 0; i < image->n_items; i++) {
		item = &image->items[i];
		digest += pfw_hash(item->bytes, item->key_len + item->value_len) + item->kind;
		if (item->owner)
			digest += 31 * pfw_hash(item->owner, strlen(item->owner));
	}
	return digest;
}

/* Where no table stands, nobody can be in the way, and there may be nothing to lock. */
static int lock_what_stands(struct pfw_backend_handle *handle, struct pfw_error *err)
{
	bool stands = false;
	unsigned int f, t;
	int ret = 0;

	for (f = 0; f < 2; f++)
		for (t = 0; !ret && !stands && t < IPT_TABLES; t++)
			ret = pfw_xtables_stands(ipt_libraries[f].family, ipt_table_names[t],
						 &stands, err);
	return !ret && stands ? ipt_lock(handle, err) : ret;
}

int ipt_read(struct pfw_backend_handle *handle, struct pfw_image *ret, struct pfw_error *err)
{
	struct ipt_standing *standing;
	struct pfw_image image = { 0 };
	unsigned int f, t;
	int code;

	ipt_forget(handle);
	code = lock_what_stands(handle, err);
	for (f = 0; f < 2; f++)
		for (t = 0; !code && t < IPT_TABLES; t++) {
			standing = &handle->standing[f][t];
			code = ipt_standing_read(&ipt_libraries[f], t, standing, err);
			if (!code && ipt_chains_items(&standing->chains, &image))
				code = pfw_fail_memory(err);
		}
	if (code) {
		pfw_image_free(&image);
		ipt_release(handle);
		return code;
	}
	handle->has_read = true;
	handle->digest = ipt_image_digest(&image);
	*ret = image;
	return 0;
}
