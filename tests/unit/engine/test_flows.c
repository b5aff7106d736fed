/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the nf_tables backend tells of its own objects is what the plan said. If this fails, the
 * wrong connections are cut.
 */
#include <arpa/inet.h>
#include <netinet/in.h>

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

TCase *flows_case(void)
{
	TCase *tcase;

	UNIT_CASE(tcase, "flows", every_tier_and_family, the_machine_itself, words_on_the_source);
	return tcase;
}
