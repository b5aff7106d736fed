/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The options of portfwdd(8): one table, and the command line read by it. */
#include <errno.h>
#include <getopt.h>
#include <string.h>

#include "options.h"

#define MEMBER(name) .member = offsetof(struct options, name)

static const struct pfw_name log_words[] = { { "stderr", 0 }, { "syslog", 1 }, { NULL } };

const struct daemon_option daemon_options[] = {
	{ "config", 'c', "FILE", "the configuration (" PFW_CONFIG_DEFAULT ")",
	  MEMBER(service.config) },
	{ "netns", 0, "NAME|PATH", "work in this network namespace", MEMBER(service.netns) },
	{ "run-dir", 0, "DIR", "the run directory (" PFW_RUN_DIR_DEFAULT ")",
	  MEMBER(service.run_dir) },
	{ "backend", 0, "BACKEND", "auto, nftables or iptables, whatever the settings say",
	  MEMBER(service.backend) },
	{ "group", 0, "NAME", "its members may use the socket (" GROUP_DEFAULT ")", MEMBER(group) },
	{ "foreground", 'f', NULL, "do not go to the background", MEMBER(foreground) },
	{ "flush-on-exit", 0, NULL, "take the forwards out of the kernel at the end",
	  MEMBER(flush_on_exit) },
	{ "log", 0, "WHERE", "stderr (in the foreground) or syslog", MEMBER(log), log_words },
	{ "verbose", 'v', NULL, "log more", MEMBER(verbose) },
	{ "help", 'h', NULL, "print this help", MEMBER(help) },
	{ "version", 'V', NULL, "print the version", MEMBER(version) },
	{ NULL },
};

#define N_OPTIONS (sizeof(daemon_options) / sizeof(daemon_options[0]) - 1)
#define FIRST_VALUE 256		/* above all letters */

/* The arrays of getopt_long(). Every option has a value of its own, its row behind FIRST_VALUE. */
struct getopt_table {
	struct option longs[N_OPTIONS + 1];
	char shorts[2 * N_OPTIONS + 2];
};

static void fill_table(struct getopt_table *table)
{
	char *letter = table->shorts;
	size_t i;

	*letter++ = ':';
	for (i = 0; i < N_OPTIONS; i++) {
		table->longs[i] = (struct option){ daemon_options[i].name,
			daemon_options[i].argument ? required_argument : no_argument, NULL,
			FIRST_VALUE + (int)i };
		if (!daemon_options[i].letter)
			continue;
		*letter++ = daemon_options[i].letter;
		if (daemon_options[i].argument)
			*letter++ = ':';
	}
	table->longs[N_OPTIONS] = (struct option){ 0 };
	*letter = '\0';
}

static const struct daemon_option *find_option(int value)
{
	size_t i;

	for (i = 0; i < N_OPTIONS; i++)
		if (value == FIRST_VALUE + (int)i || (value && value == daemon_options[i].letter))
			return &daemon_options[i];
	return NULL;
}

/* An empty text would quietly mean the default: "--netns $UNSET" must not touch this machine. */
static int set_text(struct options *options, const struct daemon_option *option, const char *value,
		    struct pfw_error *err)
{
	char words[64];

	if (!*value)
		return pfw_fail(err, PFW_USAGE, -EINVAL, "--%s: the %s is empty", option->name,
				option->argument);
	if (option->words && pfw_name_value(option->words, value, strlen(value)) < 0)
		return pfw_fail(err, PFW_USAGE, -EINVAL, "--%s: it is %s, not \"%.40s\"",
				option->name, pfw_name_list(option->words, words, sizeof(words)),
				value);
	*(const char **)((char *)options + option->member) = value;
	return 0;
}

static int set(struct options *options, const struct daemon_option *option, const char *value,
	       struct pfw_error *err)
{
	if (option->argument)
		return set_text(options, option, value, err);
	*(bool *)((char *)options + option->member) = true;
	return 0;
}

/* c is what getopt_long() answered: ':' or '?'. */
static int refuse(int c, char *const *argv, struct pfw_error *err)
{
	const struct daemon_option *option = find_option(optopt);

	if (!option && !optopt)
		return pfw_fail(err, PFW_USAGE, -EINVAL,
				"unknown option \"%.60s\"; \"portfwdd --help\" lists them",
				argv[optind - 1]);
	if (!option)
		return pfw_fail(err, PFW_USAGE, -EINVAL,
				"unknown option \"-%c\"; \"portfwdd --help\" lists them", optopt);
	if (c == ':')
		return pfw_fail(err, PFW_USAGE, -EINVAL, "option \"--%s\" needs its argument, %s",
				option->name, option->argument);
	return pfw_fail(err, PFW_USAGE, -EINVAL, "option \"--%s\" takes no argument",
			option->name);
}

int options_parse(struct options *options, int argc, char **argv, struct pfw_error *err)
{
	struct getopt_table table;
	int c, ret;

	fill_table(&table);
	opterr = 0;
	optind = 0;
	while ((c = getopt_long(argc, argv, table.shorts, table.longs, NULL)) != -1) {
		if (c == ':' || c == '?')
			return refuse(c, argv, err);
		ret = set(options, find_option(c), optarg, err);
		if (ret)
			return ret;
	}
	if (optind < argc)
		return pfw_fail(err, PFW_USAGE, -EINVAL, "unknown word \"%.60s\"; portfwdd takes "
				"options only", argv[optind]);
	return 0;
}

void options_help(FILE *out)
{
	const struct daemon_option *option;
	char left[40], letter[] = "-?, ";

	fprintf(out, "usage: portfwdd [OPTION...]\n\nKeeps the forwards of portfwd(1) in force.\n\n");
	for (option = daemon_options; option->name; option++) {
		letter[1] = option->letter;
		snprintf(left, sizeof(left), "%s--%s%s%s", option->letter ? letter : "    ",
			 option->name, option->argument ? " " : "",
			 option->argument ? option->argument : "");
		fprintf(out, "  %-22s  %s\n", left, option->help);
	}
	fprintf(out, "\nManual: portfwdd(8).\n");
}
