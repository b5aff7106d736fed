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
		ck_assert_int_eq(pfw_links_add(&links, names[i]), 0);
	ck_assert_uint_eq(links.n, COUNT(sorted));
	for (i = 0; i < COUNT(sorted); i++)
		ck_assert_str_eq(links.names[i], sorted[i]);
	/* Names are compared and hashed as bytes. */
	for (i = strlen("wan"); i < PFW_IFNAME_SIZE; i++)
		ck_assert_int_eq(links.names[3][i], 0);
	ck_assert_int_eq(pfw_links_copy(&links, &copy), 0);
	pfw_links_free(&links);
	ck_assert_uint_eq(copy.n, COUNT(sorted));
	ck_assert_str_eq(copy.names[4], "wan0");
	pfw_links_free(&copy);
	ck_assert_int_eq(pfw_links_copy(&links, &copy), 0);
	ck_assert_ptr_null(copy.names);
}
END_TEST

TCase *facts_case(void)
{
	TCase *tcase;

	UNIT_CASE(tcase, "facts", test_links);
	return tcase;
}
