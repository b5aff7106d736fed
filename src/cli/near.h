/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The words that somebody may have meant who typed another one. */
#ifndef PORTFWD_CLI_NEAR_H
#define PORTFWD_CLI_NEAR_H

#include <stddef.h>

#define PFW_NEAR_WORDS 4
#define PFW_NEAR_TEXT 160

/* Zero-initialise. words are borrowed. */
struct pfw_near {
	const char *words[PFW_NEAR_WORDS];
	size_t n;
};

/* Keeps meant; what does not fit is left out. */
void pfw_near_add(struct pfw_near *near, const char *meant);
/* Keeps meant if it is near to what was typed. */
void pfw_near_try(struct pfw_near *near, const char *typed, const char *meant);
/*
 * `; did you mean "list" or "flush"?` with prefix before each word, or otherwise if
 * there is none. Returns buf.
 */
const char *pfw_near_print(const struct pfw_near *near, const char *prefix, const char *otherwise,
			   char buf[PFW_NEAR_TEXT]);

#endif
