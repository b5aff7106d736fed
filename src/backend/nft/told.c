/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What others changed in the table, by what the kernel told of it. */
#include <arpa/inet.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <stdlib.h>
#include <string.h>

#include "reader.h"
#include "told.h"

static const struct nlattr *find_attr(const struct nlmsghdr *message, uint16_t type)
{
	const struct nlattr *attr;

	mnl_attr_for_each(attr, message, sizeof(struct nfgenmsg))
		if (mnl_attr_get_type(attr) == type)
			return attr;
	return NULL;
}

static const char *find_name(const struct nlmsghdr *message, uint16_t type)
{
	const struct nlattr *attr = find_attr(message, type);

	return attr && mnl_attr_validate(attr, MNL_TYPE_NUL_STRING) >= 0 ? mnl_attr_get_str(attr) :
									   NULL;
}

/* A set that belongs to one rule comes and goes with it, and the rule is told too. */
static bool is_of_rule(const struct nlmsghdr *message)
{
	const struct nlattr *flags = find_attr(message, NFTA_SET_FLAGS);
	const char *name = find_name(message, NFTA_SET_NAME);

	if ((message->nlmsg_type & 0xff) == NFT_MSG_NEWSET)
		return flags && ntohl(mnl_attr_get_u32(flags)) & NFT_SET_ANONYMOUS;
	return name && !strncmp(name, "__", 2);
}

static int take_chain(struct told *told, const char *name)
{
	char *owner, *copy;

	if (!name)
		return -EBADMSG;
	/* The name of its forward stands at the end of its own. */
	copy = pfw_arena_text(&told->objects.arena, name, strlen(name));
	if (!copy)
		return -ENOMEM;
	owner = (char *)(uintptr_t)nft_name_owner(copy);
	return pfw_image_add(&told->objects, NFT_KIND_CHAIN, copy, strlen(copy) + 1, NULL, 0, owner) ?
		       0 : -ENOMEM;
}

/* One of ours that goes takes its elements along, which nobody tells. */
static int take_set(struct told *told, const struct nlmsghdr *message)
{
	const char *name = find_name(message, NFTA_SET_NAME);

	if (!name)
		return -EBADMSG;
	if (is_of_rule(message))
		return 0;
	if (nft_set_find(name) != NFT_SETS)
		return -ESTALE;
	return pfw_image_add(&told->objects, NFT_KIND_SET, name, strlen(name) + 1, NULL, 0, NULL) ?
		       0 : -ENOMEM;
}

/* Not what packets put in, nor sets that are read whole anyway, or of others, which go as a whole. */
static bool is_listed(uint8_t number)
{
	return number < NFT_SET_MAPS || number == NFT_SET_TARGETS || number == NFT_SET_TARGETS + 1 ||
	       (number >= NFT_SET_UNCHANGED && number < NFT_SET_UNCHANGED + 4);
}

static int take_elements(struct told *told, const struct nlmsghdr *message)
{
	const char *name = find_name(message, NFTA_SET_ELEM_LIST_SET);
	struct reader reader = { .image = &told->objects };

	if (!name)
		return -EBADMSG;
	reader.number = nft_set_find(name);
	return is_listed(reader.number) ? reader_take_elements(&reader, message) : 0;
}

static int take(struct told *told, const struct nlmsghdr *message)
{
	switch (message->nlmsg_type & 0xff) {
	case NFT_MSG_NEWCHAIN:
	case NFT_MSG_DELCHAIN:
		return take_chain(told, find_name(message, NFTA_CHAIN_NAME));
	case NFT_MSG_NEWRULE:
	case NFT_MSG_DELRULE:
		return take_chain(told, find_name(message, NFTA_RULE_CHAIN));
	case NFT_MSG_NEWSET:
	case NFT_MSG_DELSET:
		return take_set(told, message);
	case NFT_MSG_NEWSETELEM:
	case NFT_MSG_DELSETELEM:
		return take_elements(told, message);
	default:
		return -ESTALE;
	}
}

/* An address that forwards lead to is its own key. */
static void add_goal(struct pfw_touched *touched, const struct pfw_item *item)
{
	const uint8_t number = nft_element_set(item);
	struct pfw_addr *goal = &touched->goals[touched->n_goals];

	if (item->kind != NFT_KIND_ELEMENT || number < NFT_SET_TARGETS)
		return;
	*goal = (struct pfw_addr){ .family = number == NFT_SET_TARGETS ? AF_INET : AF_INET6 };
	if (item->key_len != 1 + pfw_addr_size(goal->family))
		return;
	memcpy(goal->bytes, pfw_item_key(item) + 1, pfw_addr_size(goal->family));
	touched->n_goals++;
}

static int add_goals(struct told *told)
{
	struct pfw_touched *touched = &told->touched;
	uint32_t i;

	touched->n_goals_room = (size_t)told->objects.n_items + 1;
	touched->goals = calloc(touched->n_goals_room, sizeof(*touched->goals));
	if (!touched->goals)
		return -ENOMEM;
	for (i = 0; i < told->objects.n_items; i++)
		add_goal(touched, &told->objects.items[i]);
	return 0;
}

/* Whoever an object is said to be of. */
static int add_forwards(struct told *told, const struct pfw_plan *plan, struct pfw_error *err)
{
	const struct pfw_forward **forwards = calloc((size_t)told->objects.n_items + 1,
						     sizeof(*forwards));
	const char *owner;
	size_t n = 0;
	uint32_t i, id;
	int ret;

	if (!forwards)
		return -ENOMEM;
	for (i = 0; i < told->objects.n_items; i++) {
		owner = told->objects.items[i].owner;
		id = owner ? pfw_ruleset_find(plan->ruleset, owner) : PFW_INDEX_NONE;
		if (id != PFW_INDEX_NONE)
			forwards[n++] = &plan->ruleset->forwards[id];
	}
	ret = pfw_plan_own(plan, forwards, n, &told->touched, err);
	free(forwards);
	return ret;
}

static bool is_same(const struct pfw_item *a, const struct pfw_item *b)
{
	return a->kind == b->kind && a->key_len == b->key_len &&
	       !memcmp(a->bytes, b->bytes, a->key_len);
}

/* What came and went is told as often. */
static void drop_doubles(struct pfw_image *image)
{
	uint32_t i, k, n = 0;

	for (i = 0; i < image->n_items; i++) {
		for (k = 0; k < n && !is_same(&image->items[k], &image->items[i]); k++)
			;
		if (k == n)
			image->items[n++] = image->items[i];
	}
	image->n_items = n;
}

static const struct nlmsghdr *next_message(const struct pfw_told *messages, size_t *at)
{
	const char *bytes = messages->messages;
	const struct nlmsghdr *message;

	if (*at >= messages->len)
		return NULL;
	message = (const struct nlmsghdr *)(const void *)(bytes + *at);
	*at += MNL_ALIGN(message->nlmsg_len);
	return message;
}

static bool is_of_table(const struct nlmsghdr *message)
{
	return (message->nlmsg_type & 0xff) == NFT_MSG_NEWTABLE ||
	       (message->nlmsg_type & 0xff) == NFT_MSG_DELTABLE;
}

int told_read(const struct pfw_told *messages, const struct pfw_plan *plan, struct told *ret,
	      struct pfw_error *err)
{
	const struct nlmsghdr *message;
	size_t at = 0;
	int code = 0;

	while (!ret->table && (message = next_message(messages, &at)))
		ret->table = is_of_table(message);
	if (ret->table)
		return 0;
	at = 0;
	while (!code && (message = next_message(messages, &at)))
		code = take(ret, message);
	if (!code)
		code = add_goals(ret);
	if (!code)
		code = add_forwards(ret, plan, err);
	drop_doubles(&ret->objects);
	return code == -ENOMEM ? pfw_fail_memory(err) : code;
}

void told_free(struct told *told)
{
	pfw_image_free(&told->objects);
	pfw_touched_free(&told->touched);
}
