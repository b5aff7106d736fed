/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A service that answers what the test says, and remembers what it was asked. */
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../../src/cli/cli.h"
#include "fake.h"

#define WORDS 32

struct fake fake;

static char request_text[4096];

void fake_reset(void)
{
	json_decref(fake.options);
	json_decref(fake.request);
	fake = (struct fake){ 0 };
}

static void keep(json_t *object, const char *key, const char *text)
{
	if (text)
		ck_assert_int_eq(json_object_set_new(object, key, json_string(text)), 0);
}

int pfw_service_open(const struct pfw_service_options *options, struct pfw_service **ret,
		     struct pfw_error *err)
{
	(void)err;
	json_decref(fake.options);
	fake.options = json_object();
	keep(fake.options, "config", options->config);
	keep(fake.options, "netns", options->netns);
	keep(fake.options, "run_dir", options->run_dir);
	keep(fake.options, "backend", options->backend);
	fake.opened++;
	*ret = (struct pfw_service *)(void *)&fake;
	return 0;
}

void pfw_service_close(struct pfw_service *service)
{
	if (service)
		fake.opened--;
}

static json_t *request_json(const struct pfw_request *request)
{
	json_t *json = json_object(), *names = json_array();
	size_t i;

	if (request->forward)
		json_object_set(json, "forward", request->forward);
	for (i = 0; i < request->n_names; i++)
		json_array_append_new(names, json_string(request->names[i]));
	if (request->n_names)
		json_object_set(json, "names", names);
	json_decref(names);
	keep(json, "file", request->file);
	keep(json, "format", request->format);
	if (request->text)
		json_object_set_new(json, "text", json_stringn(request->text, request->text_len));
	if (request->base)
		json_object_set_new(json, "base", json_stringn(request->base, request->base_len));
	if (request->replace)
		json_object_set_new(json, "replace", json_true());
	if (request->runtime)
		json_object_set_new(json, "runtime", json_true());
	if (request->drain)
		json_object_set_new(json, "drain", json_true());
	if (request->dry_run)
		json_object_set_new(json, "dry_run", json_true());
	if (request->confirm)
		json_object_set_new(json, "confirm", json_integer(request->confirm));
	if (request->early)
		json_object_set_new(json, "early", json_true());
	return json;
}

int pfw_service_read(struct pfw_service *service, bool dry_run, struct pfw_service_file *ret,
		     struct pfw_error *err)
{
	(void)dry_run;
	(void)err;
	ck_assert_ptr_eq(service, &fake);
	ret->path = strdup("/etc/portfwd/portfwd.json");
	ret->exists = fake.file != NULL;
	if (fake.file)
		pfw_buffer_puts(&ret->text, fake.file);
	return 0;
}

void pfw_service_file_free(struct pfw_service_file *file)
{
	free(file->path);
	pfw_buffer_free(&file->text);
}

int pfw_service_call(struct pfw_service *service, enum pfw_verb verb,
		     const struct pfw_request *request, json_t **ret_answer,
		     struct pfw_error *err)
{
	json_t *answer;

	ck_assert_ptr_eq(service, &fake);
	fake.called++;
	fake.verb = verb;
	json_decref(fake.request);
	fake.request = request_json(request);
	if (fake.refusal && (!fake.refusals || fake.called <= fake.refusals)) {
		*err = *fake.refusal;
		return fake.code ? fake.code : -EINVAL;
	}
	answer = json_loads(fake.answer ? fake.answer : "{}", 0, NULL);
	ck_assert_ptr_nonnull(answer);
	*ret_answer = answer;
	return 0;
}

int pfw_service_wait(struct pfw_service *service, int wake, enum pfw_wait *ret,
		     struct pfw_error *err)
{
	(void)wake;
	(void)err;
	ck_assert_ptr_eq(service, &fake);
	fake.waited++;
	*ret = fake.end;
	return 0;
}

struct run run_words(bool color, const char *const *words)
{
	struct pfw_cli cli = { .terminal = color, .color = color };
	struct run run = { 0 };
	size_t out_len, err_len;
	/* The command line may be reordered, the words of the test may not. */
	char *argv[WORDS + 1], *words_copy[WORDS];
	int argc, i;

	for (argc = 0; words[argc]; argc++) {
		ck_assert_int_lt(argc, WORDS);
		argv[argc] = words_copy[argc] = strdup(words[argc]);
		ck_assert_ptr_nonnull(argv[argc]);
	}
	argv[argc] = NULL;
	cli.out = open_memstream(&run.out, &out_len);
	cli.err = open_memstream(&run.err, &err_len);
	cli.in = fmemopen((char *)(uintptr_t)(fake.typed ? fake.typed : "\n"),
			  fake.typed ? strlen(fake.typed) : 1, "r");
	cli.interactive = fake.typed != NULL;
	ck_assert(cli.out && cli.err && cli.in);
	run.code = pfw_cli_main(&cli, argc, argv);
	fclose(cli.out);
	fclose(cli.err);
	fclose(cli.in);
	for (i = 0; i < argc; i++)
		free(words_copy[i]);
	/* Whatever the outcome, nothing stays open. */
	ck_assert_uint_eq(fake.opened, 0);
	return run;
}

void run_free(struct run *run)
{
	free(run->out);
	free(run->err);
}

bool fake_asked(const char *text)
{
	json_t *expected = json_loads(text, 0, NULL);
	bool equal;

	ck_assert_ptr_nonnull(expected);
	equal = json_equal(expected, fake.request);
	json_decref(expected);
	return equal;
}

const char *fake_request_text(void)
{
	char *text = fake.request ? json_dumps(fake.request, 0) : NULL;

	snprintf(request_text, sizeof(request_text), "%s", text ? text : "nothing");
	free(text);
	return request_text;
}
