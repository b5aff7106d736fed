/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The cases of this floor, one a file. */
#ifndef TESTS_UNIT_STORE_CASES_H
#define TESTS_UNIT_STORE_CASES_H

#include "../unit.h"

TCase *journal_case(void);
TCase *killed_case(void);
TCase *load_case(void);
TCase *lock_case(void);
TCase *save_case(void);

#endif
