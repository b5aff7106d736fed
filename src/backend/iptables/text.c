/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Images in the language of iptables(8): a line an item, or all of a family as a file. */
#include <string.h>
#include <sys/socket.h>

#include "chains.h"

static void print_rule(const char *verb, const char *chain, const struct ipt_rule *rule,
		       uint8_t family, struct pfw_buffer *ret)
{
	pfw_buffer_printf(ret, "%s %s ", verb, chain);
	ipt_rule_print(rule, family, ret);
}

static void print_tool(uint8_t family, uint8_t table, struct pfw_buffer *ret)
{
	pfw_buffer_printf(ret, "%s -t %s ", ipt_libraries[family == AF_INET6].tool,
			  ipt_table_names[table]);
}

static void print_forwards_rule(const struct pfw_item *item, struct pfw_buffer *ret)
{
	const struct ipt_rule_key *key = ipt_item_key(item);
	const struct ipt_rule_value *value = ipt_item_value(item);

	print_tool(key->key.family, key->table, ret);
	print_rule("-A", value->chain, &value->rule, key->key.family, ret);
}

/* More rules than one of ours in a built-in chain are too many, so it is the first that counts. */
static void print_jump(const struct pfw_item *item, struct pfw_buffer *ret)
{
	const struct ipt_place *place = ipt_item_place(item);
	size_t n;
	const struct ipt_rule *rules = ipt_item_rules(item, &n);

	print_tool(place->family, place->table, ret);
	print_rule("-I", place->chain, rules, place->family, ret);
	if (n > 1)
		pfw_buffer_printf(ret, " (and %zu more)", n - 1);
}

/* So many rules of a chain are told in its line. */
#define RULES_TOLD 32

static void print_chain(const struct pfw_item *item, struct pfw_buffer *ret)
{
	const struct ipt_place *place = ipt_item_place(item);
	const struct ipt_rule *rules;
	size_t n, i;

	rules = ipt_item_rules(item, &n);
	print_tool(place->family, place->table, ret);
	pfw_buffer_printf(ret, "-N %s", place->chain);
	for (i = 0; i < n && i < RULES_TOLD; i++) {
		pfw_buffer_puts(ret, i ? "; " : " { ");
		ipt_rule_print(&rules[i], place->family, ret);
	}
	if (n > RULES_TOLD)
		pfw_buffer_printf(ret, "; and %zu more", n - RULES_TOLD);
	if (n)
		pfw_buffer_puts(ret, " }");
}

void ipt_print(const struct pfw_item *item, struct pfw_buffer *ret)
{
	switch ((enum ipt_kind)item->kind) {
	case IPT_KIND_CHAIN:
		print_chain(item, ret);
		break;
	case IPT_KIND_RULE:
		print_forwards_rule(item, ret);
		break;
	case IPT_KIND_JUMP:
		print_jump(item, ret);
		break;
	}
}

static bool is_of(const struct ipt_lines *chain, uint8_t family, enum ipt_table table)
{
	return chain->place.family == family && chain->place.table == table;
}

/* The head of a table declares its chains; those that stand already are emptied by that. */
static bool print_head(const struct ipt_chains *chains, uint8_t family, enum ipt_table table,
		       struct pfw_buffer *ret)
{
	bool any = false;
	uint32_t i;

	for (i = 0; i < chains->n; i++) {
		if (!is_of(&chains->list[i], family, table))
			continue;
		if (!any)
			pfw_buffer_printf(ret, "*%s\n", ipt_table_names[table]);
		any = true;
		if (!chains->list[i].builtin)
			pfw_buffer_printf(ret, ":%s - [0:0]\n", chains->list[i].place.chain);
	}
	return any;
}

static void print_lines(const struct ipt_lines *chain, struct pfw_buffer *ret)
{
	uint32_t i;

	for (i = 0; i < chain->n; i++) {
		print_rule(chain->builtin ? "-I" : "-A", chain->place.chain, chain->list[i].rule,
			   chain->place.family, ret);
		pfw_buffer_puts(ret, "\n");
	}
}

/* The jumps first, as they stand in the table. */
static void print_table(const struct ipt_chains *chains, uint8_t family, enum ipt_table table,
			struct pfw_buffer *ret)
{
	const struct ipt_lines *chain;
	unsigned int own;
	uint32_t i;

	if (!print_head(chains, family, table, ret))
		return;
	for (own = 0; own < 2; own++)
		for (i = 0; i < chains->n; i++) {
			chain = &chains->list[i];
			if (is_of(chain, family, table) && chain->builtin != (own == 1))
				print_lines(chain, ret);
		}
	pfw_buffer_puts(ret, "COMMIT\n");
}

void ipt_text(const struct pfw_image *image, uint8_t family, struct pfw_buffer *ret)
{
	struct ipt_chains chains = { 0 };
	unsigned int t;

	if (ipt_chains_make(image, &chains)) {
		ret->failed = true;
		return;
	}
	for (t = 0; t < IPT_TABLES; t++)
		print_table(&chains, family, t, ret);
	ipt_chains_free(&chains);
}
