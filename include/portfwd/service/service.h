/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a user can ask portfwd for. The command line and the control API speak
 * this interface only; whoever answers (this process, later the daemon behind
 * its socket) gives the same answers, as JSON.
 */
#ifndef PORTFWD_SERVICE_SERVICE_H
#define PORTFWD_SERVICE_SERVICE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "portfwd/base/buffer.h"
#include "portfwd/base/error.h"

struct pfw_service;

struct pfw_service_options {
	const char *config;	/* NULL: PFW_CONFIG_DEFAULT */
	const char *netns;	/* name or path of a network namespace; NULL: this one */
	const char *run_dir;	/* NULL: PFW_RUN_DIR_DEFAULT */
	const char *backend;	/* overrides the settings; NULL: as they say */
	bool daemon;		/* this process is the one that others ask */
	bool keep;		/* for a process that stays: what was read is read again only if it changed */
	bool journal;		/* and changes of the main file are written to it later: see SETTLE */
};
#define PFW_CONFIG_DEFAULT "/etc/portfwd/portfwd.json"
#define PFW_RUN_DIR_DEFAULT "/run/portfwd"

/*
 * What can be asked, what a request uses, and what the answer is. "changes" is a
 * list of {"action": "add"|"remove"|"change", "kind": "element"|"map"|"set"|"chain"|
 * "table"|"flags"|"sysctl", "forward": NAME|null, "text": TEXT} in the order in which
 * they are made, given where dry_run asks for it (else null); "objects" is their number
 * and stands wherever "changes" does, and so do "routing", {"ipv4": "on"|"off"|null, "ipv6": ...}, what of
 * it was switched, and "warning": what could not be done though
 * the request was (connections of before may go on), or null. A forward is in the canonical form of
 * portfwd.json(5) and has "state", "connections", "file" beside, where said "with state".
 *
 * drain: TCP and SCTP connections of what is removed or changed come to their own end; otherwise
 * they are cut.
 *
 * ADD      forward, replace, runtime, drain, dry_run -> {"changed": BOOL, "created": BOOL, "replaced": BOOL,
 *            "forward": FORWARD, "file": PATH, "changes": [...]}. changed is false if it stood like that already,
 *            in the kernel too.
 *            PFW_CONFLICT if the name stands with other content and replace is not set, or in a
 *            file where runtime is set, or the other way round.
 * REMOVE   names (each a name, or else a listen part), drain, dry_run
 *            -> {"changed": true, "removed": [{"name", "file"}], "changes"}
 * ENABLE, DISABLE  names, drain, dry_run -> {"changed": BOOL, "forwards": [{"name", "changed", "file"}], "changes"}
 * LIST     names (none: all) -> {"forwards": [FORWARD with state]}, in the order of the files.
 *            "state" is "active", "disabled", "expired" or "missing" (not in the kernel as it should
 *            be),
 *            "connections" a count or null.
 * STATUS   -> {"backend": NAME, "fallback": WHY|null, "kernel": RELEASE, "forwards": {"configured", "active"},
 *            "in_sync": BOOL, "owned": BOOL, "ip_forward": {"ipv4": BOOL, "ipv6": BOOL}, "guard": BOOL,
 *            "journal": N, "daemon": {"running": BOOL, "pid": N|null}, "confirm": {"seconds": N}|null,
 *            "warnings": [TEXT]}. owned: nobody but this process can change the table; journal:
 *            lines that are not settled yet; confirm: a reload waits so long yet to be confirmed
 * CHECK    file (NULL: the configuration) -> {"file": PATH, "forwards": N}
 * WRITE    text, base, drain, dry_run -> {"changed": BOOL, "forwards": N, "file": PATH, "changes"}.
 *            The main file gets this text, and is reloaded: both, or neither. -ESTALE if the file does
 *            not say what base says.
 * DIFF     -> {"in_sync": BOOL, "changes"}
 * RELOAD   drain, dry_run, confirm, unasked -> {"changed": BOOL, "forwards": N, "confirm": {"seconds": N}|null,
 *            "changes"}. With confirm what was applied before returns after so many seconds, in the kernel and in
 *            the files, unless CONFIRM comes; whoever began it waits and asks REVERT then. "confirm" is null
 *            where the files say what is applied already. unasked: nobody asked for this reload, so
 *            what a trial returns to is not replaced by it
 * CONFIRM  -> {"confirmed": true}
 * READ     dry_run -> {"path": PATH, "text": TEXT|null}: as pfw_service_read(). -EILSEQ if it is no text
 * REVERT   early -> {"reverted": BOOL, "confirm": as with STATUS}. What was to be confirmed in time, or with early what still
 *            can be, is taken back
 * FLUSH    dry_run -> {"changed": BOOL, "forgot": BOOL, "changes"}. forgot: what was added with
 *            runtime is gone for good.
 * PATCH    names (one name), forward: a merge patch (RFC 7396) of its canonical form, drain, dry_run
 *            -> as ADD with replace. What the forward takes from the settings it goes on taking
 *            from there, unless the patch says it.
 * COUNT    -> {"backend": NAME, "in_sync": BOOL, "journal": N, "ip_forward": {"ipv4": BOOL, "ipv6": BOOL},
 *            "forwards": {"active", "disabled", "expired", "missing"}, "connections": {NAME: N}|null}:
 *            how many forwards are in each state, and how many connections each took.
 * EXPORT   format "json" or "nft" -> {"format": ..., "text": TEXT}
 * REPAIR   dry_run, current -> as RELOAD. Kernel and host are compared with what was read last, whatever the
 *            files say by now, and put back; changes has the first of them in any case. Where nothing
 *            is applied, nothing is missing. current: -ESTALE, and nothing is done, if the files
 *            do not say any more what was read: whoever changed them may have changed the kernel for it
 * SETTLE   -> {"settled": N}. The lines of the journal are written to the file.
 */
enum pfw_verb {
	PFW_VERB_ADD,
	PFW_VERB_REMOVE,
	PFW_VERB_ENABLE,
	PFW_VERB_DISABLE,
	PFW_VERB_LIST,
	PFW_VERB_STATUS,
	PFW_VERB_CHECK,
	PFW_VERB_DIFF,
	PFW_VERB_WRITE,
	PFW_VERB_RELOAD,
	PFW_VERB_FLUSH,
	PFW_VERB_EXPORT,
	PFW_VERB_PATCH,
	PFW_VERB_COUNT,
	PFW_VERB_CONFIRM,
	PFW_VERB_REVERT,
	PFW_VERB_READ,
	PFW_VERB_REPAIR,
	PFW_VERB_SETTLE,
};
#define PFW_VERBS (PFW_VERB_SETTLE + 1)

#define PFW_CONFIRM_MAX 86400	/* a day */

struct pfw_request {
	json_t *forward;		/* borrowed; as in portfwd.json(5), name optional */
	const char *const *names;
	size_t n_names;
	const char *file;
	const char *format;
	const char *text;		/* any bytes */
	size_t text_len;
	const char *base;		/* NULL: the file was not there */
	size_t base_len;
	/*
	 * ADD, REMOVE and PATCH, of one name, only if these hold for what has that name: entity tags as
	 * the headers If-Match and If-None-Match list them (etag.h); -ESTALE and PFW_CONFLICT otherwise.
	 */
	const char *match;
	const char *none_match;
	/*
	 * LIST: gets each forward with state, which the answer then has not. Non-zero means that
	 * it has no memory.
	 */
	int (*row)(void *ctx, const json_t *forward);
	void *row_ctx;
	bool exact;			/* names are names, never listen parts */
	bool replace;
	bool runtime;			/* kept until the next boot or flush only */
	bool drain;
	bool dry_run;
	unsigned int confirm;		/* seconds, PFW_CONFIRM_MAX at most; 0: for good at once */
	bool unasked;
	bool early;
	bool current;			/* only if the files say what is loaded */
	bool brief;			/* LIST: -ESTALE, unless a glance tells it */
	/*
	 * Locks that others hold are waited for, or are -ETIMEDOUT at once. NONE: for what only
	 * looks at the kernel, without any lock; -EAGAIN where nobody can tell then.
	 */
	enum { PFW_LOCKS_WAIT, PFW_LOCKS_TRY, PFW_LOCKS_NONE } locks;
	/* REPAIR: all that others did in the kernel's rules, as it told; NULL: they may have done anything. */
	const struct pfw_told *told;
};

/*
 * A service: the daemon that listens in the run directory, if it is of the same configuration and
 * network namespace and we may ask it, or else this process. That one enters the network namespace, and leaves it
 * when it is closed, so a process has one service at a time. Free with pfw_service_close().
 */
int pfw_service_open(const struct pfw_service_options *options, struct pfw_service **ret,
		     struct pfw_error *err);
void pfw_service_close(struct pfw_service *service);

/* Of a service that keeps its engine: whether the files say what was loaded and changed since. */
bool pfw_service_is_current(const struct pfw_service *service);
/* And how many lines of the journal are not written to the file yet. */
size_t pfw_service_journal(const struct pfw_service *service);
/* How many forwards it has loaded. */
size_t pfw_service_size(const struct pfw_service *service);
/*
 * To be called first in a process that was forked from that of a service, which goes on, and has
 * closed its descriptors: it may ask what changes nothing, and ends without closing the service.
 */
int pfw_service_part(struct pfw_service *service, struct pfw_error *err);

/*
 * SETTLE in three parts, of which the second may take its time in another thread while others are
 * answered. *ret is NULL where there is nothing to do. Locks that others hold are not waited for:
 * -ETIMEDOUT. Ending frees in any case; -ESTALE: somebody else changed the file meanwhile, so begin
 * anew. What is not ended goes with pfw_service_settle_free().
 */
struct pfw_settling;
int pfw_service_settle_begin(struct pfw_service *service, struct pfw_settling **ret,
			     struct pfw_error *err);
int pfw_service_settle_prepare(struct pfw_settling *settling, struct pfw_error *err);
int pfw_service_settle_end(struct pfw_service *service, struct pfw_settling *settling,
			   struct pfw_error *err);
void pfw_service_settle_free(struct pfw_settling *settling);

/* Asks; *ret_answer is a new reference. A refused request changed nothing. */
int pfw_service_call(struct pfw_service *service, enum pfw_verb verb,
		     const struct pfw_request *request, json_t **ret_answer,
		     struct pfw_error *err);

/*
 * What became of a reload that waits to be confirmed. PFW_WAIT_ELSEWHERE: another process waits for
 * it, and takes it back in time.
 */
enum pfw_wait { PFW_WAIT_CONFIRMED, PFW_WAIT_OVER, PFW_WAIT_WOKEN, PFW_WAIT_ELSEWHERE };
/*
 * After a RELOAD with confirm, whose answer says that it waits: until it is confirmed, its time is
 * over, or there is something to read from wake. Nothing is locked meanwhile.
 */
int pfw_service_wait(struct pfw_service *service, int wake, enum pfw_wait *ret,
		     struct pfw_error *err);

/*
 * The main file as it is, for editing it: WRITE takes the new text, with this one as its base.
 * Zero-initialise; free with pfw_service_file_free().
 */
struct pfw_service_file {
	char *path;		/* absolute, links followed */
	bool exists;
	struct pfw_buffer text;	/* its bytes, be they valid or not */
};

/* Reads it. Without dry_run, whoever may not change the configuration is refused here. */
int pfw_service_read(struct pfw_service *service, bool dry_run, struct pfw_service_file *ret,
		     struct pfw_error *err);
void pfw_service_file_free(struct pfw_service_file *file);

#endif
