/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Memory that goes back to the system. What malloc(3) of glibc keeps for later is much in a process
 * that stays; with other C libraries these do nothing.
 */
#ifndef PORTFWD_BASE_MEMORY_H
#define PORTFWD_BASE_MEMORY_H

#include <stddef.h>

/* For good: blocks of so many bytes or more go back as soon as they are freed. */
void pfw_memory_return_from(size_t size);
/* What is free now goes back. This takes milliseconds where much was used. */
void pfw_memory_trim(void);

#endif
