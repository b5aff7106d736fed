/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What iptables cannot express, names of chains, and who is admitted as a list of prefixes. */
#include <ctype.h>
#include <errno.h>
#include <sys/socket.h>

#include "../../../src/backend/iptables/compile.h"
#include "cases.h"

#define NAME20 "a1234567890123456789"

/* If this fails, a forward is refused that would work, or one is made that the kernel refuses. */
START_TEST(test_limits)
{
	static const struct {
		struct sample sample;
		const char *key;	/* NULL: it is expressed */
	} rows[] = {
		{ { .name = NAME20, .log = true }, "log" },
		{ { .name = "a123456789012345678", .log = true }, NULL },
		{ { .name = NAME20 }, NULL },
		{ { .balance = PFW_BALANCE_SOURCE, .targets = "10.0.0.2*31 10.0.0.3*2" },
		  "balance" },
		{ { .balance = PFW_BALANCE_SOURCE, .targets = "10.0.0.2*930 10.0.0.3*30" }, NULL },
		{ { .balance = PFW_BALANCE_SOURCE, .targets = "fd00::2*1000 10.0.0.3" }, NULL },
		{ { .balance = PFW_BALANCE_ROUND_ROBIN, .targets = "10.0.0.2*999 10.0.0.3*26" },
		  "balance" },
		{ { .balance = PFW_BALANCE_ROUND_ROBIN, .targets = "10.0.0.2*999 10.0.0.3*25" },
		  NULL },
		{ { .targets = "10.0.0.2*999 10.0.0.3*26" }, NULL },
		{ { .expires = INT64_C(2147483648) }, "expires" },
		{ { .expires = INT64_C(2147483647) }, NULL },
		{ { .targets = "fd00::2", .limit = { .rate = 10001, .per = 1 } }, "limit.rate" },
		{ { .targets = "fd00::2", .limit = { .rate = 10000, .per = 1 } }, NULL },
		{ { .targets = "10.0.0.2", .limit = { .rate = 1, .per = 86400, .burst = 2 } },
		  "limit.rate" },
		{ { .targets = "10.0.0.2", .limit = { .rate = 1, .per = 86400, .burst = 1 } }, NULL },
		{ { .limit = { .rate = 1, .per = 1 } }, "limit.rate" },
		{ { .limit = { .connections = 1 } }, NULL },
		{ { .targets = "self", .limit = { .rate = 1, .per = 1 } }, "limit.rate" },
		{ { .targets = "self", .addresses = "::", .limit = { .rate = 1, .per = 1 } }, NULL },
		{ { .sources = "2001:db8::/32", .limit = { .rate = 1, .per = 1 } }, NULL },
		{ { .sources = "2001:db8::/32 192.0.2.0/24", .limit = { .rate = 1, .per = 1 } },
		  "limit.rate" },
		{ { .targets = "self@3000-4024", .ports = "1000-2024", .addresses = "192.0.2.1" },
		  "target" },
		{ { .targets = "self@3000-4023", .ports = "1000-2023", .addresses = "192.0.2.1" },
		  NULL },
		{ { .targets = "self@3000-4024", .ports = "1000-2024" }, NULL },
		{ { .targets = "self", .ports = "1000-2024", .addresses = "192.0.2.1" }, NULL },
	};
	struct pfw_ruleset ruleset;
	struct pfw_plan plan;
	struct sample sample;
	size_t i;

	for (i = 0; i < COUNT(rows); i++) {
		struct pfw_error err = PFW_ERROR_INIT;
		int ret;

		sample = rows[i].sample;
		sample.name = sample.name ? sample.name : "it";
		sample_ruleset(&ruleset, &sample, 1);
		sample_plan(&ruleset, &plan);
		ret = ipt_refuse(&plan, &ruleset.forwards[0], &err);
		ck_assert_msg((ret != 0) == (rows[i].key != NULL), "row %zu", i);
		ck_assert_uint_eq(err.count, rows[i].key ? 1 : 0);
		if (rows[i].key)
			ck_assert_str_eq(err.item[0].path, rows[i].key);
		pfw_plan_free(&plan);
		pfw_ruleset_free(&ruleset);
	}
}
END_TEST

/* Single addresses, none beside another. */
static void fill_prefixes(struct pfw_prefix *list, uint16_t n)
{
	uint16_t i;

	for (i = 0; i < n; i++)
		list[i] = (struct pfw_prefix){
			.addr = { AF_INET, { 10, (uint8_t)(i >> 6), (uint8_t)(i << 2), 1 } },
			.len = 32,
		};
}

/* If this fails, one forward makes endless rules, or a change ends in a word about memory. */
START_TEST(test_many_prefixes)
{
	static struct pfw_prefix list[256];
	struct sample sample = {
		.name = "but", .targets = "10.0.0.2", .snat = PFW_SNAT_MASQUERADE,
	};
	struct pfw_error err = PFW_ERROR_INIT;
	struct pfw_image image = { 0 };
	struct pfw_ruleset ruleset;
	struct pfw_plan plan;

	sample_ruleset(&ruleset, &sample, 1);
	/* What is left of everyone are many prefixes for each. */
	fill_prefixes(list, COUNT(list));
	ruleset.forwards[0].excluded = list;
	ruleset.forwards[0].n_excluded = COUNT(list);
	sample_plan(&ruleset, &plan);
	ck_assert_int_ne(ipt_refuse(&plan, &ruleset.forwards[0], &err), 0);
	ck_assert_str_eq(err.item[0].path, "source");
	ck_assert_int_eq(ipt_compile(&plan, NULL, &image, &err), -EINVAL);
	unit_has_error(&err, "1024");
	pfw_plan_free(&plan);
	/* Where nothing asks for each prefix, they may be as many as they are. */
	ruleset.forwards[0].snat = PFW_SNAT_AUTO;
	pfw_error_clear(&err);
	sample_plan(&ruleset, &plan);
	ck_assert_int_eq(ipt_refuse(&plan, &ruleset.forwards[0], &err), 0);
	ck_assert_int_eq(ipt_compile(&plan, NULL, &image, &err), 0);
	pfw_image_free(&image);
	pfw_plan_free(&plan);
	pfw_ruleset_free(&ruleset);
}
END_TEST

/* If this fails, a forward that is not refused ends in a word about memory. */
START_TEST(test_many_rules_of_a_key)
{
	static struct pfw_prefix list[IPT_ADMITTED_MAX];
	static struct pfw_target targets[70];
	struct sample sample = {
		.name = "it", .targets = "10.0.0.2", .snat = PFW_SNAT_MASQUERADE,
	};
	struct pfw_error err = PFW_ERROR_INIT;
	struct pfw_image image = { 0 };
	struct pfw_forward *forward;
	struct pfw_ruleset ruleset;
	struct pfw_plan plan;
	uint8_t i;

	sample_ruleset(&ruleset, &sample, 1);
	forward = &ruleset.forwards[0];
	for (i = 0; i < COUNT(targets); i++) {
		targets[i] = forward->targets[0];
		targets[i].address.bytes[2] = i;
	}
	forward->targets = targets;
	forward->n_targets = COUNT(targets);
	fill_prefixes(list, COUNT(list));
	forward->sources = list;
	forward->n_sources = COUNT(list);
	sample_plan(&ruleset, &plan);
	ck_assert_int_eq(ipt_refuse(&plan, forward, &err), 0);
	ck_assert_int_eq(ipt_compile(&plan, NULL, &image, &err), 0);
	ck_assert_uint_ge(image.n_items, COUNT(targets) * COUNT(list));
	pfw_image_free(&image);
	pfw_plan_free(&plan);
	pfw_ruleset_free(&ruleset);
}
END_TEST

static bool covered(const struct pfw_prefix *list, size_t n, const struct pfw_prefix *address,
		    unsigned int *ret_times)
{
	size_t i;

	*ret_times = 0;
	for (i = 0; i < n; i++)
		*ret_times += pfw_prefix_covers(&list[i], address);
	return *ret_times > 0;
}

static void any_prefixes(struct sample_random *random, struct pfw_prefix *list, uint16_t n)
{
	uint16_t i;

	for (i = 0; i < n; i++) {
		list[i] = (struct pfw_prefix){ .addr.family = AF_INET,
					       .len = (uint8_t)(20 + sample_below(random, 13)) };
		list[i].addr.bytes[2] = (uint8_t)sample_below(random, 4);
		list[i].addr.bytes[3] = (uint8_t)sample_below(random, 256);
		if (list[i].len < 24)
			list[i].addr.bytes[2] = 0;
		list[i].addr.bytes[3] &= list[i].len <= 24 ?
						 0 : (uint8_t)(0xff << (32 - list[i].len));
	}
}

/* If this fails, the source address of somebody's connection is decided by another forward. */
START_TEST(test_admitted)
{
	struct pfw_prefix sources[8], excluded[8], address = { .addr.family = AF_INET, .len = 32 };
	struct pfw_forward forward = { .sources = sources, .excluded = excluded };
	struct sample_random random = { 99 };
	struct ipt_prefixes admitted;
	unsigned int round, at, times;
	bool wanted;

	for (round = 0; round < 300; round++) {
		admitted = (struct ipt_prefixes){ 0 };
		forward.n_sources = (uint16_t)sample_below(&random, COUNT(sources));
		forward.n_excluded = (uint16_t)sample_below(&random, COUNT(excluded));
		any_prefixes(&random, sources, forward.n_sources);
		any_prefixes(&random, excluded, forward.n_excluded);
		ck_assert_int_eq(ipt_admitted(&forward, AF_INET, 1000, &admitted), 0);
		for (at = 0; at < 4 * 256; at++) {
			address.addr.bytes[2] = (uint8_t)(at >> 8);
			address.addr.bytes[3] = (uint8_t)at;
			wanted = (!forward.n_sources ||
				  covered(sources, forward.n_sources, &address, &times)) &&
				 !covered(excluded, forward.n_excluded, &address, &times);
			ck_assert_int_eq(covered(admitted.list, admitted.n, &address, &times),
					 wanted);
			ck_assert_uint_le(times, 1);
		}
		free(admitted.list);
	}
}
END_TEST

START_TEST(test_names)
{
	char name[PFW_NAME_MAX + 1] = "a-name-that-is-longer-than-room-1";
	char one[IPT_CHAIN_SIZE], other[IPT_CHAIN_SIZE];

	ipt_chain_name(IPT_PREFIX_TO, "web", one);
	ck_assert_str_eq(one, "PORTFWD-to-web");
	ipt_chain_name(IPT_PREFIX_TO, "seventeen-letters", one);
	ck_assert_str_eq(one, "PORTFWD-to-seventeen-letters");
	ipt_chain_name(IPT_PREFIX_TO, name, one);
	ck_assert_uint_eq(strlen(one), 28);
	ck_assert_msg(!strncmp(one, "PORTFWD-to-a-name-t~", 20), "%s", one);
	name[strlen(name) - 1] = '2';
	ipt_chain_name(IPT_PREFIX_TO, name, other);
	ck_assert_str_ne(one, other);
}
END_TEST

/* Letters and digits, small ones, with one blank between words. */
static void add_words(struct pfw_buffer *to, const char *text)
{
	char letter[2] = "";

	for (; *text; text++) {
		*letter = (char)tolower((unsigned char)*text);
		if (isalnum((unsigned char)*letter))
			pfw_buffer_puts(to, letter);
		else if (to->len && to->data[to->len - 1] != ' ')
			pfw_buffer_puts(to, " ");
	}
}

/* What the manual lists, as words: the list that is the first below LIMITS. */
static void read_limits(struct pfw_buffer *ret)
{
	const char *root = getenv("top_srcdir");
	bool below = false, within = false;
	char line[1024];
	FILE *file;

	snprintf(line, sizeof(line), "%s/man/portfwd-iptables.7", root ? root : ".");
	file = fopen(line, "r");
	ck_assert_msg(file != NULL, "cannot read %s", line);
	while (fgets(line, sizeof(line), file)) {
		below |= !strcmp(line, ".Sh LIMITS\n");
		if (within && !strcmp(line, ".El\n"))
			break;
		if (within && strcmp(line, ".Pp\n") != 0)
			add_words(ret, strncmp(line, ".Cm ", 4) ? line : line + 4);
		within |= below && !strncmp(line, ".Bl ", 4);
	}
	fclose(file);
	ck_assert(within);
}

/* Each row in the order of the table; one of the same key as before stands below that. */
START_TEST(test_manual)
{
	struct pfw_buffer page = { 0 }, table = { 0 };
	const struct ipt_limit *limit;
	const char *key = "";

	read_limits(&page);
	for (limit = ipt_limits; limit->key; key = limit++->key) {
		if (strcmp(key, limit->key) != 0) {
			add_words(&table, " it cm ");
			add_words(&table, limit->key);
			add_words(&table, " ");
		}
		add_words(&table, limit->says);
		add_words(&table, " ");
	}
	ck_assert_msg(!strcmp(table.data, page.data), "the table says\n%s\nand the manual\n%s",
		      table.data, page.data);
	pfw_buffer_free(&table);
	pfw_buffer_free(&page);
}
END_TEST

TCase *ipt_limits_case(void)
{
	TCase *tcase;

	UNIT_CASE(tcase, "ipt limits", test_limits, test_many_prefixes, test_many_rules_of_a_key,
		  test_admitted, test_names, test_manual);
	return tcase;
}
