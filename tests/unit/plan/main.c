/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The tests of src/plan. */
#include "cases.h"

int main(void)
{
	TCase *const cases[] = { image_case(), plan_case(), random_case(), touch_case() };

	return unit_run("plan", cases, COUNT(cases));
}
