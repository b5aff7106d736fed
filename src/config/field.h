/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Fields: one row says everything about one key of portfwd.json(5), and the
 * rows of an object drive its parser, its printer and its errors.
 */
#ifndef CONFIG_FIELD_H
#define CONFIG_FIELD_H

#include <jansson.h>
#include <stdbool.h>

#include "portfwd/base/text.h"
#include "portfwd/config/config.h"

/* What a parser works with; errors go to the present place of err. */
struct reader {
	struct pfw_arena *arena;
	struct pfw_error *err;
};

/* What a printer works with. */
struct writer {
	const struct pfw_settings *settings;
	enum pfw_json_style style;
};

struct field {
	const char *key;
	const char *hint;	/* what a value looks like */
	bool required;
	/* Fills in the object; -EINVAL with errors added, or -ENOMEM. */
	int (*parse)(struct reader *r, const struct field *field, json_t *value, void *object);
	/* A new reference; *ret stays NULL where the style leaves the key out. -ENOMEM. */
	int (*emit)(const struct writer *w, const struct field *field, const void *object,
		    json_t **ret);
	size_t offset;			/* of the member, for the shared functions below */
	const struct pfw_name *names;	/* the words of field_parse_word() */
	uint32_t max;			/* of field_number(), which takes 1 to this */
	/*
	 * The value as JSON Schema, where neither names nor max nor a shared parser says it all.
	 * "@" stands for the names with "|" between; without one, names are taken beside it.
	 */
	const char *schema;
};

/* Regular expressions for schema. They know less than the parsers: not what values go together. */
#define RE_PORT "(?:6553[0-5]|655[0-2][0-9]|65[0-4][0-9]{2}|6[0-4][0-9]{3}|[1-5][0-9]{4}|[1-9][0-9]{0,3})"
#define RE_PORTS RE_PORT "(?:-" RE_PORT ")?"
#define RE_PORT_LIST RE_PORTS "(?:," RE_PORTS ")*"
#define RE_OCTET "(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])"
#define RE_IPV4 RE_OCTET "(?:[.]" RE_OCTET "){3}"
#define RE_IPV6 "(?=[^.]*:)[0-9A-Fa-f:.]{2,45}"
#define RE_ADDRESS "(?:" RE_IPV4 "|" RE_IPV6 ")"
#define SCHEMA_TEXT(re) "{\"type\": \"string\", \"pattern\": \"^" re "$\"}"
#define SCHEMA_LIST(item, min) "{\"type\": \"array\", \"items\": " item ", \"minItems\": " min \
	", \"maxItems\": " TEXT_OF(PFW_LIST_MAX) ", \"uniqueItems\": true}"
/* One value or a list of them. */
#define SCHEMA_SEVERAL(item, min) "{\"anyOf\": [" item ", " SCHEMA_LIST(item, min) "]}"
#define TEXT_OF(macro) TEXT_OF_(macro)
#define TEXT_OF_(text) #text

/* Each table ends with a row whose key is NULL. */
extern const struct field document_fields[];	/* walked by document.c; no parse or emit */
extern const struct field settings_fields[];
extern const struct field forward_fields[];
extern const struct field listen_fields[];
extern const struct field target_fields[];
extern const struct field limit_fields[];

const struct field *field_find(const struct field *fields, const char *key);
/* Adds "unknown key" with the near ones; the key is already entered in the path. */
int field_unknown(const struct field *fields, const char *key, struct pfw_error *err);

/* Parses the object by its rows; what names the object in errors ("a forward"). */
int object_parse(struct reader *r, const struct field *fields, const char *what, json_t *json,
		 void *object);
int object_emit(const struct writer *w, const struct field *fields, const void *object,
		json_t **ret);

/* The number of values of "one value or a list"; each enters "[i]" for a list. */
size_t list_count(json_t *value);
int list_each(struct reader *r, json_t *value, int (*each)(struct reader *r, json_t *value,
							    void *ctx), void *ctx);
/* Adds the error about a list without values; hint as in struct field. */
int list_empty(struct reader *r, const char *hint);
/* An array for the values of a list; -EINVAL with an error if there are too many. */
int list_alloc(struct reader *r, json_t *value, size_t size, void **ret);

/* Shared parsers and printers of values. */
int field_parse_bool(struct reader *r, const struct field *field, json_t *value, void *object);
int field_emit_bool(const struct writer *w, const struct field *field, const void *object,
		    json_t **ret);
int field_parse_switch(struct reader *r, const struct field *field, json_t *value, void *object);
int field_parse_word(struct reader *r, const struct field *field, json_t *value, void *object);
int field_emit_word(const struct writer *w, const struct field *field, const void *object,
		    json_t **ret);

/* The value as errors name it. Returns buf. */
const char *value_text(json_t *value, char buf[PFW_QUOTE_SIZE]);
/* Whether it is a text with commas; then an error says that a list is wanted. */
bool value_is_joined(struct reader *r, const char *text, size_t len);
/* Adds "VALUE is not HINT". */
int value_wrong(struct reader *r, json_t *value, const char *hint);
/* A whole number from 1 to the row's max. */
int field_number(struct reader *r, const struct field *field, json_t *value, uint32_t *ret);
/* A port as a number; shared by listen and target. */
int port_number(struct reader *r, json_t *value, struct pfw_ports *ret);

/* The values of keys that have a file of their own. */
int forward_parse_listen(struct reader *r, const struct field *field, json_t *value,
			 void *object);
int forward_emit_listen(const struct writer *w, const struct field *field, const void *object,
			json_t **ret);
int forward_parse_target(struct reader *r, const struct field *field, json_t *value,
			 void *object);
int forward_emit_target(const struct writer *w, const struct field *field, const void *object,
			json_t **ret);
int forward_parse_source(struct reader *r, const struct field *field, json_t *value,
			 void *object);
int forward_emit_source(const struct writer *w, const struct field *field, const void *object,
			json_t **ret);
int forward_parse_limit(struct reader *r, const struct field *field, json_t *value,
			void *object);
int forward_emit_limit(const struct writer *w, const struct field *field, const void *object,
		       json_t **ret);

/* Gives json to *ret; -ENOMEM where making it failed. */
int emit_give(json_t *json, json_t **ret);
/* The text of a buffer as a JSON string; frees the buffer. */
int emit_text(struct pfw_buffer *text, json_t **ret);

#endif
