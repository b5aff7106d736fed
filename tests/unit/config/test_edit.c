/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Changing a file's text: what is not changed stays byte for byte. */
#include <errno.h>
#include <stdlib.h>

#include "cases.h"
#include "portfwd/config/config.h"

#define NEW "{'name': 'new', 'listen': '99', 'target': 'self'}"
#define A "{ 'name':'a',\n   'listen':'1','target':'self'}"
#define B "{'name':'b', 'listen':'2','target':'self'}"
#define C "{'name':'c',	'listen':'3','target':'self'}"

static struct pfw_ports port = { 99, 99 };
static struct pfw_target self = { .self = true, .weight = 1 };
static const struct pfw_forward fresh = {
	.name = "new", .enabled = true,
	.listen = { .ports = &port, .n_ports = 1, .protocols = PFW_TCP },
	.targets = &self, .n_targets = 1,
};

/* Each letter is an edit: '0'-'9' removes that element, 'a'-'j' replaces it, '+' appends. */
static const struct {
	const char *before, *edits, *after;
} rows[] = {
	{ "", "+", "{\n  'forwards': [\n    " NEW "\n  ]\n}\n" },
	{ "", "++", "{\n  'forwards': [\n    " NEW ",\n    " NEW "\n  ]\n}\n" },
	{ "{}", "+", "{\n  'forwards': [\n    " NEW "\n  ]\n}" },
	{ "{ }\n", "+", "{\n  'forwards': [\n    " NEW "\n  ]\n}\n" },
	{ "{\n}\n", "+", "{\n  'forwards': [\n    " NEW "\n  ]\n}\n" },
	{ "{'settings':{}}", "+", "{'settings':{},\n  'forwards': [\n    " NEW "\n  ]}" },
	{ "{\n\t'settings': {}\n}\n", "+",
	  "{\n\t'settings': {},\n\t'forwards': [\n\t\t" NEW "\n\t]\n}\n" },
	{ "{\r\n  'settings': {}\r\n}\r\n", "+",
	  "{\r\n  'settings': {},\r\n  'forwards': [\r\n    " NEW "\r\n  ]\r\n}\r\n" },
	{ "{\n  'forwards': []\n}\n", "+", "{\n  'forwards': [\n    " NEW "\n  ]\n}\n" },
	{ "{\n  'forwards': [\n  ]\n}\n", "++",
	  "{\n  'forwards': [\n    " NEW ",\n    " NEW "\n  ]\n}\n" },
	{ "{'forwards':[]}", "+", "{'forwards':[\n  " NEW "\n]}" },
	/* one */
	{ "{'forwards': [" A "]}", "+", "{'forwards': [" A ", " NEW "]}" },
	{ "{'forwards': [\n    " A "\n  ]}", "+", "{'forwards': [\n    " A ",\n    " NEW "\n  ]}" },
	{ "{'forwards': [\n    " A "\n  ]}", "0", "{'forwards': []}" },
	{ "{'forwards': [\n    " A "\n  ]}", "0+", "{'forwards': [\n    " NEW "\n  ]}" },
	{ "{'forwards': [\n    " A "\n  ]}", "a", "{'forwards': [\n    " NEW "\n  ]}" },
	/* several */
	{ "{'forwards': [\n  " A ",\n  " B " ,\n\n  " C "\n]}", "0",
	  "{'forwards': [\n  " B " ,\n\n  " C "\n]}" },
	{ "{'forwards': [\n  " A ",\n  " B " ,\n\n  " C "\n]}", "1",
	  "{'forwards': [\n  " A " ,\n\n  " C "\n]}" },
	{ "{'forwards': [\n  " A ",\n  " B " ,\n\n  " C "\n]}", "2",
	  "{'forwards': [\n  " A ",\n  " B "\n]}" },
	{ "{'forwards': [\n  " A ",\n  " B " ,\n\n  " C "\n]}", "01",
	  "{'forwards': [\n  " C "\n]}" },
	{ "{'forwards': [\n  " A ",\n  " B " ,\n\n  " C "\n]}", "012", "{'forwards': []}" },
	{ "{'forwards': [\n  " A ",\n  " B " ,\n\n  " C "\n]}", "12+",
	  "{'forwards': [\n  " A " ,\n\n  " NEW "\n]}" },
	{ "{'forwards': [\n  " A ",\n  " B ",\n  " C "\n]}", "0b2++",
	  "{'forwards': [\n  " NEW ",\n  " NEW ",\n  " NEW "\n]}" },
	{ "{'forwards': [\n  " A ",\n  " B ",\n  " C "\n]\n, 'settings':{ }}\n\n", "ac",
	  "{'forwards': [\n  " NEW ",\n  " B ",\n  " NEW "\n]\n, 'settings':{ }}\n\n" },
	{ "{'forwards':[" A "," B "]}", "+", "{'forwards':[" A "," B "," NEW "]}" },
	{ "{'forwards':[" A "," B "]}", "", "{'forwards':[" A "," B "]}" },
};

static char *json_of(const char *text)
{
	char *json = strdup(text), *at;

	ck_assert_ptr_nonnull(json);
	for (at = json; *at; at++)
		if (*at == '\'')
			*at = '"';
	return json;
}

static size_t edits_of(const char *letters, struct pfw_edit *edits)
{
	size_t n = 0;

	for (; *letters; letters++, n++) {
		if (*letters == '+')
			edits[n] = (struct pfw_edit){ PFW_EDIT_APPEND, &fresh };
		else if (*letters >= 'a')
			edits[n] = (struct pfw_edit){ (uint32_t)(*letters - 'a'), &fresh };
		else
			edits[n] = (struct pfw_edit){ (uint32_t)(*letters - '0'), NULL };
	}
	return n;
}

static void parse(struct pfw_document *doc, const char *text)
{
	struct pfw_ruleset ruleset = { .settings = pfw_settings_default };
	struct pfw_error err = PFW_ERROR_INIT;
	int ret;

	ret = pfw_document_parse(doc, text, strlen(text), 0, true, &ruleset, &err);
	/* Only names that stand twice: this test appends the same more than once. */
	ck_assert_msg(!ret || err.kind == PFW_CONFLICT, "%s: %s", text, err.item[0].message);
	pfw_ruleset_free(&ruleset);
}

/* The same of a document that was only scanned, and with what is new as text. */
static void edit_scanned(const char *before, struct pfw_edit *edits, size_t n, const char *after)
{
	struct pfw_error err = PFW_ERROR_INIT;
	struct pfw_document doc = { 0 };
	struct pfw_buffer text = { 0 };
	char *new = json_of(NEW);
	size_t i;

	if (*before)
		ck_assert_msg(!pfw_document_scan(&doc, before, strlen(before), &err), "%s: %s",
			      before, err.item[0].message);
	for (i = 0; i < n; i++)
		if (edits[i].forward)
			edits[i] = (struct pfw_edit){ edits[i].position, NULL, new };
	ck_assert_int_eq(pfw_document_edit(&doc, edits, n, &text, &err), 0);
	ck_assert_str_eq(text.data, after);
	pfw_document_free(&doc);
	pfw_buffer_free(&text);
	free(new);
}

START_TEST(test_edits)
{
	struct pfw_error err = PFW_ERROR_INIT;
	struct pfw_document doc, again;
	struct pfw_edit edits[8];
	struct pfw_buffer text;
	char *before, *after;
	size_t i, n;

	for (i = 0; i < COUNT(rows); i++) {
		doc = again = (struct pfw_document){ 0 };
		text = (struct pfw_buffer){ 0 };
		before = json_of(rows[i].before);
		after = json_of(rows[i].after);
		if (*before)
			parse(&doc, before);
		n = edits_of(rows[i].edits, edits);
		ck_assert_int_eq(pfw_document_edit(&doc, edits, n, &text, &err), 0);
		ck_assert_str_eq(text.data, after);
		parse(&again, text.data);
		pfw_document_free(&again);
		pfw_document_free(&doc);
		pfw_buffer_free(&text);
		edit_scanned(before, edits, n, after);
		free(after);
		free(before);
	}
}
END_TEST

START_TEST(test_unsound_edits)
{
	static const char *const wrong[] = { "3", "10", "00", "+0" };
	struct pfw_error err = PFW_ERROR_INIT;
	struct pfw_document doc = { 0 };
	struct pfw_buffer text = { 0 };
	struct pfw_edit edits[8];
	char *before = json_of("{'forwards':[" A "," B "," C "]}");
	size_t i, n;

	parse(&doc, before);
	for (i = 0; i < COUNT(wrong); i++) {
		n = edits_of(wrong[i], edits);
		ck_assert_int_eq(pfw_document_edit(&doc, edits, n, &text, &err), -EINVAL);
		ck_assert_ptr_null(text.data);
	}
	edits[0] = (struct pfw_edit){ PFW_EDIT_APPEND, NULL };
	ck_assert_int_eq(pfw_document_edit(&doc, edits, 1, &text, &err), -EINVAL);
	pfw_document_free(&doc);
	free(before);
}
END_TEST

TCase *edit_case(void)
{
	TCase *tcase;

	UNIT_CASE(tcase, "edit", test_edits, test_unsound_edits);
	return tcase;
}
