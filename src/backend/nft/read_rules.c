/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Chains and their rules, as the kernel tells them. */
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter/nf_tables.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <libnftnl/chain.h>
#include <libnftnl/expr.h>
#include <libnftnl/rule.h>

#include "reader.h"

static int add_chain(struct reader *reader, const struct nftnl_chain *chain)
{
	struct nft_chain_value head = { 0 };
	struct nft_chain *chains;
	const char *name = nftnl_chain_get_str(chain, NFTNL_CHAIN_NAME);
	char *copy = pfw_arena_text(&reader->image->arena, name, strlen(name));

	chains = reallocarray(reader->chains, reader->n_chains + 1, sizeof(*chains));
	if (!chains || !copy) {
		reader->chains = chains ? chains : reader->chains;
		return -ENOMEM;
	}
	reader->chains = chains;
	if (nftnl_chain_is_set(chain, NFTNL_CHAIN_HOOKNUM)) {
		head.is_base = 1;
		head.hook = nftnl_chain_get_u32(chain, NFTNL_CHAIN_HOOKNUM);
		head.priority = nftnl_chain_get_s32(chain, NFTNL_CHAIN_PRIO);
		head.policy = nftnl_chain_get_u32(chain, NFTNL_CHAIN_POLICY);
		snprintf(head.type, sizeof(head.type), "%s",
			 nftnl_chain_get_str(chain, NFTNL_CHAIN_TYPE));
	}
	nft_chain_begin(&chains[reader->n_chains++], copy, &head);
	return 0;
}

static int take_chain(void *ctx, const struct nlmsghdr *message)
{
	struct reader *reader = ctx;
	struct nftnl_chain *chain = nftnl_chain_alloc();
	int ret = -ENOMEM;

	if (chain && nftnl_chain_nlmsg_parse(message, chain) < 0)
		ret = -EBADMSG;
	else if (chain)
		ret = reader_ours(nftnl_chain_get_str(chain, NFTNL_CHAIN_TABLE)) ?
			      add_chain(reader, chain) : 0;
	nftnl_chain_free(chain);
	return ret;
}

int reader_chains(struct reader *reader)
{
	_Alignas(struct nlmsghdr) char buf[NFT_REQUEST_SIZE];

	return reader_ask(reader, nft_request(buf, NFT_MSG_GETCHAIN, NLM_F_DUMP), take_chain);
}

static const struct anonymous_set *find_anonymous(struct reader *reader, const char *name)
{
	size_t i, at;

	for (i = 0; name && i < reader->n_sets; i++) {
		at = (reader->last_set + i) % reader->n_sets;
		if (strcmp(reader->sets[at].name, name))
			continue;
		reader->last_set = at;
		return &reader->sets[at];
	}
	return NULL;
}

static struct nft_chain *find_chain(struct reader *reader, const char *name)
{
	size_t i, at;

	for (i = 0; name && i < reader->n_chains; i++) {
		at = (reader->last_chain + i) % reader->n_chains;
		if (strcmp(reader->chains[at].name, name))
			continue;
		reader->last_chain = at;
		return &reader->chains[at];
	}
	return NULL;
}

struct rule_reader {
	struct reader *reader;
	struct nft_rule rule;
	uint64_t count;
};

/* A lookup in an anonymous set becomes a record with all of the set in it. */
static void take_anonymous(struct rule_reader *to, const struct anonymous_set *of,
			   const struct nftnl_expr *expr)
{
	struct nft_anonymous set = of->set;

	set.sreg = nftnl_expr_get_u32(expr, NFTNL_EXPR_LOOKUP_SREG);
	if (nftnl_expr_is_set(expr, NFTNL_EXPR_LOOKUP_DREG))
		set.dreg = nftnl_expr_get_u32(expr, NFTNL_EXPR_LOOKUP_DREG);
	set.lookup_flags = nftnl_expr_get_u32(expr, NFTNL_EXPR_LOOKUP_FLAGS);
	nft_rule_add_anonymous(&to->rule, &set, of->elements.data);
}

/* Encoding the expression anew gives the very bytes that building it gives. */
static int take_expr(struct nftnl_expr *expr, void *ctx)
{
	struct rule_reader *to = ctx;
	const struct anonymous_set *set = NULL;
	const char *name = nftnl_expr_get_str(expr, NFTNL_EXPR_NAME);

	if (!strcmp(name, "lookup"))
		set = find_anonymous(to->reader, nftnl_expr_get_str(expr, NFTNL_EXPR_LOOKUP_SET));
	if (!strcmp(name, "counter")) {
		to->count += nftnl_expr_get_u64(expr, NFTNL_EXPR_CTR_PACKETS);
		nftnl_expr_set_u64(expr, NFTNL_EXPR_CTR_PACKETS, 0);
		nftnl_expr_set_u64(expr, NFTNL_EXPR_CTR_BYTES, 0);
	}
	if (set)
		take_anonymous(to, set, expr);
	else
		nft_rule_encode(&to->rule, expr);
	return 0;
}

static int take_rule(void *ctx, const struct nlmsghdr *message)
{
	struct reader *reader = ctx;
	struct rule_reader to = { .reader = reader };
	struct nftnl_rule *rule = nftnl_rule_alloc();
	struct nft_chain *chain;
	int ret = -ENOMEM;

	if (!rule)
		return ret;
	ret = nftnl_rule_nlmsg_parse(message, rule) < 0 ? -EBADMSG : 0;
	if (!ret && reader_ours(nftnl_rule_get_str(rule, NFTNL_RULE_TABLE))) {
		chain = find_chain(reader, nftnl_rule_get_str(rule, NFTNL_RULE_CHAIN));
		nftnl_expr_foreach(rule, take_expr, &to);
		if (chain) {
			nft_chain_add(chain, &to.rule);
			chain->count += to.count;
		}
		nft_rule_free(&to.rule);
	}
	nftnl_rule_free(rule);
	return ret;
}

static int end_chains(struct reader *reader)
{
	size_t i;
	int ret = 0;

	for (i = 0; !ret && i < reader->n_chains; i++)
		ret = nft_chain_end(&reader->chains[i], reader->image);
	return ret;
}

int reader_rules(struct reader *reader)
{
	_Alignas(struct nlmsghdr) char buf[NFT_REQUEST_SIZE];
	struct nlmsghdr *message = nft_request(buf, NFT_MSG_GETRULE, NLM_F_DUMP);
	int ret;

	mnl_attr_put_strz(message, NFTA_RULE_TABLE, NFT_TABLE);
	ret = reader_ask(reader, message, take_rule);
	return ret ? ret : end_chains(reader);
}

/* ---- One by one */

static int keep_rule(void *ctx, const struct nlmsghdr *message)
{
	struct reader *reader = ctx;

	pfw_buffer_append(&reader->rules, message, MNL_ALIGN(message->nlmsg_len));
	return reader->rules.failed ? -ENOMEM : 0;
}

int reader_chain(struct reader *reader, const char *name)
{
	_Alignas(struct nlmsghdr) char buf[NFT_REQUEST_SIZE];
	struct nlmsghdr *message = nft_request(buf, NFT_MSG_GETCHAIN, 0);
	int ret;

	mnl_attr_put_strz(message, NFTA_CHAIN_TABLE, NFT_TABLE);
	mnl_attr_put_strz(message, NFTA_CHAIN_NAME, name);
	ret = reader_ask(reader, message, take_chain);
	if (ret)
		return ret == -ENOENT ? 0 : ret;
	message = nft_request(buf, NFT_MSG_GETRULE, NLM_F_DUMP);
	mnl_attr_put_strz(message, NFTA_RULE_TABLE, NFT_TABLE);
	mnl_attr_put_strz(message, NFTA_RULE_CHAIN, name);
	return reader_ask(reader, message, keep_rule);
}

/* The kernel names these sets so, and nobody else does. */
static int read_its_set(struct nftnl_expr *expr, void *ctx)
{
	struct reader *reader = ctx;
	const char *name = nftnl_expr_get_str(expr, NFTNL_EXPR_LOOKUP_SET);

	if (strcmp(nftnl_expr_get_str(expr, NFTNL_EXPR_NAME), "lookup") || !name ||
	    strncmp(name, "__", 2) || find_anonymous(reader, name))
		return 0;
	return reader_set(reader, name);
}

static int read_its_sets(struct reader *reader, const struct nlmsghdr *message)
{
	struct nftnl_rule *rule = nftnl_rule_alloc();
	int ret = -ENOMEM;

	if (rule)
		ret = nftnl_rule_nlmsg_parse(message, rule) < 0 ? -EBADMSG :
			      nftnl_expr_foreach(rule, read_its_set, reader);
	nftnl_rule_free(rule);
	return ret;
}

int reader_kept_rules(struct reader *reader)
{
	const struct nlmsghdr *message;
	int ret = 0;
	size_t at;

	for (at = 0; !ret && at < reader->rules.len; at += MNL_ALIGN(message->nlmsg_len)) {
		message = (const struct nlmsghdr *)(const void *)(reader->rules.data + at);
		ret = read_its_sets(reader, message);
		if (!ret)
			ret = take_rule(reader, message);
	}
	return ret ? ret : end_chains(reader);
}
