/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A reload on trial: unless it is confirmed in time, what was applied before returns, in the
 * kernel and in the files. Where nobody waits for the confirmation any more (a killed process,
 * another boot), whoever comes next to change something lets it return.
 */
#ifndef PORTFWD_ENGINE_TRIAL_H
#define PORTFWD_ENGINE_TRIAL_H

#include <stdbool.h>
#include <stdint.h>

#include "portfwd/engine/engine.h"

/* The watch over a trial, for the process that began it. Zero-initialise with fd -1. */
struct pfw_trial {
	int fd;		/* -1: there is none */
	char *mark;	/* path of the file that is there while the trial is under way */
	uint64_t until;	/* ms of CLOCK_BOOTTIME */
};

/* Takes over the watch of a trial that this engine began; *ret is freed before. */
void pfw_engine_take_trial(struct pfw_engine *engine, struct pfw_trial *ret);
/* Seconds that the trial which this engine began has; 0: it began none. */
unsigned int pfw_engine_trial_begun(const struct pfw_engine *engine);
/* Watches no more. */
void pfw_trial_free(struct pfw_trial *trial);

enum pfw_trial_end {
	PFW_TRIAL_CONFIRMED,	/* or another trial took its place */
	PFW_TRIAL_OVER,		/* its time is */
	PFW_TRIAL_WOKEN,	/* there is something to read from wake */
};
/* Waits for the end of the trial, without any lock. */
int pfw_trial_wait(const struct pfw_trial *trial, int wake, enum pfw_trial_end *ret,
		   struct pfw_error *err);

/* Seconds until the trial that is under way is over, at least 1; 0: there is none, or it is over. */
unsigned int pfw_engine_trial_left(const struct pfw_engine *engine);

/* Whether a trial is over, or nobody waits for it any more: the next change brings it to its end. */
bool pfw_engine_trial_failed(const struct pfw_engine *engine);

/* Where the engine let return what was before, and what it was asked for then failed: adds that to err. */
void pfw_engine_advise_trial(const struct pfw_engine *engine, struct pfw_error *err);

/*
 * The trial is confirmed: what it brought is what a later one returns to. Where there is none, or
 * it is over, that is an error (-ENOENT, -ETIME); the latter after what was before has returned. Needs no load.
 */
int pfw_engine_confirm(struct pfw_engine *engine, struct pfw_error *err);

/*
 * Lets return what was before, if a trial is over; with early, if there is one at all. *ret_reverted:
 * so it was. Needs no load.
 */
int pfw_engine_revert(struct pfw_engine *engine, bool early, bool *ret_reverted,
		      struct pfw_error *err);

#endif
