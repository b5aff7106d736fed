/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A client of portfwdd that asks one thing after the other over one connection.
 *
 * usage: answers add SOCKET COUNT
 *		adds so many forwards; prints the nanoseconds of each
 *        answers settle SOCKET FILE TIMES
 *		adds, and gets what it has added, while the daemon rewrites FILE so many times; prints
 *		"KIND REWRITING BEFORE" for each time, of get and of add: how many were answered
 *		meanwhile, and before, and p50 and p99 of each in nanoseconds
 */
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define ANSWER_MAX (64 * 1024)
#define ASKED_MAX (1 << 20)
#define REWRITINGS_MAX 256
/* The new file is seen when it is written, but the old one is read before, and things are put in order
 * afterwards. */
#define BEFORE_NS 50000000u
#define AFTER_NS 20000000u
#define PATIENCE_NS 30000000000u

enum kind { GET, ADD, KINDS };

/* Of the file. */
struct rewriting {
	uint64_t begin;
	uint64_t end;
};

struct folder {
	int fd;			/* of inotify */
	const char *name;	/* of the file in it */
	struct rewriting rewritings[REWRITINGS_MAX];
	atomic_size_t n;	/* that are over */
};

struct asked {
	enum kind kind;
	uint64_t begin;
	uint64_t end;
};

struct client {
	int fd;
	unsigned int added;
	struct asked *asked;
	size_t n_asked;
};

static _Noreturn void fail(const char *what)
{
	fprintf(stderr, "answers: %s: %s\n", what, errno ? strerror(errno) : "not as expected");
	exit(1);
}

static uint64_t now(void)
{
	struct timespec at;

	clock_gettime(CLOCK_MONOTONIC, &at);
	return (uint64_t)at.tv_sec * 1000000000u + (uint64_t)at.tv_nsec;
}

/* ---- Asking */

static void connect_to(const char *path, struct client *client)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };

	snprintf(to.sun_path, sizeof(to.sun_path), "%s", path);
	client->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	client->asked = calloc(ASKED_MAX, sizeof(*client->asked));
	if (client->fd < 0 || !client->asked ||
	    connect(client->fd, (const struct sockaddr *)&to, sizeof(to)) < 0)
		fail(path);
}

/* The length of an answer that is in the buffer as a whole; 0: it is not. */
static size_t whole_answer(const char *text, size_t len)
{
	const char *body = strstr(text, "\r\n\r\n");
	const char *field = strcasestr(text, "\r\ncontent-length:");
	size_t whole;

	if (!body)
		return 0;
	errno = 0;
	if (!field || field > body)
		fail("an answer of unknown length");
	whole = (size_t)(body + 4 - text) + strtoul(strchr(field, ':') + 1, NULL, 10);
	return len < whole ? 0 : whole;
}

static void ask(struct client *client, const char *request, const char *code)
{
	static char text[ANSWER_MAX];
	size_t left = strlen(request), len = 0;
	ssize_t n;

	if (send(client->fd, request, left, MSG_NOSIGNAL) != (ssize_t)left)
		fail("asking");
	do {
		n = recv(client->fd, text + len, sizeof(text) - 1 - len, 0);
		if (n <= 0)
			fail("an answer");
		len += (size_t)n;
		text[len] = '\0';
	} while (!whole_answer(text, len));
	errno = 0;
	if (strncmp(text, "HTTP/1.1 ", 9) != 0 || strncmp(text + 9, code, 3) != 0)
		fail(text);
}

static uint64_t timed(struct client *client, enum kind kind, const char *request, const char *code)
{
	struct asked *asked = &client->asked[client->n_asked++];

	errno = ENOBUFS;
	if (client->n_asked == ASKED_MAX)
		fail("too many answers");
	asked->kind = kind;
	asked->begin = now();
	ask(client, request, code);
	asked->end = now();
	return asked->end - asked->begin;
}

/* Nothing else has these names and addresses. */
static uint64_t add(struct client *client)
{
	unsigned int i = ++client->added;
	char body[256], request[512];

	snprintf(body, sizeof(body), "{\"name\": \"asked-%d-%u\", \"listen\": \"203.0.113.%u:%u\", "
		 "\"target\": \"192.168.1.2:80\"}", (int)getpid(), i, (unsigned int)getpid() % 200,
		 i % 60000 + 1);
	snprintf(request, sizeof(request), "POST /v1/forwards HTTP/1.1\r\nHost: localhost\r\n"
		 "Content-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s", strlen(body), body);
	return timed(client, ADD, request, "201");
}

static uint64_t get(struct client *client)
{
	char request[256];

	snprintf(request, sizeof(request), "GET /v1/forwards/asked-%d-%u HTTP/1.1\r\n"
		 "Host: localhost\r\n\r\n", (int)getpid(), client->added);
	return timed(client, GET, request, "200");
}

/* ---- What happens to the file */

/* The new file as long as it is written: ".NAME." and 16 digits. */
static bool is_copy(const struct folder *folder, const char *name)
{
	size_t len = strlen(folder->name);

	return *name == '.' && !strncmp(name + 1, folder->name, len) && name[len + 1] == '.' &&
	       strspn(name + len + 2, "0123456789abcdef") == 16;
}

static void take_event(struct folder *folder, const struct inotify_event *event)
{
	struct rewriting *rewriting = &folder->rewritings[folder->n];

	if (event->mask & IN_CREATE && is_copy(folder, event->name))
		rewriting->begin = now() - BEFORE_NS;
	if (event->mask & IN_MOVED_TO && !strcmp(event->name, folder->name) && rewriting->begin &&
	    folder->n + 1 < REWRITINGS_MAX) {
		rewriting->end = now() + AFTER_NS;
		atomic_fetch_add(&folder->n, 1);
	}
}

/* A thread of its own, for whoever waits for an answer sees nothing else. */
static void *watch(void *arg)
{
	_Alignas(struct inotify_event) char buf[4096];
	const struct inotify_event *event;
	struct folder *folder = arg;
	const char *at;
	ssize_t len;

	while ((len = read(folder->fd, buf, sizeof(buf))) > 0)
		for (at = buf; at < buf + len; at += sizeof(*event) + event->len) {
			event = (const struct inotify_event *)(const void *)at;
			take_event(folder, event);
		}
	return NULL;
}

static void watch_folder(const char *path, struct folder *folder)
{
	char *name = strdup(path), *slash = name ? strrchr(name, '/') : NULL;
	pthread_t thread;

	errno = EINVAL;
	if (!slash)
		fail(path);
	*slash = '\0';
	folder->name = slash + 1;
	folder->fd = inotify_init1(IN_CLOEXEC);
	if (folder->fd < 0 || inotify_add_watch(folder->fd, name, IN_CREATE | IN_MOVED_TO) < 0 ||
	    pthread_create(&thread, NULL, watch, folder))
		fail(name);
}

/* ---- Figures */

static int compare(const void *a, const void *b)
{
	const uint64_t *left = a, *right = b;

	return (*left > *right) - (*left < *right);
}

/* Those that were answered, or waited, while it was rewritten, or those before; sorted. */
static size_t select_times(const struct client *client, enum kind kind, bool during,
			   const struct rewriting *it, uint64_t *ret)
{
	const struct asked *asked;
	size_t n = 0, i;

	for (i = 0; i < client->n_asked; i++) {
		asked = &client->asked[i];
		if (asked->kind == kind &&
		    (during ? asked->end >= it->begin && asked->begin <= it->end :
			      asked->end < it->begin))
			ret[n++] = asked->end - asked->begin;
	}
	errno = 0;
	if (!n)
		fail(during ? "no answer while it was rewritten" : "no answer before");
	qsort(ret, n, sizeof(*ret), compare);
	return n;
}

static void print_figures(const struct client *client, const struct rewriting *it)
{
	static const char *const names[KINDS] = { "get", "add" };
	uint64_t *during = calloc(client->n_asked, sizeof(*during));
	uint64_t *before = calloc(client->n_asked, sizeof(*before));
	size_t n_during, n_before, kind;

	if (!during || !before)
		fail("memory");
	for (kind = 0; kind < KINDS; kind++) {
		n_during = select_times(client, (enum kind)kind, true, it, during);
		n_before = select_times(client, (enum kind)kind, false, it, before);
		printf("%s-count %zu %zu\n", names[kind], n_during, n_before);
		printf("%s-p50 %ju %ju\n", names[kind], (uintmax_t)during[n_during / 2],
		       (uintmax_t)before[n_before / 2]);
		printf("%s-p99 %ju %ju\n", names[kind], (uintmax_t)during[n_during * 99 / 100],
		       (uintmax_t)before[n_before * 99 / 100]);
	}
	free(during);
	free(before);
}

/* ---- What is asked */

static void add_many(struct client *client, int count)
{
	while (count-- > 0)
		printf("%ju\n", (uintmax_t)add(client));
}

static bool is_settled(const char *file)
{
	char journal[PATH_MAX];
	struct stat st;

	snprintf(journal, sizeof(journal), "%s.journal", file);
	return stat(journal, &st) < 0 || !st.st_size;
}

/*
 * The file is rewritten after a second at most of changes that follow one another; what is asked until
 * then is what it is compared with.
 */
static void ask_until_rewritten(struct client *client, const char *file, struct folder *folder)
{
	uint64_t deadline = now() + PATIENCE_NS;
	size_t n;

	do
		poll(NULL, 0, 10);
	while (!is_settled(file) && now() < deadline);
	n = atomic_load(&folder->n);
	client->n_asked = 0;
	while (atomic_load(&folder->n) == n || now() < folder->rewritings[n].end) {
		add(client);
		get(client);
		poll(NULL, 0, 1);
		errno = ETIMEDOUT;
		if (now() > deadline)
			fail(file);
	}
	print_figures(client, &folder->rewritings[n]);
}

static void ask_through(struct client *client, const char *file, size_t times)
{
	static struct folder folder;

	watch_folder(file, &folder);
	while (times--)
		ask_until_rewritten(client, file, &folder);
}

int main(int argc, char **argv)
{
	struct client client = { 0 };
	bool just_add = argc == 4 && !strcmp(argv[1], "add");

	if (!just_add && (argc != 5 || strcmp(argv[1], "settle") != 0)) {
		fprintf(stderr, "usage: answers add SOCKET COUNT\n"
				"       answers settle SOCKET FILE TIMES\n");
		return 2;
	}
	connect_to(argv[2], &client);
	if (just_add)
		add_many(&client, atoi(argv[3]));
	else
		ask_through(&client, argv[3], strtoul(argv[4], NULL, 10));
	free(client.asked);
	close(client.fd);
	return 0;
}
