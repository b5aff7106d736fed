/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Objects by their rows, and the values that several keys share. */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "field.h"

#define NUMBER_DIGITS 18	/* more are shown as a text */

const struct field *field_find(const struct field *fields, const char *key)
{
	for (; fields->key; fields++)
		if (strcmp(fields->key, key) == 0)
			return fields;
	return NULL;
}

int field_unknown(const struct field *fields, const char *key, struct pfw_error *err)
{
	struct pfw_buffer text = { 0 };
	const struct field *field;
	int ret;

	for (field = fields; field->key; field++)
		if (pfw_name_is_near(key, field->key))
			pfw_buffer_printf(&text, "%s\"%s\"", text.len ? " or " : "did you mean ",
					  field->key);
	if (text.len) {
		pfw_buffer_puts(&text, "?");
	} else {
		for (field = fields; field->key; field++)
			pfw_buffer_printf(&text, "%s%s", field == fields ? "known are " : ", ",
					  field->key);
	}
	ret = text.failed ? pfw_fail_memory(err) :
		pfw_error_add(err, PFW_FAILED, "unknown key; %s", text.data);
	pfw_buffer_free(&text);
	return ret;
}

const char *value_text(json_t *value, char buf[PFW_QUOTE_SIZE])
{
	switch (json_typeof(value)) {
	case JSON_STRING:
		return pfw_text_quote(json_string_value(value), json_string_length(value), buf);
	case JSON_INTEGER:
		snprintf(buf, PFW_QUOTE_SIZE, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
		return buf;
	case JSON_REAL:
		/* Never as a whole number: that would look right. */
		snprintf(buf, PFW_QUOTE_SIZE, "%.17g", json_real_value(value));
		if (!strpbrk(buf, ".e"))
			strcat(buf, ".0");
		return buf;
	case JSON_TRUE:
		return "true";
	case JSON_FALSE:
		return "false";
	case JSON_NULL:
		return "null";
	case JSON_ARRAY:
		return "a list";
	case JSON_OBJECT:
		return "an object";
	}
	return "this";
}

int value_wrong(struct reader *r, json_t *value, const char *hint)
{
	char buf[PFW_QUOTE_SIZE];

	return pfw_error_add(r->err, PFW_FAILED, "%s is not %s", value_text(value, buf), hint);
}

bool value_is_joined(struct reader *r, const char *text, size_t len)
{
	char buf[PFW_QUOTE_SIZE];

	if (!memchr(text, ',', len))
		return false;
	pfw_error_add(r->err, PFW_FAILED, "%s: several are a list, each in quotes of its own, as in "
		      "[\"a\", \"b\"]", pfw_text_quote(text, len, buf));
	return true;
}

int object_parse(struct reader *r, const struct field *fields, const char *what, json_t *json,
		 void *object)
{
	const struct field *field;
	const char *key;
	json_t *value;
	size_t mark;
	int ret = 0, one;

	if (!json_is_object(json))
		return value_wrong(r, json, what);
	json_object_foreach(json, key, value) {
		mark = pfw_error_enter_key(r->err, key);
		field = field_find(fields, key);
		if (field)
			one = field->parse(r, field, value, object);
		else
			one = field_unknown(fields, key, r->err);
		pfw_error_leave(r->err, mark);
		if (one == -ENOMEM)
			return one;
		if (one < 0)
			ret = one;
	}
	for (field = fields; field->key; field++)
		if (field->required && !json_object_get(json, field->key))
			ret = pfw_error_add(r->err, PFW_FAILED, "\"%s\" is missing: give %s",
					    field->key, field->hint);
	return ret;
}

int object_emit(const struct writer *w, const struct field *fields, const void *object,
		json_t **ret)
{
	json_t *json = json_object(), *value;
	const struct field *field;
	int result = json ? 0 : -ENOMEM;

	for (field = fields; field->key && !result; field++) {
		value = NULL;
		result = field->emit(w, field, object, &value);
		if (!result && value && json_object_set_new_nocheck(json, field->key, value) < 0)
			result = -ENOMEM;
	}
	if (result < 0)
		json_decref(json);
	else
		*ret = json;
	return result;
}

size_t list_count(json_t *value)
{
	return json_is_array(value) ? json_array_size(value) : 1;
}

int list_empty(struct reader *r, const char *hint)
{
	return pfw_error_add(r->err, PFW_FAILED, "an empty list: give %s", hint);
}

int list_each(struct reader *r, json_t *value,
	      int (*each)(struct reader *r, json_t *value, void *ctx), void *ctx)
{
	json_t *item;
	size_t i, mark;
	int ret = 0, one;

	if (!json_is_array(value))
		return each(r, value, ctx);
	json_array_foreach(value, i, item) {
		mark = pfw_error_enter_index(r->err, i);
		one = each(r, item, ctx);
		pfw_error_leave(r->err, mark);
		if (one == -ENOMEM)
			return one;
		if (one < 0)
			ret = one;
	}
	return ret;
}

int list_alloc(struct reader *r, json_t *value, size_t size, void **ret)
{
	void *array;

	if (list_count(value) > PFW_LIST_MAX)
		return pfw_error_add(r->err, PFW_FAILED, "has %zu values; at most %d work",
				     list_count(value), PFW_LIST_MAX);
	array = pfw_arena_array(r->arena, list_count(value), size);
	if (!array)
		return pfw_fail_memory(r->err);
	*ret = array;
	return 0;
}

static void *member(const struct field *field, void *object)
{
	return (char *)object + field->offset;
}

static const void *const_member(const struct field *field, const void *object)
{
	return (const char *)object + field->offset;
}

/* As a text, "true" would look right in the message. */
static int bool_wrong(struct reader *r, json_t *value)
{
	const char *text = json_string_value(value);

	if (text && (strcmp(text, "true") == 0 || strcmp(text, "false") == 0))
		return pfw_error_add(r->err, PFW_FAILED, "\"%s\" is a text; write %s without "
				     "quotes", text, text);
	return value_wrong(r, value, "true or false");
}

int field_parse_bool(struct reader *r, const struct field *field, json_t *value, void *object)
{
	bool *to = member(field, object);

	if (!json_is_boolean(value))
		return bool_wrong(r, value);
	*to = json_is_true(value);
	return 0;
}

int field_emit_bool(const struct writer *w, const struct field *field, const void *object,
		    json_t **ret)
{
	const bool *from = const_member(field, object);

	(void)w;
	return emit_give(json_boolean(*from), ret);
}

int field_parse_switch(struct reader *r, const struct field *field, json_t *value, void *object)
{
	uint8_t *to = member(field, object);
	bool on;

	if (!json_is_boolean(value))
		return bool_wrong(r, value);
	on = json_is_true(value);
	*to = on ? PFW_ON : PFW_OFF;
	return 0;
}

int field_parse_word(struct reader *r, const struct field *field, json_t *value, void *object)
{
	uint8_t *to = member(field, object);
	char list[128];
	int word = -1;

	if (json_is_string(value))
		word = pfw_name_value(field->names, json_string_value(value),
				      json_string_length(value));
	if (word < 0)
		return value_wrong(r, value, pfw_name_list(field->names, list, sizeof(list)));
	*to = (uint8_t)word;
	return 0;
}

int field_emit_word(const struct writer *w, const struct field *field, const void *object,
		    json_t **ret)
{
	const uint8_t *from = const_member(field, object);

	(void)w;
	return emit_give(json_string(pfw_name_text(field->names, *from)), ret);
}

int field_number(struct reader *r, const struct field *field, json_t *value, uint32_t *ret)
{
	const char *text = json_string_value(value);
	json_int_t number = json_integer_value(value);

	/* As a text, the number would look right in the message. */
	if (text && *text && strlen(text) <= NUMBER_DIGITS &&
	    strspn(text, "0123456789") == strlen(text))
		return pfw_error_add(r->err, PFW_FAILED, "\"%s\" is a text; write the number without "
				     "quotes: %s", text, field->hint);
	if (!json_is_integer(value) || number < 1 || number > field->max)
		return value_wrong(r, value, field->hint);
	*ret = (uint32_t)number;
	return 0;
}

int port_number(struct reader *r, json_t *value, struct pfw_ports *ret)
{
	json_int_t number = json_integer_value(value);

	if (!json_is_integer(value) || number < 1 || number > UINT16_MAX)
		return value_wrong(r, value, "a port (1-65535)");
	*ret = (struct pfw_ports){ (uint16_t)number, (uint16_t)number };
	return 0;
}

int emit_give(json_t *json, json_t **ret)
{
	if (!json)
		return -ENOMEM;
	*ret = json;
	return 0;
}

int emit_text(struct pfw_buffer *text, json_t **ret)
{
	json_t *json = text->failed || !text->data ? NULL : json_string(text->data);

	pfw_buffer_free(text);
	return emit_give(json, ret);
}
