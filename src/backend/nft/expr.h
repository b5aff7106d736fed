/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The expressions that rules are made of; each adds what the kernel gets, and no words. */
#ifndef PORTFWD_BACKEND_NFT_EXPR_H
#define PORTFWD_BACKEND_NFT_EXPR_H

#include "rule.h"

/* How nft spells what was added. */
void nft_say(struct nft_rule *rule, const char *words);

/* The register at this offset of a key, in the number by which the kernel dumps it. */
uint32_t nft_register(uint32_t offset);

/* Takes the expression over; NULL fails the rule. */
void nft_expr_add(struct nft_rule *rule, struct nftnl_expr *expr);

/* An expression whose attributes are all numbers of 32 bits. */
struct nft_number {
	uint16_t attribute;
	uint32_t value;
};
#define NFT_NUMBERS(...) ((const struct nft_number[]){ __VA_ARGS__, { 0, 0 } })
void nft_expr_numbers(struct nft_rule *rule, const char *name, const struct nft_number *numbers);

void nft_expr_meta(struct nft_rule *rule, uint32_t key, uint32_t reg);
void nft_expr_payload(struct nft_rule *rule, uint32_t base, uint32_t offset, uint32_t len,
		      uint32_t reg);
void nft_expr_fib(struct nft_rule *rule, uint32_t flags, uint32_t result, uint32_t reg);
/* Compares the first register. */
void nft_expr_cmp(struct nft_rule *rule, uint32_t op, const void *data, uint32_t len);
/* That the first register is outside of this range. */
void nft_expr_range_not(struct nft_rule *rule, const void *low, const void *high, uint32_t len);
/* First register & mask. */
void nft_expr_mask(struct nft_rule *rule, const void *mask, uint32_t len);
/* ct KEY, a bit set of which one is wanted. */
void nft_expr_ct_bit(struct nft_rule *rule, uint32_t key, uint32_t bit);
void nft_expr_lookup(struct nft_rule *rule, const char *set, bool is_map, uint32_t dreg);
/* That it is not in the set. */
void nft_expr_lookup_not(struct nft_rule *rule, const char *set);
/* Puts a value into a register. */
void nft_expr_immediate(struct nft_rule *rule, uint32_t reg, const void *data, uint32_t len);
/*
 * NAT to the address and the port in these registers, 0: not this one. The kernel
 * dumps ranges with both ends, and the flags that follow from them.
 */
void nft_expr_nat(struct nft_rule *rule, uint32_t type, uint8_t family, uint32_t address,
		  uint32_t port);
/* The same for redirect, with the port in the first register. */
void nft_expr_redir(struct nft_rule *rule);
const char *nft_dnat_words(uint8_t family);	/* "dnat ip to " */

#endif
