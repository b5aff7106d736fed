/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Network namespaces: entering one by path, and telling them apart. */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <unistd.h>

#include "cases.h"
#include "portfwd/kernel/netns.h"

static uint64_t id(void)
{
	struct pfw_error err = PFW_ERROR_INIT;
	bool unique = false;
	uint64_t ret = 0;

	ck_assert_int_eq(pfw_netns_id(&ret, &unique, &err), 0);
	ck_assert_uint_ne(ret, 0);
	return ret;
}

/* If this fails, two namespaces share a lock and a record, or one loses its own. */
START_TEST(test_enter_and_id)
{
	struct pfw_error err = PFW_ERROR_INIT;
	uint64_t first, second;
	char path[64];
	int fd;

	sandbox_enter();
	first = id();
	ck_assert_uint_eq(id(), first);
	fd = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	ck_assert_int_ge(fd, 0);
	sandbox_enter();
	second = id();
	ck_assert_uint_ne(second, first);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	ck_assert_int_eq(pfw_netns_enter(path, &err), 0);
	ck_assert_uint_eq(id(), first);
	close(fd);
}
END_TEST

START_TEST(test_refused)
{
	static const struct {
		const char *name;
		int code;
		const char *words;
	} rows[] = {
		{ "", -EINVAL, "\"\" names no network namespace" },
		{ ".", -EINVAL, "\".\" names no network namespace" },
		{ "..", -EINVAL, "\"..\" names no network namespace" },
		{ "no-such-namespace", -ENOENT, "there is no network namespace no-such-namespace; "
						"\"ip netns list\" shows those that are" },
		{ "/no/such/path", -ENOENT, "there is no network namespace /no/such/path; "
					    "\"ip netns list\" shows those that are" },
		{ "/dev/null", -EINVAL, "/dev/null is not a network namespace" },
		{ "/proc/self/ns/mnt", -EINVAL, "/proc/self/ns/mnt is not a network namespace" },
	};
	struct pfw_error err = PFW_ERROR_INIT;
	char longest[5000];
	uint64_t before;
	size_t i;

	sandbox_enter();
	before = id();
	for (i = 0; i < COUNT(rows); i++) {
		ck_assert_int_eq(pfw_netns_enter(rows[i].name, &err), rows[i].code);
		ck_assert_str_eq(err.item[0].message, rows[i].words);
		ck_assert_int_eq(err.kind, PFW_FAILED);
	}
	memset(longest, 'a', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = '\0';
	ck_assert_int_eq(pfw_netns_enter(longest, &err), -ENAMETOOLONG);
	ck_assert_uint_eq(id(), before);
}
END_TEST

TCase *netns_case(void)
{
	TCase *tcase;

	UNIT_CASE(tcase, "netns", test_enter_and_id, test_refused);
	tcase_set_timeout(tcase, 30);
	return tcase;
}
