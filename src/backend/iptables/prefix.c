/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Who is admitted, as a list of prefixes: iptables asks for one at a time. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "compile.h"

static int add(struct ipt_prefixes *to, size_t max, const struct pfw_prefix *prefix)
{
	size_t n_room = to->n_room ? to->n_room * 2 : 16;
	struct pfw_prefix *list = to->list;

	if (to->n == max)
		return -E2BIG;
	if (to->n == to->n_room) {
		list = reallocarray(list, n_room, sizeof(*list));
		if (!list)
			return -ENOMEM;
		to->list = list;
		to->n_room = n_room;
	}
	list[to->n++] = *prefix;
	return 0;
}

/* A prefix comes before those that it covers. */
static int compare(const void *a, const void *b)
{
	const struct pfw_prefix *x = a, *y = b;
	int order = memcmp(x->addr.bytes, y->addr.bytes, sizeof(x->addr.bytes));

	return order ? order : (int)x->len - y->len;
}

/* Those of the family, sorted, without those that others cover; the number of them. */
static size_t sort(const struct pfw_prefix *from, size_t n, uint8_t family, struct pfw_prefix *to)
{
	size_t i, found = 0, kept = 0;

	for (i = 0; i < n; i++)
		if (from[i].addr.family == family)
			to[found++] = from[i];
	qsort(to, found, sizeof(*to), compare);
	for (i = 0; i < found; i++)
		if (!kept || !pfw_prefix_covers(&to[kept - 1], &to[i]))
			to[kept++] = to[i];
	return kept;
}

static bool has_bit(const struct pfw_prefix *prefix, unsigned int bit)
{
	return prefix->addr.bytes[bit / 8] >> (7 - bit % 8) & 1;
}

/* The prefix without n others, sorted, each of which covers it or is within it. */
static int subtract(const struct pfw_prefix *prefix, const struct pfw_prefix *others, size_t n,
		    struct ipt_prefixes *to, size_t max)
{
	struct pfw_prefix half = *prefix;
	size_t low = 0;
	int ret;

	if (!n)
		return add(to, max, prefix);
	if (others[0].len <= prefix->len)
		return 0;
	while (low < n && !has_bit(&others[low], prefix->len))
		low++;
	half.len++;
	ret = subtract(&half, others, low, to, max);
	if (ret)
		return ret;
	half.addr.bytes[prefix->len / 8] |= (uint8_t)(0x80 >> prefix->len % 8);
	return subtract(&half, others + low, n - low, to, max);
}

/* Those of the sorted others that lie within the prefix, or cover it; *ret is the first. */
static size_t find_within(const struct pfw_prefix *prefix, const struct pfw_prefix *others,
			  size_t n, const struct pfw_prefix **ret)
{
	size_t i = 0, end;

	while (i < n && !pfw_prefix_covers(prefix, &others[i]) &&
	       !pfw_prefix_covers(&others[i], prefix))
		i++;
	for (end = i; end < n && (pfw_prefix_covers(prefix, &others[end]) ||
				  pfw_prefix_covers(&others[end], prefix));)
		end++;
	*ret = others + i;
	return end - i;
}

int ipt_admitted(const struct pfw_forward *forward, uint8_t family, size_t max,
		 struct ipt_prefixes *ret)
{
	const struct pfw_prefix everyone = { .addr = { .family = family } };
	size_t most = forward->n_sources + forward->n_excluded, n_sources = 1, n_excluded, i, n;
	struct pfw_prefix *sources = calloc(most + 1, sizeof(*sources)), *excluded;
	const struct pfw_prefix *within;
	int code = 0;

	if (!sources)
		return -ENOMEM;
	sources[0] = everyone;
	if (forward->n_sources)
		n_sources = sort(forward->sources, forward->n_sources, family, sources);
	excluded = sources + n_sources;
	n_excluded = sort(forward->excluded, forward->n_excluded, family, excluded);
	for (i = 0; !code && i < n_sources; i++) {
		n = find_within(&sources[i], excluded, n_excluded, &within);
		code = subtract(&sources[i], within, n, ret, max);
	}
	free(sources);
	return code;
}
