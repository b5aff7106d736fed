/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the parts of the engine share. */
#ifndef ENGINE_INSIDE_H
#define ENGINE_INSIDE_H

#include "portfwd/backend/backend.h"
#include "portfwd/engine/engine.h"
#include "portfwd/engine/trial.h"
#include "portfwd/store/store.h"
#include "state.h"

/*
 * The backend that programs the packets; the other one, where what it made may still stand, only
 * to be taken out; the host.
 */
enum { ENGINE_PACKETS, ENGINE_OTHER, ENGINE_HOST, ENGINE_BACKENDS };
#define ENGINE_PACKET_BACKENDS ENGINE_HOST

struct engine_backend {
	const struct pfw_backend *ops;	/* NULL: it is not open */
	struct pfw_backend_handle *handle;
	bool write;			/* it was opened to change something */
};

struct pfw_netlink;

struct pfw_engine {
	struct pfw_store *store;
	struct state state;
	char *run_dir;
	char *backend;			/* NULL: as the settings say */
	char *why;			/* why auto took no better backend; NULL: none is better */
	bool fell_back;			/* and it is the first change for which it did */
	struct engine_backend backends[ENGINE_BACKENDS];
	struct engine_backend owner;	/* closed, but it goes on owning; or none */
	bool stays;			/* it can own the table, and is to be quick again and again */
	bool told_unowned;		/* that own_table cannot be had */
	struct pfw_ruleset ruleset;
	struct pfw_facts facts;		/* what the plan points into */
	struct pfw_plan plan;
	bool loaded;
	bool words_only;		/* without a look at the kernel */
	bool fresh;			/* nobody has tried yet to make the kernel what was loaded */
	bool drafted;			/* what is loaded is a draft that is not saved yet */
	enum pfw_engine_locks locks;	/* how to take them */
	bool locked;			/* the state is, and loaded */
	bool bulky;			/* much memory was used, and given back */
	struct pfw_netlink *connections;	/* to cut them; NULL: not yet */
	bool compared;			/* the kernel held what is planned, but for what others did since */
	int64_t first_expiry;		/* of all forwards that are enabled; INT64_MAX: none expires */
	int64_t next_expiry;		/* of those that had not expired when the plan was made */
	struct pfw_trial trial;		/* that we began, and watch */
	unsigned int trial_seconds;	/* of the reload under way; 0: it is none on trial */
	bool began_trial;		/* its mark was put up by it */
	bool on_trial;			/* what stands waits to be confirmed */
	bool returned;			/* what stood before was brought back before anything else */
};

/* Forgets ruleset, facts and plan. */
void engine_unload(struct pfw_engine *engine);
/* What was locked for a look is locked no more, while the look goes on over what was read. */
void engine_let_others(struct pfw_engine *engine);
/* Locks the state, unless it is, and reads it. */
int engine_lock_state(struct pfw_engine *engine, bool write, struct pfw_error *err);
/* Remembers when this forward expires; when all do. */
void engine_note_expiry(struct pfw_engine *engine, const struct pfw_forward *forward);
void engine_note_expiries(struct pfw_engine *engine);
/* Makes the plan one of the engine's facts, whatever it was made of. */
int engine_follow_facts(struct pfw_engine *engine, struct pfw_error *err);
/* Says in the report what was left out of a journal. -ENOMEM. */
int engine_tell_notice(struct pfw_engine *engine, struct pfw_report *report, struct pfw_error *err);

/* What stands and what should stand in one backend. Zero-initialise; side_free(). */
struct side {
	struct pfw_image before;
	struct pfw_image after;
	struct pfw_difference difference;
};
void sides_free(struct side sides[ENGINE_BACKENDS]);

/* Reads the kernel into before, where it is not filled yet, compiles the plan into after. */
int side_fill(struct pfw_engine *engine, unsigned int backend, const struct pfw_touched *only,
	      bool read, struct side *side, struct pfw_error *err);
/* What stands, and that nothing should; a backend that is not open has nothing. */
int side_fill_gone(struct pfw_engine *engine, unsigned int backend, struct side *side,
		   struct pfw_error *err);
/* The host's before, after and difference. */
int side_fill_host(struct pfw_engine *engine, struct side *side, struct pfw_error *err);

/*
 * Applies all sides: no packet is routed before its rules stand, nor once they are gone. What fails
 * takes back what was applied.
 */
int sides_apply(struct pfw_engine *engine, struct side sides[ENGINE_BACKENDS],
		struct pfw_error *err);
/* Takes one side back; a failure is added to the words in err. */
void side_take_back(struct pfw_engine *engine, unsigned int backend, const struct side *side,
		    struct pfw_error *err);
/* Takes all sides back. */
void sides_take_back(struct pfw_engine *engine, const struct side sides[ENGINE_BACKENDS],
		     struct pfw_error *err);

size_t sides_steps(const struct side sides[ENGINE_BACKENDS]);
int sides_report(const struct pfw_engine *engine, const struct side sides[ENGINE_BACKENDS],
		 struct pfw_report *report, struct pfw_error *err);

/*
 * After the commit: cuts the connections that the change concerns, in one pass over them, and none
 * if it concerns none. planned is what the old configuration asked for, if that is known: it counts
 * as well as what the kernel held. plan is what stands now, NULL: nothing. A failure
 * becomes the report's warning.
 */
void engine_cut(struct pfw_engine *engine, const struct side sides[ENGINE_BACKENDS],
		const struct pfw_image *planned, const struct pfw_plan *plan, bool drain,
		struct pfw_report *report);

/* Adds to what was left undone; -ENOMEM. */
int report_warn(struct pfw_report *report, struct pfw_error *err, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/*
 * The interfaces that the guard should hold and that the backend cannot express, as people
 * read them: "\"a\", \"b\""; empty if there is none.
 */
void engine_unguarded(const struct pfw_engine *engine, struct pfw_buffer *ret);
/* Says so in the report, where a step of the host's may have to do with it. -ENOMEM. */
int engine_tell_unguarded(const struct pfw_engine *engine, const struct side *host,
			  struct pfw_report *report, struct pfw_error *err);

/* Takes what locks the purpose of the load needs, unless they are held. */
int engine_lock(struct pfw_engine *engine, const struct pfw_engine_load *load,
		struct pfw_error *err);

/*
 * Opens those that the loaded settings ask for. anew: auto decides anew, and what another backend
 * may have left is looked for.
 */
int engine_open_backends(struct pfw_engine *engine, bool write, bool anew, struct pfw_error *err);
/* Opens all that can be opened, whatever the settings say, to take everything out. */
int engine_open_all(struct pfw_engine *engine, struct pfw_error *err);
void engine_close_backends(struct pfw_engine *engine);
/* What one owns, another one that works for it owns from now on. */
void engine_hand_over(struct pfw_engine *from, struct pfw_engine *to);
/* The last of closing: nothing is owned any more. */
void engine_let_go(struct pfw_engine *engine);
/* Says who is to own what stands, as the settings want it; then the facts know whether we do. */
int engine_own(struct pfw_engine *engine, struct pfw_error *err);
/* Says in the report, and not again, that what the settings want owned cannot be. -ENOMEM. */
int engine_tell_unowned(struct pfw_engine *engine, struct pfw_report *report,
			struct pfw_error *err);
/* For pfw_engine_part(). */
int engine_part_backends(struct pfw_engine *engine, struct pfw_error *err);
/* The one that option or settings name, or NULL: with auto, or where it is not built in. */
const struct pfw_backend *engine_named_backend(const struct pfw_engine *engine);
/* Fails where that one is not built in. */
int engine_check_backend(const struct pfw_engine *engine, struct pfw_error *err);
/* Adds an error for all that this backend cannot express of the plan. */
int engine_refuse(struct pfw_engine *engine, const struct pfw_backend *ops, struct pfw_error *err);
/* Says in the report that auto took another backend than the one it prefers. -ENOMEM. */
int engine_tell_fallback(const struct pfw_engine *engine, struct pfw_report *report,
			 struct pfw_error *err);
/*
 * Fills in the engine's facts. Where routing is on and nothing is recorded of it, but the guard
 * stands in the kernel, the record was lost, and is made anew from the guard; so is that of
 * route_localnet from the shield.
 */
int engine_gather_facts(struct pfw_engine *engine, struct pfw_error *err);
/* Remembers that this configuration is the applied one, and whether connections drain. */
int engine_remember_config(struct pfw_engine *engine, struct pfw_error *err);
/*
 * The last step once all sides are applied: remembers the configuration and puts what was staged
 * in its place, or else takes all sides back.
 */
int engine_commit(struct pfw_engine *engine, struct side sides[ENGINE_BACKENDS],
		  struct pfw_error *err);

/* Refuses to go on where others change the backend's objects again and again; -ESTALE. */
int refuse_restless(const struct pfw_engine *engine, struct pfw_error *err);

/* How often to follow a kernel that others change. */
#define ENGINE_ATTEMPTS 20

#endif
