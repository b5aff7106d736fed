/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The tests of src/service: what the daemon and its clients have in common. */
#include "cases.h"

int main(void)
{
	TCase *const cases[] = { client_case(), etag_case(), openapi_case(), route_case(),
				 wire_case() };

	return unit_run("service", cases, COUNT(cases));
}
