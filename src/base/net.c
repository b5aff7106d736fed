/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Ports, addresses, protocols and interface names: parsing and printing. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "portfwd/base/net.h"
#include "portfwd/base/text.h"

const struct pfw_name pfw_protocol_names[] = {
	{ "tcp", PFW_TCP },
	{ "udp", PFW_UDP },
	{ "sctp", PFW_SCTP },
	{ NULL, 0 },
};

static const uint8_t protocol_numbers[PFW_PROTOCOLS] = { IPPROTO_TCP, IPPROTO_UDP, IPPROTO_SCTP };

uint8_t pfw_protocol_number(unsigned int bit)
{
	unsigned int i;

	for (i = 0; i < PFW_PROTOCOLS; i++)
		if (bit == 1u << i)
			return protocol_numbers[i];
	return 0;
}

const char *pfw_protocol_text(uint8_t number)
{
	unsigned int i;

	for (i = 0; i < PFW_PROTOCOLS; i++)
		if (protocol_numbers[i] == number)
			return pfw_name_text(pfw_protocol_names, 1 << i);
	return NULL;
}

/* Digits only: no sign, no blanks, no leading zero (which some read as octal). */
static int port_value(const char *text, size_t len, uint16_t *ret)
{
	unsigned long value = 0;
	size_t i;

	if (!len || len > 5 || text[0] == '0')
		return -EINVAL;
	for (i = 0; i < len; i++) {
		if (text[i] < '0' || text[i] > '9')
			return -EINVAL;
		value = value * 10 + (unsigned long)(text[i] - '0');
	}
	if (value > UINT16_MAX)
		return -EINVAL;
	*ret = (uint16_t)value;
	return 0;
}

int pfw_port_parse(const char *text, size_t len, uint16_t *ret, struct pfw_error *err)
{
	char buf[PFW_QUOTE_SIZE];

	if (port_value(text, len, ret) == 0)
		return 0;
	return pfw_error_add(err, PFW_FAILED, "%s is not a port (1-65535)",
			     pfw_text_quote(text, len, buf));
}

int pfw_ports_parse(const char *text, size_t len, struct pfw_ports *ret, struct pfw_error *err)
{
	const char *dash = len > 1 ? memchr(text + 1, '-', len - 1) : NULL;
	struct pfw_ports ports;
	char buf[PFW_QUOTE_SIZE];
	size_t first;

	if (!dash) {
		if (pfw_port_parse(text, len, &ports.lo, err) < 0)
			return -EINVAL;
		*ret = (struct pfw_ports){ ports.lo, ports.lo };
		return 0;
	}
	first = (size_t)(dash - text);
	if (pfw_port_parse(text, first, &ports.lo, err) < 0 ||
	    pfw_port_parse(dash + 1, len - first - 1, &ports.hi, err) < 0)
		return -EINVAL;
	if (ports.lo >= ports.hi)
		return pfw_error_add(err, PFW_FAILED,
				     "%s is not a range: the first port must be lower than the last",
				     pfw_text_quote(text, len, buf));
	*ret = ports;
	return 0;
}

static bool addr_value(const char *text, size_t len, struct pfw_addr *ret)
{
	struct pfw_addr addr = { 0 };
	char buf[INET6_ADDRSTRLEN];

	if (!len || len >= sizeof(buf) || memchr(text, '\0', len))
		return false;
	memcpy(buf, text, len);
	buf[len] = '\0';
	addr.family = memchr(buf, ':', len) ? AF_INET6 : AF_INET;
	if (inet_pton(addr.family, buf, addr.bytes) != 1)
		return false;
	*ret = addr;
	return true;
}

int pfw_addr_parse(const char *text, size_t len, struct pfw_addr *ret, struct pfw_error *err)
{
	const char *zone = memchr(text, '%', len);
	const char *slash = memchr(text, '/', len);
	struct pfw_addr addr;
	char buf[PFW_QUOTE_SIZE];

	if (addr_value(text, len, ret))
		return 0;
	pfw_text_quote(text, len, buf);
	if (zone && addr_value(text, (size_t)(zone - text), &addr))
		return pfw_error_add(err, PFW_FAILED, "%s has a zone, which forwards do not know: "
				     "leave \"%%...\" out", buf);
	if (slash && addr_value(text, (size_t)(slash - text), &addr))
		return pfw_error_add(err, PFW_FAILED,
				     "%s is a prefix: one single address is needed here", buf);
	if (len > 2 && text[0] == '[' && text[len - 1] == ']' &&
	    addr_value(text + 1, len - 2, &addr))
		return pfw_error_add(err, PFW_FAILED,
				     "%s: an address alone is written without brackets", buf);
	return pfw_error_add(err, PFW_FAILED, "%s is not an IP address", buf);
}

/* Clears the bits behind the first len ones; false if there were none to clear. */
static bool cut_bits(struct pfw_addr *addr, unsigned int len)
{
	size_t size = pfw_addr_size(addr->family), i;
	bool cut = false;
	uint8_t mask;

	for (i = len / 8; i < size; i++) {
		mask = i == len / 8 ? (uint8_t)(0xff >> len % 8) : 0xff;
		cut = cut || addr->bytes[i] & mask;
		addr->bytes[i] &= (uint8_t)~mask;
	}
	return cut;
}

/* The digits behind the slash. */
static bool prefix_len(const char *text, size_t len, unsigned int max, uint8_t *ret)
{
	unsigned int value = 0;
	size_t i;

	if (!len || len > 3 || (len > 1 && text[0] == '0'))
		return false;
	for (i = 0; i < len; i++) {
		if (text[i] < '0' || text[i] > '9')
			return false;
		value = value * 10 + (unsigned int)(text[i] - '0');
	}
	*ret = (uint8_t)value;
	return value <= max;
}

int pfw_prefix_parse(const char *text, size_t len, struct pfw_prefix *ret, struct pfw_error *err)
{
	const char *slash = memchr(text, '/', len);
	size_t front = slash ? (size_t)(slash - text) : len;
	char buf[PFW_QUOTE_SIZE], meant[PFW_PREFIX_TEXT];
	struct pfw_prefix prefix;
	unsigned int max;

	if (pfw_addr_parse(text, front, &prefix.addr, err) < 0)
		return -EINVAL;
	max = 8 * (unsigned int)pfw_addr_size(prefix.addr.family);
	prefix.len = (uint8_t)max;
	if (slash && !prefix_len(slash + 1, len - front - 1, max, &prefix.len))
		return pfw_error_add(err, PFW_FAILED, "%s: the length of an %s prefix is 0 to %u",
				     pfw_text_quote(text, len, buf),
				     prefix.addr.family == AF_INET ? "IPv4" : "IPv6", max);
	if (cut_bits(&prefix.addr, prefix.len))
		return pfw_error_add(err, PFW_FAILED, "%s has bits behind its prefix; write %s, or "
				     "leave the length out for the one address",
				     pfw_text_quote(text, len, buf),
				     pfw_prefix_print(&prefix, meant));
	*ret = prefix;
	return 0;
}

const char *pfw_ports_print(struct pfw_ports ports, char buf[PFW_PORTS_TEXT])
{
	if (ports.lo == ports.hi)
		snprintf(buf, PFW_PORTS_TEXT, "%u", (unsigned int)ports.lo);
	else
		snprintf(buf, PFW_PORTS_TEXT, "%u-%u", (unsigned int)ports.lo,
			 (unsigned int)ports.hi);
	return buf;
}

const char *pfw_addr_print(const struct pfw_addr *addr, char buf[PFW_ADDR_TEXT])
{
	if (!inet_ntop(addr->family, addr->bytes, buf, PFW_ADDR_TEXT))
		snprintf(buf, PFW_ADDR_TEXT, "?");
	return buf;
}

const char *pfw_prefix_print(const struct pfw_prefix *prefix, char buf[PFW_PREFIX_TEXT])
{
	char addr[PFW_ADDR_TEXT];

	pfw_addr_print(&prefix->addr, addr);
	if (prefix->len == 8 * pfw_addr_size(prefix->addr.family))
		snprintf(buf, PFW_PREFIX_TEXT, "%s", addr);
	else
		snprintf(buf, PFW_PREFIX_TEXT, "%s/%u", addr, (unsigned int)prefix->len);
	return buf;
}

size_t pfw_addr_size(uint8_t family)
{
	return family == AF_INET ? 4 : 16;
}

bool pfw_addr_equal(const struct pfw_addr *a, const struct pfw_addr *b)
{
	return a->family == b->family && memcmp(a->bytes, b->bytes, pfw_addr_size(a->family)) == 0;
}

/* Ranges with a meaning of their own: RFC 6890 and the registries that it names. */
static const struct range {
	uint8_t family;
	uint8_t bits;
	uint8_t bytes[16];
	const char *what;	/* NULL: one that a connection can go to */
} ranges[] = {
	{ AF_INET, 32, { 0 }, "the unspecified address" },
	{ AF_INET, 32, { 127, 255, 255, 255 }, "a broadcast address" },
	{ AF_INET, 8, { 127 }, NULL },
	{ AF_INET, 16, { 169, 254 }, "a link-local address" },
	{ AF_INET, 32, { 255, 255, 255, 255 }, "the broadcast address" },
	{ AF_INET, 4, { 224 }, "a multicast address" },
	{ AF_INET6, 128, { 0 }, "the unspecified address" },
	{ AF_INET6, 128, { [15] = 1 }, NULL },
	{ AF_INET6, 96, { [10] = 0xff, [11] = 0xff }, "an IPv4-mapped address" },
	{ AF_INET6, 10, { 0xfe, 0x80 }, "a link-local address" },
	{ AF_INET6, 8, { 0xff }, "a multicast address" },
};

static bool starts_with(const uint8_t *bytes, const uint8_t *prefix, unsigned int bits)
{
	unsigned int whole = bits / 8;
	uint8_t mask = (uint8_t)(0xff00 >> bits % 8);

	if (memcmp(bytes, prefix, whole) != 0)
		return false;
	return bits % 8 == 0 || ((bytes[whole] ^ prefix[whole]) & mask) == 0;
}

static const struct range *range_of(const struct pfw_addr *addr)
{
	size_t i;

	for (i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++)
		if (ranges[i].family == addr->family &&
		    starts_with(addr->bytes, ranges[i].bytes, ranges[i].bits))
			return &ranges[i];
	return NULL;
}

bool pfw_addr_is_any(const struct pfw_addr *addr)
{
	static const uint8_t zero[16];

	return memcmp(addr->bytes, zero, pfw_addr_size(addr->family)) == 0;
}

bool pfw_addr_is_loopback(const struct pfw_addr *addr)
{
	const struct range *range = range_of(addr);

	return range && !range->what;
}

bool pfw_prefix_covers(const struct pfw_prefix *outer, const struct pfw_prefix *inner)
{
	return outer->addr.family == inner->addr.family && outer->len <= inner->len &&
	       starts_with(inner->addr.bytes, outer->addr.bytes, outer->len);
}

void pfw_prefix_last(const struct pfw_prefix *prefix, uint8_t ret[16])
{
	size_t size = pfw_addr_size(prefix->addr.family), i;

	memcpy(ret, prefix->addr.bytes, sizeof(prefix->addr.bytes));
	for (i = prefix->len / 8; i < size; i++)
		ret[i] |= i == prefix->len / 8u ? (uint8_t)(0xff >> prefix->len % 8) : 0xff;
}

bool pfw_bytes_next(uint8_t *address, size_t size)
{
	while (size-- > 0)
		if (++address[size])
			return true;
	return false;
}

bool pfw_bytes_previous(uint8_t *address, size_t size)
{
	while (size-- > 0)
		if (address[size]--)
			return true;
	return false;
}

bool pfw_prefix_equal(const struct pfw_prefix *a, const struct pfw_prefix *b)
{
	return a->len == b->len && pfw_addr_equal(&a->addr, &b->addr);
}

const char *pfw_addr_unusable(const struct pfw_addr *addr)
{
	const struct range *range = range_of(addr);

	return range ? range->what : NULL;
}

bool pfw_ifname_valid(const char *text, size_t len)
{
	size_t i;

	if (!len || len >= PFW_IFNAME_SIZE || (text[0] == '.' && len == 1) ||
	    (len == 2 && memcmp(text, "..", 2) == 0))
		return false;
	for (i = 0; i < len; i++)
		if (!(text[i] >= 'a' && text[i] <= 'z') && !(text[i] >= 'A' && text[i] <= 'Z') &&
		    !(text[i] >= '0' && text[i] <= '9') && (!text[i] || !strchr("_.@:-", text[i])))
			return false;
	return true;
}
