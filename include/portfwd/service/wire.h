/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Requests and refusals as JSON, as they go through the daemon's socket: what is written here at
 * one end is read here at the other. Answers are JSON already.
 */
#ifndef PORTFWD_SERVICE_WIRE_H
#define PORTFWD_SERVICE_WIRE_H

#include <jansson.h>

#include "portfwd/base/names.h"
#include "portfwd/service/service.h"

/* The verbs that POST /v1/commands/VERB takes. */
extern const struct pfw_name pfw_command_names[];

/* The kinds of failure, as "kind" of an error says them. */
extern const struct pfw_name pfw_failure_names[];

/*
 * A request as an object; what is not set is left out. -EILSEQ, without words: it has a text
 * that no JSON can carry, or a path, which never goes to another process. *ret is a new reference.
 */
int pfw_request_json(const struct pfw_request *request, json_t **ret, struct pfw_error *err);

/*
 * The other way round; only what the verb uses is taken. All errors are collected. What is in *ret
 * belongs to json but for the list of names: pfw_request_free().
 */
int pfw_request_parse(enum pfw_verb verb, json_t *json, struct pfw_request *ret,
		      struct pfw_error *err);
void pfw_request_free(struct pfw_request *request);

/*
 * The status of HTTP that says the refusal best. code is what the function returned that filled
 * err in; a condition that does not hold is -ESTALE and PFW_CONFLICT.
 */
unsigned int pfw_problem_status(const struct pfw_error *err, int code);

/*
 * A refusal as application/problem+json (RFC 9457): "errors" lists {"file", "path", "message"},
 * "code" is the exit code of portfwd(1) and "errno" -code. NULL without memory.
 */
json_t *pfw_problem_json(const struct pfw_error *err, int code, unsigned int status);

/*
 * The other way round: fills err in and returns the code; -EBADMSG with words where this is no such
 * object.
 */
int pfw_problem_parse(const json_t *problem, struct pfw_error *err);

#endif
