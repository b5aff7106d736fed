/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * In which chain each rule stands. Few rules stand in one chain. More are spread over a tree of
 * chains, so that a packet walks few of them: by sixteenths of the ports, and where one
 * port has many addresses, by sixteenths of these.
 *
 * Every step is a goto, and what finds nothing in a leaf goes to the next section, which is less
 * specific, never back: so the order of precedence holds. The places where the tree
 * divides are fixed, so one more rule changes one leaf.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "compile.h"

#define FLAT 64		/* so many rules stand in the first chain itself */
#define LEAF 32		/* and so many in a leaf */
#define NIBBLE 4	/* bits of a port or address by which a chain divides */

/* Sections by precedence: single ports of all tiers, then the ranges of each tier. */
#define SECTIONS (1 + PFW_TIERS)

/* What finds its place: a rule, or the address of a goal. */
struct entry {
	uint64_t order;			/* of rules: by family, section, protocol and first port */
	const uint8_t *address;
	struct ipt_cell *rule;		/* NULL: a goal */
};

struct tree {
	struct ipt_build *build;
	struct entry *spare;	/* as many as there are entries at all */
	uint8_t family;
	bool source;
	const char *prefix;	/* of its chains: "PORTFWD-sr0-" */
	const char *base;	/* the chain from which it divides by address */
};

/* Entries next to each other, and the chain that goes on behind them, or NULL. */
struct run {
	struct entry *first;
	size_t n;
	const char *next;
};

/* ---- Order */

static unsigned int section_of(const struct pfw_key *key)
{
	return pfw_key_is_range(key) ? 1u + key->tier : 0;
}

static uint64_t order_of(const struct ipt_rule_key *key)
{
	return (uint64_t)(key->key.family == AF_INET6) << 40 | (uint64_t)key->source << 39 |
	       (uint64_t)section_of(&key->key) << 32 | (uint64_t)key->key.protocol << 16 |
	       key->key.port.lo;
}

static int compare_order(const void *a, const void *b)
{
	const struct entry *x = a, *y = b;

	return (x->order > y->order) - (x->order < y->order);
}

static int compare_address(const void *a, const void *b)
{
	const struct entry *x = a, *y = b;

	return memcmp(x->address, y->address, sizeof(x->rule->key.key.address));
}

/* ---- Chains */

static void begin(const struct tree *tree, const char *name, struct ipt_chain *chain)
{
	ipt_chain_begin(chain, tree->build, tree->family, IPT_TABLE_NAT, name, NULL);
}

static void add_masquerade(const struct tree *tree, struct ipt_chain *chain, const uint8_t *goal)
{
	struct ipt_rule rule = { .target = IPT_MASQUERADE };

	ipt_match_destination(&rule, goal, tree->family);
	ipt_chain_add(chain, &rule);
}

/* All of the run stands in this chain. */
static void stand_in(const struct tree *tree, const struct run *run, struct ipt_chain *chain)
{
	struct entry *entry;

	for (entry = run->first; entry < run->first + run->n; entry++)
		if (entry->rule)
			memcpy(entry->rule->value.chain, chain->place.chain, IPT_CHAIN_SIZE);
		else
			add_masquerade(tree, chain, entry->address);
}

static void add_leaf(const struct tree *tree, const char *name, const struct run *run)
{
	struct ipt_chain chain;

	begin(tree, name, &chain);
	stand_in(tree, run, &chain);
	ipt_chain_go(&chain, run->next);
	ipt_chain_end(&chain);
}

/* A name for a chain that no words would fit. */
static void digest_name(const char *base, const uint8_t *address, uint8_t len,
			char ret[IPT_CHAIN_SIZE])
{
	struct {
		char base[IPT_CHAIN_SIZE];
		uint8_t address[16];
		uint8_t len, zero[7];
	} content = { .len = len };

	strncpy(content.base, base, sizeof(content.base) - 1);
	if (address)
		memcpy(content.address, address, sizeof(content.address));
	memset(ret, 0, IPT_CHAIN_SIZE);
	snprintf(ret, IPT_CHAIN_SIZE, IPT_PREFIX "%016" PRIx64,
		 pfw_hash(&content, sizeof(content)));
}

/* ---- By address */

static bool same_bits(const uint8_t *a, const uint8_t *b, unsigned int from, unsigned int bits)
{
	unsigned int i;

	for (i = from; i < from + bits; i += NIBBLE)
		if ((a[i / 8] ^ b[i / 8]) & (i % 8 ? 0x0f : 0xf0))
			return false;
	return true;
}

static void cut_address(const uint8_t *address, unsigned int len, uint8_t ret[16])
{
	unsigned int i;

	memcpy(ret, address, 16);
	for (i = len; i < 128; i += NIBBLE)
		ret[i / 8] &= i % 8 ? 0xf0 : 0x00;
}

static void match_address(const struct tree *tree, struct ipt_rule *rule, const uint8_t *address,
			  unsigned int len)
{
	if (tree->source) {
		rule->asks |= IPT_ORIGINAL_ADDRESS;
		rule->original_len = (uint8_t)len;
		memcpy(rule->original, address, sizeof(rule->original));
	} else {
		rule->asks |= IPT_DESTINATION;
		rule->destination_len = (uint8_t)len;
		memcpy(rule->destination, address, sizeof(rule->destination));
	}
}

static void add_addresses(const struct tree *tree, const char *name, const struct run *run,
			  unsigned int len);

/* One chain for each sixteenth that has entries, and the way to it; len bits tell one. */
static void add_sixteenths(const struct tree *tree, struct ipt_chain *chain, const struct run *run,
			   unsigned int len)
{
	struct run child = { .next = run->next };
	char to[IPT_CHAIN_SIZE];
	uint8_t prefix[16];
	size_t i;

	for (i = 0; i < run->n; i += child.n) {
		struct ipt_rule rule = { 0 };

		child.first = run->first + i;
		for (child.n = 1; i + child.n < run->n; child.n++)
			if (!same_bits(child.first->address, child.first[child.n].address,
				       len - NIBBLE, NIBBLE))
				break;
		cut_address(child.first->address, len, prefix);
		digest_name(tree->base, prefix, (uint8_t)len, to);
		match_address(tree, &rule, prefix, len);
		ipt_rule_lead(&rule, IPT_GOTO, to);
		ipt_chain_add(chain, &rule);
		add_addresses(tree, to, &child, len);
	}
}

/* Entries sorted by their addresses, whose first len bits are the same. */
static void add_addresses(const struct tree *tree, const char *name, const struct run *run,
			  unsigned int len)
{
	unsigned int all = (unsigned int)pfw_addr_size(tree->family) * 8;
	const uint8_t *low = run->first->address;
	const uint8_t *high = run->first[run->n - 1].address;
	struct ipt_chain chain;

	/* Where all are the same, nothing divides. */
	while (len < all && same_bits(low, high, len, NIBBLE))
		len += NIBBLE;
	if (run->n <= LEAF || len == all) {
		add_leaf(tree, name, run);
		return;
	}
	begin(tree, name, &chain);
	add_sixteenths(tree, &chain, run, len + NIBBLE);
	ipt_chain_go(&chain, run->next);
	ipt_chain_end(&chain);
}

/* ---- By port */

/* A part of the ports: of all protocols, or of one. */
struct part {
	uint8_t protocol;	/* 0: all */
	unsigned int bits;	/* that are free below those that all ports have in common */
};

static uint16_t low_of(uint16_t port, unsigned int bits)
{
	return (uint16_t)(port >> bits << bits);
}

/* Whether the ports of a rule are all in one part of so many free bits. */
static bool fits(const struct entry *entry, unsigned int bits)
{
	const struct pfw_ports *port = &entry->rule->key.key.port;

	return low_of(port->lo, bits) == low_of(port->hi, bits);
}

/* Puts those first that fit into no child, all else in order; the number of them. */
static size_t partition(const struct tree *tree, const struct run *run, const struct part *part)
{
	size_t i, across = 0, within = 0;

	for (i = 0; i < run->n; i++)
		if (!part->bits || !fits(&run->first[i], part->bits - NIBBLE))
			run->first[across++] = run->first[i];
		else
			tree->spare[within++] = run->first[i];
	memcpy(run->first + across, tree->spare, within * sizeof(*tree->spare));
	return across;
}

static void name_part(const struct tree *tree, const struct pfw_key *key, struct pfw_ports port,
		      char ret[IPT_CHAIN_SIZE])
{
	char text[PFW_PORTS_TEXT];

	memset(ret, 0, IPT_CHAIN_SIZE);
	snprintf(ret, IPT_CHAIN_SIZE, "%s%s-%s", tree->prefix, pfw_protocol_text(key->protocol),
		 pfw_ports_print(port, text));
}

static void match_part(const struct tree *tree, struct ipt_rule *rule, uint8_t protocol,
		       struct pfw_ports port)
{
	rule->protocol = protocol;
	if (tree->source) {
		rule->asks |= IPT_ORIGINAL_PORT;
		rule->original_port = port;
	} else {
		ipt_match_port(rule, protocol, port);
	}
}

static void add_ports(const struct tree *tree, const char *name, const struct run *run,
		      struct part part);

/* One chain for each part that has rules, and the way to it. */
static void add_children(const struct tree *tree, struct ipt_chain *chain, const struct run *run,
			 struct part part)
{
	struct run child = { .next = run->next };
	size_t i;

	part.bits -= NIBBLE;
	for (i = 0; i < run->n; i += child.n) {
		const struct pfw_key *key = &run->first[i].rule->key.key;
		uint16_t low = low_of(key->port.lo, part.bits);
		struct pfw_ports port = { low, (uint16_t)(low | ((1u << part.bits) - 1)) };
		struct ipt_rule rule = { 0 };
		char to[IPT_CHAIN_SIZE];

		child.first = run->first + i;
		for (child.n = 1; i + child.n < run->n; child.n++)
			if (child.first[child.n].rule->key.key.protocol != key->protocol ||
			    low_of(child.first[child.n].rule->key.key.port.lo, part.bits) != low)
				break;
		part.protocol = key->protocol;
		name_part(tree, key, port, to);
		match_part(tree, &rule, key->protocol, port);
		ipt_rule_lead(&rule, IPT_GOTO, to);
		ipt_chain_add(chain, &rule);
		add_ports(tree, to, &child, part);
	}
}

/* Rules that no child takes, then the way to the children. */
static void add_node(const struct tree *tree, const char *name, const struct run *across,
		     const struct run *within, struct part part)
{
	struct ipt_chain chain;

	begin(tree, name, &chain);
	stand_in(tree, across, &chain);
	if (within->n)
		add_children(tree, &chain, within, part);
	ipt_chain_go(&chain, within->next);
	ipt_chain_end(&chain);
}

/* Puts those with an address first, by address; the number of them. */
static size_t sort_addressed(const struct tree *tree, const struct run *run)
{
	size_t i, with = 0, without = 0;

	for (i = 0; i < run->n; i++)
		if (ipt_tier_has_address(run->first[i].rule->key.key.tier))
			run->first[with++] = run->first[i];
		else
			tree->spare[without++] = run->first[i];
	memcpy(run->first + with, tree->spare, without * sizeof(*tree->spare));
	qsort(run->first, with, sizeof(*run->first), compare_address);
	return with;
}

static void add_ports(const struct tree *tree, const char *name, const struct run *run,
		      struct part part)
{
	struct run across = *run, within = *run, addressed;
	struct tree below = *tree;
	char rest[IPT_CHAIN_SIZE];

	if (run->n <= LEAF) {
		add_leaf(tree, name, run);
		return;
	}
	across.n = partition(tree, run, &part);
	within.first += across.n;
	within.n -= across.n;
	addressed = across;
	addressed.n = across.n > LEAF ? sort_addressed(tree, &across) : 0;
	if (addressed.n <= LEAF) {
		add_node(tree, name, &across, &within, part);
		return;
	}
	across.first += addressed.n;
	across.n -= addressed.n;
	if (across.n || within.n) {
		digest_name(name, NULL, 0, rest);
		add_node(tree, rest, &across, &within, part);
		addressed.next = rest;
	}
	below.base = name;
	add_addresses(&below, name, &addressed, 0);
}

/* ---- Sections */

/* The first chain of a section, and how its other chains begin. */
static void name_section(bool source, unsigned int section, char ret_root[IPT_CHAIN_SIZE],
			 char ret_prefix[IPT_CHAIN_SIZE])
{
	memset(ret_root, 0, IPT_CHAIN_SIZE);
	if (section) {
		snprintf(ret_root, IPT_CHAIN_SIZE, IPT_PREFIX "%sr%u", source ? "s" : "",
			 section - 1);
		snprintf(ret_prefix, IPT_CHAIN_SIZE, "%s-", ret_root);
	} else {
		snprintf(ret_root, IPT_CHAIN_SIZE, "%s", source ? IPT_CHAIN_SNAT : IPT_CHAIN_DNAT);
		snprintf(ret_prefix, IPT_CHAIN_SIZE, IPT_PREFIX "%s", source ? "s-" : "");
	}
}

/* Each section leads to the next one that has rules, so the last one is made first. */
static void add_sections(struct tree *tree, const struct run *run)
{
	char roots[SECTIONS][IPT_CHAIN_SIZE], prefix[IPT_CHAIN_SIZE];
	const struct part all = { .bits = 16 };
	const char *next = run->next;
	size_t end = run->n, start;
	unsigned int i;

	for (i = SECTIONS; i-- > 0; end = start) {
		struct run section = { .next = next };

		for (start = end; start && section_of(&run->first[start - 1].rule->key.key) == i;)
			start--;
		section.first = run->first + start;
		section.n = end - start;
		if (i && !section.n)
			continue;
		name_section(tree->source, i, roots[i], prefix);
		tree->prefix = prefix;
		add_ports(tree, roots[i], &section, all);
		next = roots[i];
	}
}

/* All rules of one family that rewrite the destination, or the source. */
static void add_tree(struct tree *tree, struct run *run)
{
	run->next = tree->source && ipt_has_hairpin(tree->build->plan, tree->family) ?
			    IPT_CHAIN_HAIRPIN : NULL;
	if (run->n > FLAT)
		add_sections(tree, run);
	else if (run->n || run->next)
		add_leaf(tree, tree->source ? IPT_CHAIN_SNAT : IPT_CHAIN_DNAT, run);
}

static void collect(const struct ipt_build *build, struct entry *entries)
{
	size_t i;

	for (i = 0; i < build->n_cells; i++)
		entries[i] = (struct entry){
			.order = order_of(&build->cells[i]->key),
			.address = build->cells[i]->key.key.address,
			.rule = build->cells[i],
		};
	qsort(entries, build->n_cells, sizeof(*entries), compare_order);
}

void ipt_add_trees(struct ipt_build *build)
{
	struct entry *entries = calloc(build->n_cells + 1, 2 * sizeof(*entries));
	struct tree tree = { .build = build };
	struct run run = { .first = entries };
	unsigned int i;

	if (!entries) {
		build->failed = true;
		return;
	}
	tree.spare = entries + build->n_cells;
	collect(build, entries);
	for (i = 0; i < 4; i++, run.first += run.n) {
		tree.family = i < 2 ? AF_INET : AF_INET6;
		tree.source = i % 2;
		run.n = build->n_rules[i / 2][i % 2];
		add_tree(&tree, &run);
	}
	free(entries);
}

void ipt_add_masquerades(struct ipt_build *build, uint8_t family)
{
	const struct pfw_plan *plan = build->plan;
	struct entry *entries = calloc(plan->n_goals + 1u, sizeof(*entries));
	struct tree tree = { .build = build, .family = family, .base = IPT_CHAIN_TARGETS };
	struct run run = { .first = entries };
	uint32_t i;

	if (!entries) {
		build->failed = true;
		return;
	}
	for (i = 0; i < plan->n_goals; i++)
		if (plan->goals[i].address.family == family)
			entries[run.n++].address = plan->goals[i].address.bytes;
	qsort(entries, run.n, sizeof(*entries), compare_address);
	if (run.n > FLAT)
		add_addresses(&tree, IPT_CHAIN_TARGETS, &run, 0);
	else
		add_leaf(&tree, IPT_CHAIN_TARGETS, &run);
	free(entries);
}
