/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Writing to open files. */
#include <errno.h>
#include <unistd.h>

#include "portfwd/base/file.h"

int pfw_file_write(int fd, const char *data, size_t len)
{
	ssize_t written;

	while (len) {
		written = write(fd, data, len);
		if (written < 0 && errno == EINTR)
			continue;
		if (written < 0)
			return -errno;
		data += written;
		len -= (size_t)written;
	}
	return 0;
}
