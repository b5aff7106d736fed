/* SPDX-License-Identifier: GPL-2.0-or-later */
/* If these fail, a request reaches what it does not mean. */
#include <errno.h>

#include "cases.h"
#include "portfwd/service/route.h"

static const struct {
	const char *method;
	const char *path;
	int code;
	enum pfw_route_id id;
	const char *segment;
} requests[] = {
	{ "GET", "/v1/status", 0, PFW_ROUTE_STATUS, NULL },
	{ "HEAD", "/v1/status", 0, PFW_ROUTE_STATUS, NULL },
	{ "get", "/v1/status", -EOPNOTSUPP, 0, NULL },
	{ "GET", "/v1/forwards", 0, PFW_ROUTE_LIST, NULL },
	{ "POST", "/v1/forwards", 0, PFW_ROUTE_ADD, NULL },
	{ "PUT", "/v1/forwards/web", 0, PFW_ROUTE_PUT, "web" },
	{ "GET", "/v1/forwards/w%2Fb", 0, PFW_ROUTE_GET, "w%2Fb" },
	{ "DELETE", "/v1/forwards/web", 0, PFW_ROUTE_DELETE, "web" },
	{ "POST", "/v1/commands/add", 0, PFW_ROUTE_COMMAND, "add" },
	{ "POST", "/v1/forwards/web", -EOPNOTSUPP, 0, NULL },
	{ "DELETE", "/v1/forwards", -EOPNOTSUPP, 0, NULL },
	{ "GET", "/v1/forwards/", -ENOENT, 0, NULL },
	{ "GET", "/v1/forwards/web/", -ENOENT, 0, NULL },
	{ "GET", "/v1/forwards/a/b", -ENOENT, 0, NULL },
	{ "GET", "/v1/forwardsweb", -ENOENT, 0, NULL },
	{ "GET", "/v1/status/", -ENOENT, 0, NULL },
	{ "GET", "/v1/forwards/{name}/x", -ENOENT, 0, NULL },
	{ "GET", "", -ENOENT, 0, NULL },
	{ "GET", "*", -ENOENT, 0, NULL },
	{ "GET", "/", -ENOENT, 0, NULL },
};

START_TEST(a_request_finds_its_route_and_no_other)
{
	const char *segment;
	enum pfw_route_id id;
	size_t i;

	for (i = 0; i < COUNT(requests); i++) {
		segment = NULL;
		id = PFW_ROUTE_METRICS;
		ck_assert_msg(pfw_route_find(requests[i].method, requests[i].path, &id, &segment) ==
			      requests[i].code, "%s %s", requests[i].method, requests[i].path);
		if (requests[i].code)
			continue;
		ck_assert_int_eq(id, requests[i].id);
		ck_assert(!segment == !requests[i].segment);
		if (segment)
			ck_assert_str_eq(segment, requests[i].segment);
	}
}
END_TEST

START_TEST(every_route_is_found_by_its_own_words)
{
	const char *segment;
	enum pfw_route_id id;
	int i;

	for (i = 0; i < PFW_ROUTES; i++) {
		ck_assert_int_eq(pfw_route_find(pfw_routes[i].method, pfw_routes[i].path, &id,
						&segment), 0);
		ck_assert_int_eq(id, i);
	}
}
END_TEST

START_TEST(the_methods_of_a_path_are_told)
{
	char buf[80], small[12];

	ck_assert_str_eq(pfw_route_allow("/v1/forwards/web", buf, sizeof(buf)),
			 "GET, HEAD, PUT, PATCH, DELETE, OPTIONS");
	ck_assert_str_eq(pfw_route_allow("/v1/reload", buf, sizeof(buf)), "POST, OPTIONS");
	ck_assert_str_eq(pfw_route_allow("/v1/forwards/web", small, sizeof(small)), "GET, HEAD, ");
}
END_TEST

START_TEST(a_switch_is_known_as_a_whole_word)
{
	ck_assert(pfw_route_takes(PFW_ROUTE_ADD, "dry_run"));
	ck_assert(pfw_route_takes(PFW_ROUTE_ADD, "runtime"));
	ck_assert(pfw_route_takes(PFW_ROUTE_DELETE, "drain"));
	ck_assert(!pfw_route_takes(PFW_ROUTE_DELETE, "runtime"));
	ck_assert(!pfw_route_takes(PFW_ROUTE_ADD, "dry"));
	ck_assert(!pfw_route_takes(PFW_ROUTE_ADD, "dry_run drain"));
	ck_assert(!pfw_route_takes(PFW_ROUTE_ADD, ""));
	ck_assert(!pfw_route_takes(PFW_ROUTE_STATUS, "dry_run"));
}
END_TEST

TCase *route_case(void)
{
	TCase *tcase;

	UNIT_CASE(tcase, "route", a_request_finds_its_route_and_no_other,
		  every_route_is_found_by_its_own_words, the_methods_of_a_path_are_told,
		  a_switch_is_known_as_a_whole_word);
	return tcase;
}
