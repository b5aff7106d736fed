/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The journal: changes of the main file that are not written there yet, a line each, so that a
 * process that stays need not write the whole file before it answers. A line counts once it is
 * there with its newline. FILE.journal has lines like
 *
 *	{"base": DIGEST, "put": FORWARD, "was": STATE}
 *	{"base": DIGEST, "drop": NAME, "was": STATE}
 *	{"base": DIGEST, "changes": [{"put": ..., "was": ...}, ...]}
 *
 * where the digest is of the file that the change belongs to, and the state is what was said of
 * the name before.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "files.h"
#include "portfwd/base/file.h"

/* ---- Reading */

/* Whose line it takes for true can send anybody's connections anywhere. */
static int check_owner(const struct pfw_store *store, const struct stat *st, struct pfw_error *err)
{
	struct stat file;
	bool same = !stat(store->path, &file) && st->st_uid == file.st_uid;

	if ((same || st->st_uid == 0 || st->st_uid == geteuid()) && st->st_nlink <= 1 &&
	    !(st->st_mode & (S_IWGRP | S_IWOTH)))
		return 0;
	return pfw_fail(err, PFW_NOT_PERMITTED, -EPERM, "%s belongs to somebody else, has other names "
			"too, or others may write it; look at it, and remove it",
			store->journal_path);
}

static size_t whole_lines(const char *text, size_t len)
{
	while (len && text[len - 1] != '\n')
		len--;
	return len;
}

int journal_read(const struct pfw_store *store, struct loaded *to, char **ret_text, size_t *ret_len,
		 struct pfw_error *err)
{
	struct journal *journal = &to->journal;
	char *text = NULL;
	size_t len;
	int ret;

	seen_take(&journal->seen, store->journal_path);
	if (!journal->seen.exists || (S_ISREG(journal->seen.stat.st_mode) && !journal->seen.stat.st_size))
		return 0;
	ret = file_read_plain(store->journal_path, &text, &len, &journal->seen.stat, err);
	if (ret == -ENOENT) {
		journal->seen.exists = false;
		return 0;
	}
	if (ret == -EACCES && !lock_is_held(store)) {
		pfw_error_clear(err);
		pfw_buffer_printf(&journal->notice, "%s cannot be read, so what it says is left out",
				  store->journal_path);
		return 0;
	}
	if (!ret)
		ret = check_owner(store, &journal->seen.stat, err);
	if (ret) {
		free(text);
		return ret;
	}
	seen_judge(&journal->seen);
	journal->left = true;
	journal->len = (off_t)whole_lines(text, len);
	*ret_text = text;
	*ret_len = (size_t)journal->len;
	return 0;
}

void journal_free(struct journal *journal)
{
	journal_unstage(journal);
	pendings_free(&journal->pendings);
	pfw_buffer_free(&journal->rejected);
	pfw_buffer_free(&journal->notice);
	*journal = (struct journal){ 0 };
}

/* ---- Writing */

static int print_was(const struct pfw_forward *was, struct pfw_buffer *line)
{
	char *text = was ? pfw_forward_text(was) : NULL;

	if (was && !text)
		return -ENOMEM;
	if (was)
		pfw_buffer_printf(line, "\"was\": \"%016" PRIx64 "\"", forward_state(text));
	else
		pfw_buffer_puts(line, "\"was\": null");
	free(text);
	return 0;
}

/* The change as it stands in the line, and what it makes of the file. Names need no escape. */
static int stage_change(struct loaded *now, const struct pfw_change *change, struct pfw_buffer *line)
{
	const uint32_t ticket = change->forward.origin.position;
	char *text;
	int ret;

	if (change->what == PFW_DROP) {
		pfw_buffer_printf(line, "\"drop\": \"%s\", ", change->name);
		ret = pendings_add_gone(&now->journal.more, ticket, change->name);
	} else {
		text = pfw_forward_text(&change->forward);
		if (!text)
			return -ENOMEM;
		pfw_buffer_printf(line, "\"put\": %s, ", text);
		ret = pendings_add(&now->journal.more, ticket, text);
	}
	return ret ? ret : print_was(change->was, line);
}

static int stage_changes(struct pfw_store *store, struct pfw_change *changes, size_t n, size_t n_main,
			 struct pfw_buffer *line)
{
	struct loaded *now = &store->now;
	size_t i, done = 0;
	bool fresh;

	for (i = 0; i < n; i++) {
		if (origin_file(store, &changes[i].forward.origin, &fresh))
			continue;
		if (fresh)
			changes[i].forward.origin =
				(struct pfw_origin){ 0, now->files[0].tickets.next++ };
		if (n_main > 1)
			pfw_buffer_puts(line, done ? ", {" : "{");
		if (stage_change(now, &changes[i], line))
			return -ENOMEM;
		if (n_main > 1)
			pfw_buffer_puts(line, "}");
		done++;
	}
	return 0;
}

int journal_stage(struct pfw_store *store, struct pfw_change *changes, size_t n,
		  struct pfw_error *err)
{
	struct journal *journal = &store->now.journal;
	struct pfw_buffer line = { 0 };
	size_t i, n_main = 0;
	bool fresh;

	for (i = 0; i < n; i++)
		n_main += origin_file(store, &changes[i].forward.origin, &fresh) == 0;
	pfw_buffer_printf(&line, "{\"base\": \"%016" PRIx64 "\", ", store->now.digest);
	if (n_main > 1)
		pfw_buffer_puts(&line, "\"changes\": [");
	if (stage_changes(store, changes, n, n_main, &line) ||
	    pendings_grow(&journal->pendings, n_main))
		line.failed = true;
	pfw_buffer_puts(&line, n_main > 1 ? "]}\n" : "}\n");
	if (line.failed) {
		pfw_buffer_free(&line);
		journal_unstage(journal);
		return pfw_fail_memory(err);
	}
	journal->line = line.data;
	return 0;
}

void journal_unstage(struct journal *journal)
{
	free(journal->line);
	journal->line = NULL;
	pendings_free(&journal->more);
}

/* Who owns the file may read what will be in it. */
static int give_away(int fd, const struct seen *file)
{
	struct stat now;

	if (fstat(fd, &now) < 0)
		return -errno;
	if (now.st_uid == file->stat.st_uid && now.st_gid == file->stat.st_gid)
		return 0;
	return fchown(fd, file->stat.st_uid, file->stat.st_gid) < 0 ? -errno : 0;
}

/* Opens it to append, made if it is not there. Not the one that we know: -ESTALE. */
static int open_journal(const struct pfw_store *store, int *ret, struct pfw_error *err)
{
	const struct journal *journal = &store->now.journal;
	const int flags = O_WRONLY | O_APPEND | PLAIN;
	int fd = open(store->journal_path, flags | (journal->seen.exists ? 0 : O_CREAT | O_EXCL), 0600);
	struct stat st;
	int code = 0;

	if (fd < 0 && ((errno == ENOENT && journal->seen.exists) || errno == EEXIST))
		return -ESTALE;
	if (fd < 0 || fstat(fd, &st) < 0)
		code = -errno;
	if (!code && (!S_ISREG(st.st_mode) || st.st_size != journal->len))
		code = -ESTALE;
	if (!code && !journal->seen.exists)
		code = give_away(fd, &store->now.files[0].seen);
	else if (!code)
		code = check_owner(store, &st, err);
	if (!code) {
		*ret = fd;
		return 0;
	}
	if (fd >= 0) {
		close(fd);
		if (!journal->seen.exists)
			unlink(store->journal_path);
	}
	return code;
}

/* Size and content come to the disk with it, and nobody asks when. */
static int write_line(int fd, const char *line, size_t len)
{
	int ret = pfw_file_write(fd, line, len);

	return !ret && fdatasync(fd) < 0 ? -errno : ret;
}

static int cannot_append(const struct pfw_store *store, int code, struct pfw_error *err)
{
	if (err->count)
		return code;
	if (code == -ESTALE)
		return pfw_fail(err, PFW_FAILED, code, "cannot save %s: somebody else changed %s; run "
				"the command again", store->path, store->journal_path);
	return pfw_fail_errno(err, code, "cannot save %s: cannot write %s", store->path,
			      store->journal_path);
}

int journal_append(struct pfw_store *store, struct pfw_error *err)
{
	struct journal *journal = &store->now.journal;
	size_t len = strlen(journal->line);
	off_t before = journal->len;
	bool made = !journal->seen.exists;
	int fd = -1, ret = open_journal(store, &fd, err);

	if (ret)
		return cannot_append(store, ret, err);
	ret = write_line(fd, journal->line, len);
	if (!ret && made)
		ret = folder_sync(store->journal_path);
	close(fd);
	if (ret) {
		cannot_append(store, ret, err);
		journal_cut(store, before);
		return ret;
	}
	journal->len += (off_t)len;
	seen_take(&journal->seen, store->journal_path);
	return 0;
}

/*
 * Where even that fails, whoever loads next may take the line for one that was answered; there
 * is nothing left to do about it.
 */
void journal_cut(struct pfw_store *store, off_t len)
{
	struct journal *journal = &store->now.journal;
	int fd = open(store->journal_path, O_WRONLY | PLAIN);

	if (fd >= 0 && !ftruncate(fd, len))
		fdatasync(fd);
	if (fd >= 0)
		close(fd);
	journal->len = len;
	seen_take(&journal->seen, store->journal_path);
}
