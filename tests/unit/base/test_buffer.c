/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A growing run of bytes. */
#include <stdint.h>

#include "cases.h"
#include "portfwd/base/buffer.h"

START_TEST(test_grows_and_ends)
{
	struct pfw_buffer buf = { 0 };
	int i;

	for (i = 0; i < 1000; i++)
		pfw_buffer_printf(&buf, "%03d,", i);
	ck_assert_uint_eq(buf.len, 4000);
	ck_assert_int_eq(buf.data[buf.len], '\0');
	ck_assert_int_eq(memcmp(buf.data + 400, "100,101,", 8), 0);
	pfw_buffer_free(&buf);
	ck_assert_ptr_null(buf.data);
}
END_TEST

START_TEST(test_failure_is_remembered)
{
	struct pfw_buffer buf = { 0 };

	pfw_buffer_puts(&buf, "text");
	ck_assert_ptr_null(pfw_buffer_reserve(&buf, SIZE_MAX - 2));
	ck_assert(buf.failed);
	pfw_buffer_puts(&buf, "more");
	ck_assert_str_eq(buf.data, "text");
	pfw_buffer_free(&buf);
}
END_TEST

TCase *buffer_case(void)
{
	TCase *tcase;

	UNIT_CASE(tcase, "buffer", test_grows_and_ends, test_failure_is_remembered);
	return tcase;
}
