/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The answers of the service in this process. */
#ifndef SERVICE_LOCAL_H
#define SERVICE_LOCAL_H

#include "portfwd/engine/engine.h"
#include "portfwd/service/service.h"

/* Answers a request on a loaded engine; *ret NULL after success means no memory. */
typedef int answer_function(struct pfw_engine *engine, const struct pfw_request *request,
			    json_t **ret, struct pfw_error *err);

answer_function answer_add;
answer_function answer_remove;
answer_function answer_enable;
answer_function answer_disable;
answer_function answer_list;
answer_function answer_status;
answer_function answer_check;
answer_function answer_diff;
answer_function answer_write;
answer_function answer_reload;
answer_function answer_flush;
answer_function answer_export;
answer_function answer_patch;
answer_function answer_count;
answer_function answer_repair;
answer_function answer_settle;

/* How the request wants its changes made. */
struct pfw_manner answer_manner(const struct pfw_request *request);
/* Adds "objects", "changes" and "warning"; non-zero without memory. */
int answer_put_changes(json_t *answer, const struct pfw_report *report);

#endif
