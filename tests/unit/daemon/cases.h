/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The cases of this floor, one a file. */
#ifndef TESTS_UNIT_DAEMON_CASES_H
#define TESTS_UNIT_DAEMON_CASES_H

#include "../unit.h"

TCase *child_case(void);
TCase *files_case(void);
TCase *log_case(void);
TCase *notify_case(void);
TCase *options_case(void);
TCase *socket_case(void);

#endif
