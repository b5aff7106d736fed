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

/* What was logged last of something that is tried again and again; zero when it succeeded. */
struct log_failure {
	char message[sizeof(((struct pfw_error_item *)0)->message)];
};
/* As log_error(), but the same failure is told once, however often it comes. */
void log_failure(const struct log *log, struct log_failure *last, const char *what,
		 const struct pfw_error *err);

#endif
