/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Writing what the journal says to the file. The file comes first and the journal goes then: who is
 * killed in between leaves lines that say what the file says already.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "files.h"
#include "portfwd/base/file.h"

struct pfw_settling {
	uint64_t n_loads;	/* of the store when it began */
	struct file file;	/* the main file as it was then */
	struct tickets tickets;	/* that it will have */
	struct pfw_edit *edits;
	size_t n_edits;
	char **texts;		/* that edits point to */
	size_t n_pendings;	/* so much of the journal is done with it */
	size_t n_lines;
	off_t len;
	char *temp;		/* the new file; NULL: it says all of this already */
	uint64_t digest;	/* of its text */
	char *copy_path;	/* where its copy goes; NULL: none is wanted, or not of it alone */
	char *copy;		/* that copy, under another name; or NULL */
};

/* ---- Beginning: what is to be done, as far as the store must be asked */

static int copy_wishes(const struct pendings *pendings, struct pfw_settling *to, struct wish *wishes)
{
	size_t i;

	for (i = 0; i < pendings->n; i++) {
		wishes[i] = (struct wish){ .ticket = pendings->list[i].ticket, .order = i };
		if (!pendings->list[i].text)
			continue;
		to->texts[i] = strdup(pendings->list[i].text);
		if (!to->texts[i])
			return -ENOMEM;
		wishes[i].text = to->texts[i];
	}
	return 0;
}

static int plan_edits(const struct file *file, const struct pendings *pendings,
		      struct pfw_settling *to)
{
	struct wish *wishes = calloc(pendings->n + 1, sizeof(*wishes));
	uint32_t *appended = calloc(pendings->n + 1, sizeof(*appended));
	int ret = -ENOMEM;

	to->n_pendings = pendings->n;
	to->texts = calloc(pendings->n + 1, sizeof(*to->texts));
	to->edits = calloc(pendings->n + 1, sizeof(*to->edits));
	if (wishes && appended && to->texts && to->edits)
		ret = copy_wishes(pendings, to, wishes);
	if (!ret) {
		to->n_edits = edits_make(&file->tickets, wishes, pendings->n, to->edits, appended);
		ret = tickets_edit(&file->tickets, to->edits, to->n_edits, appended,
				   &to->tickets);
	}
	free(wishes);
	free(appended);
	return ret;
}

int pfw_store_settle_begin(struct pfw_store *store, struct pfw_settling **ret, struct pfw_error *err)
{
	const struct journal *journal = &store->now.journal;
	const struct file *file = store->now.files;
	struct pfw_settling *to;
	int code = 0;

	*ret = NULL;
	if (!file || (!journal->left && !journal->len))
		return 0;
	if (store->lock_refused)
		return pfw_fail_errno(err, store->lock_refused, "cannot save %s", store->path);
	to = calloc(1, sizeof(*to));
	if (!to)
		return pfw_fail_memory(err);
	to->n_loads = store->n_loads;
	to->n_lines = journal->n_lines;
	to->len = journal->len;
	to->file.seen = file->seen;
	to->file.tickets.n = file->tickets.n;
	to->file.path = strdup(file->path);
	if (!to->file.path || plan_edits(file, &journal->pendings, to))
		code = pfw_fail_memory(err);
	if (!code && to->n_edits)
		code = folder_make(store, err);
	if (code) {
		pfw_settling_free(to);
		return code;
	}
	temp_sweep(store, file->path);
	to->copy_path = applied_copy_path(store);
	*ret = to;
	return 0;
}

/* ---- Preparing: this asks nothing but the disk */

static int refuse_changed(const char *path, struct pfw_error *err)
{
	return pfw_fail(err, PFW_FAILED, -ESTALE, "cannot save %s: somebody else changed it "
			"meanwhile", path);
}

int pfw_settling_prepare(struct pfw_settling *settling, struct pfw_error *err)
{
	struct file *file = &settling->file;
	struct pfw_buffer text = { 0 };
	int ret;

	if (!settling->n_edits)
		return 0;
	ret = file_open_text(file, err);
	if (ret == -ESTALE)
		refuse_changed(file->path, err);
	if (!ret)
		ret = pfw_document_edit(&file->doc, settling->edits, settling->n_edits, &text, err);
	file_forget_text(file);
	if (!ret)
		ret = temp_write(file->path, &file->seen, text.data, text.len, &settling->temp, err);
	if (!ret)
		settling->digest = pfw_hash(text.data, text.len);
	if (!ret && settling->copy_path)
		settling->copy = applied_write_copy(settling->copy_path, settling->temp, &file->seen,
						    text.data, text.len);
	pfw_buffer_free(&text);
	return ret;
}

/* ---- Ending */

static int keep_rejected(struct pfw_store *store, struct pfw_error *err)
{
	struct pfw_buffer *rejected = &store->now.journal.rejected;
	char *path;
	int fd, ret = 0;

	if (!rejected->len)
		return 0;
	if (asprintf(&path, "%s.rejected", store->journal_path) < 0)
		return pfw_fail_memory(err);
	fd = open(path, O_WRONLY | O_APPEND | O_CREAT | PLAIN, 0600);
	if (fd < 0)
		ret = -errno;
	if (!ret)
		ret = pfw_file_write(fd, rejected->data, rejected->len);
	if (!ret && fsync(fd) < 0)
		ret = -errno;
	if (fd >= 0)
		close(fd);
	if (ret)
		pfw_fail_errno(err, ret, "cannot save %s", path);
	else
		pfw_buffer_free(rejected);
	free(path);
	return ret;
}

static int replace_file(struct pfw_store *store, struct pfw_settling *settling, struct pfw_error *err)
{
	struct file *file = store->now.files;
	int ret = 0;

	if (!settling->temp)
		return 0;
	if (rename(settling->temp, file->path) < 0)
		return pfw_fail_errno(err, -errno, "cannot save %s", file->path);
	free(settling->temp);
	settling->temp = NULL;
	seen_take(&file->seen, file->path);
	file_forget_text(file);
	settling->tickets.next = file->tickets.next;
	tickets_free(&file->tickets);
	file->tickets = settling->tickets;
	settling->tickets = (struct tickets){ 0 };
	store->now.digest = settling->digest;
	ret = folder_sync(file->path);
	return ret ? pfw_fail_errno(err, ret, "cannot save %s", file->path) : 0;
}

/* Lines that came meanwhile stay. */
static int keep_rest(const struct pfw_store *store, off_t from, struct pfw_error *err)
{
	const struct journal *journal = &store->now.journal;
	char *text = NULL, *temp = NULL;
	struct stat stat;
	size_t len;
	int ret = file_read_plain(store->journal_path, &text, &len, &stat, err);

	if (!ret && len != (size_t)journal->len)
		ret = refuse_changed(store->journal_path, err);
	temp_sweep(store, store->journal_path);
	if (!ret)
		ret = temp_write(store->journal_path, &journal->seen, text + from, len - (size_t)from,
				 &temp, err);
	if (!ret && rename(temp, store->journal_path) < 0)
		ret = -errno;
	if (!ret)
		ret = folder_sync(store->journal_path);
	else if (temp)
		unlink(temp);
	free(temp);
	free(text);
	return ret;
}

/* It must be gone for good before anybody edits the file: it could bring back what that took away. */
static int empty_journal(const struct pfw_store *store)
{
	int fd, ret = 0;

	fd = open(store->journal_path, O_WRONLY | PLAIN);
	if (fd < 0)
		return errno == ENOENT ? 0 : -errno;
	if (ftruncate(fd, 0) < 0 || fsync(fd) < 0)
		ret = -errno;
	close(fd);
	return ret;
}

static int remove_journal(const struct pfw_store *store)
{
	if (unlink(store->journal_path) < 0)
		return errno == ENOENT ? 0 : -errno;
	return folder_sync(store->journal_path);
}

static int shorten_journal(struct pfw_store *store, const struct pfw_settling *settling,
			   struct pfw_error *err)
{
	struct journal *journal = &store->now.journal;
	int ret;

	if (journal->len > settling->len)
		ret = keep_rest(store, settling->len, err);
	else
		ret = store->journals ? empty_journal(store) : remove_journal(store);
	if (ret)
		return err->count ? ret :
				    pfw_fail_errno(err, ret, "cannot empty %s", store->journal_path);
	pendings_drop(&journal->pendings, settling->n_pendings);
	journal->n_lines -= settling->n_lines;
	journal->len -= settling->len;
	journal->left = false;
	seen_take(&journal->seen, store->journal_path);
	return 0;
}

int pfw_store_settle_end(struct pfw_store *store, struct pfw_settling *settling, struct pfw_error *err)
{
	uint64_t before = store->now.digest;
	int ret;

	if (settling->n_loads != store->n_loads || file_changed(store->now.files))
		return refuse_changed(store->path, err);
	applied_keep_journal(store);
	ret = keep_rejected(store, err);
	if (!ret)
		ret = replace_file(store, settling, err);
	if (!ret)
		ret = shorten_journal(store, settling, err);
	/* What was done in part is looked at anew. */
	if (ret)
		store->now.files[0].seen.racy = true;
	/* Tickets begin anew before they run out. */
	if (store->now.files[0].tickets.next > UINT32_MAX / 2)
		store->now.files[0].seen.racy = true;
	store->n_loads++;
	if (!ret)
		applied_follow(store, before, &settling->copy);
	return ret;
}

void pfw_settling_free(struct pfw_settling *settling)
{
	size_t i;

	if (!settling)
		return;
	if (settling->temp)
		unlink(settling->temp);
	free(settling->temp);
	if (settling->copy)
		unlink(settling->copy);
	free(settling->copy);
	free(settling->copy_path);
	for (i = 0; settling->texts && i < settling->n_pendings; i++)
		free(settling->texts[i]);
	free(settling->texts);
	free(settling->edits);
	tickets_free(&settling->tickets);
	file_free(&settling->file);
	free(settling);
}

int pfw_store_settle(struct pfw_store *store, struct pfw_error *err)
{
	struct pfw_settling *settling;
	int ret = pfw_store_settle_begin(store, &settling, err);

	if (ret || !settling)
		return ret;
	ret = pfw_settling_prepare(settling, err);
	if (!ret)
		ret = pfw_store_settle_end(store, settling, err);
	pfw_settling_free(settling);
	return ret;
}

int pfw_store_end_journal(struct pfw_store *store, struct pfw_error *err)
{
	int ret = pfw_store_settle(store, err);

	if (!ret && store->now.files && !store->now.journal.len)
		ret = remove_journal(store);
	return ret;
}
