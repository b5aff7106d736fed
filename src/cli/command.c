/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The commands of portfwd(1): one table for dispatch, help and usage errors. */
#include <errno.h>
#include <string.h>

#include "command.h"
#include "near.h"

const struct pfw_command pfw_commands[] = {
	{ "add", "[NAME] LISTEN TARGET[,TARGET...]", "add a forward: save it and forward from now on",
	  2, 3, PFW_SCOPE_FORWARD | PFW_SCOPE_CUT, pfw_cmd_add },
	{ "remove", "NAME|LISTEN...", "remove forwards",
	  1, PFW_OPERANDS_ANY, PFW_SCOPE_CUT, pfw_cmd_remove },
	{ "enable", "NAME...", "forward again what was disabled",
	  1, PFW_OPERANDS_ANY, 0, pfw_cmd_enable },
	{ "disable", "NAME...", "keep forwards in the file, but do not forward",
	  1, PFW_OPERANDS_ANY, PFW_SCOPE_CUT, pfw_cmd_disable },
	{ "list", "[NAME...]", "list forwards and whether they stand in the kernel",
	  0, PFW_OPERANDS_ANY, PFW_SCOPE_COLUMNS, pfw_cmd_list },
	{ "show", "NAME...", "show everything about a forward",
	  1, PFW_OPERANDS_ANY, 0, pfw_cmd_show },
	{ "status", "", "show the state of the whole",
	  0, 0, 0, pfw_cmd_status },
	{ "edit", "", "open the configuration in an editor, check it and reload",
	  0, 0, PFW_SCOPE_CUT, pfw_cmd_edit },
	{ "check", "[FILE]", "check a configuration and change nothing",
	  0, 1, 0, pfw_cmd_check },
	{ "diff", "", "show how the kernel differs from the configuration",
	  0, 0, 0, pfw_cmd_diff },
	{ "reload", "", "make the kernel equal to the configuration",
	  0, 0, PFW_SCOPE_CUT | PFW_SCOPE_CONFIRM, pfw_cmd_reload },
	{ "confirm", "", "keep what \"reload --confirm\" brought",
	  0, 0, 0, pfw_cmd_confirm },
	{ "flush", "", "clear kernel and host settings, leave the file alone",
	  0, 0, 0, pfw_cmd_flush },
	{ "export", "", "print the forwards for another tool",
	  0, 0, PFW_SCOPE_FORMAT, pfw_cmd_export },
	{ "version", "", "print the version",
	  0, 0, 0, pfw_cmd_version },
	{ "help", "[COMMAND]", "print help",
	  0, 1, 0, pfw_cmd_help },
	{ NULL },
};

int pfw_command_find(const char *word, const struct pfw_command **ret, struct pfw_error *err)
{
	const struct pfw_command *command, *found = NULL;
	struct pfw_near begins = { 0 }, near = { 0 };
	char hint[PFW_NEAR_TEXT];

	for (command = pfw_commands; command->name; command++) {
		if (!strcmp(word, command->name)) {
			*ret = command;
			return 0;
		}
		if (*word && !strncmp(word, command->name, strlen(word))) {
			pfw_near_add(&begins, command->name);
			found = command;
		}
		pfw_near_try(&near, word, command->name);
	}
	if (begins.n > 1)
		return pfw_fail(err, PFW_USAGE, -EINVAL, "command \"%s\" is ambiguous%s", word,
				pfw_near_print(&begins, "", "", hint));
	if (!found)
		return pfw_fail(err, PFW_USAGE, -EINVAL, "unknown command \"%.60s\"%s", word,
				pfw_near_print(&near, "", "; \"portfwd help\" lists them", hint));
	*ret = found;
	return 0;
}

int pfw_command_check(const struct pfw_command *command, const struct pfw_arguments *args,
		      struct pfw_error *err)
{
	size_t min = command->min, max = command->max, n = args->n_operands;

	/* The docker spelling says what LISTEN and TARGET would. */
	if (args->publish) {
		min -= 2;
		max -= 2;
	}
	if (n >= min && n <= max)
		return 0;
	if (!max)
		return pfw_fail(err, PFW_USAGE, -EINVAL, "\"%s\" takes no operands, but got \"%s\"",
				command->name, args->operands[0]);
	if (args->publish)
		return pfw_fail(err, PFW_USAGE, -EINVAL,
				"too many operands; with -p: portfwd %s [NAME] -p PUBLISHED",
				command->name);
	return pfw_fail(err, PFW_USAGE, -EINVAL, "too %s operands; usage: portfwd %s %s",
			n < min ? "few" : "many", command->name, command->operands);
}
