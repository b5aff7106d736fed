/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Forwards in few words, and random ones, for the tests of the packets wing. */
#ifndef TESTS_UNIT_SAMPLE_H
#define TESTS_UNIT_SAMPLE_H

#include "portfwd/model/ruleset.h"
#include "portfwd/plan/plan.h"

/* Lists are separated by blanks. What is left out is as in the configuration. */
struct sample {
	const char *name;
	const char *addresses;	/* "198.51.100.1 2001:db8::1"; NULL: any */
	const char *interfaces;	/* "wan0 wan1"; NULL: any */
	const char *ports;	/* "80 443 8000-8100"; NULL: 80 */
	const char *protocols;	/* "tcp udp"; NULL: tcp */
	/* "10.0.0.2 fd00::2", "self", "10.0.0.2@81*3 10.0.0.3@90-99"; NULL: the first two */
	const char *targets;
	uint16_t port;		/* of the targets that do not say theirs; 0: kept */
	enum pfw_balance balance;
	const char *sources;	/* "203.0.113.0/24 2001:db8::/32"; NULL: everyone */
	const char *excluded;
	struct pfw_limit limit;
	bool log;
	int64_t expires;
	enum pfw_snat snat;
	const char *snat_address;	/* takes the place of snat */
	enum pfw_switch hairpin;
	enum pfw_switch local;
	bool disabled;
};

/* What time it is in all plans of samples; and a time long after any test is run. */
#define SAMPLE_NOW INT64_C(1800000000)
#define SAMPLE_FAR INT64_C(7258118400)

/* Fails the test where the forward is none that a configuration could have. */
void sample_make(const struct sample *sample, struct pfw_arena *arena, struct pfw_forward *ret);
/* Puts it into the ruleset; its id. */
uint32_t sample_put(struct pfw_ruleset *ruleset, const struct sample *sample);
/* A ruleset of these, with the default settings. */
void sample_ruleset(struct pfw_ruleset *ruleset, const struct sample *samples, size_t n);
/* Its plan, for a machine that routes; fails the test if there is none. */
void sample_plan(const struct pfw_ruleset *ruleset, struct pfw_plan *ret);

/* A reproducible stream of numbers; any state but 0. */
struct sample_random {
	uint64_t state;
};
uint32_t sample_below(struct sample_random *random, uint32_t bound);
/*
 * A valid forward out of few addresses, interfaces and ports, so that forwards
 * meet in groups and conflict often.
 */
void sample_any(struct sample_random *random, const char *name, struct pfw_arena *arena,
		struct pfw_forward *ret);

/*
 * Puts the forward into ruleset and plan, in the place of the one of its name;
 * where it conflicts it is in neither, and the answer is -EEXIST.
 */
int sample_change(struct pfw_ruleset *ruleset, struct pfw_plan *plan,
		  const struct pfw_forward *forward);
void sample_drop(struct pfw_ruleset *ruleset, struct pfw_plan *plan, const char *name);

/* Whether the backends see the same of this key's slot in both plans; rulesets may differ. */
bool sample_same_slot(const struct pfw_plan *a, const struct pfw_plan *b, const struct pfw_key *key);
/* Whether the forward of this name is in both or in none, says the same, and has the same chains. */
bool sample_same_needs(const struct pfw_plan *a, const struct pfw_plan *b, const char *name);

/* A few forwards dropped, added or replaced at once, as the engine does it. */
#define SAMPLE_STEP_MAX 4
struct sample_step {
	struct pfw_forward old[SAMPLE_STEP_MAX];	/* name NULL: there was none */
	struct pfw_forward new[SAMPLE_STEP_MAX];	/* name NULL: it goes */
	unsigned int n;
};
/* Names are "f0" to "f<names - 1>". */
void sample_step_choose(struct sample_random *random, const struct pfw_ruleset *ruleset,
			unsigned int names, struct pfw_arena *arena, struct sample_step *ret);
/* The keys that it concerns, to be asked before it is made. */
void sample_step_touch(const struct pfw_plan *plan, const struct sample_step *step,
		       struct pfw_touched *keys);
/* Drops all old ones, then puts the new ones; those that conflict are left out. */
void sample_step_make(struct pfw_ruleset *ruleset, struct pfw_plan *plan,
		      const struct sample_step *step);

#endif
