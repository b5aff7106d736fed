/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The tests of src/config. */
#include "cases.h"

int main(void)
{
	TCase *const cases[] = { document_case(), edit_case(), fields_case(), forward_case(),
				 schema_case() };

	return unit_run("config", cases, COUNT(cases));
}
