/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The kernel's tables as chains: opening, reading, and what to say when that fails. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "standing.h"

#define LOCK_SECONDS 10

int ipt_fail_table(const struct ipt_library *library, enum ipt_table table, const char *did,
		   int code, struct pfw_error *err)
{
	const char *name = ipt_table_names[table], *six = library->family == AF_INET6 ? "6" : "";
	char what[64];

	if (code == -ENOMEM)
		return pfw_fail_memory(err);
	snprintf(what, sizeof(what), "cannot %s the %s table %s of iptables", did, library->words,
		 name);
	if (code == -EPERM)
		return pfw_fail(err, PFW_NOT_PERMITTED, code,
				"%s: %s; it takes CAP_NET_ADMIN and CAP_NET_RAW, so run as root",
				what, strerror(-code));
	if (code == -ENOPROTOOPT || code == -ENOENT)
		return pfw_fail(err, PFW_FAILED, code,
				"%s: this kernel does not have it, or not all that the rules need; "
				"try \"modprobe -a ip%s_tables ip%stable_%s\", or use the nftables "
				"backend",
				what, six, six, name);
	return pfw_fail_errno(err, code, "%s", what);
}

int ipt_lock(struct pfw_backend_handle *handle, struct pfw_error *err)
{
	return handle->write ? pfw_xtables_lock(&handle->lock, LOCK_SECONDS, !handle->hasty, err) : 0;
}

void ipt_forget(struct pfw_backend_handle *handle)
{
	unsigned int f, t;

	for (f = 0; f < 2; f++)
		for (t = 0; t < IPT_TABLES; t++)
			ipt_standing_free(&ipt_libraries[f], &handle->standing[f][t]);
	handle->has_read = false;
}

void ipt_release(struct pfw_backend_handle *handle)
{
	ipt_forget(handle);
	pfw_xtables_unlock(&handle->lock);
}

void ipt_standing_free(const struct ipt_library *library, struct ipt_standing *standing)
{
	if (standing->table)
		library->free(standing->table);
	ipt_chains_free(&standing->chains);
	standing->table = NULL;
}

int ipt_standing_open(const struct ipt_library *library, enum ipt_table table,
		      struct ipt_standing *ret, struct pfw_error *err)
{
	errno = 0;
	ret->table = library->init(ipt_table_names[table]);
	/* libiptc says nothing where the kernel's structures have another size. */
	return ret->table ? 0 :
	       ipt_fail_table(library, table, "read", errno ? -errno : -EPROTO, err);
}

/* In built-in chains we have nothing else; who writes our name beside a rule has made that one. */
static bool is_our_jump(const struct ipt_rule *rule)
{
	return rule->target == IPT_JUMP;
}

static int read_rules(const struct ipt_library *library, struct ipt_standing *to,
		      struct ipt_lines *chain)
{
	const void *entry = library->first_rule(chain->place.chain, to->table);
	struct ipt_rule rule, *copy;
	uint32_t number;

	for (number = 0; entry; entry = library->next_rule(entry, to->table), number++) {
		ipt_rule_decode(entry, library->target(entry, to->table), library->family, &rule);
		if (chain->builtin && !is_our_jump(&rule))
			continue;
		copy = pfw_arena_alloc(&to->chains.arena, sizeof(*copy));
		if (!copy)
			return -ENOMEM;
		*copy = rule;
		if (ipt_lines_append(chain, copy, library->count(entry), number))
			return -ENOMEM;
	}
	return 0;
}

static int read_chains(const struct ipt_library *library, enum ipt_table table,
		       struct ipt_standing *to)
{
	struct ipt_lines *chain;
	struct ipt_place place;
	const char *name;
	int ret = 0;

	for (name = library->first_chain(to->table); !ret && name;
	     name = library->next_chain(to->table)) {
		place = (struct ipt_place){ .family = library->family, .table = (uint8_t)table };
		snprintf(place.chain, sizeof(place.chain), "%s", name);
		if (!library->builtin(place.chain, to->table) && !ipt_chain_is_ours(name))
			continue;
		chain = ipt_chains_add(&to->chains, &place,
				       library->builtin(place.chain, to->table));
		ret = chain ? read_rules(library, to, chain) : -ENOMEM;
	}
	return ret;
}

static bool leads_to(const struct ipt_lines *from, const struct ipt_lines *chain)
{
	const struct ipt_rule *rule;
	uint32_t i;

	for (i = 0; i < from->n; i++) {
		rule = from->list[i].rule;
		if ((rule->target == IPT_JUMP || rule->target == IPT_GOTO) &&
		    !strcmp(rule->chain, chain->place.chain))
			return true;
	}
	return false;
}

/* libiptc and the kernel let no chain go that a rule leads to, and rules of others are theirs. */
static bool is_kept(const struct ipt_library *library, const struct ipt_standing *standing,
		    const struct ipt_lines *chain)
{
	unsigned int references;
	uint32_t i;

	if (chain->builtin || chain->n ||
	    !library->references(&references, chain->place.chain, standing->table) || !references)
		return false;
	for (i = 0; i < standing->chains.n; i++)
		if (leads_to(&standing->chains.list[i], chain))
			return false;
	return true;
}

int ipt_standing_read(const struct ipt_library *library, enum ipt_table table,
		      struct ipt_standing *ret, struct pfw_error *err)
{
	struct ipt_lines *chain;
	bool stands;
	uint32_t i;
	int code = pfw_xtables_stands(library->family, ipt_table_names[table], &stands, err);

	if (code || !stands)
		return code;
	code = ipt_standing_open(library, table, ret, err);
	if (code)
		return code;
	if (read_chains(library, table, ret))
		return pfw_fail_memory(err);
	for (i = 0; i < ret->chains.n; i++) {
		chain = &ret->chains.list[i];
		chain->kept = is_kept(library, ret, chain);
	}
	return 0;
}
