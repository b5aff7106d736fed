/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Entity tags (RFC 9110, 8.8.3) of forwards, by which two editors of one notice each other. */
#ifndef PORTFWD_SERVICE_ETAG_H
#define PORTFWD_SERVICE_ETAG_H

#include <jansson.h>
#include <stdbool.h>

#define PFW_ETAG_SIZE 20

/*
 * The tag, with its quotes, of a forward in canonical form. What an answer tells beside ("state",
 * "connections", "file") does not count. -ENOMEM.
 */
int pfw_etag_make(const json_t *forward, char ret[PFW_ETAG_SIZE]);

/*
 * Whether a list of tags as in If-Match or If-None-Match has this one, or is "*". tag NULL: there
 * is nothing that could have one. A weak tag is one only where weak ones count.
 */
bool pfw_etag_listed(const char *list, const char *tag, bool weak);

#endif
