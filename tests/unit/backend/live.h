/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the tests against a kernel share: rulesets that are brought into it and read back. */
#ifndef TESTS_UNIT_BACKEND_LIVE_H
#define TESTS_UNIT_BACKEND_LIVE_H

#include "../sandbox.h"
#include "cases.h"

/* A ruleset and all that follows from it. Free with live_free(). */
struct live {
	struct pfw_ruleset ruleset;
	struct pfw_plan plan;
	struct pfw_image image;
};
void live_make(struct live *live, const struct sample *samples, size_t n);
/* Forwards f0, f1 ... of different addresses, each to 10.0.0.2. */
void live_make_many(struct live *live, unsigned int n);
/* One forward of every tier, family, target, origin and source; each has a port of its own. */
#define LIVE_SOURCES 4
#define LIVE_COMBINATIONS (PFW_TIERS * 2 * 2 * 2 * LIVE_SOURCES)
size_t live_combinations(struct sample samples[LIVE_COMBINATIONS], struct pfw_arena *arena);
void live_free(struct live *live);

struct pfw_backend_handle *live_open(void);
void live_read(struct pfw_backend_handle *handle, struct pfw_image *ret);
/* Fails the test unless the kernel holds exactly this; what: for the message. */
void live_holds(struct pfw_backend_handle *handle, const struct pfw_image *wanted,
		const char *what);
/* From before (NULL: nothing) to after; the answer of apply, its words in err. */
int live_apply(struct pfw_backend_handle *handle, const struct pfw_image *before,
	       const struct pfw_image *after, bool dry_run, struct pfw_error *err);
/* Reads the kernel and makes it what it should be. Fails the test if that does not work. */
void live_bring(struct pfw_backend_handle *handle, const struct pfw_image *wanted,
		const char *what);
/* The generation of this network's ruleset. */
uint32_t live_generation(void);

#endif
