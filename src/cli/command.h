/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The commands of portfwd(1): one table for dispatch, help and usage errors. */
#ifndef PORTFWD_CLI_COMMAND_H
#define PORTFWD_CLI_COMMAND_H

#include <stddef.h>

#include "cli.h"

#define PFW_OPERANDS_ANY ((size_t)-1)

struct pfw_command {
	const char *name;
	const char *operands;	/* as usage shows them; "" if there are none */
	const char *summary;
	size_t min;		/* number of operands */
	size_t max;
	unsigned int scopes;	/* of options beside the global ones */
	/* 0 or another exit code, or a negative errno with err filled. */
	int (*run)(struct pfw_cli *cli, struct pfw_error *err);
};

/* Ends with a row whose name is NULL. */
extern const struct pfw_command pfw_commands[];

/* The command of this name, or the only one that begins so. */
int pfw_command_find(const char *word, const struct pfw_command **ret, struct pfw_error *err);
/* Whether there are as many operands as the command takes. */
int pfw_command_check(const struct pfw_command *command, const struct pfw_arguments *args,
		      struct pfw_error *err);

int pfw_cmd_add(struct pfw_cli *cli, struct pfw_error *err);
int pfw_cmd_remove(struct pfw_cli *cli, struct pfw_error *err);
int pfw_cmd_enable(struct pfw_cli *cli, struct pfw_error *err);
int pfw_cmd_disable(struct pfw_cli *cli, struct pfw_error *err);
int pfw_cmd_list(struct pfw_cli *cli, struct pfw_error *err);
int pfw_cmd_show(struct pfw_cli *cli, struct pfw_error *err);
int pfw_cmd_status(struct pfw_cli *cli, struct pfw_error *err);
int pfw_cmd_edit(struct pfw_cli *cli, struct pfw_error *err);
int pfw_cmd_check(struct pfw_cli *cli, struct pfw_error *err);
int pfw_cmd_diff(struct pfw_cli *cli, struct pfw_error *err);
int pfw_cmd_reload(struct pfw_cli *cli, struct pfw_error *err);
int pfw_cmd_confirm(struct pfw_cli *cli, struct pfw_error *err);
int pfw_cmd_flush(struct pfw_cli *cli, struct pfw_error *err);
int pfw_cmd_export(struct pfw_cli *cli, struct pfw_error *err);
int pfw_cmd_version(struct pfw_cli *cli, struct pfw_error *err);
int pfw_cmd_help(struct pfw_cli *cli, struct pfw_error *err);

#endif
