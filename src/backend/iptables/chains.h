/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Chains with all of their rules in order: as they stand in the kernel, and as they are wanted. */
#ifndef PORTFWD_BACKEND_IPTABLES_CHAINS_H
#define PORTFWD_BACKEND_IPTABLES_CHAINS_H

#include "iptables.h"
#include "library.h"

struct ipt_line {
	const struct ipt_rule *rule;
	struct ipt_count count;		/* of what stands */
	uint32_t number;		/* where it stands in its chain, from 0 */
};

/* Of a built-in chain, only the rules that are ours. */
struct ipt_lines {
	struct ipt_place place;
	bool builtin;
	bool kept;			/* empty, and there for others' rules that lead to it */
	struct ipt_line *list;
	uint32_t n;
	uint32_t n_room;
};

/* Zero-initialise; free with ipt_chains_free(). */
struct ipt_chains {
	struct ipt_lines *list;
	uint32_t n;
	uint32_t n_room;
	struct pfw_index places;
	struct pfw_arena arena;		/* for rules that are of no image */
};

/* The chain at this place, or NULL. The pointer holds until the next ipt_chains_add(). */
struct ipt_lines *ipt_chains_find(const struct ipt_chains *chains, const struct ipt_place *place);
/* The same; a new one without rules where there is none. NULL without memory. */
struct ipt_lines *ipt_chains_add(struct ipt_chains *chains, const struct ipt_place *place,
				 bool builtin);
/* Appends a rule, which is borrowed; -ENOMEM. */
int ipt_lines_append(struct ipt_lines *chain, const struct ipt_rule *rule, struct ipt_count count,
		     uint32_t number);
/* The chains of an image, which must outlive them; -ENOMEM leaves *ret empty. */
int ipt_chains_make(const struct pfw_image *image, struct ipt_chains *ret);
void ipt_chains_free(struct ipt_chains *chains);

#endif
