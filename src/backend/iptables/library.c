/* SPDX-License-Identifier: GPL-2.0-or-later */
/* libip4tc and libip6tc, which differ by names and by the type of their entries. */
#include <net/if.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#include <libiptc/libip6tc.h>
#include <libiptc/libiptc.h>

#include "library.h"

/* What has entries in its arguments, for one of the libraries. */
#define WRAP(lib, entry_type)                                                                     \
	static const void *lib##_first(const char *chain, struct xtc_handle *handle)              \
	{                                                                                         \
		return lib##_first_rule(chain, handle);                                           \
	}                                                                                         \
	static const void *lib##_next(const void *entry, struct xtc_handle *handle)               \
	{                                                                                         \
		return lib##_next_rule(entry, handle);                                            \
	}                                                                                         \
	static const char *lib##_target(const void *entry, struct xtc_handle *handle)             \
	{                                                                                         \
		return lib##_get_target(entry, handle);                                           \
	}                                                                                         \
	static struct ipt_count lib##_count(const void *entry)                                    \
	{                                                                                         \
		const struct entry_type *from = entry;                                            \
                                                                                                  \
		return (struct ipt_count){ from->counters.pcnt, from->counters.bcnt };            \
	}                                                                                         \
	static void lib##_set_count(void *entry, struct ipt_count count)                          \
	{                                                                                         \
		struct entry_type *to = entry;                                                    \
                                                                                                  \
		to->counters = (struct xt_counters){ count.packets, count.bytes };                \
	}                                                                                         \
	static const char *lib##_policy(const char *chain, struct ipt_count *ret,                 \
					struct xtc_handle *handle)                                \
	{                                                                                         \
		struct xt_counters counters = { 0 };                                              \
		const char *policy = lib##_get_policy(chain, &counters, handle);                  \
                                                                                                  \
		*ret = (struct ipt_count){ counters.pcnt, counters.bcnt };                        \
		return policy;                                                                    \
	}                                                                                         \
	static int lib##_keep_policy(const char *chain, const char *policy,                       \
				     struct ipt_count count, struct xtc_handle *handle)           \
	{                                                                                         \
		struct xt_counters counters = { count.packets, count.bytes };                     \
		xt_chainlabel name = { 0 }, verdict = { 0 };                                      \
                                                                                                  \
		strncpy(name, chain, sizeof(name) - 1);                                           \
		strncpy(verdict, policy, sizeof(verdict) - 1);                                    \
		return lib##_set_policy(name, verdict, &counters, handle);                        \
	}                                                                                         \
	static int lib##_insert(const char *chain, const void *entry, unsigned int number,        \
				struct xtc_handle *handle)                                        \
	{                                                                                         \
		return lib##_insert_entry(chain, entry, number, handle);                          \
	}                                                                                         \
	static int lib##_append(const char *chain, const void *entry, struct xtc_handle *handle)  \
	{                                                                                         \
		return lib##_append_entry(chain, entry, handle);                                  \
	}

WRAP(iptc, ipt_entry)
WRAP(ip6tc, ip6t_entry)

#define FUNCTIONS(lib)                                                                            \
	.init = lib##_init, .free = lib##_free, .commit = lib##_commit,                           \
	.first_chain = lib##_first_chain, .next_chain = lib##_next_chain,                         \
	.is_chain = lib##_is_chain, .builtin = lib##_builtin, .references = lib##_get_references, \
	.create_chain = lib##_create_chain, .flush_chain = lib##_flush_entries,                   \
	.delete_chain = lib##_delete_chain, .policy = lib##_policy,                               \
	.set_policy = lib##_keep_policy, .first_rule = lib##_first, .next_rule = lib##_next,   \
	.target = lib##_target, .count = lib##_count, .set_count = lib##_set_count,               \
	.insert_rule = lib##_insert, .append_rule = lib##_append,                                 \
	.delete_rule = lib##_delete_num_entry

const struct ipt_library ipt_libraries[2] = {
	{ .family = AF_INET, .words = "IPv4", .tool = "iptables", FUNCTIONS(iptc) },
	{ .family = AF_INET6, .words = "IPv6", .tool = "ip6tables", FUNCTIONS(ip6tc) },
};
