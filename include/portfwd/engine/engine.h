/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The engine: where words become packets. Every change goes one way: what
 * stands before, what stands after, the difference, and that is applied; files and
 * kernel change together or not at all.
 */
#ifndef PORTFWD_ENGINE_ENGINE_H
#define PORTFWD_ENGINE_ENGINE_H

#include "portfwd/base/buffer.h"
#include "portfwd/base/error.h"
#include "portfwd/model/ruleset.h"
#include "portfwd/plan/plan.h"

struct pfw_draft;
struct pfw_told;
struct pfw_settling;
struct pfw_engine;

struct pfw_engine_options {
	const char *config;		/* path of the main file */
	const char *run_dir;
	const char *backend;		/* NULL: as the settings say */
	bool journal;			/* changes of the main file are settled later */
	bool stays;			/* it can own the table, and is to be quick again and again */
};

/*
 * Enters a network namespace, by name or path. *ret_back goes to pfw_engine_leave(), which
 * goes back where it can.
 */
int pfw_engine_enter(const char *netns, int *ret_back, struct pfw_error *err);
void pfw_engine_leave(int back);
/* What tells the namespace of this name, NULL for the present one, from all others that are. */
int pfw_engine_netns(const char *netns, uint64_t *ret_device, uint64_t *ret_inode,
		     struct pfw_error *err);

/*
 * An engine for the present network namespace. Nothing is read or locked yet.
 * Free with pfw_engine_close(), which releases the locks.
 */
int pfw_engine_open(const struct pfw_engine_options *options, struct pfw_engine **ret,
		    struct pfw_error *err);
void pfw_engine_close(struct pfw_engine *engine);
/*
 * Gives all locks back, and keeps what is loaded: the next load reads only what has changed. Between
 * the two, other processes may change anything.
 */
void pfw_engine_release(struct pfw_engine *engine);

/*
 * How locks are taken from now on, at first PFW_ENGINE_WAIT: those that others hold are waited for;
 * PFW_ENGINE_TRY: they are -ETIMEDOUT at once, in the same words;
 * PFW_ENGINE_NO_LOCKS: none is taken, to look only. What is told is then certain, and otherwise
 * -EAGAIN: the files are not those that were loaded, or the kernel is not as they say, for somebody
 * may be about to change it.
 */
enum pfw_engine_locks { PFW_ENGINE_WAIT, PFW_ENGINE_TRY, PFW_ENGINE_NO_LOCKS };
void pfw_engine_set_locks(struct pfw_engine *engine, enum pfw_engine_locks locks);

/*
 * In a process that was forked while nothing was locked, and has closed its descriptors: from now
 * on this engine only looks, and shares nothing with that of the other process. What is loaded
 * stays.
 */
int pfw_engine_part(struct pfw_engine *engine, struct pfw_error *err);

/*
 * Reads the configuration, and plans it; what is loaded already and stands in the files is not read
 * again. On failure what was loaded before still is. Whoever writes settles a journal first that
 * somebody left.
 * PFW_ENGINE_WORDS: the files only, nothing of the kernel or the run directory;
 * PFW_ENGINE_LOOK: to compare with the kernel; a shared lock keeps changes out meanwhile;
 * PFW_ENGINE_WRITE: to change it; locked against everybody else.
 */
enum pfw_engine_purpose { PFW_ENGINE_WORDS, PFW_ENGINE_LOOK, PFW_ENGINE_WRITE };
struct pfw_engine_load {
	enum pfw_engine_purpose purpose;
	bool required;		/* the main file must be there */
	bool any_config;	/* even if another configuration is applied in this namespace */
	bool anew;		/* auto decides anew which backend; otherwise what stands goes on */
	bool standing;		/* what is loaded counts, whatever the files say by now */
	const struct pfw_draft *draft;	/* what the main file shall say, or NULL */
	bool settled;		/* a trial that failed is no matter any more */
};
int pfw_engine_load(struct pfw_engine *engine, const struct pfw_engine_load *load,
		    struct pfw_error *err);

/*
 * The main file's bytes as they are, valid or not, for a draft of them; -ENOENT without words
 * where it is not there. Whoever could not save a draft is refused here, but for a dry run.
 */
int pfw_engine_read(struct pfw_engine *engine, bool dry_run, struct pfw_buffer *ret,
		    struct pfw_error *err);

/*
 * Writes the journal to the file; loaded to write. last: the journal goes, none will follow. The
 * other two do it in parts: see pfw_store_settle_begin() and pfw_settling_prepare().
 */
int pfw_engine_settle(struct pfw_engine *engine, bool last, struct pfw_error *err);
int pfw_engine_settle_begin(struct pfw_engine *engine, struct pfw_settling **ret,
			    struct pfw_error *err);
int pfw_engine_settle_end(struct pfw_engine *engine, struct pfw_settling *settling,
			  struct pfw_error *err);
/* How many lines of the journal are not settled. */
size_t pfw_engine_journal(const struct pfw_engine *engine);
/*
 * Whether the files say what is loaded, and the kernel was made so, or somebody tried; false where that
 * is not certain.
 */
bool pfw_engine_is_current(const struct pfw_engine *engine);
/* What a load left out of a journal, told once, to be freed; or NULL. Changes report it by themselves. */
char *pfw_engine_take_notice(struct pfw_engine *engine);
/* Whether a configuration is applied in this namespace at all. */
bool pfw_engine_is_applied(const struct pfw_engine *engine);

/* What was loaded; holds until the next call that changes it. */
const struct pfw_ruleset *pfw_engine_ruleset(const struct pfw_engine *engine);
/* The ids of all its forwards, which are n_live, in the order of the files; to be freed. NULL: -ENOMEM. */
uint32_t *pfw_engine_order(const struct pfw_engine *engine);
const struct pfw_plan *pfw_engine_plan(const struct pfw_engine *engine);
/* The path of a file by its number; that of the main file for PFW_ORIGIN_NONE. */
const char *pfw_engine_file(const struct pfw_engine *engine, uint32_t file);
/* Whether what is in this file is forgotten with the next boot. */
bool pfw_engine_is_runtime(const struct pfw_engine *engine, uint32_t file);
/* *ret_why: why auto took no better one, or NULL. Not for PFW_ENGINE_WORDS. */
const char *pfw_engine_backend(const struct pfw_engine *engine, const char **ret_why);

/*
 * Why others can change what stands though the settings have own_table and the engine stays; NULL:
 * that is not so.
 */
const char *pfw_engine_unowned(const struct pfw_engine *engine);

/* One step of a change, in words. */
struct pfw_report_line {
	enum { PFW_STEP_ADD, PFW_STEP_REMOVE, PFW_STEP_CHANGE } action;
	const char *kind;	/* static: "element", "chain", "sysctl" ... */
	const char *forward;	/* or NULL: of the frame */
	char *text;		/* in the backend's language */
};

/* Zero-initialise, set verbose; free with pfw_report_free(). */
struct pfw_report {
	bool verbose;		/* lines are wanted, not their number only */
	size_t max_lines;	/* so many at most; 0: all */
	size_t n_steps;
	int routing[2];		/* of IPv4 and IPv6: switched on (1) or off (-1), or neither (0) */
	struct pfw_report_line *lines;
	size_t n_lines;
	const char *warning;	/* what was left undone though the change stands; or NULL */
	struct pfw_arena arena;
};
void pfw_report_free(struct pfw_report *report);

/*
 * How to change. Once a change stands, the connections of what is gone or goes elsewhere now
 * are cut, and UDP flows that would go past what is new; with drain, only UDP is cut, and
 * what knows an end of its own may come to it. Where that fails, the change stands and the report
 * has a warning.
 */
struct pfw_manner {
	bool dry_run;	/* the kernel checks the change, and nothing stays */
	bool drain;
	unsigned int confirm;	/* a reload on trial: seconds until it must be confirmed; 0: it is none */
	bool unasked;		/* nobody asked for the reload: what a trial returns to stays what it is */
	/*
	 * A reload that only puts back what others did, by what the kernel told of it; NULL: they
	 * may have done anything.
	 */
	const struct pfw_told *told;
};

/*
 * Makes changes: in the kernel and in the files, all or none. A put without an origin
 * goes to the main file, or with PFW_ORIGIN_RUNTIME to what is forgotten with the next boot.
 */
int pfw_engine_change(struct pfw_engine *engine, const struct pfw_change *changes, size_t n,
		      const struct pfw_manner *manner, struct pfw_report *report,
		      struct pfw_error *err);

/*
 * Makes the kernel what the configuration says, whatever it is now; what was loaded from a
 * draft is saved with it, both or neither.
 */
int pfw_engine_reload(struct pfw_engine *engine, const struct pfw_manner *manner,
		      struct pfw_report *report, struct pfw_error *err);

/*
 * Takes all of portfwd out of the kernel, cuts its connections, puts the host's settings back,
 * and forgets what was to be kept until the next boot (*ret_forgot: there was such a file). Needs
 * no load.
 */
int pfw_engine_flush(struct pfw_engine *engine, bool dry_run, struct pfw_report *report,
		     bool *ret_forgot, struct pfw_error *err);

/* What the kernel holds beside what it should. Free with pfw_view_free(). */
struct pfw_view {
	bool in_sync;
	bool owned;		/* nobody else can change the table */
	uint32_t owner;		/* netlink port of another program of which that is true; 0: none */
	bool guard;		/* it stands as it should; false where none is wanted */
	char *unguarded;	/* interfaces that it should hold and cannot, for people; or NULL */
	struct pfw_links localnets;	/* interfaces that let connections in to 127.0.0.0/8 */
	bool shield;		/* nobody but the forwards can use these; false where none is wanted */
	bool *missing;		/* by id of the forward: not in the kernel as it should be */
	uint64_t *connections;	/* by id */
};
int pfw_engine_look(struct pfw_engine *engine, struct pfw_view *ret, struct pfw_report *report,
		    struct pfw_error *err);
/*
 * The same of these forwards only, of which the view then tells, at a cost that follows their
 * number. -ESTALE, without words, unless the kernel tells of few, and they are as they should be.
 */
int pfw_engine_glance(struct pfw_engine *engine, const uint32_t *ids, size_t n,
		      struct pfw_view *ret, struct pfw_error *err);
/*
 * Whether kernel and host have all of this forward, and what all forwards need. False where that is
 * not certain without reading all.
 */
bool pfw_engine_stands(struct pfw_engine *engine, uint32_t id);
void pfw_view_free(struct pfw_view *view);

/*
 * A file that makes the kernel what the configuration says, in a backend's format ("nft").
 * -EINVAL: what has this format is not built in.
 */
int pfw_engine_export(struct pfw_engine *engine, const char *format, struct pfw_buffer *ret,
		      struct pfw_error *err);

#endif
