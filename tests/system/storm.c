/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Many clients of portfwdd that change forwards at random, each its own, while somebody else kills
 * the daemon; storm.bats builds it.
 *
 *   storm file|drop-in FORWARDS
 *	Prints the configuration to begin with: every other forward.
 *   storm clients FORWARDS CLIENTS SEED SOCKET PORTFWD ARGUMENT …
 *	Changes forwards until SIGTERM comes. Two of the clients use PORTFWD, the
 *	others HTTP. Each knows what was acknowledged to it. A request that nobody answered may have
 *	been carried out or not, but wholly, and is looked at at once. Prints the configuration as
 *	it should be in the end, and on standard error what was asked how often.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define CLIENTS 64
#define COMMANDS 2		/* of the clients, that are command lines */
#define PORT 10000		/* the first one; each forward has some for itself */
#define PORTS 8
#define GROUP 4			/* forwards that one request changes, at most */
#define PATIENT_S 60		/* for an answer, and for a daemon that is not there */
#define TEXT 1024

extern char **environ;

/* What a forward says. The version tells its content; 0: there is none. */
struct says {
	unsigned int version;
	bool disabled;
	bool runtime;		/* until the next boot only */
};

struct forward {
	unsigned int number;
	struct says says;
	char tag[64];		/* ETag, if it is known */
};

enum count { MADE, CHANGED, REMOVED, SWITCHED, REFUSED, LOOKED, COMMANDED, CUT, DONE_ALL_THE_SAME, COUNTS };
static const char *const count_names[COUNTS] = {
	"added", "changed", "removed", "switched", "refused", "looked at", "by command", "cut off",
	"of these done",
};

struct client {
	unsigned int number;
	uint64_t random;
	struct forward *own;	/* every so manieth forward */
	unsigned int n_own;
	int fd;			/* or -1 */
	unsigned int code;	/* of the last answer; 0: none came */
	char tag[64];
	char body[8192];
	const char *doing;
	unsigned long counts[COUNTS];
	pthread_t thread;
};

static unsigned int n_forwards, n_clients;
static const char *socket_path;
static char **command;		/* portfwd and its first arguments */
static atomic_bool ending;

__attribute__((format(printf, 2, 3), noreturn))
static void fail(const struct client *client, const char *format, ...)
{
	va_list ap;

	flockfile(stderr);
	fprintf(stderr, "storm: client %u, %s: ", client->number, client->doing);
	va_start(ap, format);
	vfprintf(stderr, format, ap);
	va_end(ap);
	fputc('\n', stderr);
	_exit(1);
}

static uint32_t at_random(struct client *client, uint32_t below)
{
	client->random ^= client->random << 13;
	client->random ^= client->random >> 7;
	client->random ^= client->random << 17;
	return (uint32_t)(client->random >> 32) % below;
}

/* ---- What the forwards say */

/* How they listen, behind the port; where they go; and what more they say, to JSON and to commands. */
static const struct shape {
	const char *listen;
	const char *target;	/* %u is of the version, as is %x */
	const char *more;
	const char *option, *value;
} shapes[] = {
	{ "", "\"10.1.%1$u.1:80\"", "", NULL, NULL },
	{ "", "\"10.1.%1$u.2\"", "", NULL, NULL },
	{ "/tcp+udp", "\"10.1.%1$u.3:80\", \"[fd00::%1$x]:80\"", "", NULL, NULL },
	{ "/udp", "\"10.1.%1$u.4\"", "", NULL, NULL },
	{ "-%u", "\"10.1.%1$u.5\"", "", NULL, NULL },
	{ "", "\"10.1.%1$u.6:80\", \"10.1.%1$u.7:80\"", "", NULL, NULL },
	{ "", "\"10.1.%1$u.8\"", ", \"source\": [\"203.0.113.0/24\"]", "--source", "203.0.113.0/24" },
	{ "", "\"10.1.%1$u.9\"", ", \"snat\": \"masquerade\"", "--snat", "masquerade" },
	{ "", "\"10.1.%1$u.10\"", ", \"limit\": {\"rate\": \"50/second\"}", "--limit", "rate=50/second" },
};
#define SHAPES (sizeof(shapes) / sizeof(shapes[0]))

static const struct shape *shape_of(unsigned int version)
{
	return &shapes[version % SHAPES];
}

static void name_of(unsigned int number, char *ret)
{
	snprintf(ret, 16, "s%05u", number);
}

/* Some begin in a drop-in. */
static bool is_drop_in(unsigned int number)
{
	return number % 49 == 6;
}

static void print_listen(unsigned int number, unsigned int version, char *ret, size_t size)
{
	unsigned int port = PORT + number * PORTS;
	int len = snprintf(ret, size, "%u", port);

	/* As long as it may be, and not always the same. */
	snprintf(ret + len, size - (size_t)len, shape_of(version)->listen, port + 1 + version % (PORTS - 1));
}

static void print_target(unsigned int version, char *ret, size_t size)
{
	snprintf(ret, size, shape_of(version)->target, version % 250);
}

static void print_forward(unsigned int number, const struct says *says, char *ret, size_t size)
{
	char listen[64], target[256], name[16];

	name_of(number, name);
	print_listen(number, says->version, listen, sizeof(listen));
	print_target(says->version, target, sizeof(target));
	snprintf(ret, size, "{\"name\": \"%s\", \"comment\": \"v%u\", \"enabled\": %s, \"listen\": \"%s\", "
		 "\"target\": [%s]%s}", name, says->version, says->disabled ? "false" : "true", listen,
		 target, shape_of(says->version)->more);
}

static int print_file(bool drop_in)
{
	const struct says says = { .version = 1 };
	const char *separator = "";
	char text[TEXT];
	unsigned int i;

	printf("{\"forwards\": [");
	for (i = 0; i < n_forwards; i += 2) {
		if (is_drop_in(i) != drop_in)
			continue;
		print_forward(i, &says, text, sizeof(text));
		printf("%s\n  %s", separator, text);
		separator = ",";
	}
	puts("\n]}");
	return 0;
}

/* ---- HTTP */

static void hang_up(struct client *client)
{
	if (client->fd >= 0)
		close(client->fd);
	client->fd = -1;
}

static void pause_ms(unsigned int ms)
{
	nanosleep(&(struct timespec){ 0, ms * 1000000L }, NULL);
}

/* Until there is a daemon. */
static void call(struct client *client)
{
	const struct timeval patient = { .tv_sec = PATIENT_S };
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	unsigned int tries;

	snprintf(to.sun_path, sizeof(to.sun_path), "%s", socket_path);
	for (tries = 0; tries < PATIENT_S * 100; tries++) {
		client->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
		if (client->fd < 0)
			fail(client, "socket: %s", strerror(errno));
		if (!connect(client->fd, (struct sockaddr *)&to, sizeof(to))) {
			setsockopt(client->fd, SOL_SOCKET, SO_RCVTIMEO, &patient, sizeof(patient));
			return;
		}
		hang_up(client);
		pause_ms(10);
	}
	fail(client, "there is no daemon: %s", strerror(errno));
}

static bool send_all(int fd, const char *text, size_t len)
{
	ssize_t n;

	for (; len; text += n, len -= (size_t)n) {
		n = send(fd, text, len, MSG_NOSIGNAL);
		if (n <= 0)
			return false;
	}
	return true;
}

static const char *header(const char *head, const char *name)
{
	size_t len = strlen(name);
	const char *at;

	for (at = strstr(head, "\r\n"); at; at = strstr(at, "\r\n")) {
		at += 2;
		if (!strncasecmp(at, name, len) && at[len] == ':')
			return at + len + 1 + strspn(at + len + 1, " ");
	}
	return NULL;
}

/* The head of an answer, and as much of the body as came with it. -1: not wholly. */
static ssize_t receive_head(struct client *client, char *buf, size_t size, char **ret_body)
{
	size_t len = 0;
	ssize_t n;

	do {
		n = recv(client->fd, buf + len, size - 1 - len, 0);
		if (n < 0 && errno == EAGAIN)
			fail(client, "no answer in %d seconds", PATIENT_S);
		if (n <= 0)
			return -1;
		len += (size_t)n;
		buf[len] = '\0';
		*ret_body = strstr(buf, "\r\n\r\n");
	} while (!*ret_body && len < size - 1);
	if (!*ret_body)
		fail(client, "an endless head");
	**ret_body = '\0';
	*ret_body += 4;
	return (ssize_t)len;
}

/* Of the body, the beginning is kept. */
static bool receive(struct client *client)
{
	static const size_t room = sizeof(client->body) - 1;
	char buf[16384], rest[16384], *body;
	ssize_t n = receive_head(client, buf, sizeof(buf), &body);
	const char *length, *tag;
	size_t left, have;

	if (n < 0)
		return false;
	length = header(buf, "Content-Length");
	left = length ? strtoul(length, NULL, 10) : 0;
	have = (size_t)(buf + n - body);
	left -= have;
	have = have < room ? have : room;
	memcpy(client->body, body, have);
	for (; left; left -= (size_t)n) {
		n = recv(client->fd, rest, left < sizeof(rest) ? left : sizeof(rest), 0);
		if (n <= 0)
			return false;
		if (have + (size_t)n < room) {
			memcpy(client->body + have, rest, (size_t)n);
			have += (size_t)n;
		}
	}
	client->body[have] = '\0';
	tag = header(buf, "ETag");
	snprintf(client->tag, sizeof(client->tag), "%.*s", tag ? (int)strcspn(tag, "\r") : 0, tag ? tag : "");
	client->code = (unsigned int)atoi(buf + strlen("HTTP/1.1 "));
	tag = header(buf, "Connection");
	if (tag && !strncasecmp(tag, "close", 5))
		hang_up(client);
	return true;
}

/* The answer's code; 0: there was none. more: further headers. */
static unsigned int ask(struct client *client, const char *method, const char *path, const char *more,
			const char *body)
{
	char text[8192];
	int len = snprintf(text, sizeof(text), "%s %s HTTP/1.1\r\nHost: portfwd\r\n%s", method, path, more);

	if (body)
		len += snprintf(text + len, sizeof(text) - (size_t)len, "Content-Type: application/json\r\n"
				"Content-Length: %zu\r\n\r\n%s", strlen(body), body);
	else
		len += snprintf(text + len, sizeof(text) - (size_t)len, "\r\n");
	client->code = 0;
	if (client->fd < 0)
		call(client);
	if (!send_all(client->fd, text, (size_t)len) || !receive(client))
		hang_up(client);
	return client->code;
}

static unsigned int ask_of(struct client *client, const char *method, const struct forward *forward,
			   const char *more, const char *body)
{
	char path[64];

	snprintf(path, sizeof(path), "/v1/forwards/s%05u", forward->number);
	return ask(client, method, path, more, body);
}

/* The same with the forward as the body. */
static unsigned int put_as(struct client *client, const struct forward *forward, const char *more,
			   const struct says *wanted)
{
	char path[64], body[TEXT];

	print_forward(forward->number, wanted, body, sizeof(body));
	snprintf(path, sizeof(path), "/v1/forwards/s%05u%s", forward->number,
		 wanted->runtime ? "?runtime" : "");
	return ask(client, "PUT", path, more, body);
}

static unsigned int post(struct client *client, const struct forward *forward, const struct says *wanted)
{
	char body[TEXT];

	print_forward(forward->number, wanted, body, sizeof(body));
	return ask(client, "POST", wanted->runtime ? "/v1/forwards?runtime" : "/v1/forwards", "", body);
}

/* ---- What became of it */

static void expect(struct client *client, unsigned int wanted, const struct forward *forward)
{
	if (client->code != wanted)
		fail(client, "s%05u: expected %u, got %u: %s", forward->number, wanted, client->code,
		     client->body);
}

static bool is_equal(const struct says *a, const struct says *b)
{
	return a->version == b->version &&
	       (!a->version || (a->disabled == b->disabled && a->runtime == b->runtime));
}

/* Asks until somebody answers what the forward says. */
static struct says look(struct client *client, struct forward *forward)
{
	struct says says = { 0 };
	const char *at;

	while (!ask_of(client, "GET", forward, "", NULL))
		;
	if (client->code == 404) {
		*forward->tag = '\0';
		return says;
	}
	expect(client, 200, forward);
	at = strstr(client->body, "\"comment\":\"v");
	if (!at || sscanf(at, "\"comment\":\"v%u\"", &says.version) != 1)
		fail(client, "s%05u has no version: %s", forward->number, client->body);
	says.disabled = strstr(client->body, "\"enabled\":false");
	says.runtime = strstr(client->body, "/runtime.json\"");
	snprintf(forward->tag, sizeof(forward->tag), "%s", client->tag);
	return says;
}

/* Nobody answered: all that was asked for has happened, or nothing. */
static bool happened(struct client *client, struct forward **forwards, const struct says *wanted,
		     unsigned int n)
{
	bool old = false, fresh = false;
	struct says says;
	unsigned int i;

	client->counts[CUT]++;
	for (i = 0; i < n; i++) {
		if (is_equal(&forwards[i]->says, &wanted[i]))
			continue;
		says = look(client, forwards[i]);
		if (is_equal(&says, &wanted[i]))
			fresh = true;
		else if (is_equal(&says, &forwards[i]->says))
			old = true;
		else
			fail(client, "s%05u is v%u%s, but was v%u%s and should become v%u%s",
			     forwards[i]->number, says.version, says.disabled ? " disabled" : "",
			     forwards[i]->says.version, forwards[i]->says.disabled ? " disabled" : "",
			     wanted[i].version, wanted[i].disabled ? " disabled" : "");
		if (old && fresh)
			fail(client, "s%05u: one request was carried out in part", forwards[i]->number);
	}
	client->counts[DONE_ALL_THE_SAME] += fresh;
	return fresh;
}

/* One forward, after a request that should be answered so. */
static void settle(struct client *client, struct forward *forward, unsigned int code,
		   const struct says *wanted, enum count count)
{
	if (client->code) {
		expect(client, code, forward);
		snprintf(forward->tag, sizeof(forward->tag), "%s", client->tag);
		forward->says = *wanted;
	} else if (happened(client, &forward, wanted, 1)) {
		forward->says = *wanted;
	}
	client->counts[count]++;
}

/* A request that changes nothing. */
static void expect_refusal(struct client *client, const struct forward *forward, unsigned int code)
{
	if (client->code)
		expect(client, code, forward);
	client->counts[REFUSED]++;
}

static void check(struct client *client, struct forward *forward)
{
	struct says says = look(client, forward);

	client->counts[LOOKED]++;
	if (!is_equal(&says, &forward->says))
		fail(client, "s%05u is v%u%s, and should be v%u%s", forward->number, says.version,
		     says.disabled ? " disabled" : "", forward->says.version,
		     forward->says.disabled ? " disabled" : "");
}

/* ---- What they do */

/* Where it stands, it stays. */
static struct says other_version(struct client *client, const struct forward *forward)
{
	const struct says *now = &forward->says;

	return (struct says){
		.version = now->version + 1 + at_random(client, 900),
		.disabled = at_random(client, 10) == 0,
		.runtime = now->version ? now->runtime : at_random(client, 20) == 0,
	};
}

static void make(struct client *client, struct forward *forward)
{
	struct says wanted = forward->says;

	client->doing = "POST";
	if (wanted.version && at_random(client, 8) == 0) {
		post(client, forward, &wanted);
		if (client->code)
			expect(client, 200, forward);
		client->counts[LOOKED]++;
		return;
	}
	wanted = other_version(client, forward);
	post(client, forward, &wanted);
	if (forward->says.version)
		expect_refusal(client, forward, 409);
	else
		settle(client, forward, 201, &wanted, MADE);
}

static void put(struct client *client, struct forward *forward)
{
	const struct says wanted = other_version(client, forward);
	unsigned int kind = at_random(client, 4);
	char more[128] = "";

	client->doing = "PUT";
	if (kind == 0 && *forward->tag)
		snprintf(more, sizeof(more), "If-Match: %s\r\n", forward->tag);
	if (kind == 1 && at_random(client, 4) == 0) {
		put_as(client, forward, "If-Match: \"0123456789abcdef\"\r\n", &wanted);
		expect_refusal(client, forward, 412);
		return;
	}
	put_as(client, forward, more, &wanted);
	settle(client, forward, forward->says.version ? 200 : 201, &wanted, CHANGED);
}

/* The shape stays. */
static void patch(struct client *client, struct forward *forward)
{
	struct says wanted = forward->says;
	char body[TEXT], listen[64], target[256];

	client->doing = "PATCH";
	wanted.version += SHAPES * (1 + at_random(client, 100));
	print_listen(forward->number, wanted.version, listen, sizeof(listen));
	print_target(wanted.version, target, sizeof(target));
	snprintf(body, sizeof(body), "{\"comment\": \"v%u\", \"listen\": {\"port\": \"%.*s\"}, "
		 "\"target\": [%s]}",
		 wanted.version, (int)strcspn(listen, "/"), listen, target);
	ask_of(client, "PATCH", forward, "", body);
	if (forward->says.version)
		settle(client, forward, 200, &wanted, CHANGED);
	else
		expect_refusal(client, forward, 404);
}

static void delete(struct client *client, struct forward *forward)
{
	const struct says none = { 0 };

	client->doing = "DELETE";
	ask_of(client, "DELETE", forward, "", NULL);
	if (forward->says.version)
		settle(client, forward, 204, &none, REMOVED);
	else
		expect_refusal(client, forward, 404);
}

/* Some that are there, all of one file. */
static unsigned int choose_group(struct client *client, struct forward *forwards[GROUP])
{
	unsigned int n = 0, tries, i;
	struct forward *forward;

	for (tries = 0; tries < 2 * GROUP && n < GROUP; tries++) {
		forward = &client->own[at_random(client, client->n_own)];
		for (i = 0; i < n && forwards[i] != forward; i++)
			;
		if (i == n && forward->says.version && !forward->says.runtime &&
		    !is_drop_in(forward->number))
			forwards[n++] = forward;
	}
	return n;
}

static void command_group(struct client *client, const char *verb)
{
	struct forward *forwards[GROUP];
	struct says wanted[GROUP];
	unsigned int n = choose_group(client, forwards), i;
	char path[64], body[TEXT];
	int len = snprintf(body, sizeof(body), "{\"names\": [");

	client->doing = verb;
	if (!n)
		return;
	for (i = 0; i < n; i++) {
		len += snprintf(body + len, sizeof(body) - (size_t)len, "%s\"s%05u\"", i ? ", " : "",
				forwards[i]->number);
		wanted[i] = forwards[i]->says;
		wanted[i].disabled = !strcmp(verb, "disable");
		if (!strcmp(verb, "remove"))
			wanted[i] = (struct says){ 0 };
	}
	snprintf(body + len, sizeof(body) - (size_t)len, "]}");
	snprintf(path, sizeof(path), "/v1/commands/%s", verb);
	if (ask(client, "POST", path, "", body))
		expect(client, 200, forwards[0]);
	else if (!happened(client, forwards, wanted, n))
		return;
	client->counts[*verb == 'r' ? REMOVED : SWITCHED]++;
	for (i = 0; i < n; i++) {
		forwards[i]->says = wanted[i];
		*forwards[i]->tag = '\0';
	}
}

/* A port that another forward has, which always stands. */
static void conflict(struct client *client, struct forward *forward)
{
	client->doing = "a conflict";
	ask_of(client, "PUT", forward, "", "{\"listen\": \"80\", \"target\": \"10.0.0.1\"}");
	expect_refusal(client, forward, 409);
}

static void nonsense(struct client *client, struct forward *forward)
{
	client->doing = "nonsense";
	ask_of(client, "PUT", forward, "", "{\"listen\": \"70000\", \"target\": \"10.0.0.1\"}");
	expect_refusal(client, forward, 422);
}

static void get(struct client *client, struct forward *forward)
{
	client->doing = "GET";
	check(client, forward);
}

static void reload(struct client *client, struct forward *forward)
{
	client->doing = "reload";
	if (ask(client, "POST", "/v1/reload", "", NULL))
		expect(client, 200, forward);
}

static const struct {
	unsigned int often;	/* of a thousand */
	void (*act)(struct client *client, struct forward *forward);
} acts[] = {
	{ 300, make }, { 220, put }, { 150, patch }, { 150, delete }, { 40, conflict }, { 20, nonsense },
	{ 20, get }, { 1, reload },
};

static void act(struct client *client)
{
	static const char *const verbs[] = { "enable", "disable", "remove" };
	unsigned int at = at_random(client, 1000);
	size_t i;

	for (i = 0; i < sizeof(acts) / sizeof(acts[0]); at -= acts[i++].often)
		if (at < acts[i].often) {
			acts[i].act(client, &client->own[at_random(client, client->n_own)]);
			return;
		}
	command_group(client, verbs[at % 3]);
}

/* ---- The command line */

/*
 * The exit code; OWNED: the daemon has come between our finding none and our doing it ourselves,
 * and keeps the table to itself; UNKNOWN: what became of it is not known.
 */
enum { OWNED = -2, UNKNOWN };
static int run(struct client *client, char **words)
{
	char *argv[32], said[512] = "";
	posix_spawn_file_actions_t actions;
	unsigned int n = 0, i;
	ssize_t len;
	size_t have = 0;
	int status, pipes[2];
	pid_t pid;

	for (i = 0; command[i]; i++)
		argv[n++] = command[i];
	for (i = 0; words[i]; i++)
		argv[n++] = words[i];
	argv[n] = NULL;
	if (pipe2(pipes, O_CLOEXEC))
		fail(client, "pipe: %s", strerror(errno));
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
	posix_spawn_file_actions_adddup2(&actions, pipes[1], 1);
	posix_spawn_file_actions_adddup2(&actions, pipes[1], 2);
	if (posix_spawn(&pid, argv[0], &actions, NULL, argv, environ))
		fail(client, "%s cannot be run", argv[0]);
	posix_spawn_file_actions_destroy(&actions);
	close(pipes[1]);
	while ((len = read(pipes[0], said + have, sizeof(said) - 1 - have)) > 0)
		have += (size_t)len;
	said[have] = '\0';
	close(pipes[0]);
	if (waitpid(pid, &status, 0) != pid || !WIFEXITED(status))
		fail(client, "portfwd ended with %x: %s", (unsigned int)status, said);
	snprintf(client->body, sizeof(client->body), "%s", said);
	if (strstr(said, "is owned by another program"))
		return OWNED;
	return strstr(said, "is not known") ? UNKNOWN : WEXITSTATUS(status);
}

static void run_for(struct client *client, struct forward *forward, char **words,
		    const struct says *wanted, int code)
{
	int status = run(client, words);

	client->counts[COMMANDED]++;
	*forward->tag = '\0';
	if (status == OWNED)
		check(client, forward);
	if (status == OWNED || (status == UNKNOWN && !happened(client, &forward, wanted, 1)))
		return;
	if (status >= 0 && status != code)
		fail(client, "s%05u: portfwd ended with %d: %s", forward->number, status, client->body);
	forward->says = *wanted;
}

/* '"10.1.2.3:80", "[fd00::1]:80"' as commands have it. */
static void unquote(char *text)
{
	char *to = text;

	for (; *text; text++)
		if (*text != '"' && *text != ' ')
			*to++ = *text;
	*to = '\0';
}

static void run_add(struct client *client, struct forward *forward)
{
	char name[16], listen[64], target[256], comment[32], replace[] = "--replace", add[] = "add",
	     say[] = "--comment";
	struct says wanted = other_version(client, forward);
	const struct shape *shape = shape_of(wanted.version);
	char *words[16] = { add, name, listen, target, replace, say, comment };
	unsigned int n = 7;

	client->doing = "portfwd add";
	name_of(forward->number, name);
	print_listen(forward->number, wanted.version, listen, sizeof(listen));
	print_target(wanted.version, target, sizeof(target));
	unquote(target);
	snprintf(comment, sizeof(comment), "v%u", wanted.version);
	if (shape->option) {
		words[n++] = (char *)shape->option;
		words[n++] = (char *)shape->value;
	}
	if (wanted.disabled)
		words[n++] = (char *)"--disabled";
	if (wanted.runtime)
		words[n++] = (char *)"--runtime";
	run_for(client, forward, words, &wanted, 0);
}

static void run_remove(struct client *client, struct forward *forward)
{
	const struct says none = { 0 };
	char name[16], verb[] = "remove", *words[] = { verb, name, NULL };

	client->doing = "portfwd remove";
	name_of(forward->number, name);
	run_for(client, forward, words, &none, forward->says.version ? 0 : 3);
}

static void run_switch(struct client *client, struct forward *forward)
{
	struct says wanted = forward->says;
	char name[16], disable[] = "disable", enable[] = "enable", *words[] = { disable, name, NULL };

	client->doing = "portfwd enable or disable";
	wanted.disabled = at_random(client, 2);
	words[0] = wanted.disabled ? disable : enable;
	name_of(forward->number, name);
	run_for(client, forward, words, &wanted, forward->says.version ? 0 : 3);
}

static void run_anything(struct client *client)
{
	struct forward *forward = &client->own[at_random(client, client->n_own)];

	switch (at_random(client, 8)) {
	case 0: case 1: case 2: case 3:
		run_add(client, forward);
		break;
	case 4: case 5:
		run_remove(client, forward);
		break;
	case 6:
		run_switch(client, forward);
		break;
	default:
		get(client, forward);
	}
}

/* ---- All of it */

static void *be_client(void *arg)
{
	struct client *client = arg;

	client->doing = "at the beginning";
	while (!ending)
		if (client->number < COMMANDS)
			run_anything(client);
		else
			act(client);
	hang_up(client);
	return NULL;
}

static void begin(struct client *client, unsigned int number, uint64_t seed)
{
	unsigned int i;

	*client = (struct client){ .number = number, .fd = -1 };
	client->random = (seed * 1000 + number + 1) * 0x9e3779b97f4a7c15;
	client->own = calloc(n_forwards / n_clients + 1, sizeof(*client->own));
	for (i = number; i < n_forwards; i += n_clients) {
		client->own[client->n_own].number = i;
		/* As print_file() has it. */
		client->own[client->n_own++].says.version = i % 2 == 0;
	}
}

static void print_end(const struct client *clients)
{
	const struct forward *forward;
	unsigned long sum;
	unsigned int i, k;
	char text[TEXT];

	printf("{\"forwards\": [");
	for (i = 0, k = 0; i < n_forwards; i++) {
		forward = &clients[i % n_clients].own[i / n_clients];
		print_forward(i, &forward->says, text, sizeof(text));
		if (forward->says.version)
			printf("%s\n%s", k++ ? "," : "", text);
	}
	puts("\n]}");
	for (k = 0; k < COUNTS; k++) {
		for (sum = 0, i = 0; i < n_clients; i++)
			sum += clients[i].counts[k];
		fprintf(stderr, "%s%s %lu", k ? ", " : "", count_names[k], sum);
	}
	fputc('\n', stderr);
}

static int rage(uint64_t seed)
{
	static struct client clients[CLIENTS];
	unsigned int i;
	sigset_t end;
	int number;

	sigemptyset(&end);
	sigaddset(&end, SIGTERM);
	/* By all threads, so that this one waits for it. */
	pthread_sigmask(SIG_BLOCK, &end, NULL);
	for (i = 0; i < n_clients; i++) {
		begin(&clients[i], i, seed);
		if (pthread_create(&clients[i].thread, NULL, be_client, &clients[i]))
			return 1;
	}
	sigwait(&end, &number);
	ending = true;
	for (i = 0; i < n_clients; i++)
		pthread_join(clients[i].thread, NULL);
	print_end(clients);
	return 0;
}

int main(int argc, char **argv)
{
	if (argc < 3)
		return 2;
	n_forwards = (unsigned int)atoi(argv[2]);
	if (argc == 3)
		return print_file(!strcmp(argv[1], "drop-in"));
	n_clients = argc > 6 ? (unsigned int)atoi(argv[3]) : 0;
	if (strcmp(argv[1], "clients") || n_clients <= COMMANDS || n_clients > CLIENTS)
		return 2;
	socket_path = argv[5];
	command = argv + 6;
	return rage(strtoull(argv[4], NULL, 10));
}
