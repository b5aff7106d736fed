/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Writing to open files. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cases.h"
#include "portfwd/base/file.h"

/* If this fails, a text that the kernel takes in pieces is saved with a part missing. */
START_TEST(test_pieces)
{
	enum { SIZE = 200000 };	/* more than a pipe holds */
	char *text = malloc(SIZE), *got = malloc(SIZE);
	size_t len = 0, i;
	ssize_t n = 1;
	int ends[2];

	ck_assert_ptr_nonnull(text);
	ck_assert_ptr_nonnull(got);
	for (i = 0; i < SIZE; i++)
		text[i] = (char)(i % 251);
	ck_assert_int_eq(pipe2(ends, O_CLOEXEC), 0);
	if (!fork()) {
		close(ends[0]);
		_exit(pfw_file_write(ends[1], text, SIZE) ? 1 : 0);
	}
	close(ends[1]);
	while (n > 0 && len < SIZE) {
		n = read(ends[0], got + len, SIZE - len);
		len += n > 0 ? (size_t)n : 0;
	}
	ck_assert_uint_eq(len, SIZE);
	ck_assert_mem_eq(got, text, SIZE);
	close(ends[0]);
	free(text);
	free(got);
}
END_TEST

/* If this fails, a full disk is taken for a saved file. */
START_TEST(test_refused)
{
	int full = open("/dev/full", O_WRONLY | O_CLOEXEC);

	ck_assert_int_eq(pfw_file_write(-1, "x", 1), -EBADF);
	ck_assert_int_eq(pfw_file_write(-1, NULL, 0), 0);
	if (full < 0)
		return;
	ck_assert_int_eq(pfw_file_write(full, "x", 1), -ENOSPC);
	close(full);
}
END_TEST

TCase *file_case(void)
{
	TCase *tcase;

	UNIT_CASE(tcase, "file", test_pieces, test_refused);
	return tcase;
}
