/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The tests of src/model. */
#include "cases.h"

int main(void)
{
	TCase *const cases[] = { facts_case(), forward_case(), key_case(), name_case(),
				 ruleset_case(), source_case() };

	return unit_run("model", cases, COUNT(cases));
}
