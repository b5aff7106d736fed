/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Locks by flock(2): waiting for one up to a time, and whether it is still the one. */
#ifndef PORTFWD_BASE_LOCK_H
#define PORTFWD_BASE_LOCK_H

#include <stdbool.h>
#include <stdint.h>

/* When seconds from now have passed, for pfw_lock_wait(). */
uint64_t pfw_lock_deadline(unsigned int seconds);

/*
 * Locks the open file (how: LOCK_EX or LOCK_SH), waiting for others until the deadline: then
 * -ETIMEDOUT. Tries once in any case. Another negative errno is what flock(2) says.
 */
int pfw_lock_wait(int fd, int how, uint64_t deadline);

/*
 * Whether path still leads to the open file. Who had the lock before may have removed the file:
 * then whoever comes next locks another one.
 */
bool pfw_lock_is_current(int fd, const char *path);

#endif
