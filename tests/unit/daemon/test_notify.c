/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Words to systemd: one datagram each, and never a wait. */
#include <sys/socket.h>
#include <unistd.h>

#include "../../../src/daemon/notify.h"
#include "cases.h"

static int manager = -1;

/* A socket without a name in the file system. */
static void begin(const char *name)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	size_t len = strlen(name);

	manager = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	ck_assert_int_ge(manager, 0);
	memcpy(address.sun_path, name, len);
	address.sun_path[0] = '\0';
	ck_assert_int_eq(bind(manager, (struct sockaddr *)&address,
			      (socklen_t)(sizeof(sa_family_t) + len)), 0);
}

static void expect(const char *text)
{
	char got[1024] = "";

	ck_assert_int_ge(recv(manager, got, sizeof(got) - 1, MSG_DONTWAIT), 0);
	ck_assert_str_eq(got, text);
}

START_TEST(test_send)
{
	char name[64], pid[24];
	struct notify notify;
	unsigned int i;

	snprintf(name, sizeof(name), "@portfwd-test-%ld", (long)getpid());
	snprintf(pid, sizeof(pid), "%ld", (long)getpid());
	begin(name);
	setenv("NOTIFY_SOCKET", name, 1);
	setenv("WATCHDOG_USEC", "3000000", 1);
	setenv("WATCHDOG_PID", pid, 1);
	notify_open(&notify);
	ck_assert_uint_eq(notify.watchdog_ms, 3000);
	ck_assert_ptr_null(getenv("NOTIFY_SOCKET"));
	ck_assert_ptr_null(getenv("WATCHDOG_USEC"));
	notify_send(&notify, "READY=1\nSTATUS=%d", 5);
	expect("READY=1\nSTATUS=5");
	/* A manager that reads nothing does not hold us. */
	for (i = 0; i < 10000; i++)
		notify_send(&notify, "WATCHDOG=1");
	close(manager);
	notify_send(&notify, "STOPPING=1");
}
END_TEST

START_TEST(test_watchdog_of_others)
{
	struct notify notify;

	setenv("NOTIFY_SOCKET", "/nowhere", 1);
	setenv("WATCHDOG_USEC", "3000000", 1);
	setenv("WATCHDOG_PID", "1", 1);
	notify_open(&notify);
	ck_assert_uint_eq(notify.watchdog_ms, 0);
	setenv("NOTIFY_SOCKET", "/nowhere", 1);
	setenv("WATCHDOG_USEC", "3s", 1);
	notify_open(&notify);
	ck_assert_uint_eq(notify.watchdog_ms, 0);
}
END_TEST

START_TEST(test_nobody)
{
	static const char *const wrong[] = { "", "x", "relative", "@", "/" };
	struct notify notify;
	char longest[200];
	size_t i;

	unsetenv("NOTIFY_SOCKET");
	notify_open(&notify);
	ck_assert_uint_eq(notify.len, 0);
	notify_send(&notify, "READY=1");
	for (i = 0; i < COUNT(wrong); i++) {
		setenv("NOTIFY_SOCKET", wrong[i], 1);
		notify_open(&notify);
		ck_assert_uint_eq(notify.len, 0);
	}
	memset(longest, '/', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = '\0';
	setenv("NOTIFY_SOCKET", longest, 1);
	notify_open(&notify);
	ck_assert_uint_eq(notify.len, 0);
}
END_TEST

TCase *notify_case(void)
{
	TCase *tcase;

	UNIT_CASE(tcase, "notify", test_send, test_watchdog_of_others, test_nobody);
	return tcase;
}
