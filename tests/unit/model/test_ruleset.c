/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Putting, finding and dropping forwards. */
#include <sys/socket.h>

#include "cases.h"
#include "portfwd/model/ruleset.h"

static struct pfw_ports port = { 80, 80 };
static struct pfw_target target = { .address = { AF_INET, { 10, 0, 0, 2 } } };

static uint32_t put(struct pfw_ruleset *ruleset, const char *name, const char *comment)
{
	struct pfw_forward forward = {
		.name = name, .comment = comment, .enabled = true,
		.listen = { .ports = &port, .n_ports = 1, .protocols = PFW_TCP },
		.targets = &target, .n_targets = 1,
	};
	uint32_t id = PFW_INDEX_NONE;

	ck_assert_int_eq(pfw_ruleset_put(ruleset, &forward, &id), 0);
	return id;
}

START_TEST(test_put_find_drop)
{
	struct pfw_ruleset ruleset = { .settings = pfw_settings_default };
	char name[16];
	uint32_t i, id;

	for (i = 0; i < 1000; i++) {
		snprintf(name, sizeof(name), "f%u", i);
		ck_assert_uint_eq(put(&ruleset, name, NULL), i);
	}
	ck_assert_uint_eq(ruleset.n_live, 1000);
	ck_assert_uint_eq(pfw_ruleset_find(&ruleset, "f777"), 777);
	ck_assert_uint_eq(pfw_ruleset_find(&ruleset, "f1000"), PFW_INDEX_NONE);
	pfw_ruleset_drop(&ruleset, 777);
	ck_assert_uint_eq(pfw_ruleset_find(&ruleset, "f777"), PFW_INDEX_NONE);
	ck_assert_ptr_null(ruleset.forwards[777].name);
	ck_assert_uint_eq(ruleset.n_live, 999);
	ck_assert_uint_eq(pfw_ruleset_find(&ruleset, "f999"), 999);
	id = put(&ruleset, "f777", NULL);
	ck_assert_uint_eq(pfw_ruleset_find(&ruleset, "f777"), id);
	pfw_ruleset_free(&ruleset);
	ck_assert_ptr_null(ruleset.forwards);
}
END_TEST

START_TEST(test_put_replaces_in_place)
{
	struct pfw_ruleset ruleset = { .settings = pfw_settings_default };
	uint32_t id = put(&ruleset, "web", "old");

	put(&ruleset, "other", NULL);
	ck_assert_uint_eq(put(&ruleset, "web", "new"), id);
	ck_assert_uint_eq(ruleset.n_live, 2);
	ck_assert_str_eq(ruleset.forwards[id].comment, "new");
	ck_assert_uint_eq(pfw_ruleset_find(&ruleset, "web"), id);
	pfw_ruleset_drop(&ruleset, id);
	ck_assert_uint_eq(pfw_ruleset_find(&ruleset, "web"), PFW_INDEX_NONE);
	pfw_ruleset_free(&ruleset);
}
END_TEST

START_TEST(test_named_later)
{
	struct pfw_ruleset ruleset = { .settings = pfw_settings_default };
	uint32_t a = put(&ruleset, NULL, "a"), b = put(&ruleset, NULL, "b");

	ck_assert_uint_ne(a, b);
	ck_assert_uint_eq(ruleset.n_live, 2);
	ck_assert_int_eq(pfw_ruleset_name(&ruleset, b, "late"), 0);
	ck_assert_uint_eq(pfw_ruleset_find(&ruleset, "late"), b);
	pfw_ruleset_drop(&ruleset, a);
	ck_assert_uint_eq(ruleset.n_live, 1);
	pfw_ruleset_free(&ruleset);
}
END_TEST

START_TEST(test_effective)
{
	struct pfw_ruleset ruleset = { .settings = pfw_settings_default };
	struct pfw_forward forward = { 0 };

	ruleset.settings.local = false;
	ruleset.settings.snat = PFW_SNAT_NONE;
	ck_assert(pfw_ruleset_hairpin(&ruleset, &forward));
	ck_assert(!pfw_ruleset_local(&ruleset, &forward));
	ck_assert_int_eq(pfw_ruleset_snat(&ruleset, &forward), PFW_SNAT_NONE);
	forward.hairpin = PFW_OFF;
	forward.local = PFW_ON;
	forward.snat = PFW_SNAT_MASQUERADE;
	ck_assert(!pfw_ruleset_hairpin(&ruleset, &forward));
	ck_assert(pfw_ruleset_local(&ruleset, &forward));
	ck_assert_int_eq(pfw_ruleset_snat(&ruleset, &forward), PFW_SNAT_MASQUERADE);
}
END_TEST

/* A name out of fifty that listens on one or two of four ports, in either order. */
static void put_any(struct pfw_ruleset *ruleset, unsigned int number)
{
	struct pfw_ports ports[2] = { { 0, 0 }, { 0, 0 } };
	struct pfw_forward forward = { 0 };
	char name[16];

	snprintf(name, sizeof(name), "f%u", number % 50);
	ports[0].lo = ports[0].hi = (uint16_t)(number / 50 % 4 + 1);
	ports[1].lo = ports[1].hi = (uint16_t)(number / 200 % 4 + 1);
	forward.name = name;
	forward.listen.ports = ports;
	forward.listen.n_ports = ports[0].lo == ports[1].lo ? 1 : 2;
	forward.listen.protocols = PFW_TCP;
	ck_assert_int_eq(pfw_ruleset_put(ruleset, &forward, NULL), 0);
}

/* If this fails, a forward without a name is added beside the one that listens there. */
START_TEST(test_find_listen)
{
	struct pfw_ruleset ruleset = { .settings = pfw_settings_default }, walked;
	unsigned int i, number = 1;
	uint32_t id, at, n = 0;

	for (i = 0; i < 30; i++)
		put_any(&ruleset, i * 7919);
	pfw_ruleset_index_listens(&ruleset);
	for (i = 0; i < 3000; i++) {
		number = number * 1103515245 + 12345;
		put_any(&ruleset, number >> 8);
		id = (number >> 20) % ruleset.n_forwards;
		if (i % 3 == 0 && ruleset.forwards[id].name)
			pfw_ruleset_drop(&ruleset, id);
		walked = ruleset;
		walked.listens = (struct pfw_index){ 0 };
		id = (number >> 12) % ruleset.n_forwards;
		for (at = 0; ruleset.forwards[id].name && at != PFW_INDEX_NONE; n++) {
			const struct pfw_listen *listen = &ruleset.forwards[id].listen;
			uint32_t next = pfw_ruleset_find_listen(&ruleset, listen, at);

			ck_assert_uint_eq(next, pfw_ruleset_find_listen(&walked, listen, at));
			at = next == PFW_INDEX_NONE ? next : next + 1;
		}
	}
	ck_assert_uint_gt(n, 3000);
	ck_assert_uint_ne(ruleset.listens.size, 0);
	pfw_ruleset_free(&ruleset);
}
END_TEST

TCase *ruleset_case(void)
{
	TCase *tcase;

	UNIT_CASE(tcase, "ruleset", test_put_find_drop, test_put_replaces_in_place,
		  test_named_later, test_find_listen, test_effective);
	return tcase;
}
