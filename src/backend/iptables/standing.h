/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What stands in the kernel: the tables that are open, and the lock under which they are. */
#ifndef PORTFWD_BACKEND_IPTABLES_STANDING_H
#define PORTFWD_BACKEND_IPTABLES_STANDING_H

#include "chains.h"
#include "portfwd/kernel/xtables.h"

/* One table of one family. */
struct ipt_standing {
	struct xtc_handle *table;	/* NULL: it does not stand, or is not open */
	struct ipt_chains chains;	/* those that are ours, and the built-in ones */
};

struct pfw_backend_handle {
	bool write;			/* who reads means to change: the lock is held till then */
	bool hasty;			/* who holds the lock is not waited for */
	struct pfw_xtables_lock lock;
	bool has_read;			/* standing and digest are of the last read */
	uint64_t digest;
	struct ipt_standing standing[2][IPT_TABLES];	/* IPv4, IPv6 */
};

/*
 * Reads one table; where it does not stand in this network namespace, *ret is left without. *ret is
 * zero-initialised; free with ipt_standing_free() in any case.
 */
int ipt_standing_read(const struct ipt_library *library, enum ipt_table table,
		      struct ipt_standing *ret, struct pfw_error *err);
/* Opens a table that may not stand yet: then the kernel makes it. Reads nothing. */
int ipt_standing_open(const struct ipt_library *library, enum ipt_table table,
		      struct ipt_standing *ret, struct pfw_error *err);
void ipt_standing_free(const struct ipt_library *library, struct ipt_standing *standing);

/* Waits for the lock, if the handle is open for writing. */
int ipt_lock(struct pfw_backend_handle *handle, struct pfw_error *err);
/* Closes all tables. */
void ipt_forget(struct pfw_backend_handle *handle);
/* The same, and gives the lock back. */
void ipt_release(struct pfw_backend_handle *handle);

/* Adds what chains hold to an image; -ENOMEM. */
int ipt_chains_items(const struct ipt_chains *chains, struct pfw_image *image);

/* A number for all that an image says, whatever its order. */
uint64_t ipt_image_digest(const struct pfw_image *image);

/* Words for what libiptc said (a negative errno) about a table. did: "read", "change". */
int ipt_fail_table(const struct ipt_library *library, enum ipt_table table, const char *did,
		   int code, struct pfw_error *err);

#endif
