/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The cases of this floor, one a file. */
#ifndef TESTS_UNIT_CONFIG_CASES_H
#define TESTS_UNIT_CONFIG_CASES_H

#include "../unit.h"

TCase *document_case(void);
TCase *edit_case(void);
TCase *fields_case(void);
TCase *forward_case(void);
TCase *schema_case(void);

#endif
