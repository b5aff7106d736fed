/* SPDX-License-Identifier: GPL-2.0-or-later */
/* All forwards and settings of one configuration. */
#ifndef PORTFWD_MODEL_RULESET_H
#define PORTFWD_MODEL_RULESET_H

#include "portfwd/base/arena.h"
#include "portfwd/base/error.h"
#include "portfwd/base/index.h"
#include "portfwd/model/forward.h"

enum pfw_backend_choice { PFW_BACKEND_AUTO, PFW_BACKEND_NFTABLES, PFW_BACKEND_IPTABLES };
extern const struct pfw_name pfw_backend_names[];

struct pfw_settings {
	uint8_t backend;	/* enum pfw_backend_choice */
	bool ip_forward;
	bool guard;
	bool counters;
	bool own_table;		/* of whoever stays to look after it */
	bool hairpin;
	bool local;
	uint8_t snat;		/* enum pfw_snat, never unset */
};
extern const struct pfw_settings pfw_settings_default;

/*
 * Zero-initialise, set settings; free with pfw_ruleset_free(). The position of
 * a forward in the array is its id: it stays while the forward is in the
 * ruleset. A dropped forward leaves a free place (name NULL).
 */
struct pfw_ruleset {
	struct pfw_settings settings;
	struct pfw_forward *forwards;
	uint32_t n_forwards;	/* places, free ones too */
	uint32_t n_room;
	uint32_t n_live;	/* forwards */
	struct pfw_index names;
	struct pfw_index listens;	/* where somebody asked for it; else empty */
	struct pfw_arena arena;
};

/* The id of the forward of that name, or PFW_INDEX_NONE. */
uint32_t pfw_ruleset_find(const struct pfw_ruleset *ruleset, const char *name);
/* The first forward from this id on that listens just there, or PFW_INDEX_NONE. */
uint32_t pfw_ruleset_find_listen(const struct pfw_ruleset *ruleset, const struct pfw_listen *listen,
				 uint32_t from);
/*
 * From now on the ruleset, whose forwards have names, finds that without looking at all of them,
 * where there is memory for it.
 */
void pfw_ruleset_index_listens(struct pfw_ruleset *ruleset);
/*
 * Adds the forward, or puts it in the place of the one that has its name. The
 * shallow variant takes over what it points to (already in the ruleset's arena).
 * -ENOMEM leaves all as it was. ret_id may be NULL. A forward without a name is
 * added as well (while files are parsed): it has targets, and awaits
 * pfw_ruleset_name().
 */
int pfw_ruleset_put(struct pfw_ruleset *ruleset, const struct pfw_forward *forward,
		    uint32_t *ret_id);
int pfw_ruleset_put_shallow(struct pfw_ruleset *ruleset, const struct pfw_forward *forward,
			    uint32_t *ret_id);
/*
 * The first of n places behind the forwards, or NULL without memory. They may be filled, and are put
 * one after the other with pfw_ruleset_put_shallow(), each from its own place.
 */
struct pfw_forward *pfw_ruleset_reserve(struct pfw_ruleset *ruleset, uint32_t n);
/* Names a forward that has no name yet; the text is in the ruleset's arena. -ENOMEM. */
int pfw_ruleset_name(struct pfw_ruleset *ruleset, uint32_t id, const char *name);
void pfw_ruleset_drop(struct pfw_ruleset *ruleset, uint32_t id);
void pfw_ruleset_free(struct pfw_ruleset *ruleset);

/* What holds for a forward: its own word, else that of the settings. */
enum pfw_snat pfw_ruleset_snat(const struct pfw_ruleset *ruleset, const struct pfw_forward *f);
bool pfw_ruleset_hairpin(const struct pfw_ruleset *ruleset, const struct pfw_forward *f);
bool pfw_ruleset_local(const struct pfw_ruleset *ruleset, const struct pfw_forward *f);

/*
 * One change of a ruleset, however it was asked for: a forward is put (added or
 * replaced) or dropped.
 */
struct pfw_change {
	enum { PFW_PUT, PFW_DROP } what;
	const char *name;		/* of the forward */
	struct pfw_forward forward;	/* PFW_PUT only */
	const struct pfw_forward *was;	/* what it takes the place of, for who writes it down; or NULL */
};

#endif
