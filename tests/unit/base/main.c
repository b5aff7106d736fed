/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The tests of src/base. */
#include "cases.h"

int main(void)
{
	TCase *const cases[] = { arena_case(), buffer_case(), error_case(), file_case(),
				 index_case(), lock_case(),   names_case(), net_case(),
				 text_case(),  time_case() };

	return unit_run("base", cases, COUNT(cases));
}
