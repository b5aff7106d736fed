/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The tests of src/engine, and of the flows that backends tell it. */
#include "cases.h"

int main(void)
{
	TCase *const cases[] = { flows_case(), match_case() };

	return unit_run("engine", cases, COUNT(cases));
}
