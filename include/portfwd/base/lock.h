/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Waiting for an flock(2), up to a time. */
#ifndef PORTFWD_BASE_LOCK_H
#define PORTFWD_BASE_LOCK_H

#include <stdint.h>

/* When seconds from now have passed, for pfw_lock_wait(). */
uint64_t pfw_lock_deadline(unsigned int seconds);

/*
 * Locks the open file (how: LOCK_EX or LOCK_SH), waiting for others until the deadline: then
 * -ETIMEDOUT. Tries once in any case. Another negative errno is what flock(2) says.
 */
int pfw_lock_wait(int fd, int how, uint64_t deadline);

#endif
