/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A service that answers what the test says, and remembers what it was asked. */
#ifndef PORTFWD_TESTS_CLI_FAKE_H
#define PORTFWD_TESTS_CLI_FAKE_H

#include <jansson.h>
#include <stdbool.h>

#include "portfwd/service/service.h"

struct fake {
	const char *answer;		/* JSON text of the next answer */
	const struct pfw_error *refusal;	/* instead of an answer */
	int code;			/* of the refusal */
	unsigned int refusals;		/* how many calls are refused; 0: all */
	const char *file;		/* what the configuration says; NULL: it is not there */
	const char *typed;		/* by who sits at the terminal; NULL: nobody does */

	enum pfw_wait end;		/* what becomes of a reload that waits */

	unsigned int opened;
	unsigned int waited;
	unsigned int called;
	json_t *options;		/* those that were set */
	enum pfw_verb verb;
	json_t *request;		/* what was set of it */
};

/* What the service of this test does and has seen. */
extern struct fake fake;
void fake_reset(void);

/* One run of the command line. The words end with NULL. */
struct run {
	int code;
	char *out;
	char *err;
};

/* Runs "portfwd WORD...", with a terminal that likes colours if color. Free with run_free(). */
struct run run_words(bool color, const char *const *words);
#define RUN(...) run_words(false, (const char *[]){ "portfwd", __VA_ARGS__, NULL })
void run_free(struct run *run);

/* Runs the words and compares all that can be seen of it. */
#define EXPECT(code_, out_, err_, ...) do { \
	struct run run_ = RUN(__VA_ARGS__); \
	ck_assert_str_eq(run_.err, err_); \
	ck_assert_str_eq(run_.out, out_); \
	ck_assert_int_eq(run_.code, code_); \
	run_free(&run_); \
} while (0)

/* What the service was asked for is equal to this JSON text. */
#define EXPECT_REQUEST(text) ck_assert_msg(fake_asked(text), "asked for %s", fake_request_text())
bool fake_asked(const char *text);
const char *fake_request_text(void);

#endif
