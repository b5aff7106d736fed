/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A scratch folder with configuration files, and stores on it. */
#ifndef TESTS_UNIT_STORE_FOLDER_H
#define TESTS_UNIT_STORE_FOLDER_H

#include "portfwd/store/store.h"

#define ONE(name, port) \
	"{\"name\": \"" name "\", \"listen\": \"" port "\", \"target\": \"self\"}"

struct folder {
	char path[64];
	char name[256];		/* the last answer of folder_path() */
};

void folder_init(struct folder *f);
void folder_free(struct folder *f);
/* The path of a file in it, until the next call. */
const char *folder_path(struct folder *f, const char *name);
void folder_mkdir(struct folder *f, const char *name);
void folder_write(struct folder *f, const char *name, const char *text);
void folder_unlink(struct folder *f, const char *name);
/* Fails the test unless the file has this text. */
void folder_has(struct folder *f, const char *name, const char *text);
/* The number of entries, hidden ones too: temporary files that were left behind. */
unsigned int folder_count(struct folder *f, const char *name);

struct pfw_store *store_of(struct folder *f, const char *name);
void load(struct pfw_store *store, struct pfw_ruleset *ruleset);

#endif
