/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Waiting for a lock. */
#include <errno.h>
#include <fcntl.h>
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

TCase *lock_case(void)
{
	TCase *tcase;

	UNIT_CASE(tcase, "lock", test_wait);
	return tcase;
}
