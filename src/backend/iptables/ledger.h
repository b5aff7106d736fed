/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What rules that went have counted, for those that come elsewhere and say the same. */
#ifndef PORTFWD_BACKEND_IPTABLES_LEDGER_H
#define PORTFWD_BACKEND_IPTABLES_LEDGER_H

#include "iptables.h"
#include "library.h"

struct ipt_ledger_entry {
	struct ipt_rule rule;
	uint8_t family;
	uint8_t table;
	struct ipt_count count;
};

/* Zero-initialise; free with ipt_ledger_free(). */
struct ipt_ledger {
	struct ipt_ledger_entry *list;
	uint32_t n;
	uint32_t n_room;
	struct pfw_index rules;
};

/* -ENOMEM. */
int ipt_ledger_put(struct ipt_ledger *ledger, uint8_t family, enum ipt_table table,
		   const struct ipt_rule *rule, struct ipt_count count);
/* What such a rule has counted; the next one that asks gets what another has, or nothing. */
struct ipt_count ipt_ledger_take(struct ipt_ledger *ledger, uint8_t family, enum ipt_table table,
				 const struct ipt_rule *rule);
void ipt_ledger_free(struct ipt_ledger *ledger);

#endif
