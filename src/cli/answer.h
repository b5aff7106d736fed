/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Parts of an answer (a forward in canonical JSON) as text for people. */
#ifndef PORTFWD_CLI_ANSWER_H
#define PORTFWD_CLI_ANSWER_H

#include <jansson.h>

#include "portfwd/base/buffer.h"

/* "198.51.100.1:8080/tcp", with " on wan0" behind if it listens on interfaces. */
void pfw_answer_listen(const json_t *forward, struct pfw_buffer *ret);
/* "10.0.0.2:80,[fd00::2]:80" */
void pfw_answer_target(const json_t *forward, struct pfw_buffer *ret);
/* Any value of a forward: texts as they are, booleans as yes and no, lists with commas. */
void pfw_answer_value(const json_t *value, struct pfw_buffer *ret);

/* "50/second, burst 10, 20 connections" */
void pfw_answer_limit(const json_t *forward, struct pfw_buffer *ret);

#endif
