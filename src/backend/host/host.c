/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The host backend: the sysctls that routing and forwards to 127.0.0.0/8 need. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "inside.h"
#include "portfwd/base/text.h"
#include "portfwd/kernel/link.h"
#include "portfwd/kernel/sysctl.h"

int pfw_host_open(struct pfw_host_record *record, pfw_host_save *save, void *ctx,
		  struct pfw_backend_handle **ret, struct pfw_error *err)
{
	struct pfw_backend_handle *handle = calloc(1, sizeof(*handle));

	if (!handle)
		return pfw_fail_memory(err);
	*handle = (struct pfw_backend_handle){ record, save, ctx };
	*ret = handle;
	return 0;
}

static void host_close(struct pfw_backend_handle *handle)
{
	free(handle);
}

static int gather_link(void *ctx, const char *name, uint32_t index)
{
	return pfw_links_add(ctx, name, index, false);
}

int pfw_host_links(struct pfw_links *ret, struct pfw_error *err)
{
	int code = pfw_link_each(gather_link, ret, err);

	return code && !err->count ? pfw_fail_memory(err) : code;
}

int pfw_host_facts(struct pfw_host_record *record, struct pfw_facts *ret, struct pfw_error *err)
{
	struct pfw_facts facts = { 0 };
	int code = pfw_host_links(&facts.links, err);

	if (!code && pfw_host_record_follow(record, &facts.links))
		code = -ENOMEM;
	if (code && !err->count)
		pfw_fail_memory(err);
	if (!code)
		code = host_localnet_facts(record, &facts, err);
	if (!code)
		code = host_routing_facts(record, &facts, err);
	if (code) {
		pfw_facts_free(&facts);
		return code;
	}
	*ret = facts;
	return 0;
}

/*
 * What portfwd is answerable for: what it switched on, and what it must switch on. Routing that
 * somebody else switched on is none of its business.
 */
static int host_compile(const struct pfw_plan *plan, const struct pfw_touched *only,
			struct pfw_image *ret, struct pfw_error *err)
{
	struct pfw_image image = { 0 };
	int code;

	(void)only;
	code = host_routing_compile(plan, &image);
	if (!code)
		code = host_localnet_compile(plan, &image);
	if (code) {
		pfw_image_free(&image);
		return pfw_fail_memory(err);
	}
	*ret = image;
	return 0;
}

static int host_read(struct pfw_backend_handle *handle, struct pfw_image *ret,
		     struct pfw_error *err)
{
	struct pfw_image image = { 0 };
	int code = host_routing_read(handle->record, &image, err);

	if (!code)
		code = host_localnet_read(handle->record, &image, err);
	if (code) {
		pfw_image_free(&image);
		return code;
	}
	*ret = image;
	return 0;
}

/* Before anything is written, and saved once for all of it. */
static int remember_steps(struct pfw_backend_handle *handle,
			  const struct pfw_difference *difference, struct pfw_error *err)
{
	size_t i, n = handle->record->n_entries;
	const struct host_routing *routing;
	const struct pfw_item *item;
	int ret = 0;

	for (i = 0; !ret && i < difference->n_steps; i++) {
		item = difference->steps[i].after;
		if (!item)
			continue;
		routing = host_routing_of(item);
		ret = routing ? host_routing_remember(handle, routing, item, err) :
				host_remember(handle->record, host_key_of(item), err);
	}
	if (!ret && handle->record->n_entries != n)
		ret = handle->save(handle->ctx, handle->record, err);
	return ret;
}

/* What goes with a switch goes back with it, so nothing else has a way back of its own. */
static int make_step(struct pfw_backend_handle *handle, const struct pfw_step *step,
		     struct pfw_error *err)
{
	const struct host_routing *routing =
		host_routing_of(step->after ? step->after : step->before);
	bool stands = false;
	int ret;

	if (!step->after)
		return routing ? host_routing_put_back(handle, routing, err) : 0;
	ret = routing ? 0 : host_has_value(host_key_of(step->after),
					   (const char *)pfw_item_value(step->after), &stands,
					   err);
	if (!ret && !stands)
		ret = pfw_sysctl_write(host_key_of(step->after),
				       (const char *)pfw_item_value(step->after), err);
	/* The interface went meanwhile. */
	return ret == -ENOENT && !routing ? 0 : ret;
}

/* All or none: what was switched on a moment ago goes back, the last one too. */
static void take_back(struct pfw_backend_handle *handle, const struct pfw_difference *difference)
{
	struct pfw_error ignored = PFW_ERROR_INIT;
	const struct host_routing *routing;
	size_t i;

	host_localnet_put_back(handle, difference, true, &ignored);
	pfw_error_clear(&ignored);
	for (i = difference->n_steps; i-- > 0;) {
		if (difference->steps[i].before)
			continue;
		routing = host_routing_of(difference->steps[i].after);
		if (routing)
			host_routing_put_back(handle, routing, &ignored);
		pfw_error_clear(&ignored);
	}
}

static int host_apply(struct pfw_backend_handle *handle, const struct pfw_image *after,
		      const struct pfw_difference *difference, bool dry_run, struct pfw_error *err)
{
	size_t i;
	int ret;

	(void)after;
	if (dry_run)
		return 0;
	ret = remember_steps(handle, difference, err);
	if (!ret)
		ret = host_localnet_put_back(handle, difference, false, err);
	for (i = 0; !ret && i < difference->n_steps; i++)
		ret = make_step(handle, &difference->steps[i], err);
	if (ret)
		take_back(handle, difference);
	return ret;
}

static void host_print(const struct pfw_item *item, struct pfw_buffer *ret)
{
	char key[HOST_KEY_SIZE], *at;

	snprintf(key, sizeof(key), "%s", host_key_of(item));
	pfw_text_clean(key);
	for (at = key; *at; at++)
		if (*at == '/')
			*at = '.';
	pfw_buffer_printf(ret, "%s = %s", key, (const char *)pfw_item_value(item));
}

static const char *host_kind(const struct pfw_item *item)
{
	(void)item;
	return "sysctl";
}

const struct pfw_backend pfw_backend_host = {
	.name = "host",
	.compile = host_compile,
	.read = host_read,
	.apply = host_apply,
	.print = host_print,
	.kind = host_kind,
	.close = host_close,
};
