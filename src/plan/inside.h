/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the parts of a plan share. */
#ifndef PLAN_INSIDE_H
#define PLAN_INSIDE_H

#include <sys/socket.h>

#include "portfwd/plan/plan.h"

static inline unsigned int family_index(uint8_t family)
{
	return family == AF_INET6;
}

/* Whether a forward by itself needs more than a rewrite for this key. */
bool claim_is_complex(const struct pfw_forward *forward, const struct pfw_key *key);
/* Whether it says to whom it is open, so that others of its key may follow. */
bool has_sources(const struct pfw_forward *forward);

/* Whether connections to the target leave the machine. */
bool target_is_goal(const struct pfw_target *target);
/* Counts the forward's goals in, or out; -ENOMEM leaves all as it was. */
int goals_count(struct pfw_plan *plan, const struct pfw_forward *forward, bool in);

/* Shape, outspoken and remote, from the slot's claims. */
void slot_judge(const struct pfw_plan *plan, struct pfw_slot *slot);
/* Counts the slot into the frame and its group, or out of it; judge it before. */
void slot_count(struct pfw_plan *plan, uint32_t id, bool in);

/* Puts the slot into its group's list, or takes it out. */
void group_link(struct pfw_plan *plan, uint32_t id);
void group_unlink(struct pfw_plan *plan, uint32_t id);

/* The tree of ranges: the slot whose range overlaps that of the key, all else equal. */
uint32_t range_find(const struct pfw_plan *plan, const struct pfw_key *key);
int range_put(struct pfw_plan *plan, uint32_t slot);
void range_drop(struct pfw_plan *plan, const struct pfw_key *key);
void range_free(struct pfw_plan *plan);

/* Room for the coverage of this key's family and protocol; -ENOMEM. */
int cover_make(struct pfw_plan *plan, const struct pfw_key *key);
struct pfw_cover *cover_of(const struct pfw_plan *plan, const struct pfw_key *key);

#endif
