/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which entries of the kernel's table are cut. If this fails, a removed forward's connections
 * go on, or somebody else's are cut.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>

#include "../../../src/engine/match.h"
#include "cases.h"

#define WAN "198.51.100.1"
#define LAN "10.0.0.1"
#define ELSEWHERE "203.0.113.7"
#define CLIENT "198.51.100.9"
#define SERVER "10.0.0.2"
#define SECOND "10.0.0.3"

static uint8_t fill(const char *text, uint8_t bytes[16])
{
	uint8_t family = strchr(text, ':') ? AF_INET6 : AF_INET;

	memset(bytes, 0, 16);
	ck_assert_int_eq(inet_pton(family, text, bytes), 1);
	return family;
}

/* The machine of these tests has two addresses of each family, and those of its loopback. */
static int is_own(void *ctx, uint8_t family, const uint8_t address[16], bool *ret,
		  struct pfw_error *err)
{
	static const char *const own[] = { WAN, LAN, "127.0.0.1", "2001:db8::1", "fd00::1", "::1" };
	uint8_t bytes[16];
	size_t i;

	(void)err;
	if (ctx)
		return -EIO;
	*ret = false;
	for (i = 0; i < COUNT(own); i++)
		if (fill(own[i], bytes) == family && !memcmp(bytes, address, sizeof(bytes)))
			*ret = true;
	return 0;
}

/* A UDP or TCP flow of port 53 to a target's port 5353; address or ifname may be NULL. */
static struct pfw_flow flow_to(uint8_t protocol, const char *address, const char *ifname,
			       const char *target)
{
	struct pfw_flow flow = { .key = { .protocol = protocol, .port = { 53, 53 } } };

	flow.self = !target;
	flow.port = (struct pfw_ports){ 5353, 5353 };
	flow.key.family = target ? fill(target, flow.target) : AF_INET;
	if (address)
		fill(address, flow.key.address);
	if (ifname)
		snprintf(flow.key.ifname, sizeof(flow.key.ifname), "%s", ifname);
	flow.remote = ifname != NULL;
	flow.key.tier = address && ifname ? PFW_TIER_ADDRESS_INTERFACE :
			address		  ? PFW_TIER_ADDRESS :
			ifname		  ? PFW_TIER_INTERFACE :
					    PFW_TIER_ANY;
	return flow;
}

/* An entry from a client to port 53; answered by target's port 5353, or not rewritten at all. */
static struct pfw_connection entry(uint8_t protocol, const char *source, const char *destination,
				   const char *target)
{
	struct pfw_connection entry = { .protocol = protocol, .port = 53, .dnat = target };

	entry.family = fill(source, entry.source);
	fill(destination, entry.destination);
	fill(target ? target : destination, entry.target);
	entry.target_port = target ? 5353 : 53;
	return entry;
}

static struct match match;

static void begin(void)
{
	match = (struct match){ .own = is_own };
}

static void end(void)
{
	match_free(&match);
}

static void lose(struct pfw_flow flow)
{
	ck_assert_int_eq(flow_set_add(&match.lost, &flow), 0);
}

static void stand(struct pfw_flow flow)
{
	ck_assert_int_eq(flow_set_add(&match.standing, &flow), 0);
}

/* What is gained stands, too. */
static void gain(struct pfw_flow flow)
{
	ck_assert_int_eq(flow_set_add(&match.gained, &flow), 0);
	stand(flow);
}

static int cut(struct pfw_connection connection)
{
	struct pfw_error err = PFW_ERROR_INIT;

	return match_is_cut(&match, &connection, &err);
}

START_TEST(lost_by_its_address)
{
	struct pfw_connection other;

	lose(flow_to(IPPROTO_TCP, WAN, NULL, SERVER));
	ck_assert_int_eq(cut(entry(IPPROTO_TCP, CLIENT, WAN, SERVER)), 1);
	ck_assert_int_eq(cut(entry(IPPROTO_TCP, WAN, WAN, SERVER)), 1);
	ck_assert_int_eq(cut(entry(IPPROTO_UDP, CLIENT, WAN, SERVER)), 0);
	ck_assert_int_eq(cut(entry(IPPROTO_TCP, CLIENT, LAN, SERVER)), 0);
	ck_assert_int_eq(cut(entry(IPPROTO_TCP, CLIENT, WAN, SECOND)), 0);
	ck_assert_int_eq(cut(entry(IPPROTO_TCP, CLIENT, WAN, NULL)), 0);
	other = entry(IPPROTO_TCP, CLIENT, WAN, SERVER);
	other.target_port = 80;
	ck_assert_int_eq(cut(other), 0);
	other = entry(IPPROTO_TCP, CLIENT, WAN, SERVER);
	other.port = 54;
	ck_assert_int_eq(cut(other), 0);
}
END_TEST

START_TEST(lost_on_any_address)
{
	lose(flow_to(IPPROTO_TCP, NULL, NULL, SERVER));
	ck_assert_int_eq(cut(entry(IPPROTO_TCP, CLIENT, WAN, SERVER)), 1);
	ck_assert_int_eq(cut(entry(IPPROTO_TCP, CLIENT, LAN, SERVER)), 1);
	/* What only passes was never ours, nor what went to the machine's loopback. */
	ck_assert_int_eq(cut(entry(IPPROTO_TCP, CLIENT, ELSEWHERE, SERVER)), 0);
	ck_assert_int_eq(cut(entry(IPPROTO_TCP, "127.0.0.1", "127.0.0.1", SERVER)), 0);
}
END_TEST

START_TEST(families_by_data)
{
	lose(flow_to(IPPROTO_TCP, NULL, NULL, "fd00::2"));
	lose(flow_to(IPPROTO_TCP, "2001:db8::1", NULL, "fd00::3"));
	ck_assert_int_eq(cut(entry(IPPROTO_TCP, "2001:db8::9", "2001:db8::1", "fd00::2")), 1);
	ck_assert_int_eq(cut(entry(IPPROTO_TCP, "2001:db8::9", "2001:db8::1", "fd00::3")), 1);
	ck_assert_int_eq(cut(entry(IPPROTO_TCP, "2001:db8::9", "fd00::1", "fd00::3")), 0);
	ck_assert_int_eq(cut(entry(IPPROTO_TCP, "2001:db8::9", "2001:db8::7", "fd00::2")), 0);
	ck_assert_int_eq(cut(entry(IPPROTO_TCP, CLIENT, WAN, SERVER)), 0);
}
END_TEST

START_TEST(the_machines_own_connections)
{
	struct pfw_flow narrower = flow_to(IPPROTO_TCP, NULL, NULL, SERVER);

	narrower.remote = 1;
	lose(flow_to(IPPROTO_TCP, NULL, NULL, SERVER));
	stand(narrower);
	ck_assert_int_eq(cut(entry(IPPROTO_TCP, WAN, WAN, SERVER)), 1);
	ck_assert_int_eq(cut(entry(IPPROTO_TCP, CLIENT, WAN, SERVER)), 0);
}
END_TEST

START_TEST(to_the_machine_itself)
{
	lose(flow_to(IPPROTO_TCP, NULL, NULL, NULL));
	lose(flow_to(IPPROTO_TCP, ELSEWHERE, NULL, NULL));
	ck_assert_int_eq(cut(entry(IPPROTO_TCP, CLIENT, WAN, WAN)), 1);
	ck_assert_int_eq(cut(entry(IPPROTO_TCP, CLIENT, ELSEWHERE, WAN)), 1);
	ck_assert_int_eq(cut(entry(IPPROTO_TCP, LAN, WAN, "127.0.0.1")), 1);
	ck_assert_int_eq(cut(entry(IPPROTO_TCP, CLIENT, WAN, SERVER)), 0);
	ck_assert_int_eq(cut(entry(IPPROTO_TCP, CLIENT, ELSEWHERE, SERVER)), 0);
}
END_TEST

START_TEST(what_another_forward_holds_stays)
{
	lose(flow_to(IPPROTO_TCP, WAN, "wan0", SERVER));
	ck_assert_int_eq(cut(entry(IPPROTO_TCP, CLIENT, WAN, SERVER)), 1);
	stand(flow_to(IPPROTO_TCP, WAN, NULL, SECOND));
	ck_assert_int_eq(cut(entry(IPPROTO_TCP, CLIENT, WAN, SERVER)), 1);
	stand(flow_to(IPPROTO_TCP, NULL, NULL, SERVER));
	ck_assert_int_eq(cut(entry(IPPROTO_TCP, CLIENT, WAN, SERVER)), 0);
}
END_TEST

START_TEST(another_word_on_the_source)
{
	struct pfw_flow masked = flow_to(IPPROTO_TCP, WAN, NULL, SERVER);

	masked.source = PFW_SOURCE_MASQUERADE;
	lose(flow_to(IPPROTO_TCP, WAN, NULL, SERVER));
	stand(masked);
	ck_assert_int_eq(cut(entry(IPPROTO_TCP, CLIENT, WAN, SERVER)), 1);
}
END_TEST

START_TEST(what_rewrites_nothing_is_not_cut)
{
	struct pfw_flow same = flow_to(IPPROTO_TCP, WAN, NULL, WAN);

	same.port = same.key.port;
	lose(same);
	ck_assert_int_eq(cut(entry(IPPROTO_TCP, CLIENT, WAN, NULL)), 0);
}
END_TEST

START_TEST(udp_that_would_go_past)
{
	gain(flow_to(IPPROTO_UDP, NULL, NULL, SERVER));
	ck_assert_int_eq(cut(entry(IPPROTO_UDP, CLIENT, WAN, NULL)), 1);
	ck_assert_int_eq(cut(entry(IPPROTO_UDP, WAN, WAN, NULL)), 1);
	/* By it already; passing; loopback; another's. */
	ck_assert_int_eq(cut(entry(IPPROTO_UDP, CLIENT, WAN, SERVER)), 0);
	ck_assert_int_eq(cut(entry(IPPROTO_UDP, CLIENT, ELSEWHERE, NULL)), 0);
	ck_assert_int_eq(cut(entry(IPPROTO_UDP, "127.0.0.1", "127.0.0.1", NULL)), 0);
	ck_assert_int_eq(cut(entry(IPPROTO_UDP, CLIENT, WAN, SECOND)), 0);
	ck_assert_int_eq(cut(entry(IPPROTO_TCP, CLIENT, WAN, NULL)), 0);
}
END_TEST

START_TEST(udp_by_precedence)
{
	gain(flow_to(IPPROTO_UDP, WAN, NULL, SERVER));
	stand(flow_to(IPPROTO_UDP, NULL, "wan0", SECOND));
	/* The interface is asked after the address, so this would be the gained one's. */
	ck_assert_int_eq(cut(entry(IPPROTO_UDP, CLIENT, WAN, SECOND)), 1);
	ck_assert_int_eq(cut(entry(IPPROTO_UDP, CLIENT, LAN, SECOND)), 0);
	/* And this one is asked before. */
	stand(flow_to(IPPROTO_UDP, WAN, "lan0", "10.0.0.4"));
	ck_assert_int_eq(cut(entry(IPPROTO_UDP, CLIENT, WAN, "10.0.0.4")), 0);
}
END_TEST

START_TEST(ranges)
{
	struct pfw_flow kept = flow_to(IPPROTO_TCP, WAN, NULL, SERVER);
	struct pfw_connection connection = entry(IPPROTO_TCP, CLIENT, WAN, SERVER);

	kept.key.port = (struct pfw_ports){ 50, 60 };
	kept.port = (struct pfw_ports){ 0, 0 };
	lose(kept);
	ck_assert_int_eq(cut(connection), 0);
	connection.target_port = 53;
	ck_assert_int_eq(cut(connection), 1);
	connection.port = connection.target_port = 61;
	ck_assert_int_eq(cut(connection), 0);
}
END_TEST

START_TEST(ranges_shifted)
{
	struct pfw_flow shifted = flow_to(IPPROTO_TCP, WAN, NULL, SERVER);
	struct pfw_connection connection = entry(IPPROTO_TCP, CLIENT, WAN, SERVER);

	shifted.key.port = (struct pfw_ports){ 50, 60 };
	shifted.port = (struct pfw_ports){ 5350, 5360 };
	lose(shifted);
	ck_assert_int_eq(cut(connection), 1);
	connection.target_port = 5354;
	ck_assert_int_eq(cut(connection), 0);
	connection.port = 54;
	ck_assert_int_eq(cut(connection), 1);
	connection.port = 61;
	connection.target_port = 5361;
	ck_assert_int_eq(cut(connection), 0);
}
END_TEST

/* A list of one address. */
static uint32_t only(const char *address)
{
	struct pfw_client_range range = { 0 };
	uint32_t list;

	fill(address, range.low);
	fill(address, range.high);
	ck_assert_int_eq(pfw_clients_add(&match.clients, &range, 1, &list), 0);
	return list;
}

START_TEST(by_client)
{
	struct pfw_flow few = flow_to(IPPROTO_TCP, WAN, NULL, SERVER);

	few.clients = only(CLIENT);
	lose(few);
	ck_assert_int_eq(cut(entry(IPPROTO_TCP, CLIENT, WAN, SERVER)), 1);
	ck_assert_int_eq(cut(entry(IPPROTO_TCP, ELSEWHERE, WAN, SERVER)), 0);
	few.clients = only(ELSEWHERE);
	stand(few);
	ck_assert_int_eq(cut(entry(IPPROTO_TCP, CLIENT, WAN, SERVER)), 1);
	stand(flow_to(IPPROTO_TCP, WAN, NULL, SERVER));
	ck_assert_int_eq(cut(entry(IPPROTO_TCP, CLIENT, WAN, SERVER)), 0);
}
END_TEST

/* One key, one target, another word on the source: whose connection it was counts. */
START_TEST(by_client_and_source)
{
	struct pfw_flow few = flow_to(IPPROTO_TCP, WAN, NULL, SERVER);

	few.clients = only(CLIENT);
	few.source = PFW_SOURCE_MASQUERADE;
	lose(flow_to(IPPROTO_TCP, WAN, NULL, SERVER));
	stand(few);
	ck_assert_int_eq(cut(entry(IPPROTO_TCP, CLIENT, WAN, SERVER)), 0);
	ck_assert_int_eq(cut(entry(IPPROTO_TCP, ELSEWHERE, WAN, SERVER)), 1);
	/* New, it takes over what was not its own. */
	gain(few);
	ck_assert_int_eq(cut(entry(IPPROTO_TCP, CLIENT, WAN, SERVER)), 1);
}
END_TEST

START_TEST(udp_by_client)
{
	struct pfw_flow few = flow_to(IPPROTO_UDP, WAN, NULL, SERVER);

	few.clients = only(CLIENT);
	gain(few);
	stand(flow_to(IPPROTO_UDP, WAN, NULL, SECOND));
	ck_assert_int_eq(cut(entry(IPPROTO_UDP, CLIENT, WAN, SECOND)), 1);
	ck_assert_int_eq(cut(entry(IPPROTO_UDP, ELSEWHERE, WAN, SECOND)), 0);
	ck_assert_int_eq(cut(entry(IPPROTO_UDP, CLIENT, WAN, NULL)), 1);
	ck_assert_int_eq(cut(entry(IPPROTO_UDP, ELSEWHERE, WAN, NULL)), 0);
}
END_TEST

START_TEST(a_failure_is_no_answer)
{
	lose(flow_to(IPPROTO_TCP, NULL, NULL, SERVER));
	match.ctx = &match;
	ck_assert_int_eq(cut(entry(IPPROTO_TCP, CLIENT, WAN, SERVER)), -EIO);
	ck_assert_int_eq(cut(entry(IPPROTO_TCP, CLIENT, WAN, SECOND)), 0);
}
END_TEST

/* Many flows of one destination, and of many, are each found, and stand once. */
START_TEST(sets)
{
	struct pfw_flow flow = flow_to(IPPROTO_TCP, NULL, "if0", SERVER);
	struct pfw_flows list = { 0 };
	struct flow_set set = { 0 };
	uint16_t i;

	for (i = 0; i < 1000; i++) {
		flow.key.port.lo = flow.key.port.hi = (uint16_t)(1 + i / 10);
		flow.key.ifname[2] = (char)('0' + i % 10);
		ck_assert_int_eq(pfw_flows_add(&list, &flow), 0);
	}
	ck_assert_int_eq(flow_set_fill(&set, &list), 0);
	ck_assert_ptr_null(list.flows);
	for (i = 0; i < 1000; i++) {
		flow = set.list.flows[i];
		ck_assert(flow_set_has(&set, &flow));
		ck_assert_int_eq(flow_set_add(&set, &flow), 0);
		flow.port.lo = 1;
		ck_assert(!flow_set_has(&set, &flow));
	}
	ck_assert_uint_eq(set.list.n_flows, 1000);
	ck_assert_int_eq(flow_set_add(&set, &flow), 0);
	ck_assert(flow_set_has(&set, &flow));
	flow_set_free(&set);
}
END_TEST

/* So many that each is looked for, and not in all of them in turn: that would take minutes. */
START_TEST(sets_of_ranges)
{
	struct pfw_flow flow = flow_to(IPPROTO_TCP, WAN, NULL, SERVER);
	struct flow_set set = { 0 };
	uint32_t i, lo;

	for (i = 0; i < 2 * 200000; i++) {
		lo = i % 200000;
		flow.key.port = (struct pfw_ports){ (uint16_t)(1 + lo % 60000), 65535 };
		flow.target[3] = (uint8_t)(lo / 60000);
		ck_assert_int_eq(flow_set_has(&set, &flow), i >= 200000);
		ck_assert_int_eq(flow_set_add(&set, &flow), 0);
	}
	ck_assert_uint_eq(set.list.n_flows, 200000);
	flow.remote = true;
	ck_assert(!flow_set_has(&set, &flow));
	flow_set_free(&set);
}
END_TEST

TCase *match_case(void)
{
	TCase *tcase;

	UNIT_CASE(tcase, "match", lost_by_its_address, lost_on_any_address, families_by_data,
		  the_machines_own_connections, to_the_machine_itself,
		  what_another_forward_holds_stays, another_word_on_the_source,
		  what_rewrites_nothing_is_not_cut, udp_that_would_go_past, udp_by_precedence,
		  ranges, ranges_shifted, by_client, by_client_and_source, udp_by_client,
		  a_failure_is_no_answer, sets, sets_of_ranges);
	tcase_add_checked_fixture(tcase, begin, end);
	return tcase;
}
