/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The words that somebody may have meant who typed another one. */
#include <stdio.h>

#include "near.h"
#include "portfwd/base/names.h"

void pfw_near_add(struct pfw_near *near, const char *meant)
{
	if (near->n < PFW_NEAR_WORDS)
		near->words[near->n++] = meant;
}

void pfw_near_try(struct pfw_near *near, const char *typed, const char *meant)
{
	if (*typed && pfw_name_is_near(typed, meant))
		pfw_near_add(near, meant);
}

static const char *separator(size_t i, size_t n)
{
	if (!i)
		return "; did you mean ";
	return i + 1 < n ? ", " : " or ";
}

const char *pfw_near_print(const struct pfw_near *near, const char *prefix, const char *otherwise,
			   char buf[PFW_NEAR_TEXT])
{
	size_t i, len = 0;

	if (!near->n) {
		snprintf(buf, PFW_NEAR_TEXT, "%s", otherwise);
		return buf;
	}
	for (i = 0; i < near->n && len < PFW_NEAR_TEXT; i++)
		len += (size_t)snprintf(buf + len, PFW_NEAR_TEXT - len, "%s\"%s%s\"%s",
					separator(i, near->n), prefix, near->words[i],
					i + 1 < near->n ? "" : "?");
	return buf;
}
