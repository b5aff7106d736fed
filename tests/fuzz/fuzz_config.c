/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Any bytes as a configuration file. What parses must survive printing in both
 * styles and editing.
 */
#include "fuzz.h"
#include "portfwd/config/config.h"

static int parse(const char *text, size_t len, struct pfw_document *doc,
		 struct pfw_ruleset *ruleset)
{
	struct pfw_error err = PFW_ERROR_INIT;
	int ret;

	ruleset->settings = pfw_settings_default;
	err.file = "fuzz";
	ret = pfw_document_parse(doc, text, len, 0, true, ruleset, &err);
	if (!ret)
		ret = pfw_config_finish(ruleset, NULL, &err);
	demand(!ret == !err.count, "an error has words, and nothing else");
	demand(!*err.where, "no place of an error is left behind");
	return ret;
}

static void check_style(const struct pfw_ruleset *ruleset, const struct pfw_forward *forward,
			enum pfw_json_style style)
{
	json_t *json = pfw_forward_json(forward, &ruleset->settings, style), *second;
	struct pfw_error err = PFW_ERROR_INIT;
	struct pfw_arena arena = { 0 };
	struct pfw_forward again;

	demand(json != NULL, "a forward can be printed");
	demand(pfw_forward_parse(json, &arena, &again, &err) == 0, "its text parses");
	demand(style == PFW_CANONICAL || pfw_forward_equal(forward, &again), "its text says the same");
	second = pfw_forward_json(&again, &ruleset->settings, style);
	demand(json_equal(json, second), "its text stays when it is printed again");
	json_decref(second);
	json_decref(json);
	pfw_arena_free(&arena);
}

static void check_edit(const struct pfw_document *doc, const struct pfw_ruleset *ruleset)
{
	struct pfw_edit edits[2] = { { 0, NULL }, { PFW_EDIT_APPEND, &ruleset->forwards[0] } };
	struct pfw_error err = PFW_ERROR_INIT;
	struct pfw_document again = { 0 };
	struct pfw_ruleset other = { 0 };
	struct pfw_buffer text = { 0 };

	demand(pfw_document_edit(doc, edits, 2, &text, &err) == 0, "it can be edited");
	demand(parse(text.data, text.len, &again, &other) == 0, "the edited text parses");
	demand(other.n_live == ruleset->n_live, "editing keeps the number of forwards");
	pfw_document_free(&again);
	pfw_ruleset_free(&other);
	pfw_buffer_free(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct pfw_document doc = { 0 };
	struct pfw_ruleset ruleset = { 0 };
	uint32_t i;

	if (parse((const char *)data, size, &doc, &ruleset) == 0) {
		for (i = 0; i < ruleset.n_forwards; i++) {
			check_style(&ruleset, &ruleset.forwards[i], PFW_CANONICAL);
			check_style(&ruleset, &ruleset.forwards[i], PFW_CONCISE);
		}
		if (ruleset.n_live)
			check_edit(&doc, &ruleset);
	}
	pfw_document_free(&doc);
	pfw_ruleset_free(&ruleset);
	return 0;
}
