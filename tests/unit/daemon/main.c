/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The parts of the daemon that need no kernel. */
#include "cases.h"

int main(void)
{
	TCase *const cases[] = { child_case(), files_case(), log_case(), notify_case(),
				 options_case(), socket_case() };

	return unit_run("daemon", cases, COUNT(cases));
}
