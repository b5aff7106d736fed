/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The chains of one forward that needs more than a rewrite: who is
 * admitted, within which limits, where to, and what happens to the source.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nft.h"

/* More than this would only fill the log. */
#define LOG_RATE 10

static const uint8_t families[] = { AF_INET, AF_INET6 };

struct build {
	const struct pfw_plan *plan;
	const struct pfw_forward *forward;
	struct nft_chain chain;
	struct nft_rule rule;
};

static void begin(struct build *build, const char *prefix, char name[NFT_CHAIN_NAME])
{
	const struct nft_chain_value head = { 0 };

	snprintf(name, NFT_CHAIN_NAME, "%s%s", prefix, build->forward->name);
	nft_chain_begin(&build->chain, name, &head);
}

static void end_rule(struct build *build)
{
	nft_chain_add(&build->chain, &build->rule);
}

static void end_with(struct build *build, int32_t code, const char *chain)
{
	nft_add_verdict(&build->rule, code, chain);
	end_rule(build);
}

static void drop_rule(struct build *build)
{
	nft_rule_free(&build->rule);
	build->rule = (struct nft_rule){ 0 };
}

/* Who is not admitted goes back to the lookups. */
static void add_admission(struct build *build, uint8_t family)
{
	const struct pfw_forward *forward = build->forward;
	struct nft_rule *rule = &build->rule;

	if (forward->n_sources) {
		nft_match_family(rule, family);
		/* Where all sources are of the other family, nobody of this one is admitted. */
		nft_match_sources(rule, family, forward->sources, forward->n_sources, true);
		end_with(build, NFT_RETURN, NULL);
	}
	if (!forward->n_excluded)
		return;
	nft_match_family(rule, family);
	if (nft_match_sources(rule, family, forward->excluded, forward->n_excluded, false) == -ENOENT)
		drop_rule(build);
	else
		end_with(build, NFT_RETURN, NULL);
}

static void add_all_admissions(struct build *build)
{
	unsigned int f;

	for (f = 0; f < 2; f++)
		if (pfw_forward_target(build->forward, families[f]))
			add_admission(build, families[f]);
}

static void add_admissions(struct build *build)
{
	if (pfw_plan_remote(build->plan, build->forward)) {
		nft_match_from_machine(&build->rule);
		end_with(build, NFT_RETURN, NULL);
	}
	add_all_admissions(build);
}

/* Every connection that goes on from here is one of the forward's. */
static void count(struct build *build)
{
	if (build->plan->ruleset->settings.counters)
		nft_add_counter(&build->rule);
}

static bool is_range(struct pfw_ports ports)
{
	return ports.lo != ports.hi;
}

/* Calls with each protocol of the forward, or once with 0 where no rule asks for it. */
static void each_protocol(struct build *build, bool asked,
			  void (*add)(struct build *build, uint8_t protocol, const void *of),
			  const void *of)
{
	unsigned int bit;

	if (!asked) {
		add(build, 0, of);
		return;
	}
	for (bit = 1; bit < 1u << PFW_PROTOCOLS; bit <<= 1)
		if (build->forward->listen.protocols & bit)
			add(build, pfw_protocol_number(bit), of);
}

/*
 * nft wants the protocol before a port. One a rule, and no set of all: of anonymous sets the
 * kernel looks through all that there are, for each one anew.
 */
static void match_protocol(struct build *build, uint8_t protocol)
{
	if (protocol)
		nft_match_protocol(&build->rule, protocol);
}

/* One rule that goes on to the machine's own service: its address kept, or by redirect. */
static void add_self_rule(struct build *build, uint8_t protocol, const struct pfw_target *target,
			  bool redirect)
{
	struct nft_rule *rule = &build->rule;

	if (is_range(target->port))
		nft_match_transport(rule);
	match_protocol(build, protocol);
	if (!redirect)
		nft_match_to_machine(rule);
	count(build);
	if (!target->port.lo && redirect)
		nft_add_redirect_kept(rule);
	else if (!target->port.lo)
		nft_add_verdict(rule, NF_ACCEPT, NULL);
	else if (is_range(target->port))
		nft_add_shift(rule, AF_UNSPEC, target, build->forward->listen.ports[0], redirect);
	else if (redirect)
		nft_add_redirect_to(rule, target->port.lo);
	else
		nft_add_dnat_to_port(rule, target->port.lo);
	end_rule(build);
}

static void add_self_rules(struct build *build, uint8_t protocol, const void *target)
{
	add_self_rule(build, protocol, target, false);
	add_self_rule(build, protocol, target, true);
}

static void add_self(struct build *build, const struct pfw_target *target)
{
	each_protocol(build, target->port.lo && !is_range(target->port), add_self_rules, target);
}

/* The targets of a family. */
struct choice {
	uint8_t family;
	const struct pfw_target **targets;
	unsigned int n;
};

/* Up to so many targets have a rule each; more share a map. */
#define FEW_TARGETS 4

/*
 * Of what is left by the targets before, this one's share. A client's number stays the
 * same from rule to rule, so there it is the sum that grows.
 */
static void match_share(struct build *build, const struct choice *of, unsigned int at)
{
	bool by_source = build->forward->balance == PFW_BALANCE_SOURCE;
	uint32_t all = 0, before = 0;
	unsigned int i;

	for (i = 0; i < of->n; i++) {
		all += of->targets[i]->weight;
		before += i < at ? of->targets[i]->weight : 0;
	}
	nft_match_share(&build->rule, of->family, build->forward->balance,
			by_source ? all : all - before,
			of->targets[at]->weight + (by_source ? before : 0));
}

static void add_few_targets(struct build *build, uint8_t protocol, const void *choice)
{
	const struct choice *of = choice;
	struct nft_rule *rule = &build->rule;
	bool by_source;
	unsigned int i;

	for (i = 0; i < of->n; i++) {
		/* Where the rule reads the source address, nft asks for the family just before. */
		by_source = i + 1 < of->n && build->forward->balance == PFW_BALANCE_SOURCE;
		if (!by_source)
			nft_match_family(rule, of->family);
		match_protocol(build, protocol);
		if (by_source)
			nft_match_family(rule, of->family);
		if (i + 1 < of->n)
			match_share(build, of, i);
		count(build);
		nft_add_dnat_to(rule, &of->targets[i]->address, of->targets[i]->port.lo);
		end_rule(build);
	}
}

/* By a map: many targets, or one with a port for each of a range. */
static void add_mapped_targets(struct build *build, const struct choice *of)
{
	const struct pfw_forward *forward = build->forward;
	bool by_source = of->n > 1 && forward->balance == PFW_BALANCE_SOURCE;
	struct nft_rule *rule = &build->rule;

	if (!by_source)
		nft_match_family(rule, of->family);
	nft_match_transport(rule);
	count(build);
	if (by_source)
		nft_match_family(rule, of->family);
	if (of->n > 1)
		nft_add_balance(rule, of->family, forward->balance, of->targets, of->n);
	else
		nft_add_shift(rule, of->family, of->targets[0], forward->listen.ports[0], false);
	end_rule(build);
}

static int add_targets(struct build *build, uint8_t family)
{
	const struct pfw_forward *forward = build->forward;
	struct choice choice = { .family = family };
	unsigned int i;

	choice.targets = calloc(forward->n_targets, sizeof(*choice.targets));
	if (!choice.targets)
		return -ENOMEM;
	for (i = 0; i < forward->n_targets; i++)
		if (forward->targets[i].address.family == family)
			choice.targets[choice.n++] = &forward->targets[i];
	if (choice.n > FEW_TARGETS || (choice.n == 1 && is_range(choice.targets[0]->port)))
		add_mapped_targets(build, &choice);
	else
		each_protocol(build, choice.targets[0]->port.lo, add_few_targets, &choice);
	free(choice.targets);
	return 0;
}

static int add_body(struct build *build)
{
	const struct pfw_limit log_limit = { .rate = LOG_RATE, .per = 1 };
	const struct pfw_forward *forward = build->forward;
	char prefix[PFW_NAME_MAX + 16];
	unsigned int f;
	int ret = 0;

	if (forward->log) {
		snprintf(prefix, sizeof(prefix), "portfwd %s: ", forward->name);
		nft_add_limit(&build->rule, &log_limit, false);
		nft_add_log(&build->rule, prefix);
		end_rule(build);
	}
	if (forward->targets[0].self) {
		add_self(build, &forward->targets[0]);
		return 0;
	}
	for (f = 0; !ret && f < 2; f++)
		if (pfw_forward_target(forward, families[f]))
			ret = add_targets(build, families[f]);
	return ret;
}

/*
 * Under which number a forward's clients are counted; with another limit they are counted
 * anew, for the kernel keeps the old one with each client.
 */
static void count_number(const struct pfw_forward *forward, uint32_t ret[2])
{
	const uint64_t content[] = { pfw_hash(forward->name, strlen(forward->name)),
				     forward->limit.connections };
	uint64_t number = pfw_hash(content, sizeof(content));

	memcpy(ret, &number, sizeof(number));
}

/*
 * Limits fail closed: within the limit of open connections it goes on, and everything
 * else is dropped, also where the kernel could not count.
 */
static void add_connections(struct build *build)
{
	const struct pfw_forward *forward = build->forward;
	char go[NFT_CHAIN_NAME];
	uint32_t number[2];
	struct nft_set set;
	unsigned int f;

	snprintf(go, sizeof(go), NFT_PREFIX_GO "%s", forward->name);
	count_number(forward, number);
	for (f = 0; f < 2; f++) {
		if (!pfw_forward_target(forward, families[f]))
			continue;
		nft_set_describe((uint8_t)(NFT_SET_CONNECTIONS + f), &set);
		nft_match_family(&build->rule, families[f]);
		nft_add_count(&build->rule, families[f], set.name, number,
			      forward->limit.connections);
		end_with(build, NFT_GOTO, go);
	}
	end_with(build, NF_DROP, NULL);
}

static int compile_to(const struct pfw_plan *plan, const struct pfw_forward *forward,
		      struct pfw_image *image)
{
	struct build build = { .plan = plan, .forward = forward };
	char name[NFT_CHAIN_NAME], go[NFT_CHAIN_NAME];
	int ret = 0;

	begin(&build, NFT_PREFIX_TO, name);
	/*
	 * The kernel drops the element when so many seconds have passed, which is another time if
	 * the clock was set since, the machine slept, or nft loaded a list that was saved before.
	 */
	if (forward->expires) {
		nft_match_since(&build.rule, forward->expires);
		end_with(&build, NFT_RETURN, NULL);
	}
	add_admissions(&build);
	if (forward->limit.rate) {
		nft_add_limit(&build.rule, &forward->limit, true);
		end_with(&build, NF_DROP, NULL);
	}
	if (!forward->limit.connections) {
		ret = add_body(&build);
		return nft_chain_end_checked(&build.chain, image, ret);
	}
	add_connections(&build);
	ret = nft_chain_end(&build.chain, image);
	if (ret)
		return ret;
	begin(&build, NFT_PREFIX_GO, go);
	ret = add_body(&build);
	return nft_chain_end_checked(&build.chain, image, ret);
}

static int compile_from(const struct pfw_plan *plan, const struct pfw_forward *forward,
			struct pfw_image *image)
{
	struct build build = { .plan = plan, .forward = forward };
	char name[NFT_CHAIN_NAME];

	begin(&build, NFT_PREFIX_FROM, name);
	add_admissions(&build);
	switch (pfw_plan_source(plan, forward)) {
	case PFW_SOURCE_MASQUERADE:
		end_with(&build, NFT_GOTO, NFT_CHAIN_MASQUERADES);
		break;
	case PFW_SOURCE_ADDRESS:
		nft_match_family(&build.rule, forward->snat_address.family);
		nft_add_snat_to(&build.rule, &forward->snat_address);
		end_rule(&build);
		break;
	case PFW_SOURCE_AUTO:
		/* What is no hairpin would come back from there, to be asked for by others. */
		if (!pfw_forward_stays(forward))
			end_with(&build, NFT_JUMP, NFT_CHAIN_HAIRPINS);
		__attribute__((fallthrough));
	case PFW_SOURCE_KEEP:
		end_with(&build, NF_ACCEPT, NULL);
		break;
	}
	return nft_chain_end(&build.chain, image);
}

/* The machine's own connections are not forwarded by it, so there nobody asks. */
static int compile_pass(const struct pfw_plan *plan, const struct pfw_forward *forward,
			struct pfw_image *image)
{
	struct build build = { .plan = plan, .forward = forward };
	char name[NFT_CHAIN_NAME];

	begin(&build, NFT_PREFIX_PASS, name);
	add_all_admissions(&build);
	end_with(&build, NF_ACCEPT, NULL);
	return nft_chain_end(&build.chain, image);
}

bool nft_from_is_chain(const struct pfw_plan *plan, const struct pfw_forward *forward)
{
	return forward->n_sources || forward->n_excluded ||
	       pfw_plan_source(plan, forward) == PFW_SOURCE_ADDRESS;
}

int nft_compile_forward(const struct pfw_plan *plan, const struct pfw_forward *forward,
			struct pfw_image *image)
{
	int ret = 0;

	if (pfw_plan_needs_to(plan, forward))
		ret = compile_to(plan, forward, image);
	if (!ret && pfw_plan_needs_from(plan, forward))
		ret = compile_from(plan, forward, image);
	if (!ret && pfw_plan_needs_pass(plan, forward))
		ret = compile_pass(plan, forward, image);
	return ret;
}
