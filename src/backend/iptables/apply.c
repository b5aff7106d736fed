/* SPDX-License-Identifier: GPL-2.0-or-later */
/* From an image to the kernel: all tables edited, then committed one after the other, or none. */
#include <errno.h>
#include <string.h>

#include "edit.h"

/* How often a table is put back that others change meanwhile, without the lock. */
#define UNDO_ATTEMPTS 5
#define EDITS (2 * IPT_TABLES)

struct work {
	struct pfw_backend_handle *handle;
	struct ipt_chains wanted;
	struct ipt_edit edits[EDITS];		/* IPv4, IPv6 of each table in turn */
	const struct ipt_edit *committed[EDITS];
	unsigned int n_committed;
	struct ipt_ledger ledger;
};

static int plan(struct work *work, const struct pfw_image *after, struct pfw_error *err)
{
	struct ipt_edit *edit;
	unsigned int i;
	int ret = ipt_chains_make(after, &work->wanted);

	for (i = 0; !ret && i < EDITS; i++) {
		edit = &work->edits[i];
		edit->library = &ipt_libraries[i % 2];
		edit->table = (enum ipt_table)(i / 2);
		edit->standing = &work->handle->standing[i % 2][i / 2];
		edit->wanted = &work->wanted;
		ret = ipt_edit_plan(edit);
	}
	return ret ? pfw_fail_memory(err) : 0;
}

/* A dry run makes no table stand, so of one that does not there is nothing to try. */
static int make_edits(struct work *work, bool dry_run, struct pfw_error *err)
{
	const struct ipt_edit *edit;
	unsigned int i;
	int ret = 0;

	for (i = 0; !ret && i < EDITS; i++) {
		edit = &work->edits[i];
		if (!edit->n_pairs || (dry_run && !edit->standing->table))
			continue;
		if (!edit->standing->table)
			ret = ipt_standing_open(edit->library, edit->table, edit->standing, err);
		if (!ret)
			ret = ipt_edit_make(edit, &work->ledger, err);
	}
	return ret;
}

/* -ESTALE: somebody changed the table without the lock. */
static int commit(const struct ipt_edit *edit, struct pfw_error *err)
{
	if (edit->library->commit(edit->standing->table))
		return 0;
	return errno == EAGAIN ? -ESTALE :
				 ipt_fail_table(edit->library, edit->table, "change", -errno, err);
}

/*
 * The round in which a table is committed: what protects comes before what it protects from, and
 * goes after it.
 */
static unsigned int round_of(const struct ipt_edit *edit)
{
	return edit->table == IPT_TABLE_NAT ? 1 : edit->comes ? 0 : 2;
}

static int commit_all(struct work *work, struct pfw_error *err)
{
	const struct ipt_edit *edit;
	unsigned int round, i;
	int ret = 0;

	for (round = 0; round < 3; round++)
		for (i = 0; !ret && i < EDITS; i++) {
			edit = &work->edits[i];
			if (!edit->n_pairs || round_of(edit) != round)
				continue;
			ret = commit(edit, err);
			/* What failed may stand: its counts are added in a step of their own. */
			if (ret != -ESTALE)
				work->committed[work->n_committed++] = edit;
		}
	return ret;
}

/* Makes a table what it was before the edit. */
static int undo_edit(const struct ipt_edit *edit, struct ipt_ledger *ledger, struct pfw_error *err)
{
	struct ipt_standing now = { 0 };
	struct ipt_edit back = {
		.library = edit->library,
		.table = edit->table,
		.standing = &now,
		.wanted = &edit->standing->chains,
	};
	int ret = ipt_standing_read(edit->library, edit->table, &now, err);

	if (!ret && ipt_edit_plan(&back))
		ret = pfw_fail_memory(err);
	if (!ret && back.n_pairs)
		ret = ipt_edit_make(&back, ledger, err);
	if (!ret && back.n_pairs)
		ret = commit(&back, err);
	ipt_edit_free(&back);
	ipt_standing_free(edit->library, &now);
	return ret;
}

static void undo(struct work *work, struct pfw_error *err)
{
	const struct ipt_edit *edit;
	struct pfw_error failed;
	unsigned int attempt;
	int ret;

	while (work->n_committed) {
		edit = work->committed[--work->n_committed];
		ret = -ESTALE;
		for (attempt = 0; ret == -ESTALE && attempt < UNDO_ATTEMPTS; attempt++) {
			failed = (struct pfw_error)PFW_ERROR_INIT;
			ret = undo_edit(edit, &work->ledger, &failed);
		}
		if (ret)
			pfw_error_add(err, PFW_FAILED,
				      "the %s table %s could not be put back (%s); run \"portfwd "
				      "reload\"", edit->library->words,
				      ipt_table_names[edit->table],
				      failed.count ? failed.item[0].message : strerror(-ret));
	}
}

static void work_free(struct work *work)
{
	unsigned int i;

	for (i = 0; i < EDITS; i++)
		ipt_edit_free(&work->edits[i]);
	ipt_chains_free(&work->wanted);
	ipt_ledger_free(&work->ledger);
}

/* Whether the kernel holds what the difference begins with; from here on under the lock. */
static int check_before(struct pfw_backend_handle *handle, const struct pfw_image *before,
			struct pfw_error *err)
{
	const bool locked = !handle->write || handle->lock.held;
	struct pfw_image image = { 0 };
	int ret = ipt_lock(handle, err);

	if (!ret && !(handle->has_read && locked))
		ret = ipt_read(handle, &image, err);
	pfw_image_free(&image);
	if (ret)
		return ret;
	return handle->digest == ipt_image_digest(before) ? 0 : -ESTALE;
}

int ipt_apply(struct pfw_backend_handle *handle, const struct pfw_image *after,
	      const struct pfw_difference *difference, bool dry_run, struct pfw_error *err)
{
	struct work work = { .handle = handle };
	int ret = check_before(handle, difference->before, err);

	if (!ret)
		ret = plan(&work, after, err);
	if (!ret)
		ret = make_edits(&work, dry_run, err);
	if (!ret && !dry_run) {
		ret = commit_all(&work, err);
		if (ret)
			undo(&work, err);
	}
	work_free(&work);
	ipt_release(handle);
	return ret;
}
