/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A reload on trial, as the rest of the engine meets it. */
#ifndef ENGINE_TRIAL_H
#define ENGINE_TRIAL_H

#include "inside.h"

/*
 * Once the locks are taken to change something: a trial that failed is brought to its end first, with
 * the locks given back and taken again; one that goes on is noted.
 */
int trial_settle(struct pfw_engine *engine, const struct pfw_engine_load *load,
		 struct pfw_error *err);
/* Fails while a trial goes on: what else changes would be lost with it. */
int trial_refuse(const struct pfw_engine *engine, struct pfw_error *err);

/*
 * Before a reload: marks the trial, unless the files say what is applied already. trial_cancel()
 * once the reload failed.
 */
int trial_begin(struct pfw_engine *engine, unsigned int seconds, struct pfw_error *err);
void trial_cancel(struct pfw_engine *engine);
/* After whatever was committed: a trial begins to count, or what stands is kept as what is applied. */
int trial_keep(struct pfw_engine *engine, const struct pfw_manner *manner, struct pfw_report *report,
	       struct pfw_error *err);
/* The reload is over: whatever comes next in this engine neither cancels the trial nor prolongs it. */
void trial_done(struct pfw_engine *engine);
/* Says in the report what trial_settle() did. -ENOMEM. */
int trial_tell(const struct pfw_engine *engine, struct pfw_report *report, struct pfw_error *err);

#endif
