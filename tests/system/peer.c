/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Many servers, or many connections, in one process; the system tests build it.
 *
 *   peer serve NAME PROTO ADDRESS PORTS [NAME PROTO ADDRESS PORTS …]
 *	Answers every connection, or datagram, with "NAME PEER PORT": who it is, whom
 *	it sees, and its own port. Says "ready" when all sockets listen.
 *   peer ask
 *	Reads what to do, a line each, and prints one answer for each connection, or
 *	"none" where nobody answered:
 *	ask PROTO ADDRESS PORT [SOURCE]		waits 4 seconds for the answer
 *	try PROTO ADDRESS PORT [SOURCE]		0.3 seconds: an answer is not expected
 *	hold PROTO ADDRESS PORT [SOURCE]	like try, but an answered one stays open
 *	close					closes the one that is held the longest
 *	times N ask|try|hold …			the same N times
 *
 * PROTO is tcp, udp or sctp; of sctp there is just the beginning, and nothing to hold.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "sctp.h"

#define SOCKETS 4096
#define PATIENT_MS 4000
#define BRIEF_MS 300

enum kind { LISTENER, DATAGRAMS, CONNECTION, ASSOCIATIONS };

struct server {
	const char *name;
	enum kind kind;
	unsigned int port;
};

static struct pollfd fds[SOCKETS];
static struct server servers[SOCKETS];
static nfds_t n_fds;

static void fail(const char *what)
{
	fprintf(stderr, "peer: %s: %s\n", what, strerror(errno));
	exit(1);
}

static socklen_t make_address(const char *text, unsigned int port, struct sockaddr_storage *ret)
{
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)ret;
	struct sockaddr_in *v4 = (struct sockaddr_in *)ret;

	memset(ret, 0, sizeof(*ret));
	if (inet_pton(AF_INET6, text, &v6->sin6_addr) == 1) {
		v6->sin6_family = AF_INET6;
		v6->sin6_port = htons((uint16_t)port);
		return sizeof(*v6);
	}
	if (inet_pton(AF_INET, text, &v4->sin_addr) != 1) {
		errno = EINVAL;
		fail(text);
	}
	v4->sin_family = AF_INET;
	v4->sin_port = htons((uint16_t)port);
	return sizeof(*v4);
}

static const char *print_address(const struct sockaddr_storage *address, char *buf, size_t size)
{
	if (address->ss_family == AF_INET6)
		return inet_ntop(AF_INET6, &((const struct sockaddr_in6 *)address)->sin6_addr, buf,
				 (socklen_t)size);
	return inet_ntop(AF_INET, &((const struct sockaddr_in *)address)->sin_addr, buf,
			 (socklen_t)size);
}

static void watch(int fd, const char *name, enum kind kind, unsigned int port)
{
	if (n_fds == SOCKETS) {
		errno = EMFILE;
		fail("sockets");
	}
	fds[n_fds] = (struct pollfd){ .fd = fd, .events = POLLIN };
	servers[n_fds++] = (struct server){ name, kind, port };
}

static void listen_on(const char *name, const char *proto, const char *address, unsigned int port)
{
	bool udp = !strcmp(proto, "udp");
	struct sockaddr_storage at;
	socklen_t len = make_address(address, port, &at);
	int fd, on = 1;

	if (!strcmp(proto, "sctp")) {
		fd = sctp_socket(at.ss_family, &at);
		if (fd < 0)
			fail(name);
		watch(fd, name, ASSOCIATIONS, port);
		return;
	}
	fd = socket(at.ss_family, udp ? SOCK_DGRAM : SOCK_STREAM, 0);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (at.ss_family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, 26 /* IPV6_V6ONLY */, &on, sizeof(on));
	if (fd < 0 || bind(fd, (struct sockaddr *)&at, len) || (!udp && listen(fd, 1024)))
		fail(name);
	watch(fd, name, udp ? DATAGRAMS : LISTENER, port);
}

static void answer_association(nfds_t i)
{
	struct sctp_message message = { .port = (uint16_t)servers[i].port };
	char text[64];

	if (!sctp_receive(fds[i].fd, SCTP_INIT, &message))
		return;
	message.verification = message.tag;
	snprintf(message.text, sizeof(message.text), "%s %s %u\n", servers[i].name,
		 print_address(&message.peer, text, sizeof(text)), servers[i].port);
	sctp_send(fds[i].fd, SCTP_INIT_ACK, &message);
}

static void answer(nfds_t i)
{
	struct sockaddr_storage peer = { 0 };
	socklen_t len = sizeof(peer);
	char heard[512], said[256], text[64];
	int fd = fds[i].fd, n;

	if (servers[i].kind == ASSOCIATIONS) {
		answer_association(i);
		return;
	}
	if (servers[i].kind == LISTENER) {
		fd = accept(fd, (struct sockaddr *)&peer, &len);
		if (fd < 0)
			return;
	} else if (servers[i].kind == DATAGRAMS) {
		if (recvfrom(fd, heard, sizeof(heard), 0, (struct sockaddr *)&peer, &len) < 0)
			return;
	} else if (read(fd, heard, sizeof(heard)) <= 0) {
		close(fd);
		fds[i] = fds[--n_fds];
		servers[i] = servers[n_fds];
		return;
	} else {
		return;
	}
	n = snprintf(said, sizeof(said), "%s %s %u\n", servers[i].name,
		     print_address(&peer, text, sizeof(text)), servers[i].port);
	if (servers[i].kind == DATAGRAMS) {
		sendto(fd, said, (size_t)n, 0, (struct sockaddr *)&peer, len);
	} else {
		send(fd, said, (size_t)n, MSG_NOSIGNAL);
		watch(fd, servers[i].name, CONNECTION, servers[i].port);
	}
}

static int serve(char **words)
{
	unsigned int low, high;
	nfds_t i;

	for (; words[0]; words += 4) {
		high = low = (unsigned int)atoi(words[3]);
		if (strchr(words[3], '-'))
			high = (unsigned int)atoi(strchr(words[3], '-') + 1);
		for (; low <= high; low++)
			listen_on(words[0], words[1], words[2], low);
	}
	puts("ready");
	fflush(stdout);
	while (poll(fds, n_fds, -1) >= 0 || errno == EINTR)
		for (i = n_fds; i-- > 0;)
			if (fds[i].revents)
				answer(i);
	return 1;
}

static ssize_t ask_association(char **words, int ms, char *ret, size_t size)
{
	static uint32_t number;
	struct sctp_message message = { .peer_port = (uint16_t)atoi(words[2]), .tag = ++number }, heard;
	struct sockaddr_storage from;
	struct pollfd wait = { .events = POLLIN };

	make_address(words[1], 0, &message.peer);
	if (words[3])
		make_address(words[3], 0, &from);
	wait.fd = sctp_socket(message.peer.ss_family, words[3] ? &from : NULL);
	if (wait.fd < 0)
		fail("sctp");
	message.port = (uint16_t)(20000 + ((unsigned int)getpid() * 16 + number) % 10000);
	heard.port = message.port;
	heard.text[0] = '\0';
	sctp_send(wait.fd, SCTP_INIT, &message);
	/* Others of this host are heard as well, so time is counted from the last packet. */
	while (poll(&wait, 1, ms) == 1)
		if (sctp_receive(wait.fd, SCTP_INIT_ACK, &heard) && heard.verification == message.tag)
			break;
		else
			heard.text[0] = '\0';
	close(wait.fd);
	snprintf(ret, size, "%s", heard.text);
	return heard.text[0] ? (ssize_t)strlen(ret) : -1;
}

/* The answer's length, or -1; *fd stays open then only if hold. */
static ssize_t question(char **words, int ms, char *ret, size_t size, int *ret_fd)
{
	bool udp = !strcmp(words[0], "udp");
	struct sockaddr_storage to, from;
	socklen_t len = make_address(words[1], (unsigned int)atoi(words[2]), &to);
	int fd = socket(to.ss_family, (udp ? SOCK_DGRAM : SOCK_STREAM) | SOCK_NONBLOCK, 0);
	struct linger abort_it = { 1, 0 };
	struct pollfd wait = { .fd = fd, .events = POLLIN };
	ssize_t n = -1;

	if (fd < 0)
		fail("socket");
	if (words[3] && bind(fd, (struct sockaddr *)&from, make_address(words[3], 0, &from)))
		fail(words[3]);
	if ((!connect(fd, (struct sockaddr *)&to, len) || errno == EINPROGRESS) &&
	    (!udp || send(fd, "?\n", 2, 0) == 2) && poll(&wait, 1, ms) == 1)
		n = recv(fd, ret, size - 1, 0);
	if (n > 0 && ret_fd) {
		*ret_fd = fd;
		return n;
	}
	/* No TIME_WAIT, so that thousands of connections leave nothing. */
	if (!ret_fd)
		setsockopt(fd, SOL_SOCKET, SO_LINGER, &abort_it, sizeof(abort_it));
	close(fd);
	return n;
}

static int ask(void)
{
	int held[SOCKETS], n_held = 0, first = 0, times, ms, fd;
	char line[256], said[256], *words[8], *at;
	bool hold, sctp;
	ssize_t n;
	size_t i;

	while (fgets(line, sizeof(line), stdin)) {
		for (i = 0, at = strtok(line, " \n"); at && i < 7; at = strtok(NULL, " \n"))
			words[i++] = at;
		words[i] = NULL;
		if (i && !strcmp(words[0], "close") && first < n_held)
			close(held[first++]);
		times = 1;
		i = 0;
		if (words[0] && !strcmp(words[0], "times")) {
			times = atoi(words[1]);
			i = 2;
		}
		sctp = words[i] && words[i + 1] && !strcmp(words[i + 1], "sctp");
		hold = words[i] && !strcmp(words[i], "hold") && !sctp;
		for (; words[i] && words[i + 1] && times > 0; times--) {
			ms = strcmp(words[i], "ask") ? BRIEF_MS : PATIENT_MS;
			if (sctp)
				n = ask_association(&words[i + 1], ms, said, sizeof(said));
			else
				n = question(&words[i + 1], ms, said, sizeof(said),
					     hold ? &fd : NULL);
			if (n > 0 && hold && n_held < SOCKETS)
				held[n_held++] = fd;
			said[n > 0 ? n : 0] = '\0';
			fputs(n > 0 ? said : "none\n", stdout);
		}
		if (words[0] && !strcmp(words[0], "close"))
			puts("closed");
		fflush(stdout);
	}
	return 0;
}

int main(int argc, char **argv)
{
	struct rlimit files = { SOCKETS + 64, SOCKETS + 64 };

	setrlimit(RLIMIT_NOFILE, &files);
	if (argc > 4 && !strcmp(argv[1], "serve") && argc % 4 == 2)
		return serve(argv + 2);
	if (argc == 2 && !strcmp(argv[1], "ask"))
		return ask();
	fputs("usage: peer serve NAME PROTO ADDRESS PORTS … | peer ask\n", stderr);
	return 2;
}
