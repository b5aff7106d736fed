/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Changing a file's text in place: every byte that is not of a changed forward stays. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "portfwd/config/config.h"

/* The new text while it grows. */
struct splice {
	const struct pfw_document *doc;
	struct pfw_buffer *out;
	const struct pfw_edit *edits;
	size_t n;
	uint32_t written;	/* elements of the list so far */
};

static void copy(struct splice *s, size_t from, size_t to)
{
	pfw_buffer_append(s->out, s->doc->text + from, to - from);
}

char *pfw_forward_text(const struct pfw_forward *forward)
{
	json_t *json = pfw_forward_json(forward, &pfw_settings_default, PFW_CONCISE);
	char *text = json ? json_dumps(json, 0) : NULL;

	json_decref(json);
	return text;
}

static int put_forward(struct splice *s, const struct pfw_edit *edit)
{
	char *text = edit->text ? NULL : pfw_forward_text(edit->forward);

	s->written++;
	if (!edit->text && !text)
		return -ENOMEM;
	pfw_buffer_puts(s->out, edit->text ? edit->text : text);
	free(text);
	return 0;
}

static bool removes(const struct pfw_edit *edit)
{
	return !edit->forward && !edit->text;
}

/* Between two elements, with the comma; or between "[" and the first. */
static struct pfw_span gap_before(const struct pfw_document *doc, uint32_t i)
{
	size_t begin = doc->list.offset + 1;

	if (i)
		begin = doc->forwards[i - 1].offset + doc->forwards[i - 1].len;
	return (struct pfw_span){ begin, doc->forwards[i].offset - begin };
}

static void copy_gap(struct splice *s, uint32_t i)
{
	struct pfw_span gap = gap_before(s->doc, i);

	copy(s, gap.offset, gap.offset + gap.len);
}

/* What stands before a kept element: its own gap, unless it has become the first. */
static void put_gap(struct splice *s, uint32_t i)
{
	copy_gap(s, s->written ? i : 0);
}

static const char *newline_of(const struct pfw_document *doc)
{
	const char *end = doc->len ? memchr(doc->text, '\n', doc->len) : NULL;

	return end && end > doc->text && end[-1] == '\r' ? "\r\n" : "\n";
}

/* The white space with which the line of this offset begins. */
static struct pfw_span indent_at(const struct pfw_document *doc, size_t at)
{
	size_t begin = at, end;

	while (begin && doc->text[begin - 1] != '\n')
		begin--;
	for (end = begin; end < at; end++)
		if (doc->text[end] != ' ' && doc->text[end] != '\t')
			break;
	return (struct pfw_span){ begin, end - begin };
}

/* A new line this many steps deeper than that indent. */
static void put_line(struct splice *s, struct pfw_span indent, unsigned int steps)
{
	const char *text = s->doc->text;

	pfw_buffer_puts(s->out, newline_of(s->doc));
	if (indent.len)
		copy(s, indent.offset, indent.offset + indent.len);
	for (; steps; steps--)
		pfw_buffer_puts(s->out, indent.len && text[indent.offset] == '\t' ? "\t" : "  ");
}

/* The appended ones, into a list that nothing shows a style for. */
static int put_fresh(struct splice *s, struct pfw_span indent, unsigned int steps)
{
	size_t i;
	int ret;

	pfw_buffer_puts(s->out, "[");
	for (i = 0; i < s->n; i++) {
		if (removes(&s->edits[i]))
			continue;
		if (s->written)
			pfw_buffer_puts(s->out, ",");
		put_line(s, indent, steps + 1);
		ret = put_forward(s, &s->edits[i]);
		if (ret < 0)
			return ret;
	}
	put_line(s, indent, steps);
	pfw_buffer_puts(s->out, "]");
	return 0;
}

/* One more behind the last, in the style of those that stood there. */
static int append(struct splice *s, const struct pfw_edit *edit)
{
	const struct pfw_document *doc = s->doc;
	struct pfw_span first = gap_before(doc, 0);

	if (!s->written) {
		copy_gap(s, 0);
	} else if (doc->n_forwards > 1) {
		copy_gap(s, doc->n_forwards - 1);
	} else {
		pfw_buffer_puts(s->out, memchr(doc->text + first.offset, '\n', first.len) ?
				"," : ", ");
		if (memchr(doc->text + first.offset, '\n', first.len))
			copy_gap(s, 0);
	}
	return put_forward(s, edit);
}

static int edit_list(struct splice *s)
{
	const struct pfw_document *doc = s->doc;
	const struct pfw_span *last = &doc->forwards[doc->n_forwards - 1];
	size_t edit = 0;
	uint32_t i;
	int ret = 0;

	pfw_buffer_puts(s->out, "[");
	for (i = 0; i < doc->n_forwards && !ret; i++) {
		if (edit == s->n || s->edits[edit].position != i) {
			put_gap(s, i);
			copy(s, doc->forwards[i].offset,
			     doc->forwards[i].offset + doc->forwards[i].len);
			s->written++;
			continue;
		}
		if (!removes(&s->edits[edit])) {
			put_gap(s, i);
			ret = put_forward(s, &s->edits[edit]);
		}
		edit++;
	}
	for (; edit < s->n && !ret; edit++)
		ret = append(s, &s->edits[edit]);
	if (s->written)
		copy(s, last->offset + last->len, doc->list.offset + doc->list.len);
	else
		pfw_buffer_puts(s->out, "]");
	return ret;
}

/* A whole without the key: it comes behind the others, indented as the first of them. */
static int add_list(struct splice *s)
{
	const struct pfw_document *doc = s->doc;
	struct pfw_span indent = indent_at(doc, doc->body), key = { 0 };
	size_t at = doc->body, end = doc->last;
	unsigned int steps = 1;
	int ret;

	while (at < doc->last && strchr(" \t\r\n", doc->text[at]))
		at++;
	if (!doc->empty && memchr(doc->text + doc->body, '\n', at - doc->body)) {
		key = indent_at(doc, at);
		indent = key;
		steps = key.len ? 0 : 1;
	}
	copy(s, 0, end);
	if (!doc->empty)
		pfw_buffer_puts(s->out, ",");
	put_line(s, indent, steps);
	pfw_buffer_puts(s->out, "\"forwards\": ");
	ret = put_fresh(s, indent, steps);
	if (doc->empty) {
		put_line(s, indent_at(doc, doc->body), 0);
		while (doc->text[end] != '}')
			end++;
	}
	copy(s, end, doc->len);
	return ret;
}

static int edit_text(struct splice *s)
{
	static const struct pfw_document empty = {
		.text = "{}\n", .len = 3, .body = 1, .last = 1, .empty = true,
	};
	const struct pfw_document *doc = s->doc;
	int ret;

	if (!doc->len) {
		s->doc = &empty;
		return add_list(s);
	}
	if (!doc->list.len)
		return add_list(s);
	copy(s, 0, doc->list.offset);
	if (doc->n_forwards)
		ret = edit_list(s);
	else
		ret = put_fresh(s, indent_at(doc, doc->list.offset), 0);
	copy(s, doc->list.offset + doc->list.len, doc->len);
	return ret;
}

static bool edits_are_sound(const struct pfw_document *doc, const struct pfw_edit *edits, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++) {
		if (edits[i].position == PFW_EDIT_APPEND ? removes(&edits[i]) :
		    edits[i].position >= doc->n_forwards)
			return false;
		if (i && edits[i].position <= edits[i - 1].position &&
		    edits[i].position != PFW_EDIT_APPEND)
			return false;
	}
	return true;
}

int pfw_document_edit(const struct pfw_document *doc, const struct pfw_edit *edits, size_t n,
		      struct pfw_buffer *ret, struct pfw_error *err)
{
	struct pfw_buffer out = { 0 };
	struct splice s = { .doc = doc, .out = &out, .edits = edits, .n = n };
	int result;

	if (!edits_are_sound(doc, edits, n))
		return pfw_fail(err, PFW_FAILED, -EINVAL, "edits that the file does not have");
	if (n) {
		result = edit_text(&s);
	} else {
		pfw_buffer_append(&out, doc->text, doc->len);
		result = 0;
	}
	if (result < 0 || out.failed) {
		pfw_buffer_free(&out);
		return pfw_fail_memory(err);
	}
	*ret = out;
	return 0;
}
