/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Words and what they stand for: one table parses, prints and lists them. */
#ifndef PORTFWD_BASE_NAMES_H
#define PORTFWD_BASE_NAMES_H

#include <stddef.h>

/* A table ends with a row whose text is NULL. */
struct pfw_name {
	const char *text;
	int value;
};

/* The value of the word, or -1 (no table has a negative value). */
int pfw_name_value(const struct pfw_name *table, const char *text, size_t len);
/* The word of the value, or NULL. */
const char *pfw_name_text(const struct pfw_name *table, int value);
/* "auto, masquerade or none", for error messages. Truncated to size. */
const char *pfw_name_list(const struct pfw_name *table, char *buf, size_t size);
/*
 * Whether somebody who typed word may have meant this: one is the beginning of
 * the other, or few letters differ.
 */
int pfw_name_is_near(const char *word, const char *meant);

#endif
