/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The tests of src/backend that need no kernel. */
#include "cases.h"

int main(void)
{
	TCase *const cases[] = { layout_case(), compile_case(), incremental_case(), text_case(),
				 guard_case(), host_case() };

	images_backend = &pfw_backend_nftables;
	return unit_run("backend", cases, COUNT(cases));
}
