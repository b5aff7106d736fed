/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The tests of src/backend against a kernel, each in a network namespace of its own. */
#include "live.h"

int main(void)
{
	TCase *const cases[] = { live_apply_case(), live_refused_case(), live_disturbed_case(),
				 live_told_case(), live_host_case(), live_own_case() };
	const char *why = sandbox_missing();

	images_backend = &pfw_backend_nftables;
	if (why) {
		printf("1..0 # SKIP no network namespace of one's own here: %s\n", why);
		return 0;
	}
	return unit_run("backend-live", cases, COUNT(cases));
}
