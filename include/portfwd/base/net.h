/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Ports, addresses, protocols and interface names: parsing and printing. */
#ifndef PORTFWD_BASE_NET_H
#define PORTFWD_BASE_NET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "portfwd/base/error.h"
#include "portfwd/base/names.h"

/* IFNAMSIZ of net/if.h, and INET6_ADDRSTRLEN with room for brackets. */
#define PFW_IFNAME_SIZE 16
#define PFW_ADDR_TEXT 48
#define PFW_PORTS_TEXT 12

/* An address in network byte order; IPv4 uses the first four bytes, the rest is zero. */
struct pfw_addr {
	uint8_t family;		/* AF_INET or AF_INET6 */
	uint8_t bytes[16];
};

/* Inclusive, host byte order, 1-65535; a single port has lo == hi. */
struct pfw_ports {
	uint16_t lo;
	uint16_t hi;
};

/* An address prefix (RFC 4632): the first len bits count, the others are zero. */
struct pfw_prefix {
	struct pfw_addr addr;
	uint8_t len;	/* 0-32 or 0-128 */
};

/*
 * Transport protocols as a set of bits; the order of the bits is the canonical order.
 * Numbers are those of IANA (IPPROTO_TCP ...).
 */
enum {
	PFW_TCP = 1 << 0,
	PFW_UDP = 1 << 1,
	PFW_SCTP = 1 << 2,
};
#define PFW_PROTOCOLS 3
extern const struct pfw_name pfw_protocol_names[];	/* "tcp" -> PFW_TCP */
uint8_t pfw_protocol_number(unsigned int bit);		/* PFW_TCP -> IPPROTO_TCP */
const char *pfw_protocol_text(uint8_t number);		/* IPPROTO_TCP -> "tcp", else NULL */

/*
 * Parsers take exactly len bytes, refuse trailing text, and on failure add an
 * error that names the text and say -EINVAL. *ret is untouched then.
 */
int pfw_port_parse(const char *text, size_t len, uint16_t *ret, struct pfw_error *err);
/* "80" or "8000-8100". */
int pfw_ports_parse(const char *text, size_t len, struct pfw_ports *ret, struct pfw_error *err);
/* "198.51.100.1" or "2001:db8::1", without brackets, zone or prefix. */
int pfw_addr_parse(const char *text, size_t len, struct pfw_addr *ret, struct pfw_error *err);

/* "203.0.113.0/24", or an address alone; bits behind the prefix are an error that says which
 * prefix was meant. */
int pfw_prefix_parse(const char *text, size_t len, struct pfw_prefix *ret, struct pfw_error *err);

/* They return buf. */
const char *pfw_ports_print(struct pfw_ports ports, char buf[PFW_PORTS_TEXT]);
const char *pfw_addr_print(const struct pfw_addr *addr, char buf[PFW_ADDR_TEXT]);

#define PFW_PREFIX_TEXT (PFW_ADDR_TEXT + 4)
/* Without the length where it is that of a whole address. */
const char *pfw_prefix_print(const struct pfw_prefix *prefix, char buf[PFW_PREFIX_TEXT]);
/* Whether every address of inner is one of outer; false for different families. */
bool pfw_prefix_covers(const struct pfw_prefix *outer, const struct pfw_prefix *inner);
/* The last address of the prefix; the bytes behind an IPv4 address stay zero. */
void pfw_prefix_last(const struct pfw_prefix *prefix, uint8_t ret[16]);
bool pfw_prefix_equal(const struct pfw_prefix *a, const struct pfw_prefix *b);

size_t pfw_addr_size(uint8_t family);	/* 4 or 16 */
/* The next address, of so many bytes, or the one before; false where it comes round. */
bool pfw_bytes_next(uint8_t *address, size_t size);
bool pfw_bytes_previous(uint8_t *address, size_t size);
bool pfw_addr_equal(const struct pfw_addr *a, const struct pfw_addr *b);
bool pfw_addr_is_any(const struct pfw_addr *addr);
bool pfw_addr_is_loopback(const struct pfw_addr *addr);
/* What kind of address a connection cannot go to ("a multicast address"), or NULL. */
const char *pfw_addr_unusable(const struct pfw_addr *addr);

/* [A-Za-z0-9_.@:-]{1,15}, and neither "." nor "..": what the kernel takes for a name. */
bool pfw_ifname_valid(const char *text, size_t len);

#endif
