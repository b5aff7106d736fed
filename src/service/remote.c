/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The service behind the daemon's socket: the same requests and answers, and the same refusals, as
 * if this process did the work. What it cannot carry, or is of another place, stays here.
 */
#include <ctype.h>
#include <errno.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "client.h"
#include "portfwd/service/place.h"
#include "portfwd/service/wire.h"
#include "remote.h"

struct remote {
	char *socket;
	int fd;			/* connected, for the next request; -1: not yet */
	bool denied;		/* we may not connect */
	char *config;
	char netns[PFW_PLACE_NETNS];
	char *backend;		/* NULL: whatever the daemon takes */
};

/* What of the place a request is held against. */
enum { PLACE_NETNS = 1, PLACE_CONFIG = 2, PLACE_BACKEND = 4, PLACE_ALL = 7 };

void remote_close(struct remote *remote)
{
	if (!remote)
		return;
	if (remote->fd >= 0)
		close(remote->fd);
	free(remote->socket);
	free(remote->config);
	free(remote->backend);
	free(remote);
}

static int name_place(struct remote *remote, const struct pfw_service_options *options,
		      struct pfw_error *err)
{
	int code = pfw_place_config(options->config ? options->config : PFW_CONFIG_DEFAULT,
				    &remote->config, err);

	if (!code)
		code = pfw_place_netns(options->netns, remote->netns, err);
	if (!code && options->backend) {
		remote->backend = strdup(options->backend);
		code = remote->backend ? 0 : pfw_fail_memory(err);
	}
	return code;
}

int remote_open(const struct pfw_service_options *options, struct remote **ret,
		struct pfw_error *err)
{
	const char *run_dir = options->run_dir ? options->run_dir : PFW_RUN_DIR_DEFAULT;
	struct remote *remote = calloc(1, sizeof(*remote));
	int code;

	if (!remote)
		return pfw_fail_memory(err);
	remote->fd = -1;
	if (asprintf(&remote->socket, "%s/portfwd.sock", run_dir) < 0) {
		remote->socket = NULL;
		remote_close(remote);
		return pfw_fail_memory(err);
	}
	code = client_connect(remote->socket, &remote->fd);
	/* To root of another user namespace, what this directory has is a stranger's. */
	remote->denied = code == -EACCES && geteuid() != 0 && !access(run_dir, X_OK);
	if (code && !remote->denied) {
		/* Nobody listens, or nobody whom we would believe. */
		remote_close(remote);
		*ret = NULL;
		return 0;
	}
	code = name_place(remote, options, err);
	if (code)
		remote_close(remote);
	else
		*ret = remote;
	return code;
}

/* ---- Words of a request */

/* RFC 3986, 2.1. */
static void put_escaped(struct pfw_buffer *to, const char *text)
{
	for (; *text; text++)
		if (isalnum((unsigned char)*text) || strchr("-._~/", *text))
			pfw_buffer_append(to, text, 1);
		else
			pfw_buffer_printf(to, "%%%02X", (unsigned char)*text);
}

static void put_header(struct pfw_buffer *head, const char *name, const char *value)
{
	pfw_buffer_printf(head, "%s: ", name);
	put_escaped(head, value);
	pfw_buffer_puts(head, "\r\n");
}

static void put_place(const struct remote *remote, unsigned int place, struct pfw_buffer *head)
{
	if (place & PLACE_NETNS)
		pfw_buffer_printf(head, "Portfwd-Netns: %s\r\n", remote->netns);
	if (place & PLACE_CONFIG)
		put_header(head, "Portfwd-Config", remote->config);
	if (place & PLACE_BACKEND && remote->backend)
		put_header(head, "Portfwd-Backend", remote->backend);
}

/* One request on a connection of its own; body NULL: it has none. */
static int ask(struct remote *remote, const char *method, const char *path, unsigned int place,
	       const char *body, struct client_reply *ret)
{
	struct pfw_buffer head = { 0 };
	size_t len = body ? strlen(body) : 0;
	int code = remote->fd < 0 ? client_connect(remote->socket, &remote->fd) : 0;

	if (code)
		return code == -ECONNREFUSED || code == -ENOENT ? -ECONNRESET : code;
	pfw_buffer_printf(&head, "%s %s HTTP/1.1\r\nHost: portfwd\r\nConnection: close\r\n", method, path);
	put_place(remote, place, &head);
	if (body)
		pfw_buffer_printf(&head, "Content-Type: application/json\r\nContent-Length: %zu\r\n", len);
	pfw_buffer_puts(&head, "\r\n");
	code = head.failed ? -ENOMEM : client_ask(remote->fd, &head, body, len, ret);
	pfw_buffer_free(&head);
	close(remote->fd);
	remote->fd = -1;
	return code;
}

/* ---- Who answers */

/* What may be asked twice: to be done is all that such a request wants. */
static bool may_repeat(enum pfw_verb verb, const struct pfw_request *request)
{
	switch (verb) {
	case PFW_VERB_REMOVE:
	case PFW_VERB_WRITE:
	case PFW_VERB_CONFIRM:
		return request->dry_run;
	case PFW_VERB_RELOAD:
		return !request->confirm || request->dry_run;
	default:
		return true;
	}
}

static bool changes(enum pfw_verb verb, const struct pfw_request *request)
{
	switch (verb) {
	case PFW_VERB_LIST:
	case PFW_VERB_STATUS:
	case PFW_VERB_CHECK:
	case PFW_VERB_DIFF:
	case PFW_VERB_EXPORT:
		return false;
	default:
		return !request->dry_run;
	}
}

/* What only reads files, as anybody may who can read them. */
static bool is_words(enum pfw_verb verb)
{
	return verb == PFW_VERB_CHECK || verb == PFW_VERB_EXPORT;
}

static int refuse_denied(const struct remote *remote, struct pfw_error *err)
{
	const struct group *group = NULL;
	struct stat st;

	if (!stat(remote->socket, &st) && st.st_mode & S_IWGRP && st.st_gid)
		group = getgrgid(st.st_gid);
	if (group)
		return pfw_fail(err, PFW_NOT_PERMITTED, -EACCES, "portfwdd is at work here, and only root "
				"and the group \"%s\" may ask it; run this as root, or be a member of "
				"the group", group->gr_name);
	return pfw_fail(err, PFW_NOT_PERMITTED, -EACCES, "portfwdd is at work here, and only root may ask "
			"it; run this as root");
}

/* Whether the daemon is of this place; false too where it does not say. */
static bool is_place(struct remote *remote, unsigned int place)
{
	struct client_reply reply = { 0 };
	bool is = !ask(remote, "OPTIONS", "/v1/status", place, NULL, &reply) && reply.status < 300;

	client_reply_free(&reply);
	return is;
}

static int parse_problem(const struct client_reply *reply, struct pfw_error *err)
{
	json_t *problem = json_loadb(reply->body.data ? reply->body.data : "", reply->body.len, 0, NULL);
	int code = pfw_problem_parse(problem, err);

	json_decref(problem);
	return code;
}

/*
 * The daemon works with something else. What it holds is not for us to change: another configuration
 * of this namespace, or the same with another backend. Where another configuration is
 * applied, that is refused here as it is without a daemon.
 */
static int other_place(struct remote *remote, enum pfw_verb verb, const struct pfw_request *request,
		       const struct client_reply *reply, bool *ret_here, struct pfw_error *err)
{
	bool same_config;
	int code;

	*ret_here = true;
	if (!changes(verb, request) || !is_place(remote, PLACE_NETNS))
		return 0;
	same_config = is_place(remote, PLACE_NETNS | PLACE_CONFIG);
	if (!same_config && verb != PFW_VERB_RELOAD)
		return 0;
	*ret_here = false;
	code = parse_problem(reply, err);
	pfw_error_add_advice(err, PFW_FAILED, "portfwdd keeps this network namespace as it says; stop it "
			     "first, or leave out the option");
	return code;
}

static int lost(int code, struct pfw_error *err)
{
	switch (code) {
	case -ENOMEM:
		return pfw_fail_memory(err);
	case -ETIMEDOUT:
		return pfw_fail(err, PFW_FAILED, code, "portfwdd does not answer; whether it will do what was "
				"asked is not known");
	case -ECONNRESET:
		return pfw_fail(err, PFW_FAILED, code, "portfwdd ended before it answered; whether it has "
				"done what was asked is not known: \"portfwd list\" tells");
	case -EMSGSIZE:
	case -EBADMSG:
		return pfw_fail(err, PFW_FAILED, code, "portfwdd has answered in words that make no sense "
				"here");
	default:
		return pfw_fail_errno(err, code, "cannot ask portfwdd");
	}
}

static int take_reply(const struct client_reply *reply, json_t **ret_answer, struct pfw_error *err)
{
	json_t *answer;

	if (reply->status != 200)
		return parse_problem(reply, err);
	answer = json_loadb(reply->body.data ? reply->body.data : "", reply->body.len, 0, NULL);
	if (!json_is_object(answer)) {
		json_decref(answer);
		return lost(-EBADMSG, err);
	}
	*ret_answer = answer;
	return 0;
}

/* Flushing is of the namespace, whatever is applied there. */
static unsigned int place_of(enum pfw_verb verb)
{
	return verb == PFW_VERB_FLUSH ? PLACE_NETNS : PLACE_ALL;
}

static int carry(struct remote *remote, enum pfw_verb verb, const struct pfw_request *request,
		 const char *body, json_t **ret_answer, bool *ret_here, struct pfw_error *err)
{
	struct client_reply reply = { 0 };
	char path[64];
	int code;

	snprintf(path, sizeof(path), "/v1/commands/%s", pfw_name_text(pfw_command_names, (int)verb));
	code = ask(remote, "POST", path, place_of(verb), body, &reply);
	*ret_here = code == -ECONNRESET && may_repeat(verb, request);
	if (code)
		return *ret_here ? 0 : lost(code, err);
	if (reply.status == 421)
		code = other_place(remote, verb, request, &reply, ret_here, err);
	else if (reply.status == 413)
		*ret_here = true;
	else
		code = take_reply(&reply, ret_answer, err);
	client_reply_free(&reply);
	return code;
}

int remote_call(struct remote *remote, enum pfw_verb verb, const struct pfw_request *request,
		json_t **ret_answer, bool *ret_here, struct pfw_error *err)
{
	json_t *json = NULL;
	char *body;
	int code;

	*ret_here = true;
	if (!pfw_name_text(pfw_command_names, (int)verb) || (remote->denied && is_words(verb)))
		return 0;
	code = pfw_request_json(request, &json, err);
	if (code == -EILSEQ)
		return 0;
	*ret_here = false;
	if (code)
		return code;
	body = json_dumps(json, JSON_COMPACT);
	json_decref(json);
	if (!body)
		return pfw_fail_memory(err);
	code = remote->denied ? refuse_denied(remote, err) :
				carry(remote, verb, request, body, ret_answer, ret_here, err);
	free(body);
	return code;
}
