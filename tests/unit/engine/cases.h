/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The cases of this floor, one a file. */
#ifndef TESTS_UNIT_ENGINE_CASES_H
#define TESTS_UNIT_ENGINE_CASES_H

#include "../unit.h"

TCase *flows_case(void);
TCase *match_case(void);

#endif
