/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the parts of the nf_tables backend share: items as they are encoded in images. */
#ifndef PORTFWD_BACKEND_NFT_NFT_H
#define PORTFWD_BACKEND_NFT_NFT_H

#include "layout.h"
#include "portfwd/backend/backend.h"
#include "portfwd/kernel/netlink.h"
#include "rule.h"

struct pfw_backend_handle {
	struct pfw_netlink *nl;
	uint32_t generation;	/* of the last read; 0: none */
};

/* A chain that is being put together. Free with nft_chain_free(). */
struct nft_chain {
	const char *name;
	struct pfw_buffer value;	/* struct nft_chain_value, then each rule behind its length */
	struct pfw_buffer text;		/* a line a rule */
	bool failed;
};
void nft_chain_begin(struct nft_chain *chain, const char *name, const struct nft_chain_value *head);
/* Takes the rule over. */
void nft_chain_add(struct nft_chain *chain, struct nft_rule *rule);
/* Adds the chain to the image and frees it; -ENOMEM. */
int nft_chain_end(struct nft_chain *chain, struct pfw_image *image);
void nft_chain_free(struct nft_chain *chain);

/* The next rule of a chain item; *at starts at 0. */
bool nft_chain_next_rule(const struct pfw_item *item, size_t *at, const uint8_t **ret_records,
			 size_t *ret_len);

/* The set of an element item; NULL-terminated names of set, chain and table items. */
uint8_t nft_element_set(const struct pfw_item *item);
const char *nft_item_name(const struct pfw_item *item);

/* Chains that elements of the source maps go to. */
#define NFT_CHAIN_MASQUERADE "masquerades"
#define NFT_CHAIN_HAIRPIN "hairpins"

/* The stamp of a plan: the key of its element in the set "revision". */
void nft_stamp(const struct pfw_plan *plan, uint8_t ret[8]);

int nft_compile(const struct pfw_plan *plan, const struct pfw_keys *only, struct pfw_image *ret,
		struct pfw_error *err);
int nft_read(struct pfw_backend_handle *handle, struct pfw_image *ret, struct pfw_error *err);
int nft_holds(struct pfw_backend_handle *handle, const struct pfw_plan *plan, bool *ret,
	      struct pfw_error *err);
int nft_apply(struct pfw_backend_handle *handle, const struct pfw_image *after,
	      const struct pfw_difference *difference, bool dry_run, struct pfw_error *err);
int nft_flows(const struct pfw_image *image, bool (*wanted)(const void *ctx, const char *owner),
	      const void *ctx, struct pfw_flows *flows);
void nft_print(const struct pfw_item *item, struct pfw_buffer *ret);
void nft_text(const struct pfw_image *image, struct pfw_buffer *ret);

#endif
