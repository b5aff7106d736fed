/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the tests of iptables against a kernel share. */
#ifndef TESTS_UNIT_BACKEND_LIVE_IPT_H
#define TESTS_UNIT_BACKEND_LIVE_IPT_H

#include "live.h"

TCase *live_ipt_apply_case(void);
TCase *live_ipt_neighbours_case(void);
TCase *live_ipt_refused_case(void);
TCase *live_ipt_rule_case(void);

/* Why nothing of this can be tried here, or NULL. */
const char *live_ipt_missing(void);
/* A sandbox with a lock of its own in the place of the machine's. */
void live_ipt_enter(void);
/* live_bring() and live_holds() with a handle of their own, which holds the lock no longer. */
void live_ipt_bring(const struct pfw_image *wanted, const char *what);
void live_ipt_holds(const struct pfw_image *wanted, const char *what);
/* Runs a command of the shell; fails the test unless it succeeds. */
void live_ipt_run(const char *command);
/* What a command prints; free it. */
char *live_ipt_output(const char *command);
/* All tables of both families with their counts; free it. */
char *live_ipt_saved(void);
/* The same of what is not portfwd's. */
char *live_ipt_foreign(void);
/* Fails the test, with both from where they differ, unless they are the same. Frees both. */
void live_ipt_same(char *actual, char *wanted, const char *what);

/* A plan for a machine whose routing portfwd has switched on, so that there is a guard. */
void live_ipt_make_guarded(struct live *live, const struct sample *samples, size_t n);

#endif
