/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The rules of iptables do to connections what the maps of nftables do: from one plan, both
 * backends tell the same flows, in the same form. If this fails, they differ, or the wrong
 * connections are cut, as when the rules move from one to the other.
 */
#include "../../../src/backend/iptables/iptables.h"

#include "cases.h"

/* By hand, what chance would seldom meet. Each is a ruleset of its own. */
static const struct sample samples[] = {
	{ .name = "plain" },
	{ .name = "kept", .ports = "80 443 8000-8100", .protocols = "tcp udp sctp" },
	{ .name = "many", .ports = "8000-8100", .port = 80 },
	{ .name = "shift", .ports = "8000-8100", .targets = "10.0.0.2@80-180 fd00::2@1080-1180" },
	{ .name = "log", .ports = "8000-8100", .targets = "10.0.0.2@80-180", .log = true },
	{ .name = "self", .targets = "self", .port = 8080, .protocols = "tcp udp" },
	{ .name = "self-kept", .targets = "self", .addresses = "198.51.100.1 2001:db8::1" },
	{ .name = "self-range", .targets = "self", .ports = "8000-8010" },
	{ .name = "self-shift", .targets = "self@80-90", .ports = "8000-8010",
	  .addresses = "198.51.100.1", .protocols = "tcp udp" },
	{ .name = "self-shift-any", .targets = "self@80-90", .ports = "8000-8010" },
	{ .name = "loopback", .targets = "127.0.0.1", .port = 8080 },
	{ .name = "pool", .targets = "10.0.0.2@81*3 10.0.0.3@81*2 10.0.0.2@82 fd00::2*7 fd00::3" },
	{ .name = "rounds", .targets = "10.0.0.2*30 10.0.0.3*20 fd00::2*7 fd00::3",
	  .balance = PFW_BALANCE_ROUND_ROBIN, .ports = "80-90" },
	{ .name = "clients", .targets = "10.0.0.2*12 10.0.0.3*3 10.0.0.4 fd00::2*7 fd00::3",
	  .balance = PFW_BALANCE_SOURCE },
	{ .name = "some", .sources = "203.0.113.0/25 203.0.113.128/25 198.51.100.7",
	  .excluded = "203.0.113.64/26 198.51.100.7 192.0.2.1" },
	{ .name = "some-v6", .sources = "2001:db8::/32", .excluded = "2001:db8:1::/48",
	  .limit = { .rate = 5, .per = 1, .connections = 3 } },
	{ .name = "not", .excluded = "10.0.0.0/8 2001:db8::1", .snat = PFW_SNAT_NONE, .log = true },
	{ .name = "all-but", .sources = "0.0.0.0/0 ::/0", .excluded = "10.0.0.0/8 11.0.0.0/8" },
	{ .name = "limited", .limit = { .connections = 10 }, .snat_address = "10.0.0.9",
	  .targets = "10.0.0.2" },
	{ .name = "masked", .snat = PFW_SNAT_MASQUERADE, .interfaces = "wan0 wan1",
	  .addresses = "198.51.100.1 2001:db8::1", .local = PFW_OFF },
	{ .name = "no-hairpin", .hairpin = PFW_OFF, .local = PFW_OFF },
	{ .name = "until", .expires = SAMPLE_NOW + 1000, .ports = "80 90-99" },
	{ .name = "a123456789012345678901234567890", .snat = PFW_SNAT_NONE,
	  .sources = "203.0.113.0/24 2001:db8::/32", .limit = { .rate = 5, .per = 60 } },
};

static int compare_flows(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct pfw_flow));
}

/* In one order, without those that nobody may use. */
static void tidy(const struct pfw_flows *flows, uint32_t nobody, struct pfw_flows *ret)
{
	size_t i;

	for (i = 0; i < flows->n_flows; i++)
		if (flows->flows[i].clients != nobody)
			ck_assert_int_eq(pfw_flows_add(ret, &flows->flows[i]), 0);
	if (ret->n_flows)
		qsort(ret->flows, ret->n_flows, sizeof(*ret->flows), compare_flows);
}

/* All flows of a backend's image of the plan, each once. */
static void flows_of(const struct pfw_backend *backend, const struct pfw_plan *plan,
		     struct pfw_clients *clients, struct pfw_flows *ret)
{
	struct pfw_error err = PFW_ERROR_INIT;
	struct pfw_image image = { 0 };
	struct pfw_flows flows = { 0 };
	uint32_t nobody;
	size_t i, kept = 0;

	ck_assert_int_eq(pfw_clients_add(clients, NULL, 0, &nobody), 0);
	ck_assert_int_eq(backend->compile(plan, NULL, &image, &err), 0);
	ck_assert_int_eq(backend->flows(&image, NULL, NULL, clients, &flows), 0);
	tidy(&flows, nobody, ret);
	for (i = 0; i < ret->n_flows; i++)
		if (!kept || compare_flows(&ret->flows[kept - 1], &ret->flows[i]))
			ret->flows[kept++] = ret->flows[i];
	ret->n_flows = kept;
	pfw_flows_free(&flows);
	pfw_image_free(&image);
}

static void flow_words(const struct pfw_flow *flow, char ret[512])
{
	struct pfw_addr target = { .family = flow->key.family };
	char key[PFW_KEY_TEXT], to[PFW_ADDR_TEXT];

	memcpy(target.bytes, flow->target, sizeof(target.bytes));
	snprintf(ret, 512, "%s to %s port %u-%u self %d remote %d source %d wide %d clients %u",
		 pfw_key_print(&flow->key, key), pfw_addr_print(&target, to), flow->port.lo,
		 flow->port.hi, flow->self, flow->remote, flow->source, flow->wide, flow->clients);
}

/* Fails the test with the first flow that one has and the other has not. */
static void same_flows(const struct pfw_flows *nft, const struct pfw_flows *ipt, const char *what)
{
	const struct pfw_flow *flow;
	char words[512];
	size_t i;

	for (i = 0; i < nft->n_flows || i < ipt->n_flows; i++) {
		int order = i >= nft->n_flows ? 1 : i >= ipt->n_flows ? -1 :
			    compare_flows(&nft->flows[i], &ipt->flows[i]);

		flow = order < 0 ? &nft->flows[i] : &ipt->flows[i];
		if (!order)
			continue;
		flow_words(flow, words);
		ck_abort_msg("%s: only %s has %s", what, order < 0 ? "nftables" : "iptables",
			     words);
	}
}

static void both_say_the_same(const struct pfw_plan *plan, const char *what)
{
	const struct pfw_backend *nftables = pfw_backend_find("nftables");
	struct pfw_flows nft = { 0 }, ipt = { 0 };
	struct pfw_clients clients = { 0 };

	if (!nftables)
		return;	/* not built in */
	flows_of(nftables, plan, &clients, &nft);
	flows_of(&pfw_backend_iptables, plan, &clients, &ipt);
	same_flows(&nft, &ipt, what);
	pfw_flows_free(&nft);
	pfw_flows_free(&ipt);
	pfw_clients_free(&clients);
}

START_TEST(each_kind_alone)
{
	struct pfw_ruleset ruleset = { 0 };
	struct pfw_plan plan;

	sample_ruleset(&ruleset, &samples[_i], 1);
	sample_plan(&ruleset, &plan);
	both_say_the_same(&plan, samples[_i].name);
	pfw_plan_free(&plan);
	pfw_ruleset_free(&ruleset);
}
END_TEST

/* What speaks of the source address makes others speak too. */
START_TEST(each_kind_beside_another)
{
	static const struct sample other = {
		.name = "other", .addresses = "198.51.100.77 2001:db8::77",
		.ports = "80 443 8000-8100", .protocols = "tcp udp sctp",
		.snat = PFW_SNAT_MASQUERADE, .sources = "203.0.113.0/25 2001:db8::/64",
	};
	struct pfw_ruleset ruleset = { 0 };
	struct sample both[] = { samples[_i], other };
	struct pfw_plan plan;

	sample_ruleset(&ruleset, both, COUNT(both));
	sample_plan(&ruleset, &plan);
	both_say_the_same(&plan, samples[_i].name);
	pfw_plan_free(&plan);
	pfw_ruleset_free(&ruleset);
}
END_TEST

/* Some by chance, changed step by step, so that keys have several claims. */
START_TEST(whatever_chance_brings)
{
	struct sample_random random = { (uint64_t)_i + 1 };
	struct pfw_ruleset ruleset = { 0 };
	struct pfw_arena arena = { 0 };
	struct sample_step step;
	struct pfw_plan plan;
	char what[64];
	unsigned int i;

	sample_ruleset(&ruleset, NULL, 0);
	sample_plan(&ruleset, &plan);
	for (i = 0; i < 40; i++) {
		sample_step_choose(&random, &ruleset, 20, &arena, &step);
		sample_step_make(&ruleset, &plan, &step);
		snprintf(what, sizeof(what), "seed %d, step %u", _i + 1, i);
		both_say_the_same(&plan, what);
	}
	pfw_plan_free(&plan);
	pfw_ruleset_free(&ruleset);
	pfw_arena_free(&arena);
}
END_TEST

static bool is_named(const void *ctx, const char *owner)
{
	return !strcmp(ctx, owner);
}

START_TEST(only_what_is_asked_for)
{
	static const struct sample two[] = {
		{ .name = "one", .ports = "80", .log = true, .targets = "10.0.0.2" },
		{ .name = "two", .ports = "81", .targets = "10.0.0.2" },
	};
	struct pfw_ruleset ruleset = { 0 };
	struct pfw_error err = PFW_ERROR_INIT;
	struct pfw_clients clients = { 0 };
	struct pfw_flows flows = { 0 };
	struct pfw_image image = { 0 };
	struct pfw_plan plan;

	sample_ruleset(&ruleset, two, COUNT(two));
	sample_plan(&ruleset, &plan);
	ck_assert_int_eq(ipt_compile(&plan, NULL, &image, &err), 0);
	ck_assert_int_eq(ipt_flows(&image, is_named, "one", &clients, &flows), 0);
	ck_assert_uint_eq(flows.n_flows, 1);
	ck_assert_uint_eq(flows.flows[0].key.port.lo, 80);
	pfw_flows_free(&flows);
	pfw_clients_free(&clients);
	pfw_image_free(&image);
	pfw_plan_free(&plan);
	pfw_ruleset_free(&ruleset);
}
END_TEST

TCase *ipt_flows_case(void)
{
	TCase *tcase = tcase_create("iptables: flows");

	tcase_add_loop_test(tcase, each_kind_alone, 0, COUNT(samples));
	tcase_add_loop_test(tcase, each_kind_beside_another, 0, COUNT(samples));
	tcase_add_loop_test(tcase, whatever_chance_brings, 0, 20);
	tcase_add_test(tcase, only_what_is_asked_for);
	return tcase;
}
