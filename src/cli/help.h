/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Help, from the tables of commands and options. */
#ifndef PORTFWD_CLI_HELP_H
#define PORTFWD_CLI_HELP_H

#include <stdio.h>

struct pfw_command;

/* About the command, or about all of them if it is NULL. Returns 0, the exit code. */
int pfw_help_print(FILE *out, const struct pfw_command *command);

#endif
