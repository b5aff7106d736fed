/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Rules, chains and jumps as they are put into an image in the making. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "compile.h"

static struct ipt_place place(uint8_t family, enum ipt_table table, const char *chain)
{
	struct ipt_place ret = { .family = family, .table = (uint8_t)table };

	strncpy(ret.chain, chain, sizeof(ret.chain) - 1);
	return ret;
}

void ipt_chain_begin(struct ipt_chain *chain, struct ipt_build *build, uint8_t family,
		     enum ipt_table table, const char *name, const char *owner)
{
	*chain = (struct ipt_chain){
		.build = build,
		.place = place(family, table, name),
		.owner = owner,
	};
}

void ipt_chain_add(struct ipt_chain *chain, const struct ipt_rule *rule)
{
	pfw_buffer_append(&chain->rules, rule, sizeof(*rule));
}

void ipt_chain_go(struct ipt_chain *chain, const char *to)
{
	struct ipt_rule rule = { 0 };

	if (!to)
		return;
	ipt_rule_lead(&rule, IPT_GOTO, to);
	ipt_chain_add(chain, &rule);
}

/* Its rules tell whose it is, so a chain without any is nobody's. */
void ipt_chain_end(struct ipt_chain *chain)
{
	const char *owner = chain->rules.len ? chain->owner : NULL;
	struct ipt_build *build = chain->build;

	if (chain->rules.failed ||
	    !pfw_image_add(&build->image, IPT_KIND_CHAIN, &chain->place, sizeof(chain->place),
			   chain->rules.data, chain->rules.len, owner))
		build->failed = true;
	pfw_buffer_free(&chain->rules);
}

void ipt_add_jump(struct ipt_build *build, uint8_t family, enum ipt_table table, const char *from,
		  const char *to)
{
	struct ipt_place key = place(family, table, from);
	struct ipt_rule rule = { 0 };

	ipt_rule_lead(&rule, IPT_JUMP, to);
	if (!pfw_image_add(&build->image, IPT_KIND_JUMP, &key, sizeof(key), &rule, sizeof(rule),
			   NULL))
		build->failed = true;
}

static int remember(struct ipt_build *build, struct ipt_cell *cell)
{
	size_t n_room = build->n_cells_room ? build->n_cells_room * 2 : 64;
	struct ipt_cell **cells = build->cells;

	if (build->n_cells == build->n_cells_room) {
		cells = reallocarray(cells, n_room, sizeof(*cells));
		if (!cells)
			return -ENOMEM;
		build->cells = cells;
		build->n_cells_room = n_room;
	}
	cells[build->n_cells++] = cell;
	build->n_rules[ipt_family_index(cell->key.key.family)][cell->key.source]++;
	return 0;
}

void ipt_add_rule(struct ipt_build *build, struct ipt_numbered *at, const struct ipt_rule *rule,
		  const char *chain)
{
	const struct pfw_forward *forward = at->claim->forward;
	struct ipt_cell *cell = pfw_arena_alloc(&build->image.arena, sizeof(*cell));

	if (!cell) {
		build->failed = true;
		return;
	}
	if (!at->number && at->table == IPT_TABLE_NAT)
		at->rank = at->claim->ranks[at->source]++;
	*cell = (struct ipt_cell){
		.key = {
			.key = at->claim->slot->key,
			.table = (uint8_t)at->table,
			.source = at->source,
			.number = at->number++,
		},
		.value = { .rank = at->rank, .rule = *rule },
	};
	/* What the guard lets pass is known by its rule alone. */
	if (at->table == IPT_TABLE_FILTER)
		cell->key.key.port = rule->port;
	strncpy(cell->key.owner, forward->name, sizeof(cell->key.owner) - 1);
	ipt_rule_own(&cell->value.rule, forward);
	if (chain)
		strncpy(cell->value.chain, chain, sizeof(cell->value.chain) - 1);
	else if (remember(build, cell))
		build->failed = true;
	if (!pfw_image_borrow(&build->image, IPT_KIND_RULE, (const uint8_t *)cell,
			      sizeof(cell->key), sizeof(cell->value), forward->name))
		build->failed = true;
}

void ipt_find_admitted(struct ipt_build *build, const struct pfw_forward *forward, uint8_t family)
{
	int ret;

	if (build->admitted_of == forward && build->admitted_family == family)
		return;
	build->admitted.n = 0;
	build->admitted_of = forward;
	build->admitted_family = family;
	ret = ipt_admitted(forward, family, IPT_ADMITTED_MAX, &build->admitted);
	if (ret == -E2BIG)
		build->refused = forward;
	else if (ret)
		build->failed = true;
}

/* ---- Conditions */

void ipt_match_destination(struct ipt_rule *rule, const uint8_t *address, uint8_t family)
{
	rule->asks |= IPT_DESTINATION;
	rule->destination_len = (uint8_t)(pfw_addr_size(family) * 8);
	memcpy(rule->destination, address, pfw_addr_size(family));
}

void ipt_match_source(struct ipt_rule *rule, const struct pfw_prefix *prefix)
{
	if (!prefix->len)
		return;	/* everyone */
	rule->asks |= IPT_SOURCE;
	rule->source_len = prefix->len;
	memcpy(rule->source, prefix->addr.bytes, sizeof(rule->source));
}

void ipt_match_in(struct ipt_rule *rule, const char *name)
{
	rule->asks |= IPT_IN;
	memcpy(rule->in, name, strnlen(name, sizeof(rule->in) - 1));
}

void ipt_match_port(struct ipt_rule *rule, uint8_t protocol, struct pfw_ports port)
{
	rule->asks |= IPT_PORT;
	rule->protocol = protocol;
	rule->port = port;
}

void ipt_match_until(struct ipt_rule *rule, int64_t expires)
{
	if (!expires)
		return;
	rule->asks |= IPT_UNTIL;
	rule->until = expires;
}

/* What must come in by an interface is never the machine's own. */
void ipt_match_elsewhere(struct ipt_rule *rule, const struct pfw_plan *plan,
			 const struct ipt_claim *claim)
{
	if (pfw_plan_remote(plan, claim->forward) && !ipt_tier_has_interface(claim->slot->key.tier))
		rule->asks |= IPT_FROM_ELSEWHERE;
}
