/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Rules of all kinds for the tests of the iptables backend. */
#include <netinet/in.h>

#include "cases.h"
#include "ipt_rules.h"

#define ASKS 21		/* bits, IPT_SOURCE to IPT_SOURCE_END */

/* What exclude each other: they are about one field of an entry. */
static const uint32_t exclusive[] = {
	IPT_SOURCE | IPT_SOURCE_END,
	IPT_DESTINATION | IPT_NOT_DESTINATION,
	IPT_IN | IPT_NOT_IN,
	IPT_DNATED | IPT_REPLY,
	IPT_RANDOM | IPT_NTH,
};

static const char *const names[] = {
	"", "web", "a", "tcp-198.51.100.1-8080", "x_y.z-9",
	"a123456789012345678901234567890123456789012345678901234567890.z",
};
static const char *const interfaces[] = {
	"lo", "wan0", "eth0.100", "a", "abcdefghijklmno", "br-1:2@x",
};
static const uint8_t protocols[] = { IPPROTO_TCP, IPPROTO_UDP, IPPROTO_SCTP };
static const struct pfw_ports ports[] = {
	{ 1, 1 }, { 80, 80 }, { 8000, 8100 }, { 1, 65535 }, { 65535, 65535 },
};
static const struct pfw_limit limits[] = {
	{ 50, 1, 0, 0 }, { 50, 1, 5, 0 }, { 1, 1, 1000000 / 86400, 0 }, { 1500, 1, 7, 0 },
	{ 1500, 60, 7, 0 }, { 7, 3600, 1, 0 }, { 7, 86400, 7, 0 }, { 10000, 1, 1000000, 0 },
	{ 345601, 86400, 4, 0 }, { 3, 1, 50000, 0 }, { 5, 86400, 0, 0 }, { 61, 60, 3, 0 },
};
static const uint32_t connections[] = { 1, 10, UINT32_MAX };
static const int64_t times[] = { 1800000000, INT32_MAX, 2, 2000000001 };

#define PICK(random, list) ((list)[sample_below(random, COUNT(list))])

static void any_address(struct sample_random *random, uint8_t family, uint8_t len, uint8_t ret[16])
{
	unsigned int i;

	for (i = 0; i < pfw_addr_size(family); i++)
		ret[i] = (uint8_t)sample_below(random, 256);
	ret[0] |= 1;
	/* Host bits are zero: a shorter prefix would be another way to say the same. */
	for (i = len; i < 8 * pfw_addr_size(family); i++)
		ret[i / 8] &= (uint8_t)~(0x80 >> i % 8);
}

static void any_end(struct sample_random *random, uint8_t family, uint8_t len, uint8_t ret[16])
{
	unsigned int i, bits = 8 * (unsigned int)pfw_addr_size(family);

	for (i = bits - len; i < bits; i++)
		if (sample_below(random, 2))
			ret[i / 8] |= (uint8_t)(0x80 >> i % 8);
}

static void any_match(struct sample_random *random, uint8_t family, struct ipt_rule *rule)
{
	uint32_t bits = 8 * (uint32_t)pfw_addr_size(family);

	if (rule->asks & IPT_SOURCE) {
		rule->source_len = (uint8_t)(1 + sample_below(random, bits));
		any_address(random, family, rule->source_len, rule->source);
	}
	if (rule->asks & IPT_SOURCE_END) {
		rule->source_len = (uint8_t)(1 + sample_below(random, bits - 1));
		any_end(random, family, rule->source_len, rule->source);
	}
	if (rule->asks & (IPT_DESTINATION | IPT_NOT_DESTINATION)) {
		rule->destination_len = (uint8_t)(sample_below(random, 2) ? bits :
						  1 + sample_below(random, bits));
		any_address(random, family, rule->destination_len, rule->destination);
	}
	if (rule->asks & (IPT_IN | IPT_NOT_IN))
		strcpy(rule->in, PICK(random, interfaces));
	if (rule->asks & IPT_OUT)
		strcpy(rule->out, PICK(random, interfaces));
	if (rule->asks & IPT_PORT)
		rule->port = PICK(random, ports);
	if (rule->asks & IPT_ORIGINAL_PORT)
		rule->original_port = PICK(random, ports);
	if (rule->asks & IPT_ORIGINAL_ADDRESS) {
		rule->original_len = (uint8_t)(sample_below(random, 2) ? bits :
					       1 + sample_below(random, bits));
		any_address(random, family, rule->original_len, rule->original);
	}
}

static void any_count(struct sample_random *random, struct ipt_rule *rule)
{
	uint32_t share;

	if (rule->asks & IPT_RANDOM)
		rule->share = 1 + sample_below(random, 0x7fffffff);
	if (rule->asks & IPT_NTH)
		rule->share = 2 + sample_below(random, 1023);
	if (rule->asks & IPT_CLUSTER) {
		rule->total = 2 + sample_below(random, IPT_CLUSTER_MAX - 1);
		share = rule->total < IPT_CLUSTER_SHARES_MAX ? rule->total : IPT_CLUSTER_SHARES_MAX;
		rule->nodes = 1 + sample_below(random, (1u << share) - 1);
		rule->seed = (uint8_t)sample_below(random, 256);
	}
	if (rule->asks & IPT_RATE)
		rule->limit = PICK(random, limits);
	if (rule->asks & IPT_CONNECTIONS)
		rule->limit.connections = PICK(random, connections);
	if (rule->asks & IPT_UNTIL)
		rule->until = PICK(random, times);
}

static void any_target(struct sample_random *random, uint8_t family, struct ipt_rule *rule)
{
	uint32_t choice = sample_below(random, 4);

	if (rule->target == IPT_JUMP || rule->target == IPT_GOTO)
		strcpy(rule->chain, IPT_RULES_CHAIN);
	if (rule->target == IPT_SNAT || (rule->target == IPT_DNAT && choice)) {
		rule->has_address = true;
		any_address(random, family, UINT8_MAX, rule->address);
	}
	if (rule->target == IPT_DNAT && choice < 3) {
		rule->to = PICK(random, ports);
		rule->base = choice == 2 && rule->to.lo != rule->to.hi ? 1000 : 0;
	} else if (rule->target == IPT_REDIRECT && choice) {
		rule->to.lo = rule->to.hi = (uint16_t)(1 + sample_below(random, UINT16_MAX));
	}
}

static void any_rule(struct sample_random *random, uint8_t family, uint32_t asks, uint8_t target,
		     struct ipt_rule *ret)
{
	size_t i;

	memset(ret, 0, sizeof(*ret));
	ret->asks = asks;
	ret->target = target;
	for (i = 0; i < COUNT(exclusive); i++)
		if ((ret->asks & exclusive[i]) == exclusive[i])
			ret->asks &= ~(exclusive[i] & -exclusive[i]);
	if (ret->asks & (IPT_PORT | IPT_ORIGINAL_PORT) || target == IPT_DNAT ||
	    target == IPT_REDIRECT || sample_below(random, 2))
		ret->protocol = PICK(random, protocols);
	strcpy(ret->owner, target == IPT_LOG ? names[1 + sample_below(random, 2)] :
					       PICK(random, names));
	any_match(random, family, ret);
	any_count(random, ret);
	any_target(random, family, ret);
}

size_t ipt_rules_make(uint8_t family, bool nat, struct ipt_rule ret[IPT_RULES_MAX])
{
	static const uint8_t of_nat[] = { IPT_RETURN, IPT_ACCEPT, IPT_JUMP, IPT_GOTO, IPT_DNAT,
					  IPT_REDIRECT, IPT_SNAT, IPT_MASQUERADE };
	static const uint8_t of_filter[] = { IPT_RETURN, IPT_DROP, IPT_GOTO, IPT_LOG };
	const uint8_t *targets = nat ? of_nat : of_filter;
	size_t n_targets = nat ? COUNT(of_nat) : COUNT(of_filter), n = 0, i, bit;
	struct sample_random random = { family + (nat ? 1000u : 0) };
	uint32_t asks;

	for (i = 0; i < n_targets; i++) {
		for (bit = 0; bit < ASKS; bit++)
			any_rule(&random, family, 1u << bit, targets[i], &ret[n++]);
		for (bit = 0; bit < 40; bit++) {
			asks = sample_below(&random, 1u << ASKS);
			if (bit < 30)
				asks &= sample_below(&random, 1u << ASKS);
			any_rule(&random, family, asks, targets[i], &ret[n++]);
		}
		any_rule(&random, family, 0, targets[i], &ret[n++]);
	}
	return n;
}
