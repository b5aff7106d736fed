/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Requests that say of a forward only what shall be different: merge patches (RFC 7396). */
#include <errno.h>
#include <string.h>

#include "local.h"
#include "portfwd/config/config.h"

/* The target changed by the patch; a new reference, or NULL without memory. */
static json_t *merge(json_t *target, json_t *patch)
{
	json_t *merged, *value;
	const char *key;
	int failed = 0;

	if (!json_is_object(patch))
		return json_incref(patch);
	merged = json_is_object(target) ? json_copy(target) : json_object();
	json_object_foreach(patch, key, value) {
		if (json_is_null(value))
			json_object_del(merged, key);
		else
			failed |= json_object_set_new(merged, key,
						      merge(json_object_get(merged, key), value));
	}
	if (failed) {
		json_decref(merged);
		return NULL;
	}
	return merged;
}

/*
 * What the patch changes: the canonical form, so that every key is there in one shape, but for what
 * is not said of the forward itself; that would be said from then on.
 */
static json_t *patched(const struct pfw_forward *forward, const struct pfw_settings *settings,
		       json_t *patch)
{
	json_t *canonical = pfw_forward_json(forward, settings, PFW_CANONICAL);
	json_t *concise = pfw_forward_json(forward, settings, PFW_CONCISE);
	json_t *merged = NULL, *value;
	const char *key;
	void *next;

	if (canonical && concise) {
		json_object_foreach_safe(canonical, next, key, value)
			if (!json_object_get(concise, key))
				json_object_del(canonical, key);
		merged = merge(canonical, patch);
	}
	json_decref(canonical);
	json_decref(concise);
	return merged;
}

static int refuse_rename(const char *name, struct pfw_error *err)
{
	size_t mark = pfw_error_enter_key(err, "name");

	pfw_error_add(err, PFW_FAILED, "\"%s\" keeps its name; add another and remove this one",
		      name);
	pfw_error_leave(err, mark);
	return -EINVAL;
}

int answer_patch(struct pfw_engine *engine, const struct pfw_request *request, json_t **ret,
		 struct pfw_error *err)
{
	const struct pfw_ruleset *ruleset = pfw_engine_ruleset(engine);
	uint32_t id = pfw_ruleset_find(ruleset, request->names[0]);
	const struct pfw_forward *there;
	struct pfw_request add = *request;
	const json_t *name;
	int code;

	if (id == PFW_INDEX_NONE)
		return pfw_fail(err, PFW_NOT_FOUND, -ENOENT, "there is no forward \"%s\"",
				request->names[0]);
	there = &ruleset->forwards[id];
	name = json_object_get(request->forward, "name");
	if (name && (!json_is_string(name) || strcmp(json_string_value(name), there->name)))
		return refuse_rename(there->name, err);
	add.forward = patched(there, &ruleset->settings, request->forward);
	if (!add.forward)
		return pfw_fail_memory(err);
	add.replace = true;
	add.runtime = pfw_engine_is_runtime(engine, there->origin.file);
	code = answer_add(engine, &add, ret, err);
	json_decref(add.forward);
	return code;
}
