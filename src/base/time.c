/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Points in time (RFC 3339) and durations. */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "portfwd/base/text.h"
#include "portfwd/base/time.h"

#define SECONDS_DIGITS 12	/* of PFW_TIME_MAX; longer numbers are too large anyway */

/* What is left to read. */
struct cursor {
	const char *at;
	const char *end;
};

static bool is_digit(const struct cursor *c)
{
	return c->at < c->end && *c->at >= '0' && *c->at <= '9';
}

/* Exactly n digits, with a value in these bounds. */
static bool read_digits(struct cursor *c, unsigned int n, int min, int max, int *ret)
{
	int value = 0;

	for (; n; n--) {
		if (!is_digit(c))
			return false;
		value = value * 10 + (*c->at++ - '0');
	}
	*ret = value;
	return value >= min && value <= max;
}

/* One of these characters. */
static bool read_mark(struct cursor *c, const char *marks, char *ret)
{
	if (c->at == c->end || !*c->at || !strchr(marks, *c->at))
		return false;
	*ret = *c->at++;
	return true;
}

static bool read_day(struct cursor *c, struct tm *tm)
{
	char mark;

	return read_digits(c, 4, 0, 9999, &tm->tm_year) && read_mark(c, "-", &mark) &&
	       read_digits(c, 2, 1, 12, &tm->tm_mon) && read_mark(c, "-", &mark) &&
	       read_digits(c, 2, 1, 31, &tm->tm_mday);
}

static bool read_clock(struct cursor *c, struct tm *tm)
{
	char mark;

	if (!read_digits(c, 2, 0, 23, &tm->tm_hour) || !read_mark(c, ":", &mark) ||
	    !read_digits(c, 2, 0, 59, &tm->tm_min) || !read_mark(c, ":", &mark) ||
	    !read_digits(c, 2, 0, 59, &tm->tm_sec))
		return false;
	if (!read_mark(c, ".", &mark))
		return true;
	if (!is_digit(c))
		return false;
	while (is_digit(c))
		c->at++;
	return true;
}

/* "Z" or "+02:00", to which nothing may be added. */
static bool read_offset(struct cursor *c, int *ret_seconds)
{
	int hours, minutes;
	char mark;

	*ret_seconds = 0;
	if (read_mark(c, "Zz", &mark))
		return c->at == c->end;
	if (!read_mark(c, "+-", &mark))
		return false;
	*ret_seconds = mark == '-' ? -1 : 1;
	if (!read_digits(c, 2, 0, 23, &hours) || !read_mark(c, ":", &mark) ||
	    !read_digits(c, 2, 0, 59, &minutes))
		return false;
	*ret_seconds *= hours * 3600 + minutes * 60;
	return c->at == c->end;
}

/* timegm() makes the 30th of February a day of March, which shows in what it leaves in tm. */
static bool to_seconds(struct tm tm, int64_t *ret)
{
	int day = tm.tm_mday;

	tm.tm_year -= 1900;
	tm.tm_mon -= 1;
	*ret = timegm(&tm);
	return tm.tm_mday == day;
}

int pfw_time_parse(const char *text, size_t len, int64_t *ret, struct pfw_error *err)
{
	struct cursor c = { text, text + len };
	struct tm tm = { 0 };
	char buf[PFW_QUOTE_SIZE], mark;
	int offset = 0;
	int64_t value;

	if (!read_day(&c, &tm) || !read_mark(&c, "Tt", &mark) || !read_clock(&c, &tm) ||
	    !read_offset(&c, &offset) || !to_seconds(tm, &value))
		return pfw_error_add(err, PFW_FAILED,
				     "%s is not a time such as 2027-01-31T12:00:00Z or "
				     "2027-01-31T14:00:00+02:00", pfw_text_quote(text, len, buf));
	value -= offset;
	if (value < 1 || value > PFW_TIME_MAX)
		return pfw_error_add(err, PFW_FAILED, "%s is not in the years 1970 to 9999",
				     pfw_text_quote(text, len, buf));
	*ret = value;
	return 0;
}

const char *pfw_time_print(int64_t time, char buf[PFW_TIME_TEXT])
{
	time_t seconds = time;
	struct tm tm;

	if (time < 0 || time > PFW_TIME_MAX || !gmtime_r(&seconds, &tm) ||
	    !strftime(buf, PFW_TIME_TEXT, "%Y-%m-%dT%H:%M:%SZ", &tm))
		snprintf(buf, PFW_TIME_TEXT, "?");
	return buf;
}

static const struct unit {
	char letter;
	int64_t seconds;
} units[] = {
	{ 'w', 604800 }, { 'd', 86400 }, { 'h', 3600 }, { 'm', 60 }, { 's', 1 },
};
#define N_UNITS (sizeof(units) / sizeof(units[0]))

/* A number with its unit. *unit is the first that may come, and then the one behind. */
static bool read_part(struct cursor *c, size_t *unit, int64_t *ret_seconds)
{
	const char *begin = c->at;
	int64_t value = 0;

	while (is_digit(c)) {
		if (c->at - begin == SECONDS_DIGITS)
			return false;
		value = value * 10 + (*c->at++ - '0');
	}
	if (c->at == begin || c->at == c->end)
		return false;
	while (*unit < N_UNITS && units[*unit].letter != *c->at)
		++*unit;
	if (*unit == N_UNITS)
		return false;
	c->at++;
	*ret_seconds = value * units[(*unit)++].seconds;
	return true;
}

int pfw_duration_parse(const char *text, size_t len, int64_t *ret, struct pfw_error *err)
{
	struct cursor c = { text, text + len };
	char buf[PFW_QUOTE_SIZE];
	int64_t sum = 0, part;
	bool good = len > 0;
	size_t unit = 0;

	while (good && c.at < c.end) {
		good = read_part(&c, &unit, &part);
		sum += good ? part : 0;
	}
	if (!good)
		return pfw_error_add(err, PFW_FAILED,
				     "%s is not a duration such as 90s, 2h or 1d12h",
				     pfw_text_quote(text, len, buf));
	if (sum < 1 || sum > PFW_TIME_MAX)
		return pfw_error_add(err, PFW_FAILED, "%s is too %s a duration",
				     pfw_text_quote(text, len, buf), sum < 1 ? "short" : "long");
	*ret = sum;
	return 0;
}
