/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is printed, whatever the command: lines, JSON, changes, errors. */
#ifndef PORTFWD_CLI_OUTPUT_H
#define PORTFWD_CLI_OUTPUT_H

#include <jansson.h>
#include <stdio.h>

#include "cli.h"
#include "portfwd/base/buffer.h"
#include "portfwd/base/error.h"

/* The line, and frees it; prints always. */
int pfw_output_line(struct pfw_cli *cli, struct pfw_buffer *line, struct pfw_error *err);
/* The same, but --quiet silences it. */
int pfw_output_say(struct pfw_cli *cli, struct pfw_buffer *line, struct pfw_error *err);
/* The whole value, or nothing of it. */
int pfw_output_json(struct pfw_cli *cli, const json_t *value, struct pfw_error *err);
/*
 * What belongs behind the lines that say what was done: whether routing was switched, with
 * --dry-run the changes of the answer and its file, with --verbose their number.
 */
int pfw_output_changes(struct pfw_cli *cli, const json_t *answer, struct pfw_error *err);
/* The same without the file. */
int pfw_output_objects(struct pfw_cli *cli, const json_t *answer, struct pfw_error *err);
/* One line for each of the answer's changes. */
int pfw_output_change_lines(struct pfw_cli *cli, const json_t *answer, struct pfw_error *err);

/* The warning of the answer, if there is one, on standard error; --quiet does not silence it. */
int pfw_output_warning(struct pfw_cli *cli, const json_t *answer, struct pfw_error *err);

/*
 * The error on standard error, with --json on standard output too. code is what the
 * failed function returned. Returns the exit code.
 */
int pfw_output_error(struct pfw_cli *cli, struct pfw_error *err, int code);
void pfw_output_error_lines(FILE *out, struct pfw_error *err, int code);

#endif
