/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What was changed on the host, and what it was before. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "portfwd/backend/backend.h"

int pfw_host_record_add(struct pfw_host_record *record, const char *key, const char *was)
{
	struct pfw_host_entry *entries, entry;

	entries = reallocarray(record->entries, record->n_entries + 1, sizeof(*entries));
	if (!entries)
		return -ENOMEM;
	record->entries = entries;
	entry = (struct pfw_host_entry){ strdup(key), strdup(was) };
	if (!entry.key || !entry.was) {
		free(entry.key);
		free(entry.was);
		return -ENOMEM;
	}
	entries[record->n_entries++] = entry;
	return 0;
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
		free(record->entries[record->n_entries].key);
		free(record->entries[record->n_entries].was);
	}
	free(record->entries);
	pfw_links_free(&record->guarded[0]);
	pfw_links_free(&record->guarded[1]);
	*record = (struct pfw_host_record){ 0 };
}
