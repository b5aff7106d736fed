/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The answers of the service in this process. */
#ifndef SERVICE_LOCAL_H
#define SERVICE_LOCAL_H

#include "portfwd/engine/engine.h"
#include "portfwd/service/service.h"
#include "portfwd/service/watch.h"

/* The service in this process. */
struct local;
int local_open(const struct pfw_service_options *options, struct local **ret,
	       struct pfw_error *err);
void local_close(struct local *service);
int local_call(struct local *service, enum pfw_verb verb, const struct pfw_request *request,
	       json_t **ret_answer, struct pfw_error *err);
int local_wait(struct local *service, int wake, enum pfw_wait *ret, struct pfw_error *err);
int local_watch(struct local *service, struct pfw_watch **ret, struct pfw_error *err);
bool local_is_current(const struct local *service);
size_t local_journal(const struct local *service);
size_t local_size(const struct local *service);
int local_part(struct local *service, struct pfw_error *err);
int local_settle_begin(struct local *service, struct pfw_settling **ret, struct pfw_error *err);
int local_settle_end(struct local *service, struct pfw_settling *settling, struct pfw_error *err);
int local_read(struct local *service, bool dry_run, struct pfw_service_file *ret,
	       struct pfw_error *err);

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
answer_function answer_confirm;
answer_function answer_revert;
answer_function answer_read;
answer_function answer_patch;
answer_function answer_count;
answer_function answer_repair;
answer_function answer_settle;

/* How long a reload waits yet to be confirmed; null for 0. */
json_t *answer_trial(unsigned int seconds);
/* How the request wants its changes made. */
struct pfw_manner answer_manner(const struct pfw_request *request);
/* Adds "objects", "changes" and "warning"; non-zero without memory. */
int answer_put_changes(json_t *answer, const struct pfw_report *report);

#endif
