/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Targets: their rows, and their short form "ADDR[:PORT[-PORT]]" or "self[:PORT]". */
#include "config.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>

#include "field.h"

#define WEIGHT_DEFAULT 1

static int target_address(struct reader *r, const char *text, size_t len,
			  struct pfw_target *target)
{
	struct pfw_addr addr;
	const char *what;
	char buf[PFW_ADDR_TEXT];

	if (len == 4 && memcmp(text, "self", 4) == 0) {
		target->self = true;
		return 0;
	}
	if (pfw_addr_parse(text, len, &addr, r->err) < 0)
		return -EINVAL;
	if (addr.family == AF_INET6 && pfw_addr_is_loopback(&addr))
		return pfw_error_add(r->err, PFW_FAILED,
				     "%s cannot be reached from outside: write \"self\" instead, and "
				     "let the service listen on an address of this machine",
				     pfw_addr_print(&addr, buf));
	what = pfw_addr_unusable(&addr);
	if (what)
		return pfw_error_add(r->err, PFW_FAILED,
				     "%s is %s, which no connection can go to",
				     pfw_addr_print(&addr, buf), what);
	target->address = addr;
	return 0;
}

static int target_port(struct reader *r, const char *text, size_t len, struct pfw_target *target)
{
	char buf[PFW_QUOTE_SIZE];

	if (memchr(text, ',', len))
		return pfw_error_add(r->err, PFW_FAILED, "%s: a target has one port or range, or "
				     "none to keep the port of the connection",
				     pfw_text_quote(text, len, buf));
	return pfw_ports_parse(text, len, &target->port, r->err);
}

static int wrong_text(struct reader *r, const char *text, size_t len, const char *why)
{
	char buf[PFW_QUOTE_SIZE];

	return pfw_error_add(r->err, PFW_FAILED, "%s: %s", pfw_text_quote(text, len, buf), why);
}

static bool is_address(const char *text, size_t len)
{
	struct pfw_error scratch = PFW_ERROR_INIT;
	struct pfw_addr addr;

	return pfw_addr_parse(text, len, &addr, &scratch) == 0;
}

/* An IPv6 address without brackets, which must not read as address and port as well. */
static int bare_ipv6(struct reader *r, const char *text, size_t len, struct pfw_target *target)
{
	size_t last = len - (size_t)((const char *)memrchr(text, ':', len) - text) - 1;
	struct pfw_error scratch = PFW_ERROR_INIT;
	struct pfw_ports ports;
	bool is_port;

	is_port = pfw_ports_parse(text + len - last, last, &ports, &scratch) == 0;
	if (!is_address(text, len - last - 1) || !is_port)
		return target_address(r, text, len, target);
	if (!is_address(text, len))
		return wrong_text(r, text, len, "an IPv6 address with a port stands in brackets, "
				  "as in [2001:db8::1]:443");
	return wrong_text(r, text, len, "may be an address, or an address and a port: put the "
			  "address in brackets, as in [2001:db8::1]:443");
}

static int bracketed(struct reader *r, const char *text, size_t len, struct pfw_target *target)
{
	const char *bracket = memchr(text, ']', len);
	size_t end;

	if (!bracket || !memchr(text, ':', (size_t)(bracket - text)))
		return wrong_text(r, text, len,
				  "brackets hold an IPv6 address, as in [2001:db8::1]:443");
	end = (size_t)(bracket - text) + 1;
	if (target_address(r, text + 1, end - 2, target) < 0)
		return -EINVAL;
	if (end == len)
		return 0;
	if (text[end] != ':')
		return wrong_text(r, text, len, "only \":PORT\" stands behind the brackets");
	return target_port(r, text + end + 1, len - end - 1, target);
}

static int target_text(struct reader *r, const char *text, size_t len, struct pfw_target *target)
{
	const char *colon = memchr(text, ':', len), *comma = memchr(text, ',', len);
	size_t address = colon ? (size_t)(colon - text) : len;

	/* A list of ports has no address behind its comma. */
	if (comma && (memchr(comma, '.', len - (size_t)(comma - text)) ||
		      memchr(comma, ':', len - (size_t)(comma - text))) &&
	    value_is_joined(r, text, len))
		return -EINVAL;
	if (len && *text == '[')
		return bracketed(r, text, len, target);
	if (colon && memchr(colon + 1, ':', len - address - 1))
		return bare_ipv6(r, text, len, target);
	if (target_address(r, text, address, target) < 0)
		return -EINVAL;
	return colon ? target_port(r, colon + 1, len - address - 1, target) : 0;
}

static int parse_address(struct reader *r, const struct field *field, json_t *value, void *object)
{
	if (!json_is_string(value))
		return value_wrong(r, value, field->hint);
	return target_address(r, json_string_value(value), json_string_length(value), object);
}

static int emit_address(const struct writer *w, const struct field *field, const void *object,
			json_t **ret)
{
	const struct pfw_target *target = object;
	char buf[PFW_ADDR_TEXT];

	(void)w;
	(void)field;
	return emit_give(json_string(target->self ? "self" :
				     pfw_addr_print(&target->address, buf)), ret);
}

static int parse_port(struct reader *r, const struct field *field, json_t *value, void *object)
{
	struct pfw_target *target = object;

	(void)field;
	if (json_is_null(value))
		return 0;
	if (json_is_string(value))
		return target_port(r, json_string_value(value), json_string_length(value), target);
	return port_number(r, value, &target->port);
}

static int emit_port(const struct writer *w, const struct field *field, const void *object,
		     json_t **ret)
{
	const struct pfw_target *target = object;
	char buf[PFW_PORTS_TEXT];

	(void)field;
	if (target->port.lo)
		return emit_give(json_string(pfw_ports_print(target->port, buf)), ret);
	return w->style == PFW_CANONICAL ? emit_give(json_null(), ret) : 0;
}

static int parse_weight(struct reader *r, const struct field *field, json_t *value, void *object)
{
	struct pfw_target *target = object;
	uint32_t number;

	if (field_number(r, field, value, &number) < 0)
		return -EINVAL;
	target->weight = (uint16_t)number;
	return 0;
}

static int emit_weight(const struct writer *w, const struct field *field, const void *object,
		       json_t **ret)
{
	const struct pfw_target *target = object;

	(void)field;
	if (w->style == PFW_CONCISE && target->weight == WEIGHT_DEFAULT)
		return 0;
	return emit_give(json_integer(target->weight), ret);
}

const struct field target_fields[] = {
	{ .key = "address", .hint = "an address in quotes, or \"self\"", .required = true,
	  .parse = parse_address, .emit = emit_address,
	  .schema = SCHEMA_TEXT("(?:self|" RE_ADDRESS ")") },
	{ .key = "port", .hint = "a port (1-65535) or a range in quotes", .parse = parse_port,
	  .emit = emit_port,
	  .schema = "{\"anyOf\": [{\"type\": \"integer\", \"minimum\": 1, \"maximum\": 65535}, "
		    SCHEMA_TEXT(RE_PORTS) ", {\"type\": \"null\"}]}" },
	{ .key = "weight", .hint = "a weight (1-" TEXT_OF(PFW_WEIGHT_MAX) ")", .max = PFW_WEIGHT_MAX,
	  .parse = parse_weight, .emit = emit_weight },
	{ 0 },
};

static bool same_target(const struct pfw_target *a, const struct pfw_target *b)
{
	return a->self == b->self && a->port.lo == b->port.lo && a->port.hi == b->port.hi &&
	       (a->self || pfw_addr_equal(&a->address, &b->address));
}

static int parse_one(struct reader *r, json_t *value, void *ctx)
{
	struct pfw_forward *forward = ctx;
	struct pfw_target *target = &forward->targets[forward->n_targets];
	uint16_t i;
	int ret;

	*target = (struct pfw_target){ .weight = WEIGHT_DEFAULT };
	if (json_is_string(value))
		ret = target_text(r, json_string_value(value), json_string_length(value), target);
	else if (json_is_object(value))
		ret = object_parse(r, target_fields, "a target", value, target);
	else
		ret = value_wrong(r, value, "a target (\"ADDR[:PORTS]\", \"self:PORT\" or an "
				  "object with address and port)");
	if (ret < 0)
		return ret;
	for (i = 0; i < forward->n_targets; i++)
		if (same_target(&forward->targets[i], target))
			return pfw_error_add(r->err, PFW_FAILED,
					     "the same target stands twice in the list");
	forward->n_targets++;
	return 0;
}

int forward_parse_target(struct reader *r, const struct field *field, json_t *value, void *object)
{
	struct pfw_forward *forward = object;
	void *array;
	int ret;

	if (!list_count(value))
		return list_empty(r, field->hint);
	ret = list_alloc(r, value, sizeof(*forward->targets), &array);
	if (ret < 0)
		return ret;
	forward->targets = array;
	return list_each(r, value, parse_one, forward);
}

static void print_target(const struct pfw_target *target, struct pfw_buffer *text)
{
	char addr[PFW_ADDR_TEXT], port[PFW_PORTS_TEXT];

	if (target->self)
		pfw_buffer_puts(text, "self");
	else
		pfw_buffer_printf(text, target->address.family == AF_INET6 ? "[%s]" : "%s",
				  pfw_addr_print(&target->address, addr));
	if (target->port.lo)
		pfw_buffer_printf(text, ":%s", pfw_ports_print(target->port, port));
}

void pfw_target_print(const struct pfw_forward *forward, struct pfw_buffer *ret)
{
	uint16_t i;

	for (i = 0; i < forward->n_targets; i++) {
		if (i)
			pfw_buffer_puts(ret, ",");
		print_target(&forward->targets[i], ret);
		if (forward->targets[i].weight > WEIGHT_DEFAULT)
			pfw_buffer_printf(ret, " weight %u",
					  (unsigned int)forward->targets[i].weight);
	}
}

static int emit_one(const struct writer *w, const struct pfw_target *target, json_t **ret)
{
	struct pfw_buffer text = { 0 };

	if (w->style == PFW_CANONICAL || target->weight != WEIGHT_DEFAULT)
		return object_emit(w, target_fields, target, ret);
	print_target(target, &text);
	return emit_text(&text, ret);
}

int forward_emit_target(const struct writer *w, const struct field *field, const void *object,
			json_t **ret)
{
	const struct pfw_forward *forward = object;
	json_t *list, *one;
	uint16_t i;

	(void)field;
	if (w->style == PFW_CONCISE && forward->n_targets == 1)
		return emit_one(w, &forward->targets[0], ret);
	list = json_array();
	for (i = 0; i < forward->n_targets; i++) {
		one = NULL;
		if (emit_one(w, &forward->targets[i], &one) < 0 ||
		    json_array_append_new(list, one) < 0)
			goto fail;
	}
	return emit_give(list, ret);
fail:
	json_decref(list);
	return -ENOMEM;
}
