/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The targets of our rules that are modules: NAT and logging. */
#include <net/if.h>
#include <netinet/in.h>
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <linux/netfilter/nf_nat.h>
#include <linux/netfilter/x_tables.h>
#include <linux/netfilter/xt_LOG.h>

#include "entry.h"

#define LOG_LEVEL_WARNING 4	/* the default, which is not printed */

/* "10.0.0.2", "[fd00::2]" where a port follows. */
static void print_address(const struct ipt_rule *rule, uint8_t family, bool port_follows,
			  struct pfw_buffer *ret)
{
	struct pfw_addr address = { .family = family };
	char text[PFW_ADDR_TEXT];

	memcpy(address.bytes, rule->address, sizeof(address.bytes));
	pfw_buffer_printf(ret, port_follows && family == AF_INET6 ? "[%s]" : "%s",
			  pfw_addr_print(&address, text));
}

/* ---- DNAT */

static void put_dnat(const struct ipt_rule *rule, uint8_t family, void *data)
{
	struct nf_nat_range2 *range = data;

	if (rule->has_address) {
		range->flags |= NF_NAT_RANGE_MAP_IPS;
		memcpy(&range->min_addr, rule->address, pfw_addr_size(family));
		range->max_addr = range->min_addr;
	}
	if (rule->to.lo) {
		range->flags |= NF_NAT_RANGE_PROTO_SPECIFIED;
		range->min_proto.all = htons(rule->to.lo);
		range->max_proto.all = htons(rule->to.hi);
	}
	if (rule->base) {
		range->flags |= NF_NAT_RANGE_PROTO_OFFSET;
		range->base_proto.all = htons(rule->base);
	}
}

static void get_dnat(const void *data, uint8_t family, struct ipt_rule *ret)
{
	const struct nf_nat_range2 *range = data;

	ret->has_address = !!(range->flags & NF_NAT_RANGE_MAP_IPS);
	memcpy(ret->address, &range->min_addr, pfw_addr_size(family));
	ret->to.lo = ntohs(range->min_proto.all);
	ret->to.hi = ntohs(range->max_proto.all);
	ret->base = ntohs(range->base_proto.all);
}

static void print_dnat(const struct ipt_rule *rule, uint8_t family, struct pfw_buffer *ret)
{
	pfw_buffer_puts(ret, " --to-destination ");
	if (rule->has_address)
		print_address(rule, family, rule->to.lo, ret);
	if (rule->to.lo)
		pfw_buffer_printf(ret, rule->to.lo == rule->to.hi ? ":%u" : ":%u-%u", rule->to.lo,
				  rule->to.hi);
	if (rule->base)
		pfw_buffer_printf(ret, "/%u", rule->base);
}

/* ---- What the two families have in structures of their own */

static void put_range(uint8_t family, const uint8_t *address, uint16_t port, void *data)
{
	struct nf_nat_ipv4_multi_range_compat *multi = data;
	struct nf_nat_ipv4_range *v4 = &multi->range[0];
	struct nf_nat_range *v6 = data;
	unsigned int flags = 0;

	if (address)
		flags |= NF_NAT_RANGE_MAP_IPS;
	if (port)
		flags |= NF_NAT_RANGE_PROTO_SPECIFIED;
	if (family == AF_INET6) {
		v6->flags = flags;
		if (address)
			memcpy(&v6->min_addr, address, sizeof(v6->min_addr));
		v6->max_addr = v6->min_addr;
		v6->min_proto.all = v6->max_proto.all = htons(port);
		return;
	}
	multi->rangesize = 1;
	v4->flags = flags;
	if (address)
		memcpy(&v4->min_ip, address, sizeof(v4->min_ip));
	v4->max_ip = v4->min_ip;
	v4->min.all = v4->max.all = htons(port);
}

static void get_range(const void *data, uint8_t family, uint8_t *ret_address, uint16_t *ret_port)
{
	const struct nf_nat_ipv4_multi_range_compat *multi = data;
	const struct nf_nat_range *v6 = data;

	if (family == AF_INET6) {
		memcpy(ret_address, &v6->min_addr, sizeof(v6->min_addr));
		*ret_port = ntohs(v6->min_proto.all);
	} else {
		memcpy(ret_address, &multi->range[0].min_ip, sizeof(multi->range[0].min_ip));
		*ret_port = ntohs(multi->range[0].min.all);
	}
}

static void put_snat(const struct ipt_rule *rule, uint8_t family, void *data)
{
	put_range(family, rule->address, 0, data);
}

static void get_snat(const void *data, uint8_t family, struct ipt_rule *ret)
{
	uint16_t port;

	ret->has_address = true;
	get_range(data, family, ret->address, &port);
}

static void print_snat(const struct ipt_rule *rule, uint8_t family, struct pfw_buffer *ret)
{
	pfw_buffer_puts(ret, " --to-source ");
	print_address(rule, family, false, ret);
}

static void put_redirect(const struct ipt_rule *rule, uint8_t family, void *data)
{
	put_range(family, NULL, rule->to.lo, data);
}

static void get_redirect(const void *data, uint8_t family, struct ipt_rule *ret)
{
	uint8_t address[16];

	get_range(data, family, address, &ret->to.lo);
	ret->to.hi = ret->to.lo;
}

static void print_redirect(const struct ipt_rule *rule, uint8_t family, struct pfw_buffer *ret)
{
	(void)family;
	if (rule->to.lo)
		pfw_buffer_printf(ret, " --to-ports %u", rule->to.lo);
}

static void put_masquerade(const struct ipt_rule *rule, uint8_t family, void *data)
{
	(void)rule;
	put_range(family, NULL, 0, data);
}

static void get_nothing(const void *data, uint8_t family, struct ipt_rule *ret)
{
	(void)data;
	(void)family;
	(void)ret;
}

static void print_nothing(const struct ipt_rule *rule, uint8_t family, struct pfw_buffer *ret)
{
	(void)rule;
	(void)family;
	(void)ret;
}

/* ---- LOG */

static void put_log(const struct ipt_rule *rule, uint8_t family, void *data)
{
	struct xt_log_info *log = data;

	(void)family;
	log->level = LOG_LEVEL_WARNING;
	snprintf(log->prefix, sizeof(log->prefix), "portfwd %.*s: ", IPT_LOG_NAME_MAX, rule->owner);
}

static void print_log(const struct ipt_rule *rule, uint8_t family, struct pfw_buffer *ret)
{
	(void)family;
	pfw_buffer_printf(ret, " --log-prefix \"portfwd %s: \"", rule->owner);
}

#define RANGE_SIZES { XT_ALIGN(sizeof(struct nf_nat_ipv4_multi_range_compat)), \
		      XT_ALIGN(sizeof(struct nf_nat_range)) }
#define SIZES(type) { XT_ALIGN(sizeof(type)), XT_ALIGN(sizeof(type)) }

const struct ipt_module ipt_modules[] = {
	{ "DNAT", IPT_DNAT, { 2, 2 }, SIZES(struct nf_nat_range2), put_dnat, get_dnat, print_dnat },
	{ "REDIRECT", IPT_REDIRECT, { 0, 0 }, RANGE_SIZES, put_redirect, get_redirect,
	  print_redirect },
	{ "SNAT", IPT_SNAT, { 0, 1 }, RANGE_SIZES, put_snat, get_snat, print_snat },
	{ "MASQUERADE", IPT_MASQUERADE, { 0, 0 }, RANGE_SIZES, put_masquerade, get_nothing,
	  print_nothing },
	{ "LOG", IPT_LOG, { 0, 0 }, SIZES(struct xt_log_info), put_log, get_nothing, print_log },
	{ 0 },
};
