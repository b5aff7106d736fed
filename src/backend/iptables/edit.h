/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Changing one table so that its chains become those that are wanted, short of the commit. */
#ifndef PORTFWD_BACKEND_IPTABLES_EDIT_H
#define PORTFWD_BACKEND_IPTABLES_EDIT_H

#include "ledger.h"
#include "standing.h"

/* A chain whose rules differ. */
struct ipt_pair {
	const struct ipt_lines *standing;	/* NULL: it comes */
	const struct ipt_lines *wanted;		/* NULL: it goes */
	uint32_t *like;		/* of each rule that stands, the wanted one, or PFW_INDEX_NONE */
};

/* Fill in what is to be edited; free with ipt_edit_free(). */
struct ipt_edit {
	const struct ipt_library *library;
	enum ipt_table table;
	struct ipt_standing *standing;
	const struct ipt_chains *wanted;	/* those of other tables do not count */

	/* What ipt_edit_plan() finds out. */
	struct ipt_pair *pairs;
	uint32_t n_pairs;
	bool comes;		/* something is wanted that does not stand */
};

/* Finds out what there is to do; -ENOMEM. */
int ipt_edit_plan(struct ipt_edit *edit);
/* Makes the changes in the table, which is open. What stays keeps its entry and its count. */
int ipt_edit_make(const struct ipt_edit *edit, struct ipt_ledger *ledger, struct pfw_error *err);
void ipt_edit_free(struct ipt_edit *edit);

#endif
