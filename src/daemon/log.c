/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The log: one line an event. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "log.h"
#include "portfwd/base/buffer.h"
#include "portfwd/base/text.h"

#define WORD "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_./:,@+[]"

/* JOURNAL_STREAM names the device and inode of the journal's end, systemd.exec(5). */
static bool is_journal(int fd)
{
	const char *stream = getenv("JOURNAL_STREAM");
	char ours[64];
	struct stat st;

	if (!stream || fstat(fd, &st))
		return false;
	snprintf(ours, sizeof(ours), "%ju:%ju", (uintmax_t)st.st_dev, (uintmax_t)st.st_ino);
	return !strcmp(stream, ours);
}

void log_open(struct log *log, bool to_syslog, bool verbose)
{
	*log = (struct log){
		.syslog = to_syslog,
		.verbose = verbose,
		.prioritized = is_journal(STDERR_FILENO),
	};
	if (to_syslog)
		openlog("portfwdd", LOG_PID | LOG_NDELAY, LOG_DAEMON);
}

/* A plain word as it is, anything else between quotes. */
static void put_text(struct pfw_buffer *line, const char *text)
{
	if (*text && strspn(text, WORD) == strlen(text)) {
		pfw_buffer_puts(line, text);
		return;
	}
	pfw_buffer_puts(line, "\"");
	for (; *text; text++)
		pfw_buffer_printf(line, "%s%c", *text == '"' || *text == '\\' ? "\\" : "", *text);
	pfw_buffer_puts(line, "\"");
}

static void put_value(struct pfw_buffer *line, const json_t *value)
{
	char *text;

	if (json_is_string(value)) {
		put_text(line, json_string_value(value));
		return;
	}
	text = json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT);
	pfw_buffer_puts(line, text ? text : "?");
	free(text);
}

static void put_values(struct pfw_buffer *line, json_t *values)
{
	const char *separator = ": ", *key;
	json_t *value;

	json_object_foreach(values, key, value) {
		if (json_is_null(value))
			continue;
		pfw_buffer_printf(line, "%s%s=", separator, key);
		put_value(line, value);
		separator = " ";
	}
}

static void write_line(const struct log *log, int priority, const char *line)
{
	if (log->syslog)
		syslog(priority, "%s", line);
	else if (log->prioritized)
		fprintf(stderr, "<%d>%s\n", priority, line);
	else
		fprintf(stderr, "portfwdd: %s\n", line);
}

void log_event(const struct log *log, int priority, const char *text, json_t *values)
{
	struct pfw_buffer line = { 0 };

	if (priority < LOG_DEBUG || log->verbose) {
		pfw_buffer_puts(&line, text);
		put_values(&line, values);
		if (line.data)
			pfw_text_clean(line.data);
		write_line(log, priority, line.failed ? text : line.data);
		pfw_buffer_free(&line);
	}
	json_decref(values);
}

static const char *or_null(const char *text)
{
	return *text ? text : NULL;
}

void log_error(const struct log *log, const char *what, const struct pfw_error *err)
{
	const struct pfw_error_item *item;
	struct pfw_buffer text = { 0 };
	unsigned int i;

	for (i = 0; i < err->count && i < PFW_ERROR_ITEMS; i++) {
		item = &err->item[i];
		pfw_buffer_printf(&text, "%s%s%s", what ? what : "", what ? ": " : "", item->message);
		log_event(log, LOG_ERR, text.failed ? item->message : text.data,
			  json_pack("{s:s?, s:s?}", "file", or_null(item->file), "path",
				    or_null(item->path)));
		pfw_buffer_free(&text);
		text = (struct pfw_buffer){ 0 };
	}
	if (err->count > PFW_ERROR_ITEMS)
		log_event(log, LOG_ERR, "there are more errors",
			  json_pack("{s:i}", "more", (int)(err->count - PFW_ERROR_ITEMS)));
}

void log_failure(const struct log *log, struct log_failure *last, const char *what,
		 const struct pfw_error *err)
{
	if (!strcmp(last->message, err->item[0].message))
		return;
	memcpy(last->message, err->item[0].message, sizeof(last->message));
	log_error(log, what, err);
}
