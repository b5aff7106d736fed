/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Forwards in columns: one table of what can be shown of a forward. */
#ifndef PORTFWD_CLI_TABLE_H
#define PORTFWD_CLI_TABLE_H

#include <jansson.h>
#include <stddef.h>

#include "cli.h"

#define PFW_COLUMNS_MAX 16

struct pfw_column;

/* Columns as chosen with --columns. */
struct pfw_choice {
	const struct pfw_column *columns[PFW_COLUMNS_MAX];
	size_t n;
};

/* Reads "name,listen"; NULL chooses what "list" shows by itself. */
int pfw_table_choose(const char *text, struct pfw_choice *ret, struct pfw_error *err);
/* A row for each of the forwards, under a header. */
int pfw_table_list(struct pfw_cli *cli, const struct pfw_choice *choice, const json_t *forwards,
		   struct pfw_error *err);
/* All about one forward, a line for each field. */
int pfw_table_show(struct pfw_cli *cli, const json_t *forward, struct pfw_error *err);
/* A line "key:  value" with the colour of the value, if it has one. */
void pfw_table_field(struct pfw_cli *cli, const char *key, const char *value);
/* The names of all columns, for tests; NULL behind the last. */
const char *pfw_table_column(size_t i);

#endif
