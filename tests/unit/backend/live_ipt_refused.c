/* SPDX-License-Identifier: GPL-2.0-or-later */
/* x */
#include "live_ipt.h"
TCase *live_ipt_refused_case(void)
{
	return tcase_create("refused");
}
