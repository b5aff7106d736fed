/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Writing to open files. */
#ifndef PORTFWD_BASE_FILE_H
#define PORTFWD_BASE_FILE_H

#include <stddef.h>

/* Writes all len bytes, in as many pieces as write(2) takes. On failure some may be written. */
int pfw_file_write(int fd, const char *data, size_t len);

#endif
