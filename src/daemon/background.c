/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Going to the background. */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <unistd.h>

#include "background.h"

/* Ends this process as the other one tells. */
static void wait_for_ready(int fd)
{
	unsigned char code;
	ssize_t len;

	do
		len = read(fd, &code, 1);
	while (len < 0 && errno == EINTR);
	_exit(len == 1 ? code : EXIT_FAILURE);
}

int background_enter(int *ret_ready, struct pfw_error *err)
{
	int ends[2];
	pid_t pid;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return pfw_fail_errno(err, -errno, "cannot make a pipe");
	pid = fork();
	if (pid < 0) {
		close(ends[0]);
		close(ends[1]);
		return pfw_fail_errno(err, -errno, "cannot go to the background");
	}
	if (pid) {
		close(ends[1]);
		wait_for_ready(ends[0]);
	}
	close(ends[0]);
	(void)setsid();
	*ret_ready = ends[1];
	return 0;
}

static void tell(int ready, int code)
{
	const unsigned char byte = (unsigned char)code;

	(void)!write(ready, &byte, 1);
	close(ready);
}

void background_failed(int ready, int code)
{
	if (ready >= 0)
		tell(ready, code);
}

void background_ready(int ready, bool quiet)
{
	int null;

	if (ready < 0)
		return;
	null = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (null >= 0) {
		dup2(null, STDIN_FILENO);
		dup2(null, STDOUT_FILENO);
		if (quiet)
			dup2(null, STDERR_FILENO);
		close(null);
	}
	(void)!chdir("/");
	tell(ready, EXIT_SUCCESS);
}
