/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Writing to open files. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cases.h"
#include "portfwd/base/file.h"

static void interrupted(int number)
{
	(void)number;
}

/*
 * If this fails, a text that the kernel takes in pieces is saved with a part missing. The first byte
 * of a pipe can be read when the pipe is full, and a signal ends the write there.
 */
START_TEST(test_pieces)
{
	enum { SIZE = 200000 };	/* more than a pipe holds */
	const struct sigaction action = { .sa_handler = interrupted };
	char *text = malloc(SIZE), *got = malloc(SIZE);
	size_t len, i;
	ssize_t n = 1;
	int ends[2], status;
	pid_t child;

	ck_assert_ptr_nonnull(text);
	ck_assert_ptr_nonnull(got);
	for (i = 0; i < SIZE; i++)
		text[i] = (char)(i % 251);
	ck_assert_int_eq(sigaction(SIGUSR1, &action, NULL), 0);
	ck_assert_int_eq(pipe2(ends, O_CLOEXEC), 0);
	child = fork();
	if (!child)
		_exit(pfw_file_write(ends[1], text, SIZE) ? 1 : 0);
	close(ends[1]);
	ck_assert_int_eq(read(ends[0], got, 1), 1);
	ck_assert_int_eq(kill(child, SIGUSR1), 0);
	for (len = 1; n > 0; len += n > 0 ? (size_t)n : 0)
		n = read(ends[0], got + len, SIZE - len);
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	ck_assert_int_eq(status, 0);
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
