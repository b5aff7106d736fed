/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Locks by flock(2): waiting for one up to a time, and whether it is still the one. */
#include <errno.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>

#include "portfwd/base/lock.h"

#define WAIT_FIRST_MS 2
#define WAIT_MOST_MS 50

static uint64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static void wait_ms(unsigned int ms)
{
	struct timespec time = { .tv_nsec = (long)ms * 1000000 };

	nanosleep(&time, NULL);
}

uint64_t pfw_lock_deadline(unsigned int seconds)
{
	return now_ms() + (uint64_t)seconds * 1000;
}

/* Nothing tells when a flock is given back, other than waiting in it without a deadline. */
int pfw_lock_wait(int fd, int how, uint64_t deadline)
{
	unsigned int ms = WAIT_FIRST_MS;

	while (flock(fd, how | LOCK_NB) < 0) {
		if (errno == EINTR)
			continue;
		if (errno != EWOULDBLOCK)
			return -errno;
		if (now_ms() >= deadline)
			return -ETIMEDOUT;
		wait_ms(ms);
		ms = ms * 2 < WAIT_MOST_MS ? ms * 2 : WAIT_MOST_MS;
	}
	return 0;
}

bool pfw_lock_is_current(int fd, const char *path)
{
	struct stat ours, there;

	return !fstat(fd, &ours) && !lstat(path, &there) && ours.st_dev == there.st_dev &&
	       ours.st_ino == there.st_ino;
}
