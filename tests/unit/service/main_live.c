/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The tests of src/service that need a kernel; without one all are skipped. */
#include "../sandbox.h"
#include "cases.h"

int main(void)
{
	TCase *const cases[] = { stay_case() };
	const char *missing = sandbox_missing();

	if (missing) {
		printf("1..0 # SKIP no network namespace of one's own here: %s\n", missing);
		return 0;
	}
	return unit_run("service-live", cases, COUNT(cases));
}
