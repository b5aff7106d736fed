/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Names: valid ones, and those that a listen part gives. */
#include <errno.h>
#include <sys/socket.h>

#include "cases.h"
#include "portfwd/model/forward.h"

static bool always(void *ctx, const char *name)
{
	(void)ctx;
	return pfw_name_valid(name, strlen(name));
}

static bool never(void *ctx, const char *name)
{
	(void)ctx;
	(void)name;
	return false;
}

static bool not_this(void *ctx, const char *name)
{
	return strcmp(ctx, name) != 0;
}

START_TEST(test_valid)
{
	static const char *const good[] = { "a", "0", "web", "a_b.c-d", "tcp-8080" };
	static const char *const wrong[] = { "", "-a", ".a", "_a", "a b", "a/b", "a:b", "\xc3\xa9" };
	char longest[PFW_NAME_MAX + 2];
	size_t i;

	memset(longest, 'n', sizeof(longest));
	for (i = 0; i < COUNT(good); i++)
		ck_assert_msg(pfw_name_valid(good[i], strlen(good[i])), "%s", good[i]);
	for (i = 0; i < COUNT(wrong); i++)
		ck_assert_msg(!pfw_name_valid(wrong[i], strlen(wrong[i])), "%s", wrong[i]);
	ck_assert(pfw_name_valid(longest, PFW_NAME_MAX));
	ck_assert(!pfw_name_valid(longest, PFW_NAME_MAX + 1));
	ck_assert(!pfw_name_valid("a\0b", 3));
}
END_TEST

static struct pfw_addr addresses[] = {
	{ AF_INET, { 198, 51, 100, 1 } }, { AF_INET6, { 0x20, 0x01, 0x0d, 0xb8, [15] = 1 } },
};
static const char *interfaces[] = { "wan0@if:1" };
static struct pfw_ports ports[] = { { 8080, 8080 }, { 53, 53 }, { 8000, 8100 } };

static void gives(struct pfw_listen listen, const char *expected)
{
	char name[PFW_NAME_MAX + 1];

	listen.addresses = listen.addresses ? listen.addresses : addresses;
	listen.interfaces = interfaces;
	ck_assert_int_eq(pfw_forward_derive_name(&listen, always, NULL, name), 0);
	ck_assert_str_eq(name, expected);
}

START_TEST(test_derived)
{
	gives((struct pfw_listen){ .ports = ports, .n_ports = 1, .protocols = PFW_TCP },
	      "tcp-8080");
	gives((struct pfw_listen){ .ports = ports, .n_ports = 1, .protocols = PFW_TCP,
				   .n_addresses = 1 }, "tcp-198.51.100.1-8080");
	gives((struct pfw_listen){ .ports = ports + 1, .n_ports = 1,
				   .protocols = PFW_TCP | PFW_UDP }, "tcp-udp-53");
	gives((struct pfw_listen){ .ports = ports, .n_ports = 3, .protocols = PFW_SCTP },
	      "sctp-53-8000-8100-8080");
	gives((struct pfw_listen){ .ports = ports, .n_ports = 1, .protocols = PFW_UDP,
				   .n_addresses = 1, .addresses = addresses + 1,
				   .n_interfaces = 1 },
	      "udp-2001-db8--1-wan0-if-1-8080");
}
END_TEST

START_TEST(test_order_gives_one_name)
{
	struct pfw_ports turned[] = { { 53, 53 }, { 8080, 8080 } };
	char a[PFW_NAME_MAX + 1], b[PFW_NAME_MAX + 1];
	struct pfw_listen listen = { .ports = ports, .n_ports = 2, .protocols = PFW_TCP };

	ck_assert_int_eq(pfw_forward_derive_name(&listen, always, NULL, a), 0);
	listen.ports = turned;
	ck_assert_int_eq(pfw_forward_derive_name(&listen, always, NULL, b), 0);
	ck_assert_str_eq(a, b);
}
END_TEST

START_TEST(test_digest)
{
	char a[PFW_NAME_MAX + 1], b[PFW_NAME_MAX + 1];
	char taken[] = "tcp-53-8080";
	struct pfw_ports many[100];
	struct pfw_listen listen = { .ports = many, .n_ports = COUNT(many), .protocols = PFW_TCP };
	uint16_t i;

	for (i = 0; i < COUNT(many); i++)
		many[i] = (struct pfw_ports){ (uint16_t)(1000 + i), (uint16_t)(1000 + i) };
	ck_assert_int_eq(pfw_forward_derive_name(&listen, always, NULL, a), 0);
	ck_assert_uint_eq(strlen(a), PFW_NAME_MAX);
	many[99].lo = many[99].hi = 2000;
	ck_assert_int_eq(pfw_forward_derive_name(&listen, always, NULL, b), 0);
	ck_assert_str_ne(a, b);
	listen.ports = ports;
	listen.n_ports = 2;
	ck_assert_int_eq(pfw_forward_derive_name(&listen, not_this, taken, a), 0);
	ck_assert_uint_eq(strlen(a), strlen(taken) + 9);
	ck_assert_int_eq(strncmp(a, taken, strlen(taken)), 0);
	memcpy(b, a, sizeof(a));
	ck_assert_int_eq(pfw_forward_derive_name(&listen, never, NULL, a), -EEXIST);
	ck_assert_str_eq(a, b);
}
END_TEST

TCase *name_case(void)
{
	TCase *tcase;

	UNIT_CASE(tcase, "name", test_valid, test_derived, test_order_gives_one_name,
		  test_digest);
	return tcase;
}
