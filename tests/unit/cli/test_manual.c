/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The manual page has every command and option of the tables, and no others. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../../src/cli/command.h"
#include "../../../src/cli/table.h"
#include "portfwd/base/buffer.h"
#include "suites.h"

static struct pfw_buffer page;

static void read_page(void)
{
	const char *root = getenv("top_srcdir");
	char path[4096];
	size_t len;
	void *room;
	FILE *file;

	page = (struct pfw_buffer){ 0 };
	snprintf(path, sizeof(path), "%s/man/portfwd.1", root ? root : ".");
	file = fopen(path, "r");
	ck_assert_msg(file != NULL, "cannot read %s", path);
	pfw_buffer_puts(&page, "\n");
	do {
		room = pfw_buffer_reserve(&page, 4096);
		ck_assert_ptr_nonnull(room);
		len = fread(room, 1, 4096, file);
		page.len += len;
		page.data[page.len] = '\0';
	} while (len);
	fclose(file);
}

static void free_page(void)
{
	pfw_buffer_free(&page);
}

/* The line that begins so, and goes on with a blank or its end. */
static bool has_line(const char *begin)
{
	const char *at = page.data;
	char line[128];
	int len;

	len = snprintf(line, sizeof(line), "\n%s", begin);
	while ((at = strstr(at, line))) {
		at += len;
		if (*at == ' ' || *at == '\n')
			return true;
	}
	return false;
}

START_TEST(every_command_has_its_entry)
{
	const struct pfw_command *command;
	char line[96];

	for (command = pfw_commands; command->name; command++) {
		snprintf(line, sizeof(line), ".It Cm %s", command->name);
		ck_assert_msg(has_line(line), "portfwd.1 lacks \"%s\"", line);
	}
}
END_TEST

static const char *option_line(const struct pfw_option *option, char *buf, size_t size)
{
	char letter[] = "Fl ? , ";

	letter[3] = option->letter;
	snprintf(buf, size, ".It %sFl -%s", option->letter ? letter : "", option->name);
	return buf;
}

START_TEST(every_option_has_its_entry)
{
	const struct pfw_option *option;
	char line[96];

	for (option = pfw_options; option->name; option++) {
		option_line(option, line, sizeof(line));
		ck_assert_msg(has_line(line), "portfwd.1 lacks \"%s\"", line);
	}
}
END_TEST

/* Whether the text behind "Fl -" begins with the name of an option. */
static bool is_option(const char *text)
{
	size_t len = strcspn(text, " \n");
	const struct pfw_option *option;

	for (option = pfw_options; option->name; option++)
		if (strlen(option->name) == len && !memcmp(option->name, text, len))
			return true;
	return false;
}

/* What the manual promises must be there. */
START_TEST(no_option_is_made_up)
{
	const char *at = page.data;

	while ((at = strstr(at, "Fl -"))) {
		at += strlen("Fl -");
		ck_assert_msg(is_option(at), "portfwd.1 has --%.*s, which is no option",
			      (int)strcspn(at, " \n"), at);
	}
}
END_TEST

START_TEST(every_column_is_named)
{
	char line[64];
	size_t i;

	for (i = 0; pfw_table_column(i); i++) {
		snprintf(line, sizeof(line), ".Cm %s", pfw_table_column(i));
		ck_assert_msg(has_line(line), "portfwd.1 lacks the column %s",
			      pfw_table_column(i));
	}
}
END_TEST

START_TEST(every_exit_code_has_its_entry)
{
	static const int codes[] = { 0, PFW_FAILED, PFW_USAGE, PFW_NOT_FOUND, PFW_CONFLICT,
				     PFW_NOT_PERMITTED, PFW_EXIT_DIFFERENT };
	char line[32];
	size_t i;

	for (i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
		snprintf(line, sizeof(line), ".It %d", codes[i]);
		ck_assert_msg(has_line(line), "portfwd.1 lacks exit code %d", codes[i]);
	}
}
END_TEST

Suite *manual_suite(void)
{
	Suite *suite = suite_create("manual");
	TCase *tcase = tcase_create("manual");

	tcase_add_checked_fixture(tcase, read_page, free_page);
	tcase_add_test(tcase, every_command_has_its_entry);
	tcase_add_test(tcase, every_option_has_its_entry);
	tcase_add_test(tcase, no_option_is_made_up);
	tcase_add_test(tcase, every_column_is_named);
	tcase_add_test(tcase, every_exit_code_has_its_entry);
	suite_add_tcase(suite, tcase);
	return suite;
}
