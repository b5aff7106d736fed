/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The routes of the control API, portfwd-api(7): one table, which the daemon serves, the
 * command line speaks, and the OpenAPI description is tested against.
 */
#ifndef PORTFWD_SERVICE_ROUTE_H
#define PORTFWD_SERVICE_ROUTE_H

#include <stdbool.h>
#include <stddef.h>

enum pfw_route_id {
	PFW_ROUTE_STATUS,
	PFW_ROUTE_LIST,
	PFW_ROUTE_ADD,
	PFW_ROUTE_GET,
	PFW_ROUTE_PUT,
	PFW_ROUTE_PATCH,
	PFW_ROUTE_DELETE,
	PFW_ROUTE_RELOAD,
	PFW_ROUTE_CONFIRM,
	PFW_ROUTE_CHECK,
	PFW_ROUTE_COMMAND,
	PFW_ROUTE_EVENTS,
	PFW_ROUTE_METRICS,
};
#define PFW_ROUTES (PFW_ROUTE_METRICS + 1)

/* Everybody who may speak to the daemon may use every route. */
struct pfw_route {
	const char *method;
	const char *path;	/* "{...}" stands for one segment, which is not empty */
	const char *query;	/* switches that it takes behind "?", with blanks between */
	bool body;		/* takes a JSON object */
	bool changes;		/* may change something, so it is logged */
};
extern const struct pfw_route pfw_routes[PFW_ROUTES];

/*
 * The route of a method and a path that is still percent-encoded; *ret_segment is what stands
 * for "{...}", within path, or NULL. HEAD is GET. -ENOENT: no route has this path; -EOPNOTSUPP: none
 * has it with this method.
 */
int pfw_route_find(const char *method, const char *path, enum pfw_route_id *ret,
		   const char **ret_segment);

/* "GET, HEAD, OPTIONS": the methods of a path as the header Allow lists them. Truncated to size. */
const char *pfw_route_allow(const char *path, char *buf, size_t size);

/* Whether the route takes a switch of this name. */
bool pfw_route_takes(enum pfw_route_id id, const char *name);

#endif
