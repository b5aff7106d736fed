/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The options of portfwd(1): one table, and the command line read by it. */
#ifndef PORTFWD_CLI_OPTIONS_H
#define PORTFWD_CLI_OPTIONS_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "portfwd/base/error.h"
#include "portfwd/service/service.h"

struct pfw_command;

/*
 * The command line as it was understood. Zero-initialise; free with
 * pfw_arguments_free(). Texts are borrowed from argv.
 */
struct pfw_arguments {
	const struct pfw_command *command;	/* NULL: none was given */
	const char *const *operands;
	size_t n_operands;

	struct pfw_service_options service;
	bool json;
	bool dry_run;
	bool quiet;
	bool verbose;
	bool help;
	bool version;

	json_t *forward;	/* the fields given as options; NULL: none */
	json_t *interfaces;	/* a list of texts; NULL: none */
	const char *publish;
	bool replace;
	bool runtime;
	bool drain;
	const char *columns;
	const char *format;
	unsigned int confirm;	/* seconds; 0: not asked for */
};

/* Where an option may stand: everywhere, or with the commands that take its scope. */
enum {
	PFW_SCOPE_GLOBAL = 1 << 0,
	PFW_SCOPE_FORWARD = 1 << 1,
	PFW_SCOPE_COLUMNS = 1 << 2,
	PFW_SCOPE_FORMAT = 1 << 3,
	PFW_SCOPE_CUT = 1 << 4,
	PFW_SCOPE_CONFIRM = 1 << 5,
};

struct pfw_option {
	const char *name;	/* "dry-run" */
	char letter;		/* 'n', or 0 */
	const char *argument;	/* "FILE"; NULL: takes none */
	const char *help;
	unsigned int scope;	/* one of PFW_SCOPE_... */
	int (*apply)(struct pfw_arguments *args, const struct pfw_option *option,
		     const char *value, struct pfw_error *err);
	size_t member;		/* the place in struct pfw_arguments that apply sets, */
	const char *key;	/* or the key of the forward */
};

/* Ends with a row whose name is NULL. */
extern const struct pfw_option pfw_options[];

/*
 * Reads the command line: options, command word, operands and their number.
 * On failure args holds what was read so far; json is set in any case if it is asked for.
 */
int pfw_arguments_parse(struct pfw_arguments *args, int argc, char **argv, struct pfw_error *err);
void pfw_arguments_free(struct pfw_arguments *args);

#endif
