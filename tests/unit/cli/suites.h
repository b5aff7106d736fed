/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The suites of this folder, one in each file. */
#ifndef PORTFWD_TESTS_CLI_SUITES_H
#define PORTFWD_TESTS_CLI_SUITES_H

#include <check.h>

Suite *command_suite(void);
Suite *option_suite(void);
Suite *add_suite(void);
Suite *edit_suite(void);
Suite *reload_suite(void);
Suite *output_suite(void);
Suite *error_suite(void);
Suite *manual_suite(void);

#endif
