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

/* The stamp of a plan: the key of its element in the set "revision". */
void nft_stamp(const struct pfw_plan *plan, uint8_t ret[8]);

/* The guard; see guard.c. Nothing of it is added where the plan does not guard. */
bool nft_guards(const struct pfw_plan *plan);
int nft_guard_check(const struct pfw_plan *plan, struct pfw_error *err);
/* Whether the guard needs this set. */
bool nft_guard_uses(const struct pfw_plan *plan, uint8_t set);
/* What of it goes into the stamp; 0 without a guard. */
uint64_t nft_guard_digest(const struct pfw_plan *plan);
/* Its rules at the beginning and at the end of the forward chain. */
void nft_guard_begin(const struct pfw_plan *plan, struct nft_chain *forward);
void nft_guard_end(const struct pfw_plan *plan, struct nft_chain *forward);
int nft_guard_add_chain(const struct pfw_plan *plan, struct pfw_image *image);
int nft_guard_add_links(const struct pfw_plan *plan, struct pfw_image *image);
/* key: that of the slot as it stands in registers. */
int nft_guard_add_slot(const struct pfw_plan *plan, const struct pfw_slot *slot,
		       const uint8_t *key, size_t key_len, struct pfw_image *image);
bool nft_is_guard(const struct pfw_item *item);

/* Whether there is a table at all: for forwards, or for the guard that outlives them. */
bool nft_has_table(const struct pfw_plan *plan);
int nft_compile(const struct pfw_plan *plan, const struct pfw_keys *only, struct pfw_image *ret,
		struct pfw_error *err);
int nft_read(struct pfw_backend_handle *handle, struct pfw_image *ret, struct pfw_error *err);
int nft_holds(struct pfw_backend_handle *handle, const struct pfw_plan *plan, bool *ret,
	      struct pfw_error *err);
int nft_apply(struct pfw_backend_handle *handle, const struct pfw_image *after,
	      const struct pfw_difference *difference, bool dry_run, struct pfw_error *err);
void nft_print(const struct pfw_item *item, struct pfw_buffer *ret);
void nft_text(const struct pfw_image *image, struct pfw_buffer *ret);

#endif
