/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The options of portfwd(1): one table, and the command line read by it. */
#include "config.h"

#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cli.h"
#include "command.h"
#include "near.h"
#include "options.h"
#include "words.h"

static int set_flag(struct pfw_arguments *args, const struct pfw_option *option,
		    const char *value, struct pfw_error *err)
{
	(void)value;
	(void)err;
	*(bool *)((char *)args + option->member) = true;
	return 0;
}

/* An empty text would quietly mean the default: "--netns $UNSET" must not touch this machine. */
static int set_text(struct pfw_arguments *args, const struct pfw_option *option,
		    const char *value, struct pfw_error *err)
{
	if (!*value)
		return pfw_fail(err, PFW_USAGE, -EINVAL, "--%s: the %s is empty", option->name,
				option->argument);
	*(const char **)((char *)args + option->member) = value;
	return 0;
}

static int set_seconds(struct pfw_arguments *args, const struct pfw_option *option,
		       const char *value, struct pfw_error *err)
{
	unsigned int *to = (unsigned int *)(void *)((char *)args + option->member);
	size_t len = strlen(value);

	if (!len || len > 5 || strspn(value, "0123456789") != len ||
	    !(*to = (unsigned int)strtoul(value, NULL, 10)) || *to > PFW_CONFIRM_MAX)
		return pfw_fail(err, PFW_USAGE, -EINVAL, "--%s takes seconds, 1 to %d, not \"%.60s\"",
				option->name, PFW_CONFIRM_MAX, value);
	return 0;
}

/* For what would silently lose the first of two. */
static int set_text_once(struct pfw_arguments *args, const struct pfw_option *option,
			 const char *value, struct pfw_error *err)
{
	if (*(const char **)((char *)args + option->member))
		return pfw_fail(err, PFW_USAGE, -EINVAL, "--%s is given twice; add one at a time",
				option->name);
	return set_text(args, option, value, err);
}

/* Takes over value. */
static int set_key(struct pfw_arguments *args, const struct pfw_option *option, json_t *value,
		   struct pfw_error *err)
{
	if (!args->forward)
		args->forward = json_object();
	if (json_object_set_new(args->forward, option->key, value))
		return pfw_fail_memory(err);
	return 0;
}

static int set_key_text(struct pfw_arguments *args, const struct pfw_option *option,
			const char *value, struct pfw_error *err)
{
	json_t *text;
	int ret;

	ret = pfw_words_text(option->key, value, strlen(value), &text, err);
	return ret ? ret : set_key(args, option, text, err);
}

static int set_key_true(struct pfw_arguments *args, const struct pfw_option *option,
			const char *value, struct pfw_error *err)
{
	(void)value;
	return set_key(args, option, json_true(), err);
}

static int set_key_false(struct pfw_arguments *args, const struct pfw_option *option,
			 const char *value, struct pfw_error *err)
{
	(void)value;
	return set_key(args, option, json_false(), err);
}

static int set_key_limit(struct pfw_arguments *args, const struct pfw_option *option,
			 const char *value, struct pfw_error *err)
{
	json_t *limit;
	int ret;

	ret = pfw_words_limit(value, &limit, err);
	return ret ? ret : set_key(args, option, limit, err);
}

static int set_key_expires(struct pfw_arguments *args, const struct pfw_option *option,
			   const char *value, struct pfw_error *err)
{
	json_t *text;
	int ret;

	ret = pfw_words_expires(value, time(NULL), &text, err);
	return ret ? ret : set_key(args, option, text, err);
}

/* Several options of one name make one list. */
static int add_key_texts(struct pfw_arguments *args, const struct pfw_option *option,
			 const char *value, struct pfw_error *err)
{
	json_t *list = json_object_get(args->forward, option->key), *texts;
	int ret;

	ret = pfw_words_split(option->key, value, strlen(value), ',', &texts, err);
	if (ret || !list)
		return ret ? ret : set_key(args, option, texts, err);
	ret = json_array_extend(list, texts) ? pfw_fail_memory(err) : 0;
	json_decref(texts);
	return ret;
}

static int add_texts(struct pfw_arguments *args, const struct pfw_option *option,
		     const char *value, struct pfw_error *err)
{
	json_t **list = (json_t **)(void *)((char *)args + option->member);
	json_t *texts = NULL;
	int ret;

	ret = pfw_words_split(option->key, value, strlen(value), ',', &texts, err);
	if (ret)
		return ret;
	if (!*list)
		*list = json_array();
	ret = json_array_extend(*list, texts) ? pfw_fail_memory(err) : 0;
	json_decref(texts);
	return ret;
}

#define MEMBER(name) .member = offsetof(struct pfw_arguments, name)

const struct pfw_option pfw_options[] = {
	{ "config", 'c', "FILE", "the configuration (" PFW_CONFIG_DEFAULT ")",
	  PFW_SCOPE_GLOBAL, set_text, MEMBER(service.config) },
	{ "netns", 0, "NAME|PATH", "work in this network namespace",
	  PFW_SCOPE_GLOBAL, set_text, MEMBER(service.netns) },
	{ "run-dir", 0, "DIR", "the run directory (" PFW_RUN_DIR_DEFAULT ")",
	  PFW_SCOPE_GLOBAL, set_text, MEMBER(service.run_dir) },
	{ "backend", 0, "BACKEND", "auto, nftables or iptables, whatever the settings say",
	  PFW_SCOPE_GLOBAL, set_text, MEMBER(service.backend) },
	{ "json", 'j', NULL, "print the answer, or the error, as JSON",
	  PFW_SCOPE_GLOBAL, set_flag, MEMBER(json) },
	{ "dry-run", 'n', NULL, "print what would change, and change nothing",
	  PFW_SCOPE_GLOBAL, set_flag, MEMBER(dry_run) },
	{ "quiet", 'q', NULL, "do not say what was done",
	  PFW_SCOPE_GLOBAL, set_flag, MEMBER(quiet) },
	{ "verbose", 'v', NULL, "say more about what was done",
	  PFW_SCOPE_GLOBAL, set_flag, MEMBER(verbose) },
	{ "help", 'h', NULL, "print help, with a command word: about this command",
	  PFW_SCOPE_GLOBAL, set_flag, MEMBER(help) },
	{ "version", 'V', NULL, "print the version",
	  PFW_SCOPE_GLOBAL, set_flag, MEMBER(version) },

	{ "publish", 'p', "[HOST:]PORTS:TARGET:PORTS[/PROTO]",
	  "the docker spelling, in place of LISTEN and TARGET",
	  PFW_SCOPE_FORWARD, set_text_once, MEMBER(publish) },
	{ "interface", 0, "IF[,IF...]", "only what comes in by this interface",
	  PFW_SCOPE_FORWARD, add_texts, MEMBER(interfaces), .key = "listen.interface" },
	{ "source", 0, "CIDR[,CIDR...]", "only clients of these; with \"!\" before it: not of these",
	  PFW_SCOPE_FORWARD, add_key_texts, .key = "source" },
	{ "balance", 0, "MODE", "several targets: random, round-robin or source",
	  PFW_SCOPE_FORWARD, set_key_text, .key = "balance" },
	{ "snat", 0, "MODE", "the source address: auto, masquerade, none or an own address",
	  PFW_SCOPE_FORWARD, set_key_text, .key = "snat" },
	{ "hairpin", 0, NULL, "clients behind this machine reach it too",
	  PFW_SCOPE_FORWARD, set_key_true, .key = "hairpin" },
	{ "no-hairpin", 0, NULL, "no masquerading for clients behind this machine",
	  PFW_SCOPE_FORWARD, set_key_false, .key = "hairpin" },
	{ "local", 0, NULL, "connections of this machine itself are forwarded too",
	  PFW_SCOPE_FORWARD, set_key_true, .key = "local" },
	{ "no-local", 0, NULL, "connections of this machine itself are left alone",
	  PFW_SCOPE_FORWARD, set_key_false, .key = "local" },
	{ "log", 0, NULL, "new connections go to the kernel log",
	  PFW_SCOPE_FORWARD, set_key_true, .key = "log" },
	{ "limit", 0, "KEY=VALUE[,KEY=VALUE...]", "rate=50/second, burst=10, connections=20",
	  PFW_SCOPE_FORWARD, set_key_limit, .key = "limit" },
	{ "expires", 0, "DURATION|TIME", "gone after this: 2h, 1d12h, 2027-01-31T12:00:00Z",
	  PFW_SCOPE_FORWARD, set_key_expires, .key = "expires" },
	{ "comment", 0, "TEXT", "a note for people",
	  PFW_SCOPE_FORWARD, set_key_text, .key = "comment" },
	{ "disabled", 0, NULL, "save it, but do not forward yet",
	  PFW_SCOPE_FORWARD, set_key_false, .key = "enabled" },
	{ "replace", 0, NULL, "take the place of the forward that has this name",
	  PFW_SCOPE_FORWARD, set_flag, MEMBER(replace) },
	{ "runtime", 0, NULL, "do not save it: gone with the next boot or flush",
	  PFW_SCOPE_FORWARD, set_flag, MEMBER(runtime) },

	{ "drain", 0, NULL, "let open TCP connections finish, do not cut them",
	  PFW_SCOPE_CUT, set_flag, MEMBER(drain) },

	{ "confirm", 0, "SECONDS", "unless \"portfwd confirm\" comes in time, what was before returns",
	  PFW_SCOPE_CONFIRM, set_seconds, MEMBER(confirm) },

	{ "columns", 'o', "COLUMNS", "the columns, separated by commas",
	  PFW_SCOPE_COLUMNS, set_text, MEMBER(columns) },

	{ "format", 0, "FORMAT", "json (the default), nft, iptables or ip6tables",
	  PFW_SCOPE_FORMAT, set_text, MEMBER(format) },
	{ NULL },
};

#define N_OPTIONS (sizeof(pfw_options) / sizeof(pfw_options[0]) - 1)

/* What getopt_long() answers for the option: its letter, or what no letter can be. */
static int option_value(const struct pfw_option *option)
{
	return option->letter ? option->letter : 256 + (int)(option - pfw_options);
}

static const struct pfw_option *option_by_value(int value)
{
	const struct pfw_option *option;

	for (option = pfw_options; option->name; option++)
		if (option_value(option) == value)
			return option;
	return NULL;
}

/* The arrays of getopt_long() for these scopes. mode goes before the letters. */
struct getopt_table {
	struct option longs[N_OPTIONS + 1];
	char shorts[2 * N_OPTIONS + 3];
};

static void fill_table(struct getopt_table *table, unsigned int scopes, const char *mode)
{
	const struct pfw_option *option;
	struct option *to = table->longs;
	char *letter = stpcpy(table->shorts, mode);

	for (option = pfw_options; option->name; option++) {
		if (!(option->scope & scopes))
			continue;
		*to++ = (struct option){ option->name,
			option->argument ? required_argument : no_argument, NULL,
			option_value(option) };
		if (!option->letter)
			continue;
		*letter++ = option->letter;
		if (option->argument)
			*letter++ = ':';
	}
	*to = (struct option){ 0 };
	*letter = '\0';
}

static int refuse_long(const struct pfw_arguments *args, const char *text, unsigned int scopes,
		       struct pfw_error *err)
{
	const char *name = text + 2;
	size_t len = strcspn(name, "=");
	const struct pfw_option *option;
	struct pfw_near begins = { 0 }, near = { 0 };
	char typed[64], hint[PFW_NEAR_TEXT];

	snprintf(typed, sizeof(typed), "%.*s", (int)(len < 60 ? len : 60), name);
	for (option = pfw_options; option->name; option++) {
		if (option->scope & scopes) {
			if (!strncmp(option->name, name, len))
				pfw_near_add(&begins, option->name);
			pfw_near_try(&near, typed, option->name);
			continue;
		}
		if (strcmp(option->name, typed))
			continue;
		if (args->command)
			return pfw_fail(err, PFW_USAGE, -EINVAL, "\"%s\" takes no option \"--%s\"",
					args->command->name, typed);
		return pfw_fail(err, PFW_USAGE, -EINVAL,
				"option \"--%s\" goes behind the command word", typed);
	}
	if (begins.n > 1)
		return pfw_fail(err, PFW_USAGE, -EINVAL, "option \"--%s\" is ambiguous%s", typed,
				pfw_near_print(&begins, "--", "", hint));
	return pfw_fail(err, PFW_USAGE, -EINVAL, "unknown option \"--%s\"%s", typed,
			pfw_near_print(&near, "--", "; \"portfwd help\" lists them", hint));
}

static int refuse_letter(const struct pfw_arguments *args, int letter, struct pfw_error *err)
{
	if (!option_by_value(letter))
		return pfw_fail(err, PFW_USAGE, -EINVAL,
				"unknown option \"-%c\"; \"portfwd help\" lists them", letter);
	if (args->command)
		return pfw_fail(err, PFW_USAGE, -EINVAL, "\"%s\" takes no option \"-%c\"",
				args->command->name, letter);
	return pfw_fail(err, PFW_USAGE, -EINVAL, "option \"-%c\" goes behind the command word",
			letter);
}

/* c is what getopt_long() answered: ':' or '?'. */
static int refuse(const struct pfw_arguments *args, int c, char *const *argv, unsigned int scopes,
		  struct pfw_error *err)
{
	const struct pfw_option *option = option_by_value(optopt);

	if (!optopt)
		return refuse_long(args, argv[optind - 1], scopes, err);
	if (!option || !(option->scope & scopes))
		return refuse_letter(args, optopt, err);
	if (c == ':')
		return pfw_fail(err, PFW_USAGE, -EINVAL, "option \"--%s\" needs its argument, %s",
				option->name, option->argument);
	return pfw_fail(err, PFW_USAGE, -EINVAL, "option \"--%s\" takes no argument",
			option->name);
}

/*
 * Reads the options of these scopes. With mode "+:" it stops at the first operand,
 * with ":" it moves the operands to the end. *ret_next is the position of the
 * first operand.
 */
static int scan(struct pfw_arguments *args, int argc, char **argv, unsigned int scopes,
		const char *mode, int *ret_next, struct pfw_error *err)
{
	const struct pfw_option *option;
	struct getopt_table table;
	int c, ret;

	fill_table(&table, scopes, mode);
	opterr = 0;
	optind = 0;
	while ((c = getopt_long(argc, argv, table.shorts, table.longs, NULL)) != -1) {
		if (c == ':' || c == '?')
			return refuse(args, c, argv, scopes, err);
		option = option_by_value(c);
		ret = option->apply(args, option, optarg, err);
		if (ret)
			return ret;
	}
	*ret_next = optind;
	return 0;
}

static int parse(struct pfw_arguments *args, int argc, char **argv, struct pfw_error *err)
{
	int ret, word, first;

	ret = scan(args, argc, argv, PFW_SCOPE_GLOBAL, "+:", &word, err);
	if (ret || word >= argc)
		return ret;
	ret = pfw_command_find(argv[word], &args->command, err);
	if (ret)
		return ret;
	/* The command word takes the part of argv[0]. */
	argc -= word;
	argv += word;
	ret = scan(args, argc, argv, PFW_SCOPE_GLOBAL | args->command->scopes, ":", &first, err);
	if (ret)
		return ret;
	args->operands = (const char *const *)(argv + first);
	args->n_operands = (size_t)(argc - first);
	if (args->help || args->version)
		return 0;
	return pfw_command_check(args->command, args, err);
}

/* A program that wants JSON wants it above all when its command line is wrong. */
static bool asks_for_json(int argc, char **argv)
{
	int i;

	for (i = 1; i < argc && strcmp(argv[i], "--"); i++)
		if (!strcmp(argv[i], "--json") || !strcmp(argv[i], "-j"))
			return true;
	return false;
}

int pfw_arguments_parse(struct pfw_arguments *args, int argc, char **argv, struct pfw_error *err)
{
	int ret = parse(args, argc, argv, err);

	if (ret && asks_for_json(argc, argv))
		args->json = true;
	return ret;
}

void pfw_arguments_free(struct pfw_arguments *args)
{
	json_decref(args->forward);
	json_decref(args->interfaces);
	*args = (struct pfw_arguments){ 0 };
}
