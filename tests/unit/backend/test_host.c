/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the host backend is answerable for, and its record. */
#include "cases.h"

START_TEST(test_record)
{
	struct pfw_host_record record = { 0 };

	ck_assert_ptr_null(pfw_host_record_find(&record, "net/ipv4/ip_forward"));
	ck_assert_int_eq(pfw_host_record_add(&record, "net/ipv4/ip_forward", "0", 0), 0);
	ck_assert_int_eq(pfw_host_record_add(&record, "net/ipv4/conf/lo/forwarding", "1", 1), 0);
	ck_assert_str_eq(pfw_host_record_find(&record, "net/ipv4/ip_forward"), "0");
	ck_assert_str_eq(pfw_host_record_find(&record, "net/ipv4/conf/lo/forwarding"), "1");
	ck_assert_ptr_null(pfw_host_record_find(&record, "net/ipv4"));
	/* In the order in which they were changed, so that they go back in reverse. */
	ck_assert_str_eq(record.entries[0].key, "net/ipv4/ip_forward");
	pfw_host_record_free(&record);
	ck_assert_uint_eq(record.n_entries, 0);
	pfw_host_record_free(&record);
}
END_TEST

static const char *key_at(const struct pfw_host_record *record, size_t i)
{
	return i < record->n_entries ? record->entries[i].key : "";
}

/* If this fails, a renamed interface escapes the guard and keeps what portfwd set on it. */
START_TEST(test_follow)
{
	struct pfw_host_record record = { 0 };
	struct pfw_links now = { 0 }, *guarded = &record.guarded[0];

	ck_assert_int_eq(pfw_links_add(guarded, "a", 3, true), 0);
	ck_assert_int_eq(pfw_links_add(guarded, "b", 4, false), 0);
	ck_assert_int_eq(pfw_links_add(guarded, "old", 0, false), 0);
	ck_assert_int_eq(pfw_host_record_add(&record, "net/ipv4/conf/a/forwarding", "1", 3), 0);
	ck_assert_int_eq(pfw_host_record_add(&record, "net/ipv6/conf/b/accept_ra", "1", 4), 0);
	ck_assert_int_eq(pfw_host_record_add(&record, "net/ipv4/ip_forward", "0", 0), 0);

	/* Nothing was renamed; "old" is known by its name only. */
	ck_assert_int_eq(pfw_links_add(&now, "a", 3, false), 0);
	ck_assert_int_eq(pfw_links_add(&now, "b", 4, false), 0);
	ck_assert_int_eq(pfw_links_add(&now, "x", 7, false), 0);
	ck_assert_int_eq(pfw_host_record_follow(&record, &now), 0);
	ck_assert(!record.renamed);
	ck_assert_uint_eq(guarded->n, 3);
	pfw_links_free(&now);

	/* They change names with each other, and one of the names is odd. */
	ck_assert_int_eq(pfw_links_add(&now, "b", 3, false), 0);
	ck_assert_int_eq(pfw_links_add(&now, "a..\xff", 4, false), 0);
	ck_assert_int_eq(pfw_links_add(&now, "a", 9, false), 0);
	ck_assert_int_eq(pfw_host_record_follow(&record, &now), 0);
	ck_assert(record.renamed);
	ck_assert_uint_eq(guarded->n, 3);
	ck_assert_str_eq(guarded->list[0].name, "a..\xff");
	ck_assert(!guarded->list[0].routed);
	ck_assert_str_eq(guarded->list[1].name, "b");
	ck_assert(guarded->list[1].routed);
	ck_assert_str_eq(guarded->list[2].name, "old");
	ck_assert_str_eq(key_at(&record, 0), "net/ipv4/conf/b/forwarding");
	ck_assert_str_eq(key_at(&record, 1), "net/ipv6/conf/a..\xff/accept_ra");
	ck_assert_str_eq(key_at(&record, 2), "net/ipv4/ip_forward");
	pfw_links_free(&now);

	/* b goes: its name stays, until the other one takes it. */
	ck_assert_int_eq(pfw_links_add(&now, "a", 4, false), 0);
	ck_assert_int_eq(pfw_host_record_follow(&record, &now), 0);
	ck_assert_str_eq(guarded->list[0].name, "a");
	ck_assert_str_eq(guarded->list[1].name, "b");
	pfw_links_free(&now);
	ck_assert_int_eq(pfw_host_record_add(&record, "net/ipv4/conf/a/forwarding", "0", 4), 0);
	ck_assert_int_eq(pfw_links_add(&now, "b", 4, false), 0);
	ck_assert_int_eq(pfw_host_record_follow(&record, &now), 0);
	ck_assert_uint_eq(guarded->n, 2);
	ck_assert_str_eq(guarded->list[0].name, "b");
	ck_assert_uint_eq(guarded->list[0].index, 4);
	ck_assert(!guarded->list[0].routed);
	ck_assert_str_eq(pfw_host_record_find(&record, "net/ipv4/conf/b/forwarding"), "0");
	ck_assert_uint_eq(record.n_entries, 3);
	pfw_links_free(&now);
	pfw_host_record_free(&record);
}
END_TEST

START_TEST(test_key)
{
	char name[PFW_IFNAME_SIZE];

	ck_assert_str_eq(pfw_host_key_interface("net/ipv4/conf/eth0.5/forwarding", name),
			 "forwarding");
	ck_assert_str_eq(name, "eth0.5");
	ck_assert_str_eq(pfw_host_key_interface("net/ipv6/conf/default/accept_ra", name),
			 "accept_ra");
	ck_assert_str_eq(name, "default");
	ck_assert_ptr_null(pfw_host_key_interface("net/ipv4/ip_forward", name));
	ck_assert_ptr_null(pfw_host_key_interface("net/ipv4/conf/all/forwarding", name));
	ck_assert_ptr_null(pfw_host_key_interface("net/ipv4/conf/eth0", name));
	ck_assert_ptr_null(pfw_host_key_interface("net/ipv4/conf//forwarding", name));
	ck_assert_ptr_null(pfw_host_key_interface("net/ipv4/conf/sixteen-bytes-xx/forwarding", name));
}
END_TEST

/* If this fails, portfwd makes a router of a machine without need, or forgets that it did. */
START_TEST(test_what_is_wanted)
{
	static const struct sample four = { .name = "a", .targets = "10.0.0.2" };
	static const struct sample six = { .name = "a", .targets = "fd00::2" };
	static const struct sample both = { .name = "a" };
	static const struct sample self = { .name = "a", .targets = "self" };
	static const struct {
		const struct sample *sample;
		bool setting;
		struct pfw_facts facts;
		const char *want;
	} rows[] = {
		{ &four, true, { .routing_on = { false, false }, .routing_held = { false, false } }, "ipv4.ip_forward" },
		{ &six, true, { .routing_on = { false, false }, .routing_held = { false, false } }, "ipv6.forwarding" },
		{ &both, true, { .routing_on = { false, false }, .routing_held = { false, false } },
		  "ipv4.ip_forward ipv6.forwarding" },
		{ &both, true, { .routing_on = { true, false }, .routing_held = { false, false } }, "ipv6.forwarding" },
		{ &both, false, { .routing_on = { false, false }, .routing_held = { false, false } }, "" },
		{ &self, true, { .routing_on = { false, false }, .routing_held = { false, false } }, "" },
		/* What is held stays until a flush, also where nothing needs it now. */
		{ &self, true, { .routing_on = { true, false }, .routing_held = { true, false } }, "ipv4.ip_forward" },
		{ &four, false, { .routing_on = { false, false }, .routing_held = { true, true } },
		  "ipv4.ip_forward ipv6.forwarding" },
		{ &four, true, { .routing_on = { true, true }, .routing_held = { false, false } }, "" },
	};
	struct pfw_error err = PFW_ERROR_INIT;
	struct pfw_ruleset ruleset;
	struct pfw_image image;
	struct pfw_plan plan;
	char text[256];
	uint32_t k;
	size_t i;

	for (i = 0; i < COUNT(rows); i++) {
		sample_ruleset(&ruleset, rows[i].sample, 1);
		ruleset.settings.ip_forward = rows[i].setting;
		sample_plan(&ruleset, &plan);
		plan.facts = rows[i].facts;
		ck_assert_int_eq(pfw_backend_host.compile(&plan, NULL, &image, &err), 0);
		*text = '\0';
		for (k = 0; k < image.n_items; k++) {
			strcat(text, k ? " " : "");
			strcat(text, strstr((const char *)pfw_item_key(&image.items[k]), "ipv6") ?
					     "ipv6.forwarding" : "ipv4.ip_forward");
			ck_assert_str_eq((const char *)pfw_item_value(&image.items[k]), "1");
		}
		ck_assert_msg(!strcmp(text, rows[i].want), "row %zu: \"%s\"", i, text);
		pfw_image_free(&image);
		pfw_plan_free(&plan);
		pfw_ruleset_free(&ruleset);
	}
}
END_TEST

/* If this fails, an interface lets connections in to the loopback that no forward is for, or none does. */
START_TEST(test_localnets)
{
	static const struct {
		struct sample samples[2];
		bool draining;
		const char *want;
	} rows[] = {
		{ { { .name = "a", .targets = "10.0.0.2" }, { .name = "b", .ports = "81", .targets = "self" } },
		  false, "" },
		{ { { .name = "a", .targets = "127.0.0.1" }, { .name = "b", .ports = "81", .targets = "self" } },
		  false, "held0 lan0 wan0 " },
		{ { { .name = "a", .targets = "127.0.0.1", .interfaces = "wan0 gone0" },
		    { .name = "b", .ports = "81", .targets = "self" } }, false, "wan0 " },
		{ { { .name = "a", .targets = "127.0.0.1", .interfaces = "wan0" },
		    { .name = "b", .ports = "81", .targets = "127.0.0.2", .interfaces = "lan0" } },
		  false, "lan0 wan0 " },
		{ { { .name = "a", .targets = "127.0.0.1", .addresses = "127.0.0.1" },
		    { .name = "b", .ports = "81", .targets = "self" } }, false, "" },
		/* What finishes needs its way in still. */
		{ { { .name = "a", .targets = "self" }, { .name = "b", .ports = "81", .targets = "self" } },
		  true, "held0 " },
	};
	char name[PFW_IFNAME_SIZE], text[256];
	struct pfw_error err = PFW_ERROR_INIT;
	struct pfw_facts facts = { .routing_on = { true, true } };
	struct pfw_ruleset ruleset;
	struct pfw_image image;
	struct pfw_plan plan;
	uint32_t k;
	size_t i;

	ck_assert_int_eq(pfw_links_add(&facts.inet, "lan0", 2, false), 0);
	ck_assert_int_eq(pfw_links_add(&facts.inet, "wan0", 3, false), 0);
	ck_assert_int_eq(pfw_links_add(&facts.inet, "held0", 4, false), 0);
	ck_assert_int_eq(pfw_links_add(&facts.localnet_held, "held0", 4, false), 0);
	for (i = 0; i < COUNT(rows); i++) {
		sample_ruleset(&ruleset, rows[i].samples, 2);
		sample_plan(&ruleset, &plan);
		plan.facts = facts;
		plan.facts.draining = rows[i].draining;
		ck_assert_int_eq(pfw_backend_host.compile(&plan, NULL, &image, &err), 0);
		*text = '\0';
		for (k = 0; k < image.n_items; k++) {
			ck_assert_str_eq(pfw_host_key_interface(
				(const char *)pfw_item_key(&image.items[k]), name), "route_localnet");
			ck_assert_str_eq((const char *)pfw_item_value(&image.items[k]), "1");
			strcat(strcat(text, name), " ");
		}
		ck_assert_msg(!strcmp(text, rows[i].want), "row %zu: \"%s\"", i, text);
		pfw_image_free(&image);
		pfw_plan_free(&plan);
		pfw_ruleset_free(&ruleset);
	}
	pfw_facts_free(&facts);
}
END_TEST

START_TEST(test_print)
{
	static const struct sample sample = { .name = "a", .targets = "fd00::2" };
	struct pfw_error err = PFW_ERROR_INIT;
	struct pfw_buffer text = { 0 };
	struct pfw_ruleset ruleset;
	struct pfw_image image;
	struct pfw_plan plan;

	sample_ruleset(&ruleset, &sample, 1);
	sample_plan(&ruleset, &plan);
	plan.facts = (struct pfw_facts){ 0 };
	ck_assert_int_eq(pfw_backend_host.compile(&plan, NULL, &image, &err), 0);
	ck_assert_uint_eq(image.n_items, 1);
	pfw_backend_host.print(&image.items[0], &text);
	ck_assert_str_eq(text.data, "net.ipv6.conf.all.forwarding = 1");
	ck_assert_str_eq(pfw_backend_host.kind(&image.items[0]), "sysctl");
	pfw_buffer_free(&text);
	pfw_image_free(&image);
	pfw_plan_free(&plan);
	pfw_ruleset_free(&ruleset);
}
END_TEST

TCase *host_case(void)
{
	TCase *tcase;

	UNIT_CASE(tcase, "host", test_record, test_follow, test_key, test_what_is_wanted, test_localnets, test_print);
	return tcase;
}
