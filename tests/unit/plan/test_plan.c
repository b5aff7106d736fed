/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Claims, conflicts, and the frame that a plan counts. */
#include <errno.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "cases.h"

static const struct pfw_facts no_facts;

static const struct pfw_slot *slot_of(const struct pfw_plan *plan, uint8_t family, uint8_t tier,
				      uint8_t protocol, uint16_t port)
{
	uint32_t i;

	for (i = 0; i < plan->n_slots; i++)
		if (plan->slots[i].forward != PFW_INDEX_NONE &&
		    plan->slots[i].key.family == family && plan->slots[i].key.tier == tier &&
		    plan->slots[i].key.protocol == protocol && plan->slots[i].key.port.lo == port)
			return &plan->slots[i];
	return NULL;
}

START_TEST(test_nothing)
{
	struct pfw_ruleset ruleset;
	struct pfw_plan plan;
	struct pfw_frame none = { 0 };

	sample_ruleset(&ruleset, NULL, 0);
	sample_plan(&ruleset, &plan);
	ck_assert_mem_eq(&plan.frame, &none, sizeof(none));
	ck_assert_uint_eq(plan.digest, 0);
	ck_assert_uint_eq(plan.keys.live, 0);
	ck_assert(!pfw_plan_routes(&plan, AF_INET));
	ck_assert(!pfw_plan_routes(&plan, AF_INET6));
	pfw_plan_free(&plan);
	pfw_plan_free(&plan);
	pfw_ruleset_free(&ruleset);
}
END_TEST

/* If this fails, a disabled forward still forwards, or blocks the keys of another. */
START_TEST(test_disabled_claims_nothing)
{
	static const struct sample samples[] = {
		{ .name = "off", .disabled = true },
		{ .name = "on" },
	};
	struct pfw_ruleset ruleset;
	struct pfw_plan plan;

	sample_ruleset(&ruleset, samples, COUNT(samples));
	sample_plan(&ruleset, &plan);
	ck_assert_uint_eq(plan.keys.live, 2);
	ck_assert_uint_eq(slot_of(&plan, AF_INET, PFW_TIER_ANY, IPPROTO_TCP, 80)->forward, 1);
	pfw_plan_drop(&plan, 0);
	ck_assert_uint_eq(plan.keys.live, 2);
	pfw_plan_free(&plan);
	pfw_ruleset_free(&ruleset);
}
END_TEST

/* Each slot of one forward for each tier, and what the frame counts of it. */
START_TEST(test_frame)
{
	static const struct sample samples[] = {
		{ .name = "a", .addresses = "192.0.2.1", .interfaces = "wan0", .targets = "10.0.0.2" },
		{ .name = "b", .addresses = "192.0.2.1", .targets = "10.0.0.2", .local = PFW_OFF },
		{ .name = "c", .interfaces = "wan0", .targets = "self" },
		{ .name = "d", .targets = "fd00::2", .snat = PFW_SNAT_MASQUERADE, .ports = "81 82" },
		{ .name = "e", .targets = "self", .ports = "83", .local = PFW_OFF },
		{ .name = "f", .targets = "127.0.0.1", .ports = "84 85" },
		{ .name = "g", .targets = "127.0.0.2", .ports = "84", .addresses = "127.0.0.1" },
	};
	struct pfw_ruleset ruleset;
	struct pfw_plan plan;
	struct pfw_frame want = { 0 };

	want.n_shape[PFW_SHAPE_TARGET][0][PFW_TIER_ADDRESS_INTERFACE][0] = 1;
	want.n_shape[PFW_SHAPE_TARGET][0][PFW_TIER_ADDRESS][1] = 1;
	want.n_shape[PFW_SHAPE_SELF][0][PFW_TIER_INTERFACE][0] = 1;
	want.n_shape[PFW_SHAPE_SELF][1][PFW_TIER_INTERFACE][0] = 1;
	want.n_shape[PFW_SHAPE_TARGET][1][PFW_TIER_ANY][0] = 2;
	want.n_shape[PFW_SHAPE_SELF][0][PFW_TIER_ANY][1] = 1;
	want.n_shape[PFW_SHAPE_SELF][1][PFW_TIER_ANY][1] = 1;
	want.n_source[0][1][PFW_TIER_ANY][0] = 2;
	want.n_routed[0] = 2;
	want.n_routed[1] = 2;
	want.n_auto = 2;
	want.n_masquerade = 2;
	want.n_shape[PFW_SHAPE_TARGET][0][PFW_TIER_ANY][0] = 2;
	want.n_shape[PFW_SHAPE_TARGET][0][PFW_TIER_ADDRESS][0] = 1;
	want.n_localnet = 2;
	want.n_goals[0] = 1;
	sample_ruleset(&ruleset, samples, COUNT(samples));
	sample_plan(&ruleset, &plan);
	ck_assert_mem_eq(&plan.frame, &want, sizeof(want));
	ck_assert(pfw_plan_routes(&plan, AF_INET));
	ck_assert(pfw_plan_routes(&plan, AF_INET6));
	pfw_plan_free(&plan);
	pfw_ruleset_free(&ruleset);
}
END_TEST

/* If this fails, a machine that forwards to itself only is made a router. */
START_TEST(test_self_does_not_route)
{
	static const struct sample samples[] = { { .name = "self", .targets = "self" } };
	struct pfw_ruleset ruleset;
	struct pfw_plan plan;

	sample_ruleset(&ruleset, samples, COUNT(samples));
	sample_plan(&ruleset, &plan);
	ck_assert(!pfw_plan_routes(&plan, AF_INET));
	ck_assert(!pfw_plan_routes(&plan, AF_INET6));
	pfw_plan_free(&plan);
	pfw_ruleset_free(&ruleset);
}
END_TEST

/* What the source address gets: the forward's own word, else that of the settings. */
START_TEST(test_source)
{
	static const struct {
		enum pfw_snat snat, settings_snat;
		enum pfw_switch hairpin;
		bool settings_hairpin, self;
		enum pfw_source want;
	} rows[] = {
		{ PFW_SNAT_UNSET, PFW_SNAT_AUTO, PFW_UNSET, true, false, PFW_SOURCE_AUTO },
		{ PFW_SNAT_UNSET, PFW_SNAT_AUTO, PFW_UNSET, false, false, PFW_SOURCE_KEEP },
		{ PFW_SNAT_UNSET, PFW_SNAT_AUTO, PFW_ON, false, false, PFW_SOURCE_AUTO },
		{ PFW_SNAT_UNSET, PFW_SNAT_AUTO, PFW_OFF, true, false, PFW_SOURCE_KEEP },
		{ PFW_SNAT_UNSET, PFW_SNAT_MASQUERADE, PFW_OFF, true, false, PFW_SOURCE_MASQUERADE },
		{ PFW_SNAT_AUTO, PFW_SNAT_MASQUERADE, PFW_UNSET, true, false, PFW_SOURCE_AUTO },
		{ PFW_SNAT_NONE, PFW_SNAT_MASQUERADE, PFW_ON, true, false, PFW_SOURCE_KEEP },
		{ PFW_SNAT_MASQUERADE, PFW_SNAT_NONE, PFW_OFF, true, false, PFW_SOURCE_MASQUERADE },
		{ PFW_SNAT_UNSET, PFW_SNAT_MASQUERADE, PFW_UNSET, true, true, PFW_SOURCE_AUTO },
		{ PFW_SNAT_NONE, PFW_SNAT_AUTO, PFW_OFF, true, true, PFW_SOURCE_AUTO },
	};
	struct pfw_ruleset ruleset;
	struct pfw_plan plan;
	enum pfw_source source;
	size_t i;

	for (i = 0; i < COUNT(rows); i++) {
		const struct sample sample = { .name = "a", .snat = rows[i].snat,
					       .hairpin = rows[i].hairpin,
					       .targets = rows[i].self ? "self" : "10.0.0.2" };

		sample_ruleset(&ruleset, &sample, 1);
		ruleset.settings.snat = (uint8_t)rows[i].settings_snat;
		ruleset.settings.hairpin = rows[i].settings_hairpin;
		sample_plan(&ruleset, &plan);
		source = pfw_plan_source(&plan, &ruleset.forwards[0]);
		ck_assert_msg(source == rows[i].want, "row %zu: %u", i, source);
		ck_assert(plan.slots[0].outspoken == (rows[i].want != PFW_SOURCE_AUTO));
		pfw_plan_free(&plan);
		pfw_ruleset_free(&ruleset);
	}
}
END_TEST

/* If this fails, an interface's forward takes the machine's own connections, or is planned twice. */
START_TEST(test_remote)
{
	static const struct sample samples[] = {
		{ .name = "addr", .addresses = "192.0.2.1", .targets = "10.0.0.2", .local = PFW_OFF },
		{ .name = "if", .interfaces = "wan0", .targets = "10.0.0.2", .local = PFW_OFF },
		{ .name = "any", .targets = "10.0.0.2", .local = PFW_OFF },
		{ .name = "both", .addresses = "192.0.2.1", .interfaces = "wan0",
		  .targets = "10.0.0.2", .local = PFW_OFF },
		{ .name = "own", .targets = "10.0.0.2", .ports = "81" },
	};
	struct pfw_ruleset ruleset;
	struct pfw_plan plan;

	sample_ruleset(&ruleset, samples, COUNT(samples));
	sample_plan(&ruleset, &plan);
	ck_assert(slot_of(&plan, AF_INET, PFW_TIER_ADDRESS, IPPROTO_TCP, 80)->remote);
	ck_assert(slot_of(&plan, AF_INET, PFW_TIER_ANY, IPPROTO_TCP, 80)->remote);
	ck_assert(!slot_of(&plan, AF_INET, PFW_TIER_INTERFACE, IPPROTO_TCP, 80)->remote);
	ck_assert(!slot_of(&plan, AF_INET, PFW_TIER_ADDRESS_INTERFACE, IPPROTO_TCP, 80)->remote);
	ck_assert(!slot_of(&plan, AF_INET, PFW_TIER_ANY, IPPROTO_TCP, 81)->remote);
	pfw_plan_free(&plan);
	pfw_ruleset_free(&ruleset);
}
END_TEST

/* Two forwards and the key that both claim, or NULL where they get along. */
static const struct {
	struct sample a, b;
	const char *conflict;
} pairs[] = {
	{ { .name = "a" }, { .name = "b" }, "tcp port 80 on any IPv4 address" },
	{ { .name = "a", .targets = "fd00::2" }, { .name = "b", .targets = "fd00::3" },
	  "tcp port 80 on any IPv6 address" },
	{ { .name = "a", .targets = "10.0.0.2" },
	  { .name = "b", .addresses = "0.0.0.0", .targets = "10.0.0.3" },
	  "tcp port 80 on any IPv4 address" },
	{ { .name = "a", .addresses = "192.0.2.1", .targets = "10.0.0.2" },
	  { .name = "b", .addresses = "192.0.2.2 192.0.2.1", .targets = "self" },
	  "tcp port 80 on 192.0.2.1" },
	{ { .name = "a", .addresses = "2001:db8::1", .targets = "fd00::2" },
	  { .name = "b", .addresses = "2001:db8::1", .targets = "fd00::2" },
	  "tcp port 80 on 2001:db8::1" },
	{ { .name = "a", .interfaces = "wan0", .targets = "10.0.0.2" },
	  { .name = "b", .interfaces = "wan1 wan0", .targets = "10.0.0.2" },
	  "tcp port 80 on any IPv4 address, interface wan0" },
	{ { .name = "a", .interfaces = "wan0", .targets = "fd00::2" },
	  { .name = "b", .interfaces = "wan0", .targets = "self" },
	  "tcp port 80 on any IPv6 address, interface wan0" },
	{ { .name = "a", .addresses = "192.0.2.1", .interfaces = "wan0", .targets = "10.0.0.2" },
	  { .name = "b", .addresses = "192.0.2.1", .interfaces = "wan0", .targets = "10.0.0.2" },
	  "tcp port 80 on 192.0.2.1, interface wan0" },
	{ { .name = "a", .addresses = "2001:db8::1", .interfaces = "wan0", .targets = "fd00::2" },
	  { .name = "b", .addresses = "2001:db8::1", .interfaces = "wan0", .targets = "fd00::2" },
	  "tcp port 80 on 2001:db8::1, interface wan0" },
	{ { .name = "a", .ports = "1 2 3", .targets = "10.0.0.2" },
	  { .name = "b", .ports = "4 3", .targets = "10.0.0.2" },
	  "tcp port 3 on any IPv4 address" },
	{ { .name = "a", .protocols = "tcp udp", .targets = "10.0.0.2" },
	  { .name = "b", .protocols = "udp", .targets = "10.0.0.2" },
	  "udp port 80 on any IPv4 address" },
	{ { .name = "a", .protocols = "sctp", .targets = "10.0.0.2" },
	  { .name = "b", .protocols = "sctp", .targets = "10.0.0.2" },
	  "sctp port 80 on any IPv4 address" },
	{ { .name = "a", .targets = "10.0.0.2", .local = PFW_OFF },
	  { .name = "b", .targets = "10.0.0.2" }, "tcp port 80 on any IPv4 address" },

	{ { .name = "a" }, { .name = "b", .ports = "81" }, NULL },
	{ { .name = "a" }, { .name = "b", .protocols = "udp sctp" }, NULL },
	{ { .name = "a", .targets = "10.0.0.2" }, { .name = "b", .targets = "fd00::2" }, NULL },
	{ { .name = "a", .addresses = "0.0.0.0", .targets = "10.0.0.2" },
	  { .name = "b", .addresses = "::", .targets = "fd00::2" }, NULL },
	{ { .name = "a" }, { .name = "b", .addresses = "192.0.2.1", .targets = "10.0.0.2" }, NULL },
	{ { .name = "a" }, { .name = "b", .interfaces = "wan0" }, NULL },
	{ { .name = "a", .interfaces = "wan0", .targets = "10.0.0.2" },
	  { .name = "b", .addresses = "192.0.2.1", .interfaces = "wan0", .targets = "10.0.0.2" },
	  NULL },
	{ { .name = "a", .interfaces = "wan0" }, { .name = "b", .interfaces = "wan" }, NULL },
	{ { .name = "a", .addresses = "192.0.2.1", .targets = "10.0.0.2" },
	  { .name = "b", .addresses = "192.0.2.10", .targets = "10.0.0.2" }, NULL },
};

/* The plan says the same as one that is made of the ruleset as it is now. */
static void same_as_from_scratch(const struct pfw_plan *plan)
{
	struct pfw_plan scratch;

	sample_plan(plan->ruleset, &scratch);
	ck_assert_mem_eq(&plan->frame, &scratch.frame, sizeof(plan->frame));
	ck_assert_uint_eq(plan->digest, scratch.digest);
	ck_assert_uint_eq(plan->keys.live, scratch.keys.live);
	pfw_plan_free(&scratch);
}

/* If this fails, which of two forwards a packet takes is chance, or two that fit are refused. */
START_TEST(test_conflicts)
{
	struct pfw_error err;
	struct pfw_ruleset ruleset;
	struct pfw_plan plan;
	char want[256];
	uint32_t id;
	size_t i;
	int ret;

	for (i = 0; i < COUNT(pairs); i++) {
		err = (struct pfw_error)PFW_ERROR_INIT;
		sample_ruleset(&ruleset, &pairs[i].a, 1);
		sample_plan(&ruleset, &plan);
		id = sample_put(&ruleset, &pairs[i].b);
		ret = pfw_plan_put(&plan, id, &err);
		if (!pairs[i].conflict) {
			ck_assert_msg(!ret, "pair %zu: %s", i, err.item[0].message);
			same_as_from_scratch(&plan);
		} else {
			snprintf(want, sizeof(want), "\"b\" and \"a\" both claim %s; change one of "
				 "them, or remove it", pairs[i].conflict);
			ck_assert_msg(ret == -EEXIST, "pair %zu: %d", i, ret);
			ck_assert_str_eq(err.item[0].message, want);
			ck_assert_str_eq(err.item[0].path, "");
			ck_assert_int_eq(err.kind, PFW_CONFLICT);
			/* The forward that stood is untouched. */
			pfw_ruleset_drop(&ruleset, id);
			same_as_from_scratch(&plan);
		}
		pfw_plan_free(&plan);
		pfw_ruleset_free(&ruleset);
	}
}
END_TEST

static const char *file_name(const void *ctx, uint32_t file)
{
	const char *const *files = ctx;

	return files[file];
}

/* If this fails, whoever has a conflict in his files is not told where. */
START_TEST(test_conflicts_of_files)
{
	static const char *const files[] = { "main.json", "drop-in.json" };
	struct pfw_error err = PFW_ERROR_INIT;
	struct pfw_ruleset ruleset;
	struct pfw_plan plan;
	char name[8], line[1024];
	unsigned int i;

	sample_ruleset(&ruleset, NULL, 0);
	for (i = 0; i < 14; i++) {
		snprintf(name, sizeof(name), "f%u", i);
		sample_put(&ruleset, &(struct sample){ .name = name, .targets = "10.0.0.2" });
		ruleset.forwards[i].name = pfw_arena_text(&ruleset.arena, name, strlen(name));
		ruleset.forwards[i].origin = (struct pfw_origin){ i % 2, i / 2 };
	}
	memset(&plan, 0x5a, sizeof(plan));
	ck_assert_int_eq(pfw_plan_make(&ruleset, &no_facts, file_name, files, &plan, &err),
			 -EEXIST);
	ck_assert_int_eq(err.kind, PFW_CONFLICT);
	ck_assert_uint_eq(err.count, 13);
	ck_assert_str_eq(unit_error(&err, 0, line),
			 "drop-in.json: forwards[0].listen: \"f1\" and \"f0\" both claim tcp port 80 "
			 "on any IPv4 address; change one of them, or remove it");
	ck_assert_str_eq(err.item[9].path, "forwards[5].listen");
	ck_assert_str_eq(err.item[9].file, "main.json");
	ck_assert_str_eq(err.where, "");
	/* Outputs are untouched on failure. */
	ck_assert_uint_eq(((unsigned char *)&plan)[0], 0x5a);
	pfw_ruleset_free(&ruleset);
}
END_TEST

/* If this fails, a forward that meets another in one key only leaves the other keys behind. */
START_TEST(test_half_a_claim_is_none)
{
	static const struct sample samples[] = {
		{ .name = "stands", .ports = "3", .targets = "10.0.0.2" },
		{ .name = "other", .ports = "1", .addresses = "192.0.2.1", .targets = "10.0.0.2" },
	};
	const struct sample wide = { .name = "wide", .ports = "1 2 3", .targets = "10.0.0.9",
				     .snat = PFW_SNAT_MASQUERADE };
	struct pfw_error err = PFW_ERROR_INIT;
	struct pfw_frame frame;
	struct pfw_ruleset ruleset;
	struct pfw_plan plan;
	uint64_t digest;
	uint32_t id;

	sample_ruleset(&ruleset, samples, COUNT(samples));
	sample_plan(&ruleset, &plan);
	frame = plan.frame;
	digest = plan.digest;
	id = sample_put(&ruleset, &wide);
	ck_assert_int_eq(pfw_plan_put(&plan, id, &err), -EEXIST);
	ck_assert_mem_eq(&plan.frame, &frame, sizeof(frame));
	ck_assert_uint_eq(plan.digest, digest);
	ck_assert_uint_eq(plan.keys.live, 2);
	/* Dropping what never got in takes nothing from those that did. */
	pfw_plan_drop(&plan, id);
	ck_assert_mem_eq(&plan.frame, &frame, sizeof(frame));
	ck_assert_uint_eq(plan.digest, digest);
	pfw_plan_free(&plan);
	pfw_ruleset_free(&ruleset);
}
END_TEST

static void speak(const struct pfw_plan *plan, bool any, bool address, bool interface)
{
	const struct pfw_slot *slot;

	slot = slot_of(plan, AF_INET, PFW_TIER_ANY, IPPROTO_TCP, 80);
	ck_assert(!slot || pfw_slot_speaks(plan, slot) == any);
	slot = slot_of(plan, AF_INET, PFW_TIER_ADDRESS, IPPROTO_TCP, 80);
	ck_assert(!slot || pfw_slot_speaks(plan, slot) == address);
	slot = slot_of(plan, AF_INET, PFW_TIER_INTERFACE, IPPROTO_TCP, 80);
	ck_assert(!slot || pfw_slot_speaks(plan, slot) == interface);
	ck_assert_uint_eq(plan->frame.n_source[0][0][PFW_TIER_ANY][0], any);
	ck_assert_uint_eq(plan->frame.n_source[0][0][PFW_TIER_ADDRESS][0], address);
	ck_assert_uint_eq(plan->frame.n_source[0][0][PFW_TIER_INTERFACE][0], interface);
	same_as_from_scratch(plan);
}

/*
 * If this fails, a masquerade of a less specific forward reaches the
 * connections of a more specific one, or stays on it when it is gone.
 */
START_TEST(test_group_speaks)
{
	static const struct sample address = { .name = "address", .addresses = "192.0.2.1",
					       .targets = "10.0.0.2" };
	static const struct sample interface = { .name = "interface", .interfaces = "wan0",
						 .targets = "10.0.0.2" };
	static const struct sample loud = { .name = "any", .targets = "10.0.0.2",
					    .snat = PFW_SNAT_MASQUERADE };
	static const struct sample quiet = { .name = "any", .targets = "10.0.0.2" };
	static const struct sample elsewhere = { .name = "elsewhere", .targets = "10.0.0.2",
						 .ports = "81", .snat = PFW_SNAT_NONE };
	struct pfw_ruleset ruleset;
	struct pfw_forward forward;
	struct pfw_plan plan;

	sample_ruleset(&ruleset, &address, 1);
	sample_plan(&ruleset, &plan);
	speak(&plan, false, false, false);
	sample_make(&loud, &ruleset.arena, &forward);
	ck_assert_int_eq(sample_change(&ruleset, &plan, &forward), 0);
	speak(&plan, true, true, false);
	sample_make(&interface, &ruleset.arena, &forward);
	ck_assert_int_eq(sample_change(&ruleset, &plan, &forward), 0);
	speak(&plan, true, true, true);
	sample_make(&quiet, &ruleset.arena, &forward);
	ck_assert_int_eq(sample_change(&ruleset, &plan, &forward), 0);
	speak(&plan, false, false, false);
	sample_make(&loud, &ruleset.arena, &forward);
	ck_assert_int_eq(sample_change(&ruleset, &plan, &forward), 0);
	speak(&plan, true, true, true);
	sample_drop(&ruleset, &plan, "address");
	speak(&plan, true, false, true);
	sample_drop(&ruleset, &plan, "any");
	speak(&plan, false, false, false);
	/* Another port is another group. */
	sample_make(&elsewhere, &ruleset.arena, &forward);
	ck_assert_int_eq(sample_change(&ruleset, &plan, &forward), 0);
	ck_assert(!pfw_slot_speaks(&plan, slot_of(&plan, AF_INET, PFW_TIER_INTERFACE, IPPROTO_TCP,
						  80)));
	pfw_plan_free(&plan);
	pfw_ruleset_free(&ruleset);
}
END_TEST

/* Everything that reaches the kernel is in the digest; what does not, is not. */
START_TEST(test_digest)
{
	static const struct sample base = { .name = "a", .addresses = "192.0.2.1",
					    .targets = "10.0.0.2", .port = 8080 };
	static const struct sample others[] = {
		{ .name = "b", .addresses = "192.0.2.1", .targets = "10.0.0.2", .port = 8080 },
		{ .name = "a", .addresses = "192.0.2.2", .targets = "10.0.0.2", .port = 8080 },
		{ .name = "a", .addresses = "192.0.2.1", .targets = "10.0.0.3", .port = 8080 },
		{ .name = "a", .addresses = "192.0.2.1", .targets = "10.0.0.2", .port = 8081 },
		{ .name = "a", .addresses = "192.0.2.1", .targets = "self", .port = 8080 },
		{ .name = "a", .addresses = "192.0.2.1", .targets = "10.0.0.2", .port = 8080,
		  .ports = "81" },
		{ .name = "a", .addresses = "192.0.2.1", .targets = "10.0.0.2", .port = 8080,
		  .protocols = "udp" },
		{ .name = "a", .addresses = "192.0.2.1", .targets = "10.0.0.2", .port = 8080,
		  .interfaces = "wan0" },
		{ .name = "a", .addresses = "192.0.2.1", .targets = "10.0.0.2", .port = 8080,
		  .snat = PFW_SNAT_MASQUERADE },
		{ .name = "a", .addresses = "192.0.2.1", .targets = "10.0.0.2", .port = 8080,
		  .hairpin = PFW_OFF },
		{ .name = "a", .addresses = "192.0.2.1", .targets = "10.0.0.2", .port = 8080,
		  .local = PFW_OFF },
		{ .name = "a", .addresses = "192.0.2.1", .targets = "10.0.0.2", .port = 8080,
		  .disabled = true },
	};
	struct pfw_ruleset ruleset;
	struct pfw_plan plan;
	uint64_t digest;
	size_t i;

	sample_ruleset(&ruleset, &base, 1);
	sample_plan(&ruleset, &plan);
	digest = plan.digest;
	pfw_plan_free(&plan);
	ruleset.forwards[0].comment = "only for people";
	ruleset.forwards[0].origin = (struct pfw_origin){ 7, 7 };
	sample_plan(&ruleset, &plan);
	ck_assert_uint_eq(plan.digest, digest);
	pfw_plan_free(&plan);
	pfw_ruleset_free(&ruleset);
	for (i = 0; i < COUNT(others); i++) {
		sample_ruleset(&ruleset, &others[i], 1);
		sample_plan(&ruleset, &plan);
		ck_assert_msg(plan.digest != digest, "row %zu has the same digest", i);
		pfw_plan_free(&plan);
		pfw_ruleset_free(&ruleset);
	}
}
END_TEST

/* If this fails, the order of the files is a difference in the kernel. */
START_TEST(test_digest_has_no_order)
{
	static const struct sample forth[] = {
		{ .name = "a" }, { .name = "b", .ports = "81" }, { .name = "c", .ports = "82" },
	};
	static const struct sample back[] = {
		{ .name = "c", .ports = "82" }, { .name = "b", .ports = "81" }, { .name = "a" },
	};
	struct pfw_ruleset ruleset;
	struct pfw_plan plan;
	uint64_t digest;

	sample_ruleset(&ruleset, forth, COUNT(forth));
	sample_plan(&ruleset, &plan);
	digest = plan.digest;
	pfw_plan_free(&plan);
	pfw_ruleset_free(&ruleset);
	sample_ruleset(&ruleset, back, COUNT(back));
	sample_plan(&ruleset, &plan);
	ck_assert_uint_eq(plan.digest, digest);
	pfw_plan_free(&plan);
	pfw_ruleset_free(&ruleset);
}
END_TEST

TCase *plan_case(void)
{
	TCase *tcase;

	UNIT_CASE(tcase, "plan", test_nothing, test_disabled_claims_nothing, test_frame,
		  test_self_does_not_route, test_source, test_remote, test_conflicts,
		  test_conflicts_of_files, test_half_a_claim_is_none, test_group_speaks,
		  test_digest, test_digest_has_no_order);
	tcase_set_timeout(tcase, 60);
	return tcase;
}
