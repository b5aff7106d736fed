/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Help, from the tables of commands and options. */
#include <string.h>

#include "cli.h"
#include "command.h"
#include "help.h"

#define WIDTH 27

/* Two columns; a long left one has a line of its own. */
static void print_row(FILE *out, const char *left, const char *right)
{
	if (strlen(left) <= WIDTH)
		fprintf(out, "  %-*s  %s\n", WIDTH, left, right);
	else
		fprintf(out, "  %s\n  %-*s  %s\n", left, WIDTH, "", right);
}

static void print_options(FILE *out, unsigned int scopes)
{
	const struct pfw_option *option;
	char left[80], letter[] = "-?, ";

	for (option = pfw_options; option->name; option++) {
		if (!(option->scope & scopes))
			continue;
		letter[1] = option->letter;
		snprintf(left, sizeof(left), "%s--%s%s%s", option->letter ? letter : "    ",
			 option->name,
			 option->argument ? " " : "", option->argument ? option->argument : "");
		print_row(out, left, option->help);
	}
}

static void print_command(FILE *out, const struct pfw_command *command)
{
	fprintf(out, "usage: portfwd [OPTION...] %s%s%s%s\n", command->name,
		command->scopes ? " [OPTION...]" : "", *command->operands ? " " : "",
		command->operands);
	if (command->scopes & PFW_SCOPE_FORWARD)
		fprintf(out, "       portfwd [OPTION...] %s [OPTION...] [NAME] -p PUBLISHED\n",
			command->name);
	fprintf(out, "\n%s\n", command->summary);
	if (command->scopes) {
		fprintf(out, "\nOptions:\n");
		print_options(out, command->scopes);
	}
	fprintf(out, "\nOptions of every command: \"portfwd help\". Manual: portfwd(1).\n");
}

static void print_all(FILE *out)
{
	const struct pfw_command *command;
	char left[80];

	fprintf(out, "usage: portfwd [OPTION...] COMMAND [OPERAND...]\n\nCommands:\n");
	for (command = pfw_commands; command->name; command++) {
		snprintf(left, sizeof(left), "%s %s", command->name, command->operands);
		print_row(out, left, command->summary);
	}
	fprintf(out, "\nOptions of every command:\n");
	print_options(out, PFW_SCOPE_GLOBAL);
	fprintf(out, "\n\"portfwd help COMMAND\" tells more. Manual: portfwd(1), "
		     "portfwd.json(5).\n");
}

int pfw_help_print(FILE *out, const struct pfw_command *command)
{
	if (command)
		print_command(out, command);
	else
		print_all(out);
	return 0;
}

int pfw_cmd_help(struct pfw_cli *cli, struct pfw_error *err)
{
	const struct pfw_command *command = NULL;
	int ret = 0;

	if (cli->args.n_operands)
		ret = pfw_command_find(cli->args.operands[0], &command, err);
	return ret ? ret : pfw_help_print(cli->out, command);
}
