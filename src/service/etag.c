/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Entity tags of forwards. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "portfwd/base/index.h"
#include "portfwd/service/etag.h"

static const char *const beside[] = { "state", "connections", "file" };

int pfw_etag_make(const json_t *forward, char ret[PFW_ETAG_SIZE])
{
	json_t *copy = json_copy((json_t *)(uintptr_t)forward);
	char *text;
	size_t i;

	for (i = 0; i < sizeof(beside) / sizeof(beside[0]); i++)
		json_object_del(copy, beside[i]);
	text = json_dumps(copy, JSON_COMPACT | JSON_SORT_KEYS);
	json_decref(copy);
	if (!text)
		return -ENOMEM;
	snprintf(ret, PFW_ETAG_SIZE, "\"%016" PRIx64 "\"", pfw_hash(text, strlen(text)));
	free(text);
	return 0;
}

bool pfw_etag_listed(const char *list, const char *tag, bool weak)
{
	size_t len;
	bool is_weak;

	list += strspn(list, " \t");
	if (!strcmp(list, "*"))
		return tag;
	for (; tag && *list; list += len) {
		list += strspn(list, " \t,");
		is_weak = !strncmp(list, "W/", 2);
		if (is_weak)
			list += 2;
		len = *list == '"' ? strcspn(list + 1, "\"") + 2 : strcspn(list, ",");
		/* A quote that nothing closes. */
		if (len > strlen(list))
			return false;
		if ((weak || !is_weak) && len == strlen(tag) && !memcmp(list, tag, len))
			return true;
	}
	return false;
}
