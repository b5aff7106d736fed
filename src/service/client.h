/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * As much of HTTP/1.1 (RFC 9112) as asking the daemon takes: one request a connection, over a unix
 * socket, with bounds on all that comes back.
 */
#ifndef SERVICE_CLIENT_H
#define SERVICE_CLIENT_H

#include <stddef.h>
#include <sys/types.h>

#include "portfwd/base/buffer.h"

/*
 * Connects to the socket; what connect(2) says, -EPERM if somebody else than root or we ourselves
 * listens there. *ret_fd waits a bounded time for each piece of what is sent and received.
 */
int client_connect(const char *path, int *ret_fd);

/* Zero-initialise; free with client_reply_free(). */
struct client_reply {
	unsigned int status;
	struct pfw_buffer body;
};

/*
 * Sends the head, which ends with its empty line, and the body, and reads the reply. -ECONNRESET: the
 * connection ended before the reply was whole; -ETIMEDOUT: nothing came for long; -EBADMSG: what came
 * is no reply; -EMSGSIZE: it is too large; -ENOMEM. Closes nothing.
 */
int client_ask(int fd, const struct pfw_buffer *head, const char *body, size_t body_len,
	       struct client_reply *ret);
void client_reply_free(struct client_reply *reply);

#endif
