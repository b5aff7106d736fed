/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Waiting for a lock, and losing it. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <unistd.h>

#include "cases.h"
#include "portfwd/base/lock.h"

/* If this fails, a command hangs, or changes what another one is changing. */
START_TEST(test_wait)
{
	char path[] = "/tmp/portfwd-lock.XXXXXX";
	int first = mkstemp(path), second = open(path, O_RDWR), third = open(path, O_RDWR);

	ck_assert(first >= 0 && second >= 0 && third >= 0);
	ck_assert_int_eq(pfw_lock_wait(first, LOCK_EX, 0), 0);
	ck_assert_int_eq(pfw_lock_wait(second, LOCK_EX, pfw_lock_deadline(0)), -ETIMEDOUT);
	ck_assert_int_eq(pfw_lock_wait(second, LOCK_SH, 0), -ETIMEDOUT);
	close(first);
	ck_assert_int_eq(pfw_lock_wait(second, LOCK_SH, 0), 0);
	ck_assert_int_eq(pfw_lock_wait(third, LOCK_SH, 0), 0);
	ck_assert_int_eq(pfw_lock_wait(third, LOCK_EX, 0), -ETIMEDOUT);
	ck_assert_int_eq(pfw_lock_wait(-1, LOCK_EX, 0), -EBADF);
	close(second);
	close(third);
	unlink(path);
}
END_TEST

/* If this fails, two commands hold two files for one lock, and both change what it guards. */
START_TEST(test_current)
{
	char path[] = "/tmp/portfwd-lock.XXXXXX", aside[sizeof(path) + 8];
	int first = mkstemp(path), second;

	ck_assert_int_ge(first, 0);
	ck_assert(pfw_lock_is_current(first, path));
	unlink(path);
	ck_assert(!pfw_lock_is_current(first, path));
	second = open(path, O_RDWR | O_CREAT | O_EXCL, 0600);
	ck_assert_int_ge(second, 0);
	ck_assert(!pfw_lock_is_current(first, path));
	ck_assert(pfw_lock_is_current(second, path));
	/* A link to it is not what others open: they follow none. */
	snprintf(aside, sizeof(aside), "%s.aside", path);
	ck_assert_int_eq(rename(path, aside), 0);
	ck_assert_int_eq(symlink(aside, path), 0);
	ck_assert(!pfw_lock_is_current(second, path));
	unlink(path);
	unlink(aside);
	close(first);
	close(second);
}
END_TEST

TCase *lock_case(void)
{
	TCase *tcase;

	UNIT_CASE(tcase, "lock", test_wait, test_current);
	return tcase;
}
