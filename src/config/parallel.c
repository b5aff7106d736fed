/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A long list of forwards, parsed by several threads, each a part of it. Only for lists
 * in which nothing is wrong: otherwise all is thrown away, and parsing one after the
 * other tells what is wrong, in the order of the text.
 */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "field.h"
#include "parallel.h"

#define PARTS_MAX 8

struct part {
	const char *text;
	const struct pfw_span *spans;
	struct pfw_forward *forwards;
	size_t n;
	struct pfw_arena arena;
	int ret;
};

static bool is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* Behind the closing quote of a string that begins here; len if there is none. */
static size_t skip_string(const char *text, size_t len, size_t at)
{
	const char *quote;
	size_t back;

	for (at++; at < len; at++) {
		quote = memchr(text + at, '"', len - at);
		if (!quote)
			return len;
		at = (size_t)(quote - text);
		for (back = at; text[back - 1] == '\\'; back--)
			;
		if ((at - back) % 2 == 0)
			return at + 1;
	}
	return len;
}

/* The end of the value that begins here: its brackets are closed, and a comma or bracket follows. */
static size_t skip_value(const char *text, size_t len, size_t at)
{
	size_t depth = 0;

	while (at < len) {
		switch (text[at]) {
		case '"':
			at = skip_string(text, len, at);
			continue;
		case '{':
		case '[':
			depth++;
			break;
		case '}':
		case ']':
			if (!depth)
				return at;
			depth--;
			break;
		case ',':
			if (!depth)
				return at;
			break;
		}
		at++;
	}
	return len;
}

int parallel_find(const char *text, size_t len, size_t at, struct pfw_span **ret, size_t *ret_n,
		  size_t *ret_end)
{
	struct pfw_span *spans = NULL, *grown;
	size_t n = 0, room = 0, begin, end;

	for (at++; at < len && n < UINT32_MAX; at++) {
		while (at < len && is_space(text[at]))
			at++;
		begin = at;
		at = skip_value(text, len, at);
		for (end = at; end > begin && is_space(text[end - 1]); end--)
			;
		if (at == len || end == begin || text[at] == '}')
			break;
		if (n == room) {
			room = room ? room * 2 : 4096;
			grown = reallocarray(spans, room, sizeof(*spans));
			if (!grown)
				break;
			spans = grown;
		}
		spans[n++] = (struct pfw_span){ begin, end - begin };
		if (text[at] != ']')
			continue;
		*ret = spans;
		*ret_n = n;
		*ret_end = at + 1;
		return 0;
	}
	free(spans);
	return -EINVAL;
}

static int parse_one(struct part *part, size_t i, struct pfw_error *err)
{
	const struct pfw_span *span = &part->spans[i];
	json_t *json = json_loadb(part->text + span->offset, span->len,
				  JSON_DECODE_ANY | JSON_REJECT_DUPLICATES, NULL);
	int ret = -EINVAL;

	if (json)
		ret = pfw_forward_parse(json, &part->arena, &part->forwards[i], err);
	json_decref(json);
	return ret;
}

static void *parse_part(void *arg)
{
	struct pfw_error err = PFW_ERROR_INIT;
	struct part *part = arg;
	size_t i;

	for (i = 0; !part->ret && i < part->n; i++)
		part->ret = parse_one(part, i, &err);
	return NULL;
}

static size_t count_processors(void)
{
	cpu_set_t set;
	int n = sched_getaffinity(0, sizeof(set), &set) ? 1 : CPU_COUNT(&set);

	return n < 1 ? 1 : n > PARTS_MAX ? PARTS_MAX : (size_t)n;
}

int parallel_parse(const char *text, const struct pfw_span *spans, size_t n, struct pfw_arena *arena,
		   struct pfw_forward *forwards)
{
	struct part parts[PARTS_MAX];
	pthread_t threads[PARTS_MAX];
	bool started[PARTS_MAX] = { false };
	size_t n_parts = count_processors(), i, from, to;
	int ret = 0;

	for (i = 0; i < n_parts; i++) {
		from = n * i / n_parts;
		to = n * (i + 1) / n_parts;
		parts[i] = (struct part){
			.text = text,
			.spans = spans + from,
			.forwards = forwards + from,
			.n = to - from,
		};
	}
	/* The last part is ours, and so is any that finds no thread. */
	for (i = 0; i + 1 < n_parts; i++)
		started[i] = !pthread_create(&threads[i], NULL, parse_part, &parts[i]);
	for (i = n_parts; i-- > 0;)
		if (!started[i])
			parse_part(&parts[i]);
	for (i = 0; i < n_parts; i++) {
		if (started[i])
			pthread_join(threads[i], NULL);
		pfw_arena_join(arena, &parts[i].arena);
		if (parts[i].ret)
			ret = parts[i].ret;
	}
	return ret;
}
