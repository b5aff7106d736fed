/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Backends: what programs a plan. One contract for nf_tables, for the sysctls
 * of the host, and for what comes later.
 */
#ifndef PORTFWD_BACKEND_BACKEND_H
#define PORTFWD_BACKEND_BACKEND_H

#include "portfwd/backend/flow.h"
#include "portfwd/base/buffer.h"
#include "portfwd/plan/image.h"
#include "portfwd/plan/plan.h"

struct pfw_told;	/* portfwd/kernel/monitor.h */

/* An open backend; what it needs of the kernel is bound to the present network namespace. */
struct pfw_backend_handle;

/* One language in which a whole image can be written for another tool. */
struct pfw_text_format {
	const char *name;	/* "nft" */
	void (*write)(const struct pfw_image *image, struct pfw_buffer *ret);
};

/* Who may change what stands, beside root's other programs. */
enum pfw_ownership {
	PFW_OWNED_BY_NOBODY,	/* everybody may: what somebody owns, or did, is a difference */
	PFW_OWNED_BY_ANYBODY,	/* that is left as it is */
	PFW_OWNED_BY_US,	/* only this program, as long as its handle is open */
};

struct pfw_backend {
	const char *name;
	const char *table;	/* of nf_tables, family inet, that is all its own; NULL: it has none */

	/*
	 * Opens it to change the kernel, or with write false to look only. Free with close. NULL:
	 * it is opened by a function of its own.
	 */
	int (*open)(bool write, struct pfw_backend_handle **ret, struct pfw_error *err);

	/*
	 * Asks the kernel whether it can do what this backend makes. -EOPNOTSUPP: it cannot, and one
	 * error says what is missing. Changes nothing.
	 */
	int (*probe)(struct pfw_backend_handle *handle, struct pfw_error *err);

	/*
	 * Adds an error for each key of a forward of the plan that this backend cannot express, at
	 * paths below the present place; the words name forward and backend. NULL: there is none.
	 */
	int (*refuse)(const struct pfw_plan *plan, const struct pfw_forward *forward,
		      struct pfw_error *err);

	/*
	 * Turns a plan into this backend's own objects. Pure. only NULL: all of
	 * them; else the frame and the objects of these keys and forwards. The image points to names
	 * of the plan's ruleset.
	 */
	int (*compile)(const struct pfw_plan *plan, const struct pfw_touched *only,
		       struct pfw_image *ret, struct pfw_error *err);

	/*
	 * What stands in the kernel. Objects that a running system makes by
	 * itself (learned set elements) are no items.
	 */
	int (*read)(struct pfw_backend_handle *handle, struct pfw_image *ret,
		    struct pfw_error *err);

	/*
	 * What stands and what should, of the frame and of all that others are told to have changed since
	 * the kernel was known to hold the rest. -ESTALE, without words: that is not enough, so read and
	 * compile all. NULL: this kernel tells nothing.
	 */
	int (*recheck)(struct pfw_backend_handle *handle, const struct pfw_plan *plan,
		       const struct pfw_told *told, struct pfw_image *ret_before,
		       struct pfw_image *ret_after, struct pfw_error *err);

	/*
	 * What stands and what should, of the frame and of the objects of these keys and forwards.
	 * -ESTALE, without words: read and compile all. NULL: the kernel tells nothing of one object.
	 */
	int (*glance)(struct pfw_backend_handle *handle, const struct pfw_plan *plan,
		      const struct pfw_touched *only, struct pfw_image *ret_before,
		      struct pfw_image *ret_after, struct pfw_error *err);

	/*
	 * Whether the kernel says that it holds exactly this plan, without
	 * reading it all. NULL: read it.
	 */
	int (*holds)(struct pfw_backend_handle *handle, const struct pfw_plan *plan, bool *ret,
		     struct pfw_error *err);

	/*
	 * The number of the kernel's state that the last read has seen or the last apply has made;
	 * 0: not known. NULL: this kernel numbers nothing.
	 */
	uint32_t (*generation)(const struct pfw_backend_handle *handle);

	/*
	 * Whether the kernel is still in the state of this number: nobody has changed
	 * anything since. If so, the next apply finds it so as well, or fails with -ESTALE.
	 */
	int (*unchanged)(struct pfw_backend_handle *handle, uint32_t generation, bool *ret,
			 struct pfw_error *err);

	/*
	 * The file that everybody locks, and closes behind it, who changes what stands. NULL: others need
	 * no lock.
	 */
	const char *(*lock_path)(void);

	/* pfw_netlink_port() of what changes the table. NULL: with it. */
	uint32_t (*port)(const struct pfw_backend_handle *handle);

	/*
	 * Says who is to own what stands; nobody, before it is called. -EOPNOTSUPP without words:
	 * the kernel gives nothing to own, so it is left to anybody. NULL: no kernel does.
	 */
	int (*own)(struct pfw_backend_handle *handle, enum pfw_ownership who,
		   struct pfw_error *err);
	/* The port of who owns what stands now; 0: nobody, or it is not known. NULL with own. */
	uint32_t (*owner)(struct pfw_backend_handle *handle);

	/*
	 * Makes the steps, all or none. after is the image that the difference leads to.
	 * With dry_run the kernel only checks. -ESTALE: the kernel does
	 * not hold what before said; read it and try again.
	 */
	int (*apply)(struct pfw_backend_handle *handle, const struct pfw_image *after,
		     const struct pfw_difference *difference, bool dry_run,
		     struct pfw_error *err);

	/*
	 * Adds the flows that an image makes: of all its items, or with wanted only of those
	 * whose owner it says yes to. Who may use them is put into clients. What this backend
	 * would not have made is no flow. -ENOMEM. NULL: this backend's objects say nothing about
	 * connections.
	 */
	int (*flows)(const struct pfw_image *image,
		     bool (*wanted)(const void *ctx, const char *owner), const void *ctx,
		     struct pfw_clients *clients, struct pfw_flows *flows);

	/* One item as a line of this backend's language, without newline: for diff and dry run. */
	void (*print)(const struct pfw_item *item, struct pfw_buffer *ret);
	/* The word for an item's kind: "element", "chain", "sysctl". */
	const char *(*kind)(const struct pfw_item *item);

	/*
	 * Whether the kernel has dropped the item by itself by then, in seconds since 1970 UTC;
	 * NULL: it drops nothing.
	 */
	bool (*is_past)(const struct pfw_item *item, int64_t now);

	/*
	 * Whether forwards cannot work for what this step, of the frame, would mend. What is only too
	 * much breaks nothing. NULL: any difference of the frame does.
	 */
	bool (*is_broken)(const struct pfw_step *step);

	/* Whether the item is part of the guard; NULL: there is none. */
	bool (*is_guard)(const struct pfw_item *item);
	/* Whether the item keeps what comes from outside from 127.0.0.0/8; NULL: there is none. */
	bool (*is_shield)(const struct pfw_item *item);
	/* Whether the guard can hold an interface of this name; NULL: it holds any. */
	bool (*guard_holds)(const char *name);

	/*
	 * The interfaces that a guard of this family knows which stands in the kernel, with their
	 * part in it but without index; none where there is no guard. It is there only because
	 * portfwd switched routing on. *ret is zero-initialised. NULL: there is no guard.
	 */
	int (*guarded)(struct pfw_backend_handle *handle, uint8_t family, struct pfw_links *ret,
		       struct pfw_error *err);
	/* Whether what keeps others from 127.0.0.0/8 stands in the kernel; NULL with guarded. */
	int (*shielded)(struct pfw_backend_handle *handle, bool *ret, struct pfw_error *err);

	/* Ends with a row without name; NULL: there is none. */
	const struct pfw_text_format *formats;

	/*
	 * In a process that was forked, whose descriptors are closed: from now on the handle only
	 * looks, by sockets of its own, and what that of the other process owns is not others'.
	 * NULL: it has none.
	 */
	int (*part)(struct pfw_backend_handle *handle, struct pfw_error *err);

	/*
	 * For what follows: whether to change what is read (write, if it was opened to), and whether
	 * to wait for nobody: a lock that others hold is -ETIMEDOUT then, and a read that others
	 * disturb -EAGAIN. NULL: that is all one.
	 */
	void (*prepare)(struct pfw_backend_handle *handle, bool write, bool hasty);

	/*
	 * Lets go of what a read holds against others until an apply, where none will come. NULL: a read
	 * holds nothing.
	 */
	void (*release)(struct pfw_backend_handle *handle);
	void (*close)(struct pfw_backend_handle *handle);
};

/* Those that program packets and are built in, the preferred one first. */
extern const struct pfw_backend *const pfw_backends[];	/* ends with NULL */
/* The one of that name, or NULL: there is none, or it is not built in. */
const struct pfw_backend *pfw_backend_find(const char *name);

/* nf_tables, table inet portfwd. */
extern const struct pfw_backend pfw_backend_nftables;
/* The legacy tables of iptables, chains PORTFWD-*. */
extern const struct pfw_backend pfw_backend_iptables;

/*
 * The host: sysctls that routing needs. What was changed is remembered in a record,
 * so that it can be put back; whoever opens the backend keeps the record on disk.
 */
struct pfw_host_entry {
	char *key;	/* "net/ipv4/ip_forward" */
	char *was;	/* value before portfwd changed it */
	uint32_t index;	/* of the interface that the key names; 0: none, or not known */
};

struct pfw_host_record {
	struct pfw_host_entry *entries;	/* in the order in which they were changed */
	size_t n_entries;
	/* By family, IPv4 and IPv6: the interfaces that were there when routing was switched on. */
	struct pfw_links guarded[2];
	bool renamed;	/* it differs from what was saved, only by names that were followed */
};
int pfw_host_record_add(struct pfw_host_record *record, const char *key, const char *was,
			uint32_t index);
/*
 * The name of the interface in a key as below /proc/sys, and what is behind it ("forwarding"), or
 * NULL: it names none, or all of them. *ret_name is zero-filled.
 */
const char *pfw_host_key_interface(const char *key, char ret_name[PFW_IFNAME_SIZE]);
/* What is behind it where connections are let in to 127.0.0.0/8, and whether a key is such a one. */
#define PFW_HOST_LOCALNET "route_localnet"
bool pfw_host_is_localnet(const char *key, char ret_name[PFW_IFNAME_SIZE]);
/*
 * Gives all that is recorded of an interface the name that it has now. What is gone keeps its
 * name, unless another one that is recorded has it now. -ENOMEM.
 */
int pfw_host_record_follow(struct pfw_host_record *record, const struct pfw_links *now);
const char *pfw_host_record_find(const struct pfw_host_record *record, const char *key);
void pfw_host_record_free(struct pfw_host_record *record);

extern const struct pfw_backend pfw_backend_host;
/* save is called before a sysctl is written and after one was put back. */
typedef int pfw_host_save(void *ctx, const struct pfw_host_record *record,
			  struct pfw_error *err);
int pfw_host_open(struct pfw_host_record *record, pfw_host_save *save, void *ctx,
		  struct pfw_backend_handle **ret, struct pfw_error *err);
/* Whether the steps switch the routing of this family on (1) or off (-1), or neither (0). */
int pfw_host_switches(const struct pfw_difference *difference, uint8_t family);
/*
 * Takes routing that is on for portfwd's own, whose record is lost: it was off before, and the guard
 * knew these interfaces, of which now are there. -ENOMEM.
 */
int pfw_host_adopt(struct pfw_host_record *record, uint8_t family, const struct pfw_links *guarded,
		   const struct pfw_links *now);
/* The same for every route_localnet that is on, of these interfaces. */
int pfw_host_adopt_localnets(struct pfw_host_record *record, const struct pfw_links *inet,
			     struct pfw_error *err);
/*
 * Fills in what the host tells for a plan, and lets the record follow interfaces that were
 * renamed; changes nothing of the host. Free with pfw_facts_free().
 */
int pfw_host_facts(struct pfw_host_record *record, struct pfw_facts *ret, struct pfw_error *err);
/* The interfaces alone, which anybody may ask for. *ret is zero-initialised. */
int pfw_host_links(struct pfw_links *ret, struct pfw_error *err);

#endif
