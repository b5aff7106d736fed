/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The rows of the listen part. */
#include <errno.h>
#include <string.h>

#include "listen.h"

static bool is_star(json_t *value)
{
	return json_is_string(value) && strcmp(json_string_value(value), "*") == 0;
}

static int parse_address(struct reader *r, json_t *value, void *ctx)
{
	struct pfw_listen *listen = ctx;
	struct pfw_addr *addr = &listen->addresses[listen->n_addresses];
	char buf[PFW_ADDR_TEXT];
	uint16_t i;

	if (!json_is_string(value))
		return value_wrong(r, value, "an address in quotes");
	if (is_star(value))
		return pfw_error_add(r->err, PFW_FAILED,
				     "\"*\" means every address and stands alone");
	if (value_is_joined(r, json_string_value(value), json_string_length(value)) ||
	    listen_address(r, json_string_value(value), json_string_length(value), addr) < 0)
		return -EINVAL;
	for (i = 0; i < listen->n_addresses; i++)
		if (pfw_addr_equal(&listen->addresses[i], addr))
			return pfw_error_add(r->err, PFW_FAILED, "%s stands twice in the list",
					     pfw_addr_print(addr, buf));
	listen->n_addresses++;
	return 0;
}

static int parse_addresses(struct reader *r, const struct field *field, json_t *value,
			   void *object)
{
	struct pfw_listen *listen = object;
	void *array;
	int ret;

	(void)field;
	if (is_star(value) || (json_is_array(value) && json_array_size(value) == 1 &&
			       is_star(json_array_get(value, 0))))
		return 0;
	ret = list_alloc(r, value, sizeof(*listen->addresses), &array);
	if (ret < 0)
		return ret;
	listen->addresses = array;
	return list_each(r, value, parse_address, listen);
}

static int parse_interface(struct reader *r, json_t *value, void *ctx)
{
	struct pfw_listen *listen = ctx;
	const char *text = json_string_value(value);
	size_t len = json_string_length(value);
	char buf[PFW_QUOTE_SIZE];
	uint16_t i;

	if (text && value_is_joined(r, text, len))
		return -EINVAL;
	if (!text || !pfw_ifname_valid(text, len))
		return value_wrong(r, value, "the name of an interface (1 to 15 letters, digits, "
				   "'_', '.', '@', ':' and '-')");
	for (i = 0; i < listen->n_interfaces; i++)
		if (strcmp(listen->interfaces[i], text) == 0)
			return pfw_error_add(r->err, PFW_FAILED, "%s stands twice in the list",
					     pfw_text_quote(text, len, buf));
	text = pfw_arena_text(r->arena, text, len);
	if (!text)
		return pfw_fail_memory(r->err);
	listen->interfaces[listen->n_interfaces++] = text;
	return 0;
}

static int parse_interfaces(struct reader *r, const struct field *field, json_t *value,
			    void *object)
{
	struct pfw_listen *listen = object;
	void *array;
	int ret;

	(void)field;
	ret = list_alloc(r, value, sizeof(*listen->interfaces), &array);
	if (ret < 0)
		return ret;
	listen->interfaces = array;
	return list_each(r, value, parse_interface, listen);
}

static int parse_port(struct reader *r, json_t *value, void *ctx)
{
	struct pfw_listen *listen = ctx;

	if (json_is_string(value))
		return listen_ports(r, json_string_value(value), json_string_length(value), listen);
	if (port_number(r, value, &listen->ports[listen->n_ports]) < 0)
		return -EINVAL;
	listen->n_ports++;
	return 0;
}

static int parse_ports(struct reader *r, const struct field *field, json_t *value, void *object)
{
	struct pfw_listen *listen = object;
	json_t *item;
	size_t n, i;
	int ret;

	n = list_count(value);
	if (!n)
		return list_empty(r, field->hint);
	for (i = 0; i < list_count(value); i++) {
		item = json_is_array(value) ? json_array_get(value, i) : value;
		if (json_is_string(item))
			n += listen_count_commas(json_string_value(item), json_string_length(item));
	}
	ret = listen_alloc_ports(r, n, listen);
	if (!ret)
		ret = list_each(r, value, parse_port, listen);
	return ret < 0 ? ret : listen_check_ports(r, listen);
}

static int parse_protocol(struct reader *r, json_t *value, void *ctx)
{
	if (!json_is_string(value))
		return value_wrong(r, value, "a protocol (tcp, udp or sctp)");
	return listen_protocols(r, json_string_value(value), json_string_length(value), ctx);
}

static int parse_protocols(struct reader *r, const struct field *field, json_t *value,
			   void *object)
{
	if (!list_count(value))
		return list_empty(r, field->hint);
	return list_each(r, value, parse_protocol, object);
}

static int emit_addresses(const struct writer *w, const struct field *field, const void *object,
			  json_t **ret)
{
	const struct pfw_listen *listen = object;
	char buf[PFW_ADDR_TEXT];
	json_t *list;
	uint16_t i;

	(void)field;
	if (w->style == PFW_CONCISE && listen->n_addresses < 2)
		return listen->n_addresses ?
			emit_give(json_string(pfw_addr_print(&listen->addresses[0], buf)), ret) : 0;
	list = json_array();
	for (i = 0; i < listen->n_addresses; i++)
		if (json_array_append_new(list, json_string(pfw_addr_print(&listen->addresses[i],
									   buf))) < 0)
			goto fail;
	return emit_give(list, ret);
fail:
	json_decref(list);
	return -ENOMEM;
}

static int emit_interfaces(const struct writer *w, const struct field *field, const void *object,
			   json_t **ret)
{
	const struct pfw_listen *listen = object;
	json_t *list;
	uint16_t i;

	(void)field;
	if (w->style == PFW_CONCISE && listen->n_interfaces < 2)
		return listen->n_interfaces ? emit_give(json_string(listen->interfaces[0]), ret) : 0;
	list = json_array();
	for (i = 0; i < listen->n_interfaces; i++)
		if (json_array_append_new(list, json_string(listen->interfaces[i])) < 0)
			goto fail;
	return emit_give(list, ret);
fail:
	json_decref(list);
	return -ENOMEM;
}

static int emit_ports(const struct writer *w, const struct field *field, const void *object,
		      json_t **ret)
{
	struct pfw_buffer text = { 0 };

	(void)w;
	(void)field;
	listen_print_ports(object, &text);
	return emit_text(&text, ret);
}

static int emit_protocols(const struct writer *w, const struct field *field, const void *object,
			  json_t **ret)
{
	const struct pfw_listen *listen = object;
	json_t *list;
	unsigned int i;

	(void)field;
	if (w->style == PFW_CONCISE && listen->protocols == PFW_TCP)
		return 0;
	list = json_array();
	for (i = 0; i < PFW_PROTOCOLS; i++)
		if (listen->protocols & 1u << i &&
		    json_array_append_new(list, json_string(pfw_name_text(pfw_protocol_names,
									  1 << i))) < 0)
			goto fail;
	return emit_give(list, ret);
fail:
	json_decref(list);
	return -ENOMEM;
}

#define PORT "{\"anyOf\": [{\"type\": \"integer\", \"minimum\": 1, \"maximum\": 65535}, " \
	SCHEMA_TEXT(RE_PORT_LIST) "]}"

const struct field listen_fields[] = {
	{ .key = "address", .hint = "an address or a list of them", .parse = parse_addresses,
	  .emit = emit_addresses,
	  .schema = "{\"anyOf\": [{\"enum\": [\"*\", [\"*\"]]}, " SCHEMA_TEXT(RE_ADDRESS) ", "
		    SCHEMA_LIST(SCHEMA_TEXT(RE_ADDRESS), "0") "]}" },
	{ .key = "interface", .hint = "the name of an interface or a list of them",
	  .parse = parse_interfaces, .emit = emit_interfaces,
	  .schema = SCHEMA_SEVERAL(SCHEMA_TEXT("(?![.]{1,2}$)[A-Za-z0-9_.@:-]{1,15}"), "0") },
	{ .key = "port", .hint = "a port such as 80, \"80,443\", \"8000-8100\", or a list of them",
	  .required = true, .parse = parse_ports, .emit = emit_ports,
	  .schema = "{\"anyOf\": [" PORT ", {\"type\": \"array\", \"items\": " PORT
		    ", \"minItems\": 1, \"uniqueItems\": true}]}" },
	{ .key = "protocol", .hint = "tcp, udp or sctp, or a list of them",
	  .parse = parse_protocols, .emit = emit_protocols, .names = pfw_protocol_names,
	  .schema = SCHEMA_SEVERAL(SCHEMA_TEXT("(?:@)(?:[+](?:@))*"), "1") },
	{ 0 },
};

int forward_parse_listen(struct reader *r, const struct field *field, json_t *value, void *object)
{
	struct pfw_forward *forward = object;
	int ret;

	if (json_is_string(value))
		return listen_short(r, json_string_value(value), json_string_length(value),
				   &forward->listen);
	if (!json_is_object(value))
		return value_wrong(r, value, field->hint);
	ret = object_parse(r, listen_fields, field->hint, value, &forward->listen);
	if (!forward->listen.protocols)
		forward->listen.protocols = PFW_TCP;
	return ret;
}

int forward_emit_listen(const struct writer *w, const struct field *field, const void *object,
			json_t **ret)
{
	const struct pfw_listen *listen = &((const struct pfw_forward *)object)->listen;
	struct pfw_buffer text = { 0 };

	(void)field;
	if (w->style == PFW_CANONICAL || listen->n_interfaces || listen->n_addresses > 1)
		return object_emit(w, listen_fields, listen, ret);
	listen_print_short(listen, &text);
	return emit_text(&text, ret);
}
