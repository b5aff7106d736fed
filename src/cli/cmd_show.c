/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The commands that only tell: list, show, status, check, diff, export, version. */
#include "config.h"

#include <errno.h>
#include <string.h>

#include "command.h"
#include "output.h"
#include "portfwd/base/buffer.h"
#include "portfwd/base/names.h"
#include "table.h"

static int print_table(struct pfw_cli *cli, const json_t *answer, struct pfw_error *err)
{
	struct pfw_choice choice;
	int ret;

	ret = pfw_table_choose(cli->args.columns, &choice, err);
	if (ret)
		return ret;
	return pfw_table_list(cli, &choice, json_object_get(answer, "forwards"), err);
}

int pfw_cmd_list(struct pfw_cli *cli, struct pfw_error *err)
{
	const struct pfw_request request = {
		.names = cli->args.operands,
		.n_names = cli->args.n_operands,
	};
	struct pfw_choice choice;
	int ret;

	/* A wrong column is told before anything is asked. */
	ret = pfw_table_choose(cli->args.columns, &choice, err);
	return ret ? ret : pfw_cli_answer(cli, PFW_VERB_LIST, &request, print_table, err);
}

static int print_fields(struct pfw_cli *cli, const json_t *answer, struct pfw_error *err)
{
	const json_t *forwards = json_object_get(answer, "forwards");
	size_t i;
	int ret = 0;

	for (i = 0; !ret && i < json_array_size(forwards); i++) {
		if (i)
			putc('\n', cli->out);
		ret = pfw_table_show(cli, json_array_get(forwards, i), err);
	}
	return ret;
}

int pfw_cmd_show(struct pfw_cli *cli, struct pfw_error *err)
{
	const struct pfw_request request = {
		.names = cli->args.operands,
		.n_names = cli->args.n_operands,
	};

	return pfw_cli_answer(cli, PFW_VERB_LIST, &request, print_fields, err);
}

static const char *on_off(const json_t *value)
{
	return json_is_true(value) ? "on" : "off";
}

static json_int_t number(const json_t *object, const char *key)
{
	return json_integer_value(json_object_get(object, key));
}

/* "lan0, wan0"; dots stand for what has no room. */
static const char *joined(const json_t *words, char *text, size_t size)
{
	const json_t *word;
	size_t i, at = 0;

	json_array_foreach(words, i, word) {
		if (at + json_string_length(word) + sizeof(", ...") > size) {
			snprintf(text + at, size - at, ", ...");
			break;
		}
		at += (size_t)snprintf(text + at, size - at, "%s%s", i ? ", " : "",
				       json_string_value(word));
	}
	return text;
}

static int print_status(struct pfw_cli *cli, const json_t *answer, struct pfw_error *err)
{
	const json_t *forwards = json_object_get(answer, "forwards");
	const json_t *routing = json_object_get(answer, "ip_forward");
	const json_t *localnets = json_object_get(answer, "route_localnet");
	const char *backend = json_string_value(json_object_get(answer, "backend"));
	const char *fallback = json_string_value(json_object_get(answer, "fallback"));
	const char *kernel = json_string_value(json_object_get(answer, "kernel"));
	const json_t *daemon = json_object_get(answer, "daemon");
	const json_t *confirm = json_object_get(answer, "confirm");
	const json_t *warning;
	char text[80];
	size_t i;

	(void)err;
	pfw_table_field(cli, "backend", backend ? backend : "-");
	if (fallback)
		pfw_table_field(cli, "not nftables", fallback);
	pfw_table_field(cli, "kernel", kernel ? kernel : "-");
	snprintf(text, sizeof(text), "%" JSON_INTEGER_FORMAT " configured, %" JSON_INTEGER_FORMAT
		 " active", number(forwards, "configured"), number(forwards, "active"));
	pfw_table_field(cli, "forwards", text);
	pfw_table_field(cli, "in sync", json_is_true(json_object_get(answer, "in_sync")) ?
			"yes" : "no, \"portfwd diff\" tells more");
	if (json_is_true(json_object_get(answer, "owned")))
		pfw_table_field(cli, "table", "owned by portfwdd");
	snprintf(text, sizeof(text), "IPv4 %s, IPv6 %s", on_off(json_object_get(routing, "ipv4")),
		 on_off(json_object_get(routing, "ipv6")));
	pfw_table_field(cli, "ip_forward", text);
	pfw_table_field(cli, "guard", on_off(json_object_get(answer, "guard")));
	if (json_array_size(localnets))
		pfw_table_field(cli, "route_localnet", joined(localnets, text, sizeof(text)));
	if (json_is_true(json_object_get(daemon, "running"))) {
		snprintf(text, sizeof(text), "running, process %" JSON_INTEGER_FORMAT,
			 number(daemon, "pid"));
		pfw_table_field(cli, "daemon", text);
	}
	if (number(answer, "journal")) {
		snprintf(text, sizeof(text), "%" JSON_INTEGER_FORMAT " not in the file yet",
			 number(answer, "journal"));
		pfw_table_field(cli, "journal", text);
	}
	if (json_is_object(confirm)) {
		snprintf(text, sizeof(text), "awaited for %" JSON_INTEGER_FORMAT " seconds more",
			 number(confirm, "seconds"));
		pfw_table_field(cli, "confirm", text);
	}
	json_array_foreach(json_object_get(answer, "warnings"), i, warning)
		if (json_is_string(warning))
			pfw_table_field(cli, "warning", json_string_value(warning));
	return 0;
}

int pfw_cmd_status(struct pfw_cli *cli, struct pfw_error *err)
{
	const struct pfw_request request = { 0 };

	return pfw_cli_answer(cli, PFW_VERB_STATUS, &request, print_status, err);
}

static int print_checked(struct pfw_cli *cli, const json_t *answer, struct pfw_error *err)
{
	const char *file = json_string_value(json_object_get(answer, "file"));
	json_int_t n = number(answer, "forwards");
	struct pfw_buffer line = { 0 };

	pfw_buffer_printf(&line, "%s: %" JSON_INTEGER_FORMAT " forward%s, no errors",
			  file ? file : "-", n, n == 1 ? "" : "s");
	return pfw_output_say(cli, &line, err);
}

int pfw_cmd_check(struct pfw_cli *cli, struct pfw_error *err)
{
	const struct pfw_request request = {
		.file = cli->args.n_operands ? cli->args.operands[0] : NULL,
	};

	return pfw_cli_answer(cli, PFW_VERB_CHECK, &request, print_checked, err);
}

int pfw_cmd_diff(struct pfw_cli *cli, struct pfw_error *err)
{
	const struct pfw_request request = { 0 };
	json_t *answer = NULL;
	int ret;

	ret = pfw_cli_ask(cli, PFW_VERB_DIFF, &request, &answer, err);
	if (ret)
		return ret;
	if (cli->args.json)
		ret = pfw_output_json(cli, answer, err);
	else
		ret = pfw_output_change_lines(cli, answer, err);
	if (!ret && !json_is_true(json_object_get(answer, "in_sync")))
		ret = PFW_EXIT_DIFFERENT;
	json_decref(answer);
	return ret;
}

static const struct pfw_name format_names[] = {
	{ "json", 0 },
	{ "nft", 1 },
	{ "iptables", 2 },
	{ "ip6tables", 3 },
	{ NULL },
};

static int print_export(struct pfw_cli *cli, const json_t *answer, struct pfw_error *err)
{
	const char *text = json_string_value(json_object_get(answer, "text"));

	(void)err;
	fputs(text ? text : "", cli->out);
	return 0;
}

int pfw_cmd_export(struct pfw_cli *cli, struct pfw_error *err)
{
	const char *format = cli->args.format ? cli->args.format : "json";
	const struct pfw_request request = { .format = format };
	char list[80];

	if (pfw_name_value(format_names, format, strlen(format)) < 0)
		return pfw_fail(err, PFW_USAGE, -EINVAL, "--format takes %s, not \"%.60s\"",
				pfw_name_list(format_names, list, sizeof(list)), format);
	return pfw_cli_answer(cli, PFW_VERB_EXPORT, &request, print_export, err);
}

int pfw_cmd_version(struct pfw_cli *cli, struct pfw_error *err)
{
	json_t *version;
	int ret;

	if (!cli->args.json) {
		fprintf(cli->out, "portfwd %s\n", PACKAGE_VERSION);
		return 0;
	}
	version = json_pack("{s:s}", "version", PACKAGE_VERSION);
	ret = version ? pfw_output_json(cli, version, err) : pfw_fail_memory(err);
	json_decref(version);
	return ret;
}
