/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Forwards in few words, and random ones. */
#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>

#include "sample.h"
#include "unit.h"

#define LIST_MAX 8

/* Splits the list in a copy of it; the number of words. */
static size_t split(const char *list, struct pfw_arena *arena, char *words[LIST_MAX])
{
	char *copy = pfw_arena_text(arena, list, strlen(list)), *rest = NULL, *word;
	size_t n = 0;

	ck_assert_ptr_nonnull(copy);
	for (word = strtok_r(copy, " ", &rest); word; word = strtok_r(NULL, " ", &rest)) {
		ck_assert_uint_lt(n, LIST_MAX);
		words[n++] = word;
	}
	return n;
}

static void make_listen(const struct sample *sample, struct pfw_arena *arena,
			struct pfw_listen *listen)
{
	struct pfw_error err = PFW_ERROR_INIT;
	char *words[LIST_MAX];
	size_t n, i;

	n = sample->addresses ? split(sample->addresses, arena, words) : 0;
	listen->addresses = pfw_arena_array(arena, n + 1, sizeof(*listen->addresses));
	for (i = 0; i < n; i++)
		ck_assert_int_eq(pfw_addr_parse(words[i], strlen(words[i]), &listen->addresses[i],
						&err), 0);
	listen->n_addresses = (uint16_t)n;

	n = sample->interfaces ? split(sample->interfaces, arena, words) : 0;
	listen->interfaces = pfw_arena_array(arena, n + 1, sizeof(*listen->interfaces));
	for (i = 0; i < n; i++)
		listen->interfaces[i] = words[i];
	listen->n_interfaces = (uint16_t)n;

	n = split(sample->ports ? sample->ports : "80", arena, words);
	listen->ports = pfw_arena_array(arena, n, sizeof(*listen->ports));
	for (i = 0; i < n; i++)
		ck_assert_int_eq(pfw_ports_parse(words[i], strlen(words[i]), &listen->ports[i],
						 &err), 0);
	listen->n_ports = (uint16_t)n;

	n = split(sample->protocols ? sample->protocols : "tcp", arena, words);
	for (i = 0; i < n; i++)
		listen->protocols |= (uint8_t)pfw_name_value(pfw_protocol_names, words[i],
							     strlen(words[i]));
}

static void make_targets(const struct sample *sample, struct pfw_arena *arena,
			 struct pfw_forward *forward)
{
	const char *list = sample->targets ? sample->targets : "10.0.0.2 fd00::2";
	struct pfw_error err = PFW_ERROR_INIT;
	struct pfw_target *target;
	char *words[LIST_MAX];
	size_t n, i;

	n = split(list, arena, words);
	forward->targets = pfw_arena_array(arena, n, sizeof(*forward->targets));
	for (i = 0; i < n; i++) {
		target = &forward->targets[i];
		target->port = (struct pfw_ports){ sample->port, sample->port };
		target->weight = 1;
		target->self = !strcmp(words[i], "self");
		if (!target->self)
			ck_assert_int_eq(pfw_addr_parse(words[i], strlen(words[i]),
							&target->address, &err), 0);
	}
	forward->n_targets = (uint16_t)n;
}

static void must_be_valid(const struct pfw_forward *forward)
{
	struct pfw_error err = PFW_ERROR_INIT;
	char line[1024];

	if (pfw_forward_check(forward, &err))
		ck_abort_msg("%s: %s", forward->name, unit_error(&err, 0, line));
}

void sample_make(const struct sample *sample, struct pfw_arena *arena, struct pfw_forward *ret)
{
	struct pfw_forward forward = {
		.name = sample->name,
		.snat = (uint8_t)sample->snat,
		.hairpin = (uint8_t)sample->hairpin,
		.local = (uint8_t)sample->local,
		.enabled = !sample->disabled,
		.origin = { PFW_ORIGIN_NONE, 0 },
	};

	make_listen(sample, arena, &forward.listen);
	make_targets(sample, arena, &forward);
	must_be_valid(&forward);
	*ret = forward;
}

uint32_t sample_put(struct pfw_ruleset *ruleset, const struct sample *sample)
{
	struct pfw_forward forward;
	uint32_t id;

	sample_make(sample, &ruleset->arena, &forward);
	ck_assert_int_eq(pfw_ruleset_put(ruleset, &forward, &id), 0);
	return id;
}

void sample_ruleset(struct pfw_ruleset *ruleset, const struct sample *samples, size_t n)
{
	size_t i;

	*ruleset = (struct pfw_ruleset){ .settings = pfw_settings_default };
	for (i = 0; i < n; i++)
		sample_put(ruleset, &samples[i]);
}

void sample_plan(const struct pfw_ruleset *ruleset, struct pfw_plan *ret)
{
	const struct pfw_facts facts = { .routing_on = { true, true } };
	struct pfw_error err = PFW_ERROR_INIT;
	char line[1024];

	if (pfw_plan_make(ruleset, &facts, NULL, NULL, ret, &err))
		ck_abort_msg("no plan: %s", unit_error(&err, 0, line));
}

/* xorshift64* (Vigna, "An experimental exploration of Marsaglia's xorshift generators"). */
uint32_t sample_below(struct sample_random *random, uint32_t bound)
{
	random->state ^= random->state >> 12;
	random->state ^= random->state << 25;
	random->state ^= random->state >> 27;
	return (uint32_t)((random->state * 0x2545f4914f6cdd1dULL >> 32) % bound);
}

/* One of the words, or some of them as a list without repetition. */
static const char *choose(struct sample_random *random, const char *const *words, uint32_t n)
{
	return words[sample_below(random, n)];
}
#define CHOOSE(random, ...)								\
	choose(random, (const char *const[]){ __VA_ARGS__ },				\
	       COUNT(((const char *const[]){ __VA_ARGS__ })))

static const char *join(struct pfw_arena *arena, const char *a, const char *b)
{
	char text[128];

	snprintf(text, sizeof(text), "%s %s", a, b);
	return pfw_arena_text(arena, text, strlen(text));
}

void sample_any(struct sample_random *random, const char *name, struct pfw_arena *arena,
		struct pfw_forward *ret)
{
	const char *v4 = CHOOSE(random, "0.0.0.0", "192.0.2.1", "192.0.2.2", "192.0.2.1 192.0.2.2");
	const char *v6 = CHOOSE(random, "::", "2001:db8::1", "2001:db8::2", ":: 2001:db8::1");
	const char *to4 = CHOOSE(random, "10.0.0.1", "10.0.0.2"), *to6 = "fd00::1";
	const unsigned int families = sample_below(random, 3);
	const bool self = !sample_below(random, 3);
	struct sample sample = {
		.name = name,
		.interfaces = CHOOSE(random, NULL, NULL, "wan0", "wan1", "wan0 wan1"),
		.ports = CHOOSE(random, "1", "2", "3", "4", "1 2", "3 4 5", "5"),
		.protocols = CHOOSE(random, "tcp", "tcp", "udp", "sctp", "tcp udp"),
		.port = (uint16_t)sample_below(random, 3),
		.snat = sample_below(random, 4),
		.hairpin = sample_below(random, 3),
		.local = sample_below(random, 3),
		.disabled = !sample_below(random, 10),
	};

	sample.targets = self ? "self" : families == 0 ? to4 : families == 1 ? to6 :
							     join(arena, to4, to6);
	if (sample_below(random, 3))
		sample.addresses = families == 0 ? v4 : families == 1 ? v6 : join(arena, v4, v6);
	if (self && sample.snat == PFW_SNAT_MASQUERADE)
		sample.snat = PFW_SNAT_AUTO;
	sample_make(&sample, arena, ret);
}

void sample_drop(struct pfw_ruleset *ruleset, struct pfw_plan *plan, const char *name)
{
	uint32_t id = pfw_ruleset_find(ruleset, name);

	if (id == PFW_INDEX_NONE)
		return;
	pfw_plan_drop(plan, id);
	pfw_ruleset_drop(ruleset, id);
}

int sample_change(struct pfw_ruleset *ruleset, struct pfw_plan *plan,
		  const struct pfw_forward *forward)
{
	struct pfw_error err = PFW_ERROR_INIT;
	uint32_t id;
	int ret;

	sample_drop(ruleset, plan, forward->name);
	ck_assert_int_eq(pfw_ruleset_put(ruleset, forward, &id), 0);
	ret = pfw_plan_put(plan, id, &err);
	if (!ret)
		return 0;
	ck_assert_int_eq(ret, -EEXIST);
	ck_assert_int_eq(err.kind, PFW_CONFLICT);
	pfw_ruleset_drop(ruleset, id);
	return ret;
}

static bool same_claims(const struct pfw_plan *a, const struct pfw_slot *x,
			const struct pfw_plan *b, const struct pfw_slot *y)
{
	const struct pfw_forward **of_x, **of_y;
	int n = pfw_slot_claims(a, x, &of_x), m = pfw_slot_claims(b, y, &of_y), i;
	bool same = n == m;

	ck_assert_int_gt(n, 0);
	ck_assert_int_gt(m, 0);
	for (i = 0; same && i < n; i++)
		same = pfw_forward_equal(of_x[i], of_y[i]) &&
		       pfw_plan_source(a, of_x[i]) == pfw_plan_source(b, of_y[i]) &&
		       pfw_plan_remote(a, of_x[i]) == pfw_plan_remote(b, of_y[i]) &&
		       pfw_plan_needs_to(a, of_x[i]) == pfw_plan_needs_to(b, of_y[i]) &&
		       pfw_plan_needs_from(a, of_x[i]) == pfw_plan_needs_from(b, of_y[i]);
	free(of_x);
	free(of_y);
	return same;
}

bool sample_same_slot(const struct pfw_plan *a, const struct pfw_plan *b, const struct pfw_key *key)
{
	const struct pfw_slot *x = pfw_plan_slot(a, key), *y = pfw_plan_slot(b, key);

	return x && y && x->shape == y->shape && x->outspoken == y->outspoken &&
	       x->remote == y->remote && pfw_slot_speaks(a, x) == pfw_slot_speaks(b, y) &&
	       same_claims(a, x, b, y);
}

void sample_step_choose(struct sample_random *random, const struct pfw_ruleset *ruleset,
			unsigned int names, struct pfw_arena *arena, struct sample_step *ret)
{
	unsigned int first = sample_below(random, names), i;
	char name[16];
	uint32_t id;

	*ret = (struct sample_step){ .n = 1 + sample_below(random, SAMPLE_STEP_MAX) };
	for (i = 0; i < ret->n; i++) {
		snprintf(name, sizeof(name), "f%u", (first + i) % names);
		id = pfw_ruleset_find(ruleset, name);
		if (id != PFW_INDEX_NONE)
			ret->old[i] = ruleset->forwards[id];
		if (id == PFW_INDEX_NONE || sample_below(random, 2))
			sample_any(random, pfw_arena_text(arena, name, strlen(name)), arena,
				   &ret->new[i]);
	}
}

void sample_step_touch(const struct pfw_plan *plan, const struct sample_step *step,
		       struct pfw_touched *keys)
{
	const struct pfw_forward *forwards[2 * SAMPLE_STEP_MAX];
	struct pfw_error err = PFW_ERROR_INIT;
	unsigned int i;
	size_t n = 0;

	for (i = 0; i < step->n; i++) {
		if (step->old[i].name)
			forwards[n++] = &step->old[i];
		if (step->new[i].name)
			forwards[n++] = &step->new[i];
	}
	ck_assert_int_eq(pfw_plan_touch(plan, forwards, n, keys, &err), 0);
}

void sample_step_make(struct pfw_ruleset *ruleset, struct pfw_plan *plan,
		      const struct sample_step *step)
{
	unsigned int i;

	for (i = 0; i < step->n; i++)
		if (step->old[i].name)
			sample_drop(ruleset, plan, step->old[i].name);
	for (i = 0; i < step->n; i++)
		if (step->new[i].name)
			sample_change(ruleset, plan, &step->new[i]);
}
