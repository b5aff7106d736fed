/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How the sources of two forwards lie to each other. */
#include <sys/socket.h>

#include "cases.h"
#include "portfwd/model/forward.h"

#define NONE PFW_OVERLAP_NONE
#define INNER PFW_OVERLAP_INNER
#define OUTER PFW_OVERLAP_OUTER
#define EQUAL PFW_OVERLAP_EQUAL

/* Sources with blanks between, "!" before what is excluded. */
static const struct {
	const char *a, *b;
	enum pfw_overlap ipv4, ipv6;
} rows[] = {
	{ "", "", EQUAL, EQUAL },
	{ "10.0.0.0/8", "", INNER, NONE },
	{ "10.0.0.0/8 ::/0", "", INNER, EQUAL },
	{ "0.0.0.0/0", "", EQUAL, NONE },
	{ "10.0.0.0/8", "10.0.0.0/8", EQUAL, NONE },
	{ "10.0.0.0/8", "11.0.0.0/8", NONE, NONE },
	{ "10.0.0.0/8", "fd00::/8", NONE, NONE },
	{ "10.0.0.0/8", "10.1.0.0/16", OUTER, NONE },
	{ "10.1.0.0/16 192.0.2.1", "10.0.0.0/8 192.0.2.0/24", INNER, NONE },
	{ "10.1.0.0/16 192.0.2.1", "10.0.0.0/8", EQUAL, NONE },
	{ "10.1.0.0/16 10.2.0.0/16", "10.0.0.0/8", INNER, NONE },
	{ "10.0.0.0/8 10.1.0.0/16", "10.0.0.0/8", EQUAL, NONE },
	{ "10.0.0.0/9 10.128.0.0/9", "10.0.0.0/8", EQUAL, NONE },
	{ "10.0.0.0/9 10.128.0.0/10", "10.0.0.0/8", INNER, NONE },
	{ "10.0.0.0/10 10.128.0.0/9 10.64.0.0/10", "10.64.0.0/10 10.128.0.0/10", OUTER, NONE },
	{ "0.0.0.0/1 128.0.0.0/1", "", EQUAL, NONE },
	{ "255.255.255.254/31", "255.255.255.254 255.255.255.255", EQUAL, NONE },
	{ "::/1", "8000::/1", NONE, NONE },
	{ "::/1 8000::/1", "", NONE, EQUAL },
	{ "2001:db8::/33 2001:db8:8000::/33 10.0.0.1", "2001:db8::/32 10.0.0.2", NONE, EQUAL },
	{ "2001:db8::1", "2001:db8::/32 10.0.0.2", NONE, INNER },
	/* Excluding some only narrows. */
	{ "!10.0.0.0/8", "", EQUAL, EQUAL },
	{ "10.0.0.0/8 !10.1.0.0/16", "10.0.0.0/8", EQUAL, NONE },
	{ "!10.0.0.0/8", "10.0.0.0/8", OUTER, NONE },
};

struct sides {
	struct pfw_prefix sources[4];
	struct pfw_prefix excluded[4];
	struct pfw_forward forward;
};

static void fill(struct sides *side, const char *text)
{
	struct pfw_error err = PFW_ERROR_INIT;
	struct pfw_forward *f = &side->forward;
	struct pfw_prefix prefix;
	bool exclude;
	size_t len;

	*side = (struct sides){ .forward = { .name = "f" } };
	f->sources = side->sources;
	f->excluded = side->excluded;
	for (; *text; text += len + (text[len] == ' ')) {
		exclude = *text == '!';
		text += exclude;
		len = strcspn(text, " ");
		ck_assert_int_eq(pfw_prefix_parse(text, len, &prefix, &err), 0);
		if (exclude)
			side->excluded[f->n_excluded++] = prefix;
		else
			side->sources[f->n_sources++] = prefix;
	}
}

static enum pfw_overlap turned(enum pfw_overlap overlap)
{
	if (overlap == INNER)
		return OUTER;
	return overlap == OUTER ? INNER : overlap;
}

/* If this fails, two forwards fight for a client, or a conflict is told where there is none. */
START_TEST(test_overlap)
{
	struct sides a, b;
	size_t i;

	for (i = 0; i < COUNT(rows); i++) {
		fill(&a, rows[i].a);
		fill(&b, rows[i].b);
#define IS(x, y, family, expected) \
		ck_assert_msg(pfw_forward_overlap(&x.forward, &y.forward, family) == (expected), \
			      "%s | %s: %d", rows[i].a, rows[i].b, family)
		IS(a, b, AF_INET, rows[i].ipv4);
		IS(a, b, AF_INET6, rows[i].ipv6);
		IS(b, a, AF_INET, turned(rows[i].ipv4));
		IS(b, a, AF_INET6, turned(rows[i].ipv6));
	}
}
END_TEST

TCase *source_case(void)
{
	TCase *tcase;

	UNIT_CASE(tcase, "source", test_overlap);
	return tcase;
}
