/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The tests of src/store. */
#include "cases.h"

int main(void)
{
	TCase *const cases[] = { journal_case(), killed_case(), load_case(), lock_case(),
				 save_case() };

	return unit_run("store", cases, COUNT(cases));
}
