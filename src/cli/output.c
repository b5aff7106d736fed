/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is printed, whatever the command: lines, JSON, changes. */
#include <stdlib.h>
#include <string.h>

#include "output.h"
#include "portfwd/base/text.h"

int pfw_output_line(struct pfw_cli *cli, struct pfw_buffer *line, struct pfw_error *err)
{
	int ret = 0;

	if (line->failed) {
		ret = pfw_fail_memory(err);
	} else if (line->len) {
		/* A line is one line, whatever the files are called. */
		pfw_text_clean(line->data);
		fprintf(cli->out, "%s\n", line->data);
	}
	pfw_buffer_free(line);
	return ret;
}

int pfw_output_say(struct pfw_cli *cli, struct pfw_buffer *line, struct pfw_error *err)
{
	if (!cli->args.quiet)
		return pfw_output_line(cli, line, err);
	pfw_buffer_free(line);
	return 0;
}

int pfw_output_json(struct pfw_cli *cli, const json_t *value, struct pfw_error *err)
{
	char *text = json_dumps(value, JSON_INDENT(2));

	if (!text)
		return pfw_fail_memory(err);
	fputs(text, cli->out);
	putc('\n', cli->out);
	free(text);
	return 0;
}

static char sign_of(const char *action)
{
	if (action && !strcmp(action, "add"))
		return '+';
	return action && !strcmp(action, "remove") ? '-' : '~';
}

/* An object of several lines, such as a chain, has its sign before each. */
static int print_change(struct pfw_cli *cli, const json_t *change, struct pfw_error *err)
{
	const char *name = json_string_value(json_object_get(change, "forward"));
	const char *text = json_string_value(json_object_get(change, "text"));
	char sign = sign_of(json_string_value(json_object_get(change, "action")));
	struct pfw_buffer line = { 0 };
	size_t tabs, len;
	int ret;

	if (!text)
		text = "";
	do {
		tabs = strspn(text, "\t");
		text += tabs;
		len = strcspn(text, "\n");
		pfw_buffer_printf(&line, "%c %s%s%*s%.*s", sign, name ? name : "",
				  name ? ": " : "", (int)(8 * tabs), "", (int)len, text);
		ret = pfw_output_line(cli, &line, err);
		text += len;
	} while (!ret && *text && *++text);
	return ret;
}

int pfw_output_change_lines(struct pfw_cli *cli, const json_t *answer, struct pfw_error *err)
{
	const json_t *changes = json_object_get(answer, "changes");
	size_t i;
	int ret = 0;

	for (i = 0; !ret && i < json_array_size(changes); i++)
		ret = print_change(cli, json_array_get(changes, i), err);
	return ret;
}

static int print_file(struct pfw_cli *cli, const json_t *answer, struct pfw_error *err)
{
	const char *file = json_string_value(json_object_get(answer, "file"));
	struct pfw_buffer line = { 0 };

	if (!file || !json_is_true(json_object_get(answer, "changed")))
		return 0;
	pfw_buffer_printf(&line, "%s %s", cli->args.dry_run ? "would save" : "saved", file);
	return pfw_output_say(cli, &line, err);
}

int pfw_output_changes(struct pfw_cli *cli, const json_t *answer, struct pfw_error *err)
{
	int ret = 0;

	if (cli->args.dry_run || cli->args.verbose)
		ret = print_file(cli, answer, err);
	return ret ? ret : pfw_output_objects(cli, answer, err);
}

/* What was done to the machine beside forwarding should surprise nobody. */
static int print_routing(struct pfw_cli *cli, const json_t *answer, const char *word,
			 struct pfw_error *err)
{
	static const char *const keys[] = { "ipv4", "ipv6" }, *const names[] = { "IPv4", "IPv6" };
	const json_t *routing = json_object_get(answer, "routing");
	struct pfw_buffer line = { 0 };
	const char *value;
	size_t i;

	for (i = 0; i < 2; i++) {
		value = json_string_value(json_object_get(routing, keys[i]));
		if (!value || strcmp(value, word))
			continue;
		if (!line.len)
			pfw_buffer_printf(&line, "%s %s routing of ",
					  cli->args.dry_run ? "would switch" : "switched", word);
		else
			pfw_buffer_puts(&line, " and ");
		pfw_buffer_puts(&line, names[i]);
	}
	if (line.len)
		pfw_buffer_puts(&line, strcmp(word, "on") ? ", as it was before" :
				"; \"portfwd flush\" switches it off again");
	return pfw_output_say(cli, &line, err);
}

int pfw_output_objects(struct pfw_cli *cli, const json_t *answer, struct pfw_error *err)
{
	json_int_t n = json_integer_value(json_object_get(answer, "objects"));
	struct pfw_buffer line = { 0 };
	int ret = print_routing(cli, answer, "on", err);

	if (!ret)
		ret = print_routing(cli, answer, "off", err);
	if (ret)
		return ret;
	if (cli->args.dry_run)
		return pfw_output_change_lines(cli, answer, err);
	if (!cli->args.verbose)
		return 0;
	pfw_buffer_printf(&line, "%" JSON_INTEGER_FORMAT " kernel object%s changed", n, n == 1 ? "" : "s");
	return pfw_output_say(cli, &line, err);
}

int pfw_output_warning(struct pfw_cli *cli, const json_t *answer, struct pfw_error *err)
{
	const char *text = json_string_value(json_object_get(answer, "warning"));
	struct pfw_buffer line = { 0 };
	int ret = 0;

	if (!text)
		return 0;
	pfw_buffer_printf(&line, "portfwd: warning: %s", text);
	if (line.failed) {
		ret = pfw_fail_memory(err);
	} else {
		pfw_text_clean(line.data);
		fprintf(cli->err, "%s\n", line.data);
	}
	pfw_buffer_free(&line);
	return ret;
}
