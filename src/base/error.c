/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Errors as words: collecting them and saying where they are. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "portfwd/base/error.h"
#include "portfwd/base/text.h"

static void copy_tail(char *to, size_t size, const char *from)
{
	size_t len = strlen(from);

	if (len < size) {
		memcpy(to, from, len + 1);
		return;
	}
	/* The end of a path says more than its beginning. */
	snprintf(to, size, "...%s", from + len - (size - 4));
}

__attribute__((format(printf, 5, 0)))
static void add(struct pfw_error *err, enum pfw_failure kind, const char *file, const char *path,
		const char *fmt, va_list ap)
{
	struct pfw_error_item *item;

	if (!err->count)
		err->kind = kind;
	if (err->count++ >= PFW_ERROR_ITEMS)
		return;
	item = &err->item[err->count - 1];
	copy_tail(item->file, sizeof(item->file), file);
	copy_tail(item->path, sizeof(item->path), path);
	vsnprintf(item->message, sizeof(item->message), fmt, ap);
	/* Control characters of a hostile file or argument must not reach a terminal. */
	pfw_text_clean(item->file);
	pfw_text_clean(item->path);
	pfw_text_clean(item->message);
}

int pfw_error_add(struct pfw_error *err, enum pfw_failure kind, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	add(err, kind, err->file ? err->file : "", err->where, fmt, ap);
	va_end(ap);
	return -EINVAL;
}

int pfw_error_add_advice(struct pfw_error *err, enum pfw_failure kind, const char *fmt, ...)
{
	unsigned int count = err->count;
	va_list ap;

	if (count >= PFW_ERROR_ITEMS)
		err->count = PFW_ERROR_ITEMS - 1;
	va_start(ap, fmt);
	add(err, kind, err->file ? err->file : "", err->where, fmt, ap);
	va_end(ap);
	err->count = count + 1;
	return -EINVAL;
}

int pfw_fail(struct pfw_error *err, enum pfw_failure kind, int code, const char *fmt, ...)
{
	va_list ap;

	pfw_error_clear(err);
	va_start(ap, fmt);
	add(err, kind, "", "", fmt, ap);
	va_end(ap);
	return code;
}

int pfw_fail_errno(struct pfw_error *err, int code, const char *fmt, ...)
{
	/* However long the path is, the reason behind it has room. */
	char what[sizeof(err->item[0].message) - 64];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(what, sizeof(what), fmt, ap);
	va_end(ap);
	return pfw_fail(err, code == -EPERM || code == -EACCES ? PFW_NOT_PERMITTED : PFW_FAILED,
			code, "%s: %s", what, strerror(-code));
}

bool pfw_errno_passes(int code)
{
	switch (-code) {
	case EAGAIN:
	case EBUSY:
	case EINTR:
	case EMFILE:
	case ENFILE:
	case ENOBUFS:
	case ENOMEM:
	case ERESTART:
	case ESTALE:
	case ETIMEDOUT:
		return true;
	default:
		return false;
	}
}

int pfw_fail_memory(struct pfw_error *err)
{
	return pfw_fail(err, PFW_FAILED, -ENOMEM, "out of memory");
}

size_t pfw_error_enter(struct pfw_error *err, const char *fmt, ...)
{
	size_t mark = strlen(err->where);
	char part[sizeof(err->where)];
	const char *text = part;
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(part, sizeof(part), fmt, ap);
	va_end(ap);
	if (!mark && *text == '.')
		text++;
	snprintf(err->where + mark, sizeof(err->where) - mark, "%s", text);
	return mark;
}

static void append(struct pfw_error *err, const char *text, size_t len)
{
	size_t mark = strlen(err->where);
	size_t room = sizeof(err->where) - 1 - mark;

	if (len > room)
		len = room;
	memcpy(err->where + mark, text, len);
	err->where[mark + len] = '\0';
}

size_t pfw_error_enter_key(struct pfw_error *err, const char *key)
{
	size_t mark = strlen(err->where);

	if (mark)
		append(err, ".", 1);
	/* A key without letters still has a place. */
	if (!*key)
		key = "\"\"";
	append(err, key, strlen(key));
	return mark;
}

size_t pfw_error_enter_index(struct pfw_error *err, size_t index)
{
	size_t mark = strlen(err->where);
	char buf[24];
	size_t at = sizeof(buf);

	buf[--at] = ']';
	do
		buf[--at] = (char)('0' + index % 10);
	while (index /= 10);
	buf[--at] = '[';
	append(err, buf + at, sizeof(buf) - at);
	return mark;
}

void pfw_error_leave(struct pfw_error *err, size_t mark)
{
	err->where[mark] = '\0';
}

void pfw_error_clear(struct pfw_error *err)
{
	err->kind = 0;
	err->count = 0;
}
