/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The command line against a service that only remembers what it was asked. */
#include <stdlib.h>

#include "suites.h"

int main(void)
{
	SRunner *runner = srunner_create(command_suite());
	int failed;

	srunner_add_suite(runner, option_suite());
	srunner_add_suite(runner, add_suite());
	srunner_add_suite(runner, edit_suite());
	srunner_add_suite(runner, reload_suite());
	srunner_add_suite(runner, output_suite());
	srunner_add_suite(runner, error_suite());
	srunner_add_suite(runner, manual_suite());
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
