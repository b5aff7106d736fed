/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Who may use a forward: "CIDR" and "!CIDR". */
#include <errno.h>

#include "field.h"

static bool has(const struct pfw_prefix *list, uint16_t n, const struct pfw_prefix *prefix)
{
	uint16_t i;

	for (i = 0; i < n; i++)
		if (pfw_prefix_equal(&list[i], prefix))
			return true;
	return false;
}

static int add(struct reader *r, struct pfw_forward *forward, const struct pfw_prefix *prefix,
	       bool exclude)
{
	bool allowed = has(forward->sources, forward->n_sources, prefix);
	bool excluded = has(forward->excluded, forward->n_excluded, prefix);
	char buf[PFW_PREFIX_TEXT];

	if (exclude ? excluded : allowed)
		return pfw_error_add(r->err, PFW_FAILED, "%s%s stands twice in the list",
				     exclude ? "!" : "", pfw_prefix_print(prefix, buf));
	if (allowed || excluded)
		return pfw_error_add(r->err, PFW_FAILED, "%s is both admitted and excluded",
				     pfw_prefix_print(prefix, buf));
	if (exclude)
		forward->excluded[forward->n_excluded++] = *prefix;
	else
		forward->sources[forward->n_sources++] = *prefix;
	return 0;
}

static int parse_one(struct reader *r, json_t *value, void *ctx)
{
	const char *text = json_string_value(value);
	size_t len = json_string_length(value);
	struct pfw_prefix prefix;
	bool exclude;

	if (!text)
		return value_wrong(r, value, "an address or prefix in quotes");
	if (value_is_joined(r, text, len))
		return -EINVAL;
	exclude = *text == '!';
	if (pfw_prefix_parse(text + exclude, len - exclude, &prefix, r->err) < 0)
		return -EINVAL;
	return add(r, ctx, &prefix, exclude);
}

int forward_parse_source(struct reader *r, const struct field *field, json_t *value, void *object)
{
	struct pfw_forward *forward = object;
	void *sources, *excluded;
	int ret;

	(void)field;
	ret = list_alloc(r, value, sizeof(*forward->sources), &sources);
	if (!ret)
		ret = list_alloc(r, value, sizeof(*forward->excluded), &excluded);
	if (ret < 0)
		return ret;
	forward->sources = sources;
	forward->excluded = excluded;
	return list_each(r, value, parse_one, forward);
}

static json_t *text_of(const struct pfw_prefix *prefix, const char *before)
{
	char buf[PFW_PREFIX_TEXT];

	return json_sprintf("%s%s", before, pfw_prefix_print(prefix, buf));
}

int forward_emit_source(const struct writer *w, const struct field *field, const void *object,
			json_t **ret)
{
	const struct pfw_forward *forward = object;
	unsigned int n = forward->n_sources + forward->n_excluded;
	json_t *list;
	uint16_t i;

	(void)field;
	if (w->style == PFW_CONCISE && !n)
		return 0;
	list = json_array();
	for (i = 0; i < forward->n_sources; i++)
		if (json_array_append_new(list, text_of(&forward->sources[i], "")) < 0)
			goto fail;
	for (i = 0; i < forward->n_excluded; i++)
		if (json_array_append_new(list, text_of(&forward->excluded[i], "!")) < 0)
			goto fail;
	if (w->style == PFW_CONCISE && n == 1) {
		*ret = json_incref(json_array_get(list, 0));
		json_decref(list);
		return 0;
	}
	return emit_give(list, ret);
fail:
	json_decref(list);
	return -ENOMEM;
}
