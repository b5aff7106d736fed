/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a store knows of its files. */
#ifndef STORE_FILES_H
#define STORE_FILES_H

#include <fcntl.h>
#include <sys/stat.h>

#include "portfwd/config/config.h"
#include "portfwd/store/store.h"

/* For open(2): neither what a link leads to, nor waiting for the other end of a pipe. */
#define PLAIN (O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC)

#define DROP_INS "portfwd.d"	/* the folder beside the main file */

/* A file or folder as it was when we looked at it. */
struct seen {
	bool exists;
	bool racy;	/* so young that the next change might leave no trace */
	struct stat stat;
};

/*
 * Which elements a file's list has. The position that an origin tells is the one that the element
 * had when the file was read, or would have had behind all that were there; it stays
 * whatever comes and goes, and so is a ticket. Tickets are in the order of the file.
 */
struct tickets {
	uint32_t *list;	/* NULL: 0 to n - 1 */
	uint32_t n;
	uint32_t next;	/* for the next new element */
};

/* A file that is written beside another, and takes its place on commit. */
struct staged {
	char *temp;	/* NULL: nothing is staged for this file */
	char *backup;	/* a second link to the old content, while a commit is under way */
	bool renamed;
	bool edited;		/* what follows is of the new content */
	struct tickets tickets;
	uint64_t digest;
};

struct file {
	char *path;		/* symbolic links followed */
	char *entry;		/* of a drop-in: its name in their folder; else NULL */
	char *text;		/* NULL: it is not kept */
	struct pfw_document doc;	/* of text */
	struct seen seen;	/* when it was read or written */
	struct tickets tickets;
	struct staged staged;
};

/* A change of the main file that is in the journal only. */
struct pending {
	uint32_t ticket;
	char *text;	/* how the forward is written; NULL: the element goes ... */
	char *gone;	/* ... and this is the name of what it said */
};

struct pendings {
	struct pending *list;
	size_t n;
	size_t n_room;
};

/* The journal beside the main file. */
struct journal {
	struct seen seen;
	off_t len;		/* of all lines that count */
	size_t n_lines;
	bool left;		/* it was there when the files were read */
	struct pendings pendings;
	struct pfw_buffer rejected;	/* lines that count for nothing, as they were read */
	struct pfw_buffer notice;	/* why, for people */
	/* Of a change that is staged: */
	char *line;
	struct pendings more;
};

/* What one load has brought. */
struct loaded {
	struct file *files;	/* the main file first; NULL: nothing is loaded */
	uint32_t n_files;
	const char **paths;	/* of files, for config */
	bool runtime;		/* the last file is what is kept until the next boot only */
	struct seen drop_ins;	/* the folder */
	uint64_t digest;	/* of the main file's text */
	struct journal journal;
};

struct pfw_store {
	char *named;		/* the main file's path as it was given, from the root on */
	char *path;		/* symbolic links followed */
	char *journal_path;
	char *folder;		/* of the main file as it was named: there are the drop-ins */
	char *home;		/* of the main file itself, where a symbolic link leads elsewhere */
	struct loaded now;
	struct loaded before;	/* what pfw_store_revert() goes back to ... */
	bool undecided;		/* ... if this is set */
	uint64_t n_loads;	/* and other changes of what settling begins with */
	const struct pfw_draft *draft;	/* of the main file; or NULL */
	char *runtime;		/* path of the last file, or NULL: there is none of the kind */
	bool runtime_stale;	/* it counts as missing */
	bool journals;		/* changes of the main file go to the journal */
	bool without_journal;	/* the next load rejects what it says */
	bool keep_due;		/* once the journal is written to the file, a copy is due */
	int lock[2];		/* of home, and of folder where that is another; -1: none */
	int lock_refused;	/* why there is no lock although it was asked for: none can be saved */
	unsigned int made;	/* so many folders at the end of home were made by us */
};

/* ---- file.c */

/* Reads the file whole; *ret_text is NUL-terminated. -ENOENT is not an error for err. */
int file_read(const char *path, char **ret_text, size_t *ret_len, struct stat *ret_stat,
	      struct pfw_error *err);
/* The same of what only we make: where a link stands in its place, it leads where others want. */
int file_read_plain(const char *path, char **ret_text, size_t *ret_len, struct stat *ret_stat,
		    struct pfw_error *err);
/* Whether the file on disk is no longer the one that was read. */
bool file_changed(const struct file *file);
/* Has text and places, read again where they were not kept. -ESTALE: the file is another by now. */
int file_open_text(struct file *file, struct pfw_error *err);
/* Forgets text and places, not the tickets. */
void file_forget_text(struct file *file);
/* Frees and zeroes. */
void file_free(struct file *file);

/* Looks at the file or folder. */
void seen_take(struct seen *seen, const char *path);
/* Whether it is racy, when it was not written by us. */
void seen_judge(struct seen *seen);
/* Whether it is just as it was, in whatever respect. */
bool seen_is_current(const struct seen *seen, const char *path);

/* ---- place.c */

/* The position of the element, or PFW_INDEX_NONE. */
uint32_t tickets_find(const struct tickets *tickets, uint32_t ticket);

/* What somebody wants of an element; of two for one the later counts. Neither: it goes. */
struct wish {
	uint32_t ticket;
	size_t order;
	const struct pfw_forward *forward;
	const char *text;
};
/*
 * The edits of the file that wishes lead to, which they point into; edits and appended have n
 * places. Sorts the wishes. The number of edits; appended has the tickets of those that append.
 */
size_t edits_make(const struct tickets *tickets, struct wish *wishes, size_t n,
		  struct pfw_edit *edits, uint32_t *appended);
/* What is left of them, and new ones behind, after edits. -ENOMEM. */
int tickets_edit(const struct tickets *from, const struct pfw_edit *edits, size_t n,
		 const uint32_t *appended, struct tickets *ret);
void tickets_free(struct tickets *tickets);

/* The text is taken over, on failure too. -ENOMEM. */
int pendings_add(struct pendings *pendings, uint32_t ticket, char *text);
int pendings_add_gone(struct pendings *pendings, uint32_t ticket, const char *name);
/* Whether a forward of this name goes with them. */
bool pendings_has_gone(const struct pendings *pendings, const char *name);
/* Adds all of more, which is empty then; there is room for them. */
void pendings_join(struct pendings *pendings, struct pendings *more);
int pendings_grow(struct pendings *pendings, size_t n);
/* Forgets the first n. */
void pendings_drop(struct pendings *pendings, size_t n);
void pendings_free(struct pendings *pendings);

/* ---- store.c */

/* Calls with the name of each drop-in, in their order. Stops at an error and returns it. */
int drop_ins_each(const struct pfw_store *store, int (*each)(void *ctx, const char *name), void *ctx,
		  struct pfw_error *err);

/* ---- journal.c */

/* Reads all lines that are whole, if there are any; *ret_text stays NULL otherwise. */
int journal_read(const struct pfw_store *store, struct loaded *to, char **ret_text, size_t *ret_len,
		 struct pfw_error *err);
/* Stages those of the changes that are of the main file. */
int journal_stage(struct pfw_store *store, struct pfw_change *changes, size_t n,
		  struct pfw_error *err);
/* Appends what was staged. On failure the journal is as it was. */
int journal_append(struct pfw_store *store, struct pfw_error *err);
/* Takes back what stands behind so many bytes. */
void journal_cut(struct pfw_store *store, off_t len);
void journal_unstage(struct journal *journal);
void journal_free(struct journal *journal);

/* ---- replay.c */

/* Makes the changes that the lines tell of, but for those that do not go with the files. */
int journal_replay(const struct pfw_store *store, struct loaded *to, const char *text, size_t len,
		   struct pfw_ruleset *ruleset, struct pfw_error *err);
/* What a forward says, in a number that is never 0; that of no forward is. Text as it is written. */
uint64_t forward_state(const char *text);

/* ---- save.c */

/* The number of the file that a forward of this origin is written to, and whether it is new there. */
uint32_t origin_file(const struct pfw_store *store, const struct pfw_origin *origin, bool *ret_fresh);
/* Writes a file beside one, with these rights, and fsyncs it; *ret_name is its path. */
int temp_write(const char *path, const struct seen *like, const char *text, size_t len,
	       char **ret_name, struct pfw_error *err);
/* Removes what a save of this file left that was killed. */
void temp_sweep(const struct pfw_store *store, const char *path);
/* fsyncs the folder of a path. */
int folder_sync(const char *path);

/* ---- applied.c */

/*
 * Keeps the copy that was due, or that was of the file before the journal was written to it. *copy:
 * as applied_write_copy() made it of the file as it is now, or NULL; NULL if it was taken.
 */
void applied_follow(struct pfw_store *store, uint64_t digest_before, char **copy);
/* Where that will be, if it is one of the main file alone; NULL: it is not, or there will be none. */
char *applied_copy_path(const struct pfw_store *store);
/*
 * Writes the copy of a main file that says this, and is still under another name (file), beside the
 * path. Its name, to be freed, or NULL. Asks nothing but the disk.
 */
char *applied_write_copy(const char *path, const char *file, const struct seen *like, const char *bytes,
			 size_t len);
/*
 * Before a journal that was left goes: where it is of what is kept, and the file was edited by hand
 * since, it is kept as well. Once the files are what is kept again, it is the journal again.
 */
void applied_keep_journal(struct pfw_store *store);
int applied_return_journal(struct pfw_store *store, struct pfw_error *err);

/* ---- path.c */

/* The path from the root on. -ENOMEM. */
int path_absolute(const char *path, char **ret);
/* Follows symbolic links of the last component; the last target need not exist. */
int path_resolve(const char *path, char **ret, struct pfw_error *err);
/* The folder of an absolute path; NULL without memory. */
char *path_folder(const char *path);

/* ---- lock.c */

/* Makes the missing folders down to home, if any; releasing the lock removes them if nothing came. */
int folder_make(struct pfw_store *store, struct pfw_error *err);
void lock_release(struct pfw_store *store);
bool lock_is_held(const struct pfw_store *store);

#endif
