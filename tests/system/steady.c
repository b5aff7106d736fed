/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Connections and datagrams that go on while something else happens; steady.bats builds it.
 *
 *   steady echo ADDRESS PORT [ADDRESS PORT …]
 *	Sends back what it gets, over TCP and UDP. Says "ready".
 *   steady hold N ADDRESS PORT [N ADDRESS PORT …]
 *	Opens N TCP connections to each, says "ready", and sends some bytes over each of them,
 *	round after round, until its standard input ends, and then for one round more. Prints
 *	how many connections there are, or what happened to the first one that failed.
 *   steady stream RATE once|anew ADDRESS PORT [ADDRESS PORT …]
 *	Sends so many datagrams a second to them in turn, from one port or each from another,
 *	until its standard input ends. Prints how many were not sent back.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define SOCKETS 8192
#define PATIENT_MS 15000	/* what takes longer is lost */
#define PAUSE_MS 20		/* between rounds, so that others get the processor */
#define BUFFER (8 << 20)	/* so that it is not the sockets that lose datagrams */

static void fail(const char *what)
{
	fprintf(stderr, "steady: %s: %s\n", what, strerror(errno));
	exit(1);
}

static socklen_t make_address(const char *text, const char *port, struct sockaddr_storage *ret)
{
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)ret;
	struct sockaddr_in *v4 = (struct sockaddr_in *)ret;

	memset(ret, 0, sizeof(*ret));
	if (inet_pton(AF_INET6, text, &v6->sin6_addr) == 1) {
		v6->sin6_family = AF_INET6;
		v6->sin6_port = htons((uint16_t)atoi(port));
		return sizeof(*v6);
	}
	if (inet_pton(AF_INET, text, &v4->sin_addr) != 1)
		fail(text);
	v4->sin_family = AF_INET;
	v4->sin_port = htons((uint16_t)atoi(port));
	return sizeof(*v4);
}

static int make_socket(int family, int type)
{
	int fd = socket(family, type, 0), on = 1, size = BUFFER;

	if (fd < 0)
		fail("socket");
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (type == SOCK_DGRAM && setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)))
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	return fd;
}

static void watch(int epoll, int fd, uint32_t kind)
{
	struct epoll_event event = { .events = EPOLLIN, .data.u64 = (uint64_t)kind << 32 | (uint32_t)fd };

	if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event))
		fail("epoll_ctl");
}

static void ready(void)
{
	puts("ready");
	fflush(stdout);
}

static bool is_over(int ms)
{
	struct pollfd in = { .fd = STDIN_FILENO, .events = POLLIN };
	char byte;

	return poll(&in, 1, ms) == 1 && read(STDIN_FILENO, &byte, 1) <= 0;
}

/* ---- echo */

static void send_back(int epoll, int fd, int kind)
{
	struct sockaddr_storage peer;
	socklen_t len = sizeof(peer);
	char buf[2048];
	ssize_t n;

	if (kind == SOCK_RDM) {	/* who listens */
		fd = accept(fd, NULL, NULL);
		if (fd >= 0)
			watch(epoll, fd, SOCK_STREAM);
		return;
	}
	n = recvfrom(fd, buf, sizeof(buf), 0, (struct sockaddr *)&peer, &len);
	if (kind == SOCK_DGRAM && n >= 0)
		sendto(fd, buf, (size_t)n, 0, (struct sockaddr *)&peer, len);
	else if (n > 0)
		send(fd, buf, (size_t)n, MSG_NOSIGNAL);
	else if (kind == SOCK_STREAM)
		close(fd);
}

static int echo(char **words)
{
	int epoll = epoll_create1(0), types[] = { SOCK_STREAM, SOCK_DGRAM }, fd, n, i;
	struct epoll_event events[64];
	struct sockaddr_storage at;
	socklen_t len;

	for (; words[0]; words += 2)
		for (i = 0; i < 2; i++) {
			len = make_address(words[0], words[1], &at);
			fd = make_socket(at.ss_family, types[i]);
			if (bind(fd, (struct sockaddr *)&at, len) || (!i && listen(fd, 1024)))
				fail(words[0]);
			watch(epoll, fd, i ? SOCK_DGRAM : SOCK_RDM);
		}
	ready();
	while ((n = epoll_wait(epoll, events, 64, -1)) >= 0 || errno == EINTR)
		for (i = 0; i < n; i++)
			send_back(epoll, (int)(uint32_t)events[i].data.u64,
				  (int)(events[i].data.u64 >> 32));
	return 1;
}

/* ---- hold */

struct message {
	uint32_t connection;
	uint32_t round;
};

static struct held {
	int fd;
	const char *address;
	const char *port;
} held[SOCKETS];
static uint32_t n_held;

static int broken(uint32_t i, uint32_t round, const char *how)
{
	printf("connection %u of %u, to %s port %s, in round %u: %s\n", i, n_held, held[i].address,
	       held[i].port, round, how);
	return 1;
}

static void connect_all(char **words)
{
	struct timeval patience = { PATIENT_MS / 1000, 0 };
	struct sockaddr_storage to;
	socklen_t len;
	int n, fd;

	for (; words[0]; words += 3)
		for (n = atoi(words[0]); n > 0 && n_held < SOCKETS; n--) {
			len = make_address(words[1], words[2], &to);
			fd = make_socket(to.ss_family, SOCK_STREAM);
			setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
			if (connect(fd, (struct sockaddr *)&to, len))
				fail(words[2]);
			held[n_held++] = (struct held){ fd, words[1], words[2] };
		}
}

static int go_round(uint32_t round)
{
	struct message sent, got;
	ssize_t n;
	uint32_t i;

	for (i = 0; i < n_held; i++) {
		sent = (struct message){ i, round };
		if (send(held[i].fd, &sent, sizeof(sent), MSG_NOSIGNAL) != sizeof(sent))
			return broken(i, round, strerror(errno));
	}
	for (i = 0; i < n_held; i++) {
		sent = (struct message){ i, round };
		n = recv(held[i].fd, &got, sizeof(got), MSG_WAITALL);
		if (n != sizeof(got))
			return broken(i, round, n < 0 ? strerror(errno) : "closed");
		if (memcmp(&got, &sent, sizeof(got)) != 0)
			return broken(i, round, "other bytes came back");
	}
	return 0;
}

static int hold(char **words)
{
	uint32_t round = 0;
	bool over = false;

	connect_all(words);
	if (go_round(round++))
		return 1;
	ready();
	while (!over) {
		over = is_over(PAUSE_MS);
		if (go_round(round++))
			return 1;
	}
	printf("%u connections\n", n_held);
	return 0;
}

/* ---- stream */

static uint64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

struct stream {
	int epoll;
	bool anew;
	struct sockaddr_storage to[16];
	socklen_t len[16];
	int fd[16];	/* -1: none yet */
	unsigned int n;
	uint32_t sent;
	uint32_t back;
};

static void send_one(struct stream *stream)
{
	unsigned int i = stream->sent % stream->n;
	int *fd = &stream->fd[i];

	if (*fd < 0 || stream->anew) {
		*fd = make_socket(stream->to[i].ss_family, SOCK_DGRAM | SOCK_NONBLOCK);
		if (connect(*fd, (struct sockaddr *)&stream->to[i], stream->len[i]))
			fail("connect");
		watch(stream->epoll, *fd, SOCK_DGRAM);
	}
	if (send(*fd, &stream->sent, sizeof(stream->sent), 0) != sizeof(stream->sent))
		fail("send");
	stream->sent++;
}

static void receive(struct stream *stream, int ms)
{
	struct epoll_event events[64];
	uint32_t number;
	int n = epoll_wait(stream->epoll, events, 64, ms), i, fd;

	for (i = 0; i < n; i++) {
		fd = (int)(uint32_t)events[i].data.u64;
		while (recv(fd, &number, sizeof(number), 0) == sizeof(number))
			stream->back++;
		if (stream->anew)
			close(fd);
	}
}

static int stream(char **words)
{
	struct stream stream = { .epoll = epoll_create1(0), .anew = !strcmp(words[1], "anew") };
	uint64_t rate = (uint64_t)atoi(words[0]), begin = now_ms(), end;
	bool over = false;

	for (words += 2; words[0] && stream.n < 16; words += 2, stream.n++) {
		stream.len[stream.n] = make_address(words[0], words[1], &stream.to[stream.n]);
		stream.fd[stream.n] = -1;
	}
	for (; !over; over = is_over(0)) {
		if (stream.sent < (now_ms() - begin) * rate / 1000) {
			send_one(&stream);
			if (stream.sent == stream.n)
				ready();
		}
		receive(&stream, stream.sent < (now_ms() - begin) * rate / 1000 ? 0 : 1);
	}
	for (end = now_ms() + PATIENT_MS; stream.back < stream.sent && now_ms() < end;)
		receive(&stream, 100);
	if (stream.back == stream.sent)
		puts("none lost");
	else
		printf("%u of %u lost\n", stream.sent - stream.back, stream.sent);
	return stream.back != stream.sent;
}

int main(int argc, char **argv)
{
	struct rlimit files = { SOCKETS + 64, SOCKETS + 64 };

	setrlimit(RLIMIT_NOFILE, &files);
	if (argc > 3 && !strcmp(argv[1], "echo") && argc % 2 == 0)
		return echo(argv + 2);
	if (argc > 4 && !strcmp(argv[1], "hold") && argc % 3 == 2)
		return hold(argv + 2);
	if (argc > 5 && !strcmp(argv[1], "stream") && argc % 2 == 0)
		return stream(argv + 2);
	fputs("usage: steady echo|hold|stream …; see its head\n", stderr);
	return 2;
}
