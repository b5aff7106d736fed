/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * data/openapi.yaml against the table of routes and the words of commands. If these fail, it
 * promises what there is not, or hides what there is. Whether it is sound is for others to say:
 * tests/house/openapi.test.
 */
#include <ctype.h>

#include "cases.h"
#include "portfwd/service/route.h"
#include "portfwd/service/wire.h"

/* What the document says of one operation, by its indentation, which is two blanks a level. */
struct operation {
	char path[64];
	char method[8];
	char query[64];		/* "dry_run drain" */
	bool body;
};

static struct operation operations[2 * PFW_ROUTES];
static size_t n_operations;
static char verbs[256];		/* "add, remove" */

static const char *const methods[] = { "get", "post", "put", "patch", "delete" };

static bool is_method(const char *word)
{
	size_t i;

	for (i = 0; i < COUNT(methods); i++)
		if (!strcmp(word, methods[i]))
			return true;
	return false;
}

static void begin_operation(const char *path, const char *method)
{
	struct operation *operation = &operations[n_operations++];
	size_t i;

	ck_assert_uint_le(n_operations, COUNT(operations));
	snprintf(operation->path, sizeof(operation->path), "%s", path);
	for (i = 0; method[i]; i++)
		operation->method[i] = (char)toupper((unsigned char)method[i]);
}

static void take_parameter(struct operation *operation, const char *name)
{
	size_t len = strlen(operation->query);

	if (strcmp(name, "dry_run") && strcmp(name, "drain") && strcmp(name, "runtime"))
		return;
	snprintf(operation->query + len, sizeof(operation->query) - len, "%s%s", len ? " " : "",
		 name);
}

static void take_line(const char *line, char path[64])
{
	struct operation *operation = n_operations ? &operations[n_operations - 1] : NULL;
	char word[64];

	if (sscanf(line, "  %63[^: ]:", word) == 1 && line[2] == '/') {
		snprintf(path, 64, "%s", word);
	} else if (!strncmp(line, "    ", 4) && line[4] != ' ' &&
		   sscanf(line, " %63[a-z]:", word) == 1 && is_method(word)) {
		begin_operation(path, word);
	} else if (operation &&
		   sscanf(line, " - $ref: \"#/components/parameters/%63[a-z_]\"", word) == 1) {
		take_parameter(operation, word);
	} else if (operation && !strncmp(line, "      requestBody:", 18)) {
		operation->body = true;
	} else {
		sscanf(line, " enum: [add, %255[^]]]", verbs);
	}
}

static void read_document(void)
{
	const char *root = getenv("top_srcdir");
	char name[4096], line[512], path[64] = "";
	bool inside = false;
	FILE *file;

	snprintf(name, sizeof(name), "%s/data/openapi.yaml", root ? root : ".");
	file = fopen(name, "re");
	ck_assert_msg(file != NULL, "cannot open %s", name);
	while (fgets(line, sizeof(line), file)) {
		if (!isspace((unsigned char)*line))
			inside = !strncmp(line, "paths:", 6);
		else if (inside)
			take_line(line, path);
	}
	fclose(file);
}

static const struct operation *find(const struct pfw_route *route)
{
	size_t i;

	for (i = 0; i < n_operations; i++)
		if (!strcmp(operations[i].path, route->path) &&
		    !strcmp(operations[i].method, route->method))
			return &operations[i];
	return NULL;
}

START_TEST(each_route_is_described)
{
	const struct operation *operation;
	const struct pfw_route *route;

	read_document();
	for (route = pfw_routes; route < pfw_routes + PFW_ROUTES; route++) {
		operation = find(route);
		ck_assert_msg(operation != NULL, "%s %s", route->method, route->path);
		ck_assert_msg(operation->body == route->body, "%s %s: body", route->method,
			      route->path);
		ck_assert_msg(!strcmp(operation->query, route->query ? route->query : ""),
			      "%s %s: \"%s\"", route->method, route->path, operation->query);
	}
}
END_TEST

START_TEST(nothing_else_is_described)
{
	read_document();
	ck_assert_uint_eq(n_operations, PFW_ROUTES);
}
END_TEST

START_TEST(the_commands_are_those_that_there_are)
{
	char list[256] = "";
	size_t len = 0;
	int i;

	read_document();
	ck_assert_str_eq(pfw_command_names[0].text, "add");
	for (i = 1; pfw_command_names[i].text; i++)
		len += (size_t)snprintf(list + len, sizeof(list) - len, "%s%s", len ? ", " : "",
					pfw_command_names[i].text);
	ck_assert_str_eq(verbs, list);
}
END_TEST

TCase *openapi_case(void)
{
	TCase *tcase;

	UNIT_CASE(tcase, "openapi", each_route_is_described, nothing_else_is_described,
		  the_commands_are_those_that_there_are);
	return tcase;
}
