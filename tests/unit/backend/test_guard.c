/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the guard makes of the facts: the rules, and the stamp that tells one guard from another. */
#include <sys/socket.h>

#include "cases.h"
#include "portfwd/backend/backend.h"
#include "portfwd/base/text.h"

static struct pfw_ports port = { 80, 80 };
static struct pfw_addr other = { AF_INET, { 10, 0, 0, 9 } };

/* A machine that does not route, with these interfaces. */
static struct pfw_facts facts_off(const char *const *links)
{
	struct pfw_facts facts = { 0 };

	for (; *links; links++) {
		ck_assert_int_eq(pfw_links_add(&facts.guarded[0], *links, 0, false), 0);
		ck_assert_int_eq(pfw_links_add(&facts.guarded[1], *links, 0, false), 0);
	}
	return facts;
}
#define LINKS(...) ((const char *const[]){ __VA_ARGS__, NULL })

/* port 80 of this address (NULL: any) to port `to` of 10.0.0.2. */
static void put(struct pfw_ruleset *ruleset, const char *name, struct pfw_addr *listen, uint16_t to)
{
	struct pfw_target target = {
		.address = { AF_INET, { 10, 0, 0, 2 } }, .port = { to, to },
	};
	struct pfw_forward forward = {
		.name = name, .enabled = true,
		.listen = { .addresses = listen, .n_addresses = listen ? 1 : 0, .ports = &port,
			    .n_ports = 1, .protocols = PFW_TCP },
		.targets = &target, .n_targets = 1,
	};

	ck_assert_int_eq(pfw_ruleset_put(ruleset, &forward, NULL), 0);
}

/* The table as text. */
static char *table(const struct pfw_ruleset *ruleset, const struct pfw_facts *facts)
{
	struct pfw_error err = PFW_ERROR_INIT;
	struct pfw_buffer text = { 0 };
	struct pfw_image image = { 0 };
	struct pfw_plan plan;

	ck_assert_int_eq(pfw_plan_make(ruleset, facts, NULL, NULL, &plan, &err), 0);
	ck_assert_int_eq(pfw_backend_nftables.compile(&plan, NULL, &image, &err), 0);
	pfw_backend_nftables.formats[0].write(&image, &text);
	ck_assert(!text.failed);
	pfw_image_free(&image);
	pfw_plan_free(&plan);
	return text.data;
}

static void has(const char *text, const char *part)
{
	ck_assert_msg(strstr(text, part) != NULL, "\"%s\" is not in:\n%s", part, text);
}

static void lacks(const char *text, const char *part)
{
	ck_assert_msg(!strstr(text, part), "\"%s\" is in:\n%s", part, text);
}

START_TEST(test_rules)
{
	struct pfw_ruleset ruleset = { .settings = pfw_settings_default };
	struct pfw_facts facts = facts_off(LINKS("wan0", "lan0"));
	char *text;

	put(&ruleset, "web", NULL, 8080);
	text = table(&ruleset, &facts);
	has(text, "\tset guarded4 {\n\t\ttype ifname\n\t\telements = {\n"
		  "\t\t\t\"lan0\",\n\t\t\t\"wan0\"\n\t\t}\n\t}\n");
	has(text, "\tchain guard {\n\t\tct status dnat accept\n\t\tdrop\n\t}\n");
	has(text, "\tchain forward {\n"
		  "\t\ttype filter hook forward priority 0; policy accept;\n"
		  "\t\tct state established,related accept\n"
		  "\t\tmeta nfproto ipv4 iifname @guarded4 oifname @earlier4 goto guard\n\t}\n");
	has(text, "\tset earlier4 {\n\t\ttype ifname\n\t\telements = {\n"
		  "\t\t\t\"lan0\",\n\t\t\t\"wan0\"\n\t\t}\n\t}\n");
	/* No forward needs IPv6, so nobody switches that on. */
	lacks(text, "guarded6");
	free(text);
	pfw_facts_free(&facts);
	pfw_ruleset_free(&ruleset);
}
END_TEST

START_TEST(test_when)
{
	/* The columns are those of IPv4, which the forward needs, and whether it is guarded. */
	static const struct {
		bool on, held, ip_forward, guard, guarded;
	} rows[] = {
		{ false, false, true, true, true },	/* about to be switched on */
		{ true, true, true, true, true },
		{ true, true, false, true, true },	/* the setting came later */
		{ false, true, true, true, true },
		{ true, false, true, true, false },	/* the administrator's */
		{ false, false, false, true, false },
		{ false, false, true, false, false },
		{ true, true, true, false, false },
	};
	struct pfw_ruleset ruleset = { .settings = pfw_settings_default };
	struct pfw_facts facts = facts_off(LINKS("lan0"));
	char *text;
	size_t i;

	put(&ruleset, "web", NULL, 8080);
	for (i = 0; i < COUNT(rows); i++) {
		facts.routing_on[0] = rows[i].on;
		facts.routing_held[0] = rows[i].held;
		ruleset.settings.ip_forward = rows[i].ip_forward;
		ruleset.settings.guard = rows[i].guard;
		text = table(&ruleset, &facts);
		ck_assert_msg((strstr(text, "guard") != NULL) == rows[i].guarded, "row %zu:\n%s", i,
			      text);
		free(text);
	}
	pfw_facts_free(&facts);
	pfw_ruleset_free(&ruleset);
}
END_TEST

/* Routing that is held outlives the forwards, and so must its guard. */
START_TEST(test_without_forwards)
{
	struct pfw_ruleset ruleset = { .settings = pfw_settings_default };
	struct pfw_facts facts = facts_off(LINKS("lan0"));
	char *text = table(&ruleset, &facts);

	lacks(text, "chain");
	free(text);
	facts.routing_on[1] = facts.routing_held[1] = true;
	text = table(&ruleset, &facts);
	has(text, "meta nfproto ipv6 iifname @guarded6 oifname @earlier6 goto guard");
	lacks(text, "guarded4");
	lacks(text, "prerouting");
	free(text);
	pfw_facts_free(&facts);
	pfw_ruleset_free(&ruleset);
}
END_TEST

static bool same_stamp(const struct pfw_ruleset *ruleset, const struct pfw_facts *a,
		       const struct pfw_facts *b)
{
	char *one = table(ruleset, a), *two = table(ruleset, b);
	const char *stamp = strstr(one, "set revision"), *other_stamp = strstr(two, "set revision");
	bool same;

	ck_assert(stamp && other_stamp);
	same = !strncmp(stamp, other_stamp, strcspn(stamp, "}"));
	free(one);
	free(two);
	return same;
}

/* A stamp that is the same for two guards would let a change pass that the kernel lacks. */
START_TEST(test_stamp)
{
	struct pfw_ruleset ruleset = { .settings = pfw_settings_default };
	struct pfw_facts facts = facts_off(LINKS("lan0", "wan0"));
	struct pfw_facts again = facts_off(LINKS("wan0", "lan0"));
	struct pfw_facts more = facts_off(LINKS("lan0", "wan0", "late0"));
	struct pfw_facts none = { 0 }, open = { .routing_on = { true, true } };
	struct pfw_facts held;

	put(&ruleset, "web", NULL, 8080);
	ck_assert(same_stamp(&ruleset, &facts, &again));
	ck_assert(!same_stamp(&ruleset, &facts, &more));
	ck_assert(!same_stamp(&ruleset, &facts, &none));
	ck_assert(!same_stamp(&ruleset, &facts, &open));
	ck_assert(!same_stamp(&ruleset, &none, &open));
	/* What is about to be switched on and what has been: the next command finds its stamp. */
	held = facts;
	held.routing_on[0] = held.routing_held[0] = true;
	ck_assert(same_stamp(&ruleset, &facts, &held));
	held.routing_on[1] = held.routing_held[1] = true;
	ck_assert(!same_stamp(&ruleset, &facts, &held));
	/* Where nothing is guarded, interfaces come and go as they like. */
	more.routing_on[0] = more.routing_on[1] = true;
	ck_assert(same_stamp(&ruleset, &open, &more));
	pfw_facts_free(&facts);
	pfw_facts_free(&again);
	pfw_facts_free(&more);
	pfw_ruleset_free(&ruleset);
}
END_TEST

/* A rewrite that changes nothing leaves no trace in conntrack. */
START_TEST(test_unchanged)
{
	struct pfw_addr same = { AF_INET, { 10, 0, 0, 2 } };
	struct pfw_ruleset ruleset = { .settings = pfw_settings_default };
	struct pfw_facts facts = facts_off(LINKS("lan0"));
	char *text;

	put(&ruleset, "other-port", &same, 8080);
	put(&ruleset, "other-address", &other, 80);
	text = table(&ruleset, &facts);
	lacks(text, "unchanged");
	free(text);
	put(&ruleset, "other-port", &same, 80);
	text = table(&ruleset, &facts);
	has(text, "\tmap unchanged4_addr {\n\t\ttype ipv4_addr . inet_proto . inet_service : verdict\n"
		  "\t\tflags timeout\n\t\telements = {\n"
		  "\t\t\t10.0.0.2 . tcp . 80 comment \"other-port\" : accept\n\t\t}\n\t}\n");
	has(text, "\tchain guard {\n\t\tct status dnat accept\n"
		  "\t\tmeta l4proto { tcp, udp, sctp } meta nfproto ipv4 "
		  "ip daddr . meta l4proto . th dport vmap @unchanged4_addr\n\t\tdrop\n\t}\n");
	lacks(text, "unchanged4_addr_if");
	free(text);
	/* A port that is kept is the same. */
	put(&ruleset, "other-port", &same, 0);
	text = table(&ruleset, &facts);
	has(text, "10.0.0.2 . tcp . 80 comment \"other-port\" : accept\n");
	free(text);
	ruleset.settings.guard = false;
	text = table(&ruleset, &facts);
	lacks(text, "unchanged");
	free(text);
	pfw_facts_free(&facts);
	pfw_ruleset_free(&ruleset);
}
END_TEST

/* What forwarded by itself before must go on to, and nothing else may join it. */
START_TEST(test_roles)
{
	struct pfw_ruleset ruleset = { .settings = pfw_settings_default };
	struct pfw_facts facts = facts_off(LINKS("lan0", "wan0"));
	struct pfw_facts other_one = facts_off(LINKS("lan0", "wan0"));
	struct pfw_facts both = facts_off(LINKS("lan0", "wan0"));
	struct pfw_facts none = facts_off(LINKS("lan0", "wan0"));
	char *text;

	put(&ruleset, "web", NULL, 8080);
	facts.guarded[0].list[0].routed = other_one.guarded[0].list[1].routed = true;
	both.guarded[0].list[0].routed = both.guarded[0].list[1].routed = true;
	text = table(&ruleset, &facts);
	has(text, "\tset guarded4 {\n\t\ttype ifname\n\t\telements = {\n\t\t\t\"wan0\"\n\t\t}\n\t}\n");
	has(text, "\tset earlier4 {\n\t\ttype ifname\n\t\telements = {\n"
		  "\t\t\t\"lan0\",\n\t\t\t\"wan0\"\n\t\t}\n\t}\n");
	free(text);
	ck_assert(!same_stamp(&ruleset, &facts, &none));
	ck_assert(!same_stamp(&ruleset, &facts, &other_one));
	ck_assert(!same_stamp(&ruleset, &both, &none));
	/* The index is no part of what stands. */
	none.guarded[0].list[0].index = 3;
	ck_assert(same_stamp(&ruleset, &none, &none));
	pfw_facts_free(&facts);
	pfw_facts_free(&other_one);
	pfw_facts_free(&both);
	pfw_facts_free(&none);
	pfw_ruleset_free(&ruleset);
}
END_TEST

/* nft would read such a name as something else, and with it nobody's ruleset. */
START_TEST(test_names)
{
	static const struct {
		const char *name;
		bool fine;
	} rows[] = {
		{ "eth0.100", true }, { "a*b", true }, { "b\\c", true }, { "\xc3\xa4", true },
		{ "all", true }, { "\xff", true }, { "\x1b[1m", true }, { "wan*", false }, { "*", false }, { "a\"b", false },
	};
	struct pfw_ruleset ruleset = { .settings = pfw_settings_default };
	struct pfw_facts facts;
	char element[32], *text;
	size_t i;

	put(&ruleset, "web", NULL, 8080);
	for (i = 0; i < COUNT(rows); i++) {
		facts = facts_off(LINKS("lan0", rows[i].name));
		text = table(&ruleset, &facts);
		snprintf(element, sizeof(element), "\t\"%s\"", rows[i].name);
		/* As people see it; what is compared is the bytes. */
		pfw_text_clean(element + 1);
		ck_assert_msg((strstr(text, element) != NULL) == rows[i].fine, "%s", text);
		has(text, "\"lan0\"");
		ck_assert_msg(pfw_backend_nftables.guard_holds(rows[i].name) == rows[i].fine, "%s",
			      rows[i].name);
		free(text);
		pfw_facts_free(&facts);
	}
	pfw_ruleset_free(&ruleset);
}
END_TEST

TCase *guard_case(void)
{
	TCase *tcase;

	UNIT_CASE(tcase, "guard", test_rules, test_when, test_without_forwards, test_stamp,
		  test_unchanged, test_roles, test_names);
	return tcase;
}
