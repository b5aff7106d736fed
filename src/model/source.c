/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How the sources of two forwards lie to each other. */
#include <string.h>
#include <sys/socket.h>

#include "portfwd/model/forward.h"

/* The prefixes of one family that a forward admits; excluding some of them only narrows. */
struct admitted {
	const struct pfw_prefix *list;
	uint16_t n;
	uint8_t family;
};

static const struct pfw_prefix everyone[] = {
	{ .addr = { .family = AF_INET } }, { .addr = { .family = AF_INET6 } },
};

static struct admitted admitted_by(const struct pfw_forward *forward, uint8_t family)
{
	if (forward->n_sources)
		return (struct admitted){ forward->sources, forward->n_sources, family };
	return (struct admitted){ &everyone[family == AF_INET6], 1, family };
}

static bool overlap(const struct admitted *a, const struct admitted *b)
{
	uint16_t i, j;

	/* Two prefixes overlap only if one is within the other. */
	for (i = 0; i < a->n; i++)
		for (j = 0; a->list[i].addr.family == a->family && j < b->n; j++)
			if (pfw_prefix_covers(&a->list[i], &b->list[j]) ||
			    pfw_prefix_covers(&b->list[j], &a->list[i]))
				return true;
	return false;
}

/* The largest prefix of the list with this address in it, or NULL. */
static const struct pfw_prefix *widest(const struct admitted *in, const struct pfw_addr *addr)
{
	struct pfw_prefix one = { *addr, (uint8_t)(8 * pfw_addr_size(addr->family)) };
	const struct pfw_prefix *found = NULL;
	uint16_t i;

	for (i = 0; i < in->n; i++)
		if (pfw_prefix_covers(&in->list[i], &one) && (!found || in->list[i].len < found->len))
			found = &in->list[i];
	return found;
}

/* Whether the list covers all of the prefix, be it with several that lie side by side. */
static bool covers(const struct admitted *outer, const struct pfw_prefix *prefix)
{
	const struct pfw_prefix *here;
	struct pfw_addr at = prefix->addr;
	uint8_t end[16], covered[16];

	pfw_prefix_last(prefix, end);
	for (;;) {
		here = widest(outer, &at);
		if (!here)
			return false;
		pfw_prefix_last(here, covered);
		if (memcmp(covered, end, sizeof(end)) >= 0)
			return true;
		memcpy(at.bytes, covered, sizeof(covered));
		pfw_bytes_next(at.bytes, pfw_addr_size(at.family));
	}
}

static bool within(const struct admitted *inner, const struct admitted *outer)
{
	uint16_t i;

	for (i = 0; i < inner->n; i++)
		if (inner->list[i].addr.family == inner->family && !covers(outer, &inner->list[i]))
			return false;
	return true;
}

enum pfw_overlap pfw_forward_overlap(const struct pfw_forward *a, const struct pfw_forward *b,
				     uint8_t family)
{
	const struct admitted of_a = admitted_by(a, family), of_b = admitted_by(b, family);
	bool inner, outer;

	if (!overlap(&of_a, &of_b))
		return PFW_OVERLAP_NONE;
	inner = within(&of_a, &of_b);
	outer = within(&of_b, &of_a);
	if (inner == outer)
		return PFW_OVERLAP_EQUAL;
	return inner ? PFW_OVERLAP_INNER : PFW_OVERLAP_OUTER;
}
