/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a journal says, brought together with the files. Whoever wrote it may have been killed
 * before, while or after its changes were written to the file, and somebody may have edited the
 * file since. So a change counts where the name says what it said at any point of the journal; then
 * it says what the journal says last. Anything else was done by hand, and stands.
 */
#include "config.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "files.h"

#define CONFLICTS_MAX 10	/* that are told of */

struct line {
	const char *text;
	size_t len;
	json_t *json;
	bool bad;
};

struct step {
	uint32_t line;
	const char *name;
	json_t *put;	/* NULL: a drop */
	struct pfw_forward forward;
	uint64_t was;
	uint64_t becomes;
};

struct replay {
	const struct pfw_store *store;
	struct loaded *to;
	struct pfw_ruleset *ruleset;
	struct line *lines;
	size_t n_lines;
	struct step *steps;
	size_t n_steps;
	size_t n_room;
	size_t n_conflicts;
};

uint64_t forward_state(const char *text)
{
	uint64_t hash = pfw_hash(text, strlen(text));

	return hash ? hash : 1;
}

/* "journal: SUBJECT in FILE ..." */
static void notice(struct replay *r, const char *subject, const char *rest)
{
	struct pfw_buffer *to = &r->to->journal.notice;

	if (r->n_conflicts++ < CONFLICTS_MAX)
		pfw_buffer_printf(to, "%sjournal: %s in %s%s", to->len ? "; " : "", subject,
				  r->store->path, rest);
}

static void notice_name(struct replay *r, const char *name)
{
	char subject[PFW_NAME_MAX + 32];

	snprintf(subject, sizeof(subject), "\"%s\" was changed", name);
	notice(r, subject, " by hand, and by a command; what the file says stands");
}

/* ---- Reading */

static int find_lines(struct replay *r, const char *text, size_t len)
{
	const char *end;
	size_t at;

	for (at = 0; at < len; at++)
		r->n_lines += text[at] == '\n';
	r->lines = calloc(r->n_lines + 1, sizeof(*r->lines));
	if (!r->lines)
		return -ENOMEM;
	r->n_lines = 0;
	for (at = 0; at < len; at = (size_t)(end - text) + 1) {
		end = memchr(text + at, '\n', len - at);
		r->lines[r->n_lines++] = (struct line){ text + at, (size_t)(end - (text + at)) };
	}
	return 0;
}

static int add_step(struct replay *r, const struct step *step)
{
	size_t room = r->n_room ? r->n_room * 2 : 64;
	struct step *grown;

	if (r->n_steps == r->n_room) {
		grown = reallocarray(r->steps, room, sizeof(*grown));
		if (!grown)
			return -ENOMEM;
		r->steps = grown;
		r->n_room = room;
	}
	r->steps[r->n_steps++] = *step;
	return 0;
}

static bool read_state(const json_t *json, uint64_t *ret)
{
	const char *text = json_string_value(json);
	char *end;

	*ret = 0;
	if (json_is_null(json))
		return true;
	if (!text || strlen(text) != 16)
		return false;
	*ret = strtoull(text, &end, 16);
	return !*end && *ret;
}

static int read_put(struct replay *r, struct step *step)
{
	struct pfw_error ignored = PFW_ERROR_INIT;
	char *text;
	int ret = pfw_forward_parse(step->put, &r->ruleset->arena, &step->forward, &ignored);

	if (ret)
		return ret;
	step->name = step->forward.name;
	text = json_dumps(step->put, 0);
	if (!text)
		return -ENOMEM;
	step->becomes = forward_state(text);
	free(text);
	return step->name ? 0 : -EINVAL;
}

static int read_change(struct replay *r, uint32_t line, json_t *json)
{
	struct step step = { .line = line, .put = json_object_get(json, "put") };
	int ret;

	if (!read_state(json_object_get(json, "was"), &step.was))
		return -EINVAL;
	if (step.put) {
		ret = read_put(r, &step);
		return ret ? ret : add_step(r, &step);
	}
	step.name = json_string_value(json_object_get(json, "drop"));
	if (!step.name || !pfw_name_valid(step.name, strlen(step.name)))
		return -EINVAL;
	return add_step(r, &step);
}

/* -EINVAL: it is no line that we write. */
static int read_line(struct replay *r, uint32_t number)
{
	struct line *line = &r->lines[number];
	json_t *changes, *change;
	size_t before = r->n_steps, i;
	int ret = 0;

	line->json = json_loadb(line->text, line->len, JSON_REJECT_DUPLICATES, NULL);
	changes = json_object_get(line->json, "changes");
	if (!changes)
		ret = read_change(r, number, line->json);
	json_array_foreach(changes, i, change)
		ret = ret ? ret : read_change(r, number, change);
	if (ret)
		r->n_steps = before;
	return ret;
}

static int read_lines(struct replay *r)
{
	uint32_t i;
	int ret;

	for (i = 0; i < r->n_lines; i++) {
		ret = read_line(r, i);
		if (ret == -ENOMEM)
			return ret;
		r->lines[i].bad = ret != 0;
		if (ret)
			notice(r, "a line about what is", " cannot be read");
	}
	return 0;
}

/* ---- What does not go with the files */

static int compare_steps(const void *a, const void *b)
{
	const struct step *const *x = a, *const *y = b;

	return strcmp((*x)->name, (*y)->name);
}

/* What the files say of the name. -ENOMEM. */
static int present_state(const struct replay *r, const char *name, bool *ret_elsewhere, uint64_t *ret)
{
	uint32_t id = pfw_ruleset_find(r->ruleset, name);
	char *text;

	*ret_elsewhere = false;
	*ret = 0;
	if (id == PFW_INDEX_NONE)
		return 0;
	*ret_elsewhere = r->ruleset->forwards[id].origin.file != 0;
	text = pfw_forward_text(&r->ruleset->forwards[id]);
	if (!text)
		return -ENOMEM;
	*ret = forward_state(text);
	free(text);
	return 0;
}

/* All steps of one name. */
static int judge_name(struct replay *r, struct step *const *steps, size_t n)
{
	bool elsewhere, known = false;
	uint64_t present;
	size_t i;

	if (present_state(r, steps[0]->name, &elsewhere, &present))
		return -ENOMEM;
	for (i = 0; i < n; i++)
		known |= present == steps[i]->was || present == steps[i]->becomes;
	if (known && !elsewhere)
		return 0;
	for (i = 0; i < n; i++)
		r->lines[steps[i]->line].bad = true;
	notice_name(r, steps[0]->name);
	return 0;
}

static int judge(struct replay *r)
{
	struct step **order = calloc(r->n_steps + 1, sizeof(*order));
	size_t i, end;
	int ret = order ? 0 : -ENOMEM;

	for (i = 0; !ret && i < r->n_steps; i++)
		order[i] = &r->steps[i];
	if (!ret)
		qsort(order, r->n_steps, sizeof(*order), compare_steps);
	for (i = 0; !ret && i < r->n_steps; i = end) {
		for (end = i + 1; end < r->n_steps; end++)
			if (strcmp(order[i]->name, order[end]->name))
				break;
		ret = judge_name(r, order + i, end - i);
	}
	free(order);
	return ret;
}

static void reject_all(struct replay *r)
{
	size_t i;

	for (i = 0; i < r->n_lines; i++)
		r->lines[i].bad = true;
	notice(r, "what it says does not go with what was done", " by hand, which stands");
}

/* ---- Doing */

static int make_step(struct replay *r, struct step *step)
{
	uint32_t id = pfw_ruleset_find(r->ruleset, step->name), ticket;
	const struct pfw_forward *there = id == PFW_INDEX_NONE ? NULL : &r->ruleset->forwards[id];
	struct tickets *tickets = &r->to->files[0].tickets;
	struct pendings *pendings = &r->to->journal.pendings;
	char *text;

	if (step->put ? there && pfw_forward_equal(there, &step->forward) : !there)
		return 0;
	ticket = there ? there->origin.position : tickets->next++;
	if (!step->put) {
		pfw_ruleset_drop(r->ruleset, id);
		return pendings_add_gone(pendings, ticket, step->name);
	}
	step->forward.origin = (struct pfw_origin){ 0, ticket };
	text = json_dumps(step->put, 0);
	if (!text || pendings_add(pendings, ticket, text))
		return -ENOMEM;
	return pfw_ruleset_put_shallow(r->ruleset, &step->forward, NULL);
}

static int make_steps(struct replay *r)
{
	struct journal *journal = &r->to->journal;
	size_t i;
	int ret = 0;

	for (i = 0; !ret && i < r->n_steps; i++)
		if (!r->lines[r->steps[i].line].bad)
			ret = make_step(r, &r->steps[i]);
	for (i = 0; i < r->n_lines; i++) {
		journal->n_lines += !r->lines[i].bad;
		if (r->lines[i].bad)
			pfw_buffer_append(&journal->rejected, r->lines[i].text, r->lines[i].len + 1);
	}
	return ret;
}

int journal_replay(const struct pfw_store *store, struct loaded *to, const char *text, size_t len,
		   struct pfw_ruleset *ruleset, struct pfw_error *err)
{
	struct replay r = { .store = store, .to = to, .ruleset = ruleset };
	int ret = find_lines(&r, text, len);
	size_t i;

	if (!ret)
		ret = read_lines(&r);
	if (!ret && store->without_journal)
		reject_all(&r);
	else if (!ret)
		ret = judge(&r);
	if (!ret && r.n_conflicts)
		pfw_buffer_printf(&to->journal.notice, "; the other is in %s.rejected",
				  store->journal_path);
	if (!ret)
		ret = make_steps(&r);
	if (to->journal.rejected.failed || to->journal.notice.failed)
		ret = -ENOMEM;
	for (i = 0; i < r.n_lines && r.lines; i++)
		json_decref(r.lines[i].json);
	free(r.lines);
	free(r.steps);
	return ret ? pfw_fail_memory(err) : 0;
}
