/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A growing run of bytes, for text and for netlink pages. */
#ifndef PORTFWD_BASE_BUFFER_H
#define PORTFWD_BASE_BUFFER_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

/*
 * Zero-initialise; free with pfw_buffer_free(). A failed allocation is
 * remembered in failed and makes everything after it a no-op, so that a writer
 * may check once at its end. data is always NUL-terminated behind len once
 * anything was appended; it may be NULL while len is 0.
 */
struct pfw_buffer {
	char *data;
	size_t len;
	size_t size;
	bool failed;
};

/* Room for len more bytes behind the end, or NULL. Does not move the end. */
void *pfw_buffer_reserve(struct pfw_buffer *buf, size_t len);
void pfw_buffer_append(struct pfw_buffer *buf, const void *data, size_t len);
void pfw_buffer_puts(struct pfw_buffer *buf, const char *text);
void pfw_buffer_printf(struct pfw_buffer *buf, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
void pfw_buffer_vprintf(struct pfw_buffer *buf, const char *fmt, va_list args)
	__attribute__((format(printf, 2, 0)));
void pfw_buffer_free(struct pfw_buffer *buf);

#endif
