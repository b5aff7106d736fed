/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Options: parser, help and manual are of one table. */
#include <errno.h>

#include "../../../src/daemon/options.h"
#include "cases.h"
#include "portfwd/base/buffer.h"

static struct options options;
static struct pfw_error err;

static int parse(int argc, const char *const *given)
{
	char *argv[16] = { (char *)(uintptr_t)"portfwdd" };
	int i;

	options = (struct options){ 0 };
	err = (struct pfw_error)PFW_ERROR_INIT;
	for (i = 0; i < argc; i++)
		argv[i + 1] = (char *)(uintptr_t)given[i];
	return options_parse(&options, argc + 1, argv, &err);
}

#define PARSE(...)									\
	parse((int)COUNT(((const char *[]){ __VA_ARGS__ })), (const char *[]){ __VA_ARGS__ })
#define REFUSED(words, ...)								\
	do {										\
		ck_assert_int_eq(PARSE(__VA_ARGS__), -EINVAL);				\
		ck_assert_int_eq(err.kind, PFW_USAGE);					\
		ck_assert_str_eq(err.item[0].message, words);				\
	} while (0)

START_TEST(test_all_are_understood)
{
	ck_assert_int_eq(PARSE("-c", "a.json", "--netns=gw", "--run-dir", "/tmp/r", "--backend",
			       "iptables", "--group", "admins", "-fv", "--flush-on-exit", "--log",
			       "syslog"), 0);
	ck_assert_str_eq(options.service.config, "a.json");
	ck_assert_str_eq(options.service.netns, "gw");
	ck_assert_str_eq(options.service.run_dir, "/tmp/r");
	ck_assert_str_eq(options.service.backend, "iptables");
	ck_assert_str_eq(options.group, "admins");
	ck_assert_str_eq(options.log, "syslog");
	ck_assert(options.foreground && options.verbose && options.flush_on_exit);
	ck_assert(!options.help && !options.version);
}
END_TEST

START_TEST(test_wrong_ones_are_refused)
{
	REFUSED("unknown option \"--nosuch\"; \"portfwdd --help\" lists them", "--nosuch");
	REFUSED("unknown option \"-x\"; \"portfwdd --help\" lists them", "-x");
	REFUSED("option \"--config\" needs its argument, FILE", "-c");
	REFUSED("option \"--foreground\" takes no argument", "--foreground=yes");
	REFUSED("--netns: the NAME|PATH is empty", "--netns", "");
	REFUSED("--log: it is stderr or syslog, not \"journal\"", "--log", "journal");
	REFUSED("unknown word \"start\"; portfwdd takes options only", "start");
}
END_TEST

static void read_manual(struct pfw_buffer *page)
{
	const char *root = getenv("top_srcdir");
	char path[4096], part[4096];
	size_t len;
	FILE *file;

	snprintf(path, sizeof(path), "%s/man/portfwdd.8", root ? root : ".");
	file = fopen(path, "r");
	ck_assert_msg(file != NULL, "cannot read %s", path);
	while ((len = fread(part, 1, sizeof(part), file)))
		pfw_buffer_append(page, part, len);
	fclose(file);
}

/* If this fails, the manual lacks an option, or has one that is none. */
START_TEST(test_manual)
{
	const struct daemon_option *option;
	struct pfw_buffer page = { 0 };
	size_t n = 0, entries = 0;
	char line[96], letter[] = "Fl ? , ";
	const char *at;

	read_manual(&page);
	for (option = daemon_options; option->name; option++, n++) {
		letter[3] = option->letter;
		snprintf(line, sizeof(line), "\n.It %sFl -%s%s", option->letter ? letter : "",
			 option->name, option->argument ? " Ar " : "\n");
		ck_assert_msg(strstr(page.data, line) != NULL, "portfwdd.8 lacks --%s", option->name);
	}
	for (at = page.data; (at = strstr(at, "\n.It Fl ")); at++)
		entries++;
	ck_assert_uint_eq(entries, n);
	pfw_buffer_free(&page);
}
END_TEST

START_TEST(test_help)
{
	const struct daemon_option *option;
	char text[8192] = "", *line;
	FILE *out = fmemopen(text, sizeof(text), "w");

	options_help(out);
	fclose(out);
	for (option = daemon_options; option->name; option++) {
		line = strstr(text, option->help);
		ck_assert_msg(line != NULL, "the help lacks --%s", option->name);
	}
	for (line = strtok(text, "\n"); line; line = strtok(NULL, "\n"))
		ck_assert_msg(strlen(line) <= 80, "long line: %s", line);
}
END_TEST

TCase *options_case(void)
{
	TCase *tcase;

	UNIT_CASE(tcase, "options", test_all_are_understood, test_wrong_ones_are_refused, test_manual,
		  test_help);
	return tcase;
}
