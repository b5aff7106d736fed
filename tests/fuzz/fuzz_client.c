/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Any bytes as the daemon's reply. What the client makes of them must not depend on their pieces. */
#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../../src/service/client.h"
#include "fuzz.h"

#define SIZE_MAX_TRIED 8192
#define PIECES 64

/* Each piece is received by itself. */
static int ask(const uint8_t *data, size_t size, size_t piece, struct client_reply *ret)
{
	struct pfw_buffer nothing = { 0 };
	size_t at, len;
	int ends[2], code;

	demand(!socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), "there are sockets");
	for (at = 0; at < size; at += len) {
		len = size - at < piece ? size - at : piece;
		demand(send(ends[1], data + at, len, MSG_DONTWAIT) == (ssize_t)len, "there is room");
	}
	shutdown(ends[1], SHUT_WR);
	code = client_ask(ends[0], &nothing, "", 0, ret);
	close(ends[0]);
	close(ends[1]);
	return code;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct client_reply whole = { 0 }, split = { 0 };
	int code, again;

	if (size > SIZE_MAX_TRIED)
		return 0;
	code = ask(data, size, size ? size : 1, &whole);
	again = ask(data, size, size / PIECES + 1, &split);
	demand(code == again, "the pieces do not matter");
	demand(!code || code == -ECONNRESET || code == -EBADMSG || code == -EMSGSIZE,
	       "errors are those of the header");
	if (!code) {
		demand(whole.status >= 200 && whole.status < 600, "the status is one");
		demand(whole.status == split.status && whole.body.len == split.body.len &&
		       (!whole.body.len || !memcmp(whole.body.data, split.body.data, whole.body.len)),
		       "the replies are the same");
		demand(whole.body.len <= size, "nothing was made up");
	}
	client_reply_free(&whole);
	client_reply_free(&split);
	return 0;
}
