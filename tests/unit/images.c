/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Comparing images and differences in words. */
#include "images.h"
#include "unit.h"

const struct pfw_backend *images_backend;

void images_compile(const struct pfw_plan *plan, const struct pfw_touched *only,
		    struct pfw_image *ret)
{
	struct pfw_error err = PFW_ERROR_INIT;

	ck_assert_int_eq(images_backend->compile(plan, only, ret, &err), 0);
}

static void print_value(const struct pfw_item *item, struct pfw_buffer *ret)
{
	uint32_t i;

	if (!item) {
		pfw_buffer_puts(ret, " none");
		return;
	}
	pfw_buffer_printf(ret, " %s:", item->owner ? item->owner : "");
	for (i = 0; i < item->value_len; i++)
		pfw_buffer_printf(ret, "%02x", pfw_item_value(item)[i]);
}

/* The time left goes on while two differences are told; the value says until when. */
static void cut_timeout(struct pfw_buffer *line)
{
	char *at = line->data ? strstr(line->data, " timeout ") : NULL, *end;

	if (!at)
		return;
	at += strlen(" timeout ");
	end = at + strspn(at, "0123456789dhms");
	memmove(at, end, strlen(end) + 1);
	line->len -= (size_t)(end - at);
}

static char *print_step(const struct pfw_step *step)
{
	const struct pfw_item *item = step->after ? step->after : step->before;
	struct pfw_buffer line = { 0 };

	pfw_buffer_puts(&line, !step->before ? "+ " : !step->after ? "- " : "~ ");
	images_backend->print(item, &line);
	cut_timeout(&line);
	print_value(step->before, &line);
	print_value(step->after, &line);
	ck_assert(!line.failed);
	return line.data;
}

static int compare_lines(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

void images_steps(const struct pfw_image *before, const struct pfw_image *after,
		  struct pfw_buffer *ret)
{
	struct pfw_difference difference = { 0 };
	struct pfw_error err = PFW_ERROR_INIT;
	char **lines;
	size_t i;

	ck_assert_int_eq(pfw_difference_make(before, after, &difference, &err), 0);
	lines = calloc(difference.n_steps + 1, sizeof(*lines));
	ck_assert_ptr_nonnull(lines);
	for (i = 0; i < difference.n_steps; i++)
		lines[i] = print_step(&difference.steps[i]);
	qsort(lines, difference.n_steps, sizeof(*lines), compare_lines);
	pfw_buffer_puts(ret, "");
	for (i = 0; i < difference.n_steps; i++) {
		pfw_buffer_printf(ret, "%s\n", lines[i]);
		free(lines[i]);
	}
	ck_assert(!ret->failed);
	free(lines);
	pfw_difference_free(&difference);
}

void images_same(const struct pfw_image *actual, const struct pfw_image *wanted, const char *what)
{
	struct pfw_buffer text = { 0 };

	images_steps(actual, wanted, &text);
	if (text.len)
		ck_abort_msg("%s: to be what it should, there is to do:\n%.3000s", what, text.data);
	ck_assert_uint_eq(actual->n_items, wanted->n_items);
	pfw_buffer_free(&text);
}
