/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The tables of fields as JSON Schema. */
#include <string.h>

#include "field.h"

static const struct {
	const char *name;
	const struct field *fields;
	size_t min;		/* keys */
} objects[] = {
	{ "settings", settings_fields, 0 },
	{ "forward", forward_fields, 0 },
	{ "listen", listen_fields, 0 },
	{ "target", target_fields, 0 },
	{ "limit", limit_fields, 1 },
};

static json_t *enum_schema(const struct pfw_name *names)
{
	json_t *list = json_array();

	for (; names->text; names++)
		if (json_array_append_new(list, json_string(names->text)) < 0)
			break;
	return json_pack("{s:o}", "enum", list);
}

/* The text with the names for each "@". */
static json_t *fill_in(const char *text, const struct pfw_name *names)
{
	struct pfw_buffer filled = { 0 };
	const struct pfw_name *name;
	json_t *json = NULL;

	for (; *text; text++) {
		if (*text != '@' || !names) {
			pfw_buffer_append(&filled, text, 1);
			continue;
		}
		for (name = names; name->text; name++)
			pfw_buffer_printf(&filled, "%s%s", name == names ? "" : "|", name->text);
	}
	if (!filled.failed && filled.data)
		json = json_loads(filled.data, 0, NULL);
	pfw_buffer_free(&filled);
	return json;
}

static json_t *value_schema(const struct field *field)
{
	if (field->schema && field->names && !strchr(field->schema, '@'))
		return json_pack("{s:[o, o]}", "anyOf", enum_schema(field->names),
				 fill_in(field->schema, NULL));
	if (field->schema)
		return fill_in(field->schema, field->names);
	if (field->names)
		return enum_schema(field->names);
	if (field->max)
		return json_pack("{s:s, s:i, s:I}", "type", "integer", "minimum", 1, "maximum",
				 (json_int_t)field->max);
	if (field->parse == field_parse_bool || field->parse == field_parse_switch)
		return json_pack("{s:s}", "type", "boolean");
	return NULL;
}

static int add_property(const struct field *field, json_t *properties, json_t *required)
{
	json_t *schema = value_schema(field);

	if (!schema || json_object_set_new(schema, "description", json_string(field->hint)) < 0) {
		json_decref(schema);
		return -1;
	}
	if (json_object_set_new(properties, field->key, schema) < 0)
		return -1;
	return field->required ? json_array_append_new(required, json_string(field->key)) : 0;
}

/* Adds to schema what makes it that of an object with these keys. */
static int add_object(json_t *schema, const struct field *fields, size_t min)
{
	json_t *properties = json_object(), *required = json_array();
	int ret = 0;

	for (; fields->key && !ret; fields++)
		ret = add_property(fields, properties, required);
	ret |= json_object_set_new(schema, "type", json_string("object"));
	ret |= json_object_set(schema, "properties", properties);
	if (json_array_size(required))
		ret |= json_object_set(schema, "required", required);
	if (min)
		ret |= json_object_set_new(schema, "minProperties", json_integer((json_int_t)min));
	ret |= json_object_set_new(schema, "additionalProperties", json_false());
	json_decref(properties);
	json_decref(required);
	return ret;
}

json_t *pfw_config_schema(void)
{
	json_t *schema = json_pack("{s:s, s:s, s:s}", "$schema",
				   "https://json-schema.org/draft/2020-12/schema", "title",
				   "portfwd.json", "description",
				   "Configuration of portfwd, see portfwd.json(5)");
	json_t *definitions = json_object(), *one;
	int ret = add_object(schema, document_fields, 0);
	size_t i;

	for (i = 0; i < sizeof(objects) / sizeof(objects[0]); i++) {
		one = json_object();
		ret |= add_object(one, objects[i].fields, objects[i].min);
		ret |= json_object_set_new(definitions, objects[i].name, one);
	}
	ret |= json_object_set_new(schema, "$defs", definitions);
	if (!ret)
		return schema;
	json_decref(schema);
	return NULL;
}
