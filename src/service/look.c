/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Requests that only look: list and status. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

#include "local.h"
#include "portfwd/base/text.h"
#include "portfwd/config/config.h"
#include "portfwd/engine/trial.h"

#define GLANCES 16	/* forwards that are looked at by themselves */

static const char *state_of(const struct pfw_engine *engine, const struct pfw_view *view,
			    uint32_t id)
{
	const struct pfw_forward *forward = &pfw_engine_ruleset(engine)->forwards[id];

	if (!forward->enabled)
		return "disabled";
	if (!pfw_plan_active(pfw_engine_plan(engine), forward))
		return "expired";
	return view->missing[id] ? "missing" : "active";
}

static json_t *list_row(const struct pfw_engine *engine, const struct pfw_view *view, uint32_t id)
{
	const struct pfw_ruleset *ruleset = pfw_engine_ruleset(engine);
	const struct pfw_forward *forward = &ruleset->forwards[id];
	json_t *row = pfw_forward_json(forward, &ruleset->settings, PFW_CANONICAL);
	json_t *connections = json_null();
	int failed;

	if (!row)
		return NULL;
	if (ruleset->settings.counters)
		connections = json_integer((json_int_t)view->connections[id]);
	failed = json_object_set_new(row, "state", json_string(state_of(engine, view, id)));
	failed |= json_object_set_new(row, "connections", connections);
	failed |= json_object_set_new(row, "file",
				      json_string(pfw_engine_file(engine, forward->origin.file)));
	if (failed) {
		json_decref(row);
		return NULL;
	}
	return row;
}

/* Hands one forward to who wants it; rows is the list of the answer. */
static int put_row(const struct pfw_engine *engine, const struct pfw_request *request,
		   const struct pfw_view *view, uint32_t id, json_t *rows, struct pfw_error *err)
{
	json_t *row = list_row(engine, view, id);
	int failed;

	if (!request->row)
		return json_array_append_new(rows, row) ? pfw_fail_memory(err) : 0;
	failed = row ? request->row(request->row_ctx, row) : -ENOMEM;
	json_decref(row);
	return failed ? pfw_fail_memory(err) : 0;
}

/* Which forwards are asked for; *ret is to be freed. */
static int find_named(const struct pfw_engine *engine, const struct pfw_request *request,
		      uint32_t **ret, struct pfw_error *err)
{
	uint32_t *ids = calloc(request->n_names, sizeof(*ids));
	size_t i;

	for (i = 0; ids && i < request->n_names; i++) {
		ids[i] = pfw_ruleset_find(pfw_engine_ruleset(engine), request->names[i]);
		if (ids[i] != PFW_INDEX_NONE)
			continue;
		free(ids);
		return pfw_fail(err, PFW_NOT_FOUND, -ENOENT,
				"there is no forward \"%s\"; \"portfwd list\" shows those that are",
				request->names[i]);
	}
	*ret = ids;
	return ids ? 0 : pfw_fail_memory(err);
}

static int list_ids(const struct pfw_engine *engine, const struct pfw_request *request,
		    const struct pfw_view *view, const uint32_t *ids, size_t n, json_t *rows,
		    struct pfw_error *err)
{
	size_t i;
	int code = 0;

	for (i = 0; !code && i < n; i++)
		code = put_row(engine, request, view, ids[i], rows, err);
	return code;
}

/* A few are looked at by themselves, where all is well. */
static int look_at(struct pfw_engine *engine, const struct pfw_request *request,
		   const uint32_t *ids, struct pfw_view *ret, struct pfw_error *err)
{
	struct pfw_report report = { 0 };
	int code = -ESTALE;

	if (request->n_names && request->n_names <= GLANCES)
		code = pfw_engine_glance(engine, ids, request->n_names, ret, err);
	if (code != -ESTALE || err->count)
		return code;
	if (request->brief)
		return pfw_fail(err, PFW_FAILED, code, "this takes a look at all forwards");
	code = pfw_engine_look(engine, ret, &report, err);
	pfw_report_free(&report);
	return code;
}

int answer_list(struct pfw_engine *engine, const struct pfw_request *request, json_t **ret,
		struct pfw_error *err)
{
	struct pfw_view view = { 0 };
	json_t *rows = json_array();
	uint32_t *ids = NULL;
	int code = 0;

	if (request->n_names)
		code = find_named(engine, request, &ids, err);
	else if (!(ids = pfw_engine_order(engine)))
		code = pfw_fail_memory(err);
	if (!code)
		code = look_at(engine, request, ids, &view, err);
	if (!code)
		code = list_ids(engine, request, &view, ids,
				request->n_names ? request->n_names :
						   pfw_engine_ruleset(engine)->n_live, rows, err);
	if (!code)
		*ret = json_pack("{s:O}", "forwards", rows);
	json_decref(rows);
	pfw_view_free(&view);
	free(ids);
	return code;
}

static const char *const states[] = { "active", "disabled", "expired", "missing" };
#define N_STATES (sizeof(states) / sizeof(states[0]))

/* Adds one to the number of this state. */
static int count_state(json_t *numbers, const char *state)
{
	json_t *number = json_object_get(numbers, state);

	return json_integer_set(number, json_integer_value(number) + 1);
}

static int count_all(const struct pfw_engine *engine, const struct pfw_view *view, json_t *numbers,
		     json_t *connections)
{
	const struct pfw_ruleset *ruleset = pfw_engine_ruleset(engine);
	const char *name;
	int ret = 0;
	uint32_t id;
	size_t i;

	for (i = 0; i < N_STATES; i++)
		ret |= json_object_set_new(numbers, states[i], json_integer(0));
	for (id = 0; !ret && id < ruleset->n_forwards; id++) {
		name = ruleset->forwards[id].name;
		if (!name)
			continue;
		ret = count_state(numbers, state_of(engine, view, id));
		if (!ret && ruleset->settings.counters)
			ret = json_object_set_new(connections, name,
						  json_integer((json_int_t)view->connections[id]));
	}
	return ret;
}

int answer_count(struct pfw_engine *engine, const struct pfw_request *request, json_t **ret,
		 struct pfw_error *err)
{
	struct pfw_report report = { 0 };
	struct pfw_view view = { 0 };
	const struct pfw_facts *facts = &pfw_engine_plan(engine)->facts;
	const char *why;
	json_t *numbers = json_object(), *connections = json_object();
	int code = pfw_engine_look(engine, &view, &report, err);

	(void)request;
	if (!code && count_all(engine, &view, numbers, connections))
		code = pfw_fail_memory(err);
	if (!code)
		*ret = json_pack("{s:s, s:b, s:I, s:{s:b, s:b}, s:O, s:o}", "backend",
				 pfw_engine_backend(engine, &why), "in_sync", (int)view.in_sync,
				 "journal", (json_int_t)pfw_engine_journal(engine), "ip_forward",
				 "ipv4", (int)facts->routing_on[0], "ipv6",
				 (int)facts->routing_on[1], "forwards", numbers, "connections",
				 pfw_engine_ruleset(engine)->settings.counters ?
				 json_incref(connections) : json_null());
	json_decref(numbers);
	json_decref(connections);
	pfw_view_free(&view);
	pfw_report_free(&report);
	return code;
}

static int add_warning(json_t *warnings, struct pfw_buffer *text)
{
	int ret = text->failed ? -ENOMEM : json_array_append_new(warnings, json_string(text->data));

	pfw_buffer_free(text);
	return ret;
}

/* What an administrator should know; NULL without memory. */
static json_t *status_warnings(struct pfw_engine *engine, const struct pfw_view *view)
{
	char *notice = pfw_engine_take_notice(engine);
	const struct pfw_facts *facts = &pfw_engine_plan(engine)->facts;
	bool ours = (facts->routing_on[0] && facts->routing_held[0]) ||
		    (facts->routing_on[1] && facts->routing_held[1]);
	json_t *warnings = json_array();
	struct pfw_buffer text = { 0 };
	int ret = 0;

	if (ours && pfw_engine_ruleset(engine)->settings.guard && !view->guard) {
		pfw_buffer_puts(&text, "portfwd switched routing on, and the guard is gone or was "
				"changed: this machine may route for everybody; \"portfwd reload\" "
				"puts the guard back");
		ret = add_warning(warnings, &text);
	}
	if (!ret && view->localnets.n && !view->shield) {
		pfw_buffer_puts(&text, "route_localnet is on for forwards to 127.0.0.0/8, and the chain "
				"that keeps others from these addresses is gone or was changed: whoever "
				"is on the same link may reach what listens there; \"portfwd reload\" "
				"puts it back");
		ret = add_warning(warnings, &text);
	}
	if (!ret && view->unguarded) {
		pfw_buffer_printf(&text, "the guard cannot hold interface %s, because saved rules with "
				  "such a name cannot be loaded: what comes in or goes out there is "
				  "routed for everybody; rename it, then \"portfwd reload\"",
				  view->unguarded);
		ret = add_warning(warnings, &text);
	}
	if (!ret && pfw_engine_unowned(engine)) {
		pfw_buffer_puts(&text, pfw_engine_unowned(engine));
		ret = add_warning(warnings, &text);
	}
	if (!ret && view->owner) {
		pfw_buffer_printf(&text, "another program (netlink port %u), most likely a portfwdd "
				  "that is not asked from here, owns the table: only that one can "
				  "change it", view->owner);
		ret = add_warning(warnings, &text);
	}
	if (!ret && pfw_engine_trial_failed(engine)) {
		pfw_buffer_puts(&text, "a reload was not confirmed, and whoever waited for it is gone: the "
				"next change, or \"portfwd reload\", brings back what was before; "
				"\"portfwd confirm\" in time keeps it");
		ret = add_warning(warnings, &text);
	}
	if (!ret && notice)
		ret = json_array_append_new(warnings, json_string(notice));
	free(notice);
	if (ret) {
		json_decref(warnings);
		return NULL;
	}
	return warnings;
}

/* NULL without memory. */
static json_t *list_links(const struct pfw_links *links)
{
	json_t *list = json_array();
	char name[PFW_IFNAME_SIZE];
	size_t i;

	for (i = 0; i < links->n; i++) {
		memcpy(name, links->list[i].name, sizeof(name));
		pfw_text_clean(name);
		if (json_array_append_new(list, json_string(name))) {
			json_decref(list);
			return NULL;
		}
	}
	return list;
}

int answer_status(struct pfw_engine *engine, const struct pfw_request *request, json_t **ret,
		  struct pfw_error *err)
{
	const struct pfw_ruleset *ruleset = pfw_engine_ruleset(engine);
	const struct pfw_facts *facts = &pfw_engine_plan(engine)->facts;
	struct pfw_report report = { 0 };
	struct pfw_view view = { 0 };
	const char *backend, *why;
	struct utsname system;
	json_int_t active = 0;
	uint32_t id;
	int code;

	(void)request;
	code = pfw_engine_look(engine, &view, &report, err);
	if (code)
		goto out;
	for (id = 0; id < ruleset->n_forwards; id++)
		active += pfw_plan_active(pfw_engine_plan(engine), &ruleset->forwards[id]) &&
			  !view.missing[id];
	backend = pfw_engine_backend(engine, &why);
	*ret = json_pack("{s:s, s:s?, s:s, s:{s:I, s:I}, s:b, s:{s:b, s:b}, s:b, s:b, s:o, s:I, "
			 "s:{s:b, s:n}, s:o, s:o}", "backend",
			 backend, "fallback", why, "kernel", uname(&system) ? "" : system.release,
			 "forwards", "configured", (json_int_t)ruleset->n_live, "active", active,
			 "in_sync", (int)view.in_sync, "ip_forward", "ipv4",
			 (int)facts->routing_on[0], "ipv6", (int)facts->routing_on[1], "owned",
			 (int)view.owned, "guard", (int)view.guard, "route_localnet",
			 list_links(&view.localnets), "journal",
			 (json_int_t)pfw_engine_journal(engine), "daemon", "running", 0, "pid", "confirm",
			 answer_trial(pfw_engine_trial_left(engine)), "warnings",
			 status_warnings(engine, &view));
out:
	pfw_view_free(&view);
	pfw_report_free(&report);
	return code;
}
