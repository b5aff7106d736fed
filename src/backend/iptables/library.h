/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * libip4tc and libip6tc behind one table of functions, with a table's contents taken from the
 * kernel, changed here and given back as a whole. Functions fail with errno, as the libraries do.
 */
#ifndef PORTFWD_BACKEND_IPTABLES_LIBRARY_H
#define PORTFWD_BACKEND_IPTABLES_LIBRARY_H

#include <stdint.h>

struct xtc_handle;

/* What a rule has counted. */
struct ipt_count {
	uint64_t packets;
	uint64_t bytes;
};

/*
 * Names of chains have IPT_CHAIN_SIZE bytes, which are all read. Numbers of rules begin at 0. Where
 * int is returned, 0 is failure. Entries are struct ipt_entry or ip6t_entry.
 */
struct ipt_library {
	uint8_t family;
	const char *words;	/* "IPv4" */
	const char *tool;	/* "iptables" */

	struct xtc_handle *(*init)(const char *table);
	void (*free)(struct xtc_handle *handle);
	int (*commit)(struct xtc_handle *handle);

	const char *(*first_chain)(struct xtc_handle *handle);
	const char *(*next_chain)(struct xtc_handle *handle);
	int (*is_chain)(const char *chain, struct xtc_handle *handle);
	int (*builtin)(const char *chain, struct xtc_handle *handle);
	/* What a built-in chain does at its end, and how often it has. */
	const char *(*policy)(const char *chain, struct ipt_count *ret, struct xtc_handle *handle);
	int (*set_policy)(const char *chain, const char *policy, struct ipt_count count,
			  struct xtc_handle *handle);
	int (*references)(unsigned int *ret, const char *chain, struct xtc_handle *handle);
	int (*create_chain)(const char *chain, struct xtc_handle *handle);
	int (*flush_chain)(const char *chain, struct xtc_handle *handle);
	int (*delete_chain)(const char *chain, struct xtc_handle *handle);

	const void *(*first_rule)(const char *chain, struct xtc_handle *handle);
	const void *(*next_rule)(const void *entry, struct xtc_handle *handle);
	const char *(*target)(const void *entry, struct xtc_handle *handle);
	struct ipt_count (*count)(const void *entry);
	void (*set_count)(void *entry, struct ipt_count count);
	/* They copy the entry, and take what it has counted for what the rule has. */
	int (*insert_rule)(const char *chain, const void *entry, unsigned int number,
			   struct xtc_handle *handle);
	int (*append_rule)(const char *chain, const void *entry, struct xtc_handle *handle);
	int (*delete_rule)(const char *chain, unsigned int number, struct xtc_handle *handle);
};

/* IPv4, IPv6. */
extern const struct ipt_library ipt_libraries[2];

#endif
