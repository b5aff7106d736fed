/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The rows of "settings", and of the whole document. */
#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "field.h"

#define MEMBER(name) .offset = offsetof(struct pfw_settings, name)

const struct field document_fields[] = {
	{ .key = "settings", .hint = "an object", .schema = "{\"$ref\": \"#/$defs/settings\"}" },
	{ .key = "forwards", .hint = "a list of forwards",
	  .schema = "{\"type\": \"array\", \"items\": {\"$ref\": \"#/$defs/forward\"}}" },
	{ 0 },
};

const struct field settings_fields[] = {
	{ .key = "backend", .hint = "auto, nftables or iptables", MEMBER(backend),
	  .names = pfw_backend_names, .parse = field_parse_word, .emit = field_emit_word },
	{ .key = "ip_forward", .hint = "true or false", MEMBER(ip_forward),
	  .parse = field_parse_bool, .emit = field_emit_bool },
	{ .key = "guard", .hint = "true or false", MEMBER(guard),
	  .parse = field_parse_bool, .emit = field_emit_bool },
	{ .key = "counters", .hint = "true or false", MEMBER(counters),
	  .parse = field_parse_bool, .emit = field_emit_bool },
	{ .key = "own_table", .hint = "true or false", MEMBER(own_table),
	  .parse = field_parse_bool, .emit = field_emit_bool },
	{ .key = "hairpin", .hint = "true or false", MEMBER(hairpin),
	  .parse = field_parse_bool, .emit = field_emit_bool },
	{ .key = "local", .hint = "true or false", MEMBER(local),
	  .parse = field_parse_bool, .emit = field_emit_bool },
	{ .key = "snat", .hint = "auto, masquerade or none", MEMBER(snat),
	  .names = pfw_snat_names, .parse = field_parse_word, .emit = field_emit_word },
	{ 0 },
};

static int drop_defaults(json_t *json, json_t *defaults)
{
	const char *key;
	json_t *value;

	json_object_foreach(defaults, key, value)
		if (json_equal(json_object_get(json, key), value) &&
		    json_object_del(json, key) < 0)
			return -ENOMEM;
	return 0;
}

json_t *pfw_settings_json(const struct pfw_settings *settings, enum pfw_json_style style)
{
	const struct writer w = { .settings = settings, .style = style };
	json_t *json = NULL, *defaults = NULL;
	int ret;

	ret = object_emit(&w, settings_fields, settings, &json);
	if (!ret && style == PFW_CONCISE) {
		ret = object_emit(&w, settings_fields, &pfw_settings_default, &defaults);
		if (!ret)
			ret = drop_defaults(json, defaults);
	}
	json_decref(defaults);
	if (ret < 0) {
		json_decref(json);
		return NULL;
	}
	return json;
}
