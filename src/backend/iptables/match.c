/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The matches of our rules, as the kernel's structures and in the words of iptables. */
#include <net/if.h>
#include <netinet/in.h>
#include <arpa/inet.h>
#include <inttypes.h>
#include <limits.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/x_tables.h>
#include <linux/netfilter/xt_addrtype.h>
#include <linux/netfilter/xt_cluster.h>
#include <linux/netfilter/xt_comment.h>
#include <linux/netfilter/xt_connlimit.h>
#include <linux/netfilter/xt_conntrack.h>
#include <linux/netfilter/xt_hashlimit.h>
#include <linux/netfilter/xt_limit.h>
#include <linux/netfilter/xt_sctp.h>
#include <linux/netfilter/xt_statistic.h>
#include <linux/netfilter/xt_tcpudp.h>
#include <linux/netfilter/xt_time.h>

#include "entry.h"
#include "portfwd/base/time.h"

static void print_ports(struct pfw_ports ports, struct pfw_buffer *ret)
{
	pfw_buffer_printf(ret, ports.lo == ports.hi ? " %u" : " %u:%u", ports.lo, ports.hi);
}

/* ---- -m tcp, -m udp, -m sctp: --dport */

static void put_tcp(const struct ipt_rule *rule, uint8_t family, void *data)
{
	struct xt_tcp *tcp = data;

	(void)family;
	tcp->spts[1] = UINT16_MAX;
	tcp->dpts[0] = rule->port.lo;
	tcp->dpts[1] = rule->port.hi;
}

static void get_tcp(const void *data, uint8_t family, struct ipt_rule *ret)
{
	const struct xt_tcp *tcp = data;

	(void)family;
	ret->asks |= IPT_PORT;
	ret->port = (struct pfw_ports){ tcp->dpts[0], tcp->dpts[1] };
}

static void put_udp(const struct ipt_rule *rule, uint8_t family, void *data)
{
	struct xt_udp *udp = data;

	(void)family;
	udp->spts[1] = UINT16_MAX;
	udp->dpts[0] = rule->port.lo;
	udp->dpts[1] = rule->port.hi;
}

static void get_udp(const void *data, uint8_t family, struct ipt_rule *ret)
{
	const struct xt_udp *udp = data;

	(void)family;
	ret->asks |= IPT_PORT;
	ret->port = (struct pfw_ports){ udp->dpts[0], udp->dpts[1] };
}

static void put_sctp(const struct ipt_rule *rule, uint8_t family, void *data)
{
	struct xt_sctp_info *sctp = data;
	size_t i;

	(void)family;
	sctp->dpts[0] = rule->port.lo;
	sctp->dpts[1] = rule->port.hi;
	sctp->flags = XT_SCTP_DEST_PORTS;
	/* No chunk type: iptables fills these in whatever is asked for. */
	for (i = 0; i < XT_NUM_SCTP_FLAGS; i++)
		sctp->flag_info[i].chunktype = UINT8_MAX;
}

static void get_sctp(const void *data, uint8_t family, struct ipt_rule *ret)
{
	const struct xt_sctp_info *sctp = data;

	(void)family;
	ret->asks |= IPT_PORT;
	ret->port = (struct pfw_ports){ sctp->dpts[0], sctp->dpts[1] };
}

static void print_port(const struct ipt_rule *rule, uint8_t family, struct pfw_buffer *ret)
{
	(void)family;
	pfw_buffer_puts(ret, " --dport");
	print_ports(rule->port, ret);
}

/* ---- -m addrtype */

static void put_addrtype(const struct ipt_rule *rule, uint8_t family, void *data)
{
	struct xt_addrtype_info_v1 *type = data;

	(void)family;
	if (rule->asks & IPT_FROM_ELSEWHERE) {
		type->source = XT_ADDRTYPE_LOCAL;
		type->flags = XT_ADDRTYPE_INVERT_SOURCE;
	}
	if (rule->asks & IPT_TO_LOCAL)
		type->dest = XT_ADDRTYPE_LOCAL;
}

static void get_addrtype(const void *data, uint8_t family, struct ipt_rule *ret)
{
	const struct xt_addrtype_info_v1 *type = data;

	(void)family;
	if (type->source)
		ret->asks |= IPT_FROM_ELSEWHERE;
	if (type->dest)
		ret->asks |= IPT_TO_LOCAL;
}

static void print_addrtype(const struct ipt_rule *rule, uint8_t family, struct pfw_buffer *ret)
{
	(void)family;
	if (rule->asks & IPT_FROM_ELSEWHERE)
		pfw_buffer_puts(ret, " ! --src-type LOCAL");
	if (rule->asks & IPT_TO_LOCAL)
		pfw_buffer_puts(ret, " --dst-type LOCAL");
}

/* ---- -m conntrack */

#define STATE_REPLY \
	(XT_CONNTRACK_STATE_BIT(IP_CT_RELATED) | XT_CONNTRACK_STATE_BIT(IP_CT_ESTABLISHED))

static void put_conntrack(const struct ipt_rule *rule, uint8_t family, void *data)
{
	struct xt_conntrack_mtinfo3 *ct = data;

	if (rule->asks & (IPT_REPLY | IPT_DNATED)) {
		ct->match_flags |= XT_CONNTRACK_STATE;
		ct->state_mask = rule->asks & IPT_REPLY ? STATE_REPLY : XT_CONNTRACK_STATE_DNAT;
	}
	if (rule->asks & IPT_ORIGINAL_ADDRESS) {
		ct->match_flags |= XT_CONNTRACK_ORIGDST;
		memcpy(&ct->origdst_addr, rule->original, pfw_addr_size(family));
		/* Of a whole address iptables fills the field, whatever the family. */
		if (rule->original_len == 8 * pfw_addr_size(family))
			memset(&ct->origdst_mask, 0xff, sizeof(ct->origdst_mask));
		else
			ipt_mask_put((uint8_t *)&ct->origdst_mask, rule->original_len);
	}
	if (rule->asks & IPT_ORIGINAL_PORT) {
		ct->match_flags |= XT_CONNTRACK_PROTO | XT_CONNTRACK_ORIGDST_PORT;
		ct->l4proto = rule->protocol;
		ct->origdst_port = rule->original_port.lo;
		ct->origdst_port_high = rule->original_port.hi;
	}
}

static void get_conntrack(const void *data, uint8_t family, struct ipt_rule *ret)
{
	const struct xt_conntrack_mtinfo3 *ct = data;

	if (ct->match_flags & XT_CONNTRACK_STATE)
		ret->asks |= ct->state_mask == STATE_REPLY ? IPT_REPLY : IPT_DNATED;
	if (ct->match_flags & XT_CONNTRACK_ORIGDST) {
		ret->asks |= IPT_ORIGINAL_ADDRESS;
		memcpy(ret->original, &ct->origdst_addr, pfw_addr_size(family));
		ret->original_len = ipt_mask_get((const uint8_t *)&ct->origdst_mask,
						 pfw_addr_size(family));
	}
	if (ct->match_flags & XT_CONNTRACK_ORIGDST_PORT) {
		ret->asks |= IPT_ORIGINAL_PORT;
		ret->original_port = (struct pfw_ports){ ct->origdst_port, ct->origdst_port_high };
	}
}

static void print_conntrack(const struct ipt_rule *rule, uint8_t family, struct pfw_buffer *ret)
{
	struct pfw_prefix original = { .addr.family = family, .len = rule->original_len };
	char text[PFW_PREFIX_TEXT];

	if (rule->asks & IPT_REPLY)
		pfw_buffer_puts(ret, " --ctstate RELATED,ESTABLISHED");
	else if (rule->asks & IPT_DNATED)
		pfw_buffer_puts(ret, " --ctstate DNAT");
	if (rule->asks & IPT_ORIGINAL_PORT)
		pfw_buffer_printf(ret, " --ctproto %u", rule->protocol);
	if (rule->asks & IPT_ORIGINAL_ADDRESS) {
		memcpy(original.addr.bytes, rule->original, sizeof(original.addr.bytes));
		pfw_buffer_printf(ret, " --ctorigdst %s", pfw_prefix_print(&original, text));
	}
	if (rule->asks & IPT_ORIGINAL_PORT) {
		pfw_buffer_puts(ret, " --ctorigdstport");
		print_ports(rule->original_port, ret);
	}
}

/* ---- -m time */

static void put_time(const struct ipt_rule *rule, uint8_t family, void *data)
{
	struct xt_time_info *time = data;

	(void)family;
	/* The last second that it matches, of every day, in UTC. */
	time->date_stop = (uint32_t)(rule->until - 1);
	time->daytime_stop = XT_TIME_MAX_DAYTIME;
	time->monthdays_match = XT_TIME_ALL_MONTHDAYS;
	time->weekdays_match = XT_TIME_ALL_WEEKDAYS;
}

static void get_time(const void *data, uint8_t family, struct ipt_rule *ret)
{
	const struct xt_time_info *time = data;

	(void)family;
	ret->asks |= IPT_UNTIL;
	ret->until = (int64_t)time->date_stop + 1;
}

static void print_time(const struct ipt_rule *rule, uint8_t family, struct pfw_buffer *ret)
{
	char text[PFW_TIME_TEXT];

	(void)family;
	pfw_time_print(rule->until - 1, text);
	/* Without the Z, which iptables does not know. */
	text[strlen(text) - 1] = '\0';
	pfw_buffer_printf(ret, " --datestop %s", text);
}

/* ---- -m cluster */

static void put_cluster(const struct ipt_rule *rule, uint8_t family, void *data)
{
	struct xt_cluster_match_info *cluster = data;

	(void)family;
	cluster->total_nodes = rule->total;
	cluster->node_mask = rule->nodes;
	cluster->hash_seed = IPT_CLUSTER_SEED + rule->seed;
}

static void get_cluster(const void *data, uint8_t family, struct ipt_rule *ret)
{
	const struct xt_cluster_match_info *cluster = data;

	(void)family;
	ret->asks |= IPT_CLUSTER;
	ret->total = cluster->total_nodes;
	ret->nodes = cluster->node_mask;
	ret->seed = (uint8_t)(cluster->hash_seed - IPT_CLUSTER_SEED);
}

static void print_cluster(const struct ipt_rule *rule, uint8_t family, struct pfw_buffer *ret)
{
	(void)family;
	pfw_buffer_printf(ret, " --cluster-local-nodemask 0x%08x --cluster-total-nodes %u"
			  " --cluster-hash-seed 0x%08x", rule->nodes, rule->total,
			  IPT_CLUSTER_SEED + rule->seed);
}

/* ---- -m statistic */

static void put_statistic(const struct ipt_rule *rule, uint8_t family, void *data)
{
	struct xt_statistic_info *statistic = data;

	(void)family;
	if (rule->asks & IPT_NTH) {
		statistic->mode = XT_STATISTIC_MODE_NTH;
		statistic->u.nth.every = rule->share - 1;
	} else {
		statistic->mode = XT_STATISTIC_MODE_RANDOM;
		statistic->u.random.probability = rule->share;
	}
	/* Where the kernel begins to count: the first packet is one. iptables says it for both. */
	statistic->u.nth.count = statistic->u.nth.every;
}

static void get_statistic(const void *data, uint8_t family, struct ipt_rule *ret)
{
	const struct xt_statistic_info *statistic = data;

	(void)family;
	if (statistic->mode == XT_STATISTIC_MODE_NTH) {
		ret->asks |= IPT_NTH;
		ret->share = statistic->u.nth.every + 1;
	} else {
		ret->asks |= IPT_RANDOM;
		ret->share = statistic->u.random.probability;
	}
}

static void print_statistic(const struct ipt_rule *rule, uint8_t family, struct pfw_buffer *ret)
{
	(void)family;
	if (rule->asks & IPT_NTH)
		pfw_buffer_printf(ret, " --mode nth --every %u --packet 0", rule->share);
	else
		pfw_buffer_printf(ret, " --mode random --probability %.11f",
				  rule->share / (double)0x80000000);
}

/* ---- -m hashlimit */

/* The kernel counts the time from one connection to the next in these parts of a second. */
#define RATE_SCALE UINT64_C(1000000)
#define RATE_BURST_DEFAULT 5
#define RATE_GC_INTERVAL 1000
#define RATE_DAY 86400u
#define RATE_BURST_MAX 1000000u	/* what iptables takes */

struct unit {
	const char *name;
	uint32_t seconds;
};

/* A rate in the words of iptables. What it reads from them is what an entry must have. */
struct rate {
	uint64_t number;
	const struct unit *unit;
};

static struct rate rate_of(const struct pfw_limit *limit)
{
	static const struct unit units[] = {
		{ "day", RATE_DAY }, { "hour", 3600 }, { "min", 60 }, { "sec", 1 },
	};
	uint64_t period = RATE_SCALE * limit->per / limit->rate, whole;
	size_t i = 1;

	if (!period)
		period = 1;
	/* The shortest unit of those that tell the period without rounding it. */
	for (; i < sizeof(units) / sizeof(units[0]); i++) {
		whole = RATE_SCALE * units[i].seconds;
		if (period > whole || whole / period < whole % period)
			break;
	}
	return (struct rate){ RATE_SCALE * units[i - 1].seconds / period, &units[i - 1] };
}

static uint32_t burst_of(const struct pfw_limit *limit)
{
	return limit->burst ? limit->burst : RATE_BURST_DEFAULT;
}

/* Milliseconds until who is idle may be forgotten: the burst must have come back by then. */
static uint32_t rate_expire(const struct pfw_limit *limit, uint32_t ordinary)
{
	uint64_t full = UINT64_C(1000) * burst_of(limit) * limit->per;

	full = (full + limit->rate - 1) / limit->rate;
	if (full <= ordinary)
		return ordinary;
	return full < INT32_MAX ? (uint32_t)full : INT32_MAX;
}

/*
 * A list of what it counted keeps its limit for as long as any rule names it, even while rules
 * are replaced; so another limit has another name.
 */
static void rate_name(const struct ipt_rule *rule, char ret[NAME_MAX])
{
	const struct pfw_limit *limit = &rule->limit;

	snprintf(ret, NAME_MAX, "portfwd-%s:%u:%u:%u", rule->owner, limit->rate, limit->per,
		 limit->burst);
}

static void put_hashlimit(const struct ipt_rule *rule, uint8_t family, void *data)
{
	struct xt_hashlimit_mtinfo3 *hash = data;
	struct rate rate = rate_of(&rule->limit);

	rate_name(rule, hash->name);
	hash->cfg.avg = RATE_SCALE * rate.unit->seconds / rate.number;
	hash->cfg.burst = burst_of(&rule->limit);
	hash->cfg.gc_interval = RATE_GC_INTERVAL;
	hash->cfg.expire = rate_expire(&rule->limit, rate.unit->seconds * 1000);
	hash->cfg.srcmask = hash->cfg.dstmask = (uint8_t)(8 * pfw_addr_size(family));
}

static bool get_number(const char **text, uint32_t *ret)
{
	char *end;
	unsigned long number;

	if (**text != ':')
		return false;
	number = strtoul(*text + 1, &end, 10);
	*text = end;
	*ret = (uint32_t)number;
	return number <= UINT32_MAX;
}

/* The kernel has a rounded period; the name has what was asked for. */
static void get_hashlimit(const void *data, uint8_t family, struct ipt_rule *ret)
{
	const struct xt_hashlimit_mtinfo3 *hash = data;
	struct pfw_limit limit = { 0 };
	char name[NAME_MAX + 1];
	const char *at;

	(void)family;
	memcpy(name, hash->name, NAME_MAX);
	name[NAME_MAX] = '\0';
	at = name + strcspn(name, ":");
	if (!get_number(&at, &limit.rate) || !get_number(&at, &limit.per) ||
	    !get_number(&at, &limit.burst) || !limit.rate || limit.per > RATE_DAY)
		return;
	ret->asks |= IPT_RATE;
	ret->limit.rate = limit.rate;
	ret->limit.per = limit.per;
	ret->limit.burst = limit.burst;
}

static void print_hashlimit(const struct ipt_rule *rule, uint8_t family, struct pfw_buffer *ret)
{
	struct rate rate = rate_of(&rule->limit);
	uint32_t ordinary = rate.unit->seconds * 1000;
	uint32_t expire = rate_expire(&rule->limit, ordinary);
	char name[NAME_MAX];

	(void)family;
	rate_name(rule, name);
	pfw_buffer_printf(ret, " --hashlimit-upto %" PRIu64 "/%s --hashlimit-burst %u"
			  " --hashlimit-name %s", rate.number, rate.unit->name,
			  burst_of(&rule->limit), name);
	if (expire != ordinary)
		pfw_buffer_printf(ret, " --hashlimit-htable-expire %u", expire);
}

bool ipt_rate_fits(const struct pfw_limit *limit)
{
	return RATE_SCALE * limit->per >= UINT64_C(100) * limit->rate &&
	       burst_of(limit) <= RATE_BURST_MAX &&
	       (uint64_t)burst_of(limit) * limit->per <= (uint64_t)RATE_DAY * limit->rate;
}

/* ---- -m connlimit */

static void put_connlimit(const struct ipt_rule *rule, uint8_t family, void *data)
{
	struct xt_connlimit_info *connections = data;

	memset(&connections->mask, 0xff, pfw_addr_size(family));
	connections->limit = rule->limit.connections;
	/* "upto" is not "above". */
	connections->flags = XT_CONNLIMIT_INVERT;
}

static void get_connlimit(const void *data, uint8_t family, struct ipt_rule *ret)
{
	const struct xt_connlimit_info *connections = data;

	(void)family;
	ret->asks |= IPT_CONNECTIONS;
	ret->limit.connections = connections->limit;
}

static void print_connlimit(const struct ipt_rule *rule, uint8_t family, struct pfw_buffer *ret)
{
	pfw_buffer_printf(ret, " --connlimit-upto %u --connlimit-mask %zu --connlimit-saddr",
			  rule->limit.connections, 8 * pfw_addr_size(family));
}

/* ---- -m limit */

#define LOG_PER_SECOND 10
#define LOG_BURST 5	/* the default, which is not printed */

static void put_limit(const struct ipt_rule *rule, uint8_t family, void *data)
{
	struct xt_rateinfo *limit = data;

	(void)rule;
	(void)family;
	limit->avg = XT_LIMIT_SCALE / LOG_PER_SECOND;
	limit->burst = LOG_BURST;
}

static void get_limit(const void *data, uint8_t family, struct ipt_rule *ret)
{
	(void)data;
	(void)family;
	ret->asks |= IPT_LOG_RATE;
}

static void print_limit(const struct ipt_rule *rule, uint8_t family, struct pfw_buffer *ret)
{
	(void)rule;
	(void)family;
	pfw_buffer_printf(ret, " --limit %u/sec", LOG_PER_SECOND);
}

/* ---- -m comment */

#define COMMENT_FRAME "portfwd"
#define COMMENT_FORWARD COMMENT_FRAME ":"

static void put_comment(const struct ipt_rule *rule, uint8_t family, void *data)
{
	struct xt_comment_info *comment = data;

	(void)family;
	snprintf(comment->comment, sizeof(comment->comment), "%s%s",
		 *rule->owner ? COMMENT_FORWARD : COMMENT_FRAME, rule->owner);
}

static void get_comment(const void *data, uint8_t family, struct ipt_rule *ret)
{
	const char *text = ((const struct xt_comment_info *)data)->comment;
	size_t len = strnlen(text, XT_MAX_COMMENT_LEN), prefix = strlen(COMMENT_FORWARD);

	(void)family;
	if (len < prefix || memcmp(text, COMMENT_FORWARD, prefix))
		return;
	if (pfw_name_valid(text + prefix, len - prefix))
		memcpy(ret->owner, text + prefix, len - prefix);
}

static void print_comment(const struct ipt_rule *rule, uint8_t family, struct pfw_buffer *ret)
{
	(void)family;
	/* Quoted as iptables-save does it: for the colon. */
	if (*rule->owner)
		pfw_buffer_printf(ret, " --comment \"" COMMENT_FORWARD "%s\"", rule->owner);
	else
		pfw_buffer_puts(ret, " --comment " COMMENT_FRAME);
}

#define ALL_OF(type) .size = XT_ALIGN(sizeof(type)), .visible = XT_ALIGN(sizeof(type))
#define UP_TO(type, member) .size = XT_ALIGN(sizeof(type)), .visible = offsetof(type, member)
#define CODE(name) .put = put_##name, .get = get_##name, .print = print_##name

/* What counts comes behind what only looks, so that it counts only what is meant. */
const struct ipt_match ipt_matches[] = {
	{ "tcp", .protocol = IPPROTO_TCP, ALL_OF(struct xt_tcp), .asks = IPT_PORT,
	  .put = put_tcp, .get = get_tcp, .print = print_port },
	{ "udp", .protocol = IPPROTO_UDP, ALL_OF(struct xt_udp), .asks = IPT_PORT,
	  .put = put_udp, .get = get_udp, .print = print_port },
	{ "sctp", .protocol = IPPROTO_SCTP, ALL_OF(struct xt_sctp_info), .asks = IPT_PORT,
	  .put = put_sctp, .get = get_sctp, .print = print_port },
	{ "addrtype", 1, ALL_OF(struct xt_addrtype_info_v1),
	  .asks = IPT_TO_LOCAL | IPT_FROM_ELSEWHERE, CODE(addrtype) },
	{ "conntrack", 3, ALL_OF(struct xt_conntrack_mtinfo3),
	  .asks = IPT_DNATED | IPT_REPLY | IPT_ORIGINAL_PORT | IPT_ORIGINAL_ADDRESS,
	  CODE(conntrack) },
	{ "time", 0, ALL_OF(struct xt_time_info), .asks = IPT_UNTIL, CODE(time) },
	{ "cluster", ALL_OF(struct xt_cluster_match_info), .asks = IPT_CLUSTER, CODE(cluster) },
	{ "statistic", UP_TO(struct xt_statistic_info, master), .asks = IPT_RANDOM | IPT_NTH,
	  CODE(statistic) },
	{ "hashlimit", 3, UP_TO(struct xt_hashlimit_mtinfo3, hinfo), .asks = IPT_RATE,
	  CODE(hashlimit) },
	{ "connlimit", 1, UP_TO(struct xt_connlimit_info, data), .asks = IPT_CONNECTIONS,
	  CODE(connlimit) },
	{ "limit", UP_TO(struct xt_rateinfo, prev), .asks = IPT_LOG_RATE, CODE(limit) },
	{ "comment", ALL_OF(struct xt_comment_info), CODE(comment) },
	{ 0 },
};
