/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One run of portfwd(1): where it prints and what it was asked. */
#ifndef PORTFWD_CLI_CLI_H
#define PORTFWD_CLI_CLI_H

#include <stdbool.h>
#include <stdio.h>

#include "options.h"
#include "portfwd/service/service.h"

/* The exit code of "diff" beside those of enum pfw_failure. */
#define PFW_EXIT_DIFFERENT 7

/* Zero-initialise and set the streams; pfw_cli_main() frees the rest. */
struct pfw_cli {
	FILE *out;
	FILE *err;
	FILE *in;	/* for answers to questions */
	bool terminal;	/* out is one */
	bool interactive;	/* in and err are: somebody is there to answer */
	bool color;
	struct pfw_arguments args;
};

/* Runs the command line; returns the exit code. argv may be reordered. */
int pfw_cli_main(struct pfw_cli *cli, int argc, char **argv);

/* Opens the service that the options name, asks it this once, and closes it. */
int pfw_cli_ask(struct pfw_cli *cli, enum pfw_verb verb, const struct pfw_request *request,
		json_t **ret_answer, struct pfw_error *err);

/* Prints an answer for people. Returns 0 or a negative errno. */
typedef int pfw_printer(struct pfw_cli *cli, const json_t *answer, struct pfw_error *err);

/* Asks, and prints the answer: as it is with --json, else by print. */
int pfw_cli_answer(struct pfw_cli *cli, enum pfw_verb verb, const struct pfw_request *request,
		   pfw_printer *print, struct pfw_error *err);

#endif
