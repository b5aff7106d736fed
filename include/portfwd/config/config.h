/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * portfwd.json(5) as text <-> the model. One table of fields drives parsing,
 * canonical output and the paths of errors. No input or output happens here.
 */
#ifndef PORTFWD_CONFIG_CONFIG_H
#define PORTFWD_CONFIG_CONFIG_H

#include <jansson.h>

#include "portfwd/base/buffer.h"
#include "portfwd/model/ruleset.h"

/* A configuration file is at most this long; larger ones are refused unread. */
#define PFW_DOCUMENT_MAX (1u << 30)

/* Where one element of "forwards" stands in the text. */
struct pfw_span {
	size_t offset;
	size_t len;
};

/*
 * The text of one file and where its forwards stand, so that saving can
 * replace them and leave every other byte alone. Zero-initialise; free with
 * pfw_document_free(), which leaves text to its owner.
 */
struct pfw_document {
	const char *text;
	size_t len;
	struct pfw_span *forwards;
	uint32_t n_forwards;
	uint32_t n_room;
	struct pfw_span list;	/* "[" to "]" of forwards; len 0: there is none */
	size_t body;		/* behind the "{" of the whole */
	size_t last;		/* behind the last value of the whole; body if it has no key */
	bool empty;		/* the whole has no key at all */
	const char *const *files;	/* set by the owner: paths by number, for messages, or NULL */
};

/*
 * Parses a whole file into the ruleset: err->file must be set. Forwards get
 * origin {file, position}. settings are allowed only where with_settings. All
 * errors are collected; on failure the ruleset may hold some of the forwards and
 * is good for pfw_ruleset_free() only. Names that stand twice, also across
 * files, are PFW_CONFLICT. Forwards without a name get theirs when all files are
 * parsed: pfw_config_finish().
 */
int pfw_document_parse(struct pfw_document *doc, const char *text, size_t len, uint32_t file,
		       bool with_settings, struct pfw_ruleset *ruleset, struct pfw_error *err);
/*
 * Only finds where the forwards stand, in a text that was parsed before; what they say is neither
 * read nor checked.
 */
int pfw_document_scan(struct pfw_document *doc, const char *text, size_t len, struct pfw_error *err);
void pfw_document_free(struct pfw_document *doc);

/*
 * Gives the forwards without a name theirs, once all files are parsed, so that a
 * name somebody wrote always wins over a derived one. files: paths by number,
 * for messages, or NULL.
 */
int pfw_config_finish(struct pfw_ruleset *ruleset, const char *const *files,
		      struct pfw_error *err);

/* One change of a document: the element at position, or a new one at the end. */
struct pfw_edit {
	uint32_t position;		/* PFW_EDIT_APPEND: behind the last */
	const struct pfw_forward *forward;	/* NULL, and text too: remove the element */
	const char *text;		/* how the forward is written, where that is known already */
};
#define PFW_EDIT_APPEND UINT32_MAX

/*
 * The document's text with these changes, all other bytes as they were; a
 * changed or new element is written on one line in the concise style, always
 * with its name, indented as its neighbours. edits are in ascending order of
 * position; appends last, in their order. A document of len 0 gives a whole new file.
 */
int pfw_document_edit(const struct pfw_document *doc, const struct pfw_edit *edits, size_t n,
		      struct pfw_buffer *ret, struct pfw_error *err);
/* A forward as pfw_document_edit() writes it, to be freed; NULL without memory. */
char *pfw_forward_text(const struct pfw_forward *forward);

/*
 * One forward from JSON (an element of the list, the body of a request, or what
 * the command line put together). The forward belongs to the arena; without a
 * name, name is NULL.
 */
int pfw_forward_parse(json_t *json, struct pfw_arena *arena, struct pfw_forward *ret,
		      struct pfw_error *err);

/* The listen part in its text form: "[ADDR:]PORTS[/PROTO]". */
int pfw_listen_parse(const char *text, size_t len, struct pfw_arena *arena,
		     struct pfw_listen *ret, struct pfw_error *err);

/*
 * How a forward is written:
 * PFW_CANONICAL: every option with the value that holds, lists as lists: for programs;
 * PFW_CONCISE: the shortest form that parses to the same forward: for files.
 * A new reference, or NULL without memory.
 */
enum pfw_json_style { PFW_CANONICAL, PFW_CONCISE };
json_t *pfw_forward_json(const struct pfw_forward *forward, const struct pfw_settings *settings,
			 enum pfw_json_style style);
json_t *pfw_settings_json(const struct pfw_settings *settings, enum pfw_json_style style);
/*
 * The format as JSON Schema (draft 2020-12), from the same tables. What it refuses, the parser
 * refuses; the parser refuses more: what values mean together no schema can say. A new reference, or
 * NULL without memory, or where a row says nothing of its value.
 */
json_t *pfw_config_schema(void);
/* "198.51.100.1:8080/tcp" where the short form can say it, else a readable equivalent. */
void pfw_listen_print(const struct pfw_listen *listen, struct pfw_buffer *ret);
void pfw_target_print(const struct pfw_forward *forward, struct pfw_buffer *ret);

#endif
