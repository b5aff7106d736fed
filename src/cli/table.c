/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Forwards in columns: one table of what can be shown of a forward. */
#include <ctype.h>
#include <errno.h>
#include <libsmartcols.h>
#include <string.h>

#include "answer.h"
#include "portfwd/base/text.h"
#include "table.h"

#define HEADER_SIZE 32

struct pfw_column {
	const char *name;	/* the key of the forward, too */
	int flags;		/* of libsmartcols */
	void (*print)(const json_t *forward, struct pfw_buffer *ret);	/* NULL: its value */
};

static const struct pfw_column columns[] = {
	{ "name" },
	{ "comment" },
	{ "listen", 0, pfw_answer_listen },
	{ "target", 0, pfw_answer_target },
	{ "source" },
	{ "balance" },
	{ "snat" },
	{ "hairpin" },
	{ "local" },
	{ "log" },
	{ "limit", 0, pfw_answer_limit },
	{ "expires" },
	{ "state" },
	{ "connections", SCOLS_FL_RIGHT },
	{ "file" },
	{ NULL },
};
static const char default_columns[] = "name,listen,target,state,connections";

/* Words whose colour tells at a glance, in lists and in the status. */
static const struct {
	const char *word;
	const char *color;
	const char *sequence;
} colors[] = {
	{ "active", "green", "\033[32m" },
	{ "missing", "red", "\033[31m" },
	{ "disabled", "yellow", "\033[33m" },
	{ "expired", "yellow", "\033[33m" },
	{ NULL },
};

const char *pfw_table_column(size_t i)
{
	return columns[i].name;
}

static int refuse_column(const char *text, size_t len, struct pfw_error *err)
{
	const struct pfw_column *column;
	char list[240];
	size_t at = 0;

	for (column = columns; column->name && at < sizeof(list); column++)
		at += (size_t)snprintf(list + at, sizeof(list) - at, "%s%s",
				       column == columns ? "" : column[1].name ? ", " : " and ",
				       column->name);
	return pfw_fail(err, PFW_USAGE, -EINVAL, "unknown column \"%.*s\"; the columns are %s",
			(int)(len < 60 ? len : 60), text, list);
}

static const struct pfw_column *find_column(const char *text, size_t len)
{
	const struct pfw_column *column;

	for (column = columns; column->name; column++)
		if (strlen(column->name) == len && !strncasecmp(column->name, text, len))
			return column;
	return NULL;
}

int pfw_table_choose(const char *text, struct pfw_choice *ret, struct pfw_error *err)
{
	const struct pfw_column *column;
	struct pfw_choice choice = { 0 };
	size_t len;

	for (text = text ? text : default_columns;; text += len + 1) {
		len = strcspn(text, ",");
		column = find_column(text, len);
		if (!column)
			return refuse_column(text, len, err);
		if (choice.n >= PFW_COLUMNS_MAX)
			return pfw_fail(err, PFW_USAGE, -EINVAL, "more than %d columns",
					PFW_COLUMNS_MAX);
		choice.columns[choice.n++] = column;
		if (!text[len])
			break;
	}
	*ret = choice;
	return 0;
}

static void print_cell(const struct pfw_column *column, const json_t *forward,
		       struct pfw_buffer *ret)
{
	if (column->print)
		column->print(forward, ret);
	else
		pfw_answer_value(json_object_get(forward, column->name), ret);
	if (ret->len)
		pfw_text_clean(ret->data);
}

static int fill_cell(struct libscols_line *row, size_t at, const struct pfw_column *column,
		     const json_t *forward)
{
	struct pfw_buffer text = { 0 };
	size_t i;
	int ret;

	print_cell(column, forward, &text);
	ret = text.failed ? -ENOMEM : scols_line_set_data(row, at, text.len ? text.data : "-");
	for (i = 0; !ret && text.len && colors[i].word && !strcmp(column->name, "state"); i++)
		if (!strcmp(colors[i].word, text.data))
			ret = scols_cell_set_color(scols_line_get_cell(row, at), colors[i].color);
	pfw_buffer_free(&text);
	return ret;
}

static int fill_row(struct libscols_table *table, const struct pfw_choice *choice,
		    const json_t *forward)
{
	struct libscols_line *row = scols_table_new_line(table, NULL);
	size_t i;
	int ret = row ? 0 : -ENOMEM;

	for (i = 0; !ret && i < choice->n; i++)
		ret = fill_cell(row, i, choice->columns[i], forward);
	return ret;
}

static const char *header_of(const struct pfw_column *column, char buf[HEADER_SIZE])
{
	size_t i;

	for (i = 0; column->name[i] && i < HEADER_SIZE - 1; i++)
		buf[i] = (char)toupper((unsigned char)column->name[i]);
	buf[i] = '\0';
	return buf;
}

static int add_column(struct libscols_table *table, const struct pfw_column *column)
{
	char header[HEADER_SIZE];

	return scols_table_new_column(table, header_of(column, header), 0, column->flags) ?
	       0 : -ENOMEM;
}

/* libsmartcols prints nothing at all for a table without rows. */
static void print_header(FILE *out, const struct pfw_choice *choice)
{
	char header[HEADER_SIZE];
	size_t i;

	for (i = 0; i < choice->n; i++)
		fprintf(out, "%s%s", i ? " " : "", header_of(choice->columns[i], header));
	putc('\n', out);
}

int pfw_table_list(struct pfw_cli *cli, const struct pfw_choice *choice, const json_t *forwards,
		   struct pfw_error *err)
{
	struct libscols_table *table = scols_new_table();
	size_t i;
	int ret = 0;

	if (!table)
		return pfw_fail_memory(err);
	scols_table_set_stream(table, cli->out);
	scols_table_enable_colors(table, cli->color);
	/* What is not a terminal has no width: nothing may be cut or wrapped. */
	scols_table_set_termforce(table, cli->terminal ? SCOLS_TERMFORCE_AUTO
						       : SCOLS_TERMFORCE_NEVER);
	for (i = 0; !ret && i < choice->n; i++)
		ret = add_column(table, choice->columns[i]);
	for (i = 0; !ret && i < json_array_size(forwards); i++)
		ret = fill_row(table, choice, json_array_get(forwards, i));
	if (!ret && json_array_size(forwards))
		ret = scols_print_table(table);
	else if (!ret)
		print_header(cli->out, choice);
	scols_unref_table(table);
	return ret ? pfw_fail_memory(err) : 0;
}

void pfw_table_field(struct pfw_cli *cli, const char *key, const char *value)
{
	const char *before = "", *after = "";
	size_t i;

	for (i = 0; cli->color && colors[i].word; i++)
		if (!strcmp(colors[i].word, value)) {
			before = colors[i].sequence;
			after = "\033[0m";
		}
	fprintf(cli->out, "%s:%*s%s%s%s\n", key, (int)(13 - strlen(key)), "", before, value,
		after);
}

int pfw_table_show(struct pfw_cli *cli, const json_t *forward, struct pfw_error *err)
{
	const struct pfw_column *column;
	struct pfw_buffer text;
	int ret = 0;

	for (column = columns; !ret && column->name; column++) {
		text = (struct pfw_buffer){ 0 };
		print_cell(column, forward, &text);
		if (text.failed)
			ret = pfw_fail_memory(err);
		else if (text.len)
			pfw_table_field(cli, column->name, text.data);
		pfw_buffer_free(&text);
	}
	return ret;
}
