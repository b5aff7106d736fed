/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Ports, addresses, protocols and interface names. */
#include <netinet/in.h>
#include <sys/socket.h>

#include "cases.h"
#include "portfwd/base/net.h"

START_TEST(test_ports)
{
	static const char *const wrong[] = { "", "0", "65536", "99999", "100000", "080", " 80",
					     "80 ", "+80", "-1", "1e3", "80.0", "0x50", "http",
					     "8\0", "-", "80-", "-80", "80-80", "90-80", "1-2-3" };
	struct pfw_error err = PFW_ERROR_INIT;
	struct pfw_ports ports = { 7, 7 };
	char buf[PFW_PORTS_TEXT];
	size_t i;

	for (i = 0; i < COUNT(wrong); i++) {
		size_t len = strcmp(wrong[i], "8") == 0 ? 2 : strlen(wrong[i]);

		ck_assert_msg(pfw_ports_parse(wrong[i], len, &ports, &err) < 0, "%s", wrong[i]);
	}
	ck_assert_uint_eq(err.count, COUNT(wrong));
	ck_assert_uint_eq(ports.lo, 7);
	ck_assert_int_eq(pfw_ports_parse("1", 1, &ports, &err), 0);
	ck_assert_int_eq(pfw_ports_parse("65535", 5, &ports, &err), 0);
	ck_assert_str_eq(pfw_ports_print(ports, buf), "65535");
	ck_assert_int_eq(pfw_ports_parse("8000-8100", 9, &ports, &err), 0);
	ck_assert_str_eq(pfw_ports_print(ports, buf), "8000-8100");
	ck_assert_int_eq(pfw_ports_parse("80,443", 2, &ports, &err), 0);
	ck_assert_uint_eq(ports.hi, 80);
}
END_TEST

START_TEST(test_port_message)
{
	struct pfw_error err = PFW_ERROR_INIT;
	uint16_t port;

	pfw_port_parse("70000", 5, &port, &err);
	ck_assert_str_eq(err.item[0].message, "70000 is not a port (1-65535)");
	pfw_port_parse("80 ", 3, &port, &err);
	ck_assert_str_eq(err.item[1].message, "\"80 \" is not a port (1-65535)");
}
END_TEST

START_TEST(test_addresses)
{
	static const struct {
		const char *text, *printed;
	} good[] = {
		{ "198.51.100.1", "198.51.100.1" },
		{ "2001:DB8:0::1", "2001:db8::1" },
		{ "::", "::" },
		{ "::ffff:1.2.3.4", "::ffff:1.2.3.4" },
	};
	static const struct {
		const char *text, *message;
	} wrong[] = {
		{ "", "\"\" is not an IP address" },
		{ "198.51.100", "is not an IP address" },
		{ "198.51.100.256", "is not an IP address" },
		{ "198.51.100.01", "is not an IP address" },
		{ "1.2.3.4 ", "\"1.2.3.4 \" is not an IP address" },
		{ "localhost", "is not an IP address" },
		{ "10.0.0.0/8", "is a prefix" },
		{ "2001:db8::/32", "is a prefix" },
		{ "fe80::1%eth0", "has a zone" },
		{ "[::1]", "without brackets" },
		{ ":::", "is not an IP address" },
		{ "1:2:3:4:5:6:7:8:9", "is not an IP address" },
		{ "1111111111111111111111111111111111111111111111111111111111", "..." },
	};
	struct pfw_error err = PFW_ERROR_INIT;
	struct pfw_addr addr = { 0 };
	char buf[PFW_ADDR_TEXT];
	size_t i;

	for (i = 0; i < COUNT(good); i++) {
		ck_assert_int_eq(pfw_addr_parse(good[i].text, strlen(good[i].text), &addr, &err), 0);
		ck_assert_str_eq(pfw_addr_print(&addr, buf), good[i].printed);
	}
	for (i = 0; i < COUNT(wrong) - 1; i++) {
		pfw_error_clear(&err);
		ck_assert_int_lt(pfw_addr_parse(wrong[i].text, strlen(wrong[i].text), &addr, &err), 0);
		unit_has_error(&err, wrong[i].message);
	}
	ck_assert_int_lt(pfw_addr_parse("1.2.3.4\0", 8, &addr, &err), 0);
}
END_TEST

START_TEST(test_kinds_of_addresses)
{
	static const struct {
		const char *text, *what;
		bool loopback, any;
	} rows[] = {
		{ "0.0.0.0", "the unspecified address", false, true },
		{ "::", "the unspecified address", false, true },
		{ "127.0.0.1", NULL, true, false },
		{ "127.255.255.255", "a broadcast address", false, false },
		{ "::1", NULL, true, false },
		{ "128.0.0.1", NULL, false, false },
		{ "169.254.1.1", "a link-local address", false, false },
		{ "fe80::1", "a link-local address", false, false },
		{ "febf::1", "a link-local address", false, false },
		{ "fec0::1", NULL, false, false },
		{ "224.0.0.1", "a multicast address", false, false },
		{ "239.255.255.255", "a multicast address", false, false },
		{ "ff02::1", "a multicast address", false, false },
		{ "255.255.255.255", "the broadcast address", false, false },
		{ "::ffff:10.0.0.1", "an IPv4-mapped address", false, false },
		{ "10.0.0.1", NULL, false, false },
		{ "2001:db8::1", NULL, false, false },
	};
	struct pfw_error err = PFW_ERROR_INIT;
	struct pfw_addr addr;
	const char *what;
	size_t i;

	for (i = 0; i < COUNT(rows); i++) {
		ck_assert_int_eq(pfw_addr_parse(rows[i].text, strlen(rows[i].text), &addr, &err), 0);
		what = pfw_addr_unusable(&addr);
		ck_assert_msg(!what == !rows[i].what && (!what || !strcmp(what, rows[i].what)),
			      "%s", rows[i].text);
		ck_assert_msg(pfw_addr_is_loopback(&addr) == rows[i].loopback, "%s", rows[i].text);
		ck_assert_msg(pfw_addr_is_any(&addr) == rows[i].any, "%s", rows[i].text);
	}
}
END_TEST

START_TEST(test_protocols)
{
	ck_assert_uint_eq(pfw_protocol_number(PFW_TCP), IPPROTO_TCP);
	ck_assert_uint_eq(pfw_protocol_number(PFW_SCTP), IPPROTO_SCTP);
	ck_assert_uint_eq(pfw_protocol_number(PFW_TCP | PFW_UDP), 0);
	ck_assert_str_eq(pfw_protocol_text(IPPROTO_UDP), "udp");
	ck_assert_ptr_null(pfw_protocol_text(IPPROTO_ICMP));
}
END_TEST

START_TEST(test_interfaces)
{
	static const char *const good[] = { "eth0", "wan0.100", "veth@if3", "br-lan", "a:b", "x_y",
					    "123456789012345" };
	static const char *const wrong[] = { "", ".", "..", "1234567890123456", "eth 0", "eth*",
					     "a/b", "eth\n", "\xc3\xa9th" };
	size_t i;

	for (i = 0; i < COUNT(good); i++)
		ck_assert_msg(pfw_ifname_valid(good[i], strlen(good[i])), "%s", good[i]);
	for (i = 0; i < COUNT(wrong); i++)
		ck_assert_msg(!pfw_ifname_valid(wrong[i], strlen(wrong[i])), "%s", wrong[i]);
	ck_assert(!pfw_ifname_valid("eth\0x", 5));
}
END_TEST

START_TEST(test_prefixes)
{
	static const struct {
		const char *text, *printed;
	} good[] = {
		{ "0.0.0.0/0", "0.0.0.0/0" },
		{ "203.0.113.0/24", "203.0.113.0/24" },
		{ "203.0.113.128/25", "203.0.113.128/25" },
		{ "203.0.113.7", "203.0.113.7" },
		{ "203.0.113.7/32", "203.0.113.7" },
		{ "::/0", "::/0" },
		{ "2001:DB8:1::/48", "2001:db8:1::/48" },
		{ "2001:db8::8000/113", "2001:db8::8000/113" },
		{ "2001:db8::1/128", "2001:db8::1" },
	};
	static const struct {
		const char *text, *message;
	} wrong[] = {
		{ "", "is not an IP address" },
		{ "/8", "is not an IP address" },
		{ "10/8", "10 is not an IP address" },
		{ "10.0.0.0/", "the length of an IPv4 prefix is 0 to 32" },
		{ "10.0.0.0/33", "the length of an IPv4 prefix is 0 to 32" },
		{ "10.0.0.0/08", "the length of an IPv4 prefix is 0 to 32" },
		{ "10.0.0.0/+8", "the length of an IPv4 prefix is 0 to 32" },
		{ "10.0.0.0/8/8", "the length of an IPv4 prefix is 0 to 32" },
		{ "10.0.0.0/255.0.0.0", "the length of an IPv4 prefix is 0 to 32" },
		{ "fd00::/129", "the length of an IPv6 prefix is 0 to 128" },
		{ "fd00::/256", "the length of an IPv6 prefix is 0 to 128" },
		{ "11.0.0.0/7", "11.0.0.0/7 has bits behind its prefix; write 10.0.0.0/7" },
		{ "203.0.113.7/24", "has bits behind its prefix; write 203.0.113.0/24, or" },
		{ "0.0.0.1/0", "write 0.0.0.0/0, or" },
		{ "2001:db8::8000/112", "write 2001:db8::/112, or" },
		{ "fe80::%eth0/64", "has a zone" },
	};
	struct pfw_error err = PFW_ERROR_INIT;
	struct pfw_prefix prefix;
	char buf[PFW_PREFIX_TEXT];
	size_t i;

	for (i = 0; i < COUNT(good); i++) {
		ck_assert_int_eq(pfw_prefix_parse(good[i].text, strlen(good[i].text), &prefix,
						  &err), 0);
		ck_assert_str_eq(pfw_prefix_print(&prefix, buf), good[i].printed);
	}
	memset(&prefix, 7, sizeof(prefix));
	for (i = 0; i < COUNT(wrong); i++) {
		pfw_error_clear(&err);
		ck_assert_int_lt(pfw_prefix_parse(wrong[i].text, strlen(wrong[i].text), &prefix,
						  &err), 0);
		unit_has_error(&err, wrong[i].message);
		ck_assert_uint_eq(prefix.len, 7);
	}
}
END_TEST

static struct pfw_prefix prefix_of(const char *text)
{
	struct pfw_error err = PFW_ERROR_INIT;
	struct pfw_prefix prefix = { .len = 0 };

	ck_assert_int_eq(pfw_prefix_parse(text, strlen(text), &prefix, &err), 0);
	return prefix;
}

/* If this fails, somebody is let in, or kept out, by a prefix that is not his. */
START_TEST(test_prefix_covers)
{
	static const struct {
		const char *outer, *inner;
		bool covers;
	} rows[] = {
		{ "0.0.0.0/0", "255.255.255.255", true },
		{ "0.0.0.0/0", "::/0", false },
		{ "::/0", "0.0.0.0/0", false },
		{ "10.0.0.0/8", "10.255.0.0/16", true },
		{ "10.0.0.0/8", "10.0.0.0/8", true },
		{ "10.0.0.0/8", "10.0.0.0/7", false },
		{ "10.0.0.0/8", "11.0.0.0/8", false },
		{ "10.0.0.0/9", "10.128.0.0/9", false },
		{ "203.0.113.7", "203.0.113.7", true },
		{ "203.0.113.7", "203.0.113.6", false },
		{ "2001:db8::/33", "2001:db8:7fff::1", true },
		{ "2001:db8::/33", "2001:db8:8000::1", false },
		{ "2001:db8::1", "2001:db8::1", true },
	};
	struct pfw_prefix outer, inner;
	size_t i;

	for (i = 0; i < COUNT(rows); i++) {
		outer = prefix_of(rows[i].outer);
		inner = prefix_of(rows[i].inner);
		ck_assert_msg(pfw_prefix_covers(&outer, &inner) == rows[i].covers, "%s, %s",
			      rows[i].outer, rows[i].inner);
		ck_assert(pfw_prefix_equal(&outer, &outer));
		ck_assert(pfw_prefix_equal(&outer, &inner) ==
			  (strcmp(rows[i].outer, rows[i].inner) == 0));
	}
}
END_TEST

/* If this fails, a client at the edge of a source list is taken for one outside of it, or the other way. */
START_TEST(test_ends_and_neighbours)
{
	static const struct {
		const char *prefix, *last, *next;
	} rows[] = {
		{ "192.0.2.0/24", "192.0.2.255", "192.0.3.0" },
		{ "192.0.2.128/25", "192.0.2.255", "192.0.3.0" },
		{ "192.0.2.7", "192.0.2.7", "192.0.2.8" },
		{ "10.0.0.0/9", "10.127.255.255", "10.128.0.0" },
		{ "0.0.0.0/0", "255.255.255.255", NULL },
		{ "2001:db8::/33", "2001:db8:7fff:ffff:ffff:ffff:ffff:ffff", "2001:db8:8000::" },
		{ "::/0", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", NULL },
	};
	struct pfw_prefix prefix;
	struct pfw_addr addr, before;
	char buf[PFW_ADDR_TEXT];
	size_t i, size;

	for (i = 0; i < COUNT(rows); i++) {
		prefix = prefix_of(rows[i].prefix);
		addr = prefix.addr;
		size = pfw_addr_size(addr.family);
		pfw_prefix_last(&prefix, addr.bytes);
		ck_assert_str_eq(pfw_addr_print(&addr, buf), rows[i].last);
		before = addr;
		ck_assert(pfw_bytes_next(addr.bytes, size) == !!rows[i].next);
		if (rows[i].next)
			ck_assert_str_eq(pfw_addr_print(&addr, buf), rows[i].next);
		ck_assert(pfw_bytes_previous(addr.bytes, size) == !!rows[i].next);
		ck_assert(pfw_addr_equal(&addr, &before));
	}
}
END_TEST

TCase *net_case(void)
{
	TCase *tcase;

	UNIT_CASE(tcase, "net", test_ports, test_port_message, test_addresses,
		  test_kinds_of_addresses, test_protocols, test_interfaces, test_prefixes,
		  test_prefix_covers, test_ends_and_neighbours);
	return tcase;
}
