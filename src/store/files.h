/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a store knows of its files. */
#ifndef STORE_FILES_H
#define STORE_FILES_H

#include <sys/stat.h>

#include "portfwd/config/config.h"
#include "portfwd/store/store.h"

#define DROP_INS "portfwd.d"	/* the folder beside the main file */

/* A file that is written beside another, and takes its place on commit. */
struct staged {
	char *temp;	/* NULL: nothing is staged for this file */
	char *backup;	/* a second link to the old content, while a commit is under way */
	bool renamed;
};

struct file {
	char *path;		/* symbolic links followed */
	char *entry;		/* of a drop-in: its name in their folder; else NULL */
	char *text;
	struct pfw_document doc;
	bool exists;
	struct stat stat;	/* when it was read */
	struct staged staged;
};

struct pfw_store {
	char *folder;		/* of the main file as it was named: there are the drop-ins */
	char *home;		/* of the main file itself, where a symbolic link leads elsewhere */
	struct file *files;	/* the main file first, always there */
	uint32_t n_files;
	const char **paths;	/* of files, for config */
	const struct pfw_draft *draft;	/* of the main file; or NULL */
	char *runtime;		/* path of the last file, or NULL: there is none of the kind */
	bool runtime_stale;	/* it counts as missing */
	bool loaded;
	int lock[2];		/* of home, and of folder where that is another; -1: none */
	int lock_refused;	/* why there is no lock although it was asked for: none can be saved */
	unsigned int made;	/* so many folders at the end of home were made by us */
};

/* Reads the file whole; *ret_text is NUL-terminated. -ENOENT is not an error for err. */
int file_read(const char *path, char **ret_text, size_t *ret_len, struct stat *ret_stat,
	      struct pfw_error *err);
/* The number of the file that a forward of this origin is written to, and whether it is new there. */
uint32_t origin_file(const struct pfw_store *store, const struct pfw_origin *origin, bool *ret_fresh);
/* Whether the file on disk is no longer the one that was read. */
bool file_changed(const struct file *file);
/* Frees and zeroes. */
void file_free(struct file *file);

/* A drop-in's name in their folder, "" for others. */
const char *file_entry(const struct pfw_store *store, uint32_t number);
/* Writes the text to a temporary file beside, fsynced; commit puts it in its place. */
int file_stage(struct file *file, const struct pfw_buffer *text, struct pfw_error *err);
/* Forgets what was loaded, and finds out anew which files there are. */
int files_find(struct pfw_store *store, struct pfw_error *err);
/* Adds a drop-in that may be missing. */
int files_add(struct pfw_store *store, const char *entry, struct pfw_error *err);
/* Makes what was renamed in the folder of this path last. */
int folder_sync(const char *path);

/* The path from the root on. -ENOMEM. */
int path_absolute(const char *path, char **ret);
/* Follows symbolic links of the last component; the last target need not exist. */
int path_resolve(const char *path, char **ret, struct pfw_error *err);
/* The folder of an absolute path; NULL without memory. */
char *path_folder(const char *path);

/* Makes the missing folders down to home, if any; releasing the lock removes them if nothing came. */
int folder_make(struct pfw_store *store, struct pfw_error *err);
void lock_release(struct pfw_store *store);

#endif
