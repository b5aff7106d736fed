/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Requests that only look: list and status. */
#include <errno.h>
#include <string.h>
#include <sys/utsname.h>

#include "local.h"
#include "portfwd/base/text.h"
#include "portfwd/config/config.h"

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

static int list_named(const struct pfw_engine *engine, const struct pfw_request *request,
		      const struct pfw_view *view, json_t *rows, struct pfw_error *err)
{
	const struct pfw_ruleset *ruleset = pfw_engine_ruleset(engine);
	uint32_t id;
	size_t i;

	for (i = 0; i < request->n_names; i++) {
		id = pfw_ruleset_find(ruleset, request->names[i]);
		if (id == PFW_INDEX_NONE)
			return pfw_fail(err, PFW_NOT_FOUND, -ENOENT,
					"there is no forward \"%s\"; \"portfwd list\" shows those that are",
					request->names[i]);
		if (json_array_append_new(rows, list_row(engine, view, id)))
			return pfw_fail_memory(err);
	}
	return 0;
}

static int list_all(const struct pfw_engine *engine, const struct pfw_view *view, json_t *rows,
		    struct pfw_error *err)
{
	const struct pfw_ruleset *ruleset = pfw_engine_ruleset(engine);
	uint32_t id;

	for (id = 0; id < ruleset->n_forwards; id++)
		if (ruleset->forwards[id].name &&
		    json_array_append_new(rows, list_row(engine, view, id)))
			return pfw_fail_memory(err);
	return 0;
}

int answer_list(struct pfw_engine *engine, const struct pfw_request *request, json_t **ret,
		struct pfw_error *err)
{
	struct pfw_report report = { 0 };
	struct pfw_view view = { 0 };
	json_t *rows = json_array();
	int code;

	code = pfw_engine_look(engine, &view, &report, err);
	if (!code)
		code = request->n_names ? list_named(engine, request, &view, rows, err) :
					  list_all(engine, &view, rows, err);
	if (!code)
		*ret = json_pack("{s:O}", "forwards", rows);
	json_decref(rows);
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
static json_t *status_warnings(const struct pfw_engine *engine, const struct pfw_view *view)
{
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
	*ret = json_pack("{s:s, s:s?, s:s, s:{s:I, s:I}, s:b, s:{s:b, s:b}, s:b, s:o, s:{s:b, s:n}, s:o}", "backend",
			 backend, "fallback", why, "kernel", uname(&system) ? "" : system.release,
			 "forwards", "configured", (json_int_t)ruleset->n_live, "active", active,
			 "in_sync", (int)view.in_sync, "ip_forward", "ipv4",
			 (int)facts->routing_on[0], "ipv6", (int)facts->routing_on[1], "guard",
			 (int)view.guard, "route_localnet", list_links(&view.localnets), "daemon", "running", 0, "pid", "warnings",
			 status_warnings(engine, &view));
out:
	pfw_view_free(&view);
	pfw_report_free(&report);
	return code;
}
