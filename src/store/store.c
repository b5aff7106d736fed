/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The files of a configuration: which they are, and reading them all. */
#include "config.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "files.h"

#define DROP_INS_MAX 10000
#define LOAD_TRIES 100	/* while others save */

/* Where the main file is, and its folder; nothing changes where that fails. */
static int settle_path(struct pfw_store *store, char *path, struct pfw_error *err)
{
	char *home = path_folder(path), *journal = NULL;

	if (!home || asprintf(&journal, "%s.journal", path) < 0) {
		free(home);
		free(path);
		return pfw_fail_memory(err);
	}
	free(store->home);
	free(store->journal_path);
	free(store->path);
	store->home = home;
	store->journal_path = journal;
	store->path = path;
	return 0;
}

int pfw_store_open(const char *path, struct pfw_store **ret, struct pfw_error *err)
{
	struct pfw_store *store = calloc(1, sizeof(*store));
	char *resolved = NULL;
	int result;

	if (!store)
		return pfw_fail_memory(err);
	store->lock[0] = store->lock[1] = -1;
	if (!*path || path[strlen(path) - 1] == '/') {
		result = pfw_fail(err, PFW_FAILED, -EINVAL, "\"%s\" is not the path of a file", path);
		goto out;
	}
	result = path_resolve(path, &resolved, err);
	if (!result)
		result = settle_path(store, resolved, err);
	if (result)
		goto out;
	result = path_absolute(path, &store->named);
	if (!result)
		store->folder = path_folder(store->named);
	if (!store->folder) {
		result = pfw_fail_memory(err);
		goto out;
	}
	*ret = store;
	store = NULL;
out:
	pfw_store_close(store);
	return result;
}

int pfw_store_follow(struct pfw_store *store, struct pfw_error *err)
{
	char *path;
	int ret = path_resolve(store->named, &path, err);

	if (ret)
		return ret;
	if (!strcmp(path, store->path)) {
		free(path);
		return 0;
	}
	ret = settle_path(store, path, err);
	/* Nothing that was read is of this file. */
	if (!ret && store->now.files)
		store->now.files[0].seen.racy = true;
	return ret;
}

bool pfw_store_is_followed(const struct pfw_store *store)
{
	struct pfw_error ignored = PFW_ERROR_INIT;
	bool ret;
	char *path;

	if (path_resolve(store->named, &path, &ignored))
		return false;
	ret = !strcmp(path, store->path);
	free(path);
	return ret;
}

static void loaded_free(struct loaded *loaded)
{
	uint32_t i;

	for (i = 0; i < loaded->n_files; i++)
		file_free(&loaded->files[i]);
	free(loaded->files);
	free(loaded->paths);
	journal_free(&loaded->journal);
	*loaded = (struct loaded){ 0 };
}

void pfw_store_close(struct pfw_store *store)
{
	if (!store)
		return;
	lock_release(store);
	pfw_store_abort(store);
	loaded_free(&store->now);
	loaded_free(&store->before);
	free(store->runtime);
	free(store->folder);
	free(store->home);
	free(store->journal_path);
	free(store->path);
	free(store->named);
	free(store);
}

void pfw_store_set_journal(struct pfw_store *store)
{
	store->journals = true;
}

const char *pfw_store_path(const struct pfw_store *store)
{
	return store->path;
}

int pfw_store_set_runtime(struct pfw_store *store, const char *path, bool stale)
{
	char *copy = strdup(path);

	if (!copy)
		return -ENOMEM;
	free(store->runtime);
	store->runtime = copy;
	store->runtime_stale = stale;
	return 0;
}

bool pfw_store_is_runtime(const struct pfw_store *store, uint32_t file)
{
	return file == PFW_ORIGIN_RUNTIME ||
	       (store->now.runtime && file == store->now.n_files - 1);
}

bool pfw_store_has_main(const struct pfw_store *store)
{
	const struct file *file = store->now.files;

	return file && (file->seen.exists || file->staged.temp);
}

uint32_t origin_file(const struct pfw_store *store, const struct pfw_origin *origin, bool *ret_fresh)
{
	*ret_fresh = origin->file == PFW_ORIGIN_NONE || origin->file == PFW_ORIGIN_RUNTIME;
	if (origin->file == PFW_ORIGIN_RUNTIME)
		return store->now.runtime ? store->now.n_files - 1 : PFW_ORIGIN_NONE;
	return *ret_fresh ? 0 : origin->file;
}

const char *pfw_store_file(const struct pfw_store *store, uint32_t file)
{
	if (file == PFW_ORIGIN_RUNTIME)
		return store->runtime;
	if (file < store->now.n_files)
		return store->now.files[file].path;
	return file ? NULL : store->path;
}

static int is_drop_in(const struct dirent *entry)
{
	size_t len = strlen(entry->d_name);

	return entry->d_name[0] != '.' && len > 5 &&
	       strcmp(entry->d_name + len - 5, ".json") == 0;
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

/* The path of the drop-ins; NULL without memory. */
static char *drop_ins_path(const struct pfw_store *store)
{
	char *path;

	return asprintf(&path, "%s/" DROP_INS, store->folder) < 0 ? NULL : path;
}

/* Takes the path over. */
static void add_file(struct loaded *to, char *path)
{
	to->files[to->n_files] = (struct file){ .path = path };
	to->paths[to->n_files++] = path;
}

static int add_drop_in(struct loaded *to, const char *folder, const char *name, struct pfw_error *err)
{
	char *path, *resolved;
	int ret;

	if (asprintf(&path, "%s/%s", folder, name) < 0)
		return pfw_fail_memory(err);
	ret = path_resolve(path, &resolved, err);
	free(path);
	if (ret)
		return ret;
	add_file(to, resolved);
	to->files[to->n_files - 1].entry = strdup(name);
	return to->files[to->n_files - 1].entry ? 0 : pfw_fail_memory(err);
}

static int make_room(struct loaded *to, size_t n, struct pfw_error *err)
{
	struct file *files = realloc(to->files, n * sizeof(*files));
	const char **paths;

	if (!files)
		return pfw_fail_memory(err);
	to->files = files;
	paths = realloc(to->paths, n * sizeof(*paths));
	if (!paths)
		return pfw_fail_memory(err);
	to->paths = paths;
	return 0;
}

int drop_ins_each(const struct pfw_store *store, int (*each)(void *ctx, const char *name), void *ctx,
		  struct pfw_error *err)
{
	char *folder = drop_ins_path(store);
	struct dirent **entries = NULL;
	int n = folder ? scandir(folder, &entries, is_drop_in, by_name) : -1, i, ret = 0;

	if (!folder)
		return pfw_fail_memory(err);
	if (n < 0 && errno != ENOENT)
		ret = pfw_fail_errno(err, -errno, "cannot read %s", folder);
	for (i = 0; i < n; i++) {
		if (!ret)
			ret = each(ctx, entries[i]->d_name);
		free(entries[i]);
	}
	free(entries);
	free(folder);
	return ret;
}

static int find_drop_ins(const struct pfw_store *store, struct loaded *to, struct pfw_error *err)
{
	char *folder = drop_ins_path(store);
	struct dirent **entries = NULL;
	int n, i, ret = 0;

	if (!folder)
		return pfw_fail_memory(err);
	seen_take(&to->drop_ins, folder);
	seen_judge(&to->drop_ins);
	n = scandir(folder, &entries, is_drop_in, by_name);
	if (n < 0 && errno != ENOENT)
		ret = pfw_fail_errno(err, -errno, "cannot read %s", folder);
	else if (n > DROP_INS_MAX)
		ret = pfw_fail(err, PFW_FAILED, -E2BIG, "cannot read %s: it has more than %d files",
			       folder, DROP_INS_MAX);
	else if (n > 0)
		ret = make_room(to, (size_t)n + 1, err);
	for (i = 0; i < n; i++) {
		if (!ret)
			ret = add_drop_in(to, folder, entries[i]->d_name, err);
		free(entries[i]);
	}
	free(entries);
	free(folder);
	return ret;
}

static int add_main(const struct pfw_store *store, struct loaded *to, struct pfw_error *err)
{
	char *path = strdup(store->path);
	int ret = path ? make_room(to, 1, err) : pfw_fail_memory(err);

	if (ret)
		free(path);
	else
		add_file(to, path);
	return ret;
}

/* The last of all, so that a name or key that stands twice is told of it. */
static int add_runtime(const struct pfw_store *store, struct loaded *to, struct pfw_error *err)
{
	char *path = store->runtime ? strdup(store->runtime) : NULL;
	int ret;

	if (!store->runtime)
		return 0;
	ret = path ? make_room(to, to->n_files + 1, err) : pfw_fail_memory(err);
	if (ret) {
		free(path);
		return ret;
	}
	add_file(to, path);
	to->runtime = true;
	return 0;
}

void pfw_store_set_draft(struct pfw_store *store, const struct pfw_draft *draft)
{
	store->draft = draft;
}

int pfw_store_read(struct pfw_store *store, bool writable, struct pfw_buffer *ret,
		   struct pfw_error *err)
{
	const char *path = store->path;
	struct stat stat;
	size_t len;
	char *text;
	int code;

	if (writable && access(store->home, W_OK | X_OK) < 0 && errno != ENOENT)
		return pfw_fail_errno(err, -errno, "cannot save %s", path);
	code = file_read(path, &text, &len, &stat, err);
	if (!code)
		*ret = (struct pfw_buffer){ .data = text, .len = len, .size = len + 1 };
	return code;
}

/* Puts the draft in the place of what was read of the main file. */
static int take_draft(const struct pfw_draft *draft, struct file *file, size_t *len,
		      struct pfw_error *err)
{
	char *text;

	if (!draft->base != !file->seen.exists ||
	    (draft->base && (draft->base_len != *len || memcmp(draft->base, file->text, *len) != 0)))
		return pfw_fail(err, PFW_FAILED, -ESTALE, "cannot save %s: somebody else changed it "
				"meanwhile; edit it anew and bring your changes into it", file->path);
	text = malloc(draft->len + 1);
	if (!text)
		return pfw_fail_memory(err);
	memcpy(text, draft->text, draft->len);
	text[draft->len] = '\0';
	free(file->text);
	file->text = text;
	*len = draft->len;
	return 0;
}

/* Who can write there can send anybody's connections anywhere. */
static int check_owner(const struct file *file, struct pfw_error *err)
{
	const struct stat *st = &file->seen.stat;

	if ((st->st_uid == 0 || st->st_uid == geteuid()) && !(st->st_mode & (S_IWGRP | S_IWOTH)))
		return 0;
	return pfw_fail(err, PFW_NOT_PERMITTED, -EPERM,
			"%s belongs to somebody else, or others may write it", file->path);
}

/* -EINVAL is about what the file says; then the others are still read, for their errors. */
static int load_file(struct pfw_store *store, struct loaded *to, uint32_t number,
		     struct pfw_ruleset *ruleset, struct pfw_error *err)
{
	struct file *file = &to->files[number];
	const char *context = err->file;
	bool drafted = number == 0 && store->draft;
	bool runtime = to->runtime && number == to->n_files - 1;
	size_t len = 0;
	int ret;

	if (runtime && store->runtime_stale)
		return 0;
	ret = file_read(file->path, &file->text, &len, &file->seen.stat, err);
	if (runtime && ret == -ENOENT)
		return 0;
	if (runtime && !ret)
		ret = check_owner(file, err);
	if (ret == -ENOENT && number)
		return pfw_fail_errno(err, ret, "cannot read %s", file->path);
	file->seen.exists = !ret;
	seen_judge(&file->seen);
	if (drafted && (!ret || ret == -ENOENT))
		ret = take_draft(store->draft, file, &len, err);
	if (ret < 0)
		return ret == -EINVAL ? -EIO : ret;
	file->doc.files = to->paths;
	err->file = file->path;
	ret = pfw_document_parse(&file->doc, file->text, len, number, number == 0, ruleset, err);
	err->file = context;
	file->tickets.n = file->tickets.next = file->doc.n_forwards;
	return ret;
}

static int load_files(struct pfw_store *store, struct loaded *to, bool required,
		      struct pfw_ruleset *ruleset, struct pfw_error *err)
{
	bool invalid = false;
	uint32_t i;
	int ret;

	ret = add_main(store, to, err);
	if (!ret)
		ret = find_drop_ins(store, to, err);
	if (!ret)
		ret = add_runtime(store, to, err);
	if (ret < 0)
		return ret;
	for (i = 0; i < to->n_files; i++) {
		ret = load_file(store, to, i, ruleset, err);
		if (ret == -ENOENT && !required && i == 0)
			continue;
		if (ret == -ENOENT && i == 0)
			return pfw_fail(err, PFW_FAILED, ret, "cannot read %s: there is no such "
					"file; \"portfwd add\" makes it", store->path);
		if (ret < 0 && ret != -EINVAL)
			return ret;
		invalid |= ret < 0;
	}
	if (invalid)
		return -EINVAL;
	return pfw_config_finish(ruleset, to->paths, err);
}

/* Who can write there can send anybody's connections anywhere. */
static void warn_of_writers(struct loaded *to)
{
	struct pfw_buffer *notice = &to->journal.notice;
	const struct file *file;

	for (file = to->files; file < to->files + to->n_files; file++)
		if (file->seen.exists && file->seen.stat.st_mode & S_IWOTH)
			pfw_buffer_printf(notice, "%severybody may write %s", notice->len ? "; " : "",
					  file->path);
}

/* The journal first: what goes from it goes to the file, and so it is seen in any case. */
static int load_all(struct pfw_store *store, struct loaded *to, bool required,
		    struct pfw_ruleset *ruleset, struct pfw_error *err)
{
	size_t len = 0;
	char *text = NULL;
	int ret = journal_read(store, to, &text, &len, err);

	if (!ret)
		ret = load_files(store, to, required, ruleset, err);
	if (!ret && (text || store->journals))
		to->digest = pfw_hash(to->files[0].text, to->files[0].doc.len);
	if (!ret && text)
		ret = journal_replay(store, to, text, len, ruleset, err);
	if (!ret)
		warn_of_writers(to);
	free(text);
	return ret;
}

/* A process that stays reads a file again when it writes it. */
static void forget_texts(struct loaded *loaded)
{
	uint32_t i;

	for (i = 0; i < loaded->n_files; i++)
		file_forget_text(&loaded->files[i]);
}

/* Whether somebody wrote the journal's changes to the file while we read both. */
static bool is_overtaken(const struct pfw_store *store, const struct loaded *loaded)
{
	return !lock_is_held(store) && loaded->journal.left &&
	       !seen_is_current(&loaded->journal.seen, store->journal_path);
}

int pfw_store_load(struct pfw_store *store, bool required, struct pfw_ruleset *ruleset,
		   struct pfw_error *err)
{
	struct loaded fresh = { 0 };
	unsigned int tries = 0;
	int ret;

	do {
		pfw_ruleset_free(ruleset);
		loaded_free(&fresh);
		ruleset->settings = pfw_settings_default;
		ret = load_all(store, &fresh, required, ruleset, err);
	} while (!ret && is_overtaken(store, &fresh) && ++tries < LOAD_TRIES);
	store->without_journal = false;
	if (ret < 0) {
		pfw_ruleset_free(ruleset);
		loaded_free(&fresh);
		return ret;
	}
	pfw_store_abort(store);
	if (store->journals)
		forget_texts(&fresh);
	loaded_free(&store->before);
	store->before = store->now;
	store->now = fresh;
	store->undecided = true;
	store->n_loads++;
	/* What was to be copied is what was loaded before. */
	store->keep_due = false;
	return 0;
}

void pfw_store_accept(struct pfw_store *store)
{
	loaded_free(&store->before);
	store->undecided = false;
}

void pfw_store_revert(struct pfw_store *store)
{
	if (!store->undecided)
		return;
	store->undecided = false;
	pfw_store_abort(store);
	loaded_free(&store->now);
	store->now = store->before;
	store->before = (struct loaded){ 0 };
	store->n_loads++;
}

bool pfw_store_is_left(const struct pfw_store *store)
{
	return store->now.journal.left;
}

void pfw_store_reject_journal(struct pfw_store *store)
{
	store->without_journal = true;
}

size_t pfw_store_n_lines(const struct pfw_store *store)
{
	return store->now.journal.n_lines;
}

bool pfw_store_has_journal(const struct pfw_store *store)
{
	struct stat st;

	return !stat(store->journal_path, &st) && st.st_size;
}

char *pfw_store_take_notice(struct pfw_store *store)
{
	char *text = store->now.journal.notice.data;

	store->now.journal.notice = (struct pfw_buffer){ 0 };
	return text;
}

static bool are_drop_ins_current(const struct pfw_store *store)
{
	char *path = drop_ins_path(store);
	bool ret = path && seen_is_current(&store->now.drop_ins, path);

	free(path);
	return ret;
}

static bool is_runtime_current(const struct pfw_store *store)
{
	const struct loaded *now = &store->now;
	const struct file *file = &now->files[now->n_files - 1];

	if (!now->runtime || !store->runtime)
		return !now->runtime && !store->runtime;
	return seen_is_current(&file->seen, file->path) &&
	       !(store->runtime_stale && file->seen.exists);
}

bool pfw_store_is_current(const struct pfw_store *store, bool runtime)
{
	const struct loaded *now = &store->now;
	uint32_t i;

	if (!now->files || store->draft ||
	    !seen_is_current(&now->journal.seen, store->journal_path) ||
	    !are_drop_ins_current(store))
		return false;
	for (i = 0; i < now->n_files; i++)
		if (!pfw_store_is_runtime(store, i) &&
		    !seen_is_current(&now->files[i].seen, now->files[i].path))
			return false;
	return !runtime || is_runtime_current(store);
}
