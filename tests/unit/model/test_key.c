/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The keys that a forward claims. */
#include <errno.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "cases.h"
#include "portfwd/model/key.h"

struct seen {
	struct pfw_key keys[32];
	size_t n;
};

static int note(void *ctx, const struct pfw_key *key)
{
	struct seen *seen = ctx;

	ck_assert_uint_lt(seen->n, COUNT(seen->keys));
	seen->keys[seen->n++] = *key;
	return 0;
}

static int stop(void *ctx, const struct pfw_key *key)
{
	(void)key;
	return ++*(int *)ctx == 2 ? -EEXIST : 0;
}

static struct pfw_addr addresses[] = {
	{ AF_INET, { 198, 51, 100, 1 } }, { AF_INET, { 0 } }, { AF_INET6, { 0xfd, [15] = 1 } },
};
static struct pfw_ports ports[] = { { 80, 80 }, { 443, 443 } };
static struct pfw_target self = { .self = true };
static struct pfw_target ipv6 = { .address = { AF_INET6, { 0xfd, [15] = 2 } } };

START_TEST(test_every_combination)
{
	static const char *interfaces[] = { "wan0", "wan1" };
	struct pfw_forward forward = {
		.listen = { addresses, interfaces, ports, 3, 2, 2, PFW_TCP | PFW_SCTP },
		.targets = &self, .n_targets = 1,
	};
	struct seen seen = { .n = 0 };
	size_t i, j;

	ck_assert_int_eq(pfw_forward_keys(&forward, note, &seen), 0);
	ck_assert_uint_eq(seen.n, 3 * 2 * 2 * 2);
	for (i = 0; i < seen.n; i++)
		for (j = 0; j < i; j++)
			ck_assert(!pfw_key_equal(&seen.keys[i], &seen.keys[j]));
	ck_assert_uint_eq(seen.keys[0].tier, PFW_TIER_ADDRESS_INTERFACE);
	ck_assert_uint_eq(seen.keys[8].tier, PFW_TIER_INTERFACE);
	ck_assert_uint_eq(seen.keys[16].family, AF_INET6);
	ck_assert_uint_eq(seen.keys[0].protocol, IPPROTO_TCP);
}
END_TEST

START_TEST(test_families_follow_the_targets)
{
	struct pfw_forward forward = {
		.listen = { NULL, NULL, ports, 0, 0, 1, PFW_UDP },
		.targets = &self, .n_targets = 1,
	};
	struct seen seen = { .n = 0 };

	ck_assert_int_eq(pfw_forward_keys(&forward, note, &seen), 0);
	ck_assert_uint_eq(seen.n, 2);
	ck_assert_uint_eq(seen.keys[0].tier, PFW_TIER_ANY);
	forward.targets = &ipv6;
	seen.n = 0;
	ck_assert_int_eq(pfw_forward_keys(&forward, note, &seen), 0);
	ck_assert_uint_eq(seen.n, 1);
	ck_assert_uint_eq(seen.keys[0].family, AF_INET6);
}
END_TEST

/* If this fails, 0.0.0.0 and no address at all do not conflict, though they are one. */
START_TEST(test_unspecified_is_any)
{
	struct pfw_forward forward = {
		.listen = { addresses + 1, NULL, ports, 1, 0, 1, PFW_TCP },
		.targets = &self, .n_targets = 1,
	};
	struct seen with = { .n = 0 }, without = { .n = 0 };

	pfw_forward_keys(&forward, note, &with);
	forward.listen.n_addresses = 0;
	pfw_forward_keys(&forward, note, &without);
	ck_assert(pfw_key_equal(&with.keys[0], &without.keys[0]));
	ck_assert_uint_eq(pfw_key_hash(&with.keys[0]), pfw_key_hash(&without.keys[0]));
}
END_TEST

START_TEST(test_stops)
{
	struct pfw_forward forward = {
		.listen = { addresses, NULL, ports, 3, 0, 2, PFW_TCP },
		.targets = &self, .n_targets = 1,
	};
	int calls = 0;

	ck_assert_int_eq(pfw_forward_keys(&forward, stop, &calls), -EEXIST);
	ck_assert_int_eq(calls, 2);
}
END_TEST

START_TEST(test_print)
{
	struct pfw_key key = { .family = AF_INET, .tier = PFW_TIER_ADDRESS_INTERFACE,
			       .protocol = IPPROTO_TCP, .port = { 8080, 8080 },
			       .address = { 198, 51, 100, 1 }, .ifname = "wan0" };
	char buf[PFW_KEY_TEXT];

	ck_assert_str_eq(pfw_key_print(&key, buf),
			 "tcp port 8080 on 198.51.100.1, interface wan0");
	key = (struct pfw_key){ .family = AF_INET6, .tier = PFW_TIER_ANY,
				.protocol = IPPROTO_UDP, .port = { 53, 53 } };
	ck_assert_str_eq(pfw_key_print(&key, buf), "udp port 53 on any IPv6 address");
}
END_TEST

TCase *key_case(void)
{
	TCase *tcase;

	UNIT_CASE(tcase, "key", test_every_combination, test_families_follow_the_targets,
		  test_unspecified_is_any, test_stops, test_print);
	return tcase;
}
