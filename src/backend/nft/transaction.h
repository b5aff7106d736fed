/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A transaction of nf_tables under way: the messages that objects become. */
#ifndef PORTFWD_BACKEND_NFT_TRANSACTION_H
#define PORTFWD_BACKEND_NFT_TRANSACTION_H

#include "nft.h"

struct transaction {
	struct pfw_batch batch;
	uint32_t n_sets;
	uint32_t n_anonymous;
	int64_t now;	/* ms since 1970 UTC */
	/* Elements in the order of their messages, so that a refused one can be named. */
	const struct pfw_item **deleted;
	const struct pfw_item **added;
	size_t n_deleted;
	size_t n_added;
	size_t n_added_to[UINT8_MAX + 1];	/* by set */
	/* Whose counts go on where the table is built anew; NULL: none do. */
	const struct pfw_image *counted;
	struct pfw_index counted_keys;
	struct pfw_difference everything;	/* from nothing, where the table is built anew */
};

/*
 * Each adds the messages for an object. about points to its item, and stays valid as long
 * as the transaction, so that a refused object can be named.
 */
void tx_put_table(struct transaction *tx, uint16_t type, uint16_t flags, uint32_t table_flags,
		  const struct pfw_item *const *about);
/* Deletes a set or chain by name, or with NFT_MSG_DELRULE all rules of a chain. */
void tx_put_deletion(struct transaction *tx, uint16_t type, const struct pfw_item *const *about);
void tx_put_set(struct transaction *tx, const struct pfw_item *const *about);
/* The chain without its rules, and its rules. */
void tx_put_chain(struct transaction *tx, const struct pfw_item *const *about);
void tx_put_rules(struct transaction *tx, const struct pfw_item *const *about);
/* n elements, those of one set side by side, with NFT_MSG_NEWSETELEM or NFT_MSG_DELSETELEM. */
void tx_put_elements(struct transaction *tx, uint16_t type, const struct pfw_item *const *items,
		     size_t n);

/*
 * Makes the kernel collect what has expired in the maps of before, and gives it time: longer with
 * each attempt, some two seconds in all. -ESTALE: somebody else changed something.
 */
#define NFT_COLLECT_ATTEMPTS 9
int nft_collect(struct pfw_backend_handle *handle, const struct pfw_image *before,
		unsigned int attempt, struct pfw_error *err);

#endif
