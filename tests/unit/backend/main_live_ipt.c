/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The tests of src/backend/iptables against a kernel, each in a network namespace of its own. */
#include "live_ipt.h"

int main(void)
{
	TCase *const cases[] = { live_ipt_apply_case(), live_ipt_neighbours_case(),
				 live_ipt_refused_case(), live_ipt_rule_case() };
	const char *why = live_ipt_missing();

	if (why) {
		printf("1..0 # SKIP iptables cannot be tried here: %s\n", why);
		return 0;
	}
	images_backend = &pfw_backend_iptables;
	return unit_run("backend-iptables-live", cases, COUNT(cases));
}
