/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The cases of this floor, one a file. The live ones need a kernel: main_live.c. */
#ifndef TESTS_UNIT_BACKEND_CASES_H
#define TESTS_UNIT_BACKEND_CASES_H

#include "../images.h"
#include "../sample.h"
#include "../unit.h"

TCase *compile_case(void);
TCase *guard_case(void);
TCase *host_case(void);
TCase *incremental_case(void);
TCase *layout_case(void);
TCase *text_case(void);

TCase *ipt_compile_case(void);
TCase *ipt_flows_case(void);
TCase *ipt_limits_case(void);
TCase *ipt_rule_case(void);

TCase *live_apply_case(void);
TCase *live_disturbed_case(void);
TCase *live_told_case(void);
TCase *live_host_case(void);
TCase *live_own_case(void);
TCase *live_refused_case(void);

#endif
