/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What iptables cannot express, and so is refused before anything is changed. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "compile.h"

static const uint8_t families[] = { AF_INET, AF_INET6 };

/* xt_time keeps seconds of 31 bits, and the last of them stands for never. */
#define TIME_MAX INT64_C(2147483647)
/* Of a range that is shifted to the machine itself, each port has a rule. */
#define REDIRECTS_MAX 1024u

static bool logs_long_name(const struct pfw_plan *plan, const struct pfw_forward *forward)
{
	(void)plan;
	return forward->log && strlen(forward->name) > IPT_LOG_NAME_MAX;
}

static bool has_shares(const struct pfw_forward *forward, enum pfw_balance balance, uint32_t most)
{
	uint32_t divisor;
	unsigned int f;

	for (f = 0; f < 2; f++)
		if (forward->balance == balance &&
		    pfw_forward_n_targets(forward, families[f]) > 1 &&
		    ipt_shares(forward, families[f], &divisor) > most)
			return true;
	return false;
}

static bool balances_many_clients(const struct pfw_plan *plan, const struct pfw_forward *forward)
{
	(void)plan;
	return has_shares(forward, PFW_BALANCE_SOURCE, IPT_CLUSTER_MAX);
}

static bool balances_long_rounds(const struct pfw_plan *plan, const struct pfw_forward *forward)
{
	(void)plan;
	return has_shares(forward, PFW_BALANCE_ROUND_ROBIN, IPT_ROUNDS_MAX);
}

static bool expires_late(const struct pfw_plan *plan, const struct pfw_forward *forward)
{
	(void)plan;
	return forward->expires > TIME_MAX;
}

static bool has_other_rate(const struct pfw_plan *plan, const struct pfw_forward *forward)
{
	(void)plan;
	return forward->limit.rate && !ipt_rate_fits(&forward->limit);
}

/* Each family has tables of its own, and so counts for itself. */
static bool rates_both_families(const struct pfw_plan *plan, const struct pfw_forward *forward)
{
	unsigned int f, n = 0;

	(void)plan;
	for (f = 0; forward->limit.rate && f < 2; f++)
		n += pfw_forward_serves(forward, families[f]) && ipt_admits(forward, families[f]);
	return n == 2;
}

static bool shifts_many(const struct pfw_plan *plan, const struct pfw_forward *forward)
{
	const struct pfw_target *target = &forward->targets[0];
	uint16_t i;

	(void)plan;
	if (!target->self || target->port.hi - target->port.lo < (int)REDIRECTS_MAX)
		return false;
	for (i = 0; i < forward->listen.n_addresses; i++)
		if (!pfw_addr_is_any(&forward->listen.addresses[i]))
			return true;
	return false;
}

/* Only the source address and the guard ask for each prefix of who is admitted. */
static bool admits_many(const struct pfw_plan *plan, const struct pfw_forward *forward)
{
	struct ipt_prefixes admitted = { 0 };
	bool many = false;
	unsigned int f;

	if (!pfw_plan_needs_from(plan, forward) && !pfw_plan_needs_pass(plan, forward))
		return false;
	for (f = 0; f < 2; f++) {
		admitted.n = 0;
		many |= ipt_admitted(forward, families[f], IPT_ADMITTED_MAX, &admitted) == -E2BIG;
	}
	free(admitted.list);
	return many;
}

const struct ipt_limit ipt_limits[] = {
	{ "balance", "\"source\" with targets whose weights, divided by what they have in common, "
	  "are more than 32 together", balances_many_clients },
	{ "balance", "\"round-robin\" with targets whose weights, divided by what they have in "
	  "common, are more than 1024 together", balances_long_rounds },
	{ "expires", "a time after 2038-01-19T03:14:07Z", expires_late },
	{ "limit.rate", "more than 10000 connections a second, or a burst of more than 1000000 or "
	  "than a day of the rate allows", has_other_rate },
	{ "limit.rate", "a rate of connections of both families together (make two forwards, one "
	  "for each)", rates_both_families },
	{ "log", "a forward whose name has more than 19 characters, for which the prefix of a log "
	  "line has no room", logs_long_name },
	{ "source", "prefixes that, without what is excluded, are more than 1024, where snat or "
	  "the guard depends on them", admits_many },
	{ "target", "\"self\" with a range of more than 1024 other ports, where an address to "
	  "listen on is given", shifts_many },
	{ 0 },
};

int ipt_refuse(const struct pfw_plan *plan, const struct pfw_forward *forward,
	       struct pfw_error *err)
{
	const struct ipt_limit *limit;
	int ret = 0;
	size_t mark;

	for (limit = ipt_limits; limit->key; limit++) {
		if (!limit->exceeded(plan, forward))
			continue;
		mark = pfw_error_enter(err, ".%s", limit->key);
		ret = pfw_error_add(err, PFW_FAILED,
				    "\"%s\": the iptables backend cannot express %s; change it, or "
				    "use the nftables backend", forward->name, limit->says);
		pfw_error_leave(err, mark);
	}
	return ret;
}
