/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What others changed in the table, by what the kernel told of it. */
#ifndef PORTFWD_BACKEND_NFT_TOLD_H
#define PORTFWD_BACKEND_NFT_TOLD_H

#include "nft.h"
#include "portfwd/kernel/monitor.h"

/* Zero-initialise; free with told_free(). */
struct told {
	bool table;			/* it came or went; the rest says nothing then */
	struct pfw_image objects;	/* chains, and elements by what the kernel last said of them */
	struct pfw_touched touched;	/* what they have to do with in the plan */
};

/* -ESTALE: there is more to it than objects one by one. */
int told_read(const struct pfw_told *messages, const struct pfw_plan *plan, struct told *ret,
	      struct pfw_error *err);
void told_free(struct told *told);

#endif
