/* SPDX-License-Identifier: GPL-2.0-or-later */
/* portfwdd(8): the process around the daemon. */
#include <fcntl.h>
#include <unistd.h>

#include "daemon.h"
#include "portfwd/base/memory.h"

#define LARGE (1024 * 1024)

/* What is opened later must not become standard error. */
static void hold_descriptors(void)
{
	int fd;

	for (fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
		if (fcntl(fd, F_GETFD) < 0)
			(void)!open("/dev/null", O_RDWR);
}

int main(int argc, char **argv)
{
	hold_descriptors();
	/*
	 * By itself the C library keeps as much as was used once for whole files, for each of the
	 * threads that wrote them.
	 */
	pfw_memory_return_from(LARGE);
	return daemon_main(argc, argv);
}
