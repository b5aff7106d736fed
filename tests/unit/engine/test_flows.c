/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the nf_tables backend tells of its own objects is what the plan said. If this fails, the
 * wrong connections are cut.
 */
#include <arpa/inet.h>
#include <netinet/in.h>

#include "../sample.h"
#include "cases.h"
#include "portfwd/backend/backend.h"

/* A forward of one address or interface at most, from 8080 to port 80 of a target. */
static void put(struct pfw_ruleset *ruleset, const char *name, const char *address,
		const char *ifname, const char *target, enum pfw_snat snat, bool local)
{
	struct pfw_ports port = { 8080, 8080 };
	struct pfw_addr addr = { 0 };
	struct pfw_target to = { .self = !target, .port = { 80, 80 } };
	struct pfw_forward forward = {
		.name = name,
		.listen = { .ports = &port, .n_ports = 1, .protocols = PFW_TCP },
		.targets = &to,
		.n_targets = 1,
		.snat = (uint8_t)snat,
		.local = local ? PFW_ON : PFW_OFF,
		.enabled = true,
	};
	struct pfw_error err = PFW_ERROR_INIT;

	if (address) {
		ck_assert_int_eq(pfw_addr_parse(address, strlen(address), &addr, &err), 0);
		forward.listen.addresses = &addr;
		forward.listen.n_addresses = 1;
	}
	if (ifname) {
		forward.listen.interfaces = &ifname;
		forward.listen.n_interfaces = 1;
	}
	if (target)
		ck_assert_int_eq(pfw_addr_parse(target, strlen(target), &to.address, &err), 0);
	ck_assert_int_eq(pfw_ruleset_put(ruleset, &forward, NULL), 0);
}

static bool is_named(const void *ctx, const char *owner)
{
	return !strcmp(ctx, owner);
}

/* The one flow of a forward in the image of the ruleset. */
static struct pfw_flow flow_of(const struct pfw_ruleset *ruleset, const char *name)
{
	const struct pfw_facts facts = { 0 };
	struct pfw_error err = PFW_ERROR_INIT;
	struct pfw_image image = { 0 };
	struct pfw_clients clients = { 0 };
	struct pfw_flows flows = { 0 };
	struct pfw_plan plan;
	struct pfw_flow flow;

	ck_assert_int_eq(pfw_plan_make(ruleset, &facts, NULL, NULL, &plan, &err), 0);
	ck_assert_int_eq(pfw_backend_nftables.compile(&plan, NULL, &image, &err), 0);
	ck_assert_int_eq(pfw_backend_nftables.flows(&image, is_named, name, &clients, &flows), 0);
	ck_assert_uint_eq(flows.n_flows, 1);
	flow = flows.flows[0];
	pfw_flows_free(&flows);
	pfw_clients_free(&clients);
	pfw_image_free(&image);
	pfw_plan_free(&plan);
	return flow;
}

static void expect(const struct pfw_flow *flow, enum pfw_tier tier, const char *address,
		   const char *ifname, const char *target)
{
	uint8_t bytes[16] = { 0 };

	ck_assert_int_eq(flow->key.tier, tier);
	ck_assert_int_eq(flow->key.protocol, IPPROTO_TCP);
	ck_assert_uint_eq(flow->key.port.lo, 8080);
	ck_assert_uint_eq(flow->key.port.hi, 8080);
	ck_assert_str_eq(flow->key.ifname, ifname);
	inet_pton(flow->key.family, address, bytes);
	ck_assert_mem_eq(flow->key.address, bytes, sizeof(bytes));
	memset(bytes, 0, sizeof(bytes));
	inet_pton(flow->key.family, target, bytes);
	ck_assert_mem_eq(flow->target, bytes, sizeof(bytes));
	ck_assert_uint_eq(flow->port.lo, 80);
	ck_assert_uint_eq(flow->port.hi, 80);
}

START_TEST(every_tier_and_family)
{
	struct pfw_ruleset ruleset = { .settings = pfw_settings_default };
	struct pfw_flow flow;

	put(&ruleset, "any", NULL, NULL, "10.0.0.2", PFW_SNAT_AUTO, true);
	put(&ruleset, "if", NULL, "wan0", "fd00::2", PFW_SNAT_AUTO, true);
	put(&ruleset, "addr", "198.51.100.1", NULL, "10.0.0.2", PFW_SNAT_AUTO, false);
	put(&ruleset, "both", "2001:db8::1", "wan0", "fd00::2", PFW_SNAT_AUTO, true);
	flow = flow_of(&ruleset, "any");
	expect(&flow, PFW_TIER_ANY, "0.0.0.0", "", "10.0.0.2");
	ck_assert(!flow.remote && !flow.self);
	flow = flow_of(&ruleset, "if");
	expect(&flow, PFW_TIER_INTERFACE, "::", "wan0", "fd00::2");
	ck_assert(flow.remote);
	flow = flow_of(&ruleset, "addr");
	expect(&flow, PFW_TIER_ADDRESS, "198.51.100.1", "", "10.0.0.2");
	ck_assert(flow.remote);
	flow = flow_of(&ruleset, "both");
	expect(&flow, PFW_TIER_ADDRESS_INTERFACE, "2001:db8::1", "wan0", "fd00::2");
	pfw_ruleset_free(&ruleset);
}
END_TEST

START_TEST(the_machine_itself)
{
	struct pfw_ruleset ruleset = { .settings = pfw_settings_default };
	struct pfw_flow flow;

	put(&ruleset, "self", "198.51.100.1", NULL, NULL, PFW_SNAT_AUTO, true);
	/* With its word, the other must speak too. */
	put(&ruleset, "masked", NULL, NULL, "10.0.0.2", PFW_SNAT_MASQUERADE, true);
	flow = flow_of(&ruleset, "self");
	expect(&flow, PFW_TIER_ADDRESS, "198.51.100.1", "", "0.0.0.0");
	ck_assert(flow.self && !flow.remote);
	ck_assert_int_eq(flow.source, PFW_SOURCE_AUTO);
	pfw_ruleset_free(&ruleset);
}
END_TEST

/* A word that is only there because of another forward changes nothing. */
START_TEST(words_on_the_source)
{
	struct pfw_ruleset ruleset = { .settings = pfw_settings_default };
	struct pfw_flow alone, among;

	put(&ruleset, "auto", "198.51.100.1", NULL, "10.0.0.2", PFW_SNAT_AUTO, true);
	alone = flow_of(&ruleset, "auto");
	put(&ruleset, "masked", "198.51.100.2", NULL, "10.0.0.2", PFW_SNAT_MASQUERADE, true);
	put(&ruleset, "none", "198.51.100.3", NULL, "10.0.0.2", PFW_SNAT_NONE, true);
	among = flow_of(&ruleset, "auto");
	ck_assert_int_eq(alone.source, PFW_SOURCE_AUTO);
	ck_assert_mem_eq(&alone, &among, sizeof(alone));
	among = flow_of(&ruleset, "masked");
	ck_assert_int_eq(among.source, PFW_SOURCE_MASQUERADE);
	among = flow_of(&ruleset, "none");
	ck_assert_int_eq(among.source, PFW_SOURCE_KEEP);
	pfw_ruleset_free(&ruleset);
}
END_TEST

/* All flows of a ruleset of these. */
static void flows_of(const struct sample *samples, size_t n, struct pfw_clients *clients,
		     struct pfw_flows *flows)
{
	struct pfw_ruleset ruleset = { 0 };
	struct pfw_error err = PFW_ERROR_INIT;
	struct pfw_image image = { 0 };
	struct pfw_plan plan;

	sample_ruleset(&ruleset, samples, n);
	sample_plan(&ruleset, &plan);
	ck_assert_int_eq(pfw_backend_nftables.compile(&plan, NULL, &image, &err), 0);
	ck_assert_int_eq(pfw_backend_nftables.flows(&image, NULL, NULL, clients, flows), 0);
	pfw_image_free(&image);
	pfw_plan_free(&plan);
	pfw_ruleset_free(&ruleset);
}

static bool admits(const struct pfw_clients *clients, const struct pfw_flow *flow,
		   const char *address)
{
	uint8_t bytes[16] = { 0 };

	ck_assert_int_eq(inet_pton(flow->key.family, address, bytes), 1);
	return pfw_clients_have(clients, flow->clients, bytes);
}

START_TEST(clients_of_a_chain)
{
	const struct sample sample = {
		.name = "some",
		.targets = "10.0.0.2 fd00::2",
		.sources = "203.0.113.0/24 203.0.114.0/24 198.51.100.7 2001:db8::/32",
		.excluded = "203.0.113.128/25 192.0.2.1 2001:db8:1::/48",
	};
	struct pfw_clients clients = { 0 };
	struct pfw_flows flows = { 0 };
	const struct pfw_flow *flow;
	size_t i;

	flows_of(&sample, 1, &clients, &flows);
	ck_assert_uint_eq(flows.n_flows, 2);
	for (i = 0; i < 2; i++) {
		flow = &flows.flows[i];
		if (flow->key.family == AF_INET) {
			ck_assert(admits(&clients, flow, "203.0.113.127"));
			ck_assert(!admits(&clients, flow, "203.0.113.128"));
			ck_assert(!admits(&clients, flow, "203.0.113.255"));
			ck_assert(admits(&clients, flow, "203.0.114.0"));
			ck_assert(admits(&clients, flow, "198.51.100.7"));
			ck_assert(!admits(&clients, flow, "198.51.100.8"));
			ck_assert(!admits(&clients, flow, "0.0.0.0"));
			ck_assert(!admits(&clients, flow, "255.255.255.255"));
		} else {
			ck_assert(admits(&clients, flow, "2001:db8::"));
			ck_assert(!admits(&clients, flow, "2001:db8:1::1"));
			ck_assert(admits(&clients, flow, "2001:db8:2::"));
			ck_assert(!admits(&clients, flow, "2001:db9::"));
		}
	}
	pfw_flows_free(&flows);
	pfw_clients_free(&clients);
}
END_TEST

START_TEST(own_source_address)
{
	const struct sample samples[] = {
		{ .name = "plain", .targets = "10.0.0.2", .ports = "80-90", .snat_address = "10.0.0.9" },
		{ .name = "chain", .targets = "10.0.0.3", .snat_address = "10.0.0.9", .log = true },
	};
	struct pfw_clients clients = { 0 };
	struct pfw_flows flows = { 0 };
	size_t i;

	flows_of(samples, COUNT(samples), &clients, &flows);
	ck_assert_uint_eq(flows.n_flows, 2);
	for (i = 0; i < flows.n_flows; i++) {
		ck_assert_int_eq(flows.flows[i].source, PFW_SOURCE_ADDRESS);
		ck_assert_mem_eq(flows.flows[i].source_address, "\x0a\0\0\x09", 4);
	}
	pfw_flows_free(&flows);
	pfw_clients_free(&clients);
}
END_TEST

/* Who is of no family's list is nobody's client; who is only excluded leaves all others. */
START_TEST(clients_at_the_edges)
{
	const struct sample samples[] = {
		{ .name = "six", .targets = "10.0.0.2", .ports = "1", .addresses = "198.51.100.1",
		  .sources = "0.0.0.0/1 128.0.0.0/1", .excluded = "255.255.255.255" },
		{ .name = "not", .targets = "10.0.0.2", .ports = "2", .addresses = "198.51.100.1",
		  .excluded = "0.0.0.0/8" },
		{ .name = "one", .targets = "10.0.0.2", .ports = "3", .addresses = "198.51.100.1",
		  .sources = "10.1.0.0/20" },
		{ .name = "none", .targets = "10.0.0.2 fd00::2", .ports = "4",
		  .sources = "2001:db8::1" },
	};
	struct pfw_clients clients = { 0 };
	struct pfw_flows flows = { 0 };
	const struct pfw_flow *flow;
	size_t i;

	flows_of(samples, COUNT(samples), &clients, &flows);
	ck_assert_uint_eq(flows.n_flows, 5);
	for (i = 0; i < flows.n_flows; i++) {
		flow = &flows.flows[i];
		if (flow->key.family == AF_INET6) {
			ck_assert(admits(&clients, flow, "2001:db8::1"));
			ck_assert(!admits(&clients, flow, "2001:db8::2"));
			continue;
		}
		ck_assert_int_eq(admits(&clients, flow, "0.0.0.0"), flow->key.port.lo == 1);
		ck_assert_int_eq(admits(&clients, flow, "1.0.0.0"), flow->key.port.lo < 3);
		ck_assert_int_eq(admits(&clients, flow, "255.255.255.255"), flow->key.port.lo == 2);
		ck_assert_int_eq(admits(&clients, flow, "10.1.15.255"), flow->key.port.lo < 4);
		ck_assert_int_eq(admits(&clients, flow, "10.1.16.0"), flow->key.port.lo < 3);
	}
	pfw_flows_free(&flows);
	pfw_clients_free(&clients);
}
END_TEST

static size_t count_to(const struct pfw_flows *flows, const char *target, uint16_t lo, uint16_t hi)
{
	uint8_t bytes[16] = { 0 };
	size_t i, n = 0;

	ck_assert_int_eq(inet_pton(AF_INET, target, bytes), 1);
	for (i = 0; i < flows->n_flows; i++)
		n += !memcmp(flows->flows[i].target, bytes, sizeof(bytes)) &&
		     flows->flows[i].port.lo == lo && flows->flows[i].port.hi == hi;
	return n;
}

/* Through elements or a chain, within limits or without, a forward does the same. */
START_TEST(every_target)
{
	const struct sample samples[] = {
		{ .name = "pool", .ports = "1", .targets = "10.0.0.2@81*3 10.0.0.3@82 10.0.0.4@83",
		  .limit = { .connections = 3 } },
		{ .name = "kept", .ports = "2-9", .targets = "10.0.0.5 10.0.0.6",
		  .balance = PFW_BALANCE_SOURCE },
		{ .name = "shift", .ports = "10-19", .targets = "10.0.0.7@110-119", .log = true },
		{ .name = "plain", .ports = "20-29", .targets = "10.0.0.8@120-129",
		  .snat = PFW_SNAT_MASQUERADE },
		{ .name = "many", .ports = "30-39", .targets = "10.0.0.9@80", .log = true },
		{ .name = "self", .ports = "40-49", .targets = "self@140-149", .protocols = "udp",
		  .addresses = "198.51.100.1" },
		{ .name = "logged", .ports = "50", .targets = "10.0.0.10", .log = true },
	};
	struct pfw_clients clients = { 0 };
	struct pfw_flows flows = { 0 };
	size_t i, selves = 0;

	flows_of(samples, COUNT(samples), &clients, &flows);
	ck_assert_uint_eq(clients.n_lists, 0);
	ck_assert_uint_eq(flows.n_flows, 3 + 2 + 1 + 10 + 1 + 1 + 1);
	ck_assert_uint_eq(count_to(&flows, "10.0.0.2", 81, 81), 1);
	ck_assert_uint_eq(count_to(&flows, "10.0.0.3", 82, 82), 1);
	ck_assert_uint_eq(count_to(&flows, "10.0.0.4", 83, 83), 1);
	ck_assert_uint_eq(count_to(&flows, "10.0.0.5", 0, 0), 1);
	ck_assert_uint_eq(count_to(&flows, "10.0.0.6", 0, 0), 1);
	ck_assert_uint_eq(count_to(&flows, "10.0.0.7", 110, 119), 1);
	ck_assert_uint_eq(count_to(&flows, "10.0.0.9", 80, 80), 1);
	ck_assert_uint_eq(count_to(&flows, "10.0.0.10", 50, 50), 1);
	for (i = 0; i < flows.n_flows; i++) {
		const struct pfw_flow *flow = &flows.flows[i];

		ck_assert_int_eq(flow->wide, flow->key.port.lo > 1 && flow->key.port.lo < 50);
		ck_assert_int_eq(flow->source, flow->key.port.lo >= 20 && flow->key.port.lo < 30 ?
						       PFW_SOURCE_MASQUERADE : PFW_SOURCE_AUTO);
		if (flow->key.port.lo >= 20 && flow->key.port.lo < 30)
			ck_assert_uint_eq(flow->port.lo, flow->key.port.lo + 100u);
		if (!flow->self)
			continue;
		selves++;
		ck_assert_uint_eq(flow->port.lo, 140);
		ck_assert_uint_eq(flow->port.hi, 149);
	}
	ck_assert_uint_eq(selves, 1);
	pfw_flows_free(&flows);
	pfw_clients_free(&clients);
}
END_TEST

/* Who shares a key has his own target and his own word on the source. */
START_TEST(several_on_one_key)
{
	const struct sample samples[] = {
		{ .name = "all", .targets = "10.0.0.2", .snat = PFW_SNAT_MASQUERADE },
		{ .name = "few", .targets = "10.0.0.3", .sources = "203.0.113.0/24",
		  .expires = SAMPLE_FAR },
		{ .name = "one", .targets = "10.0.0.4", .sources = "203.0.113.7",
		  .snat = PFW_SNAT_NONE, .local = PFW_OFF },
	};
	static const uint8_t sources[] = {
		PFW_SOURCE_MASQUERADE, PFW_SOURCE_AUTO, PFW_SOURCE_KEEP,
	};
	uint32_t of[3] = { 0 };
	struct pfw_clients clients = { 0 };
	struct pfw_flows flows = { 0 };
	size_t i;

	flows_of(samples, COUNT(samples), &clients, &flows);
	ck_assert_uint_eq(flows.n_flows, 3);
	for (i = 0; i < 3; i++) {
		const struct pfw_flow *flow = &flows.flows[i];

		ck_assert_uint_ge(flow->target[3], 2);
		ck_assert_uint_le(flow->target[3], 4);
		of[flow->target[3] - 2] = flow->clients;
		ck_assert_int_eq(flow->source, sources[flow->target[3] - 2]);
		ck_assert_int_eq(flow->remote, flow->target[3] == 4);
	}
	ck_assert_uint_eq(of[0], 0);
	ck_assert(pfw_clients_within(&clients, of[1], of[0]));
	ck_assert(pfw_clients_within(&clients, of[2], of[1]));
	ck_assert(!pfw_clients_within(&clients, of[1], of[2]));
	ck_assert(!pfw_clients_within(&clients, of[1], of[1]));
	pfw_flows_free(&flows);
	pfw_clients_free(&clients);
}
END_TEST

TCase *flows_case(void)
{
	TCase *tcase;

	UNIT_CASE(tcase, "flows", every_tier_and_family, the_machine_itself, words_on_the_source,
		  clients_of_a_chain, own_source_address, clients_at_the_edges, every_target, several_on_one_key);
	return tcase;
}
