/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Text from outside, made fit for messages. */
#ifndef PORTFWD_BASE_TEXT_H
#define PORTFWD_BASE_TEXT_H

#include <stddef.h>

/*
 * The length in bytes of the UTF-8 character at text if it could deceive whoever
 * reads the line (control, line-breaking and bidirectional characters), else 0.
 */
size_t pfw_text_hazard(const char *text, size_t len);

/*
 * Puts '?' for each such character of a NUL-terminated text, and for each byte
 * that is not valid UTF-8, so that the text can be shown and be a JSON string.
 */
void pfw_text_clean(char *text);

/*
 * The text as messages name it: a plain word as it is, everything else in double
 * quotes, shortened and with '?' for what could deceive. Returns buf.
 */
#define PFW_QUOTE_SIZE 80
const char *pfw_text_quote(const char *text, size_t len, char buf[PFW_QUOTE_SIZE]);

#endif
