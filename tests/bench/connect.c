/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Opens connections by two ways in turn and tells what they take. It is client and
 * server in one process, each in its network namespace, so nothing but the way between
 * them is waited for. Each connection is new to the gateway; of a way's addresses, all
 * of port 8080, each takes the next in a scattered order.
 *
 * usage: connect first|rate CLIENT SERVER PORT ROUNDS SIZE FIRST-A COUNT-A FIRST-B COUNT-B
 *
 *   first	until the server has answered the first packet
 *   rate	from the socket until both ends are closed
 *
 * CLIENT and SERVER are files of namespaces, PORT is the server's, FIRST and COUNT say
 * which addresses are asked for. Prints a line "A B" a round: nanoseconds, the median of
 * SIZE connections each, so that a moment taken by another process does not count.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define LISTEN_PORT 8080
#define STRIDE 7919u	/* prime, so that it comes by all */
/* Ports of the client: the same for both ways, and none twice within a minute. */
#define PORT_FIRST 10000u
#define PORT_COUNT 50000u

struct way {
	uint32_t first;
	uint32_t count;
	uint32_t next;
	uint64_t *samples;
};

static uint64_t now(void)
{
	struct timespec at;

	clock_gettime(CLOCK_MONOTONIC, &at);
	return (uint64_t)at.tv_sec * 1000000000u + (uint64_t)at.tv_nsec;
}

static _Noreturn void fail(const char *what)
{
	fprintf(stderr, "connect: %s: %s\n", what, errno ? strerror(errno) : "not as expected");
	exit(1);
}

static void enter(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0 || setns(fd, CLONE_NEWNET) < 0)
		fail(path);
	close(fd);
}

static struct sockaddr_in address(uint32_t host, uint32_t port)
{
	return (struct sockaddr_in){
		.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(host),
		.sin_port = htons((uint16_t)port),
	};
}

/* A TCP socket that does not wait forever, and whose close() leaves nothing behind. */
static int make_socket(uint32_t port)
{
	const struct linger reset = { .l_onoff = 1 };
	const struct timeval patience = { .tv_sec = 10 };
	struct sockaddr_in local = address(INADDR_ANY, port);
	const int on = 1;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset)) < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience)) < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) < 0 ||
	    bind(fd, (const struct sockaddr *)&local, sizeof(local)) < 0)
		fail("a socket");
	return fd;
}

/*
 * One connection; returns what it took. What the server accepts must be it, with the
 * client's own address: then nothing but the way's rules brought it there.
 */
static uint64_t connect_once(struct way *way, uint32_t port, int server, bool whole)
{
	struct sockaddr_in to = address(way->first + way->next, LISTEN_PORT), client, seen;
	socklen_t client_len = sizeof(client), seen_len = sizeof(seen);
	uint64_t begin = now(), open, answered;
	int fd = make_socket(port), accepted;

	way->next = (way->next + STRIDE) % way->count;
	open = now();
	if (connect(fd, (const struct sockaddr *)&to, sizeof(to)) < 0)
		fail(inet_ntoa(to.sin_addr));
	answered = now();
	accepted = accept(server, (struct sockaddr *)&seen, &seen_len);
	if (accepted < 0 || getsockname(fd, (struct sockaddr *)&client, &client_len) < 0)
		fail("accept");
	if (seen.sin_port != client.sin_port || seen.sin_addr.s_addr != client.sin_addr.s_addr) {
		errno = 0;
		fail("the server's client");
	}
	close(fd);
	close(accepted);
	return whole ? now() - begin : answered - open;
}

static int compare(const void *a, const void *b)
{
	const uint64_t *left = a, *right = b;

	return (*left > *right) - (*left < *right);
}

static uint64_t median(uint64_t *samples, size_t n)
{
	qsort(samples, n, sizeof(*samples), compare);
	return samples[n / 2];
}

/* Both ways in turn, from the same port. */
static void take_turns(struct way ways[2], size_t size, uint32_t *turn, int server, bool whole)
{
	size_t i, w;

	for (i = 0; i < size; i++, ++*turn)
		for (w = 0; w < 2; w++)
			ways[w].samples[i] = connect_once(&ways[w], PORT_FIRST + *turn % PORT_COUNT,
							  server, whole);
}

/* The whole way is walked on one processor, so that the scheduler has no say in it. */
static void stay_here(void)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET((size_t)sched_getcpu(), &set);
	sched_setaffinity(0, sizeof(set), &set);
}

static void read_way(char **args, size_t size, struct way *ret)
{
	struct in_addr first;

	errno = EINVAL;
	if (inet_pton(AF_INET, args[0], &first) != 1)
		fail(args[0]);
	*ret = (struct way){
		.first = ntohl(first.s_addr),
		.count = (uint32_t)strtoul(args[1], NULL, 10),
		.samples = calloc(size, sizeof(*ret->samples)),
	};
	if (!ret->count || !ret->samples)
		fail(args[1]);
}

int main(int argc, char **argv)
{
	struct way ways[2];
	size_t rounds, size, i;
	uint32_t turn = 0;
	int server;
	bool whole;

	if (argc != 11) {
		fprintf(stderr, "usage: connect first|rate CLIENT SERVER PORT ROUNDS SIZE "
				"FIRST-A COUNT-A FIRST-B COUNT-B\n");
		return 2;
	}
	whole = !strcmp(argv[1], "rate");
	rounds = strtoul(argv[5], NULL, 10);
	size = strtoul(argv[6], NULL, 10);
	errno = EINVAL;
	if (!rounds || !size)
		fail("rounds and size");
	read_way(argv + 7, size, &ways[0]);
	read_way(argv + 9, size, &ways[1]);
	stay_here();
	enter(argv[3]);
	server = make_socket((uint32_t)strtoul(argv[4], NULL, 10));
	if (listen(server, 128) < 0)
		fail("listen");
	enter(argv[2]);
	/* The first round warms up neighbours, routes and caches. */
	for (i = 0; i <= rounds; i++) {
		take_turns(ways, size, &turn, server, whole);
		if (i)
			printf("%ju %ju\n", (uintmax_t)median(ways[0].samples, size),
			       (uintmax_t)median(ways[1].samples, size));
	}
	free(ways[0].samples);
	free(ways[1].samples);
	close(server);
	return 0;
}
