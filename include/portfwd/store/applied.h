/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Copies of a whole configuration beside its main file: what is applied, and what was reloaded on
 * trial until it is confirmed; and the mark that such a trial is under way. All of it needs the
 * store's lock.
 */
#ifndef PORTFWD_STORE_APPLIED_H
#define PORTFWD_STORE_APPLIED_H

#include <stdbool.h>

#include "portfwd/base/buffer.h"
#include "portfwd/base/error.h"
#include "portfwd/store/store.h"

enum pfw_kept {
	PFW_KEPT_APPLIED,	/* .NAME.applied */
	PFW_KEPT_TRIED,		/* .NAME.tried */
};

/*
 * Copies the files that were loaded last, as they are now: one file for all, readable for its owner
 * only, fsynced where sync is set. Nothing is written where the copy says that already. Where it
 * fails there is no copy any more.
 */
int pfw_store_keep(struct pfw_store *store, enum pfw_kept which, bool sync, struct pfw_error *err);
/* Makes the copy of what was tried the one of what is applied. */
int pfw_store_keep_tried(struct pfw_store *store, struct pfw_error *err);
void pfw_store_forget(struct pfw_store *store, enum pfw_kept which);

/*
 * Whether the files that were loaded last are, byte for byte, what is kept as applied. -ENOENT,
 * without words, if nothing is kept, or what is there is damaged.
 */
int pfw_store_is_applied(const struct pfw_store *store, bool *ret, struct pfw_error *err);

/*
 * Makes the files what is kept as applied. What they said stays beside them, as NAME.unconfirmed.
 * A file that says it already is not touched. What fails, or is killed, is brought to its end by calling
 * it again. With empty, what was applied had no files at all. Load afterwards.
 */
int pfw_store_restore(struct pfw_store *store, bool empty, struct pfw_error *err);

/*
 * Marks that a trial is under way, with words for whoever comes later; in the place of a mark that
 * is there. *ret_fd: as long as it is open, whoever reads the mark sees it watched.
 */
int pfw_store_mark(struct pfw_store *store, const char *words, int *ret_fd, struct pfw_error *err);
/* The words of the mark; -ENOENT without words in err if there is none. Needs no lock. */
int pfw_store_read_mark(const struct pfw_store *store, struct pfw_buffer *ret, bool *ret_watched,
			struct pfw_error *err);
/* Removes the mark, and the copy of what was tried. */
int pfw_store_unmark(struct pfw_store *store, struct pfw_error *err);
/* The mark's path; NULL without memory. */
char *pfw_store_mark_path(const struct pfw_store *store);

#endif
