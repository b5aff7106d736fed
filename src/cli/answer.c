/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Parts of an answer (a forward in canonical JSON) as text for people. */
#include <stdbool.h>
#include <string.h>

#include "answer.h"

static void print_list(const json_t *value, const char *separator,
		       void (*print)(const json_t *value, struct pfw_buffer *ret),
		       struct pfw_buffer *ret)
{
	size_t i;

	if (!json_is_array(value)) {
		print(value, ret);
		return;
	}
	for (i = 0; i < json_array_size(value); i++) {
		if (i)
			pfw_buffer_puts(ret, separator);
		print(json_array_get(value, i), ret);
	}
}

void pfw_answer_value(const json_t *value, struct pfw_buffer *ret)
{
	if (json_is_string(value))
		pfw_buffer_puts(ret, json_string_value(value));
	else if (json_is_boolean(value))
		pfw_buffer_puts(ret, json_is_true(value) ? "yes" : "no");
	else if (json_is_integer(value))
		pfw_buffer_printf(ret, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
	else if (json_is_array(value))
		print_list(value, ",", pfw_answer_value, ret);
}

static void print_address(const json_t *address, struct pfw_buffer *ret)
{
	const char *text = json_string_value(address);

	if (text)
		pfw_buffer_printf(ret, strchr(text, ':') ? "[%s]" : "%s", text);
}

static bool is_empty(const json_t *value)
{
	return !value || json_is_null(value) ||
	       (json_is_array(value) && !json_array_size(value)) ||
	       (json_is_string(value) && !*json_string_value(value));
}

void pfw_answer_listen(const json_t *forward, struct pfw_buffer *ret)
{
	const json_t *listen = json_object_get(forward, "listen");
	const json_t *address = json_object_get(listen, "address");
	const json_t *interface = json_object_get(listen, "interface");

	if (json_is_string(listen)) {
		pfw_answer_value(listen, ret);
		return;
	}
	if (!is_empty(address)) {
		print_list(address, ",", print_address, ret);
		pfw_buffer_puts(ret, ":");
	}
	pfw_answer_value(json_object_get(listen, "port"), ret);
	pfw_buffer_puts(ret, "/");
	print_list(json_object_get(listen, "protocol"), "+", pfw_answer_value, ret);
	if (!is_empty(interface)) {
		pfw_buffer_puts(ret, " on ");
		pfw_answer_value(interface, ret);
	}
}

static void print_target(const json_t *target, struct pfw_buffer *ret)
{
	const json_t *port = json_object_get(target, "port");
	const json_t *weight = json_object_get(target, "weight");

	if (json_is_string(target)) {
		pfw_answer_value(target, ret);
		return;
	}
	print_address(json_object_get(target, "address"), ret);
	if (!is_empty(port)) {
		pfw_buffer_puts(ret, ":");
		pfw_answer_value(port, ret);
	}
	if (json_integer_value(weight) > 1)
		pfw_buffer_printf(ret, " weight %" JSON_INTEGER_FORMAT, json_integer_value(weight));
}

void pfw_answer_target(const json_t *forward, struct pfw_buffer *ret)
{
	print_list(json_object_get(forward, "target"), ",", print_target, ret);
}

static void print_limit(const json_t *value, const char *before, const char *behind,
			struct pfw_buffer *ret)
{
	if (is_empty(value))
		return;
	pfw_buffer_printf(ret, "%s%s", ret->len ? ", " : "", before);
	pfw_answer_value(value, ret);
	pfw_buffer_puts(ret, behind);
}

void pfw_answer_limit(const json_t *forward, struct pfw_buffer *ret)
{
	const json_t *limit = json_object_get(forward, "limit");

	print_limit(json_object_get(limit, "rate"), "", "", ret);
	print_limit(json_object_get(limit, "burst"), "burst ", "", ret);
	print_limit(json_object_get(limit, "connections"), "", " connections", ret);
}
