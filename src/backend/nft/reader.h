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
	uint8_t number;			/* of the set whose elements are being read */
	struct anonymous_set *elements_of;
};

int reader_ask(struct reader *reader, struct nlmsghdr *message,
	       int (*each)(void *ctx, const struct nlmsghdr *message));
/* Whether this is the name of our table. */
bool reader_ours(const char *table);

/* The elements of all sets that were read; those of anonymous sets stay in the reader. */
int reader_elements(struct reader *reader);
/* -EINTR: an element came twice, so others are missing. */
int reader_check(const struct pfw_image *image);

int reader_chains(struct reader *reader);
/* Of the chains that were read, which become items with that. */
int reader_rules(struct reader *reader);

#endif
