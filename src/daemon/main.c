/* SPDX-License-Identifier: GPL-2.0-or-later */
/* portfwdd(8): the process around the daemon. */
#include "config.h"

#include <fcntl.h>
#ifdef HAVE_MALLOC_TRIM
#include <malloc.h>
#endif
#include <unistd.h>

#include "daemon.h"

#define LARGE (1024 * 1024)

/* What is opened later must not become standard error. */
static void hold_descriptors(void)
{
	int fd;

	for (fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
		if (fcntl(fd, F_GETFD) < 0)
			(void)!open("/dev/null", O_RDWR);
}

/*
 * What is as large as the files goes back to the system at once. By itself the C library keeps more and
 * more of it: as much as was used once, for each of the threads that rewrote the file.
 */
static void keep_little(void)
{
#ifdef HAVE_MALLOC_TRIM
	mallopt(M_MMAP_THRESHOLD, LARGE);
#endif
}

int main(int argc, char **argv)
{
	hold_descriptors();
	keep_little();
	return daemon_main(argc, argv);
}
