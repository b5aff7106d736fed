/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The cases of this floor, one a file. */
#ifndef TESTS_UNIT_PLAN_CASES_H
#define TESTS_UNIT_PLAN_CASES_H

#include "../sample.h"
#include "../unit.h"

TCase *image_case(void);
TCase *plan_case(void);
TCase *random_case(void);
TCase *touch_case(void);

#endif
