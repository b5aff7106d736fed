/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Changing one table so that its chains become those that are wanted. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "edit.h"

static bool is_line(const void *array, uint32_t id, const void *key)
{
	return !memcmp(((const struct ipt_line *)array)[id].rule, key, sizeof(struct ipt_rule));
}

static uint64_t line_hash(const struct ipt_line *line)
{
	return pfw_hash(line->rule, sizeof(*line->rule));
}

/* Those that stay keep their order, so what moved among them comes anew. *ret_n: so many stay. */
static int match_lines(const struct ipt_lines *standing, const struct ipt_lines *wanted,
		       uint32_t *like, uint32_t *ret_n)
{
	struct pfw_index index = { 0 };
	uint32_t next = 0, n = 0, i, id;
	int ret = 0;

	for (i = 0; !ret && i < standing->n; i++) {
		like[i] = PFW_INDEX_NONE;
		ret = pfw_index_put(&index, line_hash(&standing->list[i]), i);
	}
	for (i = 0; !ret && i < wanted->n; i++) {
		id = pfw_index_find(&index, line_hash(&wanted->list[i]), is_line, standing->list,
				    wanted->list[i].rule);
		if (id == PFW_INDEX_NONE || id < next)
			continue;
		like[id] = i;
		next = id + 1;
		n++;
	}
	pfw_index_free(&index);
	*ret_n = n;
	return ret;
}

static bool same_lines(const struct ipt_lines *a, const struct ipt_lines *b)
{
	uint32_t i;

	if (a->n != b->n)
		return false;
	for (i = 0; i < a->n; i++)
		if (memcmp(a->list[i].rule, b->list[i].rule, sizeof(*a->list[i].rule)))
			return false;
	return true;
}

static int add_pair(struct ipt_edit *edit, const struct ipt_lines *standing,
		    const struct ipt_lines *wanted)
{
	struct ipt_pair *pair = &edit->pairs[edit->n_pairs];
	uint32_t n = 0;
	int ret = 0;

	if (standing && wanted && same_lines(standing, wanted))
		return 0;
	*pair = (struct ipt_pair){ standing, wanted, NULL };
	if (standing) {
		pair->like = malloc((standing->n + 1) * sizeof(*pair->like));
		if (!pair->like)
			return -ENOMEM;
		memset(pair->like, 0xff, standing->n * sizeof(*pair->like));
	}
	edit->n_pairs++;
	if (standing && wanted)
		ret = match_lines(standing, wanted, pair->like, &n);
	edit->comes |= wanted && (!standing || n < wanted->n);
	return ret;
}

static bool goes(const struct ipt_edit *edit, const struct ipt_lines *standing)
{
	if (ipt_chains_find(edit->wanted, &standing->place) || standing->kept)
		return false;
	return !standing->builtin || standing->n;
}

int ipt_edit_plan(struct ipt_edit *edit)
{
	const struct ipt_chains *standing = &edit->standing->chains, *wanted = edit->wanted;
	const struct ipt_lines *chain;
	uint32_t i;
	int ret = 0;

	edit->pairs = calloc((size_t)standing->n + wanted->n + 1, sizeof(*edit->pairs));
	if (!edit->pairs)
		return -ENOMEM;
	for (i = 0; !ret && i < wanted->n; i++) {
		chain = &wanted->list[i];
		if (chain->place.family == edit->library->family &&
		    chain->place.table == edit->table)
			ret = add_pair(edit, ipt_chains_find(standing, &chain->place), chain);
	}
	for (i = 0; !ret && i < standing->n; i++)
		if (goes(edit, &standing->list[i]))
			ret = add_pair(edit, &standing->list[i], NULL);
	return ret;
}

void ipt_edit_free(struct ipt_edit *edit)
{
	uint32_t i;

	for (i = 0; i < edit->n_pairs; i++)
		free(edit->pairs[i].like);
	free(edit->pairs);
	edit->pairs = NULL;
	edit->n_pairs = 0;
}

/* What goes leaves its counts to what comes, wherever that is. */
static int remember_counts(const struct ipt_edit *edit, struct ipt_ledger *ledger)
{
	const struct ipt_lines *chain;
	uint32_t i, k;
	int ret = 0;

	for (i = 0; i < edit->n_pairs; i++) {
		chain = edit->pairs[i].standing;
		for (k = 0; !ret && chain && k < chain->n; k++)
			if (edit->pairs[i].like[k] == PFW_INDEX_NONE)
				ret = ipt_ledger_put(ledger, edit->library->family, edit->table,
						     chain->list[k].rule, chain->list[k].count);
	}
	return ret;
}

/* The functions below fail with errno, like those of libiptc. */

static int create_chains(const struct ipt_edit *edit)
{
	struct xtc_handle *table = edit->standing->table;
	const struct ipt_lines *chain;
	uint32_t i;

	for (i = 0; i < edit->n_pairs; i++) {
		chain = edit->pairs[i].wanted;
		if (chain && !edit->library->is_chain(chain->place.chain, table) &&
		    !edit->library->create_chain(chain->place.chain, table))
			return 0;
	}
	return 1;
}

static int insert(const struct ipt_edit *edit, const char *chain, const struct ipt_rule *rule,
		  unsigned int number, struct ipt_ledger *ledger)
{
	const struct ipt_library *library = edit->library;
	struct pfw_buffer entry = { 0 };
	int ret = 0;

	/* To put back what others had put into our chains is not possible. */
	if (rule->target == IPT_FOREIGN)
		return 1;
	ipt_rule_encode(rule, library->family, &entry);
	if (entry.failed) {
		errno = ENOMEM;
	} else {
		library->set_count(entry.data,
				   ipt_ledger_take(ledger, library->family, edit->table, rule));
		ret = library->insert_rule(chain, entry.data, number, edit->standing->table);
	}
	pfw_buffer_free(&entry);
	return ret;
}

/* From the last rule to the first, so that the numbers before them hold. */
static int edit_chain(const struct ipt_edit *edit, const struct ipt_pair *pair,
		      struct ipt_ledger *ledger)
{
	const struct ipt_lines *standing = pair->standing, *wanted = pair->wanted;
	const char *name = (wanted ? wanted : standing)->place.chain;
	uint32_t i = standing ? standing->n : 0, j = wanted ? wanted->n : 0;
	int ret = 1;

	while (ret && (i || j)) {
		if (i && pair->like[i - 1] == PFW_INDEX_NONE) {
			ret = edit->library->delete_rule(name, standing->list[--i].number,
							 edit->standing->table);
		} else if (i && pair->like[i - 1] == j - 1) {
			i--;
			j--;
		} else {
			ret = insert(edit, name, wanted->list[--j].rule,
				     i ? standing->list[i - 1].number + 1 : 0, ledger);
		}
	}
	return ret;
}

static int delete_chains(const struct ipt_edit *edit)
{
	const struct ipt_lines *chain;
	uint32_t i;

	for (i = 0; i < edit->n_pairs; i++) {
		chain = edit->pairs[i].standing;
		if (edit->pairs[i].wanted || chain->builtin)
			continue;
		/* Rules of others that lead to it are theirs, so it stays and is empty. */
		if (!edit->library->delete_chain(chain->place.chain, edit->standing->table) &&
		    errno != EMLINK)
			return 0;
	}
	return 1;
}

/* libiptc forgets what policies have counted as soon as anything changes, unless it is told. */
static int keep_policies(const struct ipt_edit *edit)
{
	struct xtc_handle *table = edit->standing->table;
	const struct ipt_lines *chain;
	struct ipt_count count;
	const char *policy;
	int ret = 1;
	uint32_t i;

	for (i = 0; ret && i < edit->standing->chains.n; i++) {
		chain = &edit->standing->chains.list[i];
		if (!chain->builtin)
			continue;
		policy = edit->library->policy(chain->place.chain, &count, table);
		ret = policy && edit->library->set_policy(chain->place.chain, policy, count, table);
	}
	return ret;
}

int ipt_edit_make(const struct ipt_edit *edit, struct ipt_ledger *ledger, struct pfw_error *err)
{
	uint32_t i;
	int ret;

	if (remember_counts(edit, ledger))
		return pfw_fail_memory(err);
	ret = keep_policies(edit);
	if (ret)
		ret = create_chains(edit);
	for (i = 0; ret && i < edit->n_pairs; i++)
		ret = edit_chain(edit, &edit->pairs[i], ledger);
	if (ret)
		ret = delete_chains(edit);
	return ret ? 0 : ipt_fail_table(edit->library, edit->table, "change", -errno, err);
}
