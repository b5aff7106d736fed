/* SPDX-License-Identifier: GPL-2.0-or-later */
/* From a difference to one transaction of the kernel. */
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter/nf_tables.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "transaction.h"

/* Puts those of one set side by side, each set's in the order that they have; -ENOMEM. */
static int sort_by_set(const struct pfw_item **items, size_t n)
{
	const struct pfw_item **from = malloc((n + 1) * sizeof(*from));
	size_t at[UINT8_MAX + 2] = { 0 }, i;

	if (!from)
		return -ENOMEM;
	memcpy(from, items, n * sizeof(*from));
	for (i = 0; i < n; i++)
		at[nft_element_set(from[i]) + 1]++;
	for (i = 1; i <= UINT8_MAX; i++)
		at[i] += at[i - 1];
	for (i = 0; i < n; i++)
		items[at[nft_element_set(from[i])]++] = from[i];
	free(from);
	return 0;
}

/* Which sets go away whole, and their elements with them. */
static void find_lost(const struct pfw_difference *difference, bool lost[NFT_SETS + 1])
{
	const struct pfw_step *step;
	size_t i;

	for (i = 0; i < difference->n_steps; i++) {
		step = &difference->steps[i];
		if (!step->after && step->before->kind == NFT_KIND_SET)
			lost[nft_set_find(nft_item_name(step->before))] = true;
	}
}

static bool same_head(const struct pfw_item *a, const struct pfw_item *b)
{
	return !memcmp(pfw_item_value(a), pfw_item_value(b), sizeof(struct nft_chain_value));
}

static bool is_of_kind(const struct pfw_step *step, enum nft_kind kind)
{
	return (step->after ? step->after : step->before)->kind == kind;
}

/* Of a table whose owner has ended. */
static bool is_adoption(const struct pfw_step *step)
{
	return nft_flags_value(step->before).flags == NFT_TABLE_PERSIST &&
	       nft_flags_value(step->after).flags == NFT_TABLE_OWNED;
}

/* Whether the frame changed in a way that only building the table anew can follow. */
static bool needs_rebuild(const struct pfw_difference *difference)
{
	const struct pfw_step *step;
	bool whole = false;	/* the table comes or goes anyway; in every image it is the first */
	size_t i;

	for (i = 0; i < difference->n_steps; i++) {
		step = &difference->steps[i];
		if (is_of_kind(step, NFT_KIND_FLAGS) && !whole && !is_adoption(step))
			return true;
		if (!step->before || !step->after) {
			whole |= is_of_kind(step, NFT_KIND_TABLE);
			continue;
		}
		if (step->after->kind == NFT_KIND_TABLE || step->after->kind == NFT_KIND_SET)
			return true;
		if (step->after->kind == NFT_KIND_CHAIN && !same_head(step->before, step->after))
			return true;
	}
	return false;
}

/*
 * Whether all will fit in the sets that stand, as they were read. In one transaction what goes
 * still takes its place beside what comes.
 */
static bool has_room(const struct pfw_backend_handle *handle, const struct pfw_image *after,
		     const struct pfw_difference *difference)
{
	size_t n[UINT8_MAX + 1] = { 0 }, i;
	const struct pfw_item *item;

	if (!handle->has_read)
		return true;	/* the kernel says so if they do not */
	for (i = 0; i < after->n_items; i++)
		if (after->items[i].kind == NFT_KIND_ELEMENT)
			n[nft_element_set(&after->items[i])]++;
	for (i = 0; i < difference->n_steps; i++) {
		item = difference->steps[i].before;
		if (item && item->kind == NFT_KIND_ELEMENT)
			n[nft_element_set(item)]++;
	}
	for (i = 0; i < NFT_SETS; i++)
		if (handle->room[i] && n[i] > handle->room[i])
			return false;
	return true;
}

/* Sorts the elements of a difference by set, so that few messages carry many. */
static int collect_elements(struct transaction *tx, const struct pfw_difference *difference)
{
	bool lost[NFT_SETS + 1] = { false };
	const struct pfw_step *step;
	size_t i;
	int ret;

	tx->deleted = calloc(difference->n_steps + 1, sizeof(*tx->deleted));
	tx->added = calloc(difference->n_steps + 1, sizeof(*tx->added));
	if (!tx->deleted || !tx->added)
		return -ENOMEM;
	find_lost(difference, lost);
	for (i = 0; i < difference->n_steps; i++) {
		step = &difference->steps[i];
		if (step->before && step->before->kind == NFT_KIND_ELEMENT &&
		    !lost[nft_element_set(step->before)])
			tx->deleted[tx->n_deleted++] = step->before;
		if (step->after && step->after->kind == NFT_KIND_ELEMENT) {
			tx->added[tx->n_added++] = step->after;
			tx->n_added_to[nft_element_set(step->after)]++;
		}
	}
	ret = sort_by_set(tx->deleted, tx->n_deleted);
	return ret ? ret : sort_by_set(tx->added, tx->n_added);
}

/* What goes: first what refers to others, then what is referred to. */
static void build_removals(struct transaction *tx, const struct pfw_difference *difference)
{
	static const struct {
		enum nft_kind kind;
		uint16_t type;
	} wholes[] = { { NFT_KIND_SET, NFT_MSG_DELSET }, { NFT_KIND_CHAIN, NFT_MSG_DELCHAIN } };
	const struct pfw_step *step;
	size_t i, k;

	for (i = 0; i < difference->n_steps; i++) {
		step = &difference->steps[i];
		if (step->before && step->before->kind == NFT_KIND_CHAIN)
			tx_put_deletion(tx, NFT_MSG_DELRULE, &step->before);
	}
	tx_put_elements(tx, NFT_MSG_DELSETELEM, tx->deleted, tx->n_deleted);
	for (k = 0; k < 2; k++)
		for (i = 0; i < difference->n_steps; i++) {
			step = &difference->steps[i];
			if (!step->after && step->before->kind == wholes[k].kind)
				tx_put_deletion(tx, wholes[k].type, &step->before);
		}
}

/* The flags that a table comes with. */
static uint32_t table_flags(const struct pfw_difference *difference)
{
	size_t i;

	for (i = 0; i < difference->n_steps; i++)
		if (is_of_kind(&difference->steps[i], NFT_KIND_FLAGS))
			return nft_flags_value(difference->steps[i].after).flags;
	return 0;
}

/*
 * What comes: sets and chains, then the rules that use them, elements last. A rule that
 * is bound to a map makes the kernel walk all that is in it.
 */
static void build_additions(struct transaction *tx, const struct pfw_difference *difference)
{
	const struct pfw_step *step;
	size_t i;

	for (i = 0; i < difference->n_steps; i++) {
		step = &difference->steps[i];
		if (is_of_kind(step, NFT_KIND_FLAGS) && step->before && step->after)
			tx_put_table(tx, NFT_MSG_NEWTABLE, 0, nft_flags_value(step->after).flags,
				     &step->after);
		if (step->before || step->after->kind == NFT_KIND_ELEMENT ||
		    step->after->kind == NFT_KIND_FLAGS)
			continue;
		if (step->after->kind == NFT_KIND_TABLE)
			tx_put_table(tx, NFT_MSG_NEWTABLE, NLM_F_CREATE | NLM_F_EXCL,
				     table_flags(difference), &step->after);
		else if (step->after->kind == NFT_KIND_SET)
			tx_put_set(tx, &step->after);
		else
			tx_put_chain(tx, &step->after);
	}
	for (i = 0; i < difference->n_steps; i++) {
		step = &difference->steps[i];
		if (step->after && step->after->kind == NFT_KIND_CHAIN)
			tx_put_rules(tx, &step->after);
	}
	tx_put_elements(tx, NFT_MSG_NEWSETELEM, tx->added, tx->n_added);
}

static int build(struct transaction *tx, const struct pfw_difference *difference)
{
	const struct pfw_step *first = &difference->steps[0];
	int ret;

	/* The table comes first in every image, and with it goes all that is in it. */
	if (!first->after && first->before->kind == NFT_KIND_TABLE) {
		tx_put_table(tx, NFT_MSG_DELTABLE, 0, 0, &first->before);
		return 0;
	}
	ret = collect_elements(tx, difference);
	if (ret)
		return ret;
	build_removals(tx, difference);
	build_additions(tx, difference);
	return 0;
}

/* The table anew, with everything that should be in it; what stays goes on counting. */
static int build_anew(struct transaction *tx, const struct pfw_image *before,
		      const struct pfw_image *after, struct pfw_error *err)
{
	const struct pfw_image nothing = { 0 };
	int ret = pfw_image_index(before, &tx->counted_keys);

	if (!ret)
		ret = pfw_difference_make(&nothing, after, &tx->everything, err);
	if (ret)
		return ret;
	tx->counted = before;
	tx_put_table(tx, NFT_MSG_DELTABLE, 0, 0, &tx->everything.steps[0].after);
	return build(tx, &tx->everything);
}

static void transaction_free(struct transaction *tx)
{
	pfw_batch_free(&tx->batch);
	pfw_index_free(&tx->counted_keys);
	pfw_difference_free(&tx->everything);
	free(tx->deleted);
	free(tx->added);
}

/* Which of the message's elements stands at this offset. */
static size_t element_at(const struct nlmsghdr *message, size_t offset)
{
	const struct nlattr *attr, *element;
	size_t n = 0;

	mnl_attr_for_each(attr, message, 4) {
		if (mnl_attr_get_type(attr) != NFTA_SET_ELEM_LIST_ELEMENTS)
			continue;
		mnl_attr_for_each_nested(element, attr) {
			if ((size_t)((const char *)element - (const char *)message) +
				    element->nla_len > offset)
				return n;
			n++;
		}
	}
	return 0;
}

static int name_refusal(const struct transaction *tx, const struct pfw_refusal *refusal,
			struct pfw_error *err)
{
	const struct pfw_batch_message *at;
	const struct pfw_item *const *items;
	const struct nlmsghdr *message;
	struct pfw_buffer text = { 0 };
	const struct pfw_item *item;
	enum pfw_failure kind = refusal->code == -EPERM ? PFW_NOT_PERMITTED : PFW_FAILED;
	const char *words = refusal->words;

	if (refusal->message >= tx->batch.n_messages)
		return pfw_fail(err, kind, refusal->code, "nf_tables refused the change: %s%s",
				strerror(-refusal->code),
				kind == PFW_NOT_PERMITTED ? "; it takes CAP_NET_ADMIN, so run as root" :
							    "");
	at = &tx->batch.messages[refusal->message];
	items = at->about;
	message = (const struct nlmsghdr *)(tx->batch.bytes.data + at->offset);
	item = *items;
	if (item->kind == NFT_KIND_ELEMENT && refusal->attribute)
		item = items[element_at(message, refusal->attribute)];
	nft_print(item, &text);
	pfw_fail(err, kind, refusal->code,
		 "the kernel refused %s%s%s\"%s\": %s%s%s; nothing was changed",
		 item->owner ? "forward \"" : "", item->owner ? item->owner : "",
		 item->owner ? "\", " : "", text.data ? text.data : "", strerror(-refusal->code),
		 *words ? ", " : "", words);
	pfw_buffer_free(&text);
	return refusal->code;
}

static int tell_refusal(struct pfw_backend_handle *handle, const struct transaction *tx,
			const struct pfw_refusal *refusal, struct pfw_error *err)
{
	uint32_t port = refusal->code == -EPERM ? nft_owner(handle) : 0;

	if (port && port != handle->port)
		return pfw_fail(err, PFW_FAILED, refusal->code,
				"table inet " NFT_TABLE " is owned by another program (netlink port "
				"%u), most likely a portfwdd that is not asked from here, and only "
				"that one may change it; end that program, then try again", port);
	return name_refusal(tx, refusal, err);
}

static bool is_deletion(const struct transaction *tx, const struct pfw_refusal *refusal)
{
	const struct nlmsghdr *message;

	if (refusal->message >= tx->batch.n_messages)
		return false;
	message = (const struct nlmsghdr *)(tx->batch.bytes.data +
					    tx->batch.messages[refusal->message].offset);
	return (message->nlmsg_type & 0xff) == NFT_MSG_DELSETELEM;
}

/*
 * Without a read before, what is refused may be due to an old picture of the kernel;
 * after a read of this very generation it is not, but for elements that expire without
 * a word.
 */
static bool may_be_stale(struct pfw_backend_handle *handle, const struct transaction *tx,
			 const struct pfw_refusal *refusal)
{
	if (refusal->code == -ENOENT && is_deletion(tx, refusal))
		return true;
	if (refusal->code == -EPERM && nft_owner_has_ended(handle))
		return true;
	if ((refusal->code == -ENFILE || refusal->code == -EBUSY) && !handle->has_read)
		return true;
	return !handle->generation && (refusal->code == -ENOENT || refusal->code == -EEXIST);
}

/* Whole seconds would let what expires live on for up to one more. */
static int64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* anew: the table as a whole; difference->before has been read then. -ECANCELED: *refusal says why. */
static int build_and_send(struct pfw_backend_handle *handle, struct transaction *tx,
			  const struct pfw_image *after, const struct pfw_difference *difference,
			  bool anew, bool dry_run, struct pfw_refusal *refusal,
			  struct pfw_error *err)
{
	int ret;

	transaction_free(tx);
	*tx = (struct transaction){ .now = now_ms() };
	if (anew)
		ret = build_anew(tx, difference->before, after, err);
	else
		ret = build(tx, difference);
	if (ret)
		return ret;
	return pfw_batch_send(handle->nl, &tx->batch, handle->generation, dry_run, refusal, err);
}

/*
 * An element that has expired is told no more, but holds its chain until the kernel sweeps:
 * in maps of intervals not before somebody changes the map.
 */
static bool is_held_by_expired(const struct pfw_backend_handle *handle, int ret,
			       const struct pfw_refusal *refusal)
{
	return ret == -ECANCELED && refusal->code == -EBUSY && handle->has_read;
}

int nft_apply(struct pfw_backend_handle *handle, const struct pfw_image *after,
	      const struct pfw_difference *difference, bool dry_run, struct pfw_error *err)
{
	struct pfw_refusal refusal = { 0 };
	struct transaction tx = { 0 };
	unsigned int attempt;
	bool anew;
	int ret;

	if (!difference->n_steps)
		return 0;
	anew = needs_rebuild(difference) || !has_room(handle, after, difference);
	if (anew && difference->before->n_items && !handle->has_read)
		return -ESTALE;
	ret = build_and_send(handle, &tx, after, difference, anew, dry_run, &refusal, err);
	/* A table that is made anew costs all, and forgets how many connections clients have open. */
	for (attempt = 0; !anew && !dry_run && attempt < NFT_COLLECT_ATTEMPTS &&
			  is_held_by_expired(handle, ret, &refusal); attempt++) {
		refusal = (struct pfw_refusal){ 0 };
		ret = nft_collect(handle, difference->before, attempt, err);
		if (!ret)
			ret = build_and_send(handle, &tx, after, difference, false, false, &refusal,
					     err);
	}
	if (!anew && after->n_items && is_held_by_expired(handle, ret, &refusal)) {
		refusal = (struct pfw_refusal){ 0 };
		ret = build_and_send(handle, &tx, after, difference, true, dry_run, &refusal, err);
	}
	if (ret == -ECANCELED)
		ret = may_be_stale(handle, &tx, &refusal) ? -ESTALE :
							       tell_refusal(handle, &tx, &refusal, err);
	else if (ret == -ERESTART || ret == -ENOBUFS)
		ret = -ESTALE;
	else if (ret == -ENOMEM)
		pfw_fail_memory(err);
	/* Whatever was read is old now. The kernel counts each commit, and leaves out 0. */
	if (!dry_run && !ret)
		nft_remember_stamp(handle, after);
	if (!dry_run)
		handle->stands = ret || !handle->generation ? 0 : handle->generation + 1;
	handle->generation = 0;
	transaction_free(&tx);
	return ret;
}

int nft_try(struct pfw_backend_handle *handle, const struct pfw_image *image, struct pfw_refusal *ret,
	    struct pfw_error *err)
{
	const struct pfw_image nothing = { 0 };
	struct pfw_difference all = { 0 };
	struct transaction tx = { 0 };
	int code = pfw_difference_make(&nothing, image, &all, err);

	/* Whatever this handle has read before has nothing to do with it. */
	handle->generation = 0;
	if (!code)
		code = build_and_send(handle, &tx, image, &all, false, true, ret, err);
	transaction_free(&tx);
	pfw_difference_free(&all);
	return code;
}
