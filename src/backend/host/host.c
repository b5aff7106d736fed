/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The host backend: the sysctls that routing needs. Writing one of them changes
 * others (Documentation/networking/ip-sysctl: ip_forward resets the interfaces'
 * own switches), so all of these are remembered before the first is written.
 * And an IPv6 router takes no advertisement of others where accept_ra is 1, and forgets the
 * default routes that it learned there, so before that these become 2.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "portfwd/backend/backend.h"
#include "portfwd/base/text.h"
#include "portfwd/kernel/link.h"
#include "portfwd/kernel/sysctl.h"

#define KEY_SIZE 192

/* The switch of a family's routing, and where its interfaces have their own. */
static const struct routing {
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

/* Where router advertisements are taken: 0 never, 1 unless the interface routes, 2 always. */
#define RA_FOLDER "net/ipv6/conf/"
#define RA_KEY "/accept_ra"
/* Interfaces that come later take over the value of this one. */
#define RA_LATER "default"

/*
 * Lets connections in to 127.0.0.0/8. Never that of "all", and not of "default" either, which new
 * network namespaces take over (net.core.devconf_inherit_init_net): nothing shields those.
 */
#define LOCALNET_KEY "net/ipv4/conf/%s/" LOCALNET
#define LOCALNET "route_localnet"
#define INET_FOLDER "net/ipv4/conf"

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

static void ra_key(char ret[KEY_SIZE], const char *interface)
{
	snprintf(ret, KEY_SIZE, RA_FOLDER "%s" RA_KEY, interface);
}

/* The name between the two ends of such a key; false: it is another key. */
static bool ra_interface(const char *key, char ret[PFW_IFNAME_SIZE])
{
	size_t len = strlen(key), around = strlen(RA_FOLDER) + strlen(RA_KEY);

	if (len <= around || len - around >= PFW_IFNAME_SIZE ||
	    strncmp(key, RA_FOLDER, strlen(RA_FOLDER)) ||
	    strcmp(key + len - strlen(RA_KEY), RA_KEY))
		return false;
	memset(ret, 0, PFW_IFNAME_SIZE);
	memcpy(ret, key + strlen(RA_FOLDER), len - around);
	return true;
}

/* -ENOENT (without words) where there is no such sysctl. */
static int has_value(const char *key, const char *wanted, bool *ret, struct pfw_error *err)
{
	char value[PFW_SYSCTL_VALUE];
	int code = pfw_sysctl_read(key, value, err);

	if (!code)
		*ret = !strcmp(value, wanted);
	return code;
}

struct gathering {
	struct pfw_links *links;
	struct pfw_error *err;
};

static int gather_link(void *ctx, const char *name, uint32_t index)
{
	struct gathering *to = ctx;

	return pfw_links_add(to->links, name, index, false) ? pfw_fail_memory(to->err) : 0;
}

/* The interfaces, and whether each of them forwards by a switch of its own what comes in by it. */
static int gather_guarded(const struct routing *routing, const struct pfw_links *links,
			  struct pfw_links *guarded, struct pfw_error *err)
{
	char key[KEY_SIZE], name[PFW_IFNAME_SIZE];
	bool routed;
	size_t i;
	int code;

	for (i = 0; i < links->n; i++) {
		routed = false;
		snprintf(key, sizeof(key), "%s/%s/%s", routing->interfaces, links->list[i].name,
			 routing->own);
		code = pfw_host_key_interface(key, name) ? has_value(key, "1", &routed, err) : 0;
		if (code && code != -ENOENT)
			return code;
		if (pfw_links_add(guarded, links->list[i].name, links->list[i].index, routed))
			return pfw_fail_memory(err);
	}
	return 0;
}

/* An interface that routes already by a switch of its own takes none now, and shall not begin to. */
static int gather_advertised(void *ctx, const char *name, uint32_t index)
{
	struct gathering *to = ctx;
	char key[KEY_SIZE];
	bool takes = false, routes = false;
	int code;

	ra_key(key, name);
	code = has_value(key, "1", &takes, to->err);
	if (!code && takes) {
		snprintf(key, sizeof(key), RA_FOLDER "%s/forwarding", name);
		code = has_value(key, "1", &routes, to->err);
	}
	if (code == -ENOENT)
		return 0;	/* it is gone, or has no IPv6 */
	return code || !takes || routes ? code : gather_link(to, name, index);
}

/* Those that were changed and are there still; somebody's own 0 is respected. */
static int recall_advertised(const struct pfw_host_record *record, struct gathering *to)
{
	char name[PFW_IFNAME_SIZE], value[PFW_SYSCTL_VALUE];
	size_t i;
	int code;

	for (i = 0; i < record->n_entries; i++) {
		if (!ra_interface(record->entries[i].key, name))
			continue;
		code = pfw_sysctl_read(record->entries[i].key, value, to->err);
		if (!code && strcmp(value, "0"))
			code = gather_link(to, name, 0);
		if (code && code != -ENOENT)
			return code;
	}
	return 0;
}

static bool is_localnet(const char *key, char ret_name[PFW_IFNAME_SIZE])
{
	const char *leaf = pfw_host_key_interface(key, ret_name);

	return leaf && !strcmp(leaf, LOCALNET);
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

static int gather_localnet(const struct pfw_host_record *record, struct pfw_facts *facts,
			   struct pfw_error *err)
{
	char name[PFW_IFNAME_SIZE];
	int code = pfw_sysctl_each(INET_FOLDER, gather_inet, facts, err);
	size_t i;

	if (code && code != -ENOENT)
		return err->count ? code : pfw_fail_memory(err);
	for (i = 0; i < record->n_entries; i++)
		if (is_localnet(record->entries[i].key, name) &&
		    pfw_links_add(&facts->localnet_held, name, record->entries[i].index, false))
			return pfw_fail_memory(err);
	return 0;
}

/* What one family's routing covers; nothing where it is on and somebody else's. */
static int gather_family(const struct pfw_host_record *record, unsigned int i,
			 struct pfw_facts *facts, struct pfw_error *err)
{
	struct gathering ra = { &facts->advertised, err };
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
	if (held)
		return recall_advertised(record, &ra);
	code = pfw_link_each(gather_advertised, &ra, err);
	return code ? code : gather_advertised(&ra, RA_LATER, 0);
}

/* What forwarded by itself before shall do so again. */
static int adopt_link(struct pfw_host_record *record, const struct routing *routing,
		      const struct pfw_link *link)
{
	char key[KEY_SIZE];

	if (!link->routed)
		return 0;
	snprintf(key, sizeof(key), "%s/%s/%s", routing->interfaces, link->name, routing->own);
	return pfw_host_record_add(record, key, "1", link->index);
}

int pfw_host_adopt(struct pfw_host_record *record, uint8_t family, const struct pfw_links *guarded,
		   const struct pfw_links *now)
{
	const struct routing *routing = &routings[family == AF_INET6];
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

int pfw_host_adopt_localnets(struct pfw_host_record *record, const struct pfw_links *inet,
			     struct pfw_error *err)
{
	char key[KEY_SIZE];
	bool on;
	size_t i;
	int code;

	for (i = 0; i < inet->n; i++) {
		snprintf(key, sizeof(key), LOCALNET_KEY, inet->list[i].name);
		on = false;
		code = has_value(key, "1", &on, err);
		if (code && code != -ENOENT)
			return code;
		if (on && pfw_host_record_add(record, key, "0", inet->list[i].index))
			return pfw_fail_memory(err);
	}
	return 0;
}

int pfw_host_facts(struct pfw_host_record *record, struct pfw_facts *ret, struct pfw_error *err)
{
	struct pfw_facts facts = { 0 };
	struct gathering links = { &facts.links, err };
	unsigned int i;
	int code = pfw_link_each(gather_link, &links, err);

	if (!code && pfw_host_record_follow(record, &facts.links))
		code = pfw_fail_memory(err);

	if (!code)
		code = gather_localnet(record, &facts, err);
	for (i = 0; !code && i < ROUTINGS; i++) {
		code = is_on(routings[i].key, &facts.routing_on[i], err);
		facts.routing_held[i] = pfw_host_record_find(record, routings[i].key) != NULL;
		if (!code)
			code = gather_family(record, i, &facts, err);
	}
	if (code) {
		pfw_facts_free(&facts);
		return code;
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

static int add_advertised(struct pfw_image *image, const struct pfw_links *links)
{
	char key[KEY_SIZE];
	int ret = 0;
	size_t i;

	for (i = 0; !ret && i < links->n; i++) {
		ra_key(key, links->list[i].name);
		ret = add_item(image, key, "2");
	}
	return ret;
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

static int add_localnets(const struct pfw_plan *plan, struct pfw_image *image)
{
	struct pfw_links links = { 0 };
	char key[KEY_SIZE];
	int ret = find_localnets(plan, &links);
	size_t i;

	for (i = 0; !ret && i < links.n; i++) {
		/* One that is not there yet has nothing to switch on. */
		if (!pfw_links_find(&plan->facts.inet, links.list[i].name))
			continue;
		snprintf(key, sizeof(key), LOCALNET_KEY, links.list[i].name);
		ret = add_item(image, key, "1");
	}
	pfw_links_free(&links);
	return ret;
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
	int code = 0;

	(void)only;
	for (i = 0; !code && i < ROUTINGS; i++) {
		if (!pfw_plan_switches_on(plan, routings[i].family) && !facts->routing_held[i])
			continue;
		if (routings[i].family == AF_INET6)
			code = add_advertised(&image, &facts->advertised);
		if (!code)
			code = add_switch(&image, routings[i].key, true, &facts->guarded[i]);
	}
	if (!code)
		code = add_localnets(plan, &image);
	if (code) {
		pfw_image_free(&image);
		return pfw_fail_memory(err);
	}
	*ret = image;
	return 0;
}

/* As recall_advertised() counts them. */
static int read_advertised(const struct pfw_host_record *record, struct pfw_image *image,
			   struct pfw_error *err)
{
	char name[PFW_IFNAME_SIZE], value[PFW_SYSCTL_VALUE];
	const char *key;
	size_t i;
	int code;

	for (i = 0; i < record->n_entries; i++) {
		key = record->entries[i].key;
		if (!ra_interface(key, name))
			continue;
		code = pfw_sysctl_read(key, value, err);
		if (code && code != -ENOENT)
			return code;
		if (!code && strcmp(value, "0") && add_item(image, key, value))
			return pfw_fail_memory(err);
	}
	return 0;
}

static int read_localnets(const struct pfw_host_record *record, struct pfw_image *image,
			  struct pfw_error *err)
{
	char name[PFW_IFNAME_SIZE], value[PFW_SYSCTL_VALUE];
	const char *key;
	size_t i;
	int code;

	for (i = 0; i < record->n_entries; i++) {
		key = record->entries[i].key;
		if (!is_localnet(key, name))
			continue;
		code = pfw_sysctl_read(key, value, err);
		if (code && code != -ENOENT)
			return code;
		if (!code && add_item(image, key, value))
			return pfw_fail_memory(err);
	}
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
		if (!code && routings[i].family == AF_INET6)
			code = read_advertised(handle->record, &image, err);
		if (!code &&
		    add_switch(&image, routings[i].key, on, &handle->record->guarded[i]))
			code = pfw_fail_memory(err);
	}
	if (!code)
		code = read_localnets(handle->record, &image, err);
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
	char was[PFW_SYSCTL_VALUE], name[PFW_IFNAME_SIZE];
	uint32_t index;
	int code;

	if (pfw_host_record_find(to->record, key))
		return 0;	/* the older value is the machine's own */
	code = pfw_sysctl_read(key, was, to->err);
	if (code == -ENOENT)
		return 0;	/* an interface that went meanwhile */
	if (code)
		return code;
	index = pfw_host_key_interface(key, name) ? pfw_link_index(name) : 0;
	return pfw_host_record_add(to->record, key, was, index) ? pfw_fail_memory(to->err) : 0;
}

static int remember_interface(void *ctx, const char *name)
{
	struct remember *to = ctx;
	char key[KEY_SIZE];
	int ret;

	snprintf(key, sizeof(key), "%s/%s/forwarding", to->routing->interfaces, name);
	/* Of all it is the switch itself, or its mirror. */
	ret = strcmp(name, "all") ? remember_key(to, key) : 0;
	if (ret || !strcmp(to->routing->own, "forwarding"))
		return ret;
	snprintf(key, sizeof(key), "%s/%s/%s", to->routing->interfaces, name, to->routing->own);
	return remember_key(to, key);
}

/* What a switch is about to change, and the interfaces that its item names. */
static int remember_switch(struct pfw_backend_handle *handle, const struct routing *routing,
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
		ret = remember_key(&to, routing->also);
	pfw_links_free(guarded);
	for (at = 2; !ret && at + sizeof(link) <= item->value_len; at += sizeof(link)) {
		memcpy(&link, pfw_item_value(item) + at, sizeof(link));
		if (pfw_links_add(guarded, link.name, link.index, link.routed))
			ret = pfw_fail_memory(err);
	}
	return ret ? ret : remember_key(&to, routing->key);
}

static bool belongs_to(const char *key, const struct routing *routing)
{
	char name[PFW_IFNAME_SIZE];

	if (is_localnet(key, name))
		return false;
	return !strcmp(key, routing->key) || (routing->also && !strcmp(key, routing->also)) ||
	       !strncmp(key, routing->interfaces, strlen(routing->interfaces));
}

/* Puts everything of this routing back, the last change first, and forgets it. */
static int put_back(struct pfw_backend_handle *handle, const struct routing *routing,
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
		if (!ret && ra_interface(entry->key, name) && strcmp(now, "2"))
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

static const char *key_of(const struct pfw_item *item)
{
	return (const char *)pfw_item_key(item);
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

/* The route_localnet of each step that takes one away; with added, of each that brought one. */
static int put_back_localnets(struct pfw_backend_handle *handle,
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
		if (other || !is_localnet(key_of(item), name))
			continue;
		for (k = 0; !ret && k < record->n_entries; k++) {
			if (!record->entries[k].key || strcmp(record->entries[k].key, key_of(item)))
				continue;
			ret = put_entry_back(&record->entries[k], err);
			any |= !ret;
		}
	}
	forget(record);
	return ret || !any ? ret : handle->save(handle->ctx, record, err);
}

static const struct routing *routing_of(const struct pfw_item *item)
{
	unsigned int i;

	for (i = 0; i < ROUTINGS; i++)
		if (!strcmp(key_of(item), routings[i].key))
			return &routings[i];
	return NULL;
}

static bool is_switched_on(const struct pfw_item *item)
{
	return item && *(const char *)pfw_item_value(item) == '1';
}

int pfw_host_switches(const struct pfw_difference *difference, uint8_t family)
{
	const struct routing *routing;
	const struct pfw_step *step;
	size_t i;

	for (i = 0; i < difference->n_steps; i++) {
		step = &difference->steps[i];
		routing = routing_of(step->after ? step->after : step->before);
		if (routing && routing->family == family)
			return is_switched_on(step->after) - is_switched_on(step->before);
	}
	return 0;
}

/* Before anything is written, and saved once for all of it. */
static int remember_steps(struct pfw_backend_handle *handle,
			  const struct pfw_difference *difference, struct pfw_error *err)
{
	struct remember to = { handle->record, NULL, err };
	size_t i, n = handle->record->n_entries;
	const struct routing *routing;
	const struct pfw_item *item;
	int ret = 0;

	for (i = 0; !ret && i < difference->n_steps; i++) {
		item = difference->steps[i].after;
		if (!item)
			continue;
		routing = routing_of(item);
		ret = routing ? remember_switch(handle, routing, item, err) :
				remember_key(&to, key_of(item));
	}
	if (!ret && handle->record->n_entries != n)
		ret = handle->save(handle->ctx, handle->record, err);
	return ret;
}

/* What goes with a switch goes back with it, so nothing else has a way back of its own. */
static int make_step(struct pfw_backend_handle *handle, const struct pfw_step *step,
		     struct pfw_error *err)
{
	const struct routing *routing = routing_of(step->after ? step->after : step->before);
	bool stands = false;
	int ret;

	if (!step->after)
		return routing ? put_back(handle, routing, err) : 0;
	ret = routing ? 0 : has_value(key_of(step->after),
				      (const char *)pfw_item_value(step->after), &stands, err);
	if (!ret && !stands)
		ret = pfw_sysctl_write(key_of(step->after),
				       (const char *)pfw_item_value(step->after), err);
	/* The interface went meanwhile. */
	return ret == -ENOENT && !routing ? 0 : ret;
}

/* All or none: what was switched on a moment ago goes back, the last one too. */
static void take_back(struct pfw_backend_handle *handle, const struct pfw_difference *difference)
{
	struct pfw_error ignored = PFW_ERROR_INIT;
	const struct routing *routing;
	size_t i;

	put_back_localnets(handle, difference, true, &ignored);
	pfw_error_clear(&ignored);
	for (i = difference->n_steps; i-- > 0;) {
		if (difference->steps[i].before)
			continue;
		routing = routing_of(difference->steps[i].after);
		if (routing)
			put_back(handle, routing, &ignored);
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
		ret = put_back_localnets(handle, difference, false, err);
	for (i = 0; !ret && i < difference->n_steps; i++)
		ret = make_step(handle, &difference->steps[i], err);
	if (ret)
		take_back(handle, difference);
	return ret;
}

static void host_print(const struct pfw_item *item, struct pfw_buffer *ret)
{
	char key[KEY_SIZE], *at;

	snprintf(key, sizeof(key), "%s", key_of(item));
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
