/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The log: one line an event, "what happened: key=value key=value". */
#ifndef DAEMON_LOG_H
#define DAEMON_LOG_H

#include <jansson.h>
#include <stdbool.h>
#include <syslog.h>

#include "portfwd/base/error.h"

/* Zero-initialise: to standard error, each line with the program's name. */
struct log {
	bool syslog;
	bool verbose;		/* LOG_DEBUG counts */
	bool prioritized;	/* standard error leads to the journal, which takes "<N>" */
};

void log_open(struct log *log, bool syslog, bool verbose);

/* values is an object, or NULL; taken over. priority is one of syslog.h. */
void log_event(const struct log *log, int priority, const char *text, json_t *values);

/* A line for each error: "WHAT: MESSAGE: file=... path=..."; what may be NULL. */
void log_error(const struct log *log, const char *what, const struct pfw_error *err);

#endif
