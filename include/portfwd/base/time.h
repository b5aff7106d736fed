/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Points in time (RFC 3339) and durations: parsing and printing. */
#ifndef PORTFWD_BASE_TIME_H
#define PORTFWD_BASE_TIME_H

#include <stddef.h>
#include <stdint.h>

#include "portfwd/base/error.h"

#define PFW_TIME_MAX 253402300799	/* 9999-12-31T23:59:59Z, the last one RFC 3339 can write */
#define PFW_TIME_TEXT 24

/*
 * Parsers take exactly len bytes, refuse trailing text, and on failure add an
 * error that names the text and say -EINVAL. *ret is untouched then.
 */

/*
 * "2027-01-31T12:00:00Z" or "2027-01-31T14:00:00+02:00" as seconds since 1970 UTC,
 * 1 to PFW_TIME_MAX. A fraction of a second is dropped; there are no leap seconds.
 */
int pfw_time_parse(const char *text, size_t len, int64_t *ret, struct pfw_error *err);
/* In UTC: "2027-01-31T12:00:00Z". Returns buf. */
const char *pfw_time_print(int64_t time, char buf[PFW_TIME_TEXT]);

/*
 * "90s", "2h" or "1d12h" in seconds, 1 to PFW_TIME_MAX: whole numbers with the units
 * w, d, h, m and s, the larger units first.
 */
int pfw_duration_parse(const char *text, size_t len, int64_t *ret, struct pfw_error *err);

#endif
