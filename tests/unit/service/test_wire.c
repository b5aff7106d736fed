/* SPDX-License-Identifier: GPL-2.0-or-later */
/* If these fail, the daemon does something else than its client asked for, or says why wrongly. */
#include <errno.h>

#include "cases.h"
#include "portfwd/service/wire.h"

static json_t *parse_text(const char *text)
{
	json_t *json = json_loads(text, 0, NULL);

	ck_assert_msg(json != NULL, "%s", text);
	return json;
}

/* There and back; the JSON must be this text. */
static void there_and_back(enum pfw_verb verb, const struct pfw_request *request, const char *text,
			   struct pfw_request *ret, json_t **ret_json)
{
	struct pfw_error err = PFW_ERROR_INIT;
	json_t *expected = parse_text(text);

	ck_assert_int_eq(pfw_request_json(request, ret_json, &err), 0);
	ck_assert_msg(json_equal(*ret_json, expected), "%s", text);
	json_decref(expected);
	ck_assert_int_eq(pfw_request_parse(verb, *ret_json, ret, &err), 0);
}

START_TEST(a_request_to_add_comes_back_as_it_was)
{
	json_t *forward = json_pack("{s:s}", "name", "web"), *json;
	const struct pfw_request request = {
		.forward = forward, .replace = true, .runtime = true, .drain = true, .dry_run = true,
	};
	struct pfw_request back;

	there_and_back(PFW_VERB_ADD, &request,
		       "{\"forward\": {\"name\": \"web\"}, \"replace\": true, \"runtime\": true, "
		       "\"drain\": true, \"dry_run\": true}", &back, &json);
	ck_assert(json_equal(back.forward, forward));
	ck_assert(back.replace && back.runtime && back.drain && back.dry_run);
	pfw_request_free(&back);
	json_decref(json);
	json_decref(forward);
}
END_TEST

START_TEST(names_come_back_as_they_were)
{
	static const char *const names[] = { "web", "dns" };
	const struct pfw_request request = { .names = names, .n_names = 2 };
	struct pfw_request back;
	json_t *json;

	there_and_back(PFW_VERB_REMOVE, &request, "{\"names\": [\"web\", \"dns\"]}", &back, &json);
	ck_assert_uint_eq(back.n_names, 2);
	ck_assert_str_eq(back.names[0], "web");
	ck_assert_str_eq(back.names[1], "dns");
	ck_assert(!back.drain && !back.dry_run);
	pfw_request_free(&back);
	json_decref(json);
}
END_TEST

START_TEST(texts_come_back_with_their_length)
{
	const struct pfw_request request = { .text = "ab\n", .text_len = 3, .base = "" };
	struct pfw_request back;
	json_t *json;

	there_and_back(PFW_VERB_WRITE, &request, "{\"text\": \"ab\\n\", \"base\": \"\"}", &back,
		       &json);
	ck_assert_uint_eq(back.text_len, 3);
	ck_assert_str_eq(back.text, "ab\n");
	ck_assert_ptr_nonnull(back.base);
	ck_assert_uint_eq(back.base_len, 0);
	pfw_request_free(&back);
	json_decref(json);
}
END_TEST

START_TEST(no_request_says_nothing)
{
	const struct pfw_request request = { 0 };
	struct pfw_request back;
	json_t *json;

	there_and_back(PFW_VERB_RELOAD, &request, "{}", &back, &json);
	ck_assert_ptr_null(back.names);
	ck_assert_uint_eq(back.confirm, 0);
	pfw_request_free(&back);
	json_decref(json);
}
END_TEST

/* What cannot go to another process is known before anything is sent. */
START_TEST(what_json_cannot_say_stays_here)
{
	static const struct pfw_request requests[] = {
		{ .text = "\xff", .text_len = 1 },
		{ .text = "a\0b", .text_len = 3 },
		{ .file = "/etc/shadow" },
	};
	struct pfw_error err = PFW_ERROR_INIT;
	json_t *json = NULL;
	size_t i;

	for (i = 0; i < COUNT(requests); i++)
		ck_assert_int_eq(pfw_request_json(&requests[i], &json, &err), -EILSEQ);
	ck_assert_ptr_null(json);
}
END_TEST

static const struct {
	enum pfw_verb verb;
	const char *json;
	const char *error;
} refused[] = {
	{ PFW_VERB_ADD, "{}", "\"forward\" is missing" },
	{ PFW_VERB_ADD, "{\"forward\": []}", "forward: this is no object" },
	{ PFW_VERB_ADD, "{\"forward\": {}, \"names\": []}", "names is no key of this request" },
	{ PFW_VERB_ADD, "{\"forward\": {}, \"replace\": 1}", "replace: this is not true or false" },
	{ PFW_VERB_REMOVE, "{\"names\": \"web\"}", "names: this is no list of names" },
	{ PFW_VERB_REMOVE, "{\"names\": [\"web\", 1]}", "names: this is no list of names" },
	{ PFW_VERB_CHECK, "{\"file\": \"/etc/shadow\"}", "file is no key of this request" },
	{ PFW_VERB_WRITE, "{\"base\": \"\"}", "\"text\" is missing" },
	{ PFW_VERB_WRITE, "{\"text\": 1}", "text: this is no text" },
	{ PFW_VERB_EXPORT, "{\"format\": null}", "format: this is no text" },
	{ PFW_VERB_RELOAD, "{\"confirm\": 0}", "confirm: this is no number of seconds" },
	{ PFW_VERB_RELOAD, "{\"confirm\": -1}", "confirm: this is no number of seconds" },
	{ PFW_VERB_RELOAD, "{\"confirm\": 86401}", "confirm: this is no number of seconds" },
	{ PFW_VERB_RELOAD, "{\"confirm\": 4294967297}", "confirm: this is no number of seconds" },
	{ PFW_VERB_RELOAD, "{\"confirm\": true}", "confirm: this is no number of seconds" },
	{ PFW_VERB_LIST, "{\"if_match\": \"*\"}", "if_match is no key of this request" },
};

START_TEST(a_wrong_request_is_refused_with_its_place)
{
	struct pfw_request request;
	struct pfw_error err;
	json_t *json;
	size_t i;

	for (i = 0; i < COUNT(refused); i++) {
		err = (struct pfw_error)PFW_ERROR_INIT;
		json = parse_text(refused[i].json);
		ck_assert_msg(pfw_request_parse(refused[i].verb, json, &request, &err) == -EINVAL, "%s",
			      refused[i].json);
		unit_has_error(&err, refused[i].error);
		json_decref(json);
	}
}
END_TEST

START_TEST(a_refusal_comes_back_as_it_was)
{
	struct pfw_error err = PFW_ERROR_INIT, back = PFW_ERROR_INIT;
	json_t *json;
	unsigned int i;

	err.file = "/etc/portfwd/portfwd.json";
	for (i = 0; i < 2; i++) {
		pfw_error_enter_key(&err, "listen");
		pfw_error_add(&err, PFW_CONFLICT, "wrong %u", i);
	}
	json = pfw_problem_json(&err, -EEXIST, 409);
	ck_assert_int_eq(json_integer_value(json_object_get(json, "status")), 409);
	ck_assert_str_eq(json_string_value(json_object_get(json, "title")), "Conflict");
	ck_assert_int_eq(pfw_problem_parse(json, &back), -EEXIST);
	ck_assert_int_eq(back.kind, PFW_CONFLICT);
	ck_assert_uint_eq(back.count, 2);
	for (i = 0; i < 2; i++) {
		ck_assert_str_eq(back.item[i].file, err.item[i].file);
		ck_assert_str_eq(back.item[i].path, err.item[i].path);
		ck_assert_str_eq(back.item[i].message, err.item[i].message);
	}
	json_decref(json);
}
END_TEST

START_TEST(more_errors_than_words_are_counted)
{
	struct pfw_error err = PFW_ERROR_INIT, back = PFW_ERROR_INIT;
	json_t *json;
	unsigned int i;

	for (i = 0; i < PFW_ERROR_ITEMS + 7; i++)
		pfw_error_add(&err, PFW_FAILED, "wrong");
	json = pfw_problem_json(&err, -EINVAL, 422);
	ck_assert_int_eq(pfw_problem_parse(json, &back), -EINVAL);
	ck_assert_uint_eq(back.count, PFW_ERROR_ITEMS + 7);
	json_decref(json);
}
END_TEST

static const char *const nonsense[] = {
	"{}", "[]", "1",
	"{\"code\": 0, \"errno\": 1, \"count\": 0, \"errors\": []}",
	"{\"code\": 9, \"errno\": 1, \"count\": 0, \"errors\": []}",
	"{\"code\": 1, \"errno\": 0, \"count\": 0, \"errors\": []}",
	"{\"code\": 1, \"errno\": -5, \"count\": 0, \"errors\": []}",
	"{\"code\": 1, \"errno\": 9999999, \"count\": 0, \"errors\": []}",
	"{\"code\": 1, \"errno\": 1, \"count\": -1, \"errors\": []}",
	"{\"code\": 1, \"errno\": 1, \"count\": 1, \"errors\": {}}",
};

START_TEST(no_nonsense_is_taken_for_a_refusal)
{
	struct pfw_error err = PFW_ERROR_INIT;
	json_t *json;
	size_t i;

	for (i = 0; i < COUNT(nonsense); i++) {
		json = json_loads(nonsense[i], JSON_DECODE_ANY, NULL);
		ck_assert_msg(pfw_problem_parse(json, &err) == -EBADMSG, "%s", nonsense[i]);
		ck_assert_uint_eq(err.count, 1);
		json_decref(json);
	}
}
END_TEST

/* The words of another process are cut to our room, and made fit for a terminal. */
START_TEST(words_from_outside_are_bounded)
{
	struct pfw_error err = PFW_ERROR_INIT;
	char text[2048];
	json_t *json;

	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	memcpy(text, "\033[31m", 5);
	json = json_pack("{s:i, s:i, s:i, s:[{s:n, s:i, s:s}]}", "code", 1, "errno", 22, "count", 1,
			 "errors", "file", "path", 5, "message", text);
	ck_assert_int_eq(pfw_problem_parse(json, &err), -EINVAL);
	ck_assert_uint_eq(strlen(err.item[0].message), sizeof(err.item[0].message) - 1);
	ck_assert_int_eq(err.item[0].message[0], '?');
	ck_assert_str_eq(err.item[0].path, "");
	json_decref(json);
}
END_TEST

static const struct {
	enum pfw_failure kind;
	int code;
	unsigned int status;
} statuses[] = {
	{ PFW_NOT_FOUND, -ENOENT, 404 },  { PFW_CONFLICT, -EEXIST, 409 },
	{ PFW_CONFLICT, -ESTALE, 412 },	  { PFW_FAILED, -EINVAL, 422 },
	{ PFW_USAGE, -EINVAL, 422 },	  { PFW_FAILED, -EIO, 500 },
	{ PFW_FAILED, -ESTALE, 500 },	  { PFW_FAILED, -ENOMEM, 503 },
	{ PFW_FAILED, -ETIMEDOUT, 503 },  { PFW_NOT_PERMITTED, -EPERM, 500 },
	{ PFW_FAILED, -EBUSY, 409 },
};

START_TEST(a_refusal_has_its_status)
{
	struct pfw_error err = PFW_ERROR_INIT;
	size_t i;

	for (i = 0; i < COUNT(statuses); i++) {
		pfw_fail(&err, statuses[i].kind, statuses[i].code, "wrong");
		ck_assert_uint_eq(pfw_problem_status(&err, statuses[i].code), statuses[i].status);
	}
}
END_TEST

TCase *wire_case(void)
{
	TCase *tcase;

	UNIT_CASE(tcase, "wire", a_request_to_add_comes_back_as_it_was, names_come_back_as_they_were,
		  texts_come_back_with_their_length, no_request_says_nothing,
		  what_json_cannot_say_stays_here, a_wrong_request_is_refused_with_its_place,
		  a_refusal_comes_back_as_it_was, more_errors_than_words_are_counted,
		  no_nonsense_is_taken_for_a_refusal, words_from_outside_are_bounded,
		  a_refusal_has_its_status);
	return tcase;
}
