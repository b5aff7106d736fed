/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Words and what they stand for. */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "portfwd/base/names.h"

#define WORD_MAX 32	/* longer words are near nothing */

int pfw_name_value(const struct pfw_name *table, const char *text, size_t len)
{
	for (; table->text; table++)
		if (strlen(table->text) == len && memcmp(table->text, text, len) == 0)
			return table->value;
	return -1;
}

const char *pfw_name_text(const struct pfw_name *table, int value)
{
	for (; table->text; table++)
		if (table->value == value)
			return table->text;
	return NULL;
}

const char *pfw_name_list(const struct pfw_name *table, char *buf, size_t size)
{
	size_t at = 0;
	int len;

	if (!size)
		return buf;
	buf[0] = '\0';
	for (; table->text && at < size; table++) {
		const char *before = !at ? "" : table[1].text ? ", " : " or ";

		len = snprintf(buf + at, size - at, "%s%s", before, table->text);
		at += len > 0 ? (size_t)len : 0;
	}
	return buf;
}

static size_t smallest(size_t a, size_t b, size_t c)
{
	if (a < b)
		return a < c ? a : c;
	return b < c ? b : c;
}

/* Letters inserted, left out, replaced, or swapped with the next one. */
static size_t distance(const char *a, size_t n_a, const char *b, size_t n_b)
{
	size_t row[3][WORD_MAX + 1];
	size_t *before = row[0], *last = row[1], *now = row[2], *swap;
	size_t i, j;

	for (j = 0; j <= n_b; j++) {
		before[j] = 0;
		last[j] = j;
	}
	for (i = 1; i <= n_a; i++) {
		now[0] = i;
		for (j = 1; j <= n_b; j++) {
			now[j] = smallest(last[j] + 1, now[j - 1] + 1,
					  last[j - 1] + (a[i - 1] != b[j - 1]));
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
			    before[j - 2] + 1 < now[j])
				now[j] = before[j - 2] + 1;
		}
		swap = before;
		before = last;
		last = now;
		now = swap;
	}
	return last[n_b];
}

static size_t lower(const char *word, char buf[WORD_MAX])
{
	size_t len = strlen(word), i;

	if (len > WORD_MAX)
		return 0;
	for (i = 0; i < len; i++)
		buf[i] = (char)tolower((unsigned char)word[i]);
	return len;
}

int pfw_name_is_near(const char *word, const char *meant)
{
	char a[WORD_MAX], b[WORD_MAX];
	size_t n_a = lower(word, a);
	size_t n_b = lower(meant, b);
	size_t allowed = n_b < 6 ? 1 : 2;

	if (!n_a || !n_b)
		return 0;
	if (memcmp(a, b, n_a < n_b ? n_a : n_b) == 0)
		return 1;
	return distance(a, n_a, b, n_b) <= allowed && n_a > allowed;
}
