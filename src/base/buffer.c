/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A growing run of bytes. */
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "portfwd/base/buffer.h"

void *pfw_buffer_reserve(struct pfw_buffer *buf, size_t len)
{
	size_t size = buf->size ? buf->size : 256;
	char *data;

	if (buf->failed || len >= SIZE_MAX / 2 - buf->len) {
		buf->failed = true;
		return NULL;
	}
	while (size < buf->len + len + 1)
		size *= 2;
	if (size > buf->size) {
		data = realloc(buf->data, size);
		if (!data) {
			buf->failed = true;
			return NULL;
		}
		buf->data = data;
		buf->size = size;
	}
	return buf->data + buf->len;
}

void pfw_buffer_append(struct pfw_buffer *buf, const void *data, size_t len)
{
	char *to = pfw_buffer_reserve(buf, len);

	if (!to)
		return;
	if (len)
		memcpy(to, data, len);
	to[len] = '\0';
	buf->len += len;
}

void pfw_buffer_puts(struct pfw_buffer *buf, const char *text)
{
	pfw_buffer_append(buf, text, strlen(text));
}

void pfw_buffer_vprintf(struct pfw_buffer *buf, const char *fmt, va_list args)
{
	va_list again;
	char *to;
	int len;

	va_copy(again, args);
	len = vsnprintf(NULL, 0, fmt, again);
	va_end(again);
	to = len < 0 ? NULL : pfw_buffer_reserve(buf, (size_t)len);
	if (!to) {
		buf->failed = true;
		return;
	}
	vsnprintf(to, (size_t)len + 1, fmt, args);
	buf->len += (size_t)len;
}

void pfw_buffer_printf(struct pfw_buffer *buf, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	pfw_buffer_vprintf(buf, fmt, args);
	va_end(args);
}

void pfw_buffer_free(struct pfw_buffer *buf)
{
	free(buf->data);
	*buf = (struct pfw_buffer){ 0 };
}
