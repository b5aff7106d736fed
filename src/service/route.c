/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The table of routes, and which of them a request means. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "portfwd/service/route.h"

#define FORWARDS "/v1/forwards"
#define FORWARD "/v1/forwards/{name}"

const struct pfw_route pfw_routes[PFW_ROUTES] = {
	[PFW_ROUTE_STATUS] = { "GET", "/v1/status" },
	[PFW_ROUTE_LIST] = { "GET", FORWARDS },
	[PFW_ROUTE_ADD] = { "POST", FORWARDS, "dry_run drain runtime", .body = true,
			    .changes = true },
	[PFW_ROUTE_GET] = { "GET", FORWARD },
	[PFW_ROUTE_PUT] = { "PUT", FORWARD, "dry_run drain runtime", .body = true,
			    .changes = true },
	[PFW_ROUTE_PATCH] = { "PATCH", FORWARD, "dry_run drain", .body = true, .changes = true },
	[PFW_ROUTE_DELETE] = { "DELETE", FORWARD, "dry_run drain", .changes = true },
	[PFW_ROUTE_RELOAD] = { "POST", "/v1/reload", .body = true, .changes = true },
	[PFW_ROUTE_CONFIRM] = { "POST", "/v1/confirm", .body = true, .changes = true },
	[PFW_ROUTE_CHECK] = { "POST", "/v1/check", .body = true },
	[PFW_ROUTE_COMMAND] = { "POST", "/v1/commands/{verb}", .body = true, .changes = true },
	[PFW_ROUTE_EVENTS] = { "GET", "/v1/events" },
	[PFW_ROUTE_METRICS] = { "GET", "/metrics" },
};

/* Whether the path is of this kind; *ret_segment is what stands for "{...}". */
static bool fits(const char *pattern, const char *path, const char **ret_segment)
{
	const char *open = strchr(pattern, '{');
	size_t len = open ? (size_t)(open - pattern) : 0;

	if (!open)
		return !strcmp(pattern, path);
	if (strncmp(pattern, path, len) || !path[len] || strchr(path + len, '/'))
		return false;
	*ret_segment = path + len;
	return true;
}

int pfw_route_find(const char *method, const char *path, enum pfw_route_id *ret,
		   const char **ret_segment)
{
	const char *segment = NULL;
	int code = -ENOENT, id;

	if (!strcmp(method, "HEAD"))
		method = "GET";
	for (id = 0; id < PFW_ROUTES; id++) {
		if (!fits(pfw_routes[id].path, path, &segment))
			continue;
		code = -EOPNOTSUPP;
		if (strcmp(pfw_routes[id].method, method))
			continue;
		*ret = (enum pfw_route_id)id;
		*ret_segment = segment;
		return 0;
	}
	return code;
}

const char *pfw_route_allow(const char *path, char *buf, size_t size)
{
	const char *segment;
	size_t len = 0;
	int id;

	for (id = 0; id < PFW_ROUTES && len < size; id++)
		if (fits(pfw_routes[id].path, path, &segment))
			len += (size_t)snprintf(buf + len, size - len,
						strcmp(pfw_routes[id].method, "GET") ?
						"%s, " : "%s, HEAD, ", pfw_routes[id].method);
	if (len < size)
		snprintf(buf + len, size - len, "OPTIONS");
	return buf;
}

bool pfw_route_takes(enum pfw_route_id id, const char *name)
{
	const char *at = pfw_routes[id].query;
	size_t len = strlen(name), word;

	for (; at && *at; at += word + (at[word] == ' ')) {
		word = strcspn(at, " ");
		if (word == len && !memcmp(at, name, len))
			return true;
	}
	return false;
}
