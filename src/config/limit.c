/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The rows of "limit". */
#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "field.h"

#define MEMBER(name) .offset = offsetof(struct pfw_limit, name)

/* The kernel counts in nanoseconds; a higher rate would be none at all to it. */
#define RATE_MAX 1000000000
#define RATE_DIGITS 10
#define CONNECTIONS_MAX 4294967295	/* of the kernel's counters */
#define NUMBER_OR_NULL "{\"type\": [\"integer\", \"null\"], \"minimum\": 1, \"maximum\": " \
	TEXT_OF(CONNECTIONS_MAX) "}"

static const struct pfw_name units[] = {
	{ "second", 1 },
	{ "minute", 60 },
	{ "hour", 3600 },
	{ "day", 86400 },
	{ NULL, 0 },
};

static bool rate_number(const char *text, size_t len, uint32_t *ret)
{
	uint64_t value = 0;
	size_t i;

	if (!len || len > RATE_DIGITS || text[0] == '0')
		return false;
	for (i = 0; i < len; i++) {
		if (text[i] < '0' || text[i] > '9')
			return false;
		value = value * 10 + (uint64_t)(text[i] - '0');
	}
	*ret = (uint32_t)value;
	return value <= RATE_MAX;
}

static int parse_rate(struct reader *r, const struct field *field, json_t *value, void *object)
{
	struct pfw_limit *limit = object;
	const char *text = json_string_value(value);
	const char *slash = text ? strchr(text, '/') : NULL;
	uint32_t rate;
	int per;

	if (json_is_null(value))
		return 0;
	if (!slash || !rate_number(text, (size_t)(slash - text), &rate))
		return value_wrong(r, value, field->hint);
	per = pfw_name_value(units, slash + 1, strlen(slash + 1));
	if (per < 0)
		return value_wrong(r, value, field->hint);
	limit->rate = rate;
	limit->per = (uint32_t)per;
	return 0;
}

static int emit_none(const struct writer *w, json_t **ret)
{
	return w->style == PFW_CANONICAL ? emit_give(json_null(), ret) : 0;
}

static int emit_rate(const struct writer *w, const struct field *field, const void *object,
		     json_t **ret)
{
	const struct pfw_limit *limit = object;

	(void)field;
	if (!limit->rate)
		return emit_none(w, ret);
	return emit_give(json_sprintf("%u/%s", (unsigned int)limit->rate,
				      pfw_name_text(units, (int)limit->per)), ret);
}

static int parse_number(struct reader *r, const struct field *field, json_t *value, void *object)
{
	uint32_t *to = (uint32_t *)(void *)((char *)object + field->offset);

	return json_is_null(value) ? 0 : field_number(r, field, value, to);
}

static int emit_number(const struct writer *w, const struct field *field, const void *object,
		       json_t **ret)
{
	const uint32_t *from = (const uint32_t *)(const void *)((const char *)object +
								field->offset);

	return *from ? emit_give(json_integer(*from), ret) : emit_none(w, ret);
}

const struct field limit_fields[] = {
	{ .key = "rate", .hint = "a rate such as \"50/second\" (1-" TEXT_OF(RATE_MAX)
	  " per second, minute, hour or day)", .parse = parse_rate, .emit = emit_rate, .names = units,
	  .schema = "{\"type\": [\"string\", \"null\"], \"pattern\": "
		    "\"^(?:1000000000|[1-9][0-9]{0,8})/(?:@)$\"}" },
	{ .key = "burst", .hint = "a number of connections (1-" TEXT_OF(CONNECTIONS_MAX) ")",
	  MEMBER(burst), .parse = parse_number, .emit = emit_number, .max = CONNECTIONS_MAX,
	  .schema = NUMBER_OR_NULL },
	{ .key = "connections", .hint = "a number of connections (1-" TEXT_OF(CONNECTIONS_MAX) ")",
	  MEMBER(connections), .parse = parse_number, .emit = emit_number, .max = CONNECTIONS_MAX,
	  .schema = NUMBER_OR_NULL },
	{ 0 },
};

int forward_parse_limit(struct reader *r, const struct field *field, json_t *value, void *object)
{
	struct pfw_limit *limit = &((struct pfw_forward *)object)->limit;
	int ret;

	if (json_is_null(value))
		return 0;
	ret = object_parse(r, limit_fields, field->hint, value, limit);
	if (!ret && !limit->rate && !limit->connections && !limit->burst)
		ret = pfw_error_add(r->err, PFW_FAILED,
				    "limits nothing: give a \"rate\" or \"connections\"");
	return ret;
}

int forward_emit_limit(const struct writer *w, const struct field *field, const void *object,
		       json_t **ret)
{
	const struct pfw_limit *limit = &((const struct pfw_forward *)object)->limit;

	(void)field;
	if (!limit->rate && !limit->connections)
		return emit_none(w, ret);
	return object_emit(w, limit_fields, limit, ret);
}
