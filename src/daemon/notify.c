/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What systemd is told: one datagram. */
#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "notify.h"

#define STATE_MAX 512

/* 0: not a number of that size, whole. */
static uint64_t number(const char *text)
{
	char *end;
	unsigned long long value;

	if (!text || *text < '0' || *text > '9')
		return 0;
	errno = 0;
	value = strtoull(text, &end, 10);
	return errno || *end ? 0 : value;
}

static void read_address(struct notify *notify, const char *path)
{
	size_t len = path ? strlen(path) : 0;

	if (len < 2 || len >= sizeof(notify->address.sun_path) || (*path != '/' && *path != '@'))
		return;
	notify->address.sun_family = AF_UNIX;
	memcpy(notify->address.sun_path, path, len);
	if (*path == '@')
		notify->address.sun_path[0] = '\0';
	notify->len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len);
}

void notify_open(struct notify *notify)
{
	const char *pid = getenv("WATCHDOG_PID");

	*notify = (struct notify){ 0 };
	read_address(notify, getenv("NOTIFY_SOCKET"));
	if (notify->len && (!pid || number(pid) == (uint64_t)getpid()))
		notify->watchdog_ms = number(getenv("WATCHDOG_USEC")) / 1000;
	unsetenv("NOTIFY_SOCKET");
	unsetenv("WATCHDOG_USEC");
	unsetenv("WATCHDOG_PID");
}

void notify_send(const struct notify *notify, const char *fmt, ...)
{
	char state[STATE_MAX];
	va_list args;
	int fd, len;

	if (!notify->len)
		return;
	va_start(args, fmt);
	len = vsnprintf(state, sizeof(state), fmt, args);
	va_end(args);
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return;
	(void)!sendto(fd, state, len < STATE_MAX ? (size_t)len : STATE_MAX - 1,
		      MSG_NOSIGNAL | MSG_DONTWAIT, (const struct sockaddr *)&notify->address,
		      notify->len);
	close(fd);
}

void notify_reloading(const struct notify *notify)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	notify_send(notify, "RELOADING=1\nMONOTONIC_USEC=%llu",
		    (unsigned long long)now.tv_sec * 1000000 + (unsigned long long)now.tv_nsec / 1000);
}
