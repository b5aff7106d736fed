/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The rows of a forward. */
#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "field.h"
#include "portfwd/base/time.h"

#define MEMBER(name) .offset = offsetof(struct pfw_forward, name)

static int give_text(struct reader *r, json_t *value, const char **ret)
{
	const char *text = pfw_arena_text(r->arena, json_string_value(value),
					  json_string_length(value));

	if (!text)
		return pfw_fail_memory(r->err);
	*ret = text;
	return 0;
}

static int parse_name(struct reader *r, const struct field *field, json_t *value, void *object)
{
	struct pfw_forward *forward = object;

	if (!json_is_string(value) ||
	    !pfw_name_valid(json_string_value(value), json_string_length(value)))
		return value_wrong(r, value, field->hint);
	return give_text(r, value, &forward->name);
}

static int emit_name(const struct writer *w, const struct field *field, const void *object,
		     json_t **ret)
{
	const struct pfw_forward *forward = object;

	(void)w;
	(void)field;
	/* Every style parses again, so a forward that awaits its name has no key for it. */
	return forward->name ? emit_give(json_string(forward->name), ret) : 0;
}

static int parse_comment(struct reader *r, const struct field *field, json_t *value,
			 void *object)
{
	struct pfw_forward *forward = object;
	const char *text = json_string_value(value);
	size_t len = json_string_length(value), i;

	if (json_is_null(value))
		return 0;
	if (!text)
		return value_wrong(r, value, field->hint);
	if (len > PFW_COMMENT_MAX)
		return pfw_error_add(r->err, PFW_FAILED, "is %zu bytes long; at most %d work", len,
				     PFW_COMMENT_MAX);
	for (i = 0; i < len; i++)
		if (pfw_text_hazard(text + i, len - i))
			return pfw_error_add(r->err, PFW_FAILED, "has a control or bidirectional "
					     "character at byte %zu; use one line of plain text",
					     i + 1);
	return give_text(r, value, &forward->comment);
}

static int emit_comment(const struct writer *w, const struct field *field, const void *object,
			json_t **ret)
{
	const struct pfw_forward *forward = object;

	(void)field;
	if (forward->comment)
		return emit_give(json_string(forward->comment), ret);
	return w->style == PFW_CANONICAL ? emit_give(json_null(), ret) : 0;
}

static int emit_enabled(const struct writer *w, const struct field *field, const void *object,
			json_t **ret)
{
	const struct pfw_forward *forward = object;

	if (w->style == PFW_CONCISE && forward->enabled)
		return 0;
	return field_emit_bool(w, field, object, ret);
}

/* What has such a mark is meant as an address, whatever may be wrong with it. */
static bool looks_like_address(json_t *value)
{
	return json_is_string(value) && strpbrk(json_string_value(value), ".:");
}

static int parse_snat(struct reader *r, const struct field *field, json_t *value, void *object)
{
	struct pfw_forward *forward = object;

	if (looks_like_address(value)) {
		if (pfw_addr_parse(json_string_value(value), json_string_length(value),
				   &forward->snat_address, r->err) < 0)
			return -EINVAL;
		forward->snat = PFW_SNAT_ADDRESS;
		return 0;
	}
	if (!json_is_string(value) ||
	    pfw_name_value(field->names, json_string_value(value),
			   json_string_length(value)) < 0)
		return value_wrong(r, value, field->hint);
	return field_parse_word(r, field, value, object);
}

static int emit_snat(const struct writer *w, const struct field *field, const void *object,
		     json_t **ret)
{
	const struct pfw_forward *forward = object;
	int snat = forward->snat;
	char buf[PFW_ADDR_TEXT];

	if (snat == PFW_SNAT_ADDRESS)
		return emit_give(json_string(pfw_addr_print(&forward->snat_address, buf)), ret);
	if (snat == PFW_SNAT_UNSET) {
		if (w->style == PFW_CONCISE)
			return 0;
		snat = w->settings->snat;
		/* What stays on this machine is never masqueraded, and may not say so. */
		if (snat == PFW_SNAT_MASQUERADE && pfw_forward_stays(forward))
			snat = PFW_SNAT_AUTO;
	}
	return emit_give(json_string(pfw_name_text(field->names, snat)), ret);
}

static int emit_switch(const struct writer *w, uint8_t value, bool setting, json_t **ret)
{
	if (value == PFW_UNSET && w->style == PFW_CONCISE)
		return 0;
	if (value != PFW_UNSET)
		setting = value == PFW_ON;
	return emit_give(json_boolean(setting), ret);
}

static int emit_hairpin(const struct writer *w, const struct field *field, const void *object,
			json_t **ret)
{
	const struct pfw_forward *forward = object;

	(void)field;
	return emit_switch(w, forward->hairpin, w->settings->hairpin, ret);
}

static int emit_local(const struct writer *w, const struct field *field, const void *object,
		      json_t **ret)
{
	const struct pfw_forward *forward = object;

	(void)field;
	return emit_switch(w, forward->local, w->settings->local, ret);
}

static int emit_balance(const struct writer *w, const struct field *field, const void *object,
			json_t **ret)
{
	const struct pfw_forward *forward = object;

	if (w->style == PFW_CONCISE && forward->balance == PFW_BALANCE_RANDOM)
		return 0;
	return field_emit_word(w, field, object, ret);
}

static int emit_log(const struct writer *w, const struct field *field, const void *object,
		    json_t **ret)
{
	const struct pfw_forward *forward = object;

	if (w->style == PFW_CONCISE && !forward->log)
		return 0;
	return field_emit_bool(w, field, object, ret);
}

static int parse_expires(struct reader *r, const struct field *field, json_t *value, void *object)
{
	struct pfw_forward *forward = object;

	if (json_is_null(value))
		return 0;
	if (!json_is_string(value))
		return value_wrong(r, value, field->hint);
	return pfw_time_parse(json_string_value(value), json_string_length(value),
			      &forward->expires, r->err);
}

static int emit_expires(const struct writer *w, const struct field *field, const void *object,
			json_t **ret)
{
	const struct pfw_forward *forward = object;
	char buf[PFW_TIME_TEXT];

	(void)field;
	if (forward->expires)
		return emit_give(json_string(pfw_time_print(forward->expires, buf)), ret);
	return w->style == PFW_CANONICAL ? emit_give(json_null(), ret) : 0;
}

/* What pfw_text_hazard() knows. */
#define HAZARDS "\\\\u0000-\\\\u001f\\\\u007f-\\\\u009f\\\\u061c\\\\u200e\\\\u200f\\\\u2028-\\\\u202e\\\\u2066-\\\\u2069"
#define TARGET "{\"anyOf\": [" SCHEMA_TEXT("(?:(?:self|" RE_IPV4 "|\\\\[" RE_IPV6 "\\\\])(?::" RE_PORTS ")?" \
	"|" RE_IPV6 ")") ", {\"$ref\": \"#/$defs/target\"}]}"
#define SOURCE SCHEMA_TEXT("!?(?:" RE_IPV4 "(?:/(?:3[0-2]|[12]?[0-9]))?|" \
	RE_IPV6 "(?:/(?:12[0-8]|1[01][0-9]|[1-9]?[0-9]))?)")
#define TIME "[0-9]{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12][0-9]|3[01])[Tt](?:[01][0-9]|2[0-3]):[0-5][0-9]:" \
	"[0-5][0-9](?:[.][0-9]+)?(?:[Zz]|[+-](?:[01][0-9]|2[0-3]):[0-5][0-9])"

const struct field forward_fields[] = {
	{ .key = "name",
	  .hint = "a name: at most 63 letters, digits, '_', '.' and '-', a letter or digit first",
	  .parse = parse_name, .emit = emit_name,
	  .schema = SCHEMA_TEXT("[A-Za-z0-9][A-Za-z0-9_.-]{0,62}") },
	{ .key = "comment", .hint = "a text of one line, " TEXT_OF(PFW_COMMENT_MAX) " bytes at most",
	  .parse = parse_comment, .emit = emit_comment,
	  .schema = "{\"type\": [\"string\", \"null\"], \"maxLength\": " TEXT_OF(PFW_COMMENT_MAX)
		    ", \"pattern\": \"^[^" HAZARDS "]*$\"}" },
	{ .key = "enabled", .hint = "true or false", MEMBER(enabled),
	  .parse = field_parse_bool, .emit = emit_enabled },
	{ .key = "listen", .hint = "\"[ADDR:]PORTS[/PROTO]\" or an object", .required = true,
	  .parse = forward_parse_listen, .emit = forward_emit_listen,
	  .schema = "{\"anyOf\": [" SCHEMA_TEXT("(?:(?:[*]|" RE_IPV4 "|\\\\[" RE_IPV6 "\\\\]):)?"
		    RE_PORT_LIST "(?:/(?:@)(?:[+](?:@))*)?") ", {\"$ref\": \"#/$defs/listen\"}]}",
	  .names = pfw_protocol_names },
	{ .key = "target", .hint = "\"ADDR[:PORTS]\", \"self:PORT\", an object, or a list of them",
	  .required = true, .parse = forward_parse_target, .emit = forward_emit_target,
	  .schema = SCHEMA_SEVERAL(TARGET, "1") },
	{ .key = "source", .hint = "an address or prefix, with \"!\" before it to exclude it, or a "
	  "list of them", .parse = forward_parse_source, .emit = forward_emit_source,
	  .schema = SCHEMA_SEVERAL(SOURCE, "0") },
	{ .key = "balance", .hint = "random, round-robin or source", MEMBER(balance),
	  .names = pfw_balance_names, .parse = field_parse_word, .emit = emit_balance },
	{ .key = "snat", .hint = "auto, masquerade, none or an address of this machine",
	  MEMBER(snat), .names = pfw_snat_names, .parse = parse_snat, .emit = emit_snat,
	  .schema = SCHEMA_TEXT(RE_ADDRESS) },
	{ .key = "hairpin", .hint = "true or false", MEMBER(hairpin),
	  .parse = field_parse_switch, .emit = emit_hairpin },
	{ .key = "local", .hint = "true or false", MEMBER(local),
	  .parse = field_parse_switch, .emit = emit_local },
	{ .key = "log", .hint = "true or false", MEMBER(log),
	  .parse = field_parse_bool, .emit = emit_log },
	{ .key = "limit", .hint = "an object with rate, burst and connections",
	  .parse = forward_parse_limit, .emit = forward_emit_limit,
	  .schema = "{\"anyOf\": [{\"$ref\": \"#/$defs/limit\"}, {\"type\": \"null\"}]}" },
	{ .key = "expires", .hint = "a time in quotes, such as 2027-01-31T12:00:00Z",
	  .parse = parse_expires, .emit = emit_expires,
	  .schema = "{\"type\": [\"string\", \"null\"], \"pattern\": \"^" TIME "$\"}" },
	{ 0 },
};

int pfw_forward_parse(json_t *json, struct pfw_arena *arena, struct pfw_forward *ret,
		      struct pfw_error *err)
{
	struct reader r = { .arena = arena, .err = err };
	struct pfw_forward forward = {
		.enabled = true,
		.origin = { .file = PFW_ORIGIN_NONE },
	};
	int result;

	result = object_parse(&r, forward_fields, "a forward, which is an object", json, &forward);
	if (!result)
		result = pfw_forward_check(&forward, err);
	if (!result)
		*ret = forward;
	return result;
}

json_t *pfw_forward_json(const struct pfw_forward *forward, const struct pfw_settings *settings,
			 enum pfw_json_style style)
{
	const struct writer w = { .settings = settings, .style = style };
	json_t *json = NULL;

	object_emit(&w, forward_fields, forward, &json);
	return json;
}
