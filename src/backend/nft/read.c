/* SPDX-License-Identifier: GPL-2.0-or-later */
/* From the kernel to an image: what stands in table inet portfwd. */
#include <arpa/inet.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <libnftnl/chain.h>
#include <libnftnl/expr.h>
#include <libnftnl/rule.h>
#include <libnftnl/set.h>
#include <libnftnl/table.h>
#include <libnftnl/udata.h>

#include "nft.h"
#include "portfwd/base/index.h"

/* How often a read is started anew because the ruleset changed meanwhile, and the pause, in ms. */
#define READ_ATTEMPTS 200
#define READ_PAUSE 5
#define REQUEST_SIZE 512
/* A large change takes its time from the moment that it is made for. */
#define SECONDS_OFF 10

/* An anonymous set, which one rule uses; its name is new with every rule. */
struct anonymous_set {
	char name[NFT_SET_NAME];
	struct nft_anonymous set;
	struct pfw_buffer elements;
};

struct reader {
	struct pfw_backend_handle *handle;
	struct pfw_image *image;
	struct pfw_error *err;
	struct nft_chain *chains;
	size_t n_chains;
	struct anonymous_set *sets;
	size_t n_sets;
	/* Where the last one was found: rules come in the order of their chains and sets. */
	size_t last_chain;
	size_t last_set;
	uint8_t number;			/* of the set whose elements are being read */
	struct anonymous_set *elements_of;
};

/* buf has REQUEST_SIZE bytes; zeroed, because libmnl leaves the padding as it is. */
static struct nlmsghdr *request(void *buf, uint16_t type, uint16_t flags)
{
	memset(buf, 0, REQUEST_SIZE);
	return nftnl_nlmsg_build_hdr(buf, (uint16_t)(NFNL_SUBSYS_NFTABLES << 8 | type), NFPROTO_INET,
				     flags, 0);
}

static int ask(struct reader *reader, struct nlmsghdr *message,
	       int (*each)(void *ctx, const struct nlmsghdr *message))
{
	return pfw_netlink_ask(reader->handle->nl, message, each, reader, reader->err);
}

static bool ours(const char *table)
{
	return table && !strcmp(table, NFT_TABLE);
}

static int take_table(void *ctx, const struct nlmsghdr *message)
{
	struct reader *reader = ctx;
	struct nftnl_table *table = nftnl_table_alloc();
	uint32_t flags;
	int ret = -ENOMEM;

	if (table && nftnl_table_nlmsg_parse(message, table) < 0)
		ret = -EBADMSG;
	else if (table) {
		flags = nftnl_table_get_u32(table, NFTNL_TABLE_FLAGS);
		if (pfw_image_add(reader->image, NFT_KIND_TABLE, NFT_TABLE, sizeof(NFT_TABLE), &flags,
				  sizeof(flags), NULL))
			ret = 0;
	}
	nftnl_table_free(table);
	return ret;
}

static int read_table(struct reader *reader)
{
	_Alignas(struct nlmsghdr) char buf[REQUEST_SIZE];
	struct nlmsghdr *message = request(buf, NFT_MSG_GETTABLE, 0);

	mnl_attr_put_strz(message, NFTA_TABLE_NAME, NFT_TABLE);
	return ask(reader, message, take_table);
}

static int add_anonymous(struct reader *reader, const struct nftnl_set *set, const char *name)
{
	struct anonymous_set *sets =
		reallocarray(reader->sets, reader->n_sets + 1, sizeof(*reader->sets));

	if (!sets)
		return -ENOMEM;
	reader->sets = sets;
	sets[reader->n_sets] = (struct anonymous_set){
		.set = {
			.flags = nftnl_set_get_u32(set, NFTNL_SET_FLAGS) &
				 ~(uint32_t)(NFT_SET_ANONYMOUS | NFT_SET_CONSTANT),
			.key_type = nftnl_set_get_u32(set, NFTNL_SET_KEY_TYPE),
			.key_len = nftnl_set_get_u32(set, NFTNL_SET_KEY_LEN),
			.data_type = nftnl_set_get_u32(set, NFTNL_SET_DATA_TYPE),
			.data_len = nftnl_set_get_u32(set, NFTNL_SET_DATA_LEN),
		},
	};
	snprintf(sets[reader->n_sets].name, sizeof(sets->name), "%s", name);
	reader->n_sets++;
	return 0;
}

static int add_set(struct reader *reader, const struct nftnl_set *set, const char *name)
{
	uint8_t number = nft_set_find(name);
	struct nft_set declared;
	struct nft_set_value value = {
		.key_type = nftnl_set_get_u32(set, NFTNL_SET_KEY_TYPE),
		.key_len = nftnl_set_get_u32(set, NFTNL_SET_KEY_LEN),
		.data_type = nftnl_set_get_u32(set, NFTNL_SET_DATA_TYPE),
		.data_len = nftnl_set_get_u32(set, NFTNL_SET_DATA_LEN),
		.flags = nftnl_set_get_u32(set, NFTNL_SET_FLAGS),
		.size = nftnl_set_get_u32(set, NFTNL_SET_DESC_SIZE),
		.timeout = nftnl_set_get_u64(set, NFTNL_SET_TIMEOUT),
		.counter = nftnl_set_is_set(set, NFTNL_SET_EXPR) ||
			   nftnl_set_is_set(set, NFTNL_SET_EXPRESSIONS),
	};

	struct pfw_item *item;

	if (value.data_type == NFT_DATA_VERDICT)
		value.data_len = 0;	/* the size of the kernel's own struct */
	nft_set_describe(number, &declared);
	if (declared.fitted) {
		reader->handle->room[number] = value.size;
		value.size = 0;
	}
	item = pfw_image_add(reader->image, NFT_KIND_SET, name, strlen(name) + 1, &value,
			     sizeof(value), NULL);
	if (!item)
		return -ENOMEM;
	item->owner = nft_name_owner(nft_item_name(item));
	return 0;
}

static int take_set(void *ctx, const struct nlmsghdr *message)
{
	struct reader *reader = ctx;
	struct nftnl_set *set = nftnl_set_alloc();
	const char *name;
	int ret = -ENOMEM;

	if (!set)
		return ret;
	if (nftnl_set_nlmsg_parse(message, set) < 0) {
		ret = -EBADMSG;
		goto out;
	}
	ret = 0;
	if (!ours(nftnl_set_get_str(set, NFTNL_SET_TABLE)))
		goto out;
	name = nftnl_set_get_str(set, NFTNL_SET_NAME);
	if (nftnl_set_get_u32(set, NFTNL_SET_FLAGS) & NFT_SET_ANONYMOUS)
		ret = add_anonymous(reader, set, name);
	else
		ret = add_set(reader, set, name);
out:
	nftnl_set_free(set);
	return ret;
}

static int read_sets(struct reader *reader)
{
	_Alignas(struct nlmsghdr) char buf[REQUEST_SIZE];
	struct nlmsghdr *message = request(buf, NFT_MSG_GETSET, NLM_F_DUMP);

	mnl_attr_put_strz(message, NFTA_SET_TABLE, NFT_TABLE);
	return ask(reader, message, take_set);
}

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

static int take_elements(void *ctx, const struct nlmsghdr *message)
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
	_Alignas(struct nlmsghdr) char buf[REQUEST_SIZE];
	struct nlmsghdr *message = request(buf, NFT_MSG_GETSETELEM, NLM_F_DUMP);

	mnl_attr_put_strz(message, NFTA_SET_ELEM_LIST_TABLE, NFT_TABLE);
	mnl_attr_put_strz(message, NFTA_SET_ELEM_LIST_SET, set);
	return ask(reader, message, take_elements);
}

static int read_anonymous(struct reader *reader, struct anonymous_set *set)
{
	int ret;

	reader->elements_of = set;
	ret = read_elements(reader, set->name);
	reader->elements_of = NULL;
	return set->elements.failed ? -ENOMEM : ret;
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

static int read_all_elements(struct reader *reader)
{
	uint32_t i, n = reader->image->n_items;
	const char *name;
	int ret = 0;

	for (i = 0; !ret && i < reader->n_sets; i++)
		ret = read_anonymous(reader, &reader->sets[i]);
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
static int check_elements(const struct pfw_image *image)
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

static int add_chain(struct reader *reader, const struct nftnl_chain *chain)
{
	struct nft_chain_value head = { 0 };
	struct nft_chain *chains;
	const char *name = nftnl_chain_get_str(chain, NFTNL_CHAIN_NAME);
	char *copy = pfw_arena_text(&reader->image->arena, name, strlen(name));

	chains = reallocarray(reader->chains, reader->n_chains + 1, sizeof(*chains));
	if (!chains || !copy) {
		reader->chains = chains ? chains : reader->chains;
		return -ENOMEM;
	}
	reader->chains = chains;
	if (nftnl_chain_is_set(chain, NFTNL_CHAIN_HOOKNUM)) {
		head.is_base = 1;
		head.hook = nftnl_chain_get_u32(chain, NFTNL_CHAIN_HOOKNUM);
		head.priority = nftnl_chain_get_s32(chain, NFTNL_CHAIN_PRIO);
		head.policy = nftnl_chain_get_u32(chain, NFTNL_CHAIN_POLICY);
		snprintf(head.type, sizeof(head.type), "%s",
			 nftnl_chain_get_str(chain, NFTNL_CHAIN_TYPE));
	}
	nft_chain_begin(&chains[reader->n_chains++], copy, &head);
	return 0;
}

static int take_chain(void *ctx, const struct nlmsghdr *message)
{
	struct reader *reader = ctx;
	struct nftnl_chain *chain = nftnl_chain_alloc();
	int ret = -ENOMEM;

	if (chain && nftnl_chain_nlmsg_parse(message, chain) < 0)
		ret = -EBADMSG;
	else if (chain)
		ret = ours(nftnl_chain_get_str(chain, NFTNL_CHAIN_TABLE)) ?
			      add_chain(reader, chain) : 0;
	nftnl_chain_free(chain);
	return ret;
}

static int read_chains(struct reader *reader)
{
	_Alignas(struct nlmsghdr) char buf[REQUEST_SIZE];

	return ask(reader, request(buf, NFT_MSG_GETCHAIN, NLM_F_DUMP), take_chain);
}

static const struct anonymous_set *find_anonymous(struct reader *reader, const char *name)
{
	size_t i, at;

	for (i = 0; name && i < reader->n_sets; i++) {
		at = (reader->last_set + i) % reader->n_sets;
		if (strcmp(reader->sets[at].name, name))
			continue;
		reader->last_set = at;
		return &reader->sets[at];
	}
	return NULL;
}

static struct nft_chain *find_chain(struct reader *reader, const char *name)
{
	size_t i, at;

	for (i = 0; name && i < reader->n_chains; i++) {
		at = (reader->last_chain + i) % reader->n_chains;
		if (strcmp(reader->chains[at].name, name))
			continue;
		reader->last_chain = at;
		return &reader->chains[at];
	}
	return NULL;
}

struct rule_reader {
	struct reader *reader;
	struct nft_rule rule;
	uint64_t count;
};

/* A lookup in an anonymous set becomes a record with all of the set in it. */
static void take_anonymous(struct rule_reader *to, const struct anonymous_set *of,
			   const struct nftnl_expr *expr)
{
	struct nft_anonymous set = of->set;

	set.sreg = nftnl_expr_get_u32(expr, NFTNL_EXPR_LOOKUP_SREG);
	if (nftnl_expr_is_set(expr, NFTNL_EXPR_LOOKUP_DREG))
		set.dreg = nftnl_expr_get_u32(expr, NFTNL_EXPR_LOOKUP_DREG);
	set.lookup_flags = nftnl_expr_get_u32(expr, NFTNL_EXPR_LOOKUP_FLAGS);
	nft_rule_add_anonymous(&to->rule, &set, of->elements.data);
}

/* Encoding the expression anew gives the very bytes that building it gives. */
static int take_expr(struct nftnl_expr *expr, void *ctx)
{
	struct rule_reader *to = ctx;
	const struct anonymous_set *set = NULL;
	const char *name = nftnl_expr_get_str(expr, NFTNL_EXPR_NAME);

	if (!strcmp(name, "lookup"))
		set = find_anonymous(to->reader, nftnl_expr_get_str(expr, NFTNL_EXPR_LOOKUP_SET));
	if (!strcmp(name, "counter")) {
		to->count += nftnl_expr_get_u64(expr, NFTNL_EXPR_CTR_PACKETS);
		nftnl_expr_set_u64(expr, NFTNL_EXPR_CTR_PACKETS, 0);
		nftnl_expr_set_u64(expr, NFTNL_EXPR_CTR_BYTES, 0);
	}
	if (set)
		take_anonymous(to, set, expr);
	else
		nft_rule_encode(&to->rule, expr);
	return 0;
}

static int take_rule(void *ctx, const struct nlmsghdr *message)
{
	struct reader *reader = ctx;
	struct rule_reader to = { .reader = reader };
	struct nftnl_rule *rule = nftnl_rule_alloc();
	struct nft_chain *chain;
	int ret = -ENOMEM;

	if (!rule)
		return ret;
	ret = nftnl_rule_nlmsg_parse(message, rule) < 0 ? -EBADMSG : 0;
	if (!ret && ours(nftnl_rule_get_str(rule, NFTNL_RULE_TABLE))) {
		chain = find_chain(reader, nftnl_rule_get_str(rule, NFTNL_RULE_CHAIN));
		nftnl_expr_foreach(rule, take_expr, &to);
		if (chain) {
			nft_chain_add(chain, &to.rule);
			chain->count += to.count;
		}
		nft_rule_free(&to.rule);
	}
	nftnl_rule_free(rule);
	return ret;
}

static int read_rules(struct reader *reader)
{
	_Alignas(struct nlmsghdr) char buf[REQUEST_SIZE];
	struct nlmsghdr *message = request(buf, NFT_MSG_GETRULE, NLM_F_DUMP);
	int ret;
	size_t i;

	mnl_attr_put_strz(message, NFTA_RULE_TABLE, NFT_TABLE);
	ret = ask(reader, message, take_rule);
	for (i = 0; !ret && i < reader->n_chains; i++)
		ret = nft_chain_end(&reader->chains[i], reader->image);
	return ret;
}

static void reader_free(struct reader *reader)
{
	size_t i;

	for (i = 0; i < reader->n_chains; i++)
		nft_chain_free(&reader->chains[i]);
	for (i = 0; i < reader->n_sets; i++)
		pfw_buffer_free(&reader->sets[i].elements);
	free(reader->chains);
	free(reader->sets);
}

/*
 * Without a table the image stays empty. -EINTR: the ruleset, or the shape of a hash,
 * changed meanwhile.
 */
static int read_once(struct pfw_backend_handle *handle, struct pfw_image *image,
		     struct pfw_error *err)
{
	struct reader reader = { .handle = handle, .image = image, .err = err };
	uint32_t before, after = 0;
	int ret, absent;

	memset(handle->room, 0, sizeof(handle->room));
	ret = pfw_netlink_generation(handle->nl, &before, err);
	if (ret)
		return ret;
	ret = read_table(&reader);
	absent = ret == -ENOENT;
	if (!ret)
		ret = read_sets(&reader);
	if (!ret)
		ret = read_all_elements(&reader);
	if (!ret)
		ret = check_elements(image);
	if (!ret)
		ret = read_chains(&reader);
	if (!ret)
		ret = read_rules(&reader);
	reader_free(&reader);
	/* What vanished between two requests is a change, not a failure. */
	if (ret == -ENOENT && !absent)
		return -EINTR;
	if (ret && !absent)
		return ret;
	ret = pfw_netlink_generation(handle->nl, &after, err);
	if (!ret && before != after)
		ret = -EINTR;
	if (!ret)
		handle->generation = handle->stands = after;
	handle->has_read = !ret;
	return ret;
}

int nft_read(struct pfw_backend_handle *handle, struct pfw_image *ret, struct pfw_error *err)
{
	const struct timespec pause = { .tv_nsec = READ_PAUSE * 1000 * 1000 };
	struct pfw_image image = { 0 };
	int code = -EINTR, attempt;

	for (attempt = 0; code == -EINTR && attempt < READ_ATTEMPTS; attempt++) {
		if (attempt)
			nanosleep(&pause, NULL);
		pfw_image_free(&image);
		code = read_once(handle, &image, err);
	}
	if (!code) {
		*ret = image;
		return 0;
	}
	pfw_image_free(&image);
	if (err->count)
		return code;
	if (code == -EINTR)
		return pfw_fail(err, PFW_FAILED, -EAGAIN,
				"the nf_tables ruleset keeps changing while it is read; try again");
	return pfw_fail_errno(err, code, "cannot read table inet " NFT_TABLE);
}
