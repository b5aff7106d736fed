/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the run directory remembers of one network namespace until the next
 * boot: which configuration is applied, what was changed on the host, and the
 * lock that keeps two of us apart.
 */
#ifndef ENGINE_STATE_H
#define ENGINE_STATE_H

#include <stdbool.h>

#include "portfwd/backend/backend.h"

/* Zero-initialise with lock -1; free with state_free(), which releases the lock. */
struct state {
	char *folder;	/* RUN_DIR/net-ID */
	char *config;	/* path of the applied configuration, or NULL */
	const char *backend;	/* static name of what programmed it; NULL: not known */
	char *why;	/* why it was that one, though auto prefers another; or NULL */
	struct pfw_host_record host;
	bool fileless;	/* it was applied while its main file was missing */
	bool moving;	/* from one backend to another, so both may stand */
	bool draining;	/* connections were left to finish that no forward stands for */
	int lock;
	bool exclusive;	/* the lock is */
	bool unique;	/* no other namespace will ever have this folder */
};

int state_open(struct state *state, const char *run_dir, struct pfw_error *err);
/* How long another portfwd is waited for. */
#define STATE_LOCK_SECONDS 60u
/*
 * Takes the namespace's lock; where another one holds it, waits, or else is -ETIMEDOUT at once. A
 * shared one is not taken where the folder is not there (nothing was ever applied) or not readable.
 */
int state_lock(struct state *state, bool exclusive, bool wait, struct pfw_error *err);
/* The file of the forwards that are kept until the next boot only; NULL without memory. */
char *state_runtime(const struct state *state);
/* Removes that file; *ret_was: it was there. */
int state_forget_runtime(const struct state *state, bool *ret_was, struct pfw_error *err);
/*
 * Reads what is remembered, in the place of what was read before; nothing if there is nothing, or it is from
 * before this boot.
 */
int state_load(struct state *state, struct pfw_error *err);
/* Writes config and host as they are now; with neither, the file goes. */
int state_save(const struct state *state, const struct pfw_host_record *host,
	       struct pfw_error *err);
/*
 * Removes the folder where nothing is remembered, if nobody else holds the lock. What others
 * put there stays.
 */
void state_tidy(const struct state *state);
/* Gives the lock back. */
void state_unlock(struct state *state);
void state_free(struct state *state);

#endif
