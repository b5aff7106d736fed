/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What rules that went have counted. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "ledger.h"

struct wanted {
	const struct ipt_rule *rule;
	uint8_t family;
	uint8_t table;
};

static uint64_t hash_of(uint8_t family, enum ipt_table table, const struct ipt_rule *rule)
{
	return pfw_hash(rule, sizeof(*rule)) + family * IPT_TABLES + table;
}

static bool is_wanted(const void *array, uint32_t id, const void *key)
{
	const struct ipt_ledger_entry *entry = (const struct ipt_ledger_entry *)array + id;
	const struct wanted *wanted = key;

	return entry->family == wanted->family && entry->table == wanted->table &&
	       !memcmp(&entry->rule, wanted->rule, sizeof(entry->rule));
}

int ipt_ledger_put(struct ipt_ledger *ledger, uint8_t family, enum ipt_table table,
		   const struct ipt_rule *rule, struct ipt_count count)
{
	struct ipt_ledger_entry *list;
	uint32_t n_room;

	if (!count.packets)
		return 0;
	if (ledger->n == ledger->n_room) {
		n_room = ledger->n_room ? ledger->n_room * 2 : 16;
		list = reallocarray(ledger->list, n_room, sizeof(*list));
		if (!list)
			return -ENOMEM;
		ledger->list = list;
		ledger->n_room = n_room;
	}
	ledger->list[ledger->n] = (struct ipt_ledger_entry){ *rule, family, (uint8_t)table, count };
	return pfw_index_put(&ledger->rules, hash_of(family, table, rule), ledger->n++);
}

struct ipt_count ipt_ledger_take(struct ipt_ledger *ledger, uint8_t family, enum ipt_table table,
				 const struct ipt_rule *rule)
{
	const struct wanted wanted = { rule, family, (uint8_t)table };
	uint64_t hash = hash_of(family, table, rule);
	uint32_t id = pfw_index_find(&ledger->rules, hash, is_wanted, ledger->list, &wanted);

	if (id == PFW_INDEX_NONE)
		return (struct ipt_count){ 0 };
	pfw_index_drop(&ledger->rules, hash, id);
	return ledger->list[id].count;
}

void ipt_ledger_free(struct ipt_ledger *ledger)
{
	free(ledger->list);
	pfw_index_free(&ledger->rules);
	*ledger = (struct ipt_ledger){ 0 };
}
