/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The chains and sets of one forward that needs more than a rewrite: who is
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

static void add_admissions(struct build *build)
{
	unsigned int f;

	if (pfw_plan_remote(build->plan, build->forward)) {
		nft_match_from_machine(&build->rule);
		end_with(build, NFT_RETURN, NULL);
	}
	for (f = 0; f < 2; f++)
		if (pfw_forward_target(build->forward, families[f]))
			add_admission(build, families[f]);
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

/* One rule that goes on to the machine's own service: its address kept, or by redirect. */
static void add_self_rule(struct build *build, const struct pfw_target *target, bool redirect)
{
	struct nft_rule *rule = &build->rule;

	nft_match_transport(rule);
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

static void add_self(struct build *build, const struct pfw_target *target)
{
	add_self_rule(build, target, false);
	add_self_rule(build, target, true);
}

static int add_targets(struct build *build, uint8_t family)
{
	const struct pfw_forward *forward = build->forward;
	const struct pfw_target *target = pfw_forward_target(forward, family), **targets;
	unsigned int n = pfw_forward_n_targets(forward, family), i, found = 0;
	bool by_source = n > 1 && forward->balance == PFW_BALANCE_SOURCE;
	struct nft_rule *rule = &build->rule;

	targets = calloc(n, sizeof(*targets));
	if (!targets)
		return -ENOMEM;
	for (i = 0; i < forward->n_targets; i++)
		if (forward->targets[i].address.family == family)
			targets[found++] = &forward->targets[i];
	/* Where the rule reads the source address, nft asks for the family just before. */
	if (!by_source)
		nft_match_family(rule, family);
	nft_match_transport(rule);
	count(build);
	if (by_source)
		nft_match_family(rule, family);
	if (n > 1)
		nft_add_balance(rule, family, forward->balance, targets, n);
	else if (is_range(target->port))
		nft_add_shift(rule, family, target, forward->listen.ports[0], false);
	else
		nft_add_dnat_to(rule, &target->address, target->port.lo);
	end_rule(build);
	free(targets);
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

static int add_connections_set(const char *name, uint8_t family, struct pfw_image *image)
{
	const enum nft_field key[] = { family == AF_INET6 ? NFT_FIELD_IPV6_ADDR :
							     NFT_FIELD_IPV4_ADDR };
	const struct nft_set_value value = {
		.key_type = nft_fields_type(key, 1),
		.key_len = nft_fields_size(key, 1),
		.flags = NFT_SET_EVAL,
		.size = 65535,
	};

	struct pfw_item *item = pfw_image_add(image, NFT_KIND_SET, name, strlen(name) + 1, &value,
					      sizeof(value), NULL);

	if (!item)
		return -ENOMEM;
	item->owner = nft_name_owner(nft_item_name(item));
	return 0;
}

/*
 * Limits fail closed: within the limit of open connections it goes on, and everything
 * else is dropped, also where the kernel could not count.
 */
static int add_connections(struct build *build, struct pfw_image *image)
{
	const struct pfw_forward *forward = build->forward;
	char go[NFT_CHAIN_NAME], name[NFT_CHAIN_NAME];
	const char *prefix;
	unsigned int f;
	int ret = 0;

	snprintf(go, sizeof(go), NFT_PREFIX_GO "%s", forward->name);
	for (f = 0; !ret && f < 2; f++) {
		if (!pfw_forward_target(forward, families[f]))
			continue;
		prefix = f ? NFT_PREFIX_CONNS6 : NFT_PREFIX_CONNS4;
		snprintf(name, sizeof(name), "%s%s", prefix, forward->name);
		ret = add_connections_set(name, families[f], image);
		nft_match_family(&build->rule, families[f]);
		nft_add_count(&build->rule, families[f], name, forward->limit.connections);
		end_with(build, NFT_GOTO, go);
	}
	end_with(build, NF_DROP, NULL);
	return ret;
}

static int compile_to(const struct pfw_plan *plan, const struct pfw_forward *forward,
		      struct pfw_image *image)
{
	struct build build = { .plan = plan, .forward = forward };
	char name[NFT_CHAIN_NAME], go[NFT_CHAIN_NAME];
	int ret = 0;

	begin(&build, NFT_PREFIX_TO, name);
	add_admissions(&build);
	if (forward->limit.rate) {
		nft_add_limit(&build.rule, &forward->limit, true);
		end_with(&build, NF_DROP, NULL);
	}
	if (!forward->limit.connections) {
		ret = add_body(&build);
		return nft_chain_end_checked(&build.chain, image, ret);
	}
	ret = add_connections(&build, image);
	ret = nft_chain_end_checked(&build.chain, image, ret);
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
	return ret;
}
