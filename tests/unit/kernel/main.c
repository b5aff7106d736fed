/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The tests of src/kernel, each in a network namespace of its own. */
#include "cases.h"

int main(void)
{
	TCase *const cases[] = { batch_case(), monitor_case(), netns_case(), sysctl_case() };
	const char *why = sandbox_missing();

	if (why) {
		printf("1..0 # SKIP no network namespace of one's own here: %s\n", why);
		return 0;
	}
	return unit_run("kernel", cases, COUNT(cases));
}
