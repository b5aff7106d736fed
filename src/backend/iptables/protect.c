/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The guard and the shield: which items are theirs, and what of them stands in the kernel. */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "standing.h"

static uint8_t table_of(const struct pfw_item *item)
{
	return item->kind == IPT_KIND_RULE ? ipt_item_key(item)->table :
					     ipt_item_place(item)->table;
}

/* All of the table but what drops the machine's own connections beyond a limit. */
bool ipt_is_guard(const struct pfw_item *item)
{
	const char *chain;

	if (table_of(item) != IPT_TABLE_FILTER || item->kind == IPT_KIND_RULE)
		return table_of(item) == IPT_TABLE_FILTER;
	chain = ipt_item_place(item)->chain;
	return strcmp(chain, IPT_CHAIN_DROP) != 0 && strcmp(chain, "OUTPUT") != 0;
}

bool ipt_is_shield(const struct pfw_item *item)
{
	return table_of(item) == IPT_TABLE_RAW;
}

/* Whether all wanted rules are among those that stand, in their order. */
static bool has_rules(const struct pfw_item *standing, const struct pfw_item *wanted)
{
	size_t n_standing, n_wanted, i, k;
	const struct ipt_rule *stand = ipt_item_rules(standing, &n_standing);
	const struct ipt_rule *want = ipt_item_rules(wanted, &n_wanted);

	for (i = k = 0; i < n_standing && k < n_wanted; i++)
		k += !memcmp(&stand[i], &want[k], sizeof(*want));
	return k == n_wanted;
}

/* Interfaces come and go: without the rule of one, nothing fails but hairpins by that one. */
static bool lacks_interfaces(const struct pfw_item *before, const struct pfw_item *after)
{
	size_t n;

	return after->kind == IPT_KIND_CHAIN && ipt_item_rules(before, &n) && n &&
	       !strcmp(ipt_item_place(after)->chain, IPT_CHAIN_HAIRPIN);
}

bool ipt_is_broken(const struct pfw_step *step)
{
	const struct pfw_item *before = step->before, *after = step->after;

	/* What filters keeps connections out, and brings none anywhere. */
	if (!after || after->kind == IPT_KIND_RULE || table_of(after) == IPT_TABLE_FILTER)
		return false;
	return !before || !(has_rules(before, after) || lacks_interfaces(before, after));
}

/*
 * iptables takes a '+' at the end for any beginning, and a line of iptables-save is read in
 * words, where quotes and backslashes have a meaning.
 */
bool ipt_guard_holds(const char *name)
{
	return *name && !strpbrk(name, "\"\\ ") && name[strlen(name) - 1] != '+';
}

static const struct ipt_lines *find_chain(const struct ipt_standing *standing, uint8_t family,
					  enum ipt_table table, const char *name)
{
	struct ipt_place place = { .family = family, .table = (uint8_t)table };

	strncpy(place.chain, name, sizeof(place.chain) - 1);
	return ipt_chains_find(&standing->chains, &place);
}

static int add_links(const struct ipt_lines *chain, enum ipt_target target, struct pfw_links *links)
{
	const struct ipt_rule *rule;
	uint32_t i;
	int ret = 0;

	for (i = 0; !ret && chain && i < chain->n; i++) {
		rule = chain->list[i].rule;
		if (rule->target != target)
			continue;
		/* What comes in by it is held; what only goes out by it was routing by itself. */
		if (rule->asks == IPT_IN)
			ret = pfw_links_add(links, rule->in, 0, false);
		else if (rule->asks == IPT_OUT)
			ret = pfw_links_add(links, rule->out, 0, true);
	}
	return ret;
}

int ipt_guarded(struct pfw_backend_handle *handle, uint8_t family, struct pfw_links *ret,
		struct pfw_error *err)
{
	const struct ipt_library *library = &ipt_libraries[family == AF_INET6];
	struct ipt_standing standing = { 0 };
	struct pfw_links links = { 0 };
	int code = ipt_standing_read(library, IPT_TABLE_FILTER, &standing, err);

	(void)handle;
	if (!code && (add_links(find_chain(&standing, family, IPT_TABLE_FILTER, IPT_CHAIN_GUARD),
				IPT_GOTO, &links) ||
		      add_links(find_chain(&standing, family, IPT_TABLE_FILTER, IPT_CHAIN_GUARDED),
				IPT_DROP, &links)))
		code = pfw_fail_memory(err);
	ipt_standing_free(library, &standing);
	if (code)
		pfw_links_free(&links);
	else
		*ret = links;
	return code;
}

int ipt_shielded(struct pfw_backend_handle *handle, bool *ret, struct pfw_error *err)
{
	const struct ipt_library *library = &ipt_libraries[0];
	struct ipt_standing standing = { 0 };
	const struct ipt_lines *chain;
	int code = ipt_standing_read(library, IPT_TABLE_RAW, &standing, err);

	(void)handle;
	if (!code) {
		chain = find_chain(&standing, library->family, IPT_TABLE_RAW, IPT_CHAIN_SHIELD);
		*ret = chain && chain->n;
	}
	ipt_standing_free(library, &standing);
	return code;
}
