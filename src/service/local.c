/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The service in this process: each request is one load, one change, one answer. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "local.h"
#include "portfwd/engine/trial.h"
#include "portfwd/service/watch.h"
#include "portfwd/store/store.h"

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
