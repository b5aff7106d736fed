/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Keys: what of an arriving packet a forward matches on. A forward claims every
 * combination of its families, addresses, interfaces, protocols and ports.
 */
#ifndef PORTFWD_MODEL_KEY_H
#define PORTFWD_MODEL_KEY_H

#include "portfwd/model/ruleset.h"

/* Precedence, the most specific first. */
enum pfw_tier {
	PFW_TIER_ADDRESS_INTERFACE,
	PFW_TIER_ADDRESS,
	PFW_TIER_INTERFACE,
	PFW_TIER_ANY,
};
#define PFW_TIERS 4

/* Zero-filled and without padding, so that keys compare and hash as bytes. */
struct pfw_key {
	uint8_t family;			/* AF_INET or AF_INET6 */
	uint8_t tier;			/* enum pfw_tier */
	uint8_t protocol;		/* IPPROTO_TCP ... */
	uint8_t zero;
	struct pfw_ports port;
	uint8_t address[16];		/* network byte order; zero where the tier has none */
	char ifname[PFW_IFNAME_SIZE];	/* zero-filled; empty where the tier has none */
};
_Static_assert(sizeof(struct pfw_key) == 40, "a key has no padding");

/* Calls with each key of the forward; stops at the first non-zero answer and returns it. */
int pfw_forward_keys(const struct pfw_forward *forward,
		     int (*each)(void *ctx, const struct pfw_key *key), void *ctx);

uint64_t pfw_key_hash(const struct pfw_key *key);
bool pfw_key_equal(const struct pfw_key *a, const struct pfw_key *b);

/* "tcp port 8080 on 198.51.100.1, interface wan0", for messages. Returns buf. */
#define PFW_KEY_TEXT 128
const char *pfw_key_print(const struct pfw_key *key, char buf[PFW_KEY_TEXT]);

#endif
