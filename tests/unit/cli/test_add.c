/* SPDX-License-Identifier: GPL-2.0-or-later */
/* "add": from words to the JSON of a forward. */
#include <string.h>
#include <time.h>

#include "fake.h"
#include "portfwd/base/time.h"
#include "suites.h"

#define ADDED(json, ...) do { \
	EXPECT(0, "", "", "-q", "add", __VA_ARGS__); \
	ck_assert_int_eq(fake.verb, PFW_VERB_ADD); \
	EXPECT_REQUEST("{\"forward\": " json "}"); \
} while (0)

START_TEST(words_become_a_forward)
{
	ADDED("{\"listen\": \"8080\", \"target\": \"10.0.0.2:80\"}", "8080", "10.0.0.2:80");
	ADDED("{\"name\": \"web\", \"listen\": \"80,443/tcp+udp\", \"target\": \"self:8080\"}",
	      "web", "80,443/tcp+udp", "self:8080");
	ADDED("{\"listen\": \"80\", \"target\": [\"10.0.0.2\", \"fd00::2\"]}",
	      "80", "10.0.0.2,fd00::2");
}
END_TEST

START_TEST(options_become_keys)
{
	ADDED("{\"listen\": \"80\", \"target\": \"self\", \"snat\": \"masquerade\", "
	      "\"hairpin\": false, \"local\": false, \"enabled\": false, \"comment\": \"\"}",
	      "80", "self", "--snat", "masquerade", "--no-hairpin", "--no-local", "--disabled",
	      "--comment", "");
	ADDED("{\"listen\": \"80\", \"target\": \"self\", \"hairpin\": true, \"local\": true, "
	      "\"comment\": \"caf\u00e9, the one\"}",
	      "80", "self", "--hairpin", "--local", "--comment", "caf\u00e9, the one");
}
END_TEST

START_TEST(options_of_the_rule_language)
{
	ADDED("{\"listen\": \"80\", \"target\": [\"a\", \"b\"], \"balance\": \"source\", "
	      "\"log\": true, \"snat\": \"198.51.100.1\"}",
	      "80", "a,b", "--balance", "source", "--log", "--snat=198.51.100.1");
	ADDED("{\"listen\": \"8000-8100\", \"target\": \"self:80-180\", \"source\": "
	      "[\"10.0.0.0/8\", \"!10.1.0.0/16\", \"fd00::/8\"]}",
	      "8000-8100", "self:80-180", "--source", "10.0.0.0/8,!10.1.0.0/16", "--source=fd00::/8");
	ADDED("{\"listen\": \"80\", \"target\": \"self\", \"limit\": {\"rate\": \"50/second\", "
	      "\"burst\": 10, \"connections\": 20}}",
	      "80", "self", "--limit", "rate=50/second,burst=10,connections=20");
	/* What is no number stays a text, and what is no key stays a key, for the service. */
	ADDED("{\"listen\": \"80\", \"target\": \"self\", \"limit\": {\"burst\": \"1x\", "
	      "\"connections\": \"9999999999999999999\", \"x\": \"\", \"rate\": \"-1\"}}",
	      "80", "self", "--limit", "burst=1x,connections=9999999999999999999,x=,rate=-1");
	ADDED("{\"listen\": \"80\", \"target\": \"self\", \"expires\": "
	      "\"2027-01-31T14:00:00+02:00\"}",
	      "80", "self", "--expires", "2027-01-31T14:00:00+02:00");
	ADDED("{\"listen\": \"80\", \"target\": \"self\", \"expires\": \"tomorrow\"}",
	      "80", "self", "--expires", "tomorrow");
}
END_TEST

/* If this fails, a forward for two hours is gone at once, or stays. */
START_TEST(a_duration_ends_from_now)
{
	struct pfw_error err = PFW_ERROR_INIT;
	int64_t before = time(NULL), after, expires = 0;
	const char *text;
	json_t *forward;

	EXPECT(0, "", "", "-q", "add", "80", "self", "--expires", "1d12h");
	after = time(NULL);
	forward = json_object_get(fake.request, "forward");
	text = json_string_value(json_object_get(forward, "expires"));
	ck_assert_ptr_nonnull(text);
	ck_assert_int_eq(pfw_time_parse(text, strlen(text), &expires, &err), 0);
	ck_assert_int_ge(expires, before + 129600);
	ck_assert_int_le(expires, after + 129600);
}
END_TEST

START_TEST(wrong_limits_and_durations_are_refused)
{
	EXPECT(2, "", "portfwd: --limit takes KEY=VALUE[,KEY=VALUE...] with the keys rate, burst "
	       "and connections, not \"50/second\"\n", "add", "80", "self", "--limit", "50/second");
	EXPECT(2, "", "portfwd: --limit takes KEY=VALUE[,KEY=VALUE...] with the keys rate, burst "
	       "and connections, not \"\"\n", "add", "80", "self", "--limit", "rate=1/day,");
	EXPECT(2, "", "portfwd: --limit has \"rate\" twice\n",
	       "add", "80", "self", "--limit", "rate=1/day,rate=2/day");
	EXPECT(1, "", "portfwd: expires: 2x is not a duration such as 90s, 2h or 1d12h\n",
	       "add", "80", "self", "--expires", "2x");
	EXPECT(1, "", "portfwd: expires: \"\" is not a duration such as 90s, 2h or 1d12h\n",
	       "add", "80", "self", "--expires", "");
	EXPECT(1, "", "portfwd: expires: 253402300799s is too long a duration\n",
	       "add", "80", "self", "--expires", "253402300799s");
	EXPECT(1, "", "portfwd: source: this is not UTF-8 text\n", "add", "80", "self",
	       "--source", "10.0.0.1,\xff");
	EXPECT(1, "", "portfwd: limit.rate: this is not UTF-8 text\n", "add", "80", "self",
	       "--limit", "rate=\xff");
	ck_assert_uint_eq(fake.called, 0);
}
END_TEST

/* As with other programs: so that an alias can be overridden. */
START_TEST(the_last_of_two_options_counts)
{
	ADDED("{\"listen\": \"80\", \"target\": \"self\", \"hairpin\": true, \"snat\": \"none\"}",
	      "80", "self", "--no-hairpin", "--hairpin", "--snat", "auto", "--snat", "none");
}
END_TEST

START_TEST(requests_carry_drain)
{
	EXPECT(0, "", "", "add", "80", "self", "--replace", "--drain", "-q");
	ck_assert_ptr_nonnull(json_object_get(fake.request, "drain"));
	EXPECT(0, "", "", "remove", "web", "--drain", "-q");
	EXPECT_REQUEST("{\"names\": [\"web\"], \"drain\": true}");
	EXPECT(0, "", "", "-q", "disable", "--drain", "web");
	EXPECT_REQUEST("{\"names\": [\"web\"], \"drain\": true}");
	EXPECT(0, "", "", "-q", "reload", "--drain");
	EXPECT_REQUEST("{\"drain\": true}");
	EXPECT(2, "", "portfwd: \"flush\" takes no option \"--drain\"\n", "flush", "--drain");
}
END_TEST

START_TEST(requests_carry_replace_and_dry_run)
{
	EXPECT(0, "", "", "add", "80", "self", "--replace", "-nq");
	EXPECT_REQUEST("{\"forward\": {\"listen\": \"80\", \"target\": \"self\"}, "
		       "\"replace\": true, \"dry_run\": true}");
}
END_TEST

START_TEST(an_interface_cuts_the_listen_part)
{
	ADDED("{\"listen\": {\"port\": \"80\", \"interface\": [\"wan0\"]}, "
	      "\"target\": \"10.0.0.2\"}", "80", "10.0.0.2", "--interface", "wan0");
	ADDED("{\"listen\": {\"address\": \"198.51.100.1\", \"port\": [\"80\", \"443\"], "
	      "\"protocol\": [\"tcp\", \"udp\"], \"interface\": [\"wan0\", \"wan1\", \"x\"]}, "
	      "\"target\": \"10.0.0.2\"}", "198.51.100.1:80,443/tcp+udp", "10.0.0.2",
	      "--interface", "wan0,wan1", "--interface=x");
	ADDED("{\"listen\": {\"address\": \"2001:db8::1\", \"port\": \"443\", "
	      "\"protocol\": \"udp\", \"interface\": [\"wan0\"]}, \"target\": \"fd00::2\"}",
	      "[2001:db8::1]:443/udp", "fd00::2", "--interface", "wan0");
	ADDED("{\"listen\": {\"address\": \"*\", \"port\": \"53\", \"interface\": [\"wan0\"]}, "
	      "\"target\": \"self\"}", "*:53", "self", "--interface", "wan0");
}
END_TEST

/* The service refuses these; cutting must not make anything valid of them. */
START_TEST(what_cannot_be_cut_stays_whole)
{
	ADDED("{\"listen\": {\"port\": \"2001:db8::1:80\", \"interface\": [\"w\"]}, "
	      "\"target\": \"self\"}", "2001:db8::1:80", "self", "--interface", "w");
	ADDED("{\"listen\": {\"port\": \"[2001:db8::1]\", \"interface\": [\"w\"]}, "
	      "\"target\": \"self\"}", "[2001:db8::1]", "self", "--interface", "w");
	ADDED("{\"listen\": {\"address\": \"10.0.0.0/8\", \"port\": \"80\", "
	      "\"interface\": [\"w\"]}, \"target\": \"self\"}",
	      "10.0.0.0/8:80", "self", "--interface", "w");
	ADDED("{\"listen\": {\"address\": \"\", \"port\": \"80\", \"protocol\": \"\", "
	      "\"interface\": [\"w\", \"\"]}, \"target\": [\"self\", \"\"]}",
	      ":80/", "self,", "--interface", "w,");
	ADDED("{\"listen\": {\"port\": \"\", \"interface\": [\"w\"]}, \"target\": \"\"}",
	      "", "", "--interface", "w");
}
END_TEST

START_TEST(published_ports_are_the_docker_spelling)
{
	ADDED("{\"listen\": \"8080/tcp\", \"target\": \"10.0.0.2:80\"}",
	      "-p", "8080:10.0.0.2:80/tcp");
	ADDED("{\"listen\": \"198.51.100.1:8080\", \"target\": \"10.0.0.2:80\"}",
	      "-p", "198.51.100.1:8080:10.0.0.2:80");
	ADDED("{\"name\": \"web\", \"listen\": \"[2001:db8::1]:8080\", "
	      "\"target\": \"[fd00::2]:80\"}",
	      "web", "--publish", "[2001:db8::1]:8080:[fd00::2]:80");
	ADDED("{\"listen\": \"53/udp\", \"target\": \"[fd00::2]:53\"}",
	      "-p53:[fd00::2]:53/udp");
	ADDED("{\"listen\": {\"address\": \"198.51.100.1\", \"port\": \"80\", "
	      "\"protocol\": \"tcp\", \"interface\": [\"wan0\"]}, \"target\": \"10.0.0.2:80\"}",
	      "-p", "198.51.100.1:80:10.0.0.2:80/tcp", "--interface", "wan0");
}
END_TEST

#define NOT_PUBLISHED(text) \
	EXPECT(2, "", "portfwd: -p takes [HOST:]PORTS:TARGET:PORTS[/PROTO], not \"" text "\"\n", \
	       "add", "-p", text)

START_TEST(what_is_not_published_is_a_usage_error)
{
	NOT_PUBLISHED("8080");
	NOT_PUBLISHED("8080:80");
	NOT_PUBLISHED("8080:10.0.0.2");
	NOT_PUBLISHED(":10.0.0.2:80");
	NOT_PUBLISHED("8080:10.0.0.2:");
	NOT_PUBLISHED("8080::80");
	NOT_PUBLISHED("[fd00::2]:80");
	NOT_PUBLISHED("8080[fd00::2]:80");
	NOT_PUBLISHED("]:80");
	NOT_PUBLISHED("::");
	EXPECT(2, "", "portfwd: --publish: the [HOST:]PORTS:TARGET:PORTS[/PROTO] is empty\n",
	       "add", "-p", "");
	EXPECT(2, "", "portfwd: --publish is given twice; add one at a time\n",
	       "add", "-p", "1:a:2", "-p", "2:a:2");
	EXPECT(2, "", "portfwd: too many operands; with -p: portfwd add [NAME] -p PUBLISHED\n",
	       "add", "80", "self", "-p", "1:a:2");
	ck_assert_uint_eq(fake.called, 0);
}
END_TEST

/* JSON is UTF-8, so what is not cannot even be handed on. */
START_TEST(what_is_not_utf8_is_refused_by_name)
{
	EXPECT(1, "", "portfwd: listen: this is not UTF-8 text\n", "add", "\xff", "self");
	EXPECT(1, "", "portfwd: name: this is not UTF-8 text\n", "add", "\xff", "80", "self");
	EXPECT(1, "", "portfwd: target: this is not UTF-8 text\n", "add", "80", "a,\xc3");
	EXPECT(1, "", "portfwd: comment: this is not UTF-8 text\n", "add", "80", "self",
	       "--comment", "\xe2\x80");
	EXPECT(1, "", "portfwd: listen.interface: this is not UTF-8 text\n", "add", "80", "self",
	       "--interface", "\xff");
	EXPECT(1, "", "portfwd: listen.address: this is not UTF-8 text\n", "add", "\xff:80",
	       "self", "--interface", "w");
	ck_assert_uint_eq(fake.called, 0);
}
END_TEST

Suite *add_suite(void)
{
	Suite *suite = suite_create("add");
	TCase *tcase = tcase_create("add");

	tcase_add_checked_fixture(tcase, fake_reset, fake_reset);
	tcase_add_test(tcase, words_become_a_forward);
	tcase_add_test(tcase, options_become_keys);
	tcase_add_test(tcase, options_of_the_rule_language);
	tcase_add_test(tcase, a_duration_ends_from_now);
	tcase_add_test(tcase, wrong_limits_and_durations_are_refused);
	tcase_add_test(tcase, the_last_of_two_options_counts);
	tcase_add_test(tcase, requests_carry_drain);
	tcase_add_test(tcase, requests_carry_replace_and_dry_run);
	tcase_add_test(tcase, an_interface_cuts_the_listen_part);
	tcase_add_test(tcase, what_cannot_be_cut_stays_whole);
	tcase_add_test(tcase, published_ports_are_the_docker_spelling);
	tcase_add_test(tcase, what_is_not_published_is_a_usage_error);
	tcase_add_test(tcase, what_is_not_utf8_is_refused_by_name);
	suite_add_tcase(suite, tcase);
	return suite;
}
