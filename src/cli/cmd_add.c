/* SPDX-License-Identifier: GPL-2.0-or-later */
/* "add": a forward from the words of the command line. */
#include "config.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "answer.h"
#include "command.h"
#include "output.h"
#include "portfwd/base/buffer.h"
#include "words.h"

static int set_key(json_t *object, const char *key, json_t *value, struct pfw_error *err)
{
	return json_object_set_new(object, key, value) ? pfw_fail_memory(err) : 0;
}

static int set_listen(json_t *forward, const struct pfw_arguments *args, const char *text,
		      struct pfw_error *err)
{
	json_t *listen;
	int ret;

	if (!args->interfaces)
		ret = pfw_words_text("listen", text, strlen(text), &listen, err);
	else
		ret = pfw_words_listen(text, &listen, err);
	if (ret)
		return ret;
	if (args->interfaces && json_object_set(listen, "interface", args->interfaces)) {
		json_decref(listen);
		return pfw_fail_memory(err);
	}
	return set_key(forward, "listen", listen, err);
}

static int set_words(json_t *forward, const struct pfw_arguments *args, const char *name,
		     const char *listen, const char *target, struct pfw_error *err)
{
	json_t *json;
	int ret = 0;

	if (name) {
		ret = pfw_words_text("name", name, strlen(name), &json, err);
		if (!ret)
			ret = set_key(forward, "name", json, err);
	}
	if (!ret)
		ret = set_listen(forward, args, listen, err);
	if (!ret)
		ret = pfw_words_join("target", target, strlen(target), ',', &json, err);
	if (!ret)
		ret = set_key(forward, "target", json, err);
	if (!ret && args->forward && json_object_update(forward, args->forward))
		ret = pfw_fail_memory(err);
	return ret;
}

/* The ':' before the target in "LISTEN:TARGET", whose target may stand in brackets; or NULL. */
static char *target_colon(char *text)
{
	size_t len = strlen(text);
	char *bracket;

	if (!len || text[len - 1] != ']')
		return strrchr(text, ':');
	bracket = strrchr(text, '[');
	return bracket && bracket > text && bracket[-1] == ':' ? bracket - 1 : NULL;
}

/*
 * "[HOST:]PORTS:TARGET:PORTS[/PROTO]" is LISTEN "[HOST:]PORTS[/PROTO]" and TARGET
 * "TARGET:PORTS"; it is read from its end, where brackets do not mislead. On
 * success free both.
 */
static int split_published(const char *text, char **ret_listen, char **ret_target,
			   struct pfw_error *err)
{
	char *copy = strdup(text), *listen = NULL, *target = NULL;
	char *protocol, *port, *colon;
	int ret = 0;

	if (!copy)
		return pfw_fail_memory(err);
	protocol = strrchr(copy, '/');
	if (protocol)
		*protocol++ = '\0';
	port = strrchr(copy, ':');
	if (port)
		*port++ = '\0';
	colon = port ? target_colon(copy) : NULL;
	if (!colon || colon == copy || !colon[1] || !*port) {
		ret = pfw_fail(err, PFW_USAGE, -EINVAL,
			       "-p takes [HOST:]PORTS:TARGET:PORTS[/PROTO], not \"%.120s\"", text);
		goto out;
	}
	*colon++ = '\0';
	if (asprintf(&listen, "%s%s%s", copy, protocol ? "/" : "", protocol ? protocol : "") < 0)
		listen = NULL;
	if (asprintf(&target, "%s:%s", colon, port) < 0)
		target = NULL;
	if (!listen || !target) {
		ret = pfw_fail_memory(err);
		goto out;
	}
	*ret_listen = listen;
	*ret_target = target;
	listen = NULL;
	target = NULL;
out:
	free(target);
	free(listen);
	free(copy);
	return ret;
}

/* The forward that the command line means, as in portfwd.json(5). A new reference. */
static int build(const struct pfw_arguments *args, json_t **ret, struct pfw_error *err)
{
	const char *const *operands = args->operands;
	char *listen = NULL, *target = NULL;
	json_t *forward = json_object();
	int res;

	if (args->publish) {
		res = split_published(args->publish, &listen, &target, err);
		if (!res)
			res = set_words(forward, args, args->n_operands ? operands[0] : NULL,
					listen, target, err);
	} else {
		res = set_words(forward, args, args->n_operands > 2 ? operands[0] : NULL,
				operands[args->n_operands - 2], operands[args->n_operands - 1],
				err);
	}
	free(target);
	free(listen);
	if (res)
		json_decref(forward);
	else
		*ret = forward;
	return res;
}

static const char *done_word(const struct pfw_arguments *args, const json_t *answer)
{
	bool replaced = json_is_true(json_object_get(answer, "replaced"));

	if (args->dry_run)
		return replaced ? "would replace" : "would add";
	return replaced ? "replaced" : "added";
}

static int print_added(struct pfw_cli *cli, const json_t *answer, struct pfw_error *err)
{
	const json_t *forward = json_object_get(answer, "forward");
	const char *name = json_string_value(json_object_get(forward, "name"));
	struct pfw_buffer line = { 0 };
	int ret;

	if (!name)
		name = "";
	if (!json_is_true(json_object_get(answer, "changed"))) {
		pfw_buffer_printf(&line, "\"%s\" stands already", name);
	} else {
		pfw_buffer_printf(&line, "%s \"%s\": ", done_word(&cli->args, answer), name);
		pfw_answer_listen(forward, &line);
		pfw_buffer_puts(&line, " -> ");
		pfw_answer_target(forward, &line);
		if (json_is_false(json_object_get(forward, "enabled")))
			pfw_buffer_puts(&line, " (disabled)");
		if (cli->args.runtime)
			pfw_buffer_puts(&line, " (until the next boot or flush)");
	}
	ret = pfw_output_say(cli, &line, err);
	return ret ? ret : pfw_output_changes(cli, answer, err);
}

int pfw_cmd_add(struct pfw_cli *cli, struct pfw_error *err)
{
	struct pfw_request request = {
		.replace = cli->args.replace,
		.runtime = cli->args.runtime,
		.drain = cli->args.drain,
		.dry_run = cli->args.dry_run,
	};
	int ret;

	ret = build(&cli->args, &request.forward, err);
	if (!ret)
		ret = pfw_cli_answer(cli, PFW_VERB_ADD, &request, print_added, err);
	json_decref(request.forward);
	return ret;
}
