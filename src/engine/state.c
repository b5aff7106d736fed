/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the run directory remembers of a network namespace. */
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "portfwd/base/file.h"
#include "portfwd/base/lock.h"
#include "portfwd/kernel/netns.h"
#include "portfwd/kernel/sysctl.h"
#include "state.h"

#define BOOT_ID "kernel/random/boot_id"

int state_open(struct state *state, const char *run_dir, struct pfw_error *err)
{
	uint64_t id;
	int ret = pfw_netns_id(&id, &state->unique, err);

	if (ret)
		return ret;
	if (asprintf(&state->folder, "%s/net-%llu", run_dir, (unsigned long long)id) < 0) {
		state->folder = NULL;
		return pfw_fail_memory(err);
	}
	return 0;
}

void state_unlock(struct state *state)
{
	if (state->lock >= 0)
		close(state->lock);
	state->lock = -1;
	state->exclusive = false;
}

static void forget(struct state *state)
{
	free(state->config);
	free(state->why);
	pfw_host_record_free(&state->host);
	state->config = state->why = NULL;
	state->backend = NULL;
	state->fileless = state->draining = false;
}

void state_free(struct state *state)
{
	state_unlock(state);
	forget(state);
	free(state->folder);
	*state = (struct state){ .lock = -1 };
}

/* The folder, and what is above it. */
static int make_folder(const struct state *state, struct pfw_error *err)
{
	char *path = strdup(state->folder), *slash;
	int ret = 0;

	if (!path)
		return pfw_fail_memory(err);
	for (slash = strchr(path + 1, '/'); !ret; slash = strchr(slash + 1, '/')) {
		if (slash)
			*slash = '\0';
		if (mkdir(path, 0755) && errno != EEXIST)
			ret = pfw_fail_errno(err, -errno, "cannot make %s", path);
		if (!slash)
			break;
		*slash = '/';
	}
	free(path);
	return ret;
}

/*
 * What is read here is written back to sysctls as root, so nobody else may have a
 * hand in it. A folder that is not there yet is fine.
 */
static int check_folder(const char *path, bool link_too, struct pfw_error *err)
{
	struct stat st;

	if (link_too ? lstat(path, &st) : stat(path, &st))
		return errno == ENOENT ? 0 : pfw_fail_errno(err, -errno, "cannot use %s", path);
	if (!S_ISDIR(st.st_mode))
		return pfw_fail(err, PFW_FAILED, -ENOTDIR, "%s is not a folder", path);
	if ((st.st_uid != 0 && st.st_uid != geteuid()) ||
	    (st.st_mode & (S_IWGRP | S_IWOTH) && !(st.st_mode & S_ISVTX)))
		return pfw_fail(err, PFW_NOT_PERMITTED, -EPERM,
				"%s belongs to somebody else, or others may write there; use another "
				"--run-dir", path);
	return 0;
}

static int check_folders(const struct state *state, struct pfw_error *err)
{
	char *above = strdup(state->folder), *slash;
	int ret;

	if (!above)
		return pfw_fail_memory(err);
	slash = strrchr(above, '/');
	if (slash && slash != above)
		*slash = '\0';
	ret = check_folder(above, false, err);
	free(above);
	return ret ? ret : check_folder(state->folder, true, err);
}

/* How often the folder may vanish between making it and opening the lock. */
#define LOCK_ATTEMPTS 100

static int open_lock(const struct state *state, bool exclusive, int *ret, struct pfw_error *err)
{
	const int flags = exclusive ? O_RDWR | O_CREAT : O_RDONLY;
	int code = 0, fd = -1, attempt;
	char *path;

	if (asprintf(&path, "%s/lock", state->folder) < 0)
		return pfw_fail_memory(err);
	for (attempt = 0; !code && fd < 0 && attempt < LOCK_ATTEMPTS; attempt++) {
		code = exclusive ? make_folder(state, err) : 0;
		if (!code)
			fd = open(path, flags | O_CLOEXEC | O_NOFOLLOW, 0600);
		if (!code && fd < 0 && errno == EACCES)
			code = pfw_fail(err, PFW_NOT_PERMITTED, -EACCES, "cannot open %s: %s; run as "
					"root", path, strerror(EACCES));
		else if (!code && fd < 0 && (!exclusive || errno != ENOENT))
			code = pfw_fail_errno(err, -errno, "cannot open %s", path);
	}
	if (!code && fd < 0)
		code = pfw_fail_errno(err, -ENOENT, "cannot open %s", path);
	free(path);
	if (!code)
		*ret = fd;
	return code;
}

static int wait_for_lock(const struct state *state, int fd, bool exclusive, bool wait,
			 struct pfw_error *err)
{
	int code = pfw_lock_wait(fd, exclusive ? LOCK_EX : LOCK_SH,
				 pfw_lock_deadline(wait ? STATE_LOCK_SECONDS : 0));

	if (code == -ETIMEDOUT)
		return pfw_fail(err, PFW_FAILED, code,
				"another portfwd has been changing this network namespace for "
				"%u seconds; try again when it is done", STATE_LOCK_SECONDS);
	return code ? pfw_fail_errno(err, code, "cannot lock %s/lock", state->folder) : 0;
}

static bool is_current(const struct state *state, int fd)
{
	char *path;
	bool ret;

	if (asprintf(&path, "%s/lock", state->folder) < 0)
		return true;
	ret = pfw_lock_is_current(fd, path);
	free(path);
	return ret;
}

int state_lock(struct state *state, bool exclusive, bool wait, struct pfw_error *err)
{
	int fd = -1, code = check_folders(state, err);

	if (code)
		return code;
	for (;;) {
		code = open_lock(state, exclusive, &fd, err);
		if (code && !exclusive) {
			pfw_error_clear(err);
			return 0;
		}
		if (code)
			return code;
		code = wait_for_lock(state, fd, exclusive, wait, err);
		if (!code && is_current(state, fd))
			break;
		close(fd);
		if (code)
			return code;
	}
	state->lock = fd;
	state->exclusive = exclusive;
	return 0;
}

char *state_runtime(const struct state *state)
{
	char *path;

	return asprintf(&path, "%s/runtime.json", state->folder) < 0 ? NULL : path;
}

int state_forget_runtime(const struct state *state, bool *ret_was, struct pfw_error *err)
{
	char *path = state_runtime(state);
	bool was;
	int ret = 0;

	if (!path)
		return pfw_fail_memory(err);
	was = !unlink(path);
	if (!was && errno != ENOENT)
		ret = pfw_fail_errno(err, -errno, "cannot remove %s", path);
	free(path);
	if (!ret && ret_was)
		*ret_was = was;
	return ret;
}

static bool is_there(const struct state *state, const char *name)
{
	bool there;
	char *path;

	if (asprintf(&path, "%s/%s", state->folder, name) < 0)
		return true;
	there = !access(path, F_OK);
	free(path);
	return there;
}

void state_tidy(const struct state *state)
{
	char *path;

	if (state->lock < 0 || !state->exclusive || is_there(state, "state.json") ||
	    is_there(state, "runtime.json") || asprintf(&path, "%s/lock", state->folder) < 0)
		return;
	unlink(path);
	free(path);
	/* Of somebody who was killed while he saved. */
	if (asprintf(&path, "%s/state.json.new", state->folder) >= 0) {
		unlink(path);
		free(path);
	}
	rmdir(state->folder);
}

/* It is written back as root: nothing but what the host backend itself changes. */
static bool is_entry(const char *key, const char *was)
{
	static const char *const leaves[] = { "forwarding", "force_forwarding", "accept_ra",
					     PFW_HOST_LOCALNET };
	char name[PFW_IFNAME_SIZE];
	const char *leaf;
	size_t i;

	if (strspn(was, "0123456789") != strlen(was) || !*was || strlen(was) > 2)
		return false;
	if (!strcmp(key, "net/ipv4/ip_forward") ||
	    !strcmp(key, "net/ipv4/conf/all/accept_redirects"))
		return true;
	if (!strcmp(key, "net/ipv6/conf/all/forwarding") ||
	    !strcmp(key, "net/ipv6/conf/all/force_forwarding"))
		return true;
	leaf = pfw_host_key_interface(key, name);
	if (!leaf || !strcmp(name, ".") || !strcmp(name, ".."))
		return false;
	for (i = 0; i < sizeof(leaves) / sizeof(*leaves); i++)
		if (!strcmp(leaf, leaves[i]))
			return true;
	return false;
}

/* JSON takes no text but UTF-8, and a name may be any bytes: %XX stands for those. */
#define ESCAPE "%%%02x"

static void escape(const char *text, char *ret, size_t size)
{
	size_t at = 0;

	for (; *text && at + 4 < size; text++)
		at += (size_t)snprintf(ret + at, size - at,
				       *text > ' ' && *text < 0x7f && *text != '%' ? "%c" : ESCAPE,
				       (unsigned char)*text);
	ret[at] = '\0';
}

static void unescape(const char *text, char *ret, size_t size)
{
	unsigned int byte;
	size_t at = 0;
	int len;

	for (; *text && at + 1 < size; text += len) {
		byte = (unsigned char)*text;
		len = 1;
		if (*text != '%' || sscanf(text, "%%%2x%n", &byte, &len) != 1 || len != 3)
			len = 1;
		ret[at++] = len == 3 ? (char)byte : *text;
	}
	ret[at] = '\0';
}

/* "net/ipv4/conf/" and the like, a name, a leaf; each byte of the name may take three. */
#define KEY_SIZE 128

static uint32_t take_index(const json_t *object)
{
	json_int_t index = json_integer_value(json_object_get(object, "index"));

	return index > 0 && index <= INT32_MAX ? (uint32_t)index : 0;
}

static int take_entries(struct state *state, const json_t *entries)
{
	const char *text, *was;
	char key[KEY_SIZE];
	json_t *entry;
	size_t i;

	json_array_foreach(entries, i, entry) {
		text = json_string_value(json_object_get(entry, "key"));
		was = json_string_value(json_object_get(entry, "was"));
		if (!text || !was)
			continue;
		unescape(text, key, sizeof(key));
		if (is_entry(key, was) &&
		    pfw_host_record_add(&state->host, key, was, take_index(entry)))
			return -ENOMEM;
	}
	return 0;
}

static const char *const family_names[] = { "ipv4", "ipv6" };

/* An interface is an object; one of which nothing but the name is known, a text. */
static int take_guarded(struct state *state, const json_t *guarded)
{
	char name[PFW_IFNAME_SIZE + 1];
	const char *text;
	unsigned int f;
	json_t *link;
	size_t i;

	for (f = 0; f < 2; f++)
		json_array_foreach(json_object_get(guarded, family_names[f]), i, link) {
			text = json_string_value(json_is_object(link) ?
						 json_object_get(link, "name") : link);
			if (!text)
				continue;
			unescape(text, name, sizeof(name));
			if (pfw_links_add(&state->host.guarded[f], name, take_index(link),
					  json_is_true(json_object_get(link, "routed"))))
				return -ENOMEM;
		}
	return 0;
}

/* One that is not built in has programmed nothing that we could know. */
static int take_backend(struct state *state, const json_t *root)
{
	const char *name = json_string_value(json_object_get(root, "backend"));
	const char *why = json_string_value(json_object_get(root, "why"));
	const struct pfw_backend *backend = name ? pfw_backend_find(name) : NULL;

	state->backend = backend ? backend->name : NULL;
	state->why = why ? strdup(why) : NULL;
	return why && !state->why ? -ENOMEM : 0;
}

static int take_state(struct state *state, const json_t *root, struct pfw_error *err)
{
	char boot[PFW_SYSCTL_VALUE] = "";
	const char *of = json_string_value(json_object_get(root, "boot"));
	const char *config = json_string_value(json_object_get(root, "config"));

	if (pfw_sysctl_read(BOOT_ID, boot, err))
		pfw_error_clear(err);
	if (!of || strcmp(of, boot))
		return 0;
	if (config) {
		state->config = strdup(config);
		if (!state->config)
			return pfw_fail_memory(err);
	}
	if (take_backend(state, root))
		return pfw_fail_memory(err);
	state->fileless = json_is_true(json_object_get(root, "fileless"));
	state->moving = json_is_true(json_object_get(root, "moving"));
	state->draining = json_is_true(json_object_get(root, "draining"));
	if (take_entries(state, json_object_get(root, "sysctl")) ||
	    take_guarded(state, json_object_get(root, "guarded")))
		return pfw_fail_memory(err);
	return 0;
}

/* NULL with errno; a link, or something that makes us wait, is not followed. */
static FILE *open_plain(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	FILE *file;

	if (fd < 0)
		return NULL;
	file = fdopen(fd, "r");
	if (!file)
		close(fd);
	return file;
}

int state_load(struct state *state, struct pfw_error *err)
{
	json_error_t where;
	json_t *root;
	char *path;
	FILE *file;
	int ret = 0;

	forget(state);
	if (asprintf(&path, "%s/state.json", state->folder) < 0)
		return pfw_fail_memory(err);
	file = open_plain(path);
	if (!file) {
		if (errno != ENOENT && errno != EACCES)
			ret = pfw_fail_errno(err, -errno, "cannot read %s", path);
		free(path);
		return ret;
	}
	root = json_loadf(file, JSON_REJECT_DUPLICATES, &where);
	fclose(file);
	if (root)
		ret = take_state(state, root, err);
	else
		ret = pfw_fail(err, PFW_FAILED, -EBADMSG,
			       "%s is damaged (line %d: %s); set net.ipv4.ip_forward and "
			       "net.ipv6.conf.all.forwarding to what they are without portfwd, remove "
			       "the file, then \"portfwd reload\"", path, where.line, where.text);
	json_decref(root);
	free(path);
	return ret;
}

static json_t *pack_links(const struct pfw_links *links)
{
	json_t *list = json_array();
	const struct pfw_link *link;
	char name[KEY_SIZE];
	size_t i;

	for (i = 0; i < links->n; i++) {
		link = &links->list[i];
		escape(link->name, name, sizeof(name));
		if (json_array_append_new(list, json_pack("{s:s, s:I, s:b}", "name", name, "index",
							  (json_int_t)link->index, "routed",
							  (int)link->routed))) {
			json_decref(list);
			return NULL;
		}
	}
	return list;
}

static json_t *pack_state(const struct state *state, const struct pfw_host_record *host)
{
	struct pfw_error ignored = PFW_ERROR_INIT;
	char boot[PFW_SYSCTL_VALUE] = "";
	json_t *entries = json_array();
	const struct pfw_host_entry *entry;
	char key[KEY_SIZE];
	size_t i;

	pfw_sysctl_read(BOOT_ID, boot, &ignored);
	for (i = 0; i < host->n_entries; i++) {
		entry = &host->entries[i];
		escape(entry->key, key, sizeof(key));
		if (json_array_append_new(entries, json_pack("{s:s, s:s, s:I}", "key", key, "was",
							     entry->was, "index",
							     (json_int_t)entry->index)))
			goto fail;
	}
	return json_pack("{s:s, s:s?, s:s?, s:s?, s:b, s:b, s:b, s:o, s:{s:o, s:o}}", "boot", boot,
			 "config", state->config, "backend", state->backend, "why", state->why,
			 "fileless", (int)state->fileless, "moving", (int)state->moving, "draining",
			 (int)state->draining, "sysctl", entries, "guarded",
			 family_names[0], pack_links(&host->guarded[0]),
			 family_names[1], pack_links(&host->guarded[1]));
fail:
	json_decref(entries);
	return NULL;
}

static int write_whole(const char *path, const char *text, size_t len)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0644);
	int ret;

	if (fd < 0)
		return -errno;
	ret = pfw_file_write(fd, text, len);
	if (!ret && fsync(fd))
		ret = -errno;
	close(fd);
	return ret;
}

static int replace(const char *folder, const char *text, struct pfw_error *err)
{
	char *path = NULL, *temp = NULL;
	int ret;

	if (asprintf(&path, "%s/state.json", folder) < 0 ||
	    asprintf(&temp, "%s/state.json.new", folder) < 0) {
		ret = pfw_fail_memory(err);
		goto out;
	}
	ret = text ? write_whole(temp, text, strlen(text)) : 0;
	if (!ret && text && rename(temp, path))
		ret = -errno;
	if (!ret && !text && unlink(path) && errno != ENOENT)
		ret = -errno;
	if (ret) {
		unlink(temp);
		pfw_fail_errno(err, ret, "cannot save %s", path);
	}
out:
	free(path);
	free(temp);
	return ret;
}

int state_save(const struct state *state, const struct pfw_host_record *host, struct pfw_error *err)
{
	json_t *root;
	char *text;
	int ret;

	if (!state->config && !host->n_entries)
		return replace(state->folder, NULL, err);
	ret = make_folder(state, err);
	if (ret)
		return ret;
	root = pack_state(state, host);
	text = root ? json_dumps(root, JSON_INDENT(1)) : NULL;
	json_decref(root);
	if (!text)
		return pfw_fail_memory(err);
	ret = replace(state->folder, text, err);
	free(text);
	return ret;
}
