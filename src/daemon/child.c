/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Long work in a child process. */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "child.h"

struct child {
	struct child_job job;
	pid_t pid;
	int fd;			/* what comes of the work */
	int end;		/* of a pipe; the child has the other one while it lives */
	uv_poll_t gone;
	uv_timer_t limit;
	unsigned int handles;	/* that the loop has not closed yet */
};

/* ---- In the child */

/* The descriptors from first to last, where there are any. */
static void close_from(unsigned int first, unsigned int last)
{
	unsigned int most;

#ifdef SYS_close_range
	if (first > last || !syscall(SYS_close_range, first, last, 0))
		return;
#endif
	most = (unsigned int)sysconf(_SC_OPEN_MAX);
	for (; first <= last && first < most; first++)
		close((int)first);
}

/* Whoever waits for the end of a descriptor must not wait for us, nor a lock that hangs on one. */
static void close_others(int one, int other)
{
	unsigned int low = (unsigned int)(one < other ? one : other);
	unsigned int high = (unsigned int)(one < other ? other : one);

	close_from(STDERR_FILENO + 1, low - 1);
	close_from(low + 1, high - 1);
	close_from(high + 1, ~0u);
}

/* The handlers of the loop would write to its descriptors. */
static void reset_signals(const sigset_t *mask)
{
	static const int numbers[] = { SIGHUP, SIGINT, SIGTERM };
	size_t i;

	for (i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		signal(numbers[i], numbers[i] == SIGHUP ? SIG_IGN : SIG_DFL);
	sigprocmask(SIG_SETMASK, mask, NULL);
}

__attribute__((noreturn))
static void be_child(const struct child *child, int alive, pid_t parent, const sigset_t *mask)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	reset_signals(mask);
	if (getppid() != parent)
		_exit(EXIT_FAILURE);
	close_others(child->fd, alive);
	_exit(child->job.work(child->job.ctx, child->fd) ? EXIT_SUCCESS : EXIT_FAILURE);
}

/* ---- In the loop */

static void destroy(struct child *child)
{
	if (child->end >= 0)
		close(child->end);
	if (child->fd >= 0)
		close(child->fd);
	free(child);
}

static void on_closed(uv_handle_t *handle)
{
	struct child *child = handle->data;

	if (!--child->handles)
		destroy(child);
}

/* It has let go of the pipe, so it has ended, or is about to. */
static bool succeeded(const struct child *child)
{
	int status = 0;
	pid_t pid;

	do
		pid = waitpid(child->pid, &status, 0);
	while (pid < 0 && errno == EINTR);
	return pid == child->pid && WIFEXITED(status) && WEXITSTATUS(status) == EXIT_SUCCESS;
}

static void close_handles(struct child *child)
{
	uv_close((uv_handle_t *)&child->gone, on_closed);
	uv_close((uv_handle_t *)&child->limit, on_closed);
}

static void on_gone(uv_poll_t *poll, int status, int events)
{
	struct child *child = poll->data;
	int fd = -1;

	(void)status;
	(void)events;
	if (succeeded(child)) {
		fd = child->fd;
		child->fd = -1;
	}
	close_handles(child);
	child->job.done(child->job.ctx, fd);
}

static void on_limit(uv_timer_t *timer)
{
	child_stop(timer->data);
}

/* No signal comes to a child that still has the loop's handlers. */
static int begin(struct child *child, int alive)
{
	const pid_t parent = getpid();
	sigset_t all, before;
	int ret;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	child->pid = fork();
	if (!child->pid)
		be_child(child, alive, parent, &before);
	ret = child->pid < 0 ? -errno : 0;
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return ret;
}

static int watch(struct child *child, uv_loop_t *loop)
{
	int ret = uv_poll_init(loop, &child->gone, child->end);

	if (ret) {
		child_stop(child);
		(void)succeeded(child);
		return ret;
	}
	uv_timer_init(loop, &child->limit);
	child->handles = 2;
	child->gone.data = child->limit.data = child;
	uv_poll_start(&child->gone, UV_READABLE, on_gone);
	uv_timer_start(&child->limit, on_limit, (uint64_t)child->job.seconds * 1000, 0);
	return 0;
}

int child_start(uv_loop_t *loop, const struct child_job *job, struct child **ret)
{
	struct child *child = calloc(1, sizeof(*child));
	int ends[2] = { -1, -1 }, code = 0;

	if (!child)
		return -ENOMEM;
	child->job = *job;
	child->end = -1;
	child->fd = memfd_create("portfwdd", MFD_CLOEXEC);
	if (child->fd < 0 || pipe2(ends, O_CLOEXEC) < 0)
		code = -errno;
	child->end = ends[0];
	if (!code)
		code = begin(child, ends[1]);
	if (ends[1] >= 0)
		close(ends[1]);
	if (!code)
		code = watch(child, loop);
	if (code)
		destroy(child);
	else
		*ret = child;
	return code;
}

void child_stop(struct child *child)
{
	kill(child->pid, SIGKILL);
}

void child_drop(struct child *child)
{
	child_stop(child);
	(void)succeeded(child);
	close_handles(child);
}
