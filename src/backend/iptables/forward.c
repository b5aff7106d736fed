/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The chains of one forward that needs more than a rewrite: who is admitted, within
 * which limits, and where to.
 */
#include <stdlib.h>
#include <string.h>

#include "compile.h"

/* The way of a connection through the chains of a forward; chain is the one that is being made. */
struct way {
	struct ipt_build *build;
	const struct pfw_forward *forward;
	uint8_t family;
	struct ipt_chain chain;
};

static void begin(struct way *way, const char *prefix)
{
	char name[IPT_CHAIN_SIZE];

	ipt_chain_name(prefix, way->forward->name, name);
	ipt_chain_begin(&way->chain, way->build, way->family, IPT_TABLE_NAT, name,
			way->forward->name);
}

static void add(struct way *way, struct ipt_rule *rule)
{
	ipt_rule_own(rule, way->forward);
	ipt_chain_add(&way->chain, rule);
}

static void lead(struct way *way, struct ipt_rule *rule, const char *prefix)
{
	char name[IPT_CHAIN_SIZE];

	ipt_chain_name(prefix, way->forward->name, name);
	ipt_rule_lead(rule, IPT_GOTO, name);
	add(way, rule);
}

/* One rule for each prefix of this family: out of the chain, or to the chain of who is admitted. */
static void add_prefixes(struct way *way, const struct pfw_prefix *prefixes, uint16_t n,
			 bool admitted)
{
	uint16_t i;

	for (i = 0; i < n; i++) {
		struct ipt_rule rule = { .target = IPT_RETURN };

		if (prefixes[i].addr.family != way->family)
			continue;
		ipt_match_source(&rule, &prefixes[i]);
		if (admitted)
			lead(way, &rule, IPT_PREFIX_GO);
		else
			add(way, &rule);
	}
}

/* Who is not admitted goes back to where other forwards are asked. */
static void add_admission(struct way *way)
{
	const struct pfw_forward *forward = way->forward;

	add_prefixes(way, forward->excluded, forward->n_excluded, false);
	if (!forward->n_sources)
		return;
	add_prefixes(way, forward->sources, forward->n_sources, true);
	ipt_chain_end(&way->chain);
	begin(way, IPT_PREFIX_GO);
}

/* What must come in by an interface is never the machine's own. */
static void need_sink(struct way *way)
{
	struct ipt_build *build = way->build;

	build->needs_sink[ipt_family_index(way->family)] = true;
	if (way->family == AF_INET && !way->forward->listen.n_interfaces &&
	    !pfw_plan_remote(build->plan, way->forward))
		build->sinks_own = true;
}

/* Limits fail closed: within them it goes on, and everything else is dropped. */
static void add_limits(struct way *way)
{
	const struct pfw_limit *limit = &way->forward->limit;
	struct ipt_rule rule = { 0 }, drop = { 0 };

	if (!limit->rate && !limit->connections)
		return;
	if (limit->rate) {
		rule.asks |= IPT_RATE;
		rule.limit = *limit;
	}
	if (limit->connections) {
		rule.asks |= IPT_CONNECTIONS;
		rule.limit.connections = limit->connections;
	}
	lead(way, &rule, IPT_PREFIX_IN);
	ipt_rule_lead(&drop, IPT_GOTO, IPT_CHAIN_DROP);
	add(way, &drop);
	need_sink(way);
	ipt_chain_end(&way->chain);
	begin(way, IPT_PREFIX_IN);
}

/* A port to rewrite wants its protocol asked for: one rule for each of the forward's. */
static void add_target(struct way *way, const struct pfw_target *target, struct ipt_rule rule)
{
	unsigned int bit;

	rule.to = target->port;
	rule.base = target->port.lo != target->port.hi ? way->forward->listen.ports[0].lo : 0;
	if (!target->port.lo) {
		add(way, &rule);
		return;
	}
	for (bit = 1; bit < 1u << PFW_PROTOCOLS; bit <<= 1)
		if (way->forward->listen.protocols & bit) {
			rule.protocol = pfw_protocol_number(bit);
			add(way, &rule);
		}
}

/* ---- The machine itself */

/* Whether it may be asked for at an address that is not the machine's. */
static bool listens_elsewhere(const struct way *way)
{
	const struct pfw_listen *listen = &way->forward->listen;
	uint16_t i;

	for (i = 0; i < listen->n_addresses; i++)
		if (listen->addresses[i].family == way->family &&
		    !pfw_addr_is_any(&listen->addresses[i]))
			return true;
	return false;
}

/* Redirecting cannot shift a range, so each port has its rule. */
static void add_redirects(struct way *way, const struct pfw_target *target)
{
	struct pfw_target single = *target;
	uint32_t port = way->forward->listen.ports[0].lo;
	uint32_t to;

	for (to = target->port.lo; to <= target->port.hi; to++, port++) {
		struct ipt_rule rule = { .target = IPT_REDIRECT };

		if (target->port.lo != target->port.hi) {
			rule.asks = IPT_PORT;
			rule.port = (struct pfw_ports){ (uint16_t)port, (uint16_t)port };
		}
		single.port = (struct pfw_ports){ (uint16_t)to, (uint16_t)to };
		add_target(way, &single, rule);
	}
}

static void add_self(struct way *way, const struct pfw_target *target)
{
	struct ipt_rule rule = {
		.asks = IPT_TO_LOCAL,
		.target = target->port.lo ? IPT_DNAT : IPT_ACCEPT,
	};

	add_target(way, target, rule);
	if (listens_elsewhere(way))
		add_redirects(way, target);
}

/* ---- Other machines */

/* The targets of the family, and of each how many shares it has. */
struct choice {
	const struct pfw_target **targets;
	uint32_t *shares;
	size_t n;
	uint32_t all;
};

static void add_address(struct way *way, const struct pfw_target *target, struct ipt_rule rule)
{
	rule.target = IPT_DNAT;
	rule.has_address = true;
	memcpy(rule.address, target->address.bytes, sizeof(rule.address));
	add_target(way, target, rule);
}

/* Of what is left by the targets before, this one's share. */
static void add_random(struct way *way, const struct choice *of)
{
	const uint64_t whole = 0x80000000;
	uint64_t left = of->all;
	size_t i;

	for (i = 0; i < of->n; left -= of->shares[i++]) {
		struct ipt_rule rule = { 0 };

		if (i + 1 < of->n) {
			rule.asks = IPT_RANDOM;
			rule.share = (uint32_t)((of->shares[i] * whole + left / 2) / left);
		}
		add_address(way, of->targets[i], rule);
	}
}

/* The target whose turn it is, so that those of one target lie far apart. */
static size_t next_turn(const struct choice *of, int64_t *credit)
{
	size_t i, best = 0;

	for (i = 0; i < of->n; i++) {
		credit[i] += of->shares[i];
		if (credit[i] > credit[best])
			best = i;
	}
	credit[best] -= of->all;
	return best;
}

/* A rule for each share: the first takes one of all, the next one of all but one, ... */
static void add_rounds(struct way *way, const struct choice *of)
{
	int64_t *credit = calloc(of->n, sizeof(*credit));
	uint32_t left;

	if (!credit) {
		way->build->failed = true;
		return;
	}
	for (left = of->all; left; left--) {
		struct ipt_rule rule = { 0 };

		if (left > 1) {
			rule.asks = IPT_NTH;
			rule.share = left;
		}
		add_address(way, of->targets[next_turn(of, credit)], rule);
	}
	free(credit);
}

/*
 * Each rule takes its shares of who is left by those before, chosen anew by a seed of its own.
 * The last target takes the rest, so that nobody falls through.
 */
static void add_by_client(struct way *way, const struct choice *of)
{
	uint32_t left = of->all, wanted, taken;
	uint8_t seed = 0;
	size_t i;

	for (i = 0; i + 1 < of->n; i++)
		for (wanted = of->shares[i]; wanted; wanted -= taken, left -= taken) {
			taken = wanted < IPT_CLUSTER_SHARES_MAX ? wanted : IPT_CLUSTER_SHARES_MAX;
			add_address(way, of->targets[i], (struct ipt_rule){
				.asks = IPT_CLUSTER,
				.nodes = (1u << taken) - 1,
				.total = left,
				.seed = seed++,
			});
		}
	add_address(way, of->targets[i], (struct ipt_rule){ 0 });
}

/* So many of the last bits of an address tell clients apart. */
#define END_BITS 10

/* The same bits, the last one first. */
static uint32_t reversed(uint32_t bits)
{
	uint32_t ret = 0;
	unsigned int i;

	for (i = 0; i < END_BITS; i++)
		ret |= (bits >> i & 1) << (END_BITS - 1 - i);
	return ret;
}

/* How many of all ends are the target's. */
static uint32_t ends_of(const struct choice *of, size_t target)
{
	uint32_t before = 0, all = 1u << END_BITS;
	size_t i;

	for (i = 0; i < target; i++)
		before += of->shares[i];
	return (before + of->shares[target]) * all / of->all - before * all / of->all;
}

/* Those whose last bits, len of them, are these. */
static struct ipt_rule match_end(uint8_t len, uint32_t bits)
{
	struct ipt_rule rule = { .asks = IPT_SOURCE_END, .source_len = len };

	rule.source[14] = (uint8_t)(bits >> 8);
	rule.source[15] = (uint8_t)bits;
	return rule;
}

/*
 * Of an IPv6 address the match cluster sees the first 32 bits only, which many clients
 * share. So the last bits of it choose: each target takes halves, quarters and so on of
 * what is left, and neighbours come to different targets. The last target takes the rest.
 */
static void add_by_end(struct way *way, const struct choice *of)
{
	uint32_t at = 0, size;
	struct ipt_rule rule;
	uint8_t len;
	size_t i;

	for (len = 1; len <= END_BITS; len++)
		for (i = 0, size = 1u << (END_BITS - len); i + 1 < of->n; i++) {
			if (!(ends_of(of, i) & size))
				continue;
			rule = match_end(len, reversed(at));
			add_address(way, of->targets[i], rule);
			at += size;
		}
	add_address(way, of->targets[of->n - 1], (struct ipt_rule){ 0 });
}

static void add_choice(struct way *way, const struct choice *of)
{
	switch ((enum pfw_balance)way->forward->balance) {
	case PFW_BALANCE_ROUND_ROBIN:
		add_rounds(way, of);
		break;
	case PFW_BALANCE_SOURCE:
		if (way->family == AF_INET6)
			add_by_end(way, of);
		else
			add_by_client(way, of);
		break;
	case PFW_BALANCE_RANDOM:
		add_random(way, of);
		break;
	}
}

static void add_targets(struct way *way)
{
	const struct pfw_forward *forward = way->forward;
	struct choice choice = {
		.targets = calloc(forward->n_targets, sizeof(*choice.targets)),
		.shares = calloc(forward->n_targets, sizeof(*choice.shares)),
	};
	uint32_t divisor;
	uint16_t i;

	choice.all = ipt_shares(forward, way->family, &divisor);
	if (!choice.targets || !choice.shares) {
		way->build->failed = true;
	} else {
		for (i = 0; i < forward->n_targets; i++) {
			if (forward->targets[i].address.family != way->family)
				continue;
			choice.shares[choice.n] = forward->targets[i].weight / divisor;
			choice.targets[choice.n++] = &forward->targets[i];
		}
		add_choice(way, &choice);
	}
	free(choice.targets);
	free(choice.shares);
}

uint32_t ipt_shares(const struct pfw_forward *forward, uint8_t family, uint32_t *ret_divisor)
{
	uint32_t sum = 0, a, b = 0, rest;
	uint16_t i;

	for (i = 0; i < forward->n_targets; i++) {
		if (forward->targets[i].self || forward->targets[i].address.family != family)
			continue;
		sum += forward->targets[i].weight;
		for (a = forward->targets[i].weight; a; a = rest) {
			rest = b % a;
			b = a;
		}
	}
	*ret_divisor = b ? b : 1;
	return sum / *ret_divisor;
}

/* ---- All of it */

static void add_log(struct way *way)
{
	struct ipt_rule rule = { .asks = IPT_LOG_RATE, .target = IPT_LOG };

	if (way->forward->log)
		add(way, &rule);
}

void ipt_add_forward(struct ipt_build *build, const struct pfw_forward *forward, uint8_t family)
{
	struct way way = { .build = build, .forward = forward, .family = family };

	begin(&way, IPT_PREFIX_TO);
	add_admission(&way);
	add_limits(&way);
	add_log(&way);
	if (forward->targets[0].self)
		add_self(&way, &forward->targets[0]);
	else
		add_targets(&way);
	ipt_chain_end(&way.chain);
}
