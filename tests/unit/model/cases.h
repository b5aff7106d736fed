/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The cases of this floor, one a file. */
#ifndef TESTS_UNIT_MODEL_CASES_H
#define TESTS_UNIT_MODEL_CASES_H

#include "../unit.h"

TCase *facts_case(void);
TCase *forward_case(void);
TCase *key_case(void);
TCase *name_case(void);
TCase *ruleset_case(void);
TCase *source_case(void);

#endif
