/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Whole files: their syntax, their places, and names across files. */
#include <errno.h>

#include "cases.h"
#include "portfwd/config/config.h"

static int parse(const char *text, size_t len, struct pfw_ruleset *ruleset, struct pfw_error *err)
{
	struct pfw_document doc = { 0 };
	int ret;

	*ruleset = (struct pfw_ruleset){ .settings = pfw_settings_default };
	*err = (struct pfw_error)PFW_ERROR_INIT;
	err->file = "f.json";
	ret = pfw_document_parse(&doc, text, len, 0, true, ruleset, err);
	if (!ret)
		ret = pfw_config_finish(ruleset, NULL, err);
	pfw_document_free(&doc);
	return ret;
}

static void refused(const char *text, size_t len, const char *message)
{
	struct pfw_ruleset ruleset;
	struct pfw_error err;

	ck_assert_msg(parse(text, len, &ruleset, &err) < 0, "%.200s", text);
	unit_has_error(&err, message);
	ck_assert_str_eq(err.where, "");
	pfw_ruleset_free(&ruleset);
}

#define FORWARD "{\"listen\": \"80\", \"target\": \"10.0.0.2\"}"

START_TEST(test_syntax)
{
	static const struct {
		const char *text, *message;
	} rows[] = {
		{ "", "f.json: line 1, column 1: no text at all; an empty configuration is {}" },
		{ " \n\t\n", "line 3, column 1: no text at all" },
		{ "\xef\xbb\xbf{}", "line 1, column 1: a byte order mark" },
		{ "[]", "line 1, column 1: '{' of the configuration" },
		{ "null", "line 1, column 1: '{' of the configuration" },
		{ "{", "line 1, column 2: the text ends too early: a key" },
		{ "{\n  forwards: []}", "line 2, column 3: a key in double quotes expected" },
		{ "{\"forwards\"", "the text ends too early: ':' expected" },
		{ "{\"forwards\" []}", "line 1, column 13: ':' expected" },
		{ "{\"forwards\":", "line 1, column 13:" },
		{ "{\"forwards\": [", "line 1, column 15:" },
		{ "{\"forwards\": [" FORWARD, "',' or ']' expected" },
		{ "{\"forwards\": [" FORWARD ",]}", "']' directly after a comma" },
		{ "{\"forwards\": [" FORWARD " " FORWARD "]}", "',' or ']' expected" },
		{ "{\"forwards\": [],}", "line 1, column 17: '}' directly after a comma" },
		{ "{\"forwards\": []", "',' or '}' expected" },
		{ "{} x", "line 1, column 4: text behind the end" },
		{ "{}\n{}", "line 2, column 1: text behind the end" },
		{ "{\"forwards\": [{\"listen\": \"8", "the text ends too early" },
		{ "{\"forwards\": [{\"listen\": tru}]}", "line 1, column" },
		{ "{\"forwards\": [{\"listen\": \"80\", \"listen\": \"81\"}]}", "duplicate object key" },
		{ "{\"forwards\": [], \"forwards\": []}", "column 18: duplicate object key \"forwards\"" },
		{ "{\"settings\": {}, \"settings\": {}}", "duplicate object key \"settings\"" },
		{ "{\"forwards\": [{\"name\": \"\xff\"}]}", "line 1, column 25: not valid UTF-8" },
		{ "{\"forwards\": [{\"name\": \"\\u0000\"}]}", "\\u0000 cannot be part of a text" },
		{ "{\"forwards\": [\n\n  {\"name\": \"a\nb\"}]}", "line 3, column 13:" },
		{ "{\"\xc3\xa9\xc3\xa9\": }", "line 1, column 8:" },
		{ "{\"forwards\": {}}", "f.json: forwards: an object is not a list of forwards" },
		{ "{\"forwards\": null}", "f.json: forwards: null is not a list of forwards" },
		{ "{\"forward\": []}", "f.json: forward: unknown key; did you mean \"forwards\"?" },
		{ "{\"settings\": []}", "f.json: settings: a list is not an object with settings" },
		{ "{\"settings\": {\"backend\": \"pf\"}}", "settings.backend: pf is not auto, nftables or iptables" },
		{ "{\"settings\": {\"guard\": 1}}", "settings.guard: 1 is not true or false" },
		{ "{\"settings\": {\"own_table\": 1}}", "settings.own_table: 1 is not true or false" },
		{ "{\"settings\": {\"offload\": true}}", "settings.offload: unknown key" },
		{ "{\"settings\": {\"snat\": \"198.51.100.1\"}}", "settings.snat: 198.51.100.1 is not auto" },
		{ "{\"settings\": {\"counters\": 1}}", "settings.counters: 1 is not true or false" },
		{ "{\"forwards\": [" FORWARD ", {\"listen\": {\"port\": 70000}, \"target\": \"self\"}]}",
		  "f.json: forwards[1].listen.port: 70000 is not a port (1-65535)" },
		{ "{\"forwards\": [" FORWARD ", " FORWARD ", " FORWARD "]}",
		  "f.json: forwards[2]: has the listen part of another forward" },
	};
	size_t i;

	for (i = 0; i < COUNT(rows); i++)
		refused(rows[i].text, strlen(rows[i].text), rows[i].message);
	refused("{}\0", 3, "line 1, column 3: text behind the end");
	refused("\0", 1, "line 1, column 1: '{'");
	refused("{\"forwards\": [\0]}", 17, "line 1, column 15");
}
END_TEST

/* If this fails, a hostile file takes the machine's stack, memory or time. */
START_TEST(test_deep_nesting)
{
	static const char *const starts[] = { "", "{\"forwards\": ", "{\"forwards\": [{\"listen\": ",
					      "{\"x\": ", "{\"settings\": {\"snat\": " };
	const size_t len = 10 * 1000 * 1000;
	char *text = malloc(len);
	size_t i;

	ck_assert_ptr_nonnull(text);
	for (i = 0; i < COUNT(starts); i++) {
		memset(text, '[', len);
		memcpy(text, starts[i], strlen(starts[i]));
		refused(text, len, i ? "nested too deeply" : "'{' of the configuration");
	}
	free(text);
}
END_TEST

/* Every beginning of a file is an error, and no crash. */
START_TEST(test_truncated)
{
	static const char text[] =
		"{\"settings\": {\"counters\": true}, \"forwards\": [\n" FORWARD ",\n"
		"{\"name\": \"a\\u00e9\xc3\xa9\", \"listen\": {\"port\": [1, 2.5e1]}}]}";
	struct pfw_ruleset ruleset;
	struct pfw_error err;
	char *exact;
	size_t len;

	for (len = 0; len < sizeof(text) - 1; len++) {
		exact = malloc(len + 1);
		memcpy(exact, text, len);
		ck_assert_int_lt(parse(exact, len, &ruleset, &err), 0);
		unit_has_error(&err, "line ");
		pfw_ruleset_free(&ruleset);
		free(exact);
	}
}
END_TEST

START_TEST(test_good)
{
	static const char text[] = "\r\n{ \"forwards\" :[ " FORWARD " ,{\"name\":\"tcp-80\",\"listen\":"
		"\"81\",\"target\":\"self\"}\t] , \"settings\":{\"snat\":\"none\",\"hairpin\":false}}\r\n ";
	struct pfw_ruleset ruleset;
	struct pfw_error err;

	ck_assert_int_eq(parse(text, sizeof(text) - 1, &ruleset, &err), 0);
	ck_assert_uint_eq(ruleset.n_live, 2);
	ck_assert_int_eq(ruleset.settings.snat, PFW_SNAT_NONE);
	ck_assert(!ruleset.settings.hairpin);
	ck_assert(ruleset.settings.local);
	/* A written name wins over a derived one. */
	ck_assert_uint_eq(pfw_ruleset_find(&ruleset, "tcp-80"), 1);
	ck_assert_int_eq(strncmp(ruleset.forwards[0].name, "tcp-80-", 7), 0);
	ck_assert_uint_eq(ruleset.forwards[1].origin.position, 1);
	pfw_ruleset_free(&ruleset);
	ck_assert_int_eq(parse("{}", 2, &ruleset, &err), 0);
	pfw_ruleset_free(&ruleset);
	ck_assert_int_eq(parse("{\"forwards\":[]}", 15, &ruleset, &err), 0);
	pfw_ruleset_free(&ruleset);
}
END_TEST

START_TEST(test_all_errors_are_collected)
{
	struct pfw_buffer text = { 0 };
	struct pfw_ruleset ruleset;
	struct pfw_error err;
	int i;

	pfw_buffer_puts(&text, "{\"sets\": 1, \"forwards\": [");
	for (i = 0; i < 20; i++)
		pfw_buffer_printf(&text, "%s{\"listen\": %d, \"target\": %d}", i ? ", " : "", i, i);
	pfw_buffer_puts(&text, "]}");
	ck_assert_int_lt(parse(text.data, text.len, &ruleset, &err), 0);
	ck_assert_uint_eq(err.count, 41);
	ck_assert_str_eq(err.item[9].path, "forwards[4].listen");
	pfw_ruleset_free(&ruleset);
	pfw_buffer_free(&text);
}
END_TEST

START_TEST(test_names_conflict)
{
	static const char one[] = "{\"forwards\": [{\"name\":\"a\",\"listen\":\"80\",\"target\":\"self\"},"
				  "{\"name\":\"a\",\"listen\":\"81\",\"target\":\"self\"}]}";
	static const char *const files[] = { "main.json", "other.json" };
	struct pfw_ruleset ruleset;
	struct pfw_document doc = { .files = files };
	struct pfw_error err;

	ck_assert_int_lt(parse(one, sizeof(one) - 1, &ruleset, &err), 0);
	ck_assert_int_eq(err.kind, PFW_CONFLICT);
	unit_has_error(&err, "f.json: forwards[1].name: \"a\" is the name of forwards[0] already");
	pfw_error_clear(&err);
	ck_assert_int_lt(pfw_document_parse(&doc, one, sizeof(one) - 1, 1, false, &ruleset, &err), 0);
	unit_has_error(&err, "forwards[0].name: \"a\" is the name of forwards[0] of main.json already");
	pfw_document_free(&doc);
	pfw_error_clear(&err);
	ck_assert_int_lt(pfw_document_parse(&doc, "{\"settings\":{}}", 15, 1, false, &ruleset, &err),
			 0);
	unit_has_error(&err, "f.json: settings: only the main file has settings");
	pfw_document_free(&doc);
	pfw_ruleset_free(&ruleset);
}
END_TEST

/* A list that is long enough to be parsed by several threads; one of its forwards is as given. */
#define MANY 4000
static void print_many(struct pfw_buffer *text, unsigned int at, const char *special)
{
	unsigned int i;

	pfw_buffer_puts(text, "{\"forwards\": [");
	for (i = 0; i < MANY; i++) {
		if (i == at)
			pfw_buffer_puts(text, special);
		else
			pfw_buffer_printf(text, "%s\n  {\"name\": \"f%u\", \"listen\": \"10.1.%u.%u:80\", "
					  "\"target\": \"10.0.0.2\",\n   \"comment\": \"]},[{ \\\\\\\"%u\" } ",
					  i ? "," : "", i, i / 250, i % 250, i);
	}
	pfw_buffer_puts(text, "]}");
	ck_assert(!text->failed);
}

/* If this fails, long files are read in another way than short ones, or saved over the wrong bytes. */
START_TEST(test_many)
{
	struct pfw_ruleset ruleset = { .settings = pfw_settings_default };
	struct pfw_error err = PFW_ERROR_INIT;
	struct pfw_document doc = { 0 };
	struct pfw_buffer text = { 0 };
	const struct pfw_forward *forward;
	char name[16], comment[64];
	unsigned int i;

	err.file = "f.json";
	print_many(&text, MANY, "");
	ck_assert_int_eq(pfw_document_parse(&doc, text.data, text.len, 0, true, &ruleset, &err), 0);
	ck_assert_uint_eq(ruleset.n_live, MANY);
	ck_assert_uint_eq(doc.n_forwards, MANY);
	for (i = 0; i < MANY; i++) {
		snprintf(name, sizeof(name), "f%u", i);
		snprintf(comment, sizeof(comment), "]},[{ \\\"%u", i);
		ck_assert_uint_eq(pfw_ruleset_find(&ruleset, name), i);
		forward = &ruleset.forwards[i];
		ck_assert_str_eq(forward->comment, comment);
		ck_assert_uint_eq(forward->origin.position, i);
		ck_assert_int_eq(text.data[doc.forwards[i].offset], '{');
		ck_assert_int_eq(text.data[doc.forwards[i].offset + doc.forwards[i].len - 1], '}');
		ck_assert_int_eq(memcmp(text.data + doc.forwards[i].offset + 10, name, strlen(name)), 0);
	}
	ck_assert_int_eq(text.data[doc.list.offset], '[');
	ck_assert_int_eq(text.data[doc.list.offset + doc.list.len - 1], ']');
	ck_assert_str_eq(err.where, "");
	pfw_ruleset_free(&ruleset);
	pfw_document_free(&doc);
	pfw_buffer_free(&text);
}
END_TEST

/* If this fails, what is wrong in a long file is told wrongly, or not at all. */
START_TEST(test_many_with_errors)
{
	static const struct {
		const char *special, *message;
	} rows[] = {
		{ ",{\"name\": \"x\", \"listen\": \"70000\", \"target\": \"10.0.0.2\"}",
		  "f.json: forwards[3000].listen" },
		{ ",{\"name\": \"f7\", \"listen\": \"80\", \"target\": \"10.0.0.2\"}",
		  "f.json: forwards[3000].name: \"f7\" is the name of forwards[7] already" },
		{ ",{\"name\": \"x\", \"name\": \"y\"}", "f.json: line 6001, column" },
		{ ",", "f.json: line 6001, column" },
		{ ", 7", "f.json: forwards[3000]: 7 is not a forward" },
		{ ", {} {}", "',' or ']' expected" },
		{ "}", "',' or ']' expected" },
		{ "} {\"name\": \"x\", \"listen\": \"80\", \"target\": \"10.0.0.2\"}",
		  "',' or ']' expected" },
		{ ", {]", "f.json: line 6001, column" },
		{ ", {\"", "f.json: line 6001, column" },
		{ ", [}", "f.json: line 6001, column" },
		{ "]", "line 6002, column 3: a key in double quotes expected" },
		{ "]}", "text behind the end" },
	};
	struct pfw_buffer text = { 0 };
	size_t i;

	for (i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		print_many(&text, 3000, rows[i].special);
		refused(text.data, text.len, rows[i].message);
		pfw_buffer_free(&text);
	}
}
END_TEST

TCase *document_case(void)
{
	TCase *tcase;

	UNIT_CASE(tcase, "document", test_syntax, test_deep_nesting, test_truncated, test_good,
		  test_all_errors_are_collected, test_names_conflict, test_many,
		  test_many_with_errors);
	tcase_set_timeout(tcase, 60);
	return tcase;
}
