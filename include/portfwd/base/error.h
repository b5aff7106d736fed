/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What went wrong, where, and what to do: the last parameter of every function
 * that can fail. The functions themselves return 0 or a negative errno; the
 * words are here, and only the two programs print them.
 */
#ifndef PORTFWD_BASE_ERROR_H
#define PORTFWD_BASE_ERROR_H

#include <stdbool.h>
#include <stddef.h>

/* The values are the exit codes of portfwd(1). */
enum pfw_failure {
	PFW_FAILED = 1,
	PFW_USAGE = 2,
	PFW_NOT_FOUND = 3,
	PFW_CONFLICT = 4,
	PFW_NOT_PERMITTED = 5,
};

#define PFW_ERROR_ITEMS 10

struct pfw_error_item {
	char file[256];		/* "" if it is about no file */
	char path[160];		/* "forwards[2].listen.port"; "" if about the whole */
	char message[480];	/* one line, no trailing period or newline */
};

/*
 * Errors collect: the first PFW_ERROR_ITEMS are kept, all are counted. The kind
 * is that of the first item. Zero-initialise with PFW_ERROR_INIT; it owns no
 * memory.
 *
 * file and where are the place that is being looked at; pfw_error_add() copies
 * them into the item. file is borrowed and must outlive its use as a context.
 */
struct pfw_error {
	enum pfw_failure kind;
	unsigned int count;
	const char *file;
	char where[160];
	struct pfw_error_item item[PFW_ERROR_ITEMS];
};

#define PFW_ERROR_INIT { 0 }

/* Collects one more error at the present place. Returns -EINVAL always. */
int pfw_error_add(struct pfw_error *err, enum pfw_failure kind, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/*
 * The same for what must be told in any case, such as what to do: where there is no room for it
 * any more, it takes the place of the last one that had.
 */
int pfw_error_add_advice(struct pfw_error *err, enum pfw_failure kind, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/*
 * Forgets what was collected and says this one thing, without a place. Returns
 * code (a negative errno), so that "return pfw_fail(...)" reads well.
 */
int pfw_fail(struct pfw_error *err, enum pfw_failure kind, int code, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

/*
 * Whether what failed with this may go well a moment later: for want of memory or descriptors, or
 * because others were at work. It says nothing of what the kernel can do.
 */
bool pfw_errno_passes(int code);

/* pfw_fail() for an errno that the system gave: adds its text, and chooses
 * PFW_NOT_PERMITTED for EPERM and EACCES. code is negative. */
int pfw_fail_errno(struct pfw_error *err, int code, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* Out of memory; returns -ENOMEM. */
int pfw_fail_memory(struct pfw_error *err);

/*
 * Enters a part of the document, such as ".listen" or "[2]": the text is put
 * behind the present place (a leading '.' is dropped at the start). Returns a
 * mark for pfw_error_leave().
 */
size_t pfw_error_enter(struct pfw_error *err, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
/* The same for ".key" and for "[index]", fast enough for each value of a large file. */
size_t pfw_error_enter_key(struct pfw_error *err, const char *key);
size_t pfw_error_enter_index(struct pfw_error *err, size_t index);
void pfw_error_leave(struct pfw_error *err, size_t mark);

/* Forgets everything collected; the place stays. */
void pfw_error_clear(struct pfw_error *err);

#endif
