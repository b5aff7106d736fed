/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Keeping the forwards in force. */
#include <stdlib.h>

#include "keep.h"

struct keep {
	struct keep_context to;
};

int keep_open(const struct keep_context *context, struct keep **ret, struct pfw_error *err)
{
	struct keep *keep = calloc(1, sizeof(*keep));

	if (!keep)
		return pfw_fail_memory(err);
	keep->to = *context;
	*ret = keep;
	return 0;
}

void keep_close(struct keep *keep)
{
	free(keep);
}

static json_t *copy_of(const json_t *answer, const char *key)
{
	return json_incref(json_object_get(answer, key));
}

void keep_reload(struct keep *keep, const char *why)
{
	const struct pfw_request request = { 0 };
	struct pfw_error err = PFW_ERROR_INIT;
	json_t *answer = NULL;

	notify_reloading(keep->to.notify);
	if (pfw_service_call(keep->to.service, PFW_VERB_RELOAD, &request, &answer, &err)) {
		log_error(keep->to.log, "not loaded", &err);
		log_event(keep->to.log, LOG_WARNING, "what stood stays; waiting for a better configuration",
			  json_pack("{s:s, s:i}", "why", why, "errors", (int)err.count));
		notify_send(keep->to.notify, "READY=1\nSTATUS=The configuration is bad, what stood stays");
		return;
	}
	log_event(keep->to.log, LOG_NOTICE, "loaded",
		  json_pack("{s:s, s:o*, s:o*, s:o*}", "why", why, "forwards",
			    copy_of(answer, "forwards"), "objects", copy_of(answer, "objects"),
			    "warning", copy_of(answer, "warning")));
	notify_send(keep->to.notify, "READY=1\nSTATUS=%lld forwards in force",
		    (long long)json_integer_value(json_object_get(answer, "forwards")));
	json_decref(answer);
}
