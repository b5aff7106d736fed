/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What systemd is told, and what it asks for: sd_notify(3) and sd_watchdog_enabled(3). The whole
 * protocol is one datagram, so no library is needed.
 */
#ifndef DAEMON_NOTIFY_H
#define DAEMON_NOTIFY_H

#include <stdint.h>
#include <sys/socket.h>
#include <sys/un.h>

struct notify {
	struct sockaddr_un address;
	socklen_t len;			/* 0: nobody wants to know */
	uint64_t watchdog_ms;		/* a word at least this often; 0: never mind */
};

/* Reads NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID, and removes them from the environment. */
void notify_open(struct notify *notify);

/* Sends assignments, one a line: "READY=1\nSTATUS=...". Who does not listen misses it. */
void notify_send(const struct notify *notify, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* RELOADING=1 with the time that it needs to be told from an older one. */
void notify_reloading(const struct notify *notify);

#endif
