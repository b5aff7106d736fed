/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The beginning of an SCTP association (RFC 9260, 5.1), on raw sockets: INIT and INIT ACK.
 * Kernels that forward SCTP need not speak it themselves.
 */
#ifndef TESTS_SYSTEM_SCTP_H
#define TESTS_SYSTEM_SCTP_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

enum sctp_chunk { SCTP_INIT = 1, SCTP_INIT_ACK = 2 };

struct sctp_message {
	struct sockaddr_storage peer;
	uint16_t peer_port, port;	/* theirs, ours */
	uint32_t verification;		/* the receiver's tag: 0 for an INIT */
	uint32_t tag;			/* the sender's own */
	char text[256];			/* as the cookie of an INIT ACK */
};

/* Bound to the address unless NULL; -1 on failure. */
int sctp_socket(int family, const struct sockaddr_storage *address);
bool sctp_send(int fd, enum sctp_chunk type, const struct sctp_message *message);
/* Whether the next packet is such a chunk for message->port, and its checksum is right. */
bool sctp_receive(int fd, enum sctp_chunk type, struct sctp_message *message);

#endif
