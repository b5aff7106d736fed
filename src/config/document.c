/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A whole file into the ruleset. Only the outermost object and the list of
 * forwards are walked here, so that never more than one value is held as a tree.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "field.h"
#include "parallel.h"

/* Bytes from which on several threads are worth their start. */
#define LONG_LIST (256 * 1024)
#define BOM "\xef\xbb\xbf"

struct scan {
	struct pfw_document *doc;
	struct pfw_ruleset *ruleset;
	struct reader reader;
	size_t at;
	uint32_t file;
	bool with_settings;
	bool places_only;	/* nothing is taken into a ruleset */
	bool seen_settings;
	bool seen_forwards;
	bool invalid;		/* an error was added, but the text can be read on */
};

/* Adds an error about the syntax at this offset; there the reading ends. */
__attribute__((format(printf, 3, 4)))
static int syntax(struct scan *s, size_t at, const char *fmt, ...)
{
	const char *text = s->doc->text;
	size_t line = 1, column = 0, i;
	char what[256];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(what, sizeof(what), fmt, ap);
	va_end(ap);
	for (i = 0; i < at; i++) {
		column += ((unsigned char)text[i] & 0xc0) != 0x80;
		if (text[i] == '\n') {
			line++;
			column = 0;
		}
	}
	if (at == s->doc->len || ((unsigned char)text[at] & 0xc0) != 0x80)
		column++;
	return pfw_error_add(s->reader.err, PFW_FAILED, "line %zu, column %zu: %s", line, column,
			     what);
}

static int json_syntax(struct scan *s, const json_error_t *error)
{
	/* position counts the bytes that were read, so the last one is what was wrong. */
	size_t at = s->at + (error->position > 0 ? (size_t)error->position - 1 : 0);

	switch (json_error_code(error)) {
	case json_error_out_of_memory:
		return pfw_fail_memory(s->reader.err);
	case json_error_invalid_utf8:
		return syntax(s, s->at + (size_t)error->position, "not valid UTF-8 text");
	case json_error_null_character:
	case json_error_null_byte_in_key:
		return syntax(s, at, "\\u0000 cannot be part of a text");
	case json_error_stack_overflow:
		return syntax(s, at, "nested too deeply");
	case json_error_premature_end_of_input:
		/* A NUL looks like the end to jansson. */
		if (at < s->doc->len && !s->doc->text[at])
			return syntax(s, at, "a NUL byte");
		return syntax(s, s->doc->len, "the text ends too early");
	default:
		return syntax(s, at, "%s", error->text);
	}
}

/* One value; *ret is a new reference. */
static int read_value(struct scan *s, json_t **ret)
{
	json_error_t error;
	json_t *json;

	json = json_loadb(s->doc->text + s->at, s->doc->len - s->at,
			  JSON_DISABLE_EOF_CHECK | JSON_DECODE_ANY | JSON_REJECT_DUPLICATES,
			  &error);
	if (!json)
		return json_syntax(s, &error);
	s->at += (size_t)error.position;
	*ret = json;
	return 0;
}

/* The next character behind white space, or '\0' at the end (and for a NUL). */
static char next(struct scan *s)
{
	const char *text = s->doc->text;

	while (s->at < s->doc->len && text[s->at] && strchr(" \t\r\n", text[s->at]))
		s->at++;
	return s->at < s->doc->len ? text[s->at] : '\0';
}

static int expected(struct scan *s, const char *what)
{
	if (s->at == s->doc->len)
		return syntax(s, s->at, "the text ends too early: %s expected", what);
	return syntax(s, s->at, "%s expected", what);
}

/* Behind a value: true if a comma says that another follows. */
static int follows(struct scan *s, char end, bool *ret)
{
	char c = next(s);

	if (c != ',' && c != end)
		return expected(s, end == ']' ? "',' or ']'" : "',' or '}'");
	s->at++;
	if (c == ',' && next(s) == end)
		return syntax(s, s->at, "'%c' directly after a comma", end);
	*ret = c == ',';
	return 0;
}

/* Of what an error says only the memory ends the reading; the rest is collected. */
static int keep_on(struct scan *s, int ret)
{
	if (ret == -ENOMEM)
		return ret;
	if (ret < 0)
		s->invalid = true;
	return 0;
}

static int conflict(struct scan *s, const struct pfw_forward *forward, uint32_t id)
{
	const struct pfw_origin *other = &s->ruleset->forwards[id].origin;
	struct pfw_error *err = s->reader.err;
	size_t mark = pfw_error_enter_key(err, "name");

	if (other->file == s->file)
		pfw_error_add(err, PFW_CONFLICT, "\"%s\" is the name of forwards[%u] already",
			      forward->name, other->position);
	else
		pfw_error_add(err, PFW_CONFLICT, "\"%s\" is the name of forwards[%u] of %s already",
			      forward->name, other->position,
			      s->doc->files ? s->doc->files[other->file] : "another file");
	pfw_error_leave(err, mark);
	return -EEXIST;
}

static int put_forward(struct scan *s, struct pfw_forward *forward, uint32_t position)
{
	uint32_t id = PFW_INDEX_NONE;

	if (forward->name)
		id = pfw_ruleset_find(s->ruleset, forward->name);
	if (id != PFW_INDEX_NONE)
		return conflict(s, forward, id);
	forward->origin = (struct pfw_origin){ s->file, position };
	if (pfw_ruleset_put_shallow(s->ruleset, forward, NULL) < 0)
		return pfw_fail_memory(s->reader.err);
	return 0;
}

static int parse_forward(struct scan *s, json_t *json, uint32_t position)
{
	struct pfw_forward forward;
	int ret = pfw_forward_parse(json, s->reader.arena, &forward, s->reader.err);

	return ret < 0 ? ret : put_forward(s, &forward, position);
}

static int note_span(struct scan *s, size_t begin)
{
	struct pfw_document *doc = s->doc;
	uint32_t room = doc->n_room ? doc->n_room * 2 : 64;
	struct pfw_span *forwards;

	if (doc->n_forwards == doc->n_room) {
		forwards = realloc(doc->forwards, room * sizeof(*forwards));
		if (!forwards)
			return pfw_fail_memory(s->reader.err);
		doc->forwards = forwards;
		doc->n_room = room;
	}
	doc->forwards[doc->n_forwards++] = (struct pfw_span){ begin, s->at - begin };
	return 0;
}

static int read_forward(struct scan *s)
{
	uint32_t position = s->doc->n_forwards;
	json_t *json = NULL;
	size_t mark, begin;
	int ret;

	next(s);
	begin = s->at;
	ret = read_value(s, &json);
	if (ret < 0)
		return ret;
	mark = pfw_error_enter_key(s->reader.err, "forwards");
	pfw_error_enter_index(s->reader.err, position);
	ret = keep_on(s, parse_forward(s, json, position));
	pfw_error_leave(s->reader.err, mark);
	json_decref(json);
	return ret < 0 ? ret : note_span(s, begin);
}

/*
 * All of a long list at once; *ret_done stays false where something is wrong with it, and nothing
 * has happened then.
 */
static int read_at_once(struct scan *s, bool *ret_done)
{
	struct pfw_document *doc = s->doc;
	struct pfw_forward *forwards = NULL;
	struct pfw_span *spans = NULL;
	size_t n = 0, end = 0, mark, place;
	uint32_t i;
	int ret;

	if (parallel_find(doc->text, doc->len, s->at, &spans, &n, &end))
		return 0;
	forwards = pfw_ruleset_reserve(s->ruleset, (uint32_t)n);
	if (!forwards || parallel_parse(doc->text, spans, n, s->reader.arena, forwards)) {
		free(spans);
		return 0;
	}
	mark = pfw_error_enter_key(s->reader.err, "forwards");
	for (i = 0, ret = 0; !ret && i < n; i++) {
		place = pfw_error_enter_index(s->reader.err, i);
		ret = keep_on(s, put_forward(s, &forwards[i], i));
		pfw_error_leave(s->reader.err, place);
	}
	pfw_error_leave(s->reader.err, mark);
	doc->list = (struct pfw_span){ s->at, end - s->at };
	doc->forwards = spans;
	doc->n_forwards = doc->n_room = (uint32_t)n;
	s->at = end;
	*ret_done = true;
	return ret;
}

/* Where the forwards stand, and no more. */
static int find_places(struct scan *s)
{
	struct pfw_document *doc = s->doc;
	size_t begin = s->at++, n = 0;

	if (next(s) == ']')
		s->at++;
	else if (parallel_find(doc->text, doc->len, begin, &doc->forwards, &n, &s->at))
		return pfw_fail_memory(s->reader.err);
	doc->list = (struct pfw_span){ begin, s->at - begin };
	doc->n_forwards = doc->n_room = (uint32_t)n;
	return 0;
}

static int read_forwards(struct scan *s)
{
	size_t begin = s->at;
	bool more = true, done = false;
	int ret = 0;

	if (s->doc->len - s->at >= LONG_LIST)
		ret = read_at_once(s, &done);
	if (ret || done)
		return ret;
	s->at++;
	if (next(s) == ']') {
		s->at++;
		more = false;
	}
	while (more && !ret) {
		ret = read_forward(s);
		if (!ret)
			ret = follows(s, ']', &more);
	}
	s->doc->list = (struct pfw_span){ begin, s->at - begin };
	return ret;
}

static int parse_settings(struct scan *s, json_t *json)
{
	if (!s->with_settings)
		return pfw_error_add(s->reader.err, PFW_FAILED,
				     "only the main file has settings; move them there");
	return object_parse(&s->reader, settings_fields, "an object with settings", json,
			    &s->ruleset->settings);
}

/* The value of a key of the whole. */
static int read_member(struct scan *s, const char *key)
{
	bool forwards = strcmp(key, "forwards") == 0;
	json_t *json = NULL;
	size_t mark;
	int ret;

	if (forwards && next(s) == '[')
		return s->places_only ? find_places(s) : read_forwards(s);
	next(s);
	ret = read_value(s, &json);
	if (ret < 0 || s->places_only) {
		json_decref(json);
		return ret;
	}
	mark = pfw_error_enter_key(s->reader.err, key);
	if (forwards)
		ret = value_wrong(&s->reader, json, "a list of forwards");
	else if (strcmp(key, "settings") == 0)
		ret = parse_settings(s, json);
	else
		ret = field_unknown(document_fields, key, s->reader.err);
	pfw_error_leave(s->reader.err, mark);
	json_decref(json);
	return keep_on(s, ret);
}

static int note_key(struct scan *s, const char *key, size_t at)
{
	bool *seen = strcmp(key, "forwards") == 0 ? &s->seen_forwards :
		strcmp(key, "settings") == 0 ? &s->seen_settings : NULL;

	if (!seen)
		return 0;
	if (*seen)
		return syntax(s, at, "duplicate object key \"%s\"", key);
	*seen = true;
	return 0;
}

static int read_pair(struct scan *s)
{
	json_t *key = NULL;
	size_t begin;
	int ret;

	if (next(s) != '"')
		return expected(s, "a key in double quotes");
	begin = s->at;
	ret = read_value(s, &key);
	if (ret < 0)
		return ret;
	ret = note_key(s, json_string_value(key), begin);
	if (ret < 0)
		goto out;
	if (next(s) != ':') {
		ret = expected(s, "':'");
		goto out;
	}
	s->at++;
	ret = read_member(s, json_string_value(key));
out:
	json_decref(key);
	return ret;
}

static int read_whole(struct scan *s)
{
	struct pfw_document *doc = s->doc;
	bool more = true;
	int ret = 0;

	if (doc->len >= strlen(BOM) && memcmp(doc->text, BOM, strlen(BOM)) == 0)
		return syntax(s, 0, "a byte order mark; save the file as UTF-8 without it");
	if (!next(s) && s->at == doc->len)
		return syntax(s, s->at, "no text at all; an empty configuration is {}");
	if (next(s) != '{')
		return expected(s, "'{' of the configuration, which is an object,");
	s->at++;
	doc->body = doc->last = s->at;
	if (next(s) == '}') {
		s->at++;
		doc->empty = true;
		more = false;
	}
	while (more && !ret) {
		ret = read_pair(s);
		doc->last = s->at;
		if (!ret)
			ret = follows(s, '}', &more);
	}
	if (!ret && (next(s) || s->at < doc->len))
		ret = syntax(s, s->at, "text behind the end of the configuration");
	return ret;
}

int pfw_document_parse(struct pfw_document *doc, const char *text, size_t len, uint32_t file,
		       bool with_settings, struct pfw_ruleset *ruleset, struct pfw_error *err)
{
	struct scan s = {
		.doc = doc,
		.ruleset = ruleset,
		.reader = { .arena = &ruleset->arena, .err = err },
		.file = file,
		.with_settings = with_settings,
	};
	int ret;

	if (len > PFW_DOCUMENT_MAX)
		return pfw_error_add(err, PFW_FAILED, "longer than %u bytes", PFW_DOCUMENT_MAX);
	doc->text = text;
	doc->len = len;
	ret = read_whole(&s);
	if (ret < 0)
		return ret;
	return s.invalid ? -EINVAL : 0;
}

int pfw_document_scan(struct pfw_document *doc, const char *text, size_t len, struct pfw_error *err)
{
	struct scan s = { .doc = doc, .reader = { .err = err }, .places_only = true };

	doc->text = text;
	doc->len = len;
	return read_whole(&s);
}

void pfw_document_free(struct pfw_document *doc)
{
	free(doc->forwards);
	*doc = (struct pfw_document){ 0 };
}
