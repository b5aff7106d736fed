/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copying and comparing forwards, and whether their parts go together. */
#include <sys/socket.h>

#include "cases.h"
#include "portfwd/model/forward.h"

static const struct pfw_addr v4 = { AF_INET, { 198, 51, 100, 1 } };
static const struct pfw_addr v6 = { AF_INET6, { 0x20, 0x01, 0x0d, 0xb8, [15] = 1 } };
static const struct pfw_addr loopback = { AF_INET, { 127, 0, 0, 1 } };

/* A forward of "ADDR:80,443 -> 10.0.0.2", changed by the tests. */
struct sample {
	struct pfw_addr addresses[2];
	const char *interfaces[2];
	struct pfw_ports ports[2];
	struct pfw_target targets[3];
	struct pfw_prefix sources[2];
	struct pfw_prefix excluded[1];
	struct pfw_forward forward;
};

static void sample_init(struct sample *s)
{
	*s = (struct sample){
		.addresses = { v4, v6 },
		.interfaces = { "wan0", "wan1" },
		.ports = { { 80, 80 }, { 443, 443 } },
		.targets = { { .address = { AF_INET, { 10, 0, 0, 2 } }, .weight = 1 },
			     { .address = { AF_INET6, { 0xfd, [15] = 3 } }, .weight = 1 },
			     { .address = { AF_INET, { 10, 0, 0, 3 } }, .weight = 1 } },
		.sources = { { { AF_INET, { 10 } }, 8 }, { { AF_INET, { 192, 0, 2 } }, 24 } },
		.excluded = { { { AF_INET, { 10, 1 } }, 16 } },
		.forward = { .name = "web", .enabled = true, .n_targets = 1, .n_sources = 2,
			     .n_excluded = 1 },
	};
	s->forward.listen = (struct pfw_listen){
		.addresses = s->addresses, .interfaces = s->interfaces, .ports = s->ports,
		.n_addresses = 1, .n_interfaces = 0, .n_ports = 2, .protocols = PFW_TCP,
	};
	s->forward.targets = s->targets;
	s->forward.sources = s->sources;
	s->forward.excluded = s->excluded;
}

START_TEST(test_copy_is_deep)
{
	struct pfw_arena arena = { 0 };
	struct pfw_forward copy;
	struct sample a, b;

	sample_init(&a);
	sample_init(&b);
	a.forward.comment = b.forward.comment = "text";
	a.forward.listen.n_interfaces = b.forward.listen.n_interfaces = 2;
	ck_assert_int_eq(pfw_forward_copy(&a.forward, &arena, &copy), 0);
	ck_assert(pfw_forward_equal(&copy, &b.forward));
	memset(&a, 0, sizeof(a));
	ck_assert(pfw_forward_equal(&copy, &b.forward));
	pfw_arena_free(&arena);
}
END_TEST

START_TEST(test_order_does_not_matter)
{
	struct sample a, b;

	sample_init(&a);
	sample_init(&b);
	a.forward.listen.n_interfaces = b.forward.listen.n_interfaces = 2;
	b.ports[0] = a.ports[1];
	b.ports[1] = a.ports[0];
	b.interfaces[0] = "wan1";
	b.interfaces[1] = "wan0";
	b.sources[0] = a.sources[1];
	b.sources[1] = a.sources[0];
	ck_assert(pfw_forward_equal(&a.forward, &b.forward));
	b.ports[1].lo = b.ports[1].hi = 81;
	ck_assert(!pfw_forward_equal(&a.forward, &b.forward));
}
END_TEST

START_TEST(test_each_part_counts)
{
	struct sample a, b;

	sample_init(&a);
#define DIFFERS(change)						\
	do {							\
		sample_init(&b);				\
		ck_assert(pfw_forward_equal(&a.forward, &b.forward)); \
		change;						\
		ck_assert_msg(!pfw_forward_equal(&a.forward, &b.forward), #change); \
	} while (0)
	DIFFERS(b.forward.name = "other");
	DIFFERS(b.forward.comment = "text");
	DIFFERS(b.forward.enabled = false);
	DIFFERS(b.forward.snat = PFW_SNAT_AUTO);
	DIFFERS(b.forward.hairpin = PFW_ON);
	DIFFERS(b.forward.local = PFW_OFF);
	DIFFERS(b.forward.listen.protocols = PFW_UDP);
	DIFFERS(b.forward.listen.n_interfaces = 1);
	DIFFERS(b.forward.listen.n_addresses = 2);
	DIFFERS(b.addresses[0] = v6);
	DIFFERS(b.targets[0].self = true);
	DIFFERS(b.targets[0].port = a.ports[0]);
	DIFFERS(b.targets[0] = a.targets[2]);
	DIFFERS(b.forward.n_targets = 2);
	DIFFERS(b.targets[0].weight = 2);
	DIFFERS(b.forward.balance = PFW_BALANCE_SOURCE);
	DIFFERS(b.forward.log = true);
	DIFFERS(b.forward.limit.rate = 1);
	DIFFERS(b.forward.limit.per = 1);
	DIFFERS(b.forward.limit.burst = 1);
	DIFFERS(b.forward.limit.connections = 1);
	DIFFERS(b.forward.expires = 1);
	DIFFERS(b.forward.n_sources = 1);
	DIFFERS(b.sources[1].len = 25);
	DIFFERS(b.forward.n_excluded = 0);
	DIFFERS(b.excluded[0].addr.bytes[1] = 2);
	sample_init(&b);
	a.forward.snat = b.forward.snat = PFW_SNAT_ADDRESS;
	a.forward.snat_address = v4;
	b.forward.snat_address = loopback;
	ck_assert(!pfw_forward_equal(&a.forward, &b.forward));
	sample_init(&a);
	sample_init(&b);
	b.forward.origin.file = 3;
	ck_assert(pfw_forward_equal(&a.forward, &b.forward));
}
END_TEST

START_TEST(test_target_of_family)
{
	struct sample s;

	sample_init(&s);
	ck_assert_ptr_eq(pfw_forward_target(&s.forward, AF_INET), &s.targets[0]);
	ck_assert_ptr_null(pfw_forward_target(&s.forward, AF_INET6));
	ck_assert_uint_eq(pfw_forward_n_targets(&s.forward, AF_INET6), 0);
	s.forward.n_targets = 3;
	ck_assert_uint_eq(pfw_forward_n_targets(&s.forward, AF_INET), 2);
	ck_assert_uint_eq(pfw_forward_n_targets(&s.forward, AF_INET6), 1);
	ck_assert_ptr_eq(pfw_forward_target(&s.forward, AF_INET6), &s.targets[1]);
	s.forward.n_targets = 1;
	s.targets[0].self = true;
	ck_assert_ptr_eq(pfw_forward_target(&s.forward, AF_INET6), &s.targets[0]);
	ck_assert_uint_eq(pfw_forward_n_targets(&s.forward, AF_INET), 1);
	ck_assert_uint_eq(pfw_forward_n_targets(&s.forward, AF_INET6), 1);
}
END_TEST

static void refused(const struct sample *s, const char *message)
{
	struct pfw_error err = PFW_ERROR_INIT;

	ck_assert_int_lt(pfw_forward_check(&s->forward, &err), 0);
	unit_has_error(&err, message);
}

START_TEST(test_check)
{
	struct pfw_error err = PFW_ERROR_INIT;
	struct sample s;

	sample_init(&s);
	ck_assert_int_eq(pfw_forward_check(&s.forward, &err), 0);
	s.forward.listen.n_addresses = 2;
	refused(&s, "listen: has an IPv6 address, but no target is IPv6");
	s.forward.n_targets = 2;
	ck_assert_int_eq(pfw_forward_check(&s.forward, &err), 0);
	s.forward.listen.n_addresses = 1;
	refused(&s, "target: has an IPv6 address, but no listen address is IPv6");
	s.forward.listen.n_addresses = 0;
	ck_assert_int_eq(pfw_forward_check(&s.forward, &err), 0);
	s.forward.n_targets = 3;
	ck_assert_int_eq(pfw_forward_check(&s.forward, &err), 0);
	s.targets[1].self = true;
	refused(&s, "target: \"self\" serves both families");
	sample_init(&s);
	s.addresses[0] = loopback;
	refused(&s, "listen: 127.0.0.1 is a loopback address");
	s.targets[0].self = true;
	ck_assert_int_eq(pfw_forward_check(&s.forward, &err), 0);
	s.forward.snat = PFW_SNAT_MASQUERADE;
	refused(&s, "snat: \"masquerade\" does not go with");
	s.forward.snat = PFW_SNAT_NONE;
	ck_assert_int_eq(pfw_forward_check(&s.forward, &err), 0);
	ck_assert_uint_eq(err.count, 0);
}
END_TEST

/* If this fails, a machine opens its loopback without need, or a forward to it gets nothing. */
START_TEST(test_loopback)
{
	struct pfw_error err = PFW_ERROR_INIT;
	struct sample s;

	sample_init(&s);
	s.forward.n_targets = s.forward.listen.n_addresses = 1;
	ck_assert(!pfw_forward_stays(&s.forward));
	ck_assert(pfw_forward_leaves(&s.forward, AF_INET));
	ck_assert(!pfw_forward_leaves(&s.forward, AF_INET6));
	ck_assert(!pfw_forward_needs_localnet(&s.forward));
	s.targets[0].address = loopback;
	ck_assert_int_eq(pfw_forward_check(&s.forward, &err), 0);
	ck_assert(pfw_forward_stays(&s.forward));
	ck_assert(!pfw_forward_leaves(&s.forward, AF_INET));
	ck_assert(pfw_forward_needs_localnet(&s.forward));
	s.forward.snat = PFW_SNAT_MASQUERADE;
	refused(&s, "snat: \"masquerade\" does not go with a loopback target");
	s.forward.snat = PFW_SNAT_ADDRESS;
	s.forward.snat_address = v4;
	refused(&s, "snat: an address does not go with a loopback target");
	s.forward.snat = PFW_SNAT_AUTO;
	/* From loopback to loopback nothing comes from outside. */
	s.addresses[0] = loopback;
	ck_assert_int_eq(pfw_forward_check(&s.forward, &err), 0);
	ck_assert(!pfw_forward_needs_localnet(&s.forward));
	s.forward.listen.n_addresses = 0;
	ck_assert(pfw_forward_needs_localnet(&s.forward));
	/* One of several goes elsewhere. */
	s.targets[1].address = v4;
	s.forward.n_targets = 2;
	ck_assert(!pfw_forward_stays(&s.forward));
	ck_assert(pfw_forward_leaves(&s.forward, AF_INET));
	ck_assert(pfw_forward_needs_localnet(&s.forward));
	s.targets[0].self = true;
	ck_assert(!pfw_forward_needs_localnet(&s.forward));
	ck_assert_uint_eq(err.count, 0);
}
END_TEST

START_TEST(test_check_ranges)
{
	struct pfw_error err = PFW_ERROR_INIT;
	struct sample s;

	sample_init(&s);
	s.forward.listen.n_ports = 1;
	s.ports[0] = (struct pfw_ports){ 8000, 8100 };
	ck_assert_int_eq(pfw_forward_check(&s.forward, &err), 0);
	s.targets[0].port = (struct pfw_ports){ 80, 80 };
	ck_assert_int_eq(pfw_forward_check(&s.forward, &err), 0);
	s.targets[0].port = (struct pfw_ports){ 80, 180 };
	ck_assert_int_eq(pfw_forward_check(&s.forward, &err), 0);
	s.targets[0].port.hi = 181;
	refused(&s, "target: the range 80-181 has 102 ports, but 8000-8100 to listen on has 101");
	s.ports[0].hi = 8000;
	refused(&s, "target: the range 80-181 has 102 ports, but 8000 to listen on is 1");
	s.forward.listen.n_ports = 2;
	refused(&s, "target: the range 80-181 needs one range");
	s.forward.n_targets = 2;
	s.forward.listen.n_addresses = 2;
	refused(&s, "target[0]: the range 80-181 needs one range");
	ck_assert_uint_eq(err.count, 0);
}
END_TEST

START_TEST(test_check_several_targets)
{
	struct pfw_error err = PFW_ERROR_INIT;
	struct sample s;

	sample_init(&s);
	s.forward.listen.n_addresses = 0;
	s.forward.n_targets = 3;
	s.targets[1].port = (struct pfw_ports){ 80, 80 };
	ck_assert_int_eq(pfw_forward_check(&s.forward, &err), 0);
	s.targets[2].port = (struct pfw_ports){ 80, 80 };
	refused(&s, "target: of several IPv4 targets all give a port or none does");
	s.targets[0].port = (struct pfw_ports){ 81, 81 };
	ck_assert_int_eq(pfw_forward_check(&s.forward, &err), 0);
	s.forward.listen.n_ports = 1;
	s.ports[0] = (struct pfw_ports){ 8000, 8100 };
	ck_assert_int_eq(pfw_forward_check(&s.forward, &err), 0);
	s.targets[2].port = (struct pfw_ports){ 80, 180 };
	refused(&s, "target: the range 80-180 goes to one IPv4 target only");
	s.targets[0].port = (struct pfw_ports){ 80, 180 };
	refused(&s, "target: the range 80-180 goes to one IPv4 target only");
	/* One of each family is no sharing. */
	s.targets[1].port = (struct pfw_ports){ 80, 180 };
	s.forward.n_targets = 2;
	ck_assert_int_eq(pfw_forward_check(&s.forward, &err), 0);
	ck_assert_uint_eq(err.count, 0);
}
END_TEST

START_TEST(test_check_options)
{
	struct pfw_error err = PFW_ERROR_INIT;
	struct sample s;

	sample_init(&s);
	s.forward.snat = PFW_SNAT_ADDRESS;
	s.forward.snat_address = v4;
	s.forward.limit = (struct pfw_limit){ 1, 86400, 100000, 1 };
	s.forward.expires = 1;
	ck_assert_int_eq(pfw_forward_check(&s.forward, &err), 0);
	s.forward.limit.burst = 200000;
	refused(&s, "limit: a burst of 200000 is too large for so low a rate");
	s.forward.limit = (struct pfw_limit){ .burst = 1, .connections = 1 };
	refused(&s, "limit: \"burst\" goes with a \"rate\"");
	s.forward.snat_address = v6;
	refused(&s, "snat: 2001:db8::1 is IPv6, but a target is IPv4");
	s.excluded[0] = (struct pfw_prefix){ { AF_INET6, { 0xfd } }, 8 };
	refused(&s, "source: fd00::/8 is IPv6, but the forward takes no IPv6 connections");
	s.forward.listen.n_addresses = 0;
	s.forward.n_targets = 2;
	s.forward.snat = PFW_SNAT_MASQUERADE;
	s.forward.limit.burst = 0;
	ck_assert_int_eq(pfw_forward_check(&s.forward, &err), 0);
	ck_assert_uint_eq(err.count, 0);
}
END_TEST

/* If this fails, a file of one line can make the machine work for hours. */
START_TEST(test_check_bounds_the_work)
{
	struct pfw_error err = PFW_ERROR_INIT;
	struct sample s;

	sample_init(&s);
	s.forward.listen.n_addresses = 0;
	s.forward.listen.n_interfaces = 1000;
	s.forward.listen.n_ports = 1000;
	refused(&s, "makes 2000000 combinations");
	/* A range is one key, unless its ports are shifted. */
	s.forward.listen.n_ports = 1;
	s.ports[0] = (struct pfw_ports){ 1, 1000 };
	ck_assert_int_eq(pfw_forward_check(&s.forward, &err), 0);
	s.targets[0].port = (struct pfw_ports){ 1001, 2000 };
	refused(&s, "makes 2000000 combinations");
}
END_TEST

TCase *forward_case(void)
{
	TCase *tcase;

	UNIT_CASE(tcase, "forward", test_copy_is_deep, test_order_does_not_matter,
		  test_each_part_counts, test_target_of_family, test_check,
		  test_loopback, test_check_ranges, test_check_several_targets, test_check_options, test_check_bounds_the_work);
	return tcase;
}
