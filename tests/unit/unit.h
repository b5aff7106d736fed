/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the unit tests share: one program a floor, which runs the cases of its files. */
#ifndef TESTS_UNIT_H
#define TESTS_UNIT_H

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "portfwd/base/error.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* A case of test functions; each file of tests gives one. */
#define UNIT_CASE(tcase, name, ...)							\
	do {										\
		const TTest *const unit_tests[] = { __VA_ARGS__ };			\
		size_t unit_i;								\
		(tcase) = tcase_create(name);						\
		for (unit_i = 0; unit_i < COUNT(unit_tests); unit_i++)			\
			tcase_add_test(tcase, unit_tests[unit_i]);			\
	} while (0)

/* Runs the cases; the status of the program. */
static inline int unit_run(const char *floor, TCase *const *cases, size_t n)
{
	Suite *suite = suite_create(floor);
	SRunner *runner;
	size_t i;
	int failed;

	for (i = 0; i < n; i++)
		suite_add_tcase(suite, cases[i]);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

/* The item as the command line shows it: "FILE: PATH: MESSAGE". */
static inline const char *unit_error(const struct pfw_error *err, unsigned int i, char buf[1024])
{
	const struct pfw_error_item *item = &err->item[i];

	snprintf(buf, 1024, "%s%s%s%s%s", item->file, *item->file ? ": " : "", item->path,
		 *item->path ? ": " : "", item->message);
	return buf;
}

/* Fails the test unless one of the collected errors has this text in it. */
static inline void unit_has_error(const struct pfw_error *err, const char *text)
{
	char line[1024];
	unsigned int i;

	for (i = 0; i < err->count && i < PFW_ERROR_ITEMS; i++)
		if (strstr(unit_error(err, i, line), text))
			return;
	ck_abort_msg("no error says \"%s\"; the first of %u is \"%s\"", text, err->count,
		     err->count ? unit_error(err, 0, line) : "");
}

#endif
