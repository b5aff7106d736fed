/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Any bytes as the journal of a good file. Whoever looks, and whoever writes it to the file, must see
 * the same, and the file must say it afterwards.
 */
#include <sys/stat.h>
#include <unistd.h>

#include "fuzz.h"
#include "portfwd/base/buffer.h"
#include "portfwd/config/config.h"
#include "portfwd/store/store.h"

static const char config[] =
	"{ \"settings\": { \"hairpin\": false }, \"forwards\": [\n"
	"  { \"name\": \"web\", \"listen\": \"8080\", \"target\": \"10.0.0.2:80\" },\n"
	"  { \"listen\": \"9000-9010/udp\", \"target\": [\"10.0.0.3\", \"10.0.0.4\"] },\n"
	"  { \"name\": \"dns\", \"listen\": \"53/tcp+udp\", \"target\": \"self:5353\" }\n"
	"] }\n";

static char folder[32], path[48], journal[64], rejected[80];

static void leave(void)
{
	char command[64];

	snprintf(command, sizeof(command), "rm -rf '%s'", folder);
	(void)!system(command);
}

static void enter(void)
{
	if (*folder)
		return;
	snprintf(folder, sizeof(folder), "/dev/shm/portfwd-fuzz.XXXXXX");
	demand(mkdtemp(folder) != NULL, "there is a folder");
	atexit(leave);
	snprintf(path, sizeof(path), "%s/p.json", folder);
	snprintf(journal, sizeof(journal), "%s.journal", path);
	snprintf(rejected, sizeof(rejected), "%s.rejected", journal);
}

static void put(const char *name, const void *data, size_t len)
{
	FILE *file = fopen(name, "wb");

	demand(file && fwrite(data, 1, len, file) == len && !fclose(file), "a file can be written");
}

/* All forwards, as they are listed. */
static void print(const struct pfw_ruleset *ruleset, struct pfw_buffer *ret)
{
	uint32_t id;
	char *text;

	for (id = 0; id < ruleset->n_forwards; id++) {
		if (!ruleset->forwards[id].name)
			continue;
		text = pfw_forward_text(&ruleset->forwards[id]);
		demand(text != NULL, "a forward can be printed");
		pfw_buffer_printf(ret, "%s %s\n", ruleset->forwards[id].name, text);
		free(text);
	}
}

static void look(bool write, struct pfw_buffer *ret)
{
	struct pfw_error err = PFW_ERROR_INIT;
	struct pfw_store *store = NULL;
	struct pfw_ruleset ruleset = { 0 };
	char *notice;

	demand(!pfw_store_open(path, &store, &err), "it can be opened");
	demand(!write || !pfw_store_lock(store, 0, &err), "it can be locked");
	demand(!pfw_store_load(store, true, &ruleset, &err), "it can be loaded");
	pfw_store_accept(store);
	demand(!write || !pfw_store_is_left(store) || !pfw_store_settle(store, &err),
	       "it can be written to the file");
	print(&ruleset, ret);
	notice = pfw_store_take_notice(store);
	free(notice);
	pfw_ruleset_free(&ruleset);
	pfw_store_close(store);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct pfw_buffer seen = { 0 }, written = { 0 }, after = { 0 };

	enter();
	put(path, config, sizeof(config) - 1);
	put(journal, data, size);
	chmod(journal, 0600);
	look(false, &seen);
	look(true, &written);
	demand(!strcmp(seen.data, written.data), "who looks and who writes see the same");
	unlink(journal);
	look(false, &after);
	demand(!strcmp(seen.data, after.data), "the file says it afterwards");
	unlink(rejected);
	pfw_buffer_free(&seen);
	pfw_buffer_free(&written);
	pfw_buffer_free(&after);
	return 0;
}
