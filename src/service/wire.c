/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Requests and refusals <-> JSON. */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "portfwd/base/text.h"
#include "portfwd/service/wire.h"

const struct pfw_name pfw_command_names[] = {
	{ "add", PFW_VERB_ADD },
	{ "remove", PFW_VERB_REMOVE },
	{ "enable", PFW_VERB_ENABLE },
	{ "disable", PFW_VERB_DISABLE },
	{ "list", PFW_VERB_LIST },
	{ "status", PFW_VERB_STATUS },
	{ "check", PFW_VERB_CHECK },
	{ "diff", PFW_VERB_DIFF },
	{ "write", PFW_VERB_WRITE },
	{ "reload", PFW_VERB_RELOAD },
	{ "flush", PFW_VERB_FLUSH },
	{ "export", PFW_VERB_EXPORT },
	{ "confirm", PFW_VERB_CONFIRM },
	{ "read", PFW_VERB_READ },
	{ NULL },
};

const struct pfw_name pfw_failure_names[] = {
	{ "failed", PFW_FAILED },
	{ "usage", PFW_USAGE },
	{ "not-found", PFW_NOT_FOUND },
	{ "conflict", PFW_CONFLICT },
	{ "not-permitted", PFW_NOT_PERMITTED },
	{ NULL },
};

#define BIT(verb) (1u << PFW_VERB_##verb)
#define BY_NAME (BIT(REMOVE) | BIT(ENABLE) | BIT(DISABLE))
#define WHOLE (BIT(WRITE) | BIT(RELOAD))

/* A key of a request: which member it is, what it may be, and which verbs use it. */
static const struct field {
	const char *key;
	enum kind { FORWARD, NAMES, WORD, TEXT, FLAG, SECONDS } kind;
	unsigned int verbs;
	size_t at;
	size_t len;	/* TEXT: where its length is */
} fields[] = {
#define MEMBER(name) offsetof(struct pfw_request, name)
	{ "forward", FORWARD, BIT(ADD), MEMBER(forward) },
	{ "names", NAMES, BY_NAME | BIT(LIST), MEMBER(names) },
	{ "format", WORD, BIT(EXPORT), MEMBER(format) },
	{ "text", TEXT, BIT(WRITE), MEMBER(text), MEMBER(text_len) },
	{ "base", TEXT, BIT(WRITE), MEMBER(base), MEMBER(base_len) },
	{ "replace", FLAG, BIT(ADD), MEMBER(replace) },
	{ "runtime", FLAG, BIT(ADD), MEMBER(runtime) },
	{ "drain", FLAG, BIT(ADD) | BY_NAME | WHOLE, MEMBER(drain) },
	{ "dry_run", FLAG, BIT(ADD) | BY_NAME | WHOLE | BIT(FLUSH) | BIT(READ), MEMBER(dry_run) },
	{ "confirm", SECONDS, BIT(RELOAD), MEMBER(confirm) },
#undef MEMBER
};
#define N_FIELDS (sizeof(fields) / sizeof(fields[0]))

static const struct field *find_field(const char *key)
{
	size_t i;

	for (i = 0; i < N_FIELDS; i++)
		if (!strcmp(fields[i].key, key))
			return &fields[i];
	return NULL;
}

static void *member(struct pfw_request *request, size_t at)
{
	return (char *)request + at;
}

static const void *const_member(const struct pfw_request *request, size_t at)
{
	return (const char *)request + at;
}

static json_t *names_json(const struct pfw_request *request)
{
	json_t *list = json_array();
	size_t i;

	for (i = 0; i < request->n_names; i++)
		if (json_array_append_new(list, json_string(request->names[i]))) {
			json_decref(list);
			return NULL;
		}
	return list;
}

/* Whether the request says anything there; *ret is NULL where it cannot be said in JSON. */
static bool field_json(const struct field *field, const struct pfw_request *request, json_t **ret)
{
	const void *at = const_member(request, field->at);
	const char *text;
	size_t len;

	switch (field->kind) {
	case FORWARD:
		*ret = json_incref(*(json_t *const *)at);
		return *(json_t *const *)at;
	case NAMES:
		*ret = names_json(request);
		return request->n_names;
	case WORD:
		text = *(const char *const *)at;
		*ret = json_string(text);
		return text;
	case TEXT:
		text = *(const char *const *)at;
		len = *(const size_t *)const_member(request, field->len);
		*ret = text && !memchr(text, '\0', len) ? json_stringn(text, len) : NULL;
		return text;
	case FLAG:
		*ret = json_true();
		return *(const bool *)at;
	case SECONDS:
		*ret = json_integer(*(const unsigned int *)at);
		return *(const unsigned int *)at;
	}
	return false;
}

int pfw_request_json(const struct pfw_request *request, json_t **ret, struct pfw_error *err)
{
	json_t *json = json_object(), *value = NULL;
	size_t i;

	if (!json)
		return pfw_fail_memory(err);
	for (i = 0; i < N_FIELDS; i++) {
		if (!field_json(&fields[i], request, &value)) {
			json_decref(value);
			continue;
		}
		if (json_object_set_new(json, fields[i].key, value)) {
			json_decref(json);
			return -EILSEQ;
		}
	}
	if (request->file) {
		json_decref(json);
		return -EILSEQ;
	}
	*ret = json;
	return 0;
}

static int parse_names(json_t *value, struct pfw_request *ret, struct pfw_error *err)
{
	size_t n = json_array_size(value), i;
	const char **names;

	if (!json_is_array(value))
		return pfw_error_add(err, PFW_FAILED, "this is no list of names");
	names = calloc(n + 1, sizeof(*names));
	if (!names)
		return pfw_fail_memory(err);
	for (i = 0; i < n; i++) {
		names[i] = json_string_value(json_array_get(value, i));
		if (!names[i]) {
			free(names);
			return pfw_error_add(err, PFW_FAILED, "this is no list of names");
		}
	}
	ret->names = names;
	ret->n_names = n;
	return 0;
}

static int parse_seconds(json_t *value, unsigned int *ret, struct pfw_error *err)
{
	json_int_t seconds = json_integer_value(value);

	if (seconds < 1 || seconds > PFW_CONFIRM_MAX)
		return pfw_error_add(err, PFW_FAILED, "this is no number of seconds, 1 to %d",
				     PFW_CONFIRM_MAX);
	*ret = (unsigned int)seconds;
	return 0;
}

static int parse_field(const struct field *field, json_t *value, struct pfw_request *ret,
		       struct pfw_error *err)
{
	void *at = member(ret, field->at);

	switch (field->kind) {
	case FORWARD:
		*(json_t **)at = value;
		return json_is_object(value) ? 0 : pfw_error_add(err, PFW_FAILED,
								 "this is no object");
	case NAMES:
		return parse_names(value, ret, err);
	case TEXT:
		*(size_t *)member(ret, field->len) = json_string_length(value);
		__attribute__((fallthrough));
	case WORD:
		*(const char **)at = json_string_value(value);
		return json_is_string(value) ? 0 : pfw_error_add(err, PFW_FAILED,
								 "this is no text");
	case FLAG:
		*(bool *)at = json_is_true(value);
		return json_is_boolean(value) ? 0 : pfw_error_add(err, PFW_FAILED,
								  "this is not true or false");
	case SECONDS:
		return parse_seconds(value, at, err);
	}
	return 0;
}

int pfw_request_parse(enum pfw_verb verb, json_t *json, struct pfw_request *ret,
		      struct pfw_error *err)
{
	struct pfw_request request = { 0 };
	const struct field *field;
	char quoted[PFW_QUOTE_SIZE];
	const char *key;
	json_t *value;
	size_t mark;
	int code = 0, bad;

	json_object_foreach(json, key, value) {
		field = find_field(key);
		if (!field || !(field->verbs & 1u << verb)) {
			code = pfw_error_add(err, PFW_FAILED, "%s is no key of this request",
					     pfw_text_quote(key, strlen(key), quoted));
			continue;
		}
		mark = pfw_error_enter_key(err, key);
		bad = parse_field(field, value, &request, err);
		pfw_error_leave(err, mark);
		code = code ? code : bad;
	}
	if (!code && verb == PFW_VERB_ADD && !request.forward)
		code = pfw_error_add(err, PFW_FAILED, "\"forward\" is missing");
	if (!code && verb == PFW_VERB_WRITE && !request.text)
		code = pfw_error_add(err, PFW_FAILED, "\"text\" is missing");
	if (code)
		pfw_request_free(&request);
	else
		*ret = request;
	return code;
}

void pfw_request_free(struct pfw_request *request)
{
	free((void *)(uintptr_t)request->names);
	request->names = NULL;
	request->n_names = 0;
}

unsigned int pfw_problem_status(const struct pfw_error *err, int code)
{
	if (code == -ENOMEM || code == -ETIMEDOUT || code == -EAGAIN)
		return 503;
	switch (err->kind) {
	case PFW_NOT_FOUND:
		return 404;
	case PFW_CONFLICT:
		return code == -ESTALE ? 412 : 409;
	case PFW_USAGE:
		return 422;
	case PFW_FAILED:
		/* A reload waits to be confirmed, or waited and waits no longer. */
		if (code == -EBUSY || code == -ETIME)
			return 409;
		return code == -EINVAL || code == -EILSEQ ? 422 : 500;
	case PFW_NOT_PERMITTED:	/* to the daemon itself */
		break;
	}
	return 500;
}

/* What RFC 9110 calls them. */
static const struct pfw_name titles[] = {
	{ "Bad Request", 400 },
	{ "Forbidden", 403 },
	{ "Not Found", 404 },
	{ "Method Not Allowed", 405 },
	{ "Conflict", 409 },
	{ "Precondition Failed", 412 },
	{ "Content Too Large", 413 },
	{ "Unsupported Media Type", 415 },
	{ "Misdirected Request", 421 },
	{ "Unprocessable Content", 422 },
	{ "Request Header Fields Too Large", 431 },
	{ "Internal Server Error", 500 },
	{ "Service Unavailable", 503 },
	{ NULL },
};

/* The text, which is UTF-8 already; null if it is empty. */
static json_t *words(const char *text)
{
	return *text ? json_string(text) : json_null();
}

static json_t *items_json(const struct pfw_error *err)
{
	const struct pfw_error_item *item = err->item;
	const struct pfw_error_item *end =
		item + (err->count < PFW_ERROR_ITEMS ? err->count : PFW_ERROR_ITEMS);
	json_t *list = json_array();

	for (; item < end; item++)
		if (json_array_append_new(list, json_pack("{s:o, s:o, s:o}", "file",
							  words(item->file), "path",
							  words(item->path), "message",
							  words(item->message)))) {
			json_decref(list);
			return NULL;
		}
	return list;
}

json_t *pfw_problem_json(const struct pfw_error *err, int code, unsigned int status)
{
	const char *detail = err->count ? err->item[0].message : strerror(-code);
	const char *title = pfw_name_text(titles, (int)status);
	int kind = err->count ? (int)err->kind : PFW_FAILED;

	return json_pack("{s:s, s:s, s:i, s:s, s:s, s:i, s:i, s:i, s:o}", "type", "about:blank",
			 "title", title ? title : "Error", "status", (int)status, "detail", detail,
			 "kind", pfw_name_text(pfw_failure_names, kind), "code", kind, "errno", -code,
			 "count", (int)err->count, "errors", items_json(err));
}

static void copy_text(char *to, size_t size, const json_t *from)
{
	const char *text = json_string_value(from);
	size_t len = text ? strnlen(text, size - 1) : 0;

	memcpy(to, text ? text : "", len);
	to[len] = '\0';
	/* What was cut may end within a character. */
	pfw_text_clean(to);
}

int pfw_problem_parse(const json_t *problem, struct pfw_error *err)
{
	const json_t *items = json_object_get(problem, "errors"), *item;
	json_int_t code = json_integer_value(json_object_get(problem, "code"));
	json_int_t system = json_integer_value(json_object_get(problem, "errno"));
	json_int_t count = json_integer_value(json_object_get(problem, "count"));
	size_t i, n = json_array_size(items);

	if (!pfw_name_text(pfw_failure_names, (int)code) || code > PFW_NOT_PERMITTED ||
	    system < 1 || system > 4095 || count < 0 || count > INT32_MAX || !json_is_array(items))
		return pfw_fail(err, PFW_FAILED, -EBADMSG,
				"the daemon refused, in words that make no sense here");
	pfw_error_clear(err);
	err->kind = (enum pfw_failure)code;
	if (n >= PFW_ERROR_ITEMS)
		n = PFW_ERROR_ITEMS;
	/* More than there are words for is a number only. */
	err->count = (unsigned int)(n == PFW_ERROR_ITEMS && (size_t)count > n ? (size_t)count : n);
	for (i = 0; i < n; i++) {
		item = json_array_get(items, i);
		copy_text(err->item[i].file, sizeof(err->item[i].file),
			  json_object_get(item, "file"));
		copy_text(err->item[i].path, sizeof(err->item[i].path),
			  json_object_get(item, "path"));
		copy_text(err->item[i].message, sizeof(err->item[i].message),
			  json_object_get(item, "message"));
	}
	return -(int)system;
}
