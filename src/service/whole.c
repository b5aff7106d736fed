/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Answers about the configuration as a whole: read, checked, made so, taken out, written elsewhere. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "local.h"
#include "portfwd/config/config.h"
#include "portfwd/engine/trial.h"

#define REPAIRS_MAX 100	/* that are told of one by one */

int answer_read(struct pfw_engine *engine, const struct pfw_request *request, json_t **ret,
		struct pfw_error *err)
{
	struct pfw_buffer bytes = { 0 };
	json_t *text = NULL;
	int code = pfw_engine_read(engine, request->dry_run, &bytes, err);
	const char *path = pfw_engine_file(engine, PFW_ORIGIN_NONE);

	if (code == -ENOENT && !err->count) {
		code = 0;
		text = json_null();
	} else if (!code) {
		text = json_stringn(bytes.data ? bytes.data : "", bytes.len);
		if (!text)
			code = pfw_fail(err, PFW_FAILED, -EILSEQ, "%s is no UTF-8 text", path);
	}
	if (!code)
		*ret = json_pack("{s:s, s:o}", "path", path, "text", text);
	pfw_buffer_free(&bytes);
	return code;
}

int answer_check(struct pfw_engine *engine, const struct pfw_request *request, json_t **ret,
		 struct pfw_error *err)
{
	(void)request;
	(void)err;
	*ret = json_pack("{s:s, s:I}", "file", pfw_engine_file(engine, PFW_ORIGIN_NONE), "forwards",
			 (json_int_t)pfw_engine_ruleset(engine)->n_live);
	return 0;
}

struct pfw_manner answer_manner(const struct pfw_request *request)
{
	return (struct pfw_manner){
		.dry_run = request->dry_run,
		.drain = request->drain,
		.confirm = request->confirm,
		.unasked = request->unasked,
	};
}

json_t *answer_trial(unsigned int seconds)
{
	return seconds ? json_pack("{s:I}", "seconds", (json_int_t)seconds) : json_null();
}

static const char *const actions[] = {
	[PFW_STEP_ADD] = "add",
	[PFW_STEP_REMOVE] = "remove",
	[PFW_STEP_CHANGE] = "change",
};

/* "on", "off" or null. */
static json_t *switched(int routing)
{
	return routing ? json_string(routing > 0 ? "on" : "off") : json_null();
}

int answer_put_changes(json_t *answer, const struct pfw_report *report)
{
	const struct pfw_report_line *line;
	json_t *changes;
	size_t i;
	int ret;

	ret = json_object_set_new(answer, "objects", json_integer((json_int_t)report->n_steps));
	ret |= json_object_set_new(answer, "routing",
				   json_pack("{s:o, s:o}", "ipv4", switched(report->routing[0]),
					     "ipv6", switched(report->routing[1])));
	ret |= json_object_set_new(answer, "warning",
				   report->warning ? json_string(report->warning) : json_null());
	if (!report->verbose)
		return ret | json_object_set_new(answer, "changes", json_null());
	changes = json_array();
	for (i = 0; i < report->n_lines; i++) {
		line = &report->lines[i];
		ret |= json_array_append_new(changes, json_pack("{s:s, s:s, s:s?, s:s}", "action",
								actions[line->action], "kind",
								line->kind, "forward", line->forward,
								"text", line->text));
	}
	return ret | json_object_set_new(answer, "changes", changes);
}

/* The answer with the changes; takes both over. */
static int finish(json_t *answer, struct pfw_report *report, json_t **ret, struct pfw_error *err)
{
	int code = answer ? answer_put_changes(answer, report) : -1;

	pfw_report_free(report);
	if (code) {
		json_decref(answer);
		return pfw_fail_memory(err);
	}
	*ret = answer;
	return 0;
}

int answer_diff(struct pfw_engine *engine, const struct pfw_request *request, json_t **ret,
		struct pfw_error *err)
{
	struct pfw_report report = { .verbose = true };
	struct pfw_view view = { 0 };
	json_t *answer = NULL;
	int code = pfw_engine_look(engine, &view, &report, err);

	(void)request;
	if (!code)
		answer = json_pack("{s:b}", "in_sync", (int)view.in_sync);
	pfw_view_free(&view);
	if (code) {
		pfw_report_free(&report);
		return code;
	}
	return finish(answer, &report, ret, err);
}

int answer_reload(struct pfw_engine *engine, const struct pfw_request *request, json_t **ret,
		  struct pfw_error *err)
{
	const struct pfw_manner manner = answer_manner(request);
	struct pfw_report report = { .verbose = request->dry_run };
	int code = pfw_engine_reload(engine, &manner, &report, err);

	if (code) {
		pfw_report_free(&report);
		return code;
	}
	return finish(json_pack("{s:b, s:I, s:o}", "changed", (int)(report.n_steps > 0), "forwards",
				(json_int_t)pfw_engine_ruleset(engine)->n_live, "confirm",
				answer_trial(pfw_engine_trial_begun(engine))),
		      &report, ret, err);
}

int answer_confirm(struct pfw_engine *engine, const struct pfw_request *request, json_t **ret,
		   struct pfw_error *err)
{
	int code = pfw_engine_confirm(engine, err);

	(void)request;
	if (!code)
		*ret = json_pack("{s:b}", "confirmed", 1);
	return code;
}

int answer_revert(struct pfw_engine *engine, const struct pfw_request *request, json_t **ret,
		  struct pfw_error *err)
{
	bool reverted = false;
	int code = pfw_engine_revert(engine, request->early, &reverted, err);

	if (!code)
		*ret = json_pack("{s:b, s:o}", "reverted", (int)reverted, "confirm",
				 answer_trial(pfw_engine_trial_left(engine)));
	return code;
}

/* Where nothing is applied, nothing is missing: somebody flushed it. */
int answer_repair(struct pfw_engine *engine, const struct pfw_request *request, json_t **ret,
		  struct pfw_error *err)
{
	struct pfw_report report = { .verbose = true, .max_lines = REPAIRS_MAX };
	struct pfw_manner manner = answer_manner(request);
	int code = 0;

	manner.unasked = true;
	manner.told = request->told;
	if (pfw_engine_is_applied(engine))
		code = pfw_engine_reload(engine, &manner, &report, err);
	if (code) {
		pfw_report_free(&report);
		return code;
	}
	return finish(json_pack("{s:b, s:I}", "changed", (int)(report.n_steps > 0), "forwards",
				(json_int_t)pfw_engine_ruleset(engine)->n_live),
		      &report, ret, err);
}

int answer_settle(struct pfw_engine *engine, const struct pfw_request *request, json_t **ret,
		  struct pfw_error *err)
{
	size_t n = pfw_engine_journal(engine);
	int code = pfw_engine_settle(engine, false, err);

	(void)request;
	if (!code)
		*ret = json_pack("{s:I}", "settled", (json_int_t)n);
	return code;
}

int answer_write(struct pfw_engine *engine, const struct pfw_request *request, json_t **ret,
		 struct pfw_error *err)
{
	const char *file = pfw_engine_file(engine, PFW_ORIGIN_NONE);
	int code = answer_reload(engine, request, ret, err);

	if (code || (!json_object_set_new(*ret, "changed", json_true()) &&
		     !json_object_del(*ret, "confirm") &&
		     !json_object_set_new(*ret, "file", json_string(file))))
		return code;
	json_decref(*ret);
	*ret = NULL;
	return pfw_fail_memory(err);
}

int answer_flush(struct pfw_engine *engine, const struct pfw_request *request, json_t **ret,
		 struct pfw_error *err)
{
	struct pfw_report report = { .verbose = request->dry_run };
	bool forgot = false;
	int code = pfw_engine_flush(engine, request->dry_run, &report, &forgot, err);

	if (code) {
		pfw_report_free(&report);
		return code;
	}
	return finish(json_pack("{s:b, s:b}", "changed", (int)(report.n_steps > 0 || forgot),
				"forgot", (int)forgot), &report, ret, err);
}

static int export_json(struct pfw_engine *engine, char **ret)
{
	const struct pfw_ruleset *ruleset = pfw_engine_ruleset(engine);
	json_t *forwards = json_array(), *root;
	uint32_t *ids = pfw_engine_order(engine), i;
	int failed = !ids;

	for (i = 0; !failed && i < ruleset->n_live; i++)
		failed = json_array_append_new(forwards,
					       pfw_forward_json(&ruleset->forwards[ids[i]],
								&ruleset->settings, PFW_CANONICAL));
	free(ids);
	root = json_pack("{s:o, s:o}", "settings",
			 pfw_settings_json(&ruleset->settings, PFW_CANONICAL), "forwards", forwards);
	*ret = root && !failed ? json_dumps(root, JSON_INDENT(2)) : NULL;
	json_decref(root);
	return *ret ? 0 : -ENOMEM;
}

int answer_export(struct pfw_engine *engine, const struct pfw_request *request, json_t **ret,
		  struct pfw_error *err)
{
	const char *format = request->format ? request->format : "json";
	struct pfw_buffer text = { 0 };
	char *json = NULL;
	int code;

	if (!strcmp(format, "json")) {
		code = export_json(engine, &json) ? pfw_fail_memory(err) : 0;
		if (!code) {
			pfw_buffer_puts(&text, json);
			pfw_buffer_puts(&text, "\n");
		}
	} else {
		code = pfw_engine_export(engine, format, &text, err);
	}
	if (!code)
		*ret = json_pack("{s:s, s:s%}", "format", format, "text", text.data ? text.data : "",
				 text.len);
	free(json);
	pfw_buffer_free(&text);
	return code;
}
