/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Who is let in to 127.0.0.0/8: the route_localnet of interfaces. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "inside.h"
#include "portfwd/kernel/sysctl.h"

/*
 * Lets connections in to 127.0.0.0/8. Never that of "all", and not of "default" either, which new
 * network namespaces take over (net.core.devconf_inherit_init_net): nothing shields those.
 */
#define LOCALNET_KEY "net/ipv4/conf/%s/" PFW_HOST_LOCALNET
#define INET_FOLDER "net/ipv4/conf"

bool pfw_host_is_localnet(const char *key, char ret_name[PFW_IFNAME_SIZE])
{
	const char *leaf = pfw_host_key_interface(key, ret_name);

	return leaf && !strcmp(leaf, PFW_HOST_LOCALNET);
}

/* What is below INET_FOLDER and is an interface, not all of them. */
static int gather_inet(void *ctx, const char *name)
{
	struct pfw_facts *facts = ctx;
	const struct pfw_link *link = pfw_links_find(&facts->links, name);

	if (!link || !strcmp(name, "all") || !strcmp(name, "default"))
		return 0;
	return pfw_links_add(&facts->inet, name, link->index, false);
}

int host_localnet_facts(const struct pfw_host_record *record, struct pfw_facts *facts,
			struct pfw_error *err)
{
	char name[PFW_IFNAME_SIZE];
	int code = pfw_sysctl_each(INET_FOLDER, gather_inet, facts, err);
	size_t i;

	if (code && code != -ENOENT)
		return err->count ? code : pfw_fail_memory(err);
	for (i = 0; i < record->n_entries; i++)
		if (pfw_host_is_localnet(record->entries[i].key, name) &&
		    pfw_links_add(&facts->localnet_held, name, record->entries[i].index, false))
			return pfw_fail_memory(err);
	return 0;
}

int pfw_host_adopt_localnets(struct pfw_host_record *record, const struct pfw_links *inet,
			     struct pfw_error *err)
{
	char key[HOST_KEY_SIZE];
	bool on;
	size_t i;
	int code;

	for (i = 0; i < inet->n; i++) {
		snprintf(key, sizeof(key), LOCALNET_KEY, inet->list[i].name);
		on = false;
		code = host_has_value(key, "1", &on, err);
		if (code && code != -ENOENT)
			return code;
		if (on && pfw_host_record_add(record, key, "0", inet->list[i].index))
			return pfw_fail_memory(err);
	}
	return 0;
}

/* The interfaces by which connections come that are led to 127.0.0.0/8. -ENOMEM. */
static int find_localnets(const struct pfw_plan *plan, struct pfw_links *links)
{
	const struct pfw_forward *forward;
	uint32_t id;
	uint16_t i;

	if (plan->facts.draining && pfw_links_copy(&plan->facts.localnet_held, links))
		return -ENOMEM;
	for (id = 0; plan->frame.n_localnet && id < plan->ruleset->n_forwards; id++) {
		forward = &plan->ruleset->forwards[id];
		if (!pfw_plan_active(plan, forward) || !pfw_forward_needs_localnet(forward))
			continue;
		if (!forward->listen.n_interfaces) {
			pfw_links_free(links);
			return pfw_links_copy(&plan->facts.inet, links);
		}
		for (i = 0; i < forward->listen.n_interfaces; i++)
			if (pfw_links_add(links, forward->listen.interfaces[i], 0, false))
				return -ENOMEM;
	}
	return 0;
}

int host_localnet_compile(const struct pfw_plan *plan, struct pfw_image *image)
{
	struct pfw_links links = { 0 };
	char key[HOST_KEY_SIZE];
	int ret = find_localnets(plan, &links);
	size_t i;

	for (i = 0; !ret && i < links.n; i++) {
		/* One that is not there yet has nothing to switch on. */
		if (!pfw_links_find(&plan->facts.inet, links.list[i].name))
			continue;
		snprintf(key, sizeof(key), LOCALNET_KEY, links.list[i].name);
		ret = host_add_item(image, key, "1");
	}
	pfw_links_free(&links);
	return ret;
}

static int take_item(void *ctx, const char *key, const char *name, const char *value)
{
	(void)name;
	return host_add_item(ctx, key, value);
}

int host_localnet_read(const struct pfw_host_record *record, struct pfw_image *image,
		       struct pfw_error *err)
{
	return host_each_recorded(record, pfw_host_is_localnet, take_item, image, err);
}

/* Takes entries out of the record that have no key any more. */
static void forget(struct pfw_host_record *record)
{
	size_t i, left = 0;

	for (i = 0; i < record->n_entries; i++) {
		if (record->entries[i].key)
			record->entries[left++] = record->entries[i];
		else
			free(record->entries[i].was);
	}
	record->n_entries = left;
}

/* Puts one entry back, so that it can be forgotten; what somebody else switched off stays off. */
static int put_entry_back(struct pfw_host_entry *entry, struct pfw_error *err)
{
	char now[PFW_SYSCTL_VALUE];
	int ret = pfw_sysctl_read(entry->key, now, err);

	if (!ret && strcmp(now, "0") && strcmp(now, entry->was))
		ret = pfw_sysctl_write(entry->key, entry->was, err);
	if (ret && ret != -ENOENT)
		return ret;
	free(entry->key);
	entry->key = NULL;
	return 0;
}

int host_localnet_put_back(struct pfw_backend_handle *handle,
			   const struct pfw_difference *difference, bool added,
			   struct pfw_error *err)
{
	struct pfw_host_record *record = handle->record;
	const struct pfw_item *item, *other;
	char name[PFW_IFNAME_SIZE];
	bool any = false;
	size_t i, k;
	int ret = 0;

	for (i = 0; !ret && i < difference->n_steps; i++) {
		item = added ? difference->steps[i].after : difference->steps[i].before;
		other = added ? difference->steps[i].before : difference->steps[i].after;
		if (other || !pfw_host_is_localnet(host_key_of(item), name))
			continue;
		for (k = 0; !ret && k < record->n_entries; k++) {
			if (!record->entries[k].key ||
			    strcmp(record->entries[k].key, host_key_of(item)))
				continue;
			ret = put_entry_back(&record->entries[k], err);
			any |= !ret;
		}
	}
	forget(record);
	return ret || !any ? ret : handle->save(handle->ctx, record, err);
}
