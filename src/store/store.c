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

int pfw_store_open(const char *path, struct pfw_store **ret, struct pfw_error *err)
{
	struct pfw_store *store = calloc(1, sizeof(*store));
	char *resolved = NULL, *named = NULL;
	int result;

	if (!store)
		return pfw_fail_memory(err);
	store->lock[0] = store->lock[1] = -1;
	store->files = calloc(1, sizeof(*store->files));
	store->paths = calloc(1, sizeof(*store->paths));
	if (!store->files || !store->paths) {
		result = pfw_fail_memory(err);
		goto out;
	}
	store->n_files = 1;
	if (!*path || path[strlen(path) - 1] == '/') {
		result = pfw_fail(err, PFW_FAILED, -EINVAL, "\"%s\" is not the path of a file", path);
		goto out;
	}
	result = path_resolve(path, &resolved, err);
	if (result < 0)
		goto out;
	store->files[0].path = resolved;
	store->paths[0] = resolved;
	result = path_absolute(path, &named);
	if (!result)
		store->folder = path_folder(named);
	store->home = path_folder(resolved);
	if (!store->folder || !store->home) {
		result = pfw_fail_memory(err);
		goto out;
	}
	*ret = store;
	store = NULL;
out:
	free(named);
	pfw_store_close(store);
	return result;
}

/* All but the main file's path. */
static void forget(struct pfw_store *store)
{
	struct file *main_file = &store->files[0];
	char *path = main_file->path;
	uint32_t i;

	pfw_store_abort(store);
	main_file->path = NULL;
	for (i = 0; i < store->n_files; i++)
		file_free(&store->files[i]);
	main_file->path = path;
	store->n_files = 1;
	store->loaded = false;
}

void pfw_store_close(struct pfw_store *store)
{
	if (!store)
		return;
	lock_release(store);
	if (store->files) {
		forget(store);
		file_free(&store->files[0]);
	}
	free(store->files);
	free(store->paths);
	free(store->runtime);
	free(store->folder);
	free(store->home);
	free(store);
}

const char *pfw_store_path(const struct pfw_store *store)
{
	return store->files[0].path;
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
	return file == PFW_ORIGIN_RUNTIME || (store->runtime && file && file == store->n_files - 1);
}

bool pfw_store_has_main(const struct pfw_store *store)
{
	return store->files[0].exists || store->files[0].staged.temp;
}

uint32_t origin_file(const struct pfw_store *store, const struct pfw_origin *origin, bool *ret_fresh)
{
	*ret_fresh = origin->file == PFW_ORIGIN_NONE || origin->file == PFW_ORIGIN_RUNTIME;
	if (origin->file == PFW_ORIGIN_RUNTIME)
		return store->runtime ? store->n_files - 1 : PFW_ORIGIN_NONE;
	return *ret_fresh ? 0 : origin->file;
}

const char *pfw_store_file(const struct pfw_store *store, uint32_t file)
{
	if (file == PFW_ORIGIN_RUNTIME)
		return store->runtime;
	return file < store->n_files ? store->files[file].path : NULL;
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

const char *file_entry(const struct pfw_store *store, uint32_t number)
{
	return store->files[number].entry ? store->files[number].entry : "";
}

static int add_file(struct pfw_store *store, const char *name, struct pfw_error *err)
{
	struct file *file = &store->files[store->n_files];
	char *path;
	int ret;

	if (asprintf(&path, "%s/" DROP_INS "/%s", store->folder, name) < 0)
		return pfw_fail_memory(err);
	*file = (struct file){ 0 };
	ret = path_resolve(path, &file->path, err);
	free(path);
	if (ret < 0)
		return ret;
	file->entry = strdup(name);
	if (!file->entry) {
		file_free(file);
		return pfw_fail_memory(err);
	}
	store->paths[store->n_files++] = file->path;
	return 0;
}

static int make_room(struct pfw_store *store, size_t n, struct pfw_error *err)
{
	struct file *files = realloc(store->files, n * sizeof(*files));
	const char **paths;

	if (!files)
		return pfw_fail_memory(err);
	store->files = files;
	paths = realloc(store->paths, n * sizeof(*paths));
	if (!paths)
		return pfw_fail_memory(err);
	store->paths = paths;
	return 0;
}

static int find_drop_ins(struct pfw_store *store, struct pfw_error *err)
{
	struct dirent **entries = NULL;
	char *folder;
	int n, i, ret = 0;

	if (asprintf(&folder, "%s/" DROP_INS, store->folder) < 0)
		return pfw_fail_memory(err);
	n = scandir(folder, &entries, is_drop_in, by_name);
	if (n < 0 && errno != ENOENT)
		ret = pfw_fail_errno(err, -errno, "cannot read %s", folder);
	else if (n > DROP_INS_MAX)
		ret = pfw_fail(err, PFW_FAILED, -E2BIG, "cannot read %s: it has more than %d files",
			       folder, DROP_INS_MAX);
	else if (n > 0)
		ret = make_room(store, (size_t)n + 1, err);
	for (i = 0; i < n; i++) {
		if (!ret)
			ret = add_file(store, entries[i]->d_name, err);
		free(entries[i]);
	}
	free(entries);
	free(folder);
	return ret;
}

int files_find(struct pfw_store *store, struct pfw_error *err)
{
	forget(store);
	return find_drop_ins(store, err);
}

int files_add(struct pfw_store *store, const char *entry, struct pfw_error *err)
{
	int ret = make_room(store, store->n_files + 1, err);

	return ret ? ret : add_file(store, entry, err);
}

void pfw_store_set_draft(struct pfw_store *store, const struct pfw_draft *draft)
{
	store->draft = draft;
}

int pfw_store_read(struct pfw_store *store, bool writable, struct pfw_buffer *ret,
		   struct pfw_error *err)
{
	const char *path = store->files[0].path;
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
static int take_draft(struct pfw_store *store, size_t *len, struct pfw_error *err)
{
	const struct pfw_draft *draft = store->draft;
	struct file *file = &store->files[0];
	char *text;

	if (!draft->base != !file->exists ||
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

/* The last of all, so that a name or key that stands twice is told of it. */
static int add_runtime(struct pfw_store *store, struct pfw_error *err)
{
	struct file *file;
	int ret;

	if (!store->runtime)
		return 0;
	ret = make_room(store, store->n_files + 1, err);
	if (ret < 0)
		return ret;
	file = &store->files[store->n_files];
	*file = (struct file){ .path = strdup(store->runtime) };
	if (!file->path)
		return pfw_fail_memory(err);
	store->paths[store->n_files++] = file->path;
	return 0;
}

/* Who can write there can send anybody's connections anywhere. */
static int check_owner(const struct file *file, struct pfw_error *err)
{
	const struct stat *st = &file->stat;

	if ((st->st_uid == 0 || st->st_uid == geteuid()) && !(st->st_mode & (S_IWGRP | S_IWOTH)))
		return 0;
	return pfw_fail(err, PFW_NOT_PERMITTED, -EPERM,
			"%s belongs to somebody else, or others may write it", file->path);
}

/* -EINVAL is about what the file says; then the others are still read, for their errors. */
static int load_file(struct pfw_store *store, uint32_t number, struct pfw_ruleset *ruleset,
		     struct pfw_error *err)
{
	struct file *file = &store->files[number];
	const char *context = err->file;
	bool drafted = number == 0 && store->draft, runtime = pfw_store_is_runtime(store, number);
	size_t len = 0;
	int ret;

	if (runtime && store->runtime_stale)
		return 0;
	ret = file_read(file->path, &file->text, &len, &file->stat, err);
	if (runtime && ret == -ENOENT)
		return 0;
	if (runtime && !ret)
		ret = check_owner(file, err);
	if (ret == -ENOENT && number)
		return pfw_fail_errno(err, ret, "cannot read %s", file->path);
	file->exists = !ret;
	if (drafted && (!ret || ret == -ENOENT))
		ret = take_draft(store, &len, err);
	if (ret < 0)
		return ret == -EINVAL ? -EIO : ret;
	file->doc.files = store->paths;
	err->file = file->path;
	ret = pfw_document_parse(&file->doc, file->text, len, number, number == 0, ruleset, err);
	err->file = context;
	return ret;
}

static int load_all(struct pfw_store *store, bool required, struct pfw_ruleset *ruleset,
		    struct pfw_error *err)
{
	bool invalid = false;
	uint32_t i;
	int ret;

	ret = find_drop_ins(store, err);
	if (!ret)
		ret = add_runtime(store, err);
	if (ret < 0)
		return ret;
	for (i = 0; i < store->n_files; i++) {
		ret = load_file(store, i, ruleset, err);
		if (ret == -ENOENT && !required && i == 0)
			continue;
		if (ret == -ENOENT && i == 0)
			return pfw_fail(err, PFW_FAILED, ret, "cannot read %s: there is no such "
					"file; \"portfwd add\" makes it", store->files[0].path);
		if (ret < 0 && ret != -EINVAL)
			return ret;
		invalid |= ret < 0;
	}
	if (invalid)
		return -EINVAL;
	return pfw_config_finish(ruleset, store->paths, err);
}

int pfw_store_load(struct pfw_store *store, bool required, struct pfw_ruleset *ruleset,
		   struct pfw_error *err)
{
	int ret;

	forget(store);
	ruleset->settings = pfw_settings_default;
	ret = load_all(store, required, ruleset, err);
	if (ret < 0) {
		pfw_ruleset_free(ruleset);
		forget(store);
		return ret;
	}
	store->loaded = true;
	return 0;
}
