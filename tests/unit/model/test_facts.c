/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Lists of interfaces. */
#include "cases.h"
#include "portfwd/model/facts.h"

START_TEST(test_links)
{
	static const char *const names[] = {
		"wan0", "lan0", "wan0", "", "eth0", "sixteen-bytes-xx", "fifteen-bytes-x", "wan",
	};
	static const char *const sorted[] = { "eth0", "fifteen-bytes-x", "lan0", "wan", "wan0" };
	struct pfw_links links = { 0 }, copy = { 0 };
	size_t i;

	for (i = 0; i < COUNT(names); i++)
		ck_assert_int_eq(pfw_links_add(&links, names[i], (uint32_t)i + 1, i != 2), 0);
	ck_assert_uint_eq(links.n, COUNT(sorted));
	for (i = 0; i < COUNT(sorted); i++)
		ck_assert_str_eq(links.list[i].name, sorted[i]);
	/* Names are compared and hashed as bytes. */
	for (i = strlen("wan"); i < PFW_IFNAME_SIZE; i++)
		ck_assert_int_eq(links.list[3].name[i], 0);
	/* The first index of a name counts, and one that does not route makes it guarded. */
	ck_assert_uint_eq(pfw_links_find(&links, "wan0")->index, 1);
	ck_assert(!pfw_links_find(&links, "wan0")->routed);
	ck_assert(pfw_links_find(&links, "lan0")->routed);
	ck_assert_str_eq(pfw_links_find_index(&links, 5)->name, "eth0");
	ck_assert_ptr_null(pfw_links_find(&links, "eth1"));
	ck_assert_ptr_null(pfw_links_find_index(&links, 99));
	/* An index that is not known is nobody's. */
	ck_assert_int_eq(pfw_links_add(&links, "x0", 0, false), 0);
	ck_assert_ptr_null(pfw_links_find_index(&links, 0));
	ck_assert_int_eq(pfw_links_copy(&links, &copy), 0);
	pfw_links_free(&links);
	ck_assert_uint_eq(copy.n, COUNT(sorted) + 1);
	ck_assert_str_eq(copy.list[4].name, "wan0");
	pfw_links_free(&copy);
	ck_assert_int_eq(pfw_links_copy(&links, &copy), 0);
	ck_assert_ptr_null(copy.list);
}
END_TEST

TCase *facts_case(void)
{
	TCase *tcase;

	UNIT_CASE(tcase, "facts", test_links);
	return tcase;
}
