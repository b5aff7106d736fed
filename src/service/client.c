/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Asking the daemon: a small HTTP/1.1 client on a unix socket. */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "client.h"

/* The daemon may wait for another portfwd that holds the lock, and work after that. */
#define SILENCE_SECONDS 120
#define HEAD_MAX 65536
#define BODY_MAX ((size_t)1 << 30)
#define PIECE 65536
#define INTERIM_MAX 16	/* replies before the one that counts */

/* ---- Connecting */

/* By a descriptor of its folder, where the name has no room otherwise. */
static int fill_address(const char *path, struct sockaddr_un *address, int *ret_folder)
{
	const char *slash = strrchr(path, '/');
	char folder[4096];
	int len;

	address->sun_family = AF_UNIX;
	if (strlen(path) < sizeof(address->sun_path)) {
		strcpy(address->sun_path, path);
		return 0;
	}
	if (!slash || (size_t)(slash - path) >= sizeof(folder))
		return -ENAMETOOLONG;
	snprintf(folder, sizeof(folder), "%.*s", (int)(slash - path), path);
	*ret_folder = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (*ret_folder < 0)
		return -errno;
	len = snprintf(address->sun_path, sizeof(address->sun_path), "/proc/self/fd/%d%s", *ret_folder,
		       slash);
	return len < (int)sizeof(address->sun_path) ? 0 : -ENAMETOOLONG;
}

/* Whoever else made a socket of this name would answer as it pleases. */
static int check_peer(int fd)
{
	struct ucred peer;
	socklen_t len = sizeof(peer);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) < 0)
		return -errno;
	return peer.uid == 0 || peer.uid == geteuid() ? 0 : -EPERM;
}

int client_connect(const char *path, int *ret_fd)
{
	const struct timeval silence = { .tv_sec = SILENCE_SECONDS };
	struct sockaddr_un address = { 0 };
	int folder = -1, fd = -1, ret = fill_address(path, &address, &folder);

	if (!ret) {
		fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
		ret = fd < 0 ? -errno : 0;
	}
	if (!ret && (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &silence, sizeof(silence)) < 0 ||
		     setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &silence, sizeof(silence)) < 0))
		ret = -errno;
	if (!ret && connect(fd, (const struct sockaddr *)&address, sizeof(address)) < 0)
		ret = -errno;
	if (!ret)
		ret = check_peer(fd);
	if (folder >= 0)
		close(folder);
	if (ret && fd >= 0)
		close(fd);
	else if (!ret)
		*ret_fd = fd;
	return ret;
}

/* ---- Sending and receiving */

static int system_code(void)
{
	switch (errno) {
	case EAGAIN:
		return -ETIMEDOUT;
	case EPIPE:
	case ECONNRESET:
		return -ECONNRESET;
	default:
		return -errno;
	}
}

static void skip_sent(struct msghdr *message, size_t sent)
{
	struct iovec *part;
	size_t len;

	for (; sent; sent -= len) {
		part = message->msg_iov;
		len = sent < part->iov_len ? sent : part->iov_len;
		part->iov_base = (char *)part->iov_base + len;
		part->iov_len -= len;
		if (!part->iov_len) {
			message->msg_iov++;
			message->msg_iovlen--;
		}
	}
}

/* Both at once, so that who is asked wakes up once. */
static int send_all(int fd, const struct pfw_buffer *head, const char *body, size_t body_len)
{
	struct iovec parts[] = { { head->data, head->len }, { (void *)(uintptr_t)body, body_len } };
	struct msghdr message = { .msg_iov = parts, .msg_iovlen = body_len ? 2 : 1 };
	ssize_t sent;

	while (message.msg_iovlen) {
		sent = sendmsg(fd, &message, MSG_NOSIGNAL);
		if (sent < 0 && errno == EINTR)
			continue;
		if (sent < 0)
			return system_code();
		skip_sent(&message, (size_t)sent);
	}
	return 0;
}

/* What has come and was not used yet. */
struct stream {
	int fd;
	struct pfw_buffer in;
	size_t used;
};

/* What was used makes room for what comes. */
static void forget_used(struct stream *stream)
{
	stream->in.len -= stream->used;
	if (stream->used && stream->in.len)
		memmove(stream->in.data, stream->in.data + stream->used, stream->in.len);
	stream->used = 0;
}

/* More of it: -ECONNRESET at the end. */
static int receive(struct stream *stream)
{
	ssize_t got;
	char *room;

	forget_used(stream);
	room = pfw_buffer_reserve(&stream->in, PIECE);
	if (!room)
		return -ENOMEM;
	do
		got = recv(stream->fd, room, PIECE, 0);
	while (got < 0 && errno == EINTR);
	if (got < 0)
		return system_code();
	if (!got)
		return -ECONNRESET;
	stream->in.len += (size_t)got;
	stream->in.data[stream->in.len] = '\0';
	return 0;
}

/* The next line, without its end, NUL-terminated; it holds until the next call. */
static int read_line(struct stream *stream, char **ret)
{
	char *line, *end;
	int code;

	for (;;) {
		line = stream->in.data ? stream->in.data + stream->used : NULL;
		end = line ? memchr(line, '\n', stream->in.len - stream->used) : NULL;
		if (end)
			break;
		if (stream->in.len - stream->used > HEAD_MAX)
			return -EBADMSG;
		code = receive(stream);
		if (code)
			return code;
	}
	stream->used = (size_t)(end + 1 - stream->in.data);
	if (end > line && end[-1] == '\r')
		end--;
	*end = '\0';
	if (strlen(line) != (size_t)(end - line))
		return -EBADMSG;
	*ret = line;
	return 0;
}

/* So many bytes to the end of the body. */
static int read_bytes(struct stream *stream, size_t len, struct pfw_buffer *ret)
{
	size_t piece;
	int code;

	if (len > BODY_MAX || ret->len + len > BODY_MAX)
		return -EMSGSIZE;
	while (len) {
		piece = stream->in.len - stream->used;
		piece = piece < len ? piece : len;
		if (piece)
			pfw_buffer_append(ret, stream->in.data + stream->used, piece);
		if (ret->failed)
			return -ENOMEM;
		stream->used += piece;
		len -= piece;
		if (!len)
			break;
		code = receive(stream);
		if (code)
			return code;
	}
	return 0;
}

/* ---- The reply */

struct head {
	unsigned int status;
	bool chunked;
	bool sized;
	size_t len;
};

static const char *value_of(const char *line, const char *name)
{
	size_t len = strlen(name);

	if (strncasecmp(line, name, len) || line[len] != ':')
		return NULL;
	return line + len + 1 + strspn(line + len + 1, " \t");
}

static int take_size(const char *text, int base, size_t *ret)
{
	const char *digits = base == 16 ? "0123456789abcdefABCDEF" : "0123456789";
	size_t n = strspn(text, digits);

	if (!n || n > 15 || (text[n] && !strchr("; \t", text[n])))
		return -EBADMSG;
	*ret = strtoull(text, NULL, base);
	return 0;
}

/* Two that differ would let the reply end where it pleases. */
static int take_length(const char *value, struct head *head)
{
	size_t before = head->len;
	int code = take_size(value, 10, &head->len);

	if (!code && head->sized && head->len != before)
		code = -EBADMSG;
	head->sized = true;
	return code;
}

static int take_header(const char *line, struct head *head)
{
	const char *value = value_of(line, "Content-Length");

	if (value)
		return take_length(value, head);
	value = value_of(line, "Transfer-Encoding");
	if (value)
		head->chunked = !strcasecmp(value, "chunked");
	return value && !head->chunked ? -EBADMSG : 0;
}

/* Headers to their empty line; behind a body that came in chunks, ret is NULL. */
static int read_headers(struct stream *stream, struct head *ret)
{
	size_t total = 0;
	char *line = NULL;
	int code;

	while (!(code = read_line(stream, &line)) && *line) {
		total += strlen(line);
		if (total > HEAD_MAX)
			return -EBADMSG;
		code = ret ? take_header(line, ret) : 0;
		if (code)
			return code;
	}
	return code;
}

/* "HTTP/1.1 200 OK" */
static int take_status(const char *line, unsigned int *ret)
{
	const char *number = line + strlen("HTTP/1.1 ");

	if ((strncmp(line, "HTTP/1.1 ", 9) && strncmp(line, "HTTP/1.0 ", 9)) ||
	    strspn(number, "0123456789") != 3 || *number < '1' || *number > '5' ||
	    (number[3] && number[3] != ' '))
		return -EBADMSG;
	*ret = (unsigned int)strtoul(number, NULL, 10);
	return 0;
}

static int read_head(struct stream *stream, struct head *ret)
{
	struct head head = { 0 };
	char *line = NULL;
	int code = read_line(stream, &line);

	if (!code)
		code = take_status(line, &head.status);
	if (!code)
		code = read_headers(stream, &head);
	if (!code)
		*ret = head;
	return code;
}

static int read_chunk(struct stream *stream, size_t len, struct pfw_buffer *ret)
{
	char *line = NULL;
	int code = read_bytes(stream, len, ret);

	if (!code)
		code = read_line(stream, &line);
	return !code && *line ? -EBADMSG : code;
}

static int read_chunks(struct stream *stream, struct pfw_buffer *ret)
{
	char *line = NULL;
	size_t len;
	int code;

	do {
		code = read_line(stream, &line);
		if (!code)
			code = take_size(line, 16, &len);
		if (!code && len)
			code = read_chunk(stream, len, ret);
	} while (!code && len);
	return code ? code : read_headers(stream, NULL);
}

static int read_reply(struct stream *stream, struct client_reply *ret)
{
	struct head head = { 0 };
	unsigned int n = 0;
	int code;

	do
		code = n++ > INTERIM_MAX ? -EBADMSG : read_head(stream, &head);
	while (!code && head.status < 200);
	if (code)
		return code;
	ret->status = head.status;
	if (head.chunked)
		return read_chunks(stream, &ret->body);
	if (head.sized)
		return read_bytes(stream, head.len, &ret->body);
	return head.status == 204 ? 0 : -EBADMSG;
}

int client_ask(int fd, const struct pfw_buffer *head, const char *body, size_t body_len,
	       struct client_reply *ret)
{
	struct stream stream = { .fd = fd };
	struct client_reply reply = { 0 };
	int sent = send_all(fd, head, body, body_len), code;

	/* Who refuses a request need not read it to its end. */
	if (sent && sent != -ECONNRESET)
		return sent;
	code = read_reply(&stream, &reply);
	pfw_buffer_free(&stream.in);
	if (code)
		client_reply_free(&reply);
	else
		*ret = reply;
	return code;
}

void client_reply_free(struct client_reply *reply)
{
	pfw_buffer_free(&reply->body);
	*reply = (struct client_reply){ 0 };
}
