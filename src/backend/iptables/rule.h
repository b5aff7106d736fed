/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One rule of iptables, as plain data that serves both families: what compile makes, what
 * reading gives back, what is printed, and what becomes an entry of the kernel's.
 */
#ifndef PORTFWD_BACKEND_IPTABLES_RULE_H
#define PORTFWD_BACKEND_IPTABLES_RULE_H

#include <stdbool.h>
#include <stdint.h>

#include "portfwd/base/buffer.h"
#include "portfwd/model/forward.h"

/* A chain's name is up to 28 bytes; libiptc reads 32 of them. */
#define IPT_CHAIN_SIZE 32

/*
 * What a rule asks for, bits; beside the protocol, which is asked for unless it is 0. Of SOURCE and
 * SOURCE_END, of DNATED and REPLY, and of RANDOM and NTH, one at most.
 */
enum {
	IPT_SOURCE = 1u << 0,		/* -s source/source_len */
	IPT_DESTINATION = 1u << 1,	/* -d destination/destination_len */
	IPT_NOT_DESTINATION = 1u << 2,	/* ! -d, the same */
	IPT_IN = 1u << 3,		/* -i in */
	IPT_NOT_IN = 1u << 4,		/* ! -i in */
	IPT_OUT = 1u << 5,		/* -o out */
	IPT_PORT = 1u << 6,		/* --dport, of tcp, udp or sctp */
	IPT_TO_LOCAL = 1u << 7,		/* addrtype --dst-type LOCAL */
	IPT_FROM_ELSEWHERE = 1u << 8,	/* addrtype ! --src-type LOCAL */
	IPT_DNATED = 1u << 9,		/* conntrack --ctstate DNAT */
	IPT_REPLY = 1u << 10,		/* conntrack --ctstate RELATED,ESTABLISHED */
	IPT_ORIGINAL_PORT = 1u << 11,	/* conntrack --ctproto protocol --ctorigdstport */
	IPT_ORIGINAL_ADDRESS = 1u << 12,	/* conntrack --ctorigdst original/original_len */
	IPT_RANDOM = 1u << 13,		/* statistic --mode random: share of 2^31 */
	IPT_NTH = 1u << 14,		/* statistic --mode nth: one of every, packet 0 */
	IPT_CLUSTER = 1u << 15,		/* cluster: nodes of total */
	IPT_RATE = 1u << 16,		/* hashlimit --hashlimit-upto, by owner and rate */
	IPT_CONNECTIONS = 1u << 17,	/* connlimit --connlimit-upto, by source address */
	IPT_UNTIL = 1u << 18,		/* time --datestop: until is the first second without it */
	IPT_LOG_RATE = 1u << 19,	/* limit --limit 10/second, burst 5: enough for a log */
	IPT_SOURCE_END = 1u << 20,	/* -s source/MASK: its last source_len bits, not all */
};

enum ipt_target {
	IPT_RETURN,	/* zero, so that the plainest rule is all zeroes */
	IPT_ACCEPT,
	IPT_DROP,
	IPT_JUMP,	/* -j chain, one of ours */
	IPT_GOTO,	/* -g chain, one of ours */
	IPT_DNAT,	/* revision 2: to address (if any) and ports (if any) */
	IPT_REDIRECT,	/* to port (lo == hi), or as it is (lo 0) */
	IPT_SNAT,	/* to address */
	IPT_MASQUERADE,
	IPT_LOG,	/* --log-prefix "portfwd OWNER: " */
	IPT_FOREIGN,	/* read from the kernel, and none that we make; digest tells two apart */
};

/* Zero-filled, so that rules compare as bytes. Addresses in network byte order. */
struct ipt_rule {
	uint32_t asks;			/* bits, IPT_SOURCE ... */
	uint8_t protocol;		/* 0: any */
	uint8_t source_len;
	uint8_t destination_len;
	uint8_t target;			/* enum ipt_target */
	uint8_t source[16];
	uint8_t destination[16];
	uint8_t original[16];
	char in[PFW_IFNAME_SIZE];
	char out[PFW_IFNAME_SIZE];
	struct pfw_ports port;
	struct pfw_ports original_port;
	uint32_t share;			/* IPT_RANDOM: of 0x80000000; IPT_NTH: every */
	uint32_t nodes;			/* IPT_CLUSTER: mask, of the first IPT_CLUSTER_SHARES_MAX */
	uint32_t total;			/* of up to 32 */
	uint8_t original_len;
	uint8_t seed;			/* IPT_CLUSTER: with another, the choice is another */
	uint8_t zero[2];
	struct pfw_limit limit;		/* what IPT_RATE, IPT_CONNECTIONS need of it, else 0 */
	int64_t until;			/* seconds since 1970 UTC */
	char chain[IPT_CHAIN_SIZE];	/* IPT_JUMP, IPT_GOTO */
	uint8_t address[16];		/* IPT_DNAT, IPT_SNAT */
	uint16_t has_address;
	uint16_t base;			/* of the range that is shifted one to one, or 0 */
	struct pfw_ports to;		/* lo 0: the port is kept */
	uint64_t digest;		/* IPT_FOREIGN: of its bytes */
	char owner[PFW_NAME_MAX + 1];	/* comment "portfwd:OWNER"; empty: "portfwd" */
};
_Static_assert(sizeof(struct ipt_rule) % 8 == 0, "rules stand in arrays");

/* The longest name that LOG's prefix has room for. */
#define IPT_LOG_NAME_MAX 19

/*
 * Whether hashlimit can count it: to a hundredth of the rate, and the whole burst coming back
 * within the day that its counters hold.
 */
bool ipt_rate_fits(const struct pfw_limit *limit);

/* The first seed of the hash by which cluster tells clients: fixed, so that they keep theirs. */
#define IPT_CLUSTER_SEED 0x706f7274u
#define IPT_CLUSTER_MAX 32
/* How many nodes one rule can take: iptables writes any mask, but reads numbers up to 32 only. */
#define IPT_CLUSTER_SHARES_MAX 5

/* Whether a connection that it matches is the forward's from here on: its counter counts those. */
static inline bool ipt_rule_counts(const struct ipt_rule *rule)
{
	return *rule->owner && (rule->target == IPT_DNAT || rule->target == IPT_REDIRECT ||
				rule->target == IPT_ACCEPT);
}

/*
 * As iptables-save writes it, behind "-A CHAIN": "-d 198.51.100.1/32 -p tcp ... -j DNAT
 * --to-destination 10.0.0.2:80". family: AF_INET or AF_INET6.
 */
void ipt_rule_print(const struct ipt_rule *rule, uint8_t family, struct pfw_buffer *ret);

/*
 * The kernel's entry, struct ipt_entry or ip6t_entry with matches and target, with the name
 * of a chain or of a verdict where libiptc wants it. It is appended to ret, which then is of
 * that size; memory of malloc() is aligned for it. ret->failed: no memory.
 */
void ipt_rule_encode(const struct ipt_rule *rule, uint8_t family, struct pfw_buffer *ret);
/*
 * The opposite. target is what libiptc says of the entry ("DNAT", "PORTFWD-x", "ACCEPT"). What
 * cannot be told exactly gives IPT_FOREIGN, with the owner if its comment tells one.
 */
void ipt_rule_decode(const void *entry, const char *target, uint8_t family, struct ipt_rule *ret);

#endif
