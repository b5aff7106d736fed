/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What was typed as JSON texts. Nothing is understood here: the service does that. */
#ifndef PORTFWD_CLI_WORDS_H
#define PORTFWD_CLI_WORDS_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

#include "portfwd/base/error.h"

/* len bytes as a JSON text; path names them if they are not UTF-8. A new reference. */
int pfw_words_text(const char *path, const char *text, size_t len, json_t **ret,
		   struct pfw_error *err);
/* The parts between the separators, empty ones too, as a list. A new reference. */
int pfw_words_split(const char *path, const char *text, size_t len, char separator,
		    json_t **ret, struct pfw_error *err);
/* The same, but a single part is a text and not a list of one; separator 0 cuts nothing. */
int pfw_words_join(const char *path, const char *text, size_t len, char separator,
		   json_t **ret, struct pfw_error *err);

/*
 * A listen part "[ADDR:]PORTS[/PROTO]" cut into an object with "address", "port" and
 * "protocol", for adding what the text form cannot say. What cannot be cut stays in
 * "port" as it is, so that the service refuses it. A new reference.
 */
int pfw_words_listen(const char *text, json_t **ret, struct pfw_error *err);

/*
 * The object "limit" from "rate=50/second,burst=10,connections=20". What is no such
 * list is a usage error; keys and values are for the service to judge.
 */
int pfw_words_limit(const char *text, json_t **ret, struct pfw_error *err);
/* The text of "expires": a time as it is, or the one at the end of a duration from now. */
int pfw_words_expires(const char *text, int64_t now, json_t **ret, struct pfw_error *err);

#endif
