/* SPDX-License-Identifier: GPL-2.0-or-later */
/* portfwdd(8): the process around the daemon. */
#include "config.h"

#include <fcntl.h>
#ifdef HAVE_MALLOPT
#include <malloc.h>
#endif
#include <unistd.h>

#include "daemon.h"

/* What is opened later must not become standard error. */
static void hold_descriptors(void)
{
	int fd;

	for (fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
		if (fcntl(fd, F_GETFD) < 0)
			(void)!open("/dev/null", O_RDWR);
}

/*
 * A block as large as a file or an image is needed for a moment only. Unless it is told what is
 * large, the C library keeps the room of one that was freed for others like it, in every thread.
 */
static void give_back_large_blocks(void)
{
#ifdef HAVE_MALLOPT
	(void)mallopt(M_MMAP_THRESHOLD, 256 * 1024);
#endif
}

int main(int argc, char **argv)
{
	hold_descriptors();
	give_back_large_blocks();
	return daemon_main(argc, argv);
}
