/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Names for the forwards that came without one. */
#include <errno.h>
#include <string.h>

#include "portfwd/config/config.h"

static bool is_unique(void *ctx, const char *name)
{
	return pfw_ruleset_find(ctx, name) == PFW_INDEX_NONE;
}

static int not_unique(const struct pfw_forward *forward, const char *const *files,
		      struct pfw_error *err)
{
	const char *file = err->file;
	size_t mark = pfw_error_enter_key(err, "forwards");

	pfw_error_enter_index(err, forward->origin.position);
	if (files)
		err->file = files[forward->origin.file];
	pfw_error_add(err, PFW_CONFLICT, "has the listen part of another forward, and neither has "
		      "a name; give it a \"name\", or drop one of them");
	err->file = file;
	pfw_error_leave(err, mark);
	return -EINVAL;
}

int pfw_config_finish(struct pfw_ruleset *ruleset, const char *const *files,
		      struct pfw_error *err)
{
	const struct pfw_forward *forward;
	char name[PFW_NAME_MAX + 1], *text;
	int ret = 0, one;
	uint32_t id;

	for (id = 0; id < ruleset->n_forwards; id++) {
		forward = &ruleset->forwards[id];
		if (forward->name || !forward->n_targets)
			continue;
		one = pfw_forward_derive_name(&forward->listen, is_unique, ruleset, name);
		if (one == -EEXIST) {
			ret = not_unique(forward, files, err);
			continue;
		}
		if (one < 0)
			return pfw_fail_memory(err);
		text = pfw_arena_text(&ruleset->arena, name, strlen(name));
		if (!text || pfw_ruleset_name(ruleset, id, text) < 0)
			return pfw_fail_memory(err);
	}
	return ret;
}
