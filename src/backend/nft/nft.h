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
	uint32_t port;		/* by which the kernel knows who owns the table */
	uint32_t generation;	/* of what the next apply is based on; 0: not known */
	uint32_t stands;	/* the generation that stands, by the last read or apply; 0: not known */
	bool has_read;		/* counts and room are known */
	bool hasty;		/* a read that others disturb is not begun anew */
	bool has_stamp;
	uint8_t stamp[8];	/* that stood by the last read of all, or by the last apply */
	uint32_t room[NFT_SETS + 1];	/* of fitted sets, by number, as last read; 0: no limit */
	enum pfw_ownership ownership;	/* as it should be */
	bool can_own;			/* the kernel has said so */
	uint32_t awaited;		/* port of an owner that was waited for */
};

/* The flags of the table by which it is, or was, somebody's own. Zero-filled. */
struct nft_flags_value {
	uint32_t flags;
	uint32_t port;	/* of who owns it; 0: nobody, or this program */
};
/* Of an item of this kind; NULL has none. */
struct nft_flags_value nft_flags_value(const struct pfw_item *item);
int nft_flags_add(const struct nft_flags_value *value, struct pfw_image *image);

/* A chain that is being put together. Free with nft_chain_free(). */
struct nft_chain {
	const char *name;
	struct pfw_buffer value;	/* struct nft_chain_value, then each rule behind its length */
	struct pfw_buffer text;		/* a line a rule */
	uint64_t count;			/* connections, by the counters in its rules */
	bool failed;
};
void nft_chain_begin(struct nft_chain *chain, const char *name, const struct nft_chain_value *head);
/* Takes the rule over. */
void nft_chain_add(struct nft_chain *chain, struct nft_rule *rule);
/* Adds the chain to the image and frees it; -ENOMEM. */
int nft_chain_end(struct nft_chain *chain, struct pfw_image *image);
/* The same, unless ret says that it failed already; then frees it and returns ret. */
int nft_chain_end_checked(struct nft_chain *chain, struct pfw_image *image, int ret);
void nft_chain_free(struct nft_chain *chain);

#define NFT_CHAIN_MASQUERADES "masquerades"
#define NFT_CHAIN_HAIRPINS "hairpins"

/* The next rule of a chain item; *at starts at 0. */
bool nft_chain_next_rule(const struct pfw_item *item, size_t *at, const uint8_t **ret_records,
			 size_t *ret_len);

/* The set of an element item; NULL-terminated names of set, chain and table items. */
uint8_t nft_element_set(const struct pfw_item *item);
const char *nft_item_name(const struct pfw_item *item);

/*
 * The comment of an element: the forward's name, and until when where it is not for
 * ever: "web", "web until 2027-01-31T12:00:00Z". Splitting cuts comment to the name.
 */
#define NFT_COMMENT_SIZE 128
void nft_comment_print(const char *owner, int64_t until, char ret[NFT_COMMENT_SIZE]);
/* How long an element that holds until then is given, in seconds. */
int64_t nft_seconds_left(int64_t until, int64_t now);
void nft_comment_split(char *comment, int64_t *ret_until);

/* The stamp of a plan: the key of its element in the set "revision". */
void nft_stamp(const struct pfw_plan *plan, uint8_t ret[8]);

/* The guard; see guard.c. Nothing of it is added where the plan does not guard. */
bool nft_guards(const struct pfw_plan *plan);
/* Whether an interface of this name can be in it, and be listed and loaded by nft. */
bool nft_guard_holds(const char *name);
/* Whether the guard needs this set. */
bool nft_guard_uses(const struct pfw_plan *plan, uint8_t set);
/* What of it goes into the stamp; 0 without a guard. */
uint64_t nft_guard_digest(const struct pfw_plan *plan);
/* Its rules at the beginning and at the end of the forward chain. */
void nft_guard_begin(const struct pfw_plan *plan, struct nft_chain *forward);
void nft_guard_end(const struct pfw_plan *plan, struct nft_chain *forward);
int nft_guard_add_chain(const struct pfw_plan *plan, struct pfw_image *image);
int nft_guard_add_links(const struct pfw_plan *plan, struct pfw_image *image);
/* key: that of a port of the slot as it stands in registers; verdict: who passes. */
int nft_guard_add_slot(const uint8_t *key, size_t key_len, const struct pfw_slot *slot,
		       const struct nft_verdict_value *verdict, const char *owner,
		       struct pfw_image *image);
bool nft_is_guard(const struct pfw_item *item);

bool nft_is_past(const struct pfw_item *item, int64_t now);
bool nft_is_broken(const struct pfw_step *step);
/* The shield of 127.0.0.0/8; see shield.c. Nothing is added where the plan needs none. */
#define NFT_CHAIN_SHIELD "loopback"
int nft_shield_add_chain(const struct pfw_plan *plan, struct pfw_image *image);
bool nft_is_shield(const struct pfw_item *item);

/* Whether there is a table at all: for forwards, or for the guard that outlives them. */
bool nft_has_table(const struct pfw_plan *plan);
int nft_compile(const struct pfw_plan *plan, const struct pfw_touched *only, struct pfw_image *ret,
		struct pfw_error *err);
/* The objects of one slot, and of one forward that needs more than elements; -ENOMEM. */
int nft_compile_slot(const struct pfw_plan *plan, const struct pfw_slot *slot,
		     struct pfw_image *image);
int nft_compile_forward(const struct pfw_plan *plan, const struct pfw_forward *forward,
			struct pfw_image *image);
/* Whether what happens to the source needs the forward's own chain, and no mere verdict. */
bool nft_from_is_chain(const struct pfw_plan *plan, const struct pfw_forward *forward);
/*
 * Begins a message (NFT_MSG_GETSET) in buf, which has NFT_REQUEST_SIZE bytes and is aligned for it.
 * All of buf is zeroed, because libmnl leaves the padding as it is.
 */
#define NFT_REQUEST_SIZE 512
struct nlmsghdr *nft_request(void *buf, uint16_t type, uint16_t flags);
int nft_read(struct pfw_backend_handle *handle, struct pfw_image *ret, struct pfw_error *err);
/* What is known of the whole table by an image of all of it, or of what was changed last. */
void nft_remember_stamp(struct pfw_backend_handle *handle, const struct pfw_image *image);
int nft_glance(struct pfw_backend_handle *handle, const struct pfw_plan *plan,
	       const struct pfw_touched *only, struct pfw_image *ret_before,
	       struct pfw_image *ret_after, struct pfw_error *err);
int nft_recheck(struct pfw_backend_handle *handle, const struct pfw_plan *plan,
		const struct pfw_told *messages, struct pfw_image *ret_before,
		struct pfw_image *ret_after, struct pfw_error *err);
uint32_t nft_generation(const struct pfw_backend_handle *handle);
int nft_unchanged(struct pfw_backend_handle *handle, uint32_t generation, bool *ret,
		  struct pfw_error *err);
int nft_probe(struct pfw_backend_handle *handle, struct pfw_error *err);
int nft_guarded(struct pfw_backend_handle *handle, uint8_t family, struct pfw_links *ret,
		struct pfw_error *err);
int nft_shielded(struct pfw_backend_handle *handle, bool *ret, struct pfw_error *err);
int nft_holds(struct pfw_backend_handle *handle, const struct pfw_plan *plan, bool *ret,
	      struct pfw_error *err);
/* The table's flags, and the netlink port of who owns it. -ENOENT without words: there is none. */
struct nft_table {
	uint32_t flags;
	uint32_t port;	/* 0: nobody */
};
int nft_ask_table(struct pfw_backend_handle *handle, struct nft_table *ret, struct pfw_error *err);

/* Who owns the table; see own.c. */
int nft_own(struct pfw_backend_handle *handle, enum pfw_ownership who, struct pfw_error *err);
uint32_t nft_owner(struct pfw_backend_handle *handle);
/*
 * Whether it was somebody else a moment ago, and is nobody any more: one that is killed takes
 * that long to end. Nobody is waited for twice.
 */
bool nft_owner_has_ended(struct pfw_backend_handle *handle);
/* Whether it is whoever should; and what of the rest is an item of the image. */
bool nft_is_rightly_owned(const struct pfw_backend_handle *handle, const struct nft_table *table);
int nft_flags_read(const struct pfw_backend_handle *handle, const struct nft_table *table,
		   struct pfw_image *image);
int nft_apply(struct pfw_backend_handle *handle, const struct pfw_image *after,
	      const struct pfw_difference *difference, bool dry_run, struct pfw_error *err);
/* Has the kernel check this image from nothing. -ECANCELED: *ret says what it refused. */
int nft_try(struct pfw_backend_handle *handle, const struct pfw_image *image, struct pfw_refusal *ret,
	    struct pfw_error *err);
int nft_flows(const struct pfw_image *image, bool (*wanted)(const void *ctx, const char *owner),
	      const void *ctx, struct pfw_clients *clients, struct pfw_flows *flows);

/* What a chain of a forward or of a key says, read from its rules; the opposite of forward.c. */
struct nft_route {
	uint8_t family;		/* AF_UNSPEC with self: both */
	bool self;
	uint8_t target[16];
	struct pfw_ports port;	/* lo 0: kept */
};
struct nft_admission {
	bool said;		/* otherwise everyone */
	struct pfw_client_range *ranges;
	uint32_t n;
};
struct nft_decoded {
	bool remote;
	struct nft_admission admitted[2];	/* IPv4, IPv6 */
	struct nft_route *routes;
	uint32_t n_routes;
	uint8_t source;			/* enum pfw_source */
	bool hairpin;
	uint8_t source_address[16];
	char (*next)[NFT_CHAIN_NAME];	/* chains that it goes on to */
	uint32_t n_next;
};
/* A rule that we would not have made says nothing. -ENOMEM leaves nothing in *ret. */
int nft_decode_chain(const struct pfw_item *item, struct nft_decoded *ret);
void nft_decoded_free(struct nft_decoded *decoded);
void nft_print(const struct pfw_item *item, struct pfw_buffer *ret);
void nft_text(const struct pfw_image *image, struct pfw_buffer *ret);

#endif
