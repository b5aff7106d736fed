/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Forwards in few words, and random ones. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "portfwd/base/buffer.h"
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

/* "10.0.0.2@81*3": address or self, port or range, weight. Cuts the word. */
static void make_target(char *word, struct pfw_target *target)
{
	char *weight = strchr(word, '*'), *ports = strchr(word, '@');
	struct pfw_error err = PFW_ERROR_INIT;

	target->weight = weight ? (uint16_t)atoi(weight + 1) : 1;
	if (weight)
		*weight = '\0';
	if (ports) {
		*ports++ = '\0';
		ck_assert_int_eq(pfw_ports_parse(ports, strlen(ports), &target->port, &err), 0);
	}
	target->self = !strcmp(word, "self");
	if (!target->self)
		ck_assert_int_eq(pfw_addr_parse(word, strlen(word), &target->address, &err), 0);
}

static struct pfw_prefix *make_prefixes(const char *list, struct pfw_arena *arena, uint16_t *ret_n)
{
	struct pfw_error err = PFW_ERROR_INIT;
	struct pfw_prefix *prefixes;
	char *words[LIST_MAX];
	size_t n, i;

	n = list ? split(list, arena, words) : 0;
	prefixes = pfw_arena_array(arena, n + 1, sizeof(*prefixes));
	for (i = 0; i < n; i++)
		ck_assert_int_eq(pfw_prefix_parse(words[i], strlen(words[i]), &prefixes[i], &err),
				 0);
	*ret_n = (uint16_t)n;
	return prefixes;
}

static void make_targets(const struct sample *sample, struct pfw_arena *arena,
			 struct pfw_forward *forward)
{
	const char *list = sample->targets ? sample->targets : "10.0.0.2 fd00::2";
	char *words[LIST_MAX];
	size_t n, i;

	n = split(list, arena, words);
	forward->targets = pfw_arena_array(arena, n, sizeof(*forward->targets));
	for (i = 0; i < n; i++) {
		forward->targets[i].port = (struct pfw_ports){ sample->port, sample->port };
		make_target(words[i], &forward->targets[i]);
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
		.balance = (uint8_t)sample->balance,
		.log = sample->log,
		.limit = sample->limit,
		.expires = sample->expires,
		.snat = (uint8_t)(sample->snat_address ? PFW_SNAT_ADDRESS : sample->snat),
		.hairpin = (uint8_t)sample->hairpin,
		.local = (uint8_t)sample->local,
		.enabled = !sample->disabled,
		.origin = { PFW_ORIGIN_NONE, 0 },
	};
	struct pfw_error err = PFW_ERROR_INIT;

	make_listen(sample, arena, &forward.listen);
	make_targets(sample, arena, &forward);
	forward.sources = make_prefixes(sample->sources, arena, &forward.n_sources);
	forward.excluded = make_prefixes(sample->excluded, arena, &forward.n_excluded);
	if (sample->snat_address)
		ck_assert_int_eq(pfw_addr_parse(sample->snat_address, strlen(sample->snat_address),
						&forward.snat_address, &err), 0);
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
	const struct pfw_facts facts = { .now = SAMPLE_NOW, .routing_on = { true, true } };
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

/* Both lists as one; either may be NULL. */
static const char *join(struct pfw_arena *arena, const char *a, const char *b)
{
	char text[128];

	if (!a || !b)
		return a ? a : b;
	snprintf(text, sizeof(text), "%s %s", a, b);
	return pfw_arena_text(arena, text, strlen(text));
}

static const char *join_word(struct pfw_arena *arena, const char *a, const char *b)
{
	char text[64];

	snprintf(text, sizeof(text), "%s%s", a, b);
	return pfw_arena_text(arena, text, strlen(text));
}

/* Which families a random forward serves. */
enum { ONLY_V4, ONLY_V6, BOTH };

static const char *of_families(struct pfw_arena *arena, unsigned int families, const char *v4,
			       const char *v6)
{
	return families == ONLY_V4 ? v4 : families == ONLY_V6 ? v6 : join(arena, v4, v6);
}

/* Ports to listen on; a range of four may be shifted by the targets. */
#define FOUR "6-9"

static const char *any_ports(struct sample_random *random)
{
	if (sample_below(random, 3))
		return CHOOSE(random, "1", "2", "3", "4", "1 2", "3 4 5", "5");
	return CHOOSE(random, "1-3", "1-3", "4-5", "2-4", "1-9", FOUR, FOUR, "1 4-5");
}

/* Behind an address: a port, a range, a weight. Targets of one family have ports of one kind. */
static const char *any_suffix(struct sample_random *random, const char *ports)
{
	if (!strcmp(ports, FOUR) && sample_below(random, 2))
		return CHOOSE(random, "@16-19", "@26-29", "@6-9");
	return CHOOSE(random, "", "", "@1", "@2");
}

static const char *any_targets(struct sample_random *random, struct pfw_arena *arena,
			       unsigned int families, const char *ports)
{
	const char *suffix = any_suffix(random, ports), *weight = "";
	unsigned int n = 1, i, f;
	struct pfw_buffer text = { 0 };
	const char *list;

	if (!strchr(suffix, '-') && !sample_below(random, 6))
		n = 2 + sample_below(random, 3);
	for (f = 0; f < 2; f++)
		for (i = 0; i < n && (families == BOTH || families == f); i++) {
			if (n > 1)
				weight = CHOOSE(random, "", "", "*2", "*7");
			pfw_buffer_printf(&text, "%s%s%u%s%s", text.len ? " " : "",
					  f ? "fd00::" : "10.0.0.", 1 + i + sample_below(random, 2) * 4,
					  suffix, weight);
		}
	ck_assert(!text.failed);
	list = pfw_arena_text(arena, text.data, text.len);
	pfw_buffer_free(&text);
	return list;
}

static void any_sources(struct sample_random *random, struct pfw_arena *arena,
			unsigned int families, struct sample *sample)
{
	const char *v4 = CHOOSE(random, "203.0.113.0/24", "203.0.113.0/24", "203.0.113.0/25",
				"203.0.113.128/25", "203.0.113.0/25 203.0.113.128/25",
				"203.0.113.9", "203.0.112.0/23", "198.51.100.0/24", "0.0.0.0/0");
	const char *v6 = CHOOSE(random, "2001:db8:1::/48", "2001:db8:1::/48", "2001:db8:1:2::/64",
				"2001:db8:1:3::/64", "2001:db8:1:2::9", "2001:db8:ff::/48",
				"2001:db8:1:2::/64 2001:db8:ff::/48", "::/0");

	/* Nobody of a family whose sources are left out. */
	if (sample_below(random, 2))
		sample->sources = of_families(arena, families == BOTH ? sample_below(random, 3) :
								       families, v4, v6);
	if (sample_below(random, 3))
		return;
	v4 = CHOOSE(random, "203.0.113.9", "203.0.113.64/26", "10.0.0.0/8", "192.0.2.0/25 192.0.2.128/25");
	v6 = CHOOSE(random, "2001:db8:1:2::9", "2001:db8:1:2:3::/80", "fd00::/8");
	sample->excluded = of_families(arena, families == BOTH ? sample_below(random, 3) : families,
				       v4, v6);
}

static struct pfw_limit any_limit(struct sample_random *random)
{
	static const uint32_t units[] = { 1, 60, 3600, 86400 };
	struct pfw_limit limit = { 0 };

	if (sample_below(random, 3)) {
		limit.rate = 1 + sample_below(random, 50);
		limit.per = units[sample_below(random, COUNT(units))];
		limit.burst = sample_below(random, 2) * 20;
	}
	if (!limit.rate || sample_below(random, 2))
		limit.connections = 1 + sample_below(random, 9);
	return limit;
}

void sample_any(struct sample_random *random, const char *name, struct pfw_arena *arena,
		struct pfw_forward *ret)
{
	const char *v4 = CHOOSE(random, "0.0.0.0", "192.0.2.1", "192.0.2.2", "192.0.2.1 192.0.2.2");
	const char *v6 = CHOOSE(random, "::", "2001:db8::1", "2001:db8::2", ":: 2001:db8::1");
	const unsigned int families = sample_below(random, 3);
	const bool self = !sample_below(random, 3);
	struct sample sample = {
		.name = name,
		.interfaces = CHOOSE(random, NULL, NULL, "wan0", "wan1", "wan0 wan1"),
		.ports = any_ports(random),
		.protocols = CHOOSE(random, "tcp", "tcp", "udp", "sctp", "tcp udp"),
		.balance = sample_below(random, 3),
		.snat = sample_below(random, 4),
		.hairpin = sample_below(random, 3),
		.local = sample_below(random, 3),
		.log = !sample_below(random, 10),
		.disabled = !sample_below(random, 10),
	};

	if (self)
		sample.targets = join_word(arena, "self", any_suffix(random, sample.ports));
	else
		sample.targets = any_targets(random, arena, families, sample.ports);
	if (sample_below(random, 3))
		sample.addresses = of_families(arena, families, v4, v6);
	if (sample_below(random, 2))
		any_sources(random, arena, families, &sample);
	if (!sample_below(random, 8))
		sample.limit = any_limit(random);
	if (!sample_below(random, 8))
		sample.expires = sample_below(random, 4) ? SAMPLE_FAR : SAMPLE_NOW;
	if (!self && families != BOTH && !sample_below(random, 6))
		sample.snat_address = families == ONLY_V4 ?
					      CHOOSE(random, "192.0.2.1", "192.0.2.9") : "2001:db8::9";
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
		       pfw_plan_remote(a, of_x[i]) == pfw_plan_remote(b, of_y[i]);
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

bool sample_same_needs(const struct pfw_plan *a, const struct pfw_plan *b, const char *name)
{
	uint32_t x = pfw_ruleset_find(a->ruleset, name), y = pfw_ruleset_find(b->ruleset, name);
	const struct pfw_forward *of_x, *of_y;

	if (x == PFW_INDEX_NONE || y == PFW_INDEX_NONE)
		return x == y;
	of_x = &a->ruleset->forwards[x];
	of_y = &b->ruleset->forwards[y];
	return pfw_forward_equal(of_x, of_y) &&
	       pfw_plan_needs_to(a, of_x) == pfw_plan_needs_to(b, of_y) &&
	       pfw_plan_needs_from(a, of_x) == pfw_plan_needs_from(b, of_y);
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
