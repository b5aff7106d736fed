/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What others do to the rules and to the host. */
#include <errno.h>
#include <stdlib.h>

#include "inside.h"
#include "portfwd/engine/watch.h"

struct pfw_watch {
	struct pfw_monitor *monitor;
	bool blind;
};

/* Of those that are built in, one at most has a table; "" is none of which anything is told. */
static const char *table_name(void)
{
	size_t i;

	for (i = 0; pfw_backends[i]; i++)
		if (pfw_backends[i]->table)
			return pfw_backends[i]->table;
	return "";
}

int pfw_watch_open(struct pfw_watch **ret, struct pfw_error *err)
{
	struct pfw_watch *watch = calloc(1, sizeof(*watch));
	int code;

	if (!watch)
		return pfw_fail_memory(err);
	code = pfw_monitor_open(table_name(), &watch->monitor, err);
	if (code)
		free(watch);
	else
		*ret = watch;
	return code;
}

void pfw_watch_close(struct pfw_watch *watch)
{
	if (!watch)
		return;
	pfw_monitor_close(watch->monitor);
	free(watch);
}

void pfw_watch_fds(const struct pfw_watch *watch, int ret[PFW_MONITOR_FDS])
{
	pfw_monitor_fds(watch->monitor, ret);
}

void pfw_watch_read(struct pfw_watch *watch, struct pfw_monitor_news *news)
{
	pfw_monitor_read(watch->monitor, news);
}

bool pfw_watch_told(const struct pfw_watch *watch, struct pfw_told *ret)
{
	return pfw_monitor_told(watch->monitor, ret);
}

void pfw_watch_forget(struct pfw_watch *watch)
{
	pfw_monitor_forget(watch->monitor);
}

bool pfw_watch_is_blind(const struct pfw_watch *watch)
{
	return watch->blind;
}

/* Where memory is short, those of before stay watched, and the next time does better. */
static void follow_sysctls(struct pfw_watch *watch, const struct pfw_host_record *record)
{
	const char **keys = calloc(record->n_entries ? record->n_entries : 1, sizeof(*keys));
	size_t i;

	if (!keys)
		return;
	for (i = 0; i < record->n_entries; i++)
		keys[i] = record->entries[i].key;
	(void)pfw_monitor_follow(watch->monitor, keys, record->n_entries);
	free(keys);
}

void pfw_watch_follow(struct pfw_watch *watch, const struct pfw_engine *engine)
{
	const struct engine_backend *backend;
	unsigned int i;

	for (i = 0; i < ENGINE_PACKET_BACKENDS; i++) {
		backend = &engine->backends[i];
		if (backend->handle && backend->ops->port)
			pfw_monitor_ignore(watch->monitor, backend->ops->port(backend->handle));
	}
	backend = &engine->backends[ENGINE_PACKETS];
	if (backend->ops) {
		watch->blind = !backend->ops->port;
		pfw_monitor_follow_lock(watch->monitor, backend->ops->lock_path ?
								backend->ops->lock_path() : NULL);
	}
	if (engine->state.folder)
		follow_sysctls(watch, &engine->state.host);
}
