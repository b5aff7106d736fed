/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The cases of this floor, one a file. */
#ifndef TESTS_UNIT_BASE_CASES_H
#define TESTS_UNIT_BASE_CASES_H

#include "../unit.h"

TCase *arena_case(void);
TCase *buffer_case(void);
TCase *error_case(void);
TCase *file_case(void);
TCase *index_case(void);
TCase *lock_case(void);
TCase *names_case(void);
TCase *net_case(void);
TCase *text_case(void);
TCase *time_case(void);

#endif
