/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The commands that change what stands: remove, enable, disable, flush. */
#include "command.h"
#include "output.h"
#include "portfwd/base/buffer.h"

static const char *text_of(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text ? text : "";
}

static bool changed(const json_t *answer)
{
	return json_is_true(json_object_get(answer, "changed"));
}

/* "saved" is said once for each file, in their order. */
static bool is_first_of_file(const json_t *list, size_t at)
{
	json_t *file = json_object_get(json_array_get(list, at), "file");
	size_t i;

	for (i = 0; i < at; i++)
		if (json_equal(json_object_get(json_array_get(list, i), "file"), file))
			return false;
	return true;
}

static int print_files(struct pfw_cli *cli, const json_t *list, struct pfw_error *err)
{
	struct pfw_buffer line = { 0 };
	size_t i;
	int ret = 0;

	if (!cli->args.dry_run && !cli->args.verbose)
		return 0;
	for (i = 0; !ret && i < json_array_size(list); i++) {
		if (!is_first_of_file(list, i))
			continue;
		pfw_buffer_printf(&line, "%s %s", cli->args.dry_run ? "would save" : "saved",
				  text_of(json_array_get(list, i), "file"));
		ret = pfw_output_say(cli, &line, err);
	}
	return ret;
}

static int print_removed(struct pfw_cli *cli, const json_t *answer, struct pfw_error *err)
{
	const json_t *removed = json_object_get(answer, "removed");
	struct pfw_buffer line = { 0 };
	size_t i;
	int ret = 0;

	for (i = 0; !ret && i < json_array_size(removed); i++) {
		pfw_buffer_printf(&line, "%s \"%s\" from %s",
				  cli->args.dry_run ? "would remove" : "removed",
				  text_of(json_array_get(removed, i), "name"),
				  text_of(json_array_get(removed, i), "file"));
		ret = pfw_output_say(cli, &line, err);
	}
	return ret ? ret : pfw_output_changes(cli, answer, err);
}

/* The list of those that changed; what did not says so at once. */
static int print_switched(struct pfw_cli *cli, const json_t *answer, const char *word,
			  struct pfw_error *err)
{
	const json_t *forwards = json_object_get(answer, "forwards"), *forward;
	json_t *list = json_array();
	struct pfw_buffer line = { 0 };
	size_t i;
	int ret = list ? 0 : pfw_fail_memory(err);

	for (i = 0; !ret && i < json_array_size(forwards); i++) {
		forward = json_array_get(forwards, i);
		if (!changed(forward))
			pfw_buffer_printf(&line, "\"%s\" is %sd already", text_of(forward, "name"),
					  word);
		else
			pfw_buffer_printf(&line, cli->args.dry_run ? "would %s \"%s\"" :
					  "%sd \"%s\"", word, text_of(forward, "name"));
		ret = pfw_output_say(cli, &line, err);
		if (!ret && changed(forward) &&
		    json_array_append(list, json_array_get(forwards, i)))
			ret = pfw_fail_memory(err);
	}
	if (!ret)
		ret = print_files(cli, list, err);
	json_decref(list);
	return ret ? ret : pfw_output_changes(cli, answer, err);
}

static int print_enabled(struct pfw_cli *cli, const json_t *answer, struct pfw_error *err)
{
	return print_switched(cli, answer, "enable", err);
}

static int print_disabled(struct pfw_cli *cli, const json_t *answer, struct pfw_error *err)
{
	return print_switched(cli, answer, "disable", err);
}

static int change_names(struct pfw_cli *cli, enum pfw_verb verb, pfw_printer *print,
			struct pfw_error *err)
{
	const struct pfw_request request = {
		.names = cli->args.operands,
		.n_names = cli->args.n_operands,
		.drain = cli->args.drain,
		.dry_run = cli->args.dry_run,
	};

	return pfw_cli_answer(cli, verb, &request, print, err);
}

int pfw_cmd_remove(struct pfw_cli *cli, struct pfw_error *err)
{
	return change_names(cli, PFW_VERB_REMOVE, print_removed, err);
}

int pfw_cmd_enable(struct pfw_cli *cli, struct pfw_error *err)
{
	return change_names(cli, PFW_VERB_ENABLE, print_enabled, err);
}

int pfw_cmd_disable(struct pfw_cli *cli, struct pfw_error *err)
{
	return change_names(cli, PFW_VERB_DISABLE, print_disabled, err);
}

static int print_flushed(struct pfw_cli *cli, const json_t *answer, struct pfw_error *err)
{
	struct pfw_buffer line = { 0 };
	int ret;

	if (!changed(answer))
		pfw_buffer_puts(&line, "nothing to clear");
	else if (json_is_true(json_object_get(answer, "forgot")))
		pfw_buffer_puts(&line, "cleared all forwards from the kernel, and forgot those added "
				"with --runtime");
	else
		pfw_buffer_puts(&line, cli->args.dry_run ? "would clear all forwards from the kernel"
							 : "cleared all forwards from the kernel");
	ret = pfw_output_say(cli, &line, err);
	return ret ? ret : pfw_output_changes(cli, answer, err);
}

int pfw_cmd_flush(struct pfw_cli *cli, struct pfw_error *err)
{
	const struct pfw_request request = { .dry_run = cli->args.dry_run };

	return pfw_cli_answer(cli, PFW_VERB_FLUSH, &request, print_flushed, err);
}
