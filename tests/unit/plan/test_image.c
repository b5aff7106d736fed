/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Images and their difference. */
#include "cases.h"
#include "portfwd/plan/image.h"

static void add(struct pfw_image *image, uint8_t kind, const char *key, const char *value,
		const char *owner)
{
	ck_assert_ptr_nonnull(pfw_image_add(image, kind, key, strlen(key), value, strlen(value),
					    owner));
}

/* The steps in words: "-b ~a +c", changed items as they are after. */
static const char *steps(const struct pfw_image *before, const struct pfw_image *after)
{
	static char text[512];
	struct pfw_difference difference = { 0 };
	struct pfw_error err = PFW_ERROR_INIT;
	const struct pfw_item *item;
	size_t i, len = 0;
	char action;

	ck_assert_int_eq(pfw_difference_make(before, after, &difference, &err), 0);
	*text = '\0';
	for (i = 0; i < difference.n_steps; i++) {
		item = difference.steps[i].after;
		action = !item ? '-' : difference.steps[i].before ? '~' : '+';
		item = item ? item : difference.steps[i].before;
		len += (size_t)snprintf(text + len, sizeof(text) - len, "%s%c%.*s", len ? " " : "",
					action, item->key_len, (const char *)pfw_item_key(item));
	}
	pfw_difference_free(&difference);
	return text;
}

START_TEST(test_add_keeps_key_value_and_owner)
{
	struct pfw_image image = { 0 };
	struct pfw_item *item = pfw_image_add(&image, 3, "key", 3, "value", 5, "web");

	ck_assert_uint_eq(item->kind, 3);
	ck_assert_uint_eq(item->key_len, 3);
	ck_assert_uint_eq(item->value_len, 5);
	ck_assert_mem_eq(pfw_item_key(item), "key", 3);
	ck_assert_mem_eq(pfw_item_value(item), "value", 5);
	ck_assert_str_eq(item->owner, "web");
	ck_assert_uint_eq(item->count, 0);
	ck_assert_ptr_null(item->text);
	pfw_image_free(&image);
	ck_assert_uint_eq(image.n_items, 0);
	pfw_image_free(&image);
}
END_TEST

/* If this fails, a change is sent that is none, or one that is needed is not sent. */
START_TEST(test_difference)
{
	struct pfw_image before = { 0 }, after = { 0 }, nothing = { 0 };

	ck_assert_str_eq(steps(&nothing, &nothing), "");
	add(&before, 0, "stays", "1", "web");
	add(&before, 0, "goes", "1", "web");
	add(&before, 0, "changes", "1", "web");
	add(&before, 0, "longer", "1", "web");
	add(&before, 0, "owner", "1", "web");
	add(&before, 0, "frame", "1", "web");
	add(&before, 0, "also", "1", NULL);

	add(&after, 0, "also", "1", NULL);
	add(&after, 0, "new", "1", "web");
	add(&after, 0, "frame", "1", NULL);
	add(&after, 0, "owner", "1", "mail");
	add(&after, 0, "longer", "12", "web");
	add(&after, 0, "changes", "2", "web");
	add(&after, 0, "stays", "1", "web");

	ck_assert_str_eq(steps(&before, &after), "-goes +new ~frame ~owner ~longer ~changes");
	ck_assert_str_eq(steps(&after, &before), "-new +goes ~changes ~longer ~owner ~frame");
	ck_assert_str_eq(steps(&nothing, &before),
			 "+stays +goes +changes +longer +owner +frame +also");
	ck_assert_str_eq(steps(&before, &nothing),
			 "-stays -goes -changes -longer -owner -frame -also");
	ck_assert_str_eq(steps(&before, &before), "");
	pfw_image_free(&before);
	pfw_image_free(&after);
}
END_TEST

/* If this fails, a chain and a set of one name are taken for each other. */
START_TEST(test_kind_and_length_are_part_of_the_key)
{
	struct pfw_image before = { 0 }, after = { 0 };

	add(&before, 1, "a", "bc", NULL);
	add(&after, 2, "a", "bc", NULL);
	ck_assert_str_eq(steps(&before, &after), "-a +a");
	/* The same bytes, divided in another place. */
	add(&before, 2, "ab", "c", NULL);
	ck_assert_str_eq(steps(&before, &after), "-a -ab +a");
	pfw_image_free(&before);
	pfw_image_free(&after);
}
END_TEST

START_TEST(test_what_is_not_compared)
{
	struct pfw_image before = { 0 }, after = { 0 };
	const char equal_owner[] = "web";

	add(&before, 0, "a", "1", "web");
	add(&after, 0, "a", "1", equal_owner);
	before.items[0].count = 17;
	before.items[0].text = "words";
	ck_assert_str_eq(steps(&before, &after), "");
	pfw_image_free(&before);
	pfw_image_free(&after);
}
END_TEST

/* Empty keys and values are items like others: a set's element may have no value. */
START_TEST(test_empty)
{
	struct pfw_image before = { 0 }, after = { 0 };

	ck_assert_ptr_nonnull(pfw_image_add(&before, 0, "a", 1, NULL, 0, NULL));
	add(&after, 0, "a", "1", NULL);
	ck_assert_str_eq(steps(&before, &before), "");
	ck_assert_str_eq(steps(&before, &after), "~a");
	pfw_image_free(&before);
	pfw_image_free(&after);
}
END_TEST

#define MANY 200000u

/* If this fails (by time), the difference of two large images is quadratic. */
START_TEST(test_many)
{
	struct pfw_image before = { 0 }, after = { 0 };
	struct pfw_difference difference;
	struct pfw_error err = PFW_ERROR_INIT;
	size_t n[3] = { 0 }, i;
	uint32_t k, value;

	for (k = 0; k < MANY; k++) {
		value = k;
		ck_assert_ptr_nonnull(pfw_image_add(&before, 0, &k, sizeof(k), &value,
						    sizeof(value), NULL));
	}
	/* Backwards, the last thousand new, every tenth with another value. */
	for (k = MANY + 1000; k-- > 1000;) {
		value = k % 10 ? k : k + 1;
		ck_assert_ptr_nonnull(pfw_image_add(&after, 0, &k, sizeof(k), &value,
						    sizeof(value), NULL));
	}
	ck_assert_int_eq(pfw_difference_make(&before, &after, &difference, &err), 0);
	for (i = 0; i < difference.n_steps; i++)
		n[!difference.steps[i].before ? 0 : !difference.steps[i].after ? 1 : 2]++;
	ck_assert_uint_eq(n[0], 1000);
	ck_assert_uint_eq(n[1], 1000);
	ck_assert_uint_eq(n[2], (MANY - 1000) / 10);
	for (i = 0; i < 1000; i++)
		ck_assert(!difference.steps[i].after);
	pfw_difference_free(&difference);
	ck_assert_uint_eq(difference.n_steps, 0);
	pfw_image_free(&before);
	pfw_image_free(&after);
}
END_TEST

TCase *image_case(void)
{
	TCase *tcase;

	UNIT_CASE(tcase, "image", test_add_keeps_key_value_and_owner, test_difference,
		  test_kind_and_length_are_part_of_the_key, test_what_is_not_compared, test_empty,
		  test_many);
	tcase_set_timeout(tcase, 60);
	return tcase;
}
