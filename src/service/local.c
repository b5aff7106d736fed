/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The service in this process: each request is one load, one change, one answer. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "local.h"
#include "portfwd/config/config.h"
#include "portfwd/engine/trial.h"
#include "portfwd/service/watch.h"
#include "portfwd/store/store.h"

#define REPAIRS_MAX 100	/* that are told of one by one */

struct local {
	char *config;
	char *run_dir;
	char *backend;
	bool keep;
	bool journal;
	struct pfw_engine *kept;	/* NULL: not yet, or none is */
	int back;	/* to the network namespace that we came from; -1: we are in it */
	struct pfw_trial trial;	/* a reload that waits to be confirmed */
	pid_t daemon;	/* whom others ask, this process or what it was forked from; 0: nobody */
	struct pfw_watch *watch;	/* borrowed; or NULL */
};

static int copy_option(char **to, const char *from, const char *otherwise)
{
	from = from ? from : otherwise;
	if (!from)
		return 0;
	*to = strdup(from);
	return *to ? 0 : -ENOMEM;
}

int local_open(const struct pfw_service_options *options, struct local **ret,
	       struct pfw_error *err)
{
	struct local *service = calloc(1, sizeof(*service));
	int code = 0;

	if (service)
		*service = (struct local){
			.back = -1, .trial.fd = -1, .daemon = options->daemon ? getpid() : 0,
		};
	if (!service || copy_option(&service->config, options->config, PFW_CONFIG_DEFAULT) ||
	    copy_option(&service->run_dir, options->run_dir, PFW_RUN_DIR_DEFAULT) ||
	    copy_option(&service->backend, options->backend, NULL))
		code = pfw_fail_memory(err);
	if (!code) {
		service->keep = options->keep || options->journal;
		service->journal = options->journal;
	}
	if (!code && options->netns)
		code = pfw_engine_enter(options->netns, &service->back, err);
	if (code) {
		local_close(service);
		return code;
	}
	*ret = service;
	return 0;
}

/* What cannot be settled stays in the journal, for whoever comes next. */
static void settle_last(struct pfw_engine *engine)
{
	const struct pfw_engine_load load = { .purpose = PFW_ENGINE_WRITE };
	struct pfw_error ignored = PFW_ERROR_INIT;

	pfw_engine_set_locks(engine, PFW_ENGINE_WAIT);
	if (!pfw_engine_load(engine, &load, &ignored))
		pfw_engine_settle(engine, true, &ignored);
}

void local_close(struct local *service)
{
	if (!service)
		return;
	if (service->kept && service->journal)
		settle_last(service->kept);
	pfw_engine_close(service->kept);
	pfw_engine_leave(service->back);
	pfw_trial_free(&service->trial);
	free(service->config);
	free(service->run_dir);
	free(service->backend);
	free(service);
}

int local_watch(struct local *service, struct pfw_watch **ret, struct pfw_error *err)
{
	int code = pfw_watch_open(ret, err);

	if (!code)
		service->watch = *ret;
	return code;
}

/* A row a verb: what must be loaded, and who answers. */
static const struct verb {
	enum pfw_engine_purpose purpose;
	bool required;
	bool any_config;
	bool anew;	/* which backend is decided anew */
	bool standing;	/* what is loaded counts, whatever the files say */
	bool bare;	/* nothing is loaded at all */
	bool draft;	/* the request has a text for the main file */
	answer_function *answer;
} verbs[PFW_VERBS] = {
	[PFW_VERB_ADD] = { .purpose = PFW_ENGINE_WRITE, .answer = answer_add },
	[PFW_VERB_REMOVE] = { .purpose = PFW_ENGINE_WRITE, .answer = answer_remove },
	[PFW_VERB_ENABLE] = { .purpose = PFW_ENGINE_WRITE, .answer = answer_enable },
	[PFW_VERB_DISABLE] = { .purpose = PFW_ENGINE_WRITE, .answer = answer_disable },
	[PFW_VERB_LIST] = { .purpose = PFW_ENGINE_LOOK, .answer = answer_list },
	[PFW_VERB_STATUS] = { .purpose = PFW_ENGINE_LOOK, .answer = answer_status },
	[PFW_VERB_CHECK] = { .purpose = PFW_ENGINE_WORDS, .required = true,
			     .answer = answer_check },
	[PFW_VERB_DIFF] = { .purpose = PFW_ENGINE_LOOK, .answer = answer_diff },
	[PFW_VERB_WRITE] = { .purpose = PFW_ENGINE_WRITE, .draft = true, .answer = answer_write },
	[PFW_VERB_RELOAD] = { .purpose = PFW_ENGINE_WRITE, .required = true, .any_config = true,
			      .anew = true, .answer = answer_reload },
	[PFW_VERB_FLUSH] = { .purpose = PFW_ENGINE_WRITE, .bare = true, .answer = answer_flush },
	[PFW_VERB_EXPORT] = { .purpose = PFW_ENGINE_WORDS, .answer = answer_export },
	[PFW_VERB_CONFIRM] = { .purpose = PFW_ENGINE_WRITE, .bare = true, .answer = answer_confirm },
	[PFW_VERB_READ] = { .purpose = PFW_ENGINE_WRITE, .bare = true, .answer = answer_read },
	[PFW_VERB_REVERT] = { .purpose = PFW_ENGINE_WRITE, .bare = true, .answer = answer_revert },
	[PFW_VERB_PATCH] = { .purpose = PFW_ENGINE_WRITE, .answer = answer_patch },
	[PFW_VERB_COUNT] = { .purpose = PFW_ENGINE_LOOK, .answer = answer_count },
	[PFW_VERB_REPAIR] = { .purpose = PFW_ENGINE_WRITE, .standing = true,
			      .answer = answer_repair },
	[PFW_VERB_SETTLE] = { .purpose = PFW_ENGINE_WRITE, .answer = answer_settle },
};

/*
 * The engine for a request: the one that stays, or one that lives as long as the request. Of words
 * alone, which may be those of another file, nothing is kept.
 */
static int engine_begin(struct local *service, const char *file, bool keep,
			struct pfw_engine **ret, struct pfw_error *err)
{
	const struct pfw_engine_options options = {
		.config = file ? file : service->config,
		.run_dir = service->run_dir,
		.backend = service->backend,
		.journal = keep && service->journal,
		.stays = keep && service->keep,
	};

	if (!keep || !service->keep)
		return pfw_engine_open(&options, ret, err);
	if (!service->kept) {
		int code = pfw_engine_open(&options, &service->kept, err);

		if (code)
			return code;
	}
	*ret = service->kept;
	return 0;
}

static void engine_end(struct local *service, struct pfw_engine *engine)
{
	if (!engine)
		return;
	if (engine == service->kept)
		pfw_engine_release(engine);
	else
		pfw_engine_close(engine);
}

static void tell_daemon(const struct local *service, json_t *status)
{
	json_t *daemon = json_object_get(status, "daemon");

	json_object_set_new(daemon, "running", json_true());
	json_object_set_new(daemon, "pid", json_integer(service->daemon));
}

static const enum pfw_engine_locks engine_locks[] = {
	[PFW_LOCKS_WAIT] = PFW_ENGINE_WAIT,
	[PFW_LOCKS_TRY] = PFW_ENGINE_TRY,
	[PFW_LOCKS_NONE] = PFW_ENGINE_NO_LOCKS,
};

int local_call(struct local *service, enum pfw_verb verb, const struct pfw_request *request,
	       json_t **ret_answer, struct pfw_error *err)
{
	const struct verb *row = &verbs[verb];
	const struct pfw_draft draft = {
		.text = request->text,
		.len = request->text_len,
		.base = request->base,
		.base_len = request->base_len,
	};
	const struct pfw_engine_load load = {
		/* A dry run changes nothing, so it needs no right to. */
		.purpose = row->purpose == PFW_ENGINE_WRITE && request->dry_run ? PFW_ENGINE_LOOK :
										  row->purpose,
		.required = row->required,
		.any_config = row->any_config,
		.anew = row->anew,
		.standing = row->standing,
		.draft = row->draft ? &draft : NULL,
	};
	struct pfw_engine *engine = NULL;
	json_t *answer = NULL;
	int ret;

	ret = engine_begin(service, request->file, row->purpose != PFW_ENGINE_WORDS, &engine, err);
	if (!ret)
		pfw_engine_set_locks(engine, engine_locks[request->locks]);
	if (!ret && !row->bare)
		ret = pfw_engine_load(engine, &load, err);
	/* Of what was flushed, nothing is put back, whatever the files say. */
	if (!ret && request->current && pfw_engine_is_applied(engine) &&
	    !pfw_engine_is_current(engine))
		ret = pfw_fail(err, PFW_FAILED, -ESTALE, "the files have changed since they were read");
	/* What it does now is no news, and would be more than anybody can take in. */
	if (!ret && service->watch)
		pfw_watch_follow(service->watch, engine);
	if (!ret)
		ret = row->answer(engine, request, &answer, err);
	if (!ret)
		pfw_engine_take_trial(engine, &service->trial);
	else if (engine)
		pfw_engine_advise_trial(engine, err);
	if (engine && service->watch)
		pfw_watch_follow(service->watch, engine);
	engine_end(service, engine);
	if (ret)
		return ret;
	if (answer && verb == PFW_VERB_STATUS && service->daemon)
		tell_daemon(service, answer);
	if (!answer)
		return pfw_fail_memory(err);
	*ret_answer = answer;
	return 0;
}

int local_wait(struct local *service, int wake, enum pfw_wait *ret, struct pfw_error *err)
{
	static const enum pfw_wait ends[] = {
		[PFW_TRIAL_CONFIRMED] = PFW_WAIT_CONFIRMED,
		[PFW_TRIAL_OVER] = PFW_WAIT_OVER,
		[PFW_TRIAL_WOKEN] = PFW_WAIT_WOKEN,
	};
	enum pfw_trial_end end;
	int code = pfw_trial_wait(&service->trial, wake, &end, err);

	if (!code)
		*ret = ends[end];
	return code;
}

bool local_is_current(const struct local *service)
{
	return service->kept && pfw_engine_is_current(service->kept);
}

size_t local_journal(const struct local *service)
{
	return service->kept ? pfw_engine_journal(service->kept) : 0;
}

size_t local_size(const struct local *service)
{
	return service->kept ? pfw_engine_ruleset(service->kept)->n_live : 0;
}

int local_part(struct local *service, struct pfw_error *err)
{
	service->back = service->trial.fd = -1;
	service->watch = NULL;
	return service->kept ? pfw_engine_part(service->kept, err) : 0;
}

int local_read(struct local *service, bool dry_run, struct pfw_service_file *ret,
	       struct pfw_error *err)
{
	struct pfw_service_file file = { .exists = true };
	struct pfw_engine *engine = NULL;
	int code = engine_begin(service, NULL, true, &engine, err);

	if (!code)
		code = pfw_engine_read(engine, dry_run, &file.text, err);
	if (code == -ENOENT && !err->count) {
		file.exists = false;
		code = 0;
	}
	if (!code) {
		file.path = strdup(pfw_engine_file(engine, PFW_ORIGIN_NONE));
		if (!file.path)
			code = pfw_fail_memory(err);
	}
	engine_end(service, engine);
	if (code)
		pfw_service_file_free(&file);
	else
		*ret = file;
	return code;
}

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

/* A load to write, and one of the steps of settling. */
static int load_to_settle(struct local *service, struct pfw_engine **ret, struct pfw_error *err)
{
	const struct pfw_engine_load load = { .purpose = PFW_ENGINE_WRITE };
	int code = engine_begin(service, NULL, true, ret, err);

	if (code)
		return code;
	pfw_engine_set_locks(*ret, PFW_ENGINE_TRY);
	return pfw_engine_load(*ret, &load, err);
}

int local_settle_begin(struct local *service, struct pfw_settling **ret, struct pfw_error *err)
{
	struct pfw_engine *engine = NULL;
	int code = load_to_settle(service, &engine, err);

	*ret = NULL;
	if (!code)
		code = pfw_engine_settle_begin(engine, ret, err);
	engine_end(service, engine);
	return code;
}

int pfw_service_settle_prepare(struct pfw_settling *settling, struct pfw_error *err)
{
	return pfw_settling_prepare(settling, err);
}

int local_settle_end(struct local *service, struct pfw_settling *settling, struct pfw_error *err)
{
	struct pfw_engine *engine = NULL;
	int code = load_to_settle(service, &engine, err);

	if (!code)
		code = pfw_engine_settle_end(engine, settling, err);
	engine_end(service, engine);
	pfw_settling_free(settling);
	return code;
}

void pfw_service_settle_free(struct pfw_settling *settling)
{
	pfw_settling_free(settling);
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
