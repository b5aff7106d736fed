/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A netfilter netlink socket: dumps, and batches that the kernel takes whole or
 * not at all (linux/netfilter/nfnetlink.h).
 */
#ifndef PORTFWD_KERNEL_NETLINK_H
#define PORTFWD_KERNEL_NETLINK_H

#include <linux/netlink.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "portfwd/base/buffer.h"
#include "portfwd/base/error.h"

struct pfw_netlink;

/* Binds to the present network namespace. */
int pfw_netlink_open(struct pfw_netlink **ret, struct pfw_error *err);
void pfw_netlink_close(struct pfw_netlink *nl);

/* The number by which the kernel tells others whose changes they are; never 0. */
uint32_t pfw_netlink_port(const struct pfw_netlink *nl);

/*
 * Sends the request (its sequence number is set here) and calls each with every
 * message of the answer; a negative answer of each ends it. Without NLM_F_DUMP
 * the answer is one message. Returns 0, -EINTR if the dump was disturbed and must be
 * started again, or the kernel's error; only a failing system call sets err.
 */
int pfw_netlink_ask(struct pfw_netlink *nl, struct nlmsghdr *request,
		    int (*each)(void *ctx, const struct nlmsghdr *message), void *ctx,
		    struct pfw_error *err);

/*
 * Messages that are one transaction. Zero-initialise; free with
 * pfw_batch_free(). A failed allocation is remembered and reported by
 * pfw_batch_send().
 */
struct pfw_batch_message {
	size_t offset;		/* of its nlmsghdr in bytes */
	const void *about;	/* what it is about, as the builder said */
};

struct pfw_batch {
	struct pfw_buffer bytes;
	struct pfw_batch_message *messages;
	size_t n_messages;
	size_t n_room;
	bool failed;
};

/*
 * Begins a message of an nf_tables type (NFT_MSG_...) with room for at least
 * `room` bytes of attributes; NULL after a failed allocation. The pointer holds until the next
 * pfw_batch_begin(). End it with pfw_batch_end() once its attributes are in.
 */
struct nlmsghdr *pfw_batch_begin(struct pfw_batch *batch, uint16_t type, uint16_t flags,
				 uint8_t family, size_t room, const void *about);
void pfw_batch_end(struct pfw_batch *batch, struct nlmsghdr *message);
void pfw_batch_free(struct pfw_batch *batch);

/* What the kernel refused first. */
struct pfw_refusal {
	int code;		/* negative errno */
	size_t message;		/* index in the batch; == n_messages: the batch itself */
	size_t attribute;	/* offset of the offending attribute in the message, or 0 */
	char words[128];	/* the kernel's own, or "" */
};

/*
 * Sends the batch. generation: refuse unless the ruleset still has this
 * generation id (0: whatever it has); the answer is -ERESTART then. dry_run: let
 * the kernel check everything and commit nothing. Returns 0 when all of it is
 * committed; -ECANCELED with *refusal filled when the kernel refused it, nothing
 * is changed then; -ENOBUFS when the answer was lost: read the state back.
 * Other failures set err.
 */
int pfw_batch_send(struct pfw_netlink *nl, struct pfw_batch *batch, uint32_t generation,
		   bool dry_run, struct pfw_refusal *refusal, struct pfw_error *err);

/* Whether nf_tables is behind the socket; who has not the rights to ask hears yes. */
bool pfw_netlink_has_nftables(struct pfw_netlink *nl);

/*
 * The generation id of the namespace's nf_tables ruleset, never 0. All that belongs to
 * this generation is seen by what is asked from now on.
 */
int pfw_netlink_generation(struct pfw_netlink *nl, uint32_t *ret, struct pfw_error *err);

#endif
