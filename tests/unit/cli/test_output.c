/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Answers as people and programs see them. */
#include <stdlib.h>
#include <string.h>

#include "../../../src/cli/table.h"
#include "fake.h"
#include "suites.h"

#define WEB "{\"name\": \"web\", \"comment\": null, \"enabled\": true, \"listen\": " \
	"{\"address\": [\"198.51.100.1\"], \"interface\": [], \"port\": \"8080\", " \
	"\"protocol\": [\"tcp\"]}, \"target\": [{\"address\": \"10.0.0.2\", \"port\": \"80\"}], " \
	"\"snat\": \"auto\", \"hairpin\": true, \"local\": false, \"state\": \"active\", " \
	"\"connections\": 12, \"file\": \"/etc/a.json\"}"
#define DNS "{\"name\": \"dns\", \"comment\": \"both\", \"enabled\": true, \"listen\": " \
	"{\"address\": [\"0.0.0.0\", \"2001:db8::1\"], \"interface\": [\"wan0\", \"wan1\"], " \
	"\"port\": \"53,5353\", \"protocol\": [\"tcp\", \"udp\"]}, \"target\": " \
	"[{\"address\": \"10.0.0.53\", \"port\": null}, {\"address\": \"fd00::53\", " \
	"\"port\": \"53\"}], \"snat\": \"none\", \"hairpin\": false, \"local\": true, " \
	"\"state\": \"missing\", \"connections\": null, \"file\": \"/etc/b.json\"}"
#define CHANGES "\"objects\": 3, \"changes\": [" \
	"{\"action\": \"add\", \"kind\": \"element\", \"forward\": \"web\", \"text\": \"a : b\"}, " \
	"{\"action\": \"remove\", \"kind\": \"chain\", \"forward\": null, " \
	"\"text\": \"chain x {\\n\\trule\\n}\\n\"}, " \
	"{\"action\": \"change\", \"kind\": \"sysctl\", \"forward\": null, \"text\": \"c\"}]"
#define LINES "+ web: a : b\n- chain x {\n-         rule\n- }\n~ c\n"

/* The change is done, so there is the answer, success, and the warning beside. */
START_TEST(warnings_go_to_standard_error)
{
	fake.answer = "{\"changed\": true, \"removed\": [{\"name\": \"web\", \"file\": \"/etc/a.json\"}], "
		      "\"objects\": 1, \"changes\": null, \"warning\": \"open\\nends\"}";
	EXPECT(0, "removed \"web\" from /etc/a.json\n", "portfwd: warning: open?ends\n", "remove",
	       "web");
	EXPECT(0, "", "portfwd: warning: open?ends\n", "remove", "-q", "web");
	fake.answer = "{\"changed\": true, \"warning\": \"w\"}";
	EXPECT(0, "{\n  \"changed\": true,\n  \"warning\": \"w\"\n}\n", "portfwd: warning: w\n",
	       "--json", "remove", "web");
}
END_TEST

/* Not a terminal: aligned, but whole, however wide, and without colours. */
START_TEST(list_is_a_table)
{
	fake.answer = "{\"forwards\": [" WEB ", " DNS "]}";
	EXPECT(0,
	       "NAME LISTEN                                             TARGET"
	       "                  STATE   CONNECTIONS\n"
	       "web  198.51.100.1:8080/tcp                              10.0.0.2:80"
	       "             active           12\n"
	       "dns  0.0.0.0,[2001:db8::1]:53,5353/tcp+udp on wan0,wan1 10.0.0.53,[fd00::53]:53"
	       " missing           -\n", "", "list");
}
END_TEST

START_TEST(columns_are_chosen)
{
	fake.answer = "{\"forwards\": [" WEB ", " DNS "]}";
	EXPECT(0, "STATE   NAME COMMENT\nactive  web  -\nmissing dns  both\n", "",
	       "list", "-o", "state,name,COMMENT");
	EXPECT(0, "SNAT HAIRPIN LOCAL FILE\nauto yes     no    /etc/a.json\n"
	       "none no      yes   /etc/b.json\n", "", "list", "--columns=snat,hairpin,local,file");
}
END_TEST

START_TEST(options_of_the_rule_language_have_columns)
{
	fake.answer = "{\"forwards\": [{\"name\": \"a\", \"target\": [{\"address\": \"10.0.0.2\", "
		"\"port\": \"80-90\", \"weight\": 3}, {\"address\": \"fd00::2\", \"port\": null, "
		"\"weight\": 1}], \"source\": [\"10.0.0.0/8\", \"!10.1.0.0/16\"], "
		"\"balance\": \"source\", \"log\": true, \"limit\": {\"rate\": \"50/second\", "
		"\"burst\": 10, \"connections\": 20}, \"expires\": \"2027-01-31T12:00:00Z\", "
		"\"state\": \"expired\"}, {\"name\": \"b\", \"target\": [], \"source\": [], "
		"\"balance\": \"random\", \"log\": false, \"limit\": {\"rate\": null, "
		"\"burst\": null, \"connections\": 20}, \"expires\": null}]}";
	EXPECT(0, "NAME SOURCE                  BALANCE LOG LIMIT                               "
	       "EXPIRES\n"
	       "a    10.0.0.0/8,!10.1.0.0/16 source  yes 50/second, burst 10, 20 connections "
	       "2027-01-31T12:00:00Z\n"
	       "b    -                       random  no  20 connections                      "
	       "-\n", "", "list", "-o", "name,source,balance,log,limit,expires");
	EXPECT(0, "TARGET                            STATE\n"
	       "10.0.0.2:80-90 weight 3,[fd00::2] expired\n"
	       "-                                 -\n", "", "list", "-o", "target,state");
}
END_TEST

START_TEST(unknown_columns_are_answered_with_the_valid_ones)
{
	EXPECT(2, "", "portfwd: unknown column \"foo\"; the columns are name, comment, listen, "
	       "target, source, balance, snat, hairpin, local, log, limit, expires, state, "
	       "connections and file\n",
	       "list", "-o", "name,foo");
	EXPECT(2, "", "portfwd: unknown column \"\"; the columns are name, comment, listen, "
	       "target, source, balance, snat, hairpin, local, log, limit, expires, state, "
	       "connections and file\n",
	       "list", "-o", "name,");
	ck_assert_uint_eq(fake.called, 0);
}
END_TEST

START_TEST(an_empty_list_has_its_header)
{
	fake.answer = "{\"forwards\": []}";
	EXPECT(0, "NAME LISTEN TARGET STATE CONNECTIONS\n", "", "list");
}
END_TEST

START_TEST(a_terminal_sees_states_in_colour)
{
	struct run run;

	fake.answer = "{\"forwards\": [" WEB ", " DNS "]}";
	run = run_words(true, (const char *[]){ "portfwd", "list", NULL });
	ck_assert_ptr_nonnull(strstr(run.out, "\033[32mactive"));
	ck_assert_ptr_nonnull(strstr(run.out, "\033[31mmissing"));
	run_free(&run);
	run = run_words(true, (const char *[]){ "portfwd", "show", "web", NULL });
	ck_assert_ptr_nonnull(strstr(run.out, "state:        \033[32mactive\033[0m\n"));
	run_free(&run);
}
END_TEST

START_TEST(show_has_a_line_for_each_field)
{
	fake.answer = "{\"forwards\": [" WEB ", " DNS "]}";
	EXPECT(0,
	       "name:         web\n"
	       "listen:       198.51.100.1:8080/tcp\n"
	       "target:       10.0.0.2:80\n"
	       "snat:         auto\n"
	       "hairpin:      yes\n"
	       "local:        no\n"
	       "state:        active\n"
	       "connections:  12\n"
	       "file:         /etc/a.json\n"
	       "\n"
	       "name:         dns\n"
	       "comment:      both\n"
	       "listen:       0.0.0.0,[2001:db8::1]:53,5353/tcp+udp on wan0,wan1\n"
	       "target:       10.0.0.53,[fd00::53]:53\n"
	       "snat:         none\n"
	       "hairpin:      no\n"
	       "local:        yes\n"
	       "state:        missing\n"
	       "file:         /etc/b.json\n", "", "show", "web", "dns");
}
END_TEST

START_TEST(status_is_readable)
{
	fake.answer = "{\"backend\": \"nftables\", \"kernel\": \"6.1\", \"forwards\": "
		"{\"configured\": 3, \"active\": 2}, \"in_sync\": false, \"ip_forward\": "
		"{\"ipv4\": true, \"ipv6\": false}, \"guard\": false, \"daemon\": "
		"{\"running\": false, \"pid\": null}, \"warnings\": [\"it is gone\"]}";
	EXPECT(0,
	       "backend:      nftables\n"
	       "kernel:       6.1\n"
	       "forwards:     3 configured, 2 active\n"
	       "in sync:      no, \"portfwd diff\" tells more\n"
	       "ip_forward:   IPv4 on, IPv6 off\n"
	       "guard:        off\n"
	       "warning:      it is gone\n", "", "status");
	fake.answer = "{\"backend\": \"nftables\", \"kernel\": \"6.1\", \"forwards\": "
		"{\"configured\": 1, \"active\": 1}, \"in_sync\": true, \"owned\": true, \"ip_forward\": "
		"{\"ipv4\": true, \"ipv6\": true}, \"guard\": true, \"warnings\": []}";
	EXPECT(0,
	       "backend:      nftables\n"
	       "kernel:       6.1\n"
	       "forwards:     1 configured, 1 active\n"
	       "in sync:      yes\n"
	       "table:        owned by portfwdd\n"
	       "ip_forward:   IPv4 on, IPv6 on\n"
	       "guard:        on\n", "", "status");
}
END_TEST

START_TEST(add_says_what_it_did)
{
	fake.answer = "{\"changed\": true, \"forward\": " WEB ", \"file\": \"/etc/a.json\", "
		CHANGES "}";
	EXPECT(0, "added \"web\": 198.51.100.1:8080/tcp -> 10.0.0.2:80\n", "", "add", "a", "b");
	EXPECT(0, "", "", "add", "a", "b", "-q");
	EXPECT(0, "added \"web\": 198.51.100.1:8080/tcp -> 10.0.0.2:80\n"
	       "saved /etc/a.json\n3 kernel objects changed\n", "", "add", "a", "b", "-v");
	EXPECT(0, "would add \"web\": 198.51.100.1:8080/tcp -> 10.0.0.2:80\n"
	       "would save /etc/a.json\n" LINES, "", "add", "a", "b", "-n");
	EXPECT(0, LINES, "", "add", "a", "b", "-nq");
	fake.answer = "{\"changed\": true, \"replaced\": true, \"forward\": " WEB "}";
	EXPECT(0, "replaced \"web\": 198.51.100.1:8080/tcp -> 10.0.0.2:80\n", "",
	       "add", "a", "b", "--replace");
	fake.answer = "{\"changed\": false, \"forward\": " WEB ", \"file\": \"/etc/a.json\", "
		"\"changes\": []}";
	EXPECT(0, "\"web\" stands already\n", "", "add", "a", "b");
	EXPECT(0, "\"web\" stands already\n", "", "add", "a", "b", "-n");
}
END_TEST

START_TEST(remove_says_which_file)
{
	fake.answer = "{\"changed\": true, \"removed\": [{\"name\": \"web\", \"file\": "
		"\"/etc/a.json\"}, {\"name\": \"dns\", \"file\": \"/etc/b.json\"}], "
		"\"objects\": 1, \"changes\": [{\"action\": \"remove\", \"text\": \"x\"}]}";
	EXPECT(0, "removed \"web\" from /etc/a.json\nremoved \"dns\" from /etc/b.json\n"
	       "1 kernel object changed\n", "", "remove", "web", "dns", "-v");
	EXPECT(0, "would remove \"web\" from /etc/a.json\nwould remove \"dns\" from /etc/b.json\n"
	       "- x\n", "", "remove", "web", "dns", "-n");
}
END_TEST

START_TEST(enable_and_disable_say_what_changed)
{
	fake.answer = "{\"changed\": true, \"forwards\": ["
		"{\"name\": \"a\", \"changed\": true, \"file\": \"/etc/a.json\"}, "
		"{\"name\": \"b\", \"changed\": false, \"file\": \"/etc/b.json\"}, "
		"{\"name\": \"c\", \"changed\": true, \"file\": \"/etc/a.json\"}], "
		"\"objects\": 0, \"changes\": null}";
	EXPECT(0, "enabled \"a\"\n\"b\" is enabled already\nenabled \"c\"\n", "",
	       "enable", "a", "b", "c");
	EXPECT(0, "disabled \"a\"\n\"b\" is disabled already\ndisabled \"c\"\n"
	       "saved /etc/a.json\n0 kernel objects changed\n", "", "disable", "a", "b", "c", "-v");
	EXPECT(0, "would disable \"a\"\n\"b\" is disabled already\nwould disable \"c\"\n"
	       "would save /etc/a.json\n", "", "disable", "a", "b", "c", "-n");
}
END_TEST

START_TEST(reload_flush_and_check_say_one_line)
{
	fake.answer = "{\"changed\": true, \"forwards\": 2, " CHANGES "}";
	EXPECT(0, "reloaded 2 forwards\n", "", "reload");
	EXPECT(0, "would reload 2 forwards\n" LINES, "", "reload", "-n");
	EXPECT(0, "cleared all forwards from the kernel\n", "", "flush");
	EXPECT(0, "would clear all forwards from the kernel\n" LINES, "", "flush", "-n");
	fake.answer = "{\"changed\": false, \"forwards\": 1, \"file\": \"/etc/a.json\", "
		"\"changes\": []}";
	EXPECT(0, "reloaded 1 forward, nothing changed\n", "", "reload");
	EXPECT(0, "nothing to clear\n", "", "flush");
	EXPECT(0, "/etc/a.json: 1 forward, no errors\n", "", "check");
}
END_TEST

START_TEST(diff_exits_7_on_differences)
{
	fake.answer = "{\"in_sync\": false, " CHANGES "}";
	EXPECT(7, LINES, "", "diff");
	EXPECT(7, LINES, "", "diff", "-q");
	fake.answer = "{\"in_sync\": true, \"changes\": []}";
	EXPECT(0, "", "", "diff");
	EXPECT(0, "{\n  \"in_sync\": true,\n  \"changes\": []\n}\n", "", "diff", "--json");
	fake.answer = "{\"in_sync\": false}";
	EXPECT(7, "{\n  \"in_sync\": false\n}\n", "", "diff", "--json");
}
END_TEST

START_TEST(export_prints_the_text_as_it_is)
{
	fake.answer = "{\"format\": \"nft\", \"text\": \"table inet x {\\n\\t}\\n\"}";
	EXPECT(0, "table inet x {\n\t}\n", "", "export");
}
END_TEST

/* Whatever the command: the service's answer, with its keys in their order. */
START_TEST(json_answers_are_the_service_s)
{
	static const char *const commands[][5] = {
		{ "add", "a", "b" }, { "remove", "a" }, { "enable", "a" }, { "disable", "a" },
		{ "list" }, { "show", "a" }, { "status" }, { "check" }, { "reload" }, { "flush" },
		{ "export" },
	};
	const char *words[8] = { "portfwd", "--json" };
	struct run run;
	size_t i;

	fake.answer = "{\"z\": 1, \"a\": [true, null]}";
	for (i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		memcpy(words + 2, commands[i], sizeof(commands[i]));
		run = run_words(false, words);
		ck_assert_str_eq(run.out,
				 "{\n  \"z\": 1,\n  \"a\": [\n    true,\n    null\n  ]\n}\n");
		ck_assert_str_eq(run.err, "");
		ck_assert_int_eq(run.code, 0);
		run_free(&run);
	}
}
END_TEST

/* What stands in foreign files must not steer the terminal of who reads it. */
START_TEST(control_characters_do_not_reach_the_terminal)
{
	fake.answer = "{\"in_sync\": false, \"changes\": [{\"action\": \"add\", "
		"\"text\": \"a\\u001b[2Jb\\u202ec\\u0085d\"}]}";
	EXPECT(7, "+ a?[2Jb?c?d\n", "", "diff");
	fake.answer = "{\"file\": \"/a\\nb\", \"forwards\": 0}";
	EXPECT(0, "/a?b: 0 forwards, no errors\n", "", "check");
}
END_TEST

/* An answer of a newer service, or a broken one, is no reason to crash. */
START_TEST(odd_answers_do_no_harm)
{
	static const char *const commands[][5] = {
		{ "add", "a", "b" }, { "remove", "a" }, { "enable", "a" }, { "list" },
		{ "show", "a" }, { "status" }, { "check" }, { "diff" }, { "reload" }, { "flush" },
		{ "export" },
	};
	static const char *const answers[] = {
		"{}", "[]", "{\"forwards\": [1, null, {}, {\"listen\": 3, \"target\": [[]]}]}",
		"{\"changed\": true, \"forward\": [], \"removed\": [[]], \"changes\": [1, {}]}",
	};
	const char *words[8] = { "portfwd", "-v" };
	struct run run;
	size_t i, j;

	for (j = 0; j < sizeof(answers) / sizeof(answers[0]); j++) {
		fake.answer = answers[j];
		for (i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
			memcpy(words + 2, commands[i], sizeof(commands[i]));
			run = run_words(false, words);
			ck_assert_str_eq(run.err, "");
			run_free(&run);
		}
	}
}
END_TEST

Suite *output_suite(void)
{
	Suite *suite = suite_create("output");
	TCase *tcase = tcase_create("output");

	tcase_add_checked_fixture(tcase, fake_reset, fake_reset);
	tcase_add_test(tcase, warnings_go_to_standard_error);
	tcase_add_test(tcase, list_is_a_table);
	tcase_add_test(tcase, columns_are_chosen);
	tcase_add_test(tcase, options_of_the_rule_language_have_columns);
	tcase_add_test(tcase, unknown_columns_are_answered_with_the_valid_ones);
	tcase_add_test(tcase, an_empty_list_has_its_header);
	tcase_add_test(tcase, a_terminal_sees_states_in_colour);
	tcase_add_test(tcase, show_has_a_line_for_each_field);
	tcase_add_test(tcase, status_is_readable);
	tcase_add_test(tcase, add_says_what_it_did);
	tcase_add_test(tcase, remove_says_which_file);
	tcase_add_test(tcase, enable_and_disable_say_what_changed);
	tcase_add_test(tcase, reload_flush_and_check_say_one_line);
	tcase_add_test(tcase, diff_exits_7_on_differences);
	tcase_add_test(tcase, export_prints_the_text_as_it_is);
	tcase_add_test(tcase, json_answers_are_the_service_s);
	tcase_add_test(tcase, control_characters_do_not_reach_the_terminal);
	tcase_add_test(tcase, odd_answers_do_no_harm);
	suite_add_tcase(suite, tcase);
	return suite;
}
