/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Changes of a configuration in few words, made as the engine makes them. */
#ifndef TESTS_UNIT_STORE_DESK_H
#define TESTS_UNIT_STORE_DESK_H

#include "folder.h"

/* A store that stays, and what it has loaded. */
struct desk {
	struct pfw_store *store;
	struct pfw_ruleset ruleset;
	struct pfw_settling *settling;
};

/* Loads the configuration p.json of the folder, locked; with journal if it shall have one. */
void desk_open(struct desk *desk, struct folder *f, bool journal);
void desk_close(struct desk *desk);
/*
 * One request: "a=5" puts a forward of port 5, "-a" drops it, "a=5,-b" is both at once, "!" settles,
 * "<" begins and prepares that, ">" ends it.
 */
int desk_do(struct desk *desk, const char *request, struct pfw_error *err);
/* The same, which must succeed. */
void desk_must(struct desk *desk, const char *request);
/* Fails the test unless these are all forwards, by name: "a=5 b=7". */
void desk_has(const struct desk *desk, const char *state);

#define STATE_SIZE 512
/* What is loaded, in such words. */
void state_of(const struct pfw_ruleset *ruleset, char ret[STATE_SIZE]);
/* What anybody sees who only looks at the files of the folder. */
void state_seen(struct folder *f, char ret[STATE_SIZE]);
/* What they are once somebody has loaded them to write, and left them in order. */
void state_folded(struct folder *f, char ret[STATE_SIZE]);
/* What a request makes of a state. */
void state_after(char state[STATE_SIZE], const char *request);

#endif
