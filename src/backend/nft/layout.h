/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The layout of table inet portfwd: its sets and maps, what they are called and
 * what their keys are made of. One table serves building, reading and printing.
 */
#ifndef PORTFWD_BACKEND_NFT_LAYOUT_H
#define PORTFWD_BACKEND_NFT_LAYOUT_H

#include <stdbool.h>
#include <stdint.h>

#include "portfwd/base/buffer.h"
#include "portfwd/plan/plan.h"

#define NFT_TABLE "portfwd"
/* Part of the stamp: another layout never passes for this one. */
#define NFT_LAYOUT_VERSION 2

/* Kinds of item, in the order in which they come into being. */
enum nft_kind { NFT_KIND_TABLE, NFT_KIND_SET, NFT_KIND_CHAIN, NFT_KIND_ELEMENT, NFT_KIND_FLAGS };

/*
 * Kernel headers older than 6.9 do not know both (linux/netfilter/nf_tables.h). What is owned is
 * persistent too: it outlives its owner, and waits for the next one.
 */
#define NFT_TABLE_OWNER 0x2u
#define NFT_TABLE_PERSIST 0x4u
#define NFT_TABLE_OWNED (NFT_TABLE_OWNER | NFT_TABLE_PERSIST)

/* What a field of a key or of data is. */
enum nft_field {
	NFT_FIELD_NONE,
	NFT_FIELD_IPV4_ADDR,
	NFT_FIELD_IPV6_ADDR,
	NFT_FIELD_INET_PROTO,
	NFT_FIELD_INET_SERVICE,
	NFT_FIELD_IFNAME,
	NFT_FIELD_MARK,
	NFT_FIELD_VERDICT,
};

struct nft_field_type {
	const char *text;	/* as nft spells the type */
	uint32_t number;	/* as nft numbers it; the kernel only keeps it */
	uint32_t bytes;		/* alone */
	uint32_t size;		/* as part of a concatenation: a multiple of 4 */
};
extern const struct nft_field_type nft_fields[];

/* What a map is for. Those of ranges hold intervals, but for NFT_SHIFT: port by port. */
enum nft_purpose {
	NFT_DNAT,	/* key -> address . port of the target */
	NFT_SELF,	/* key -> port of the machine itself */
	NFT_CHAIN,	/* key -> the chain of the forward */
	NFT_SNAT,	/* key -> what happens to the source address */
	NFT_SHIFT,	/* key of a range's port -> address . port */
	NFT_KEEP,	/* key of a range -> address */
	NFT_MANY,	/* key of a range -> address . port */
	NFT_CHAIN_RANGE,
	NFT_SNAT_RANGE,
};
#define NFT_PURPOSES (NFT_SNAT_RANGE + 1)

#define NFT_SET_FIELDS 5	/* nft has no room for the types of more */
#define NFT_SET_NAME 24

/* Numbers of sets: those of the maps by purpose, family, tier and remote; then the others. */
#define NFT_SET_MAPS (NFT_PURPOSES * 2 * PFW_TIERS * 2)
enum {
	NFT_SET_HAIRPIN = NFT_SET_MAPS,
	NFT_SET_REVISION,
	NFT_SET_GUARDED,	/* IPv4, IPv6: incoming interfaces */
	NFT_SET_EARLIER = NFT_SET_GUARDED + 2,		/* the same: outgoing ones */
	NFT_SET_UNCHANGED = NFT_SET_EARLIER + 2,	/* the same, each by tier */
	NFT_SET_CONNECTIONS = NFT_SET_UNCHANGED + 4,	/* IPv4, IPv6 */
	NFT_SET_STRAIGHT = NFT_SET_CONNECTIONS + 2,
	NFT_SET_TARGETS,	/* IPv4, IPv6 */
	NFT_SETS = NFT_SET_TARGETS + 2,
};
_Static_assert(NFT_SETS < UINT8_MAX, "the number of a set is a byte");

struct nft_set {
	char name[NFT_SET_NAME];
	enum nft_field key[NFT_SET_FIELDS];	/* ends with NFT_FIELD_NONE unless full */
	enum nft_field data[2];			/* both NFT_FIELD_NONE: a set */
	uint32_t flags;				/* NFT_SET_... of linux/netfilter/nf_tables.h */
	uint32_t size;				/* elements at most; 0: no limit */
	uint64_t timeout;			/* of an element, ms; 0: none */
	bool counts;				/* may count connections */
	bool fitted;				/* size follows what it holds; see nft_fitted_size() */
};

/*
 * Maps that decide about the source address: behind the destination before the rewrite,
 * which is the key of the others, theirs has the one after it, so that what somebody else
 * rewrote is not taken for ours.
 */
static inline bool nft_is_source(enum nft_purpose purpose)
{
	return purpose == NFT_SNAT || purpose == NFT_SNAT_RANGE;
}

static inline bool nft_tier_has_address(uint8_t tier)
{
	return tier == PFW_TIER_ADDRESS_INTERFACE || tier == PFW_TIER_ADDRESS;
}

static inline bool nft_tier_has_interface(uint8_t tier)
{
	return tier == PFW_TIER_ADDRESS_INTERFACE || tier == PFW_TIER_INTERFACE;
}

/* Of the destination after the rewrite, all but the port where there is no field left for it. */
static inline bool nft_tier_has_new_port(uint8_t tier)
{
	return tier != PFW_TIER_ADDRESS_INTERFACE;
}

uint8_t nft_set_number(enum nft_purpose purpose, uint8_t family, uint8_t tier, bool remote);
void nft_set_describe(uint8_t number, struct nft_set *ret);
/* The opposite of nft_set_number(); number < NFT_SET_MAPS. */
struct nft_map {
	enum nft_purpose purpose;
	uint8_t family;
	uint8_t tier;
	bool remote;
};
struct nft_map nft_set_map(uint8_t number);
/*
 * The size to declare for a fitted set that begins with n elements; 0: none. With a size that
 * it knows the kernel makes a hash for so many at once, which is filled and read in a third of the
 * time, and never grows. So there is room for as many again; the size is no part of what
 * the set is, as long as all fits in. Small sets may grow.
 */
uint32_t nft_fitted_size(size_t n);
/* What packets put into such a set is no difference. */
static inline bool nft_set_learns(uint8_t number)
{
	return number == NFT_SET_HAIRPIN || number == NFT_SET_STRAIGHT ||
	       (number >= NFT_SET_CONNECTIONS && number < NFT_SET_CONNECTIONS + 2);
}
/* The number of the set of that name, or NFT_SETS. */
uint8_t nft_set_find(const char *name);

/* Length and nft's number of a run of fields; a single one is not filled up. */
uint32_t nft_fields_size(const enum nft_field *fields, unsigned int n);
uint32_t nft_fields_type(const enum nft_field *fields, unsigned int n);
/* "ipv4_addr . inet_service" */
void nft_fields_print_type(const enum nft_field *fields, unsigned int n, struct pfw_buffer *ret);
/* "10.0.0.2 . 80"; bytes are as in registers. len is checked. */
void nft_fields_print(const enum nft_field *fields, unsigned int n, const uint8_t *bytes,
		      size_t len, struct pfw_buffer *ret);

/*
 * The data of a map, and its length: a port of the machine itself (address NULL), or an address
 * and its port, if any. There is room for 20 bytes.
 */
size_t nft_put_target(const struct pfw_addr *address, uint16_t port, uint8_t *to);

/* Chains of one forward are called PREFIX-NAME; of one key, key4-DIGEST. */
#define NFT_CHAIN_NAME 84
#define NFT_PREFIX_TO "to-"		/* who is admitted, and where to */
#define NFT_PREFIX_GO "go-"		/* where to, for those within the limits */
#define NFT_PREFIX_FROM "from-"		/* what happens to the source address */
#define NFT_PREFIX_PASS "pass-"		/* whom the guard lets pass */
/* Whose chain it is by its name, or NULL: of the frame, or of a key. */
const char *nft_name_owner(const char *name);

/* "tcp . 8000-8100": low and high are of full length. */
void nft_fields_print_interval(const enum nft_field *fields, unsigned int n, const uint8_t *low,
			       const uint8_t *high, struct pfw_buffer *ret);

/* How a set stands in an item's value: what the kernel keeps of its declaration. */
struct nft_set_value {
	uint32_t key_type;
	uint32_t key_len;
	uint32_t data_type;
	uint32_t data_len;
	uint32_t flags;
	uint32_t size;
	uint64_t timeout;
	uint32_t counter;
	uint32_t zero;
};
_Static_assert(sizeof(struct nft_set_value) == 40, "compared as bytes, so without padding");

/* What an element's verdict is in an item's value, and until when it holds. */
struct nft_verdict_value {
	int32_t code;			/* NF_ACCEPT, NFT_GOTO, NFT_JUMP ... */
	char chain[NFT_CHAIN_NAME];	/* zero-filled */
	int64_t until;			/* seconds since 1970 UTC; 0: for ever; -1: when none of ours does */
};
_Static_assert(sizeof(struct nft_verdict_value) == 4 + NFT_CHAIN_NAME + 8, "compared as bytes");

/* How a chain's head stands in an item's value; its rules follow. */
struct nft_chain_value {
	uint32_t is_base;
	uint32_t hook;
	int32_t priority;
	uint32_t policy;
	char type[16];
};

/*
 * The key of an element: the number of its set, then the bytes of its own key, of an
 * interval those of both ends. No bytes: the element that every other key finds, "*".
 * We make none, but others may.
 */
#define NFT_ELEMENT_KEY_MAX 128
/* NFT_SET_ELEM_CATCHALL of linux/netfilter/nf_tables.h, where it is since Linux 5.13. */
#define NFT_ELEMENT_CATCHALL 0x2

#endif
