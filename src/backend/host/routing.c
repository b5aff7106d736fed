/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The switch of each family's routing. Writing it changes other sysctls
 * (Documentation/networking/ip-sysctl: ip_forward resets the interfaces' own switches), so all of
 * these are remembered before it is written, and go back with it.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "inside.h"
#include "portfwd/kernel/sysctl.h"

/* The switch of a family's routing, and where its interfaces have their own. */
static const struct host_routing {
	uint8_t family;
	const char *key;
	const char *interfaces;
	const char *own;	/* by which an interface forwards though the switch is off */
	const char *also;	/* one more sysctl that the switch resets, or NULL */
} routings[] = {
	{ AF_INET, "net/ipv4/ip_forward", "net/ipv4/conf", "forwarding",
	  "net/ipv4/conf/all/accept_redirects" },
	{ AF_INET6, "net/ipv6/conf/all/forwarding", "net/ipv6/conf", "force_forwarding", NULL },
};
#define ROUTINGS (sizeof(routings) / sizeof(*routings))

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

/* The interfaces, and whether each of them forwards by a switch of its own what comes in by it. */
static int gather_guarded(const struct host_routing *routing, const struct pfw_links *links,
			  struct pfw_links *guarded, struct pfw_error *err)
{
	char key[HOST_KEY_SIZE], name[PFW_IFNAME_SIZE];
	bool routed;
	size_t i;
	int code;

	for (i = 0; i < links->n; i++) {
		routed = false;
		snprintf(key, sizeof(key), "%s/%s/%s", routing->interfaces, links->list[i].name,
			 routing->own);
		code = pfw_host_key_interface(key, name) ?
			       host_has_value(key, "1", &routed, err) : 0;
		if (code && code != -ENOENT)
			return code;
		if (pfw_links_add(guarded, links->list[i].name, links->list[i].index, routed))
			return pfw_fail_memory(err);
	}
	return 0;
}

/* What one family's routing covers; nothing where it is on and somebody else's. */
static int gather_family(const struct pfw_host_record *record, unsigned int i,
			 struct pfw_facts *facts, struct pfw_error *err)
{
	bool held = facts->routing_held[i];
	int code = 0;

	if (!held && facts->routing_on[i])
		return 0;
	if (held && pfw_links_copy(&record->guarded[i], &facts->guarded[i]))
		code = pfw_fail_memory(err);
	else if (!held)
		code = gather_guarded(&routings[i], &facts->links, &facts->guarded[i], err);
	if (code || routings[i].family != AF_INET6)
		return code;
	return held ? host_advertised_recall(record, &facts->advertised, err) :
		      host_advertised_gather(&facts->advertised, err);
}

int host_routing_facts(const struct pfw_host_record *record, struct pfw_facts *facts,
		       struct pfw_error *err)
{
	unsigned int i;
	int code = 0;

	for (i = 0; !code && i < ROUTINGS; i++) {
		code = is_on(routings[i].key, &facts->routing_on[i], err);
		facts->routing_held[i] = pfw_host_record_find(record, routings[i].key) != NULL;
		if (!code)
			code = gather_family(record, i, facts, err);
	}
	return code;
}

/* What forwarded by itself before shall do so again. */
static int adopt_link(struct pfw_host_record *record, const struct host_routing *routing,
		      const struct pfw_link *link)
{
	char key[HOST_KEY_SIZE];

	if (!link->routed)
		return 0;
	snprintf(key, sizeof(key), "%s/%s/%s", routing->interfaces, link->name, routing->own);
	return pfw_host_record_add(record, key, "1", link->index);
}

int pfw_host_adopt(struct pfw_host_record *record, uint8_t family, const struct pfw_links *guarded,
		   const struct pfw_links *now)
{
	const struct host_routing *routing = &routings[family == AF_INET6];
	struct pfw_links *links = &record->guarded[family == AF_INET6];
	const struct pfw_link *there;
	size_t i;

	pfw_links_free(links);
	if (pfw_links_copy(guarded, links))
		return -ENOMEM;
	for (i = 0; i < links->n; i++) {
		there = pfw_links_find(now, links->list[i].name);
		links->list[i].index = there ? there->index : 0;
		if (adopt_link(record, routing, &links->list[i]))
			return -ENOMEM;
	}
	return pfw_host_record_add(record, routing->key, "0", 0);
}

/*
 * The switch of a family. Behind the value and its NUL stand the interfaces that it concerned,
 * so that what is remembered of them is what the packets' rules were made of.
 */
static int add_switch(struct pfw_image *image, const char *key, bool on,
		      const struct pfw_links *links)
{
	struct pfw_buffer value = { 0 };
	int ret = -ENOMEM;

	pfw_buffer_append(&value, on ? "1" : "0", 2);
	if (links->n)
		pfw_buffer_append(&value, links->list, links->n * sizeof(*links->list));
	if (!value.failed && pfw_image_add(image, 0, key, strlen(key) + 1, value.data, value.len, NULL))
		ret = 0;
	pfw_buffer_free(&value);
	return ret;
}

int host_routing_compile(const struct pfw_plan *plan, struct pfw_image *image)
{
	const struct pfw_facts *facts = &plan->facts;
	unsigned int i;
	int ret = 0;

	for (i = 0; !ret && i < ROUTINGS; i++) {
		if (!pfw_plan_switches_on(plan, routings[i].family) && !facts->routing_held[i])
			continue;
		if (routings[i].family == AF_INET6)
			ret = host_advertised_compile(&facts->advertised, image);
		if (!ret)
			ret = add_switch(image, routings[i].key, true, &facts->guarded[i]);
	}
	return ret;
}

int host_routing_read(const struct pfw_host_record *record, struct pfw_image *image,
		      struct pfw_error *err)
{
	unsigned int i;
	bool on = false;
	int code = 0;

	for (i = 0; !code && i < ROUTINGS; i++) {
		if (!pfw_host_record_find(record, routings[i].key))
			continue;
		code = is_on(routings[i].key, &on, err);
		if (!code && routings[i].family == AF_INET6)
			code = host_advertised_read(record, image, err);
		if (!code && add_switch(image, routings[i].key, on, &record->guarded[i]))
			code = pfw_fail_memory(err);
	}
	return code;
}

struct remember {
	struct pfw_host_record *record;
	const struct host_routing *routing;
	struct pfw_error *err;
};

static int remember_interface(void *ctx, const char *name)
{
	struct remember *to = ctx;
	char key[HOST_KEY_SIZE];
	int ret;

	snprintf(key, sizeof(key), "%s/%s/forwarding", to->routing->interfaces, name);
	/* Of all it is the switch itself, or its mirror. */
	ret = strcmp(name, "all") ? host_remember(to->record, key, to->err) : 0;
	if (ret || !strcmp(to->routing->own, "forwarding"))
		return ret;
	snprintf(key, sizeof(key), "%s/%s/%s", to->routing->interfaces, name, to->routing->own);
	return host_remember(to->record, key, to->err);
}

int host_routing_remember(struct pfw_backend_handle *handle, const struct host_routing *routing,
			  const struct pfw_item *item, struct pfw_error *err)
{
	struct remember to = { handle->record, routing, err };
	struct pfw_links *guarded = &handle->record->guarded[routing - routings];
	struct pfw_link link;
	size_t at;
	int ret;

	if (pfw_host_record_find(handle->record, routing->key))
		return 0;	/* switched on long ago, and off by somebody else */
	ret = pfw_sysctl_each(routing->interfaces, remember_interface, &to, err);
	if (ret == -ENOENT)
		return pfw_fail(err, PFW_FAILED, ret,
				"this kernel has no %s, so forwards of that family cannot be routed",
				routing->key);
	if (!ret && routing->also)
		ret = host_remember(handle->record, routing->also, err);
	pfw_links_free(guarded);
	for (at = 2; !ret && at + sizeof(link) <= item->value_len; at += sizeof(link)) {
		memcpy(&link, pfw_item_value(item) + at, sizeof(link));
		if (pfw_links_add(guarded, link.name, link.index, link.routed))
			ret = pfw_fail_memory(err);
	}
	return ret ? ret : host_remember(handle->record, routing->key, err);
}

static bool belongs_to(const char *key, const struct host_routing *routing)
{
	char name[PFW_IFNAME_SIZE];

	if (pfw_host_is_localnet(key, name))
		return false;
	return !strcmp(key, routing->key) || (routing->also && !strcmp(key, routing->also)) ||
	       !strncmp(key, routing->interfaces, strlen(routing->interfaces));
}

int host_routing_put_back(struct pfw_backend_handle *handle, const struct host_routing *routing,
			  struct pfw_error *err)
{
	struct pfw_host_record left = { 0 }, *record = handle->record;
	struct pfw_host_entry *entry;
	char now[PFW_SYSCTL_VALUE], name[PFW_IFNAME_SIZE];
	unsigned int f;
	size_t i;
	int ret = 0;

	for (i = record->n_entries; !ret && i > 0; i--) {
		entry = &record->entries[i - 1];
		if (!belongs_to(entry->key, routing))
			continue;
		ret = pfw_sysctl_read(entry->key, now, err);
		if (!ret && host_is_advertised(entry->key, name) && strcmp(now, "2"))
			continue;	/* somebody decided otherwise meanwhile */
		if (!ret && strcmp(now, entry->was))
			ret = pfw_sysctl_write(entry->key, entry->was, err);
		if (ret == -ENOENT)
			ret = 0;	/* the interface is gone */
	}
	for (i = 0; !ret && i < record->n_entries; i++) {
		entry = &record->entries[i];
		if (!belongs_to(entry->key, routing) &&
		    pfw_host_record_add(&left, entry->key, entry->was, entry->index))
			ret = pfw_fail_memory(err);
	}
	for (f = 0; !ret && f < ROUTINGS; f++)
		if (routing != &routings[f] &&
		    pfw_links_copy(&record->guarded[f], &left.guarded[f]))
			ret = pfw_fail_memory(err);
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

const struct host_routing *host_routing_of(const struct pfw_item *item)
{
	unsigned int i;

	for (i = 0; i < ROUTINGS; i++)
		if (!strcmp(host_key_of(item), routings[i].key))
			return &routings[i];
	return NULL;
}

static bool is_switched_on(const struct pfw_item *item)
{
	return item && *(const char *)pfw_item_value(item) == '1';
}

int pfw_host_switches(const struct pfw_difference *difference, uint8_t family)
{
	const struct host_routing *routing;
	const struct pfw_step *step;
	size_t i;

	for (i = 0; i < difference->n_steps; i++) {
		step = &difference->steps[i];
		routing = host_routing_of(step->after ? step->after : step->before);
		if (routing && routing->family == family)
			return is_switched_on(step->after) - is_switched_on(step->before);
	}
	return 0;
}
