/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A process that is killed before any of the calls that change a file. The calls of this
 * program come by here on their way to the kernel.
 */
#include "config.h"

#include <fcntl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cases.h"
#include "desk.h"

#define KILLED 99

static int calls_left = -1;	/* before the process ends; -1: it does not */

static bool is_last(void)
{
	return calls_left >= 0 && calls_left-- == 0;
}

static void come_by(void)
{
	if (is_last())
		_exit(KILLED);
}

/* Killed half way through it. */
ssize_t write(int fd, const void *data, size_t len)
{
	if (is_last()) {
		syscall(SYS_write, fd, data, len / 2);
		_exit(KILLED);
	}
	return syscall(SYS_write, fd, data, len);
}

int fsync(int fd)
{
	come_by();
	return (int)syscall(SYS_fsync, fd);
}

int fdatasync(int fd)
{
	come_by();
	return (int)syscall(SYS_fdatasync, fd);
}

int rename(const char *from, const char *to)
{
	come_by();
	return (int)syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0);
}

int unlink(const char *path)
{
	come_by();
	return (int)syscall(SYS_unlinkat, AT_FDCWD, path, 0);
}

int ftruncate(int fd, off_t len)
{
	come_by();
	return (int)syscall(SYS_ftruncate, fd, len);
}

static const char *const requests[] = {
	"c=3", "a=11", "-b,d=4", "!", "a=12", "-c", "<", "e=5,a=13", "-d", ">", "e=6", "!", "x=91", "-a",
	"<", ">", "a=1",
};

/* Says how many requests it has had an answer to. */
static void work(struct folder *f, bool journal, int to)
{
	struct pfw_error err = PFW_ERROR_INIT;
	struct desk desk;
	size_t i;

	desk_open(&desk, f, journal);
	for (i = 0; i < COUNT(requests); i++) {
		if (desk_do(&desk, requests[i], &err))
			_exit(1);
		syscall(SYS_write, to, "", 1);
	}
	calls_left = -1;
	desk_close(&desk);
	_exit(0);
}

/* Runs it until it is killed before that call; whether it was. *ret_answered: requests. */
static bool work_until(struct folder *f, bool journal, int calls, size_t *ret_answered)
{
	char answered[COUNT(requests)];
	int pipes[2], status;
	ssize_t n;
	pid_t pid;

	ck_assert_int_eq(pipe(pipes), 0);
	pid = fork();
	if (!pid) {
		calls_left = calls;
		work(f, journal, pipes[1]);
	}
	close(pipes[1]);
	for (*ret_answered = 0; (n = read(pipes[0], answered, sizeof(answered))) > 0;)
		*ret_answered += (size_t)n;
	close(pipes[0]);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert(WIFEXITED(status));
	ck_assert(WEXITSTATUS(status) == KILLED || WEXITSTATUS(status) == 0);
	return WEXITSTATUS(status) == KILLED;
}

/* What was answered is there, and of what was not all or nothing. */
static void check_state(const char *state, size_t answered)
{
	char expected[STATE_SIZE] = "a=1 b=7 x=90", next[STATE_SIZE];
	size_t i;

	for (i = 0; i < answered; i++)
		state_after(expected, requests[i]);
	memcpy(next, expected, sizeof(next));
	if (i < COUNT(requests))
		state_after(next, requests[i]);
	ck_assert_msg(!strcmp(state, expected) || !strcmp(state, next),
		      "after %zu answers it is \"%s\", not \"%s\" or \"%s\"", answered, state,
		      expected, next);
}

static void kill_everywhere(bool journal)
{
	char state[STATE_SIZE];
	bool killed = true;
	size_t answered;
	struct folder f;
	int calls;

	for (calls = 0; killed; calls++) {
		folder_init(&f);
		folder_write(&f, "p.json", "{\"forwards\": [" ONE("a", "1") ", " ONE("b", "7") "]}\n");
		folder_mkdir(&f, "portfwd.d");
		folder_write(&f, "portfwd.d/x.json", "{\"forwards\": [" ONE("x", "90") "]}");
		killed = work_until(&f, journal, calls, &answered);
		ck_assert(killed || answered == COUNT(requests));
		state_seen(&f, state);
		check_state(state, answered);
		state_folded(&f, state);
		check_state(state, answered);
		ck_assert_int_lt(access(folder_path(&f, "p.json.journal.rejected"), F_OK), 0);
		folder_free(&f);
	}
	/* It was killed, and often. */
	ck_assert_int_gt(calls, 2 * (int)COUNT(requests));
}

/* If this fails, a change is lost that somebody was told of. */
START_TEST(test_with_journal)
{
	kill_everywhere(true);
}
END_TEST

START_TEST(test_without_journal)
{
	kill_everywhere(false);
}
END_TEST

/* Whoever folds what was left may be killed as well. */
START_TEST(test_while_folding)
{
	char state[STATE_SIZE];
	bool killed = true;
	struct folder f;
	struct desk desk;
	int calls, status;
	pid_t pid;

	for (calls = 0; killed; calls++) {
		folder_init(&f);
		folder_write(&f, "p.json", "{\"forwards\": [" ONE("a", "1") ", " ONE("b", "7") "]}\n");
		desk_open(&desk, &f, true);
		desk_must(&desk, "-b,c=3");
		desk_must(&desk, "c=4");
		desk_close(&desk);
		pid = fork();
		if (!pid) {
			calls_left = calls;
			desk_open(&desk, &f, false);
			_exit(0);
		}
		ck_assert_int_eq(waitpid(pid, &status, 0), pid);
		killed = WEXITSTATUS(status) == KILLED;
		ck_assert(WIFEXITED(status) && (killed || !WEXITSTATUS(status)));
		state_seen(&f, state);
		ck_assert_str_eq(state, "a=1 c=4");
		state_folded(&f, state);
		ck_assert_str_eq(state, "a=1 c=4");
		folder_free(&f);
	}
	ck_assert_int_gt(calls, 4);
}
END_TEST

TCase *killed_case(void)
{
	TCase *tcase;

	UNIT_CASE(tcase, "killed", test_with_journal, test_without_journal, test_while_folding);
	return tcase;
}
