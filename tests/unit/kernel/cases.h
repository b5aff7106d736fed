/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The cases of this floor, one a file. */
#ifndef TESTS_UNIT_KERNEL_CASES_H
#define TESTS_UNIT_KERNEL_CASES_H

#include "../sandbox.h"
#include "../unit.h"

TCase *batch_case(void);
TCase *monitor_case(void);
TCase *netns_case(void);
TCase *sysctl_case(void);

#endif
