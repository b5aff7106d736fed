/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The host backend: the sysctls that routing needs. Writing one of them changes
 * others (Documentation/networking/ip-sysctl: ip_forward resets the interfaces'
 * own switches), so all of these are remembered before the first is written.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "portfwd/backend/backend.h"
#include "portfwd/kernel/sysctl.h"

#define KEY_SIZE 192

/* The switch of a family's routing, and where its interfaces have their own. */
static const struct routing {
	uint8_t family;
	const char *key;
	const char *interfaces;
	const char *also;	/* one more sysctl that the switch resets, or NULL */
} routings[] = {
	{ AF_INET, "net/ipv4/ip_forward", "net/ipv4/conf", "net/ipv4/conf/all/accept_redirects" },
	{ AF_INET6, "net/ipv6/conf/all/forwarding", "net/ipv6/conf", NULL },
};
#define ROUTINGS (sizeof(routings) / sizeof(*routings))

struct pfw_backend_handle {
	struct pfw_host_record *record;
	pfw_host_save *save;
	void *ctx;
};

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

/* A machine without the family has no such sysctl, and does not route it. */
static int is_on(const char *key, bool *ret, struct pfw_error *err)
{
	char value[PFW_SYSCTL_VALUE];
	int code = pfw_sysctl_read(key, value, err);

	if (code && code != -ENOENT)
		return code;
	*ret = !code && strcmp(value, "0") != 0;
	return 0;
}

int pfw_host_facts(const struct pfw_host_record *record, struct pfw_facts *ret,
		   struct pfw_error *err)
{
	struct pfw_facts facts = { 0 };
	unsigned int i;
	int code;

	for (i = 0; i < ROUTINGS; i++) {
		code = is_on(routings[i].key, &facts.routing_on[i], err);
		if (code)
			return code;
		facts.routing_held[i] = pfw_host_record_find(record, routings[i].key) != NULL;
	}
	*ret = facts;
	return 0;
}

static int add_item(struct pfw_image *image, const char *key, const char *value)
{
	return pfw_image_add(image, 0, key, strlen(key) + 1, value, strlen(value) + 1, NULL) ?
		       0 : -ENOMEM;
}

/*
 * What portfwd is answerable for: what it switched on, and what it must switch on. Routing that
 * somebody else switched on is none of its business.
 */
static int host_compile(const struct pfw_plan *plan, const struct pfw_touched *only,
			struct pfw_image *ret, struct pfw_error *err)
{
	const struct pfw_facts *facts = &plan->facts;
	struct pfw_image image = { 0 };
	unsigned int i;
	bool wanted;

	(void)only;
	for (i = 0; i < ROUTINGS; i++) {
		wanted = plan->ruleset->settings.ip_forward && !facts->routing_on[i] &&
			 pfw_plan_routes(plan, routings[i].family);
		if (!wanted && !facts->routing_held[i])
			continue;
		if (add_item(&image, routings[i].key, "1")) {
			pfw_image_free(&image);
			return pfw_fail_memory(err);
		}
	}
	*ret = image;
	return 0;
}

static int host_read(struct pfw_backend_handle *handle, struct pfw_image *ret,
		     struct pfw_error *err)
{
	struct pfw_image image = { 0 };
	unsigned int i;
	bool on = false;
	int code = 0;

	for (i = 0; !code && i < ROUTINGS; i++) {
		if (!pfw_host_record_find(handle->record, routings[i].key))
			continue;
		code = is_on(routings[i].key, &on, err);
		if (!code && add_item(&image, routings[i].key, on ? "1" : "0"))
			code = pfw_fail_memory(err);
	}
	if (code) {
		pfw_image_free(&image);
		return code;
	}
	*ret = image;
	return 0;
}

struct remember {
	struct pfw_host_record *record;
	const struct routing *routing;
	struct pfw_error *err;
};

static int remember_key(struct remember *to, const char *key)
{
	char was[PFW_SYSCTL_VALUE];
	int code;

	if (pfw_host_record_find(to->record, key))
		return 0;	/* the older value is the machine's own */
	code = pfw_sysctl_read(key, was, to->err);
	if (code == -ENOENT)
		return 0;	/* an interface that went meanwhile */
	if (code)
		return code;
	return pfw_host_record_add(to->record, key, was) ? pfw_fail_memory(to->err) : 0;
}

static int remember_interface(void *ctx, const char *name)
{
	struct remember *to = ctx;
	char key[KEY_SIZE];

	snprintf(key, sizeof(key), "%s/%s/forwarding", to->routing->interfaces, name);
	if (!strcmp(name, "all"))
		return 0;	/* the switch itself, or its mirror */
	return remember_key(to, key);
}

static int switch_on(struct pfw_backend_handle *handle, const struct routing *routing,
		     struct pfw_error *err)
{
	struct remember to = { handle->record, routing, err };
	int ret;

	ret = pfw_sysctl_each(routing->interfaces, remember_interface, &to, err);
	if (ret == -ENOENT)
		return pfw_fail(err, PFW_FAILED, ret,
				"this kernel has no %s, so forwards of that family cannot be routed",
				routing->key);
	if (!ret && routing->also)
		ret = remember_key(&to, routing->also);
	if (!ret)
		ret = remember_key(&to, routing->key);
	if (!ret)
		ret = handle->save(handle->ctx, handle->record, err);
	if (!ret)
		ret = pfw_sysctl_write(routing->key, "1", err);
	return ret;
}

static bool belongs_to(const char *key, const struct routing *routing)
{
	return !strcmp(key, routing->key) || (routing->also && !strcmp(key, routing->also)) ||
	       !strncmp(key, routing->interfaces, strlen(routing->interfaces));
}

/* Puts everything of this routing back, the last change first, and forgets it. */
static int put_back(struct pfw_backend_handle *handle, const struct routing *routing,
		    struct pfw_error *err)
{
	struct pfw_host_record left = { 0 }, *record = handle->record;
	struct pfw_host_entry *entry;
	char now[PFW_SYSCTL_VALUE];
	size_t i;
	int ret = 0;

	for (i = record->n_entries; !ret && i > 0; i--) {
		entry = &record->entries[i - 1];
		if (!belongs_to(entry->key, routing))
			continue;
		ret = pfw_sysctl_read(entry->key, now, err);
		if (!ret && strcmp(now, entry->was))
			ret = pfw_sysctl_write(entry->key, entry->was, err);
		if (ret == -ENOENT)
			ret = 0;	/* the interface is gone */
	}
	for (i = 0; !ret && i < record->n_entries; i++) {
		entry = &record->entries[i];
		if (!belongs_to(entry->key, routing) &&
		    pfw_host_record_add(&left, entry->key, entry->was))
			ret = pfw_fail_memory(err);
	}
	if (!ret)
		ret = handle->save(handle->ctx, &left, err);
	if (ret) {
		pfw_host_record_free(&left);
		return ret;
	}
	pfw_host_record_free(record);
	*record = left;
	return 0;
}

static const struct routing *routing_of(const struct pfw_item *item)
{
	unsigned int i;

	for (i = 0; i < ROUTINGS; i++)
		if (!strcmp((const char *)pfw_item_key(item), routings[i].key))
			return &routings[i];
	return NULL;
}

static int make_step(struct pfw_backend_handle *handle, const struct pfw_step *step,
		     struct pfw_error *err)
{
	const struct routing *routing = routing_of(step->after ? step->after : step->before);

	if (!routing)
		return 0;
	return step->after ? switch_on(handle, routing, err) : put_back(handle, routing, err);
}

static int host_apply(struct pfw_backend_handle *handle, const struct pfw_image *after,
		      const struct pfw_difference *difference, bool dry_run, struct pfw_error *err)
{
	struct pfw_error ignored = PFW_ERROR_INIT;
	struct pfw_step back;
	size_t i;
	int ret = 0;

	(void)after;
	if (dry_run)
		return 0;
	for (i = 0; !ret && i < difference->n_steps; i++)
		ret = make_step(handle, &difference->steps[i], err);
	if (!ret)
		return 0;
	/* All or none: what was switched on a moment ago goes back, this last one too. */
	while (i-- > 0) {
		back = (struct pfw_step){ difference->steps[i].after, difference->steps[i].before };
		make_step(handle, &back, &ignored);
		pfw_error_clear(&ignored);
	}
	return ret;
}

static void host_print(const struct pfw_item *item, struct pfw_buffer *ret)
{
	const char *key = (const char *)pfw_item_key(item);

	for (; *key; key++)
		pfw_buffer_printf(ret, "%c", *key == '/' ? '.' : *key);
	pfw_buffer_printf(ret, " = %s", (const char *)pfw_item_value(item));
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
