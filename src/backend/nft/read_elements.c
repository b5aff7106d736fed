/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The elements of sets, as the kernel tells them. */
#include <arpa/inet.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <libnftnl/udata.h>

#include "portfwd/base/index.h"
#include "reader.h"

/* A large change takes its time from the moment that it is made for. */
#define SECONDS_OFF 10

/* What the kernel says of one element. */
struct element {
	const struct nlattr *key;
	const struct nlattr *key_end;
	const struct nlattr *data;
	const struct nlattr *verdict_code;
	const struct nlattr *verdict_chain;
	const struct nlattr *userdata;
	uint64_t count;
	uint32_t flags;
	int64_t left;	/* ms; 0: for ever */
};

static void parse_counter(const struct nlattr *expr, struct element *element)
{
	const struct nlattr *attr, *data;

	mnl_attr_for_each_nested(attr, expr) {
		if (mnl_attr_get_type(attr) != NFTA_EXPR_DATA)
			continue;
		mnl_attr_for_each_nested(data, attr)
			if (mnl_attr_get_type(data) == NFTA_COUNTER_PACKETS &&
			    mnl_attr_get_payload_len(data) == sizeof(uint64_t))
				element->count = be64toh(mnl_attr_get_u64(data));
	}
}

static void parse_data(const struct nlattr *nest, struct element *element)
{
	const struct nlattr *attr, *verdict;

	mnl_attr_for_each_nested(attr, nest) {
		if (mnl_attr_get_type(attr) == NFTA_DATA_VALUE)
			element->data = attr;
		if (mnl_attr_get_type(attr) != NFTA_DATA_VERDICT)
			continue;
		mnl_attr_for_each_nested(verdict, attr) {
			if (mnl_attr_get_type(verdict) == NFTA_VERDICT_CODE)
				element->verdict_code = verdict;
			if (mnl_attr_get_type(verdict) == NFTA_VERDICT_CHAIN)
				element->verdict_chain = verdict;
		}
	}
}

static const struct nlattr *data_value(const struct nlattr *nest)
{
	const struct nlattr *attr;

	mnl_attr_for_each_nested(attr, nest)
		if (mnl_attr_get_type(attr) == NFTA_DATA_VALUE)
			return attr;
	return NULL;
}

static void parse_element(const struct nlattr *nest, struct element *element)
{
	const struct nlattr *attr;

	mnl_attr_for_each_nested(attr, nest)
		switch (mnl_attr_get_type(attr)) {
		case NFTA_SET_ELEM_KEY:
			element->key = data_value(attr);
			break;
		case NFTA_SET_ELEM_KEY_END:
			element->key_end = data_value(attr);
			break;
		case NFTA_SET_ELEM_DATA:
			parse_data(attr, element);
			break;
		case NFTA_SET_ELEM_USERDATA:
			element->userdata = attr;
			break;
		case NFTA_SET_ELEM_EXPR:
			parse_counter(attr, element);
			break;
		case NFTA_SET_ELEM_EXPIRATION:
			element->left = (int64_t)be64toh(mnl_attr_get_u64(attr));
			break;
		case NFTA_SET_ELEM_FLAGS:
			element->flags = ntohl(mnl_attr_get_u32(attr));
			break;
		}
}

/* The comment of an element, as nft and we write it: type, length, text with its NUL. */
static int take_comment(struct reader *reader, const struct nlattr *userdata, const char **ret_owner,
			int64_t *ret_until)
{
	const uint8_t *bytes = mnl_attr_get_payload(userdata);
	size_t len = mnl_attr_get_payload_len(userdata), at, size;
	char *owner;

	for (at = 0; at + 2 <= len; at += 2 + size) {
		size = bytes[at + 1];
		if (bytes[at] != NFTNL_UDATA_SET_ELEM_COMMENT || !size || size > len - at - 2)
			continue;
		owner = pfw_arena_text(&reader->image->arena, (const char *)bytes + at + 2, size - 1);
		if (!owner)
			return -ENOMEM;
		nft_comment_split(owner, ret_until);
		*ret_owner = owner;
		return 0;
	}
	return 0;
}

/*
 * Whether an element ends when its comment says. A ruleset that was saved and is loaded later
 * ends as much later, and one by hand whenever its author likes.
 */
static bool ends_as_said(const struct element *element, int64_t until)
{
	int64_t off;

	if (!until || !element->left)
		return !until && !element->left;
	off = element->left / 1000 - nft_seconds_left(until, time(NULL));
	return off >= -SECONDS_OFF && off <= SECONDS_OFF;
}

static int add_element(struct reader *reader, const struct element *element)
{
	uint8_t key[NFT_ELEMENT_KEY_MAX] = { reader->number };
	size_t key_len = element->key ? mnl_attr_get_payload_len(element->key) : 0;
	size_t end_len = 0, value_len = 0;
	struct nft_verdict_value verdict = { 0 };
	const char *owner = NULL;
	const void *value = NULL;
	struct pfw_item *item;
	int64_t until = 0;

	if (element->key_end)
		end_len = mnl_attr_get_payload_len(element->key_end);
	if (key_len + end_len > sizeof(key) - 1)
		return 0;	/* of a set that only has the name of ours; that set is a difference */
	if (key_len)
		memcpy(key + 1, mnl_attr_get_payload(element->key), key_len);
	if (end_len)
		memcpy(key + 1 + key_len, mnl_attr_get_payload(element->key_end), end_len);
	if (element->userdata && take_comment(reader, element->userdata, &owner, &until))
		return -ENOMEM;
	if (element->verdict_code) {
		verdict.code = (int32_t)ntohl(mnl_attr_get_u32(element->verdict_code));
		verdict.until = ends_as_said(element, until) ? until : -1;
		if (element->verdict_chain)
			snprintf(verdict.chain, sizeof(verdict.chain), "%s",
				 mnl_attr_get_str(element->verdict_chain));
		value = &verdict;
		value_len = sizeof(verdict);
	} else if (element->data) {
		value = mnl_attr_get_payload(element->data);
		value_len = mnl_attr_get_payload_len(element->data);
	}
	item = pfw_image_add(reader->image, NFT_KIND_ELEMENT, key, key_len + end_len + 1, value,
			     value_len, owner);
	if (!item)
		return -ENOMEM;
	item->count = element->count;
	return 0;
}

/* Key, flags, data; zero where an interval ends. */
static void add_anonymous_element(struct anonymous_set *set, const struct element *element)
{
	uint8_t data[64] = { 0 };
	size_t len = element->data ? mnl_attr_get_payload_len(element->data) : 0;

	if (mnl_attr_get_payload_len(element->key) != set->set.key_len ||
	    set->set.data_len > sizeof(data) || len > sizeof(data))
		return;	/* none of ours: without it the rule is a difference */
	if (len)
		memcpy(data, mnl_attr_get_payload(element->data), len);
	pfw_buffer_append(&set->elements, mnl_attr_get_payload(element->key), set->set.key_len);
	pfw_buffer_append(&set->elements, &element->flags, sizeof(element->flags));
	pfw_buffer_append(&set->elements, data, set->set.data_len);
	set->set.n++;
}

int reader_take_elements(void *ctx, const struct nlmsghdr *message)
{
	struct reader *reader = ctx;
	const struct nlattr *attr, *nest;
	struct element element;
	int ret = 0;

	mnl_attr_for_each(attr, message, sizeof(struct nfgenmsg)) {
		if (mnl_attr_get_type(attr) != NFTA_SET_ELEM_LIST_ELEMENTS)
			continue;
		mnl_attr_for_each_nested(nest, attr) {
			element = (struct element){ 0 };
			parse_element(nest, &element);
			if (!element.key && !(element.flags & NFT_ELEMENT_CATCHALL))
				continue;
			if (reader->elements_of && element.key)
				add_anonymous_element(reader->elements_of, &element);
			else if (!reader->elements_of)
				ret = add_element(reader, &element);
			if (ret)
				return ret;
		}
	}
	return 0;
}

static int read_elements(struct reader *reader, const char *set)
{
	_Alignas(struct nlmsghdr) char buf[NFT_REQUEST_SIZE];
	struct nlmsghdr *message = nft_request(buf, NFT_MSG_GETSETELEM, NLM_F_DUMP);

	mnl_attr_put_strz(message, NFTA_SET_ELEM_LIST_TABLE, NFT_TABLE);
	mnl_attr_put_strz(message, NFTA_SET_ELEM_LIST_SET, set);
	return reader_ask(reader, message, reader_take_elements);
}

int reader_anonymous(struct reader *reader, struct anonymous_set *set)
{
	int ret;

	reader->elements_of = set;
	ret = read_elements(reader, set->name);
	reader->elements_of = NULL;
	return set->elements.failed ? -ENOMEM : ret;
}

int reader_elements_of(struct reader *reader, uint8_t number)
{
	struct nft_set set;
	int ret;

	nft_set_describe(number, &set);
	reader->number = number;
	ret = read_elements(reader, set.name);
	return ret == -ENOENT ? 0 : ret;
}

static void put_key(struct nlmsghdr *message, uint16_t type, const uint8_t *bytes, size_t len)
{
	struct nlattr *nest = mnl_attr_nest_start(message, type);

	mnl_attr_put(message, NFTA_DATA_VALUE, len, bytes);
	mnl_attr_nest_end(message, nest);
}

int reader_element(struct reader *reader, const struct pfw_item *like)
{
	_Alignas(struct nlmsghdr) char buf[NFT_REQUEST_SIZE];
	struct nlmsghdr *message = nft_request(buf, NFT_MSG_GETSETELEM, 0);
	const uint8_t *key = pfw_item_key(like) + 1;
	struct nlattr *list, *element;
	struct nft_set set;
	size_t len;
	int ret;

	reader->number = nft_element_set(like);
	nft_set_describe(reader->number, &set);
	len = nft_fields_size(set.key, NFT_SET_FIELDS);
	mnl_attr_put_strz(message, NFTA_SET_ELEM_LIST_TABLE, NFT_TABLE);
	mnl_attr_put_strz(message, NFTA_SET_ELEM_LIST_SET, set.name);
	list = mnl_attr_nest_start(message, NFTA_SET_ELEM_LIST_ELEMENTS);
	element = mnl_attr_nest_start(message, NFTA_LIST_ELEM);
	put_key(message, NFTA_SET_ELEM_KEY, key, len);
	if (like->key_len > 1 + len)
		put_key(message, NFTA_SET_ELEM_KEY_END, key + len, len);
	mnl_attr_nest_end(message, element);
	mnl_attr_nest_end(message, list);
	ret = reader_ask(reader, message, reader_take_elements);
	return ret == -ENOENT ? 0 : ret;
}

/* Whether a set is what its name says, so that its elements have the form that is theirs. */
static bool is_declared(const struct pfw_item *item, uint8_t number)
{
	struct nft_set_value value;
	struct nft_set set;

	if (number == NFT_SETS || item->value_len != sizeof(value))
		return false;
	memcpy(&value, pfw_item_value(item), sizeof(value));
	nft_set_describe(number, &set);
	return value.key_type == nft_fields_type(set.key, NFT_SET_FIELDS) &&
	       value.key_len == nft_fields_size(set.key, NFT_SET_FIELDS) &&
	       value.data_type == nft_fields_type(set.data, 2) &&
	       value.data_len == nft_fields_size(set.data, 2) && value.flags == set.flags;
}

int reader_elements(struct reader *reader)
{
	uint32_t i, n = reader->image->n_items;
	const char *name;
	int ret = 0;

	for (i = 0; !ret && i < reader->n_sets; i++)
		ret = reader_anonymous(reader, &reader->sets[i]);
	for (i = 0; !ret && i < n; i++) {
		if (reader->image->items[i].kind != NFT_KIND_SET)
			continue;
		name = nft_item_name(&reader->image->items[i]);
		reader->number = nft_set_find(name);
		/* Foreign sets go as a whole. */
		if (is_declared(&reader->image->items[i], reader->number) &&
		    !nft_set_learns(reader->number))
			ret = read_elements(reader, name);
	}
	return ret;
}

static bool is_element(const void *array, uint32_t id, const void *key)
{
	const struct pfw_item *item = (const struct pfw_item *)array + id, *other = key;

	return item->key_len == other->key_len && !memcmp(item->bytes, other->bytes, item->key_len);
}

/*
 * The kernel dumps a hash in pieces; for each it walks from the beginning and skips as many
 * elements as it told before (nf_tables_dump_set()). Where it enlarges the hash in
 * between, which it does in the background after many were added and which no
 * generation tells, the order is another: some elements come twice then, and as many
 * never. So one that came twice says that the picture is not whole.
 */
int reader_check(const struct pfw_image *image)
{
	struct pfw_index index = { 0 };
	const struct pfw_item *item;
	uint64_t hash;
	uint32_t i;
	int ret = image->n_items ? pfw_index_grow(&index, image->n_items) : 0;

	for (i = 0; !ret && i < image->n_items; i++) {
		item = &image->items[i];
		if (item->kind != NFT_KIND_ELEMENT)
			continue;
		hash = pfw_hash(item->bytes, item->key_len);
		if (pfw_index_find(&index, hash, is_element, image->items, item) != PFW_INDEX_NONE)
			ret = -EINTR;
		else
			ret = pfw_index_put(&index, hash, i);
	}
	pfw_index_free(&index);
	return ret;
}
