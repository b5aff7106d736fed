/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Work in a child: what comes of it comes, its end is told once, and nothing of it is left. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../../../src/daemon/child.h"
#include "../../../src/daemon/patience.h"
#include "cases.h"

static uv_loop_t loop;
static int told, fd;
static int own[2];	/* a pipe that the child must let go of */

static void done(void *ctx, int ret)
{
	(void)ctx;
	told++;
	fd = ret;
}

static bool say_hello(void *ctx, int to)
{
	static const char text[] = "hello";

	(void)ctx;
	/* Beside the first three, what it writes to, and what tells of its end, nothing is open. */
	return fcntl(own[1], F_GETFD) < 0 && errno == EBADF &&
	       write(to, text, sizeof(text)) == (ssize_t)sizeof(text);
}

static bool give_up(void *ctx, int to)
{
	(void)ctx;
	(void)to;
	return false;
}

static bool hang(void *ctx, int to)
{
	(void)ctx;
	(void)to;
	for (;;)
		pause();
	return true;
}

static bool die(void *ctx, int to)
{
	(void)ctx;
	(void)to;
	raise(SIGTERM);
	return true;
}

static struct child *start(bool (*work)(void *ctx, int to), unsigned int seconds)
{
	const struct child_job job = {
		.work = work, .done = done, .seconds = seconds,
	};
	struct child *child = NULL;

	told = 0;
	fd = -1;
	ck_assert_int_eq(pipe2(own, O_CLOEXEC), 0);
	ck_assert_int_eq(uv_loop_init(&loop), 0);
	ck_assert_int_eq(child_start(&loop, &job, &child), 0);
	ck_assert_int_eq(told, 0);
	return child;
}

static void end(int times)
{
	uv_run(&loop, UV_RUN_DEFAULT);
	ck_assert_int_eq(told, times);
	ck_assert_int_eq(uv_loop_close(&loop), 0);
	ck_assert_int_eq(waitpid(-1, NULL, WNOHANG), -1);
	ck_assert_int_eq(errno, ECHILD);
	close(own[0]);
	close(own[1]);
}

START_TEST(test_answer)
{
	char text[16] = "";

	start(say_hello, 30);
	end(1);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(pread(fd, text, sizeof(text), 0), 6);
	ck_assert_str_eq(text, "hello");
	close(fd);
}
END_TEST

START_TEST(test_no_answer)
{
	static bool (*const works[])(void *ctx, int to) = { give_up, die, hang };

	start(works[_i], 1);
	end(1);
	ck_assert_int_eq(fd, -1);
}
END_TEST

START_TEST(test_stop)
{
	child_stop(start(hang, 30));
	end(1);
	ck_assert_int_eq(fd, -1);
	child_drop(start(hang, 30));
	end(0);
}
END_TEST

START_TEST(test_patience)
{
	static const unsigned int pauses[] = { 20, 40, 80, 100, 100 };
	struct patience patience = { 0 };
	size_t i;

	ck_assert_int_eq(uv_loop_init(&loop), 0);
	for (i = 0; i < COUNT(pauses); i++)
		ck_assert_uint_eq(patience_pause(&patience), pauses[i]);
	ck_assert(patience_lasts(&patience, &loop));
	ck_assert_uint_gt(patience.since, 0);
	/* As if it had begun that long ago. */
	if (patience.since > PATIENCE_MS) {
		patience.since -= PATIENCE_MS;
		ck_assert(!patience_lasts(&patience, &loop));
	}
	ck_assert_int_eq(uv_loop_close(&loop), 0);
	ck_assert(patience_is_due(-ETIMEDOUT));
	ck_assert(patience_is_due(-EAGAIN));
	ck_assert(!patience_is_due(0));
	ck_assert(!patience_is_due(-ESTALE));
}
END_TEST

TCase *child_case(void)
{
	TCase *tcase = tcase_create("child");

	tcase_add_test(tcase, test_answer);
	tcase_add_loop_test(tcase, test_no_answer, 0, 3);
	tcase_add_test(tcase, test_stop);
	tcase_add_test(tcase, test_patience);
	return tcase;
}
