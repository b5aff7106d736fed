/* SPDX-License-Identifier: GPL-2.0-or-later */
/* If these fail, one editor overwrites another's change, or is refused without one. */
#include "cases.h"
#include "portfwd/service/etag.h"

#define TAG "\"0123456789abcdef\""

static void make(const char *forward, char ret[PFW_ETAG_SIZE])
{
	json_t *json = json_loads(forward, 0, NULL);

	ck_assert_ptr_nonnull(json);
	ck_assert_int_eq(pfw_etag_make(json, ret), 0);
	json_decref(json);
}

START_TEST(a_tag_is_what_the_forward_says)
{
	char tag[PFW_ETAG_SIZE], other[PFW_ETAG_SIZE];

	make("{\"name\": \"web\", \"log\": false}", tag);
	ck_assert_uint_eq(strlen(tag), PFW_ETAG_SIZE - 2);
	ck_assert(tag[0] == '"' && tag[PFW_ETAG_SIZE - 3] == '"');
	make("{\"log\": false, \"name\": \"web\"}", other);
	ck_assert_str_eq(tag, other);
	make("{\"name\": \"web\", \"log\": true}", other);
	ck_assert_str_ne(tag, other);
}
END_TEST

START_TEST(what_the_kernel_counts_is_no_change)
{
	char tag[PFW_ETAG_SIZE], other[PFW_ETAG_SIZE];

	make("{\"name\": \"web\"}", tag);
	make("{\"name\": \"web\", \"state\": \"active\", \"connections\": 7, \"file\": \"/f\"}", other);
	ck_assert_str_eq(tag, other);
}
END_TEST

START_TEST(the_forward_is_left_as_it_is)
{
	json_t *json = json_pack("{s:s, s:i}", "name", "web", "connections", 7);
	char tag[PFW_ETAG_SIZE];

	ck_assert_int_eq(pfw_etag_make(json, tag), 0);
	ck_assert_int_eq(json_integer_value(json_object_get(json, "connections")), 7);
	json_decref(json);
}
END_TEST

static const struct {
	const char *list;
	const char *tag;
	bool weak;
	bool listed;
} lists[] = {
	{ TAG, TAG, false, true },
	{ " " TAG " ", TAG, false, true },
	{ "\"x\", " TAG, TAG, false, true },
	{ "\"x\"," TAG ",\"y\"", TAG, false, true },
	{ ",, " TAG, TAG, false, true },
	{ "\"x\"", TAG, false, false },
	{ "", TAG, false, false },
	{ "0123456789abcdef", TAG, false, false },
	{ "\"0123456789abcdef", TAG, false, false },
	{ "\"x, " TAG, TAG, false, false },
	{ "W/" TAG, TAG, false, false },
	{ "W/" TAG, TAG, true, true },
	{ "*", TAG, false, true },
	{ " *", TAG, true, true },
	{ "*", NULL, false, false },
	{ TAG, NULL, false, false },
};

START_TEST(a_list_is_read_as_rfc_9110_says)
{
	size_t i;

	for (i = 0; i < COUNT(lists); i++)
		ck_assert_msg(pfw_etag_listed(lists[i].list, lists[i].tag, lists[i].weak) ==
			      lists[i].listed, "%s", lists[i].list);
}
END_TEST

TCase *etag_case(void)
{
	TCase *tcase;

	UNIT_CASE(tcase, "etag", a_tag_is_what_the_forward_says, what_the_kernel_counts_is_no_change,
		  the_forward_is_left_as_it_is, a_list_is_read_as_rfc_9110_says);
	return tcase;
}
