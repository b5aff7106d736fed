/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Rules of all kinds for the tests of the iptables backend. */
#ifndef TESTS_UNIT_BACKEND_IPT_RULES_H
#define TESTS_UNIT_BACKEND_IPT_RULES_H

#include "../../../src/backend/iptables/rule.h"

/* Where IPT_JUMP and IPT_GOTO of these rules lead to. */
#define IPT_RULES_CHAIN "PORTFWD-there"
#define IPT_RULES_MAX 2048

/*
 * Everything that a rule can ask for with each target, and much of it at once. nat: those for table
 * nat, else those for table filter. The number of them.
 */
size_t ipt_rules_make(uint8_t family, bool nat, struct ipt_rule ret[IPT_RULES_MAX]);

#endif
