/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Objects as messages of nf_tables. */
#include <arpa/inet.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <string.h>
#include <stdio.h>
#include <libnftnl/chain.h>
#include <libnftnl/expr.h>
#include <libnftnl/set.h>
#include <libnftnl/udata.h>

#include "transaction.h"

/* A nest of attributes is at most 64 KiB, an element with everything some 200 bytes. */
#define ELEMENTS_MAX (60 * 1024)
#define MESSAGE_ROOM 4096
/* Numbers of anonymous sets within the transaction, behind those of all named ones. */
#define FIRST_ANONYMOUS 0x40000000

static struct nlmsghdr *begin(struct transaction *tx, uint16_t type, uint16_t flags, size_t room,
			      const void *about)
{
	return pfw_batch_begin(&tx->batch, type, flags, NFPROTO_INET, room, about);
}

void tx_put_table(struct transaction *tx, uint16_t type, uint16_t flags, uint32_t table_flags,
		  const struct pfw_item *const *about)
{
	struct nlmsghdr *message = begin(tx, type, flags, MESSAGE_ROOM, about);

	if (!message)
		return;
	mnl_attr_put_strz(message, NFTA_TABLE_NAME, NFT_TABLE);
	if (type == NFT_MSG_NEWTABLE)
		mnl_attr_put_u32(message, NFTA_TABLE_FLAGS, htonl(table_flags));
	pfw_batch_end(&tx->batch, message);
}

void tx_put_deletion(struct transaction *tx, uint16_t type, const struct pfw_item *const *about)
{
	struct nlmsghdr *message = begin(tx, type, 0, MESSAGE_ROOM, about);
	const char *name = nft_item_name(*about);

	if (!message)
		return;
	switch (type) {
	case NFT_MSG_DELSET:
		mnl_attr_put_strz(message, NFTA_SET_TABLE, NFT_TABLE);
		mnl_attr_put_strz(message, NFTA_SET_NAME, name);
		break;
	case NFT_MSG_DELCHAIN:
		mnl_attr_put_strz(message, NFTA_CHAIN_TABLE, NFT_TABLE);
		mnl_attr_put_strz(message, NFTA_CHAIN_NAME, name);
		break;
	case NFT_MSG_DELRULE:
		mnl_attr_put_strz(message, NFTA_RULE_TABLE, NFT_TABLE);
		mnl_attr_put_strz(message, NFTA_RULE_CHAIN, name);
		break;
	}
	pfw_batch_end(&tx->batch, message);
}

/* nft tells anonymous sets and maps apart by name only. */
static const char *anonymous_name(const struct nft_anonymous *set)
{
	return set->flags & NFT_SET_MAP ? "__map%d" : "__set%d";
}

/* The lengths of the fields of a key of intervals, which the kernel must know. */
static void put_field_lengths(struct nftnl_set *to, const char *name)
{
	uint8_t lengths[NFT_SET_FIELDS];
	struct nft_set set;
	uint32_t n;

	nft_set_describe(nft_set_find(name), &set);
	for (n = 0; n < NFT_SET_FIELDS && set.key[n]; n++)
		lengths[n] = (uint8_t)nft_fields[set.key[n]].bytes;
	nftnl_set_set_data(to, NFTNL_SET_DESC_CONCAT, lengths, n);
}

/*
 * Tells nft, and only nft, that the key is in the machine's byte order. Without it nft
 * lists numbers turned round, and a single interface as "".
 */
static void put_byteorder(struct nlmsghdr *message)
{
	const uint32_t host_endian = 1;	/* enum byteorder of nftables' include/datatype.h */
	uint8_t bytes[2 + sizeof(host_endian)] = { NFTNL_UDATA_SET_KEYBYTEORDER,
						   sizeof(host_endian) };

	memcpy(bytes + 2, &host_endian, sizeof(host_endian));
	mnl_attr_put(message, NFTA_SET_USERDATA, sizeof(bytes), bytes);
}

static bool is_single_ifname(const char *name)
{
	struct nft_set set;

	nft_set_describe(nft_set_find(name), &set);
	return set.key[0] == NFT_FIELD_IFNAME && set.key[1] == NFT_FIELD_NONE;
}

void tx_put_set(struct transaction *tx, const struct pfw_item *const *about)
{
	struct nftnl_set *set = nftnl_set_alloc();
	struct nlmsghdr *message = begin(tx, NFT_MSG_NEWSET, NLM_F_CREATE | NLM_F_EXCL, MESSAGE_ROOM,
					 about);
	uint8_t number = nft_set_find(nft_item_name(*about));
	struct nft_set_value value;
	struct nftnl_expr *counter;
	struct nft_set declared;

	if (!set || !message) {
		tx->batch.failed = true;
		nftnl_set_free(set);
		return;
	}
	memcpy(&value, pfw_item_value(*about), sizeof(value));
	nftnl_set_set_str(set, NFTNL_SET_TABLE, NFT_TABLE);
	nftnl_set_set_str(set, NFTNL_SET_NAME, nft_item_name(*about));
	nftnl_set_set_u32(set, NFTNL_SET_ID, ++tx->n_sets);
	nftnl_set_set_u32(set, NFTNL_SET_FLAGS, value.flags);
	nftnl_set_set_u32(set, NFTNL_SET_KEY_TYPE, value.key_type);
	nftnl_set_set_u32(set, NFTNL_SET_KEY_LEN, value.key_len);
	if (value.flags & NFT_SET_MAP) {
		nftnl_set_set_u32(set, NFTNL_SET_DATA_TYPE, value.data_type);
		nftnl_set_set_u32(set, NFTNL_SET_DATA_LEN, value.data_len);
	}
	if (value.flags & NFT_SET_CONCAT)
		put_field_lengths(set, nft_item_name(*about));
	if (value.timeout)
		nftnl_set_set_u64(set, NFTNL_SET_TIMEOUT, value.timeout);
	nft_set_describe(number, &declared);
	if (declared.fitted)
		value.size = nft_fitted_size(tx->n_added_to[number]);
	if (value.size)
		nftnl_set_set_u32(set, NFTNL_SET_DESC_SIZE, value.size);
	if (value.counter) {
		counter = nftnl_expr_alloc("counter");
		if (counter)
			nftnl_set_add_expr(set, counter);
		else
			tx->batch.failed = true;
	}
	nftnl_set_nlmsg_build_payload(message, set);
	if (is_single_ifname(nft_item_name(*about)))
		put_byteorder(message);
	pfw_batch_end(&tx->batch, message);
	nftnl_set_free(set);
}

void tx_put_chain(struct transaction *tx, const struct pfw_item *const *about)
{
	struct nftnl_chain *chain = nftnl_chain_alloc();
	struct nlmsghdr *message = begin(tx, NFT_MSG_NEWCHAIN, NLM_F_CREATE | NLM_F_EXCL,
					 MESSAGE_ROOM, about);
	struct nft_chain_value head;

	if (!chain || !message) {
		tx->batch.failed = true;
		nftnl_chain_free(chain);
		return;
	}
	memcpy(&head, pfw_item_value(*about), sizeof(head));
	nftnl_chain_set_str(chain, NFTNL_CHAIN_TABLE, NFT_TABLE);
	nftnl_chain_set_str(chain, NFTNL_CHAIN_NAME, nft_item_name(*about));
	if (head.is_base) {
		nftnl_chain_set_u32(chain, NFTNL_CHAIN_HOOKNUM, head.hook);
		nftnl_chain_set_s32(chain, NFTNL_CHAIN_PRIO, head.priority);
		nftnl_chain_set_u32(chain, NFTNL_CHAIN_POLICY, head.policy);
		nftnl_chain_set_str(chain, NFTNL_CHAIN_TYPE, head.type);
	}
	nftnl_chain_nlmsg_build_payload(message, chain);
	pfw_batch_end(&tx->batch, message);
	nftnl_chain_free(chain);
}

/* A set without a name, which its one rule finds by number. */
static void put_anonymous_set(struct transaction *tx, uint32_t number,
			      const struct nft_anonymous *set, const struct pfw_item *const *about)
{
	struct nlmsghdr *message = begin(tx, NFT_MSG_NEWSET, NLM_F_CREATE, MESSAGE_ROOM, about);

	if (!message)
		return;
	mnl_attr_put_strz(message, NFTA_SET_TABLE, NFT_TABLE);
	mnl_attr_put_strz(message, NFTA_SET_NAME, anonymous_name(set));
	mnl_attr_put_u32(message, NFTA_SET_FLAGS,
			 htonl(set->flags | NFT_SET_ANONYMOUS | NFT_SET_CONSTANT));
	mnl_attr_put_u32(message, NFTA_SET_KEY_TYPE, htonl(set->key_type));
	mnl_attr_put_u32(message, NFTA_SET_KEY_LEN, htonl(set->key_len));
	if (set->flags & NFT_SET_MAP) {
		mnl_attr_put_u32(message, NFTA_SET_DATA_TYPE, htonl(set->data_type));
		mnl_attr_put_u32(message, NFTA_SET_DATA_LEN, htonl(set->data_len));
	}
	mnl_attr_put_u32(message, NFTA_SET_ID, htonl(number));
	if (set->key_type == NFT_TYPE_INTEGER && !(set->flags & NFT_SET_INTERVAL))
		put_byteorder(message);
	pfw_batch_end(&tx->batch, message);
}

static void put_anonymous_element(struct nlmsghdr *message, const struct nft_anonymous *set,
				  const uint8_t *bytes)
{
	struct nlattr *element = mnl_attr_nest_start(message, NFTA_LIST_ELEM), *value;
	uint32_t flags;

	memcpy(&flags, bytes + set->key_len, sizeof(flags));
	value = mnl_attr_nest_start(message, NFTA_SET_ELEM_KEY);
	mnl_attr_put(message, NFTA_DATA_VALUE, set->key_len, bytes);
	mnl_attr_nest_end(message, value);
	if (flags)
		mnl_attr_put_u32(message, NFTA_SET_ELEM_FLAGS, htonl(flags));
	if (set->data_len && !(flags & NFT_SET_ELEM_INTERVAL_END)) {
		value = mnl_attr_nest_start(message, NFTA_SET_ELEM_DATA);
		mnl_attr_put(message, NFTA_DATA_VALUE, set->data_len,
			     bytes + set->key_len + sizeof(flags));
		mnl_attr_nest_end(message, value);
	}
	mnl_attr_nest_end(message, element);
}

static void put_anonymous(struct transaction *tx, const uint8_t *data,
			  const struct pfw_item *const *about)
{
	uint32_t number = FIRST_ANONYMOUS + tx->n_anonymous++, i = 0;
	struct nft_anonymous set;
	struct nlmsghdr *message;
	struct nlattr *list;

	memcpy(&set, data, sizeof(set));
	put_anonymous_set(tx, number, &set, about);
	while (i < set.n && !tx->batch.failed) {
		message = begin(tx, NFT_MSG_NEWSETELEM, NLM_F_CREATE, ELEMENTS_MAX + MESSAGE_ROOM,
				about);
		if (!message)
			return;
		mnl_attr_put_strz(message, NFTA_SET_ELEM_LIST_TABLE, NFT_TABLE);
		mnl_attr_put_strz(message, NFTA_SET_ELEM_LIST_SET, anonymous_name(&set));
		mnl_attr_put_u32(message, NFTA_SET_ELEM_LIST_SET_ID, htonl(number));
		list = mnl_attr_nest_start(message, NFTA_SET_ELEM_LIST_ELEMENTS);
		for (; i < set.n && message->nlmsg_len < ELEMENTS_MAX; i++)
			put_anonymous_element(message, &set,
					      data + sizeof(set) + i * nft_anonymous_size(&set));
		mnl_attr_nest_end(message, list);
		pfw_batch_end(&tx->batch, message);
	}
}

static int put_anonymous_lookup(struct nlmsghdr *message, const uint8_t *data, uint32_t number)
{
	struct nftnl_expr *expr = nftnl_expr_alloc("lookup");
	struct nft_anonymous set;

	if (!expr)
		return -ENOMEM;
	memcpy(&set, data, sizeof(set));
	nftnl_expr_set_str(expr, NFTNL_EXPR_LOOKUP_SET, anonymous_name(&set));
	nftnl_expr_set_u32(expr, NFTNL_EXPR_LOOKUP_SET_ID, number);
	nftnl_expr_set_u32(expr, NFTNL_EXPR_LOOKUP_SREG, set.sreg);
	nftnl_expr_set_u32(expr, NFTNL_EXPR_LOOKUP_FLAGS, set.lookup_flags);
	if (set.flags & NFT_SET_MAP)
		nftnl_expr_set_u32(expr, NFTNL_EXPR_LOOKUP_DREG, set.dreg);
	nftnl_expr_build_payload(message, expr);
	nftnl_expr_free(expr);
	return 0;
}

/* counter packets N bytes 0: bytes are nobody's question here. */
static void put_counter(struct nlmsghdr *message, uint64_t count)
{
	struct nlattr *data;

	mnl_attr_put_strz(message, NFTA_EXPR_NAME, "counter");
	data = mnl_attr_nest_start(message, NFTA_EXPR_DATA);
	mnl_attr_put_u64(message, NFTA_COUNTER_BYTES, 0);
	mnl_attr_put_u64(message, NFTA_COUNTER_PACKETS, htobe64(count));
	mnl_attr_nest_end(message, data);
}

static bool is_counter(const uint8_t *expr, size_t len)
{
	static const char name[] = "counter";

	return len >= MNL_ATTR_HDRLEN + sizeof(name) &&
	       !memcmp(expr + MNL_ATTR_HDRLEN, name, sizeof(name));
}

/* What the very same item has counted so far. */
static uint64_t count_so_far(const struct transaction *tx, const struct pfw_item *item)
{
	const struct pfw_item *old = NULL;

	if (tx->counted)
		old = pfw_image_find(tx->counted, &tx->counted_keys, item);
	return old && pfw_item_same_value(old, item) ? old->count : 0;
}

/* The rule's first counter begins with *count, and takes it. */
static void put_rule(struct transaction *tx, const uint8_t *records, size_t len,
		     const struct pfw_item *const *about, uint64_t *count)
{
	struct nlmsghdr *message;
	struct nft_record record;
	struct nlattr *list, *element;
	uint32_t number = FIRST_ANONYMOUS + tx->n_anonymous;
	const uint8_t *data;
	size_t at;

	for (at = 0; nft_record_next(records, len, &at, &record, &data);)
		if (record.kind == NFT_RECORD_ANONYMOUS)
			put_anonymous(tx, data, about);

	/* A record's head is 8 bytes, so this is enough for the lookups of protocols too. */
	message = begin(tx, NFT_MSG_NEWRULE, NLM_F_CREATE | NLM_F_APPEND, MESSAGE_ROOM + 8 * len,
			about);
	if (!message)
		return;
	mnl_attr_put_strz(message, NFTA_RULE_TABLE, NFT_TABLE);
	mnl_attr_put_strz(message, NFTA_RULE_CHAIN, nft_item_name(*about));
	list = mnl_attr_nest_start(message, NFTA_RULE_EXPRESSIONS);
	for (at = 0; nft_record_next(records, len, &at, &record, &data);) {
		element = mnl_attr_nest_start(message, NFTA_LIST_ELEM);
		if (record.kind == NFT_RECORD_ANONYMOUS) {
			/* A rule without its match must not be sent. */
			if (put_anonymous_lookup(message, data, number++))
				tx->batch.failed = true;
		} else if (*count && is_counter(data, record.len)) {
			put_counter(message, *count);
			*count = 0;
		} else {
			memcpy(mnl_nlmsg_get_payload_tail(message), data, record.len);
			message->nlmsg_len += record.len;
		}
		mnl_attr_nest_end(message, element);
	}
	mnl_attr_nest_end(message, list);
	pfw_batch_end(&tx->batch, message);
}

void tx_put_rules(struct transaction *tx, const struct pfw_item *const *about)
{
	const uint8_t *records;
	/* Of which of its rules is forgotten: a chain counts as one. */
	uint64_t count = count_so_far(tx, *about);
	size_t at = 0, len;

	while (nft_chain_next_rule(*about, &at, &records, &len))
		put_rule(tx, records, len, about, &count);
}

static void put_element_data(struct nlmsghdr *message, const struct pfw_item *item, bool is_verdict)
{
	struct nft_verdict_value verdict;
	struct nlattr *data, *nest;

	data = mnl_attr_nest_start(message, NFTA_SET_ELEM_DATA);
	if (is_verdict) {
		memcpy(&verdict, pfw_item_value(item), sizeof(verdict));
		nest = mnl_attr_nest_start(message, NFTA_DATA_VERDICT);
		mnl_attr_put_u32(message, NFTA_VERDICT_CODE, htonl((uint32_t)verdict.code));
		if (*verdict.chain)
			mnl_attr_put_strz(message, NFTA_VERDICT_CHAIN, verdict.chain);
		mnl_attr_nest_end(message, nest);
	} else {
		mnl_attr_put(message, NFTA_DATA_VALUE, item->value_len, pfw_item_value(item));
	}
	mnl_attr_nest_end(message, data);
}

/* The comment: type, length with the NUL, text. */
static void put_comment(struct nlmsghdr *message, const struct pfw_item *item, int64_t until)
{
	uint8_t bytes[2 + NFT_COMMENT_SIZE];
	size_t len;

	nft_comment_print(item->owner, until, (char *)bytes + 2);
	len = strlen((char *)bytes + 2) + 1;
	bytes[0] = NFTNL_UDATA_SET_ELEM_COMMENT;
	bytes[1] = (uint8_t)len;
	mnl_attr_put(message, NFTA_SET_ELEM_USERDATA, (uint16_t)(2 + len), bytes);
}

static void put_key(struct nlmsghdr *message, uint16_t type, const uint8_t *key, size_t len)
{
	struct nlattr *nest = mnl_attr_nest_start(message, type);

	mnl_attr_put(message, NFTA_DATA_VALUE, (uint16_t)len, key);
	mnl_attr_nest_end(message, nest);
}

/* Both ends of an interval; no key is the element that every other key finds. */
static void put_keys(struct nlmsghdr *message, const struct pfw_item *item, const struct nft_set *set)
{
	const uint8_t *key = pfw_item_key(item) + 1;
	size_t len = item->key_len - 1u;

	if (!len) {
		mnl_attr_put_u32(message, NFTA_SET_ELEM_FLAGS, htonl(NFT_ELEMENT_CATCHALL));
		return;
	}
	if (set->flags & NFT_SET_INTERVAL)
		len /= 2;
	put_key(message, NFTA_SET_ELEM_KEY, key, len);
	if (set->flags & NFT_SET_INTERVAL)
		put_key(message, NFTA_SET_ELEM_KEY_END, key + len, len);
}

/* now is in milliseconds, so that an element goes with its second and not up to one later. */
static int64_t milliseconds_left(int64_t until, int64_t now)
{
	int64_t left = nft_seconds_left(until, now / 1000) * 1000 - now % 1000;

	return left > 0 ? left : 1;
}

static void put_element(const struct transaction *tx, struct nlmsghdr *message,
			const struct pfw_item *item, const struct nft_set *set, bool full)
{
	struct nlattr *element = mnl_attr_nest_start(message, NFTA_LIST_ELEM), *counter;
	bool is_verdict = set->data[0] == NFT_FIELD_VERDICT;
	struct nft_verdict_value verdict = { 0 };
	uint64_t count = full && set->counts ? count_so_far(tx, item) : 0;

	put_keys(message, item, set);
	if (is_verdict)
		memcpy(&verdict, pfw_item_value(item), sizeof(verdict));
	if (full && item->value_len)
		put_element_data(message, item, is_verdict);
	if (full && verdict.until)
		mnl_attr_put_u64(message, NFTA_SET_ELEM_TIMEOUT,
				 htobe64((uint64_t)milliseconds_left(verdict.until, tx->now)));
	if (full && item->owner)
		put_comment(message, item, verdict.until);
	if (count) {
		counter = mnl_attr_nest_start(message, NFTA_SET_ELEM_EXPR);
		put_counter(message, count);
		mnl_attr_nest_end(message, counter);
	}
	mnl_attr_nest_end(message, element);
}

/* As many elements of one set as a message takes; returns how many that were. */
static size_t put_some_elements(struct transaction *tx, uint16_t type,
				const struct pfw_item *const *items, size_t n)
{
	uint8_t number = nft_element_set(items[0]);
	bool full = type == NFT_MSG_NEWSETELEM;
	struct nlmsghdr *message;
	struct nlattr *list;
	struct nft_set set;
	size_t i;

	nft_set_describe(number, &set);
	message = begin(tx, type, full ? NLM_F_CREATE | NLM_F_EXCL : 0, ELEMENTS_MAX + MESSAGE_ROOM,
			items);
	if (!message)
		return n;
	mnl_attr_put_strz(message, NFTA_SET_ELEM_LIST_TABLE, NFT_TABLE);
	mnl_attr_put_strz(message, NFTA_SET_ELEM_LIST_SET, set.name);
	list = mnl_attr_nest_start(message, NFTA_SET_ELEM_LIST_ELEMENTS);
	for (i = 0; i < n && nft_element_set(items[i]) == number &&
		    message->nlmsg_len < ELEMENTS_MAX; i++)
		put_element(tx, message, items[i], &set, full);
	mnl_attr_nest_end(message, list);
	pfw_batch_end(&tx->batch, message);
	return i;
}

void tx_put_elements(struct transaction *tx, uint16_t type,
			 const struct pfw_item *const *items, size_t n)
{
	size_t done;

	for (done = 0; done < n && !tx->batch.failed;)
		done += put_some_elements(tx, type, items + done, n - done);
}
