/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What was changed on the host, and what it was before. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "portfwd/backend/backend.h"

/* It is never among the interfaces that are told, and always there. */
#define LOOPBACK_INDEX 1

int pfw_host_record_add(struct pfw_host_record *record, const char *key, const char *was,
			uint32_t index)
{
	struct pfw_host_entry *entries, entry;

	entries = reallocarray(record->entries, record->n_entries + 1, sizeof(*entries));
	if (!entries)
		return -ENOMEM;
	record->entries = entries;
	entry = (struct pfw_host_entry){ strdup(key), strdup(was), index };
	if (!entry.key || !entry.was) {
		free(entry.key);
		free(entry.was);
		return -ENOMEM;
	}
	entries[record->n_entries++] = entry;
	return 0;
}

/* Where the interfaces have theirs; one is as long as the other. */
static const char folders[][sizeof("net/ipv4/conf/")] = { "net/ipv4/conf/", "net/ipv6/conf/" };
#define FOLDER_LEN (sizeof(*folders) - 1)

const char *pfw_host_key_interface(const char *key, char ret_name[PFW_IFNAME_SIZE])
{
	size_t f, len;

	for (f = 0; f < 2; f++) {
		if (strncmp(key, folders[f], FOLDER_LEN))
			continue;
		key += FOLDER_LEN;
		len = strcspn(key, "/");
		if (!len || len >= PFW_IFNAME_SIZE || !key[len] || !strncmp(key, "all/", 4))
			return NULL;
		memset(ret_name, 0, PFW_IFNAME_SIZE);
		memcpy(ret_name, key, len);
		return key + len + 1;
	}
	return NULL;
}

static void entry_free(struct pfw_host_entry *entry)
{
	free(entry->key);
	free(entry->was);
}

/* The key with the interface's present name. */
static int rename_entry(struct pfw_host_entry *entry, const char *name)
{
	char before[PFW_IFNAME_SIZE], *key;
	const char *leaf = pfw_host_key_interface(entry->key, before);

	if (!leaf || !strcmp(before, name))
		return 0;
	if (asprintf(&key, "%.*s%s/%s", (int)FOLDER_LEN, entry->key, name, leaf) < 0)
		return -ENOMEM;
	free(entry->key);
	entry->key = key;
	return 1;
}

/*
 * Whether the interface of this entry is gone, and another recorded one has its name now, or
 * nothing is left to put back: one that comes later has a route_localnet of its own.
 */
static bool is_over(const struct pfw_host_record *record, size_t at, const struct pfw_links *now)
{
	const struct pfw_host_entry *entries = record->entries;
	char name[PFW_IFNAME_SIZE];
	size_t i;

	if (!entries[at].index || entries[at].index == LOOPBACK_INDEX ||
	    pfw_links_find_index(now, entries[at].index))
		return false;
	if (pfw_host_is_localnet(entries[at].key, name))
		return true;
	for (i = 0; i < record->n_entries; i++)
		if (pfw_links_find_index(now, entries[i].index) &&
		    !strcmp(entries[i].key, entries[at].key))
			return true;
	return false;
}

static int follow_entries(struct pfw_host_record *record, const struct pfw_links *now)
{
	const struct pfw_link *link;
	size_t i;
	int ret;

	for (i = 0; i < record->n_entries; i++) {
		link = pfw_links_find_index(now, record->entries[i].index);
		ret = link ? rename_entry(&record->entries[i], link->name) : 0;
		if (ret < 0)
			return ret;
		record->renamed |= ret;
	}
	for (i = 0; i < record->n_entries;) {
		if (!is_over(record, i, now)) {
			i++;
			continue;
		}
		entry_free(&record->entries[i]);
		record->n_entries--;
		memmove(record->entries + i, record->entries + i + 1,
			(record->n_entries - i) * sizeof(*record->entries));
	}
	return 0;
}

static int follow_links(struct pfw_links *links, const struct pfw_links *now, bool *ret_renamed)
{
	struct pfw_links followed = { 0 };
	const struct pfw_link *link, *is;
	unsigned int gone;
	int ret = 0;
	size_t i;

	/* Those that are there come first, so that their index stands for a name. */
	for (gone = 0; gone < 2; gone++)
		for (i = 0; !ret && i < links->n; i++) {
			link = &links->list[i];
			is = pfw_links_find_index(now, link->index);
			if (gone == (is == NULL))
				ret = pfw_links_add(&followed, is ? is->name : link->name,
						    link->index, link->routed);
		}
	if (ret) {
		pfw_links_free(&followed);
		return ret;
	}
	if (followed.n != links->n ||
	    (links->n && memcmp(followed.list, links->list, links->n * sizeof(*links->list))))
		*ret_renamed = true;
	pfw_links_free(links);
	*links = followed;
	return 0;
}

int pfw_host_record_follow(struct pfw_host_record *record, const struct pfw_links *now)
{
	unsigned int f;
	int ret = follow_entries(record, now);

	for (f = 0; !ret && f < 2; f++)
		ret = follow_links(&record->guarded[f], now, &record->renamed);
	return ret;
}

const char *pfw_host_record_find(const struct pfw_host_record *record, const char *key)
{
	size_t i;

	for (i = 0; i < record->n_entries; i++)
		if (!strcmp(record->entries[i].key, key))
			return record->entries[i].was;
	return NULL;
}

void pfw_host_record_free(struct pfw_host_record *record)
{
	while (record->n_entries) {
		record->n_entries--;
		entry_free(&record->entries[record->n_entries]);
	}
	free(record->entries);
	pfw_links_free(&record->guarded[0]);
	pfw_links_free(&record->guarded[1]);
	*record = (struct pfw_host_record){ 0 };
}
