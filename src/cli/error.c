/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Errors, for people and for programs. */
#include <string.h>

#include "output.h"
#include "portfwd/base/names.h"

static const struct pfw_name kind_names[] = {
	{ "failed", PFW_FAILED },
	{ "usage", PFW_USAGE },
	{ "not-found", PFW_NOT_FOUND },
	{ "conflict", PFW_CONFLICT },
	{ "not-permitted", PFW_NOT_PERMITTED },
	{ NULL },
};

static unsigned int n_items(const struct pfw_error *err)
{
	return err->count < PFW_ERROR_ITEMS ? err->count : PFW_ERROR_ITEMS;
}

/* A failure without words is a mistake below, but the user gets the system's at least. */
static void ensure_words(struct pfw_error *err, int code)
{
	if (!err->count)
		pfw_fail(err, PFW_FAILED, code, "%s", strerror(-code));
}

void pfw_output_error_lines(FILE *out, struct pfw_error *err, int code)
{
	const struct pfw_error_item *item;

	ensure_words(err, code);
	for (item = err->item; item < err->item + n_items(err); item++)
		fprintf(out, "portfwd: %s%s%s%s%s\n", item->file, *item->file ? ": " : "",
			item->path, *item->path ? ": " : "", item->message);
	if (err->count > PFW_ERROR_ITEMS)
		fprintf(out, "portfwd: and %u more\n", err->count - PFW_ERROR_ITEMS);
}

/* The text, which is UTF-8 already; null if it is empty. */
static json_t *json_words(const char *text)
{
	return *text ? json_string(text) : json_null();
}

static json_t *error_json(const struct pfw_error *err)
{
	const struct pfw_error_item *item;
	json_t *list = json_array();

	for (item = err->item; item < err->item + n_items(err); item++)
		if (json_array_append_new(list, json_pack("{s:o, s:o, s:o}",
				"file", json_words(item->file), "path", json_words(item->path),
				"message", json_words(item->message))))
			goto failed;
	return json_pack("{s:{s:s, s:i, s:i, s:o}}", "error", "kind",
			 pfw_name_text(kind_names, (int)err->kind), "exit", (int)err->kind,
			 "count", (int)err->count, "errors", list);
failed:
	json_decref(list);
	return NULL;
}

int pfw_output_error(struct pfw_cli *cli, struct pfw_error *err, int code)
{
	struct pfw_error memory = PFW_ERROR_INIT;
	json_t *json;
	int kind;

	pfw_output_error_lines(cli->err, err, code);
	kind = (int)err->kind;
	if (!cli->args.json)
		return kind;
	json = error_json(err);
	if (!json || pfw_output_json(cli, json, &memory))
		fputs("portfwd: out of memory\n", cli->err);
	json_decref(json);
	return kind;
}
