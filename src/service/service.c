/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The service: the daemon answers where one is at work in this place, else this process. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "local.h"
#include "remote.h"

struct pfw_service {
	struct pfw_service_options options;	/* with texts of its own */
	struct local *local;			/* NULL: nothing was for this process to answer yet */
	struct remote *remote;			/* NULL: there is no daemon, or we are it */
	bool elsewhere;				/* the daemon answered last */
};

static int copy_option(const char **to, const char *from)
{
	*to = from ? strdup(from) : NULL;
	return from && !*to ? -ENOMEM : 0;
}

static int copy_options(const struct pfw_service_options *from, struct pfw_service_options *to)
{
	to->daemon = from->daemon;
	to->keep = from->keep;
	to->journal = from->journal;
	return copy_option(&to->config, from->config) || copy_option(&to->netns, from->netns) ||
	       copy_option(&to->run_dir, from->run_dir) ||
	       copy_option(&to->backend, from->backend) ? -ENOMEM : 0;
}

static int need_local(struct pfw_service *service, struct pfw_error *err)
{
	return service->local ? 0 : local_open(&service->options, &service->local, err);
}

int pfw_service_open(const struct pfw_service_options *options, struct pfw_service **ret,
		     struct pfw_error *err)
{
	struct pfw_service *service = calloc(1, sizeof(*service));
	int code = service && !copy_options(options, &service->options) ? 0 : pfw_fail_memory(err);

	if (!code && !options->daemon)
		code = remote_open(&service->options, &service->remote, err);
	if (!code && !service->remote)
		code = need_local(service, err);
	if (code)
		pfw_service_close(service);
	else
		*ret = service;
	return code;
}

void pfw_service_close(struct pfw_service *service)
{
	if (!service)
		return;
	remote_close(service->remote);
	local_close(service->local);
	free((char *)service->options.config);
	free((char *)service->options.netns);
	free((char *)service->options.run_dir);
	free((char *)service->options.backend);
	free(service);
}

int pfw_service_call(struct pfw_service *service, enum pfw_verb verb,
		     const struct pfw_request *request, json_t **ret_answer, struct pfw_error *err)
{
	bool here = true;
	int code = 0;

	if (service->remote)
		code = remote_call(service->remote, verb, request, ret_answer, &here, err);
	service->elsewhere = !here;
	if (!code && here)
		code = need_local(service, err);
	return code || !here ? code : local_call(service->local, verb, request, ret_answer, err);
}

int pfw_service_wait(struct pfw_service *service, int wake, enum pfw_wait *ret,
		     struct pfw_error *err)
{
	if (!service->elsewhere)
		return local_wait(service->local, wake, ret, err);
	*ret = PFW_WAIT_ELSEWHERE;
	return 0;
}

int pfw_service_watch(struct pfw_service *service, struct pfw_watch **ret, struct pfw_error *err)
{
	int code = need_local(service, err);

	return code ? code : local_watch(service->local, ret, err);
}

bool pfw_service_is_current(const struct pfw_service *service)
{
	return service->local && local_is_current(service->local);
}

size_t pfw_service_journal(const struct pfw_service *service)
{
	return service->local ? local_journal(service->local) : 0;
}

size_t pfw_service_size(const struct pfw_service *service)
{
	return service->local ? local_size(service->local) : 0;
}

int pfw_service_part(struct pfw_service *service, struct pfw_error *err)
{
	return service->local ? local_part(service->local, err) : 0;
}

int pfw_service_settle_begin(struct pfw_service *service, struct pfw_settling **ret,
			     struct pfw_error *err)
{
	int code = need_local(service, err);

	return code ? code : local_settle_begin(service->local, ret, err);
}

int pfw_service_settle_end(struct pfw_service *service, struct pfw_settling *settling,
			   struct pfw_error *err)
{
	return local_settle_end(service->local, settling, err);
}

static int take_file(const json_t *answer, struct pfw_service_file *ret, struct pfw_error *err)
{
	const json_t *text = json_object_get(answer, "text");
	const char *path = json_string_value(json_object_get(answer, "path"));
	struct pfw_service_file file = { .exists = json_is_string(text) };

	file.path = path ? strdup(path) : NULL;
	if (file.exists)
		pfw_buffer_append(&file.text, json_string_value(text), json_string_length(text));
	if (file.path && !file.text.failed) {
		*ret = file;
		return 0;
	}
	pfw_service_file_free(&file);
	return path ? pfw_fail_memory(err) :
		      pfw_fail(err, PFW_FAILED, -EBADMSG, "portfwdd does not tell the file");
}

int pfw_service_read(struct pfw_service *service, bool dry_run, struct pfw_service_file *ret,
		     struct pfw_error *err)
{
	const struct pfw_request request = { .dry_run = dry_run };
	json_t *answer = NULL;
	bool here = true;
	int code = 0;

	if (service->remote)
		code = remote_call(service->remote, PFW_VERB_READ, &request, &answer, &here, err);
	/* Bytes that are no text come by no other way than reading them. */
	here |= code == -EILSEQ;
	if (code == -EILSEQ) {
		pfw_error_clear(err);
		code = 0;
	}
	if (!code && here) {
		code = need_local(service, err);
		return code ? code : local_read(service->local, dry_run, ret, err);
	}
	if (!code)
		code = take_file(answer, ret, err);
	json_decref(answer);
	return code;
}

void pfw_service_file_free(struct pfw_service_file *file)
{
	free(file->path);
	pfw_buffer_free(&file->text);
	*file = (struct pfw_service_file){ 0 };
}
