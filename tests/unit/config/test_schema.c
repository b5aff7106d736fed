/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The JSON Schema that is installed is what the parser's tables say. */
#include "config.h"

#include <jansson.h>

#include "cases.h"
#include "portfwd/config/config.h"

/*
 * If this fails, a table of fields changed and the file did not: make it anew with
 * "PORTFWD_GOLDEN=write make check", and read the difference.
 */
START_TEST(test_file_is_the_tables)
{
	const char *root = getenv("top_srcdir"), *golden = getenv("PORTFWD_GOLDEN");
	json_t *schema = pfw_config_schema(), *file;
	json_error_t error;
	char path[4096];

	ck_assert_msg(schema != NULL, "a row of a table says nothing of its value");
	snprintf(path, sizeof(path), "%s/data/portfwd.schema.json", root ? root : ".");
	if (golden && strcmp(golden, "write") == 0)
		ck_assert_int_eq(json_dump_file(schema, path, JSON_INDENT(2)), 0);
	file = json_load_file(path, 0, &error);
	ck_assert_msg(file != NULL, "%s: %s", path, error.text);
	ck_assert_msg(json_equal(schema, file), "%s is not what the tables say", path);
	json_decref(file);
	json_decref(schema);
}
END_TEST

TCase *schema_case(void)
{
	TCase *tcase;

	UNIT_CASE(tcase, "schema", test_file_is_the_tables);
	return tcase;
}
