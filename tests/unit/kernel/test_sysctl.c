/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Sysctls of a network namespace. */
#include <errno.h>

#include "cases.h"
#include "portfwd/base/buffer.h"
#include "portfwd/kernel/sysctl.h"

static const char *read_key(const char *key)
{
	static char value[PFW_SYSCTL_VALUE];
	struct pfw_error err = PFW_ERROR_INIT;

	ck_assert_int_eq(pfw_sysctl_read(key, value, &err), 0);
	return value;
}

START_TEST(test_read_and_write)
{
	struct pfw_error err = PFW_ERROR_INIT;

	sandbox_enter();
	sandbox_sysctl("net/ipv4/ip_forward", "0");
	ck_assert_str_eq(read_key("net/ipv4/ip_forward"), "0");
	ck_assert_int_eq(pfw_sysctl_write("net/ipv4/ip_forward", "1", &err), 0);
	ck_assert_str_eq(read_key("net/ipv4/ip_forward"), "1");
	/* Values of several words stay whole. */
	ck_assert_int_eq(pfw_sysctl_write("net/ipv4/ip_local_port_range", "4000 5000", &err), 0);
	ck_assert_str_eq(read_key("net/ipv4/ip_local_port_range"), "4000\t5000");
}
END_TEST

/* If this fails, a machine without a family is an error instead of a machine without it. */
START_TEST(test_no_such_key)
{
	char value[PFW_SYSCTL_VALUE] = "untouched";
	struct pfw_error err = PFW_ERROR_INIT;

	ck_assert_int_eq(pfw_sysctl_read("net/ipv4/no_such_key", value, &err), -ENOENT);
	ck_assert_int_eq(pfw_sysctl_write("net/ipv4/no_such_key", "1", &err), -ENOENT);
	ck_assert_int_eq(pfw_sysctl_each("net/no_such_folder", NULL, NULL, &err), -ENOENT);
	ck_assert_uint_eq(err.count, 0);
	ck_assert_str_eq(value, "untouched");
}
END_TEST

START_TEST(test_refused)
{
	struct pfw_error err = PFW_ERROR_INIT;
	char value[PFW_SYSCTL_VALUE], longest[512];

	sandbox_enter();
	ck_assert_int_eq(pfw_sysctl_write("net/ipv4/ip_forward", "yes", &err), -EINVAL);
	ck_assert_str_eq(err.item[0].message,
			 "cannot set sysctl net/ipv4/ip_forward to yes: Invalid argument");
	ck_assert_int_eq(err.kind, PFW_FAILED);
	ck_assert_int_eq(pfw_sysctl_read("net/ipv4", value, &err), -EISDIR);
	ck_assert_str_eq(err.item[0].message, "cannot read sysctl net/ipv4: Is a directory");
	memset(longest, 'a', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = '\0';
	ck_assert_int_eq(pfw_sysctl_read(longest, value, &err), -ENAMETOOLONG);
	ck_assert_int_eq(pfw_sysctl_write(longest, "1", &err), -ENAMETOOLONG);
	ck_assert_int_eq(pfw_sysctl_each(longest, NULL, NULL, &err), -ENAMETOOLONG);
	ck_assert_uint_eq(err.count, 1);
}
END_TEST

static int note(void *ctx, const char *name)
{
	pfw_buffer_printf(ctx, "%s ", name);
	return 0;
}

static int stop(void *ctx, const char *name)
{
	note(ctx, name);
	return !strcmp(name, "default") ? -EINTR : 0;
}

/* If this fails, an interface's own switch is forgotten when portfwd puts routing back. */
START_TEST(test_each)
{
	struct pfw_error err = PFW_ERROR_INIT;
	struct pfw_buffer names = { 0 };

	sandbox_enter();
	ck_assert_int_eq(pfw_sysctl_each("net/ipv4/conf", note, &names, &err), 0);
	ck_assert_str_eq(names.data, "all default lo ");
	names.len = 0;
	ck_assert_int_eq(pfw_sysctl_each("net/ipv4/conf", stop, &names, &err), -EINTR);
	ck_assert_str_eq(names.data, "all default ");
	pfw_buffer_free(&names);
}
END_TEST

TCase *sysctl_case(void)
{
	TCase *tcase;

	UNIT_CASE(tcase, "sysctl", test_read_and_write, test_no_such_key, test_refused, test_each);
	tcase_set_timeout(tcase, 30);
	return tcase;
}
