/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The tests of src/backend/iptables that need no kernel. */
#include "cases.h"

int main(void)
{
	TCase *const cases[] = { ipt_rule_case(), ipt_compile_case(), ipt_limits_case(),
				 ipt_flows_case() };

	return unit_run("backend-iptables", cases, COUNT(cases));
}
