/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The files of a configuration: the main file and its drop-ins (DIR/portfwd.d/
 * *.json beside it, where DIR is the main file's folder), their lock, and saving them whole.
 */
#ifndef PORTFWD_STORE_STORE_H
#define PORTFWD_STORE_STORE_H

#include "portfwd/base/buffer.h"
#include "portfwd/base/error.h"
#include "portfwd/model/ruleset.h"

struct pfw_store;

/*
 * A store for the configuration at path; nothing is read or locked yet. The
 * path is made absolute, symbolic links of the file itself are followed, so that saving
 * replaces the file and not the link.
 */
int pfw_store_open(const char *path, struct pfw_store **ret, struct pfw_error *err);
void pfw_store_close(struct pfw_store *store);

/*
 * Locks the configuration against other writers, by the file .portfwd.lock in the main file's folder
 * and in that of the link to it, which nobody but the owner can open; waits up to seconds, then
 * -ETIMEDOUT. With make, a missing folder is made, and removed again when the store is closed and
 * nothing was saved. Where no lock can be made (a read-only folder) that is no error here but one of staging.
 */
int pfw_store_lock(struct pfw_store *store, unsigned int seconds, bool make,
		   struct pfw_error *err);
/* Gives the lock back; what is loaded stays. */
void pfw_store_unlock(struct pfw_store *store);

/*
 * For a process that stays: changes of the main file go to a journal beside it (FILE.journal), and
 * pfw_store_settle() writes them to the file. Of the files' text nothing is kept.
 */
void pfw_store_set_journal(struct pfw_store *store);

/*
 * What somebody wants the main file to say, and what it said when they began: base NULL, if it
 * was not there. All is borrowed.
 */
struct pfw_draft {
	const char *text;
	size_t len;
	const char *base;
	size_t base_len;
};

/*
 * From the next load on, the draft stands for the main file, and the load is -ESTALE if the file
 * does not say what the draft is based on. pfw_store_stage_draft() stages it. NULL: none any more.
 */
void pfw_store_set_draft(struct pfw_store *store, const struct pfw_draft *draft);

/*
 * The bytes of the main file, whatever they are. -ENOENT, without words in err, if it is not
 * there. With writable, a file that could not be replaced is an error.
 */
int pfw_store_read(struct pfw_store *store, bool writable, struct pfw_buffer *ret,
		   struct pfw_error *err);

/*
 * From the next load on, this file belongs to the configuration too, behind all others: what is kept
 * until the next boot only. Only root or we may have written it. stale: what it may say is of
 * another time and counts for nothing. The path is copied. -ENOMEM.
 */
int pfw_store_set_runtime(struct pfw_store *store, const char *path, bool stale);
/* Whether a forward of this origin is, or will be, in that file. */
bool pfw_store_is_runtime(const struct pfw_store *store, uint32_t file);
/* Whether the main file is there, or will be once what is staged is committed. */
bool pfw_store_has_main(const struct pfw_store *store);

/*
 * Follows the link that may stand at the main file's path; to be asked before the lock is taken.
 */
int pfw_store_follow(struct pfw_store *store, struct pfw_error *err);

/*
 * Reads and parses all files, and what a journal says beyond them. ruleset must be zero-initialised;
 * it gets the settings, the forwards and their derived names. A missing main file is an
 * empty ruleset, or -ENOENT where required is set. On failure ruleset is
 * empty again, and what was loaded before still is.
 */
int pfw_store_load(struct pfw_store *store, bool required, struct pfw_ruleset *ruleset,
		   struct pfw_error *err);
/* Forgets what was loaded before the last load, or goes back to it. */
void pfw_store_accept(struct pfw_store *store);
void pfw_store_revert(struct pfw_store *store);
/*
 * Whether the files are those that were loaded, and say what was loaded and committed since. Where
 * that is not certain it is false. Runtime: so is what is kept until the next boot.
 */
bool pfw_store_is_current(const struct pfw_store *store, bool runtime);
/* Whether the name that the store was opened with leads to the same file still. */
bool pfw_store_is_followed(const struct pfw_store *store);

/*
 * Whether a journal was there that somebody else left, or that was read and not written: whoever
 * may write settles it before anything else.
 */
bool pfw_store_is_left(const struct pfw_store *store);
/* The next load takes nothing of the journal; settling then puts its lines into FILE.journal.rejected. */
void pfw_store_reject_journal(struct pfw_store *store);
/* How many lines of the journal are not written to the file yet. */
size_t pfw_store_n_lines(const struct pfw_store *store);
/* Whether there are, on disk. */
bool pfw_store_has_journal(const struct pfw_store *store);
/* What the last load left out of the journal, and why, for people, to be freed; or NULL. Told once. */
char *pfw_store_take_notice(struct pfw_store *store);

/*
 * Writes what the journal says to the main file, and empties the journal, or removes it where the
 * store does not write one itself. The lock must be held.
 */
int pfw_store_settle(struct pfw_store *store, struct pfw_error *err);
/* The same for the last time: the journal goes in any case. */
int pfw_store_end_journal(struct pfw_store *store, struct pfw_error *err);
/*
 * The same in three parts, of which the second takes its time, and may be done by another thread
 * and without the lock, while the store goes on staging and committing. *ret is NULL where
 * there is nothing to do. Ending is -ESTALE where somebody else changed the file meanwhile. Free with
 * pfw_settling_free(), which removes what was prepared for nothing.
 */
struct pfw_settling;
int pfw_store_settle_begin(struct pfw_store *store, struct pfw_settling **ret, struct pfw_error *err);
int pfw_settling_prepare(struct pfw_settling *settling, struct pfw_error *err);
int pfw_store_settle_end(struct pfw_store *store, struct pfw_settling *settling,
			 struct pfw_error *err);
void pfw_settling_free(struct pfw_settling *settling);

/*
 * Writes the changes of what was loaded to temporary files beside the real ones
 * and fsyncs them. A put forward whose origin.file is PFW_ORIGIN_NONE is appended to
 * the main file, one with PFW_ORIGIN_RUNTIME to that of pfw_store_set_runtime(); others
 * replace the element at their origin. A drop needs forward.origin too. A new forward gets the origin
 * that it has once this is committed. Nothing visible changes before commit; close or
 * abort removes the temporary files. -ESTALE if somebody changed a file since it was
 * loaded. Of several changes of one element the last counts.
 */
int pfw_store_stage(struct pfw_store *store, struct pfw_change *changes, size_t n,
		    struct pfw_error *err);
/* Stages the draft that was loaded; nothing where none is set. */
int pfw_store_stage_draft(struct pfw_store *store, struct pfw_error *err);
/* Renames what was staged into place, and appends to the journal. Failing leaves all as it was. */
int pfw_store_commit(struct pfw_store *store, struct pfw_error *err);
void pfw_store_abort(struct pfw_store *store);

/*
 * Absolute path of the main file, and of the file with this number (0 is the main file), or of what
 * PFW_ORIGIN_RUNTIME stands for.
 */
const char *pfw_store_path(const struct pfw_store *store);
const char *pfw_store_file(const struct pfw_store *store, uint32_t file);

#endif
