/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A picture of table inet portfwd under way: what its parts read, and leave to one another. */
#ifndef PORTFWD_BACKEND_NFT_READER_H
#define PORTFWD_BACKEND_NFT_READER_H

#include "nft.h"

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
	struct pfw_buffer rules;	/* messages, where they wait for their anonymous sets */
	uint8_t number;			/* of the set whose elements are being read */
	struct anonymous_set *elements_of;
};

int reader_ask(struct reader *reader, struct nlmsghdr *message,
	       int (*each)(void *ctx, const struct nlmsghdr *message));
/* Whether this is the name of our table. */
bool reader_ours(const char *table);
void reader_free(struct reader *reader);

/* The table itself; -ENOENT: there is none. */
int reader_table(struct reader *reader);
/* One set, with the elements of an anonymous one; none where it is not there. */
int reader_set(struct reader *reader, const char *name);

/* The elements of all sets that were read; those of anonymous sets stay in the reader. */
int reader_elements(struct reader *reader);
/* Those of one set, by its number; the one with this item's key; none where it is not there. */
int reader_elements_of(struct reader *reader, uint8_t number);
int reader_element(struct reader *reader, const struct pfw_item *like);
int reader_anonymous(struct reader *reader, struct anonymous_set *set);
/* Those that a message of the kernel is about; a pfw_netlink_ask() callback. */
int reader_take_elements(void *ctx, const struct nlmsghdr *message);
/* -EINTR: an element came twice, so others are missing. */
int reader_check(const struct pfw_image *image);

int reader_chains(struct reader *reader);
/* Of the chains that were read, which become items with that. */
int reader_rules(struct reader *reader);
/* One chain, whose rules are kept; none where it is not there. Then all that were kept. */
int reader_chain(struct reader *reader, const char *name);
int reader_kept_rules(struct reader *reader);

#endif
