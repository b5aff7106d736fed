/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The options of portfwdd(8): one table, and the command line read by it. */
#ifndef DAEMON_OPTIONS_H
#define DAEMON_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "portfwd/base/error.h"
#include "portfwd/base/names.h"
#include "portfwd/service/service.h"

/* The command line as it was understood. Texts are borrowed from argv. */
struct options {
	struct pfw_service_options service;
	const char *group;	/* NULL: GROUP_DEFAULT, if there is one */
	const char *log;	/* NULL: standard error in the foreground, else syslog */
	bool foreground;
	bool flush_on_exit;
	bool verbose;
	bool help;
	bool version;
};
#define GROUP_DEFAULT "portfwd"

struct daemon_option {
	const char *name;	/* "run-dir" */
	char letter;		/* 'c', or 0 */
	const char *argument;	/* "FILE"; NULL: takes none */
	const char *help;
	size_t member;		/* of struct options: a bool, or a text where it has an argument */
	const struct pfw_name *words;	/* the only ones it takes; NULL: any */
};

/* Ends with a row whose name is NULL. */
extern const struct daemon_option daemon_options[];

int options_parse(struct options *options, int argc, char **argv, struct pfw_error *err);
void options_help(FILE *out);

#endif
