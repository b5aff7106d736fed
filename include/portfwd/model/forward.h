/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A forward: listen endpoints, targets and options, as plain data. */
#ifndef PORTFWD_MODEL_FORWARD_H
#define PORTFWD_MODEL_FORWARD_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "portfwd/base/arena.h"
#include "portfwd/base/names.h"
#include "portfwd/base/net.h"

#define PFW_NAME_MAX 63		/* [A-Za-z0-9][A-Za-z0-9_.-]{0,62} */
#define PFW_COMMENT_MAX 128	/* bytes */

/* Bounds of what one forward may list, so that no short text makes endless work. */
#define PFW_LIST_MAX 1024		/* addresses, interfaces, targets */
#define PFW_FORWARD_KEYS_MAX 262144u	/* all ports, two protocols, both families */

/* Unset takes the value of the settings. */
enum pfw_switch { PFW_UNSET, PFW_OFF, PFW_ON };

enum pfw_snat {
	PFW_SNAT_UNSET,
	PFW_SNAT_AUTO,		/* masquerade only what could not come back otherwise */
	PFW_SNAT_MASQUERADE,
	PFW_SNAT_NONE,
	PFW_SNAT_ADDRESS,	/* to an own address; not a word of the table */
};
extern const struct pfw_name pfw_snat_names[];

/* How several targets of one family share the connections. */
enum pfw_balance {
	PFW_BALANCE_RANDOM,
	PFW_BALANCE_ROUND_ROBIN,
	PFW_BALANCE_SOURCE,	/* one client keeps its target */
};
extern const struct pfw_name pfw_balance_names[];

/* What is admitted; 0 means without limit. */
struct pfw_limit {
	uint32_t rate;		/* new connections ... */
	uint32_t per;		/* ... in so many seconds: 1, 60, 3600 or 86400 */
	uint32_t burst;		/* beyond the rate; 0: the kernel's 5 */
	uint32_t connections;	/* open at once, per source address */
};

/*
 * Where a connection arrives. No address means every address of the machine,
 * in each family that the targets have; 0.0.0.0 and :: mean the same for one
 * family. No interface means any. There is at least one port and one protocol.
 */
struct pfw_listen {
	struct pfw_addr *addresses;
	const char **interfaces;
	struct pfw_ports *ports;
	uint16_t n_addresses;
	uint16_t n_interfaces;
	uint16_t n_ports;
	uint8_t protocols;		/* bits, PFW_TCP ... */
};

/* Where it goes: an address, or the machine itself. */
struct pfw_target {
	bool self;			/* address is unused then */
	struct pfw_addr address;
	struct pfw_ports port;		/* lo 0: the port is kept; lo < hi: shifted one to one */
	uint16_t weight;		/* 1-1000; among the targets of its family */
};
#define PFW_WEIGHT_MAX 1000
/* Whether connections end on this machine: on itself, or on its loopback (::1 is no target). */
static inline bool pfw_target_stays(const struct pfw_target *target)
{
	return target->self ||
	       (target->address.family == AF_INET && target->address.bytes[0] == 127);
}

/* Where a forward is written: the store's number of the file, and the position in its list. */
struct pfw_origin {
	uint32_t file;
	uint32_t position;
};
#define PFW_ORIGIN_NONE UINT32_MAX	/* as file: in no file yet */
#define PFW_ORIGIN_RUNTIME (UINT32_MAX - 1)	/* the same, and meant to be kept until the next boot only */

/* All that is pointed to belongs to the arena of the ruleset or whoever made the forward. */
struct pfw_forward {
	const char *name;		/* NULL: this place of a ruleset is free */
	const char *comment;		/* NULL: none */
	struct pfw_listen listen;
	struct pfw_target *targets;
	uint16_t n_targets;		/* at least one */
	struct pfw_prefix *sources;	/* who may use it; none: everyone */
	struct pfw_prefix *excluded;	/* who may not, even if sources say so */
	uint16_t n_sources;
	uint16_t n_excluded;
	uint8_t balance;		/* enum pfw_balance */
	bool log;
	struct pfw_limit limit;
	int64_t expires;		/* seconds since 1970 UTC; 0: never */
	uint8_t snat;			/* enum pfw_snat */
	struct pfw_addr snat_address;	/* PFW_SNAT_ADDRESS only */
	uint8_t hairpin;		/* enum pfw_switch */
	uint8_t local;			/* enum pfw_switch */
	bool enabled;
	struct pfw_origin origin;
};

/* Deep copy into the arena; -ENOMEM leaves *ret untouched. */
int pfw_forward_copy(const struct pfw_forward *from, struct pfw_arena *arena,
		     struct pfw_forward *ret);
/* Whether two forwards say the same; the origin does not count. */
bool pfw_forward_equal(const struct pfw_forward *a, const struct pfw_forward *b);
/* Whether two listen parts say the same, in whatever order. */
bool pfw_listen_equal(const struct pfw_listen *a, const struct pfw_listen *b);
/* The same for equal ones. */
uint64_t pfw_listen_hash(const struct pfw_listen *listen);
/* Whether it has an address of this family, or none at all. */
bool pfw_listen_has(const struct pfw_listen *listen, uint8_t family);

/* The first target that connections of this family get, or NULL. self serves both. */
const struct pfw_target *pfw_forward_target(const struct pfw_forward *forward, uint8_t family);
/* Whether the connections of all targets end on this machine. */
bool pfw_forward_stays(const struct pfw_forward *forward);
/* Whether connections go to another machine, in this family. */
bool pfw_forward_leaves(const struct pfw_forward *forward, uint8_t family);
/*
 * Whether connections from outside go to this machine's loopback, which the kernel allows by the
 * interface's net.ipv4.conf.IF.route_localnet.
 */
bool pfw_forward_needs_localnet(const struct pfw_forward *forward);
/* Whether it takes connections of this family: it listens for them, and has a target for them. */
bool pfw_forward_serves(const struct pfw_forward *forward, uint8_t family);
/* How many targets of this family there are. */
unsigned int pfw_forward_n_targets(const struct pfw_forward *forward, uint8_t family);

/*
 * How the sources of two forwards that claim one key lie to each other, in one family.
 * A forward without sources in that family, but with some in the other, admits nobody of it.
 */
enum pfw_overlap {
	PFW_OVERLAP_NONE,	/* disjoint */
	PFW_OVERLAP_INNER,	/* all of a's are within b's, and not the other way round */
	PFW_OVERLAP_OUTER,	/* the other way round */
	PFW_OVERLAP_EQUAL,	/* the same, or neither within the other */
};
enum pfw_overlap pfw_forward_overlap(const struct pfw_forward *a, const struct pfw_forward *b,
				     uint8_t family);

/*
 * Checks what no single value can: families of listen and target meet, options
 * go together. Adds every error found, at paths below the present place.
 */
int pfw_forward_check(const struct pfw_forward *forward, struct pfw_error *err);

bool pfw_name_valid(const char *text, size_t len);
/*
 * The name of a forward that has none: "tcp-8080", "tcp-198.51.100.1-8080".
 * Stable: the same listen part gives the same name. Too long a name ends in a
 * digest of the listen part. unique is called with candidates; on false a digest
 * is added as well. -EEXIST if even that one is not unique, -ENOMEM.
 */
int pfw_forward_derive_name(const struct pfw_listen *listen,
			    bool (*unique)(void *ctx, const char *name), void *ctx,
			    char ret[PFW_NAME_MAX + 1]);

#endif
