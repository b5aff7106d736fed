/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A long list of forwards, parsed by several threads. */
#ifndef PORTFWD_CONFIG_PARALLEL_H
#define PORTFWD_CONFIG_PARALLEL_H

#include "portfwd/config/config.h"

/*
 * Finds the values of a list of which the '[' stands at `at`; *ret_end is behind its ']'. Only
 * brackets, quotes and commas are looked at: that each is one value, parallel_parse()
 * tells. *ret is to be freed. -EINVAL: it is no list with values, or there is no memory.
 */
int parallel_find(const char *text, size_t len, size_t at, struct pfw_span **ret, size_t *ret_n,
		  size_t *ret_end);
/*
 * Parses each into forwards, which has n places. What they point to goes to the arena,
 * after a failure too. -EINVAL: some are wrong; -ENOMEM.
 */
int parallel_parse(const char *text, const struct pfw_span *spans, size_t n, struct pfw_arena *arena,
		   struct pfw_forward *forwards);

#endif
