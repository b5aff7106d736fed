/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Changes of a configuration in few words, made as the engine makes them. */
#include "config.h"

#include <sys/stat.h>
#include <time.h>

#include "../unit.h"
#include "desk.h"

#define CHANGES_MAX 4
#define NAMES_MAX 32

static struct pfw_target self = { .self = true, .weight = 1 };

struct request {
	struct pfw_change changes[CHANGES_MAX];
	struct pfw_ports ports[CHANGES_MAX];
	char names[CHANGES_MAX][16];
	size_t n;
};

static void parse_request(const char *text, struct request *ret)
{
	struct pfw_change *change;
	const char *end, *equals;
	size_t len;

	*ret = (struct request){ 0 };
	for (; *text; text = *end ? end + 1 : end) {
		ck_assert_uint_lt(ret->n, CHANGES_MAX);
		end = strchrnul(text, ',');
		change = &ret->changes[ret->n];
		change->what = *text == '-' ? PFW_DROP : PFW_PUT;
		text += *text == '-';
		equals = strchr(text, '=');
		len = (size_t)((equals && equals < end ? equals : end) - text);
		snprintf(ret->names[ret->n], sizeof(ret->names[0]), "%.*s", (int)len, text);
		change->name = ret->names[ret->n];
		if (change->what == PFW_PUT)
			ret->ports[ret->n].lo = ret->ports[ret->n].hi = (uint16_t)atoi(equals + 1);
		change->forward = (struct pfw_forward){
			.name = change->name, .enabled = true,
			.listen = { .ports = &ret->ports[ret->n], .n_ports = 1, .protocols = PFW_TCP },
			.targets = &self, .n_targets = 1, .origin = { .file = PFW_ORIGIN_NONE },
		};
		ret->n++;
	}
}

/* Reads anew what is not current any more, and writes what somebody left, as whoever may write does. */
static int refresh(struct desk *desk, struct pfw_error *err)
{
	struct pfw_ruleset fresh = { 0 };
	int ret = 0;

	if (!pfw_store_is_current(desk->store, true)) {
		ret = pfw_store_load(desk->store, false, &fresh, err);
		if (ret)
			return ret;
		pfw_store_accept(desk->store);
		pfw_ruleset_free(&desk->ruleset);
		desk->ruleset = fresh;
	}
	return pfw_store_is_left(desk->store) ? pfw_store_settle(desk->store, err) : 0;
}

/* What was written before this clock of files moved on might be written again without a trace. */
static void let_rest(void)
{
	struct timespec before, now;

	ck_assert_int_eq(clock_gettime(CLOCK_REALTIME, &before), 0);
	do
		ck_assert_int_eq(clock_gettime(CLOCK_REALTIME_COARSE, &now), 0);
	while (now.tv_sec < before.tv_sec ||
	       (now.tv_sec == before.tv_sec && now.tv_nsec < before.tv_nsec));
}

void desk_open(struct desk *desk, struct folder *f, bool journal)
{
	struct pfw_error err = PFW_ERROR_INIT;

	let_rest();
	*desk = (struct desk){ .store = store_of(f, "p.json") };
	if (journal)
		pfw_store_set_journal(desk->store);
	ck_assert_int_eq(pfw_store_lock(desk->store, 0, true, &err), 0);
	ck_assert_msg(!refresh(desk, &err), "%s", err.item[0].message);
}

void desk_close(struct desk *desk)
{
	pfw_settling_free(desk->settling);
	pfw_ruleset_free(&desk->ruleset);
	pfw_store_close(desk->store);
}

static int change(struct desk *desk, struct request *request, struct pfw_error *err)
{
	struct pfw_forward olds[CHANGES_MAX];
	struct pfw_change *change;
	uint32_t id;
	size_t i;
	int ret;

	for (i = 0; i < request->n; i++) {
		change = &request->changes[i];
		id = pfw_ruleset_find(&desk->ruleset, change->name);
		if (id == PFW_INDEX_NONE)
			continue;
		olds[i] = desk->ruleset.forwards[id];
		change->was = &olds[i];
		change->forward.origin = olds[i].origin;
	}
	ret = pfw_store_stage(desk->store, request->changes, request->n, err);
	if (!ret)
		ret = pfw_store_commit(desk->store, err);
	for (i = 0; !ret && i < request->n; i++) {
		change = &request->changes[i];
		id = pfw_ruleset_find(&desk->ruleset, change->name);
		if (id != PFW_INDEX_NONE)
			pfw_ruleset_drop(&desk->ruleset, id);
		if (change->what == PFW_PUT)
			ret = pfw_ruleset_put(&desk->ruleset, &change->forward, NULL);
	}
	return ret;
}

static int begin(struct desk *desk, struct pfw_error *err)
{
	int ret = pfw_store_settle_begin(desk->store, &desk->settling, err);

	return ret || !desk->settling ? ret : pfw_settling_prepare(desk->settling, err);
}

static int end(struct desk *desk, struct pfw_error *err)
{
	int ret = desk->settling ? pfw_store_settle_end(desk->store, desk->settling, err) : 0;

	pfw_settling_free(desk->settling);
	desk->settling = NULL;
	return ret;
}

int desk_do(struct desk *desk, const char *text, struct pfw_error *err)
{
	struct request request;
	int ret = refresh(desk, err);

	if (ret)
		return ret;
	switch (*text) {
	case '!':
		return pfw_store_settle(desk->store, err);
	case '<':
		return begin(desk, err);
	case '>':
		return end(desk, err);
	default:
		parse_request(text, &request);
		return change(desk, &request, err);
	}
}

void desk_must(struct desk *desk, const char *request)
{
	struct pfw_error err = PFW_ERROR_INIT;

	ck_assert_msg(!desk_do(desk, request, &err), "%s: %s", request, err.item[0].message);
}

void desk_has(const struct desk *desk, const char *state)
{
	char found[STATE_SIZE];

	state_of(&desk->ruleset, found);
	ck_assert_str_eq(found, state);
}

/* ---- States */

static int compare(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void join(char (*words)[32], size_t n, char ret[STATE_SIZE])
{
	const char *sorted[NAMES_MAX];
	size_t i, len = 0;

	for (i = 0; i < n; i++)
		sorted[i] = words[i];
	qsort(sorted, n, sizeof(*sorted), compare);
	ret[0] = '\0';
	for (i = 0; i < n; i++)
		len += (size_t)snprintf(ret + len, STATE_SIZE - len, "%s%s", i ? " " : "", sorted[i]);
}

void state_of(const struct pfw_ruleset *ruleset, char ret[STATE_SIZE])
{
	char words[NAMES_MAX][32];
	const struct pfw_forward *forward;
	uint32_t id;
	size_t n = 0;

	for (id = 0; id < ruleset->n_forwards; id++) {
		forward = &ruleset->forwards[id];
		if (!forward->name)
			continue;
		ck_assert_uint_lt(n, NAMES_MAX);
		snprintf(words[n++], sizeof(words[0]), "%s=%u", forward->name,
			 forward->listen.ports[0].lo);
	}
	join(words, n, ret);
}

void state_seen(struct folder *f, char ret[STATE_SIZE])
{
	struct pfw_store *store = store_of(f, "p.json");
	struct pfw_ruleset ruleset;

	load(store, &ruleset);
	state_of(&ruleset, ret);
	pfw_ruleset_free(&ruleset);
	pfw_store_close(store);
}

void state_folded(struct folder *f, char ret[STATE_SIZE])
{
	char seen[STATE_SIZE];
	struct desk desk;
	struct stat st;

	desk_open(&desk, f, false);
	state_of(&desk.ruleset, ret);
	ck_assert_uint_eq(pfw_store_n_lines(desk.store), 0);
	desk_close(&desk);
	ck_assert(stat(folder_path(f, "p.json.journal"), &st) < 0 || !st.st_size);
	state_seen(f, seen);
	ck_assert_str_eq(seen, ret);
}

void state_after(char state[STATE_SIZE], const char *text)
{
	char words[NAMES_MAX][32], *word, *save = NULL, name[32];
	struct request request;
	size_t n = 0, i, j, len;

	if (strchr("!<>", *text))
		return;
	for (word = strtok_r(state, " ", &save); word; word = strtok_r(NULL, " ", &save))
		snprintf(words[n++], sizeof(words[0]), "%s", word);
	parse_request(text, &request);
	for (i = 0; i < request.n; i++) {
		len = (size_t)snprintf(name, sizeof(name), "%s=", request.changes[i].name);
		for (j = 0; j < n; j++)
			if (!strncmp(words[j], name, len))
				break;
		if (j < n && j != --n)
			memcpy(words[j], words[n], sizeof(words[0]));
		if (request.changes[i].what == PFW_PUT)
			snprintf(words[n++], sizeof(words[0]), "%.20s%u", name,
				 request.ports[i].lo);
	}
	join(words, n, state);
}
