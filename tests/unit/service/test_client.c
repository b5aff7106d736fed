/* SPDX-License-Identifier: GPL-2.0-or-later */
/* If these fail, what listens at the socket can hang, swell or mislead the command line. */
#include <errno.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../../../src/service/client.h"
#include "cases.h"

#define HEAD "HTTP/1.1 200 OK\r\n"
#define SIZED HEAD "Content-Type: application/json\r\nContent-Length: 5\r\n\r\nhello"
#define CHUNKED HEAD "Transfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3;x=y\r\nllo\r\n0\r\nTrailer: x\r\n\r\n"

/* What one asks, and the other end of what it asks there. */
struct line {
	int ours;
	int theirs;
};

/* Each piece that is sent here is received by itself. */
static struct line line_open(int type)
{
	int ends[2];

	ck_assert_int_eq(socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, ends), 0);
	return (struct line){ ends[0], ends[1] };
}

static void line_say(const struct line *line, const char *data, size_t len)
{
	if (len)
		ck_assert_int_eq(send(line->theirs, data, len, 0), (ssize_t)len);
}

static int line_ask(const struct line *line, struct client_reply *ret)
{
	char request[] = "GET / HTTP/1.1\r\n\r\n";
	struct pfw_buffer head = { .data = request, .len = strlen(request) };
	int code;

	code = client_ask(line->ours, &head, "", 0, ret);
	close(line->ours);
	close(line->theirs);
	return code;
}

/* The reply to what comes in two pieces, and then ends. */
static int ask_split(const char *data, size_t len, size_t first, struct client_reply *ret)
{
	struct line line = line_open(SOCK_SEQPACKET);

	line_say(&line, data, first);
	line_say(&line, data + first, len - first);
	shutdown(line.theirs, SHUT_WR);
	return line_ask(&line, ret);
}

static int ask(const char *data, struct client_reply *ret)
{
	return ask_split(data, strlen(data), 0, ret);
}

static const char *const whole[] = {
	SIZED, CHUNKED,
	"HTTP/1.0 200\nContent-Length:5\n\nhello",
	"HTTP/1.1 100 Continue\r\n\r\n" SIZED,
	HEAD "content-length: 5\r\ncontent-length: 5\r\n\r\nhello",
	HEAD "Content-Length: 9\r\ntransfer-encoding: Chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
};

START_TEST(a_reply_may_come_in_any_pieces)
{
	struct client_reply reply;
	size_t i, first, len;

	for (i = 0; i < COUNT(whole); i++) {
		len = strlen(whole[i]);
		for (first = 0; first < len; first++) {
			ck_assert_msg(!ask_split(whole[i], len, first, &reply), "%s", whole[i]);
			ck_assert_uint_eq(reply.status, 200);
			ck_assert_str_eq(reply.body.data, "hello");
			client_reply_free(&reply);
		}
	}
}
END_TEST

START_TEST(a_reply_that_ends_early_is_none)
{
	struct client_reply reply;
	size_t i, n;
	int code;

	for (i = 0; i < COUNT(whole); i++)
		for (n = 0; n < strlen(whole[i]); n++) {
			code = ask_split(whole[i], n, 0, &reply);
			ck_assert_msg(code == -ECONNRESET, "%.*s: %d", (int)n, whole[i], code);
		}
}
END_TEST

START_TEST(what_follows_the_reply_is_left_out)
{
	struct client_reply reply;

	ck_assert_int_eq(ask(SIZED " and more", &reply), 0);
	ck_assert_str_eq(reply.body.data, "hello");
	client_reply_free(&reply);
	ck_assert_int_eq(ask("HTTP/1.1 204 No Content\r\n\r\nand more", &reply), 0);
	ck_assert_uint_eq(reply.body.len, 0);
	client_reply_free(&reply);
}
END_TEST

static const char *const garbage[] = {
	"\n", "hello\n", "SSH-2.0-OpenSSH_9.2\r\n", "HTTP/2 200\r\n\r\n", "HTTP/1.1 20\r\n\r\n",
	"HTTP/1.1 2000 OK\r\n\r\n", "HTTP/1.1 -20 OK\r\n\r\n", "HTTP/1.1 000 OK\r\n\r\n",
	"HTTP/1.1 700 OK\r\n\r\n", "HTTP/1.1  200 OK\r\n\r\n", "HTTP/1.1 200OK\r\n\r\n",
	/* The length. */
	HEAD "\r\nhello", HEAD "Content-Length: \r\n\r\n", HEAD "Content-Length: -1\r\n\r\n",
	HEAD "Content-Length: 5x\r\n\r\nhello", HEAD "Content-Length: 5, 5\r\n\r\nhello",
	HEAD "Content-Length: 5\r\nContent-Length: 4\r\n\r\nhello",
	HEAD "Content-Length: 99999999999999999999\r\n\r\n",
	HEAD "Transfer-Encoding: gzip, chunked\r\n\r\n",
	/* The chunks. */
	HEAD "Transfer-Encoding: chunked\r\n\r\nhello\r\n",
	HEAD "Transfer-Encoding: chunked\r\n\r\n-5\r\nhello\r\n",
	HEAD "Transfer-Encoding: chunked\r\n\r\n4\r\nhello\r\n0\r\n\r\n",
	HEAD "Transfer-Encoding: chunked\r\n\r\n11111111111111111\r\n",
};

START_TEST(garbage_is_no_reply)
{
	static const char hidden[] = "HTTP/1.1 200 OK\r\nContent-Length: 0\0\r\n\r\n";
	struct client_reply reply;
	size_t i;
	int code;

	for (i = 0; i < COUNT(garbage); i++) {
		code = ask(garbage[i], &reply);
		ck_assert_msg(code == -EBADMSG, "%s: %d", garbage[i], code);
	}
	ck_assert_int_eq(ask_split(hidden, sizeof(hidden) - 1, 0, &reply), -EBADMSG);
}
END_TEST

START_TEST(a_body_that_is_too_large_is_refused_by_its_size)
{
	struct client_reply reply;

	ck_assert_int_eq(ask(HEAD "Content-Length: 1073741825\r\n\r\n", &reply), -EMSGSIZE);
	ck_assert_int_eq(ask(HEAD "Transfer-Encoding: chunked\r\n\r\n40000001\r\n", &reply), -EMSGSIZE);
	ck_assert_int_eq(ask(HEAD "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n3ffffffc\r\n",
			     &reply), -EMSGSIZE);
}
END_TEST

/* Of each there is no end, and none of it may be kept. */
static const struct {
	const char *once;
	const char *again;
} endless[] = {
	{ "x", "x" },
	{ "", "HTTP/1.1 100 Continue\r\n\r\n" },
	{ HEAD, "X: y\r\n" },
	{ HEAD "X: ", "x" },
	{ HEAD "Transfer-Encoding: chunked\r\n\r\n0\r\n", "X: y\r\n" },
	{ HEAD "Transfer-Encoding: chunked\r\n\r\n", "0" },
};

static void say_for_ever(int fd, const char *once, const char *again)
{
	char many[4096];
	size_t len = strlen(again), n;

	for (n = 0; n + len <= sizeof(many); n += len)
		memcpy(many + n, again, len);
	(void)!write(fd, once, strlen(once));
	while (write(fd, many, n) > 0)
		;
	_exit(0);
}

START_TEST(what_has_no_end_is_hung_up_on)
{
	struct client_reply reply;
	struct line line;
	size_t i;
	pid_t pid;
	int code;

	for (i = 0; i < COUNT(endless); i++) {
		line = line_open(SOCK_STREAM);
		pid = fork();
		if (!pid) {
			signal(SIGPIPE, SIG_DFL);
			close(line.ours);
			say_for_ever(line.theirs, endless[i].once, endless[i].again);
		}
		code = line_ask(&line, &reply);
		ck_assert_msg(code == -EBADMSG, "%s: %d", endless[i].again, code);
		ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
	}
}
END_TEST

START_TEST(whoever_says_nothing_is_not_waited_for)
{
	static const char *const said[] = { "", HEAD, HEAD "Content-Length: 5\r\n\r\nhell" };
	const struct timeval silence = { .tv_usec = 20000 };
	struct client_reply reply;
	struct line line;
	size_t i;

	for (i = 0; i < COUNT(said); i++) {
		line = line_open(SOCK_STREAM);
		ck_assert_int_eq(setsockopt(line.ours, SOL_SOCKET, SO_RCVTIMEO, &silence,
					    sizeof(silence)), 0);
		line_say(&line, said[i], strlen(said[i]));
		ck_assert_int_eq(line_ask(&line, &reply), -ETIMEDOUT);
	}
}
END_TEST

/* Who refuses a request hangs up before it is read to its end. */
START_TEST(an_answer_counts_that_came_before_the_end_of_the_question)
{
	struct pfw_buffer head = { 0 };
	struct line line = line_open(SOCK_STREAM);
	struct client_reply reply;

	line_say(&line, SIZED, strlen(SIZED));
	shutdown(line.theirs, SHUT_RD);
	pfw_buffer_puts(&head, "POST / HTTP/1.1\r\n\r\n");
	ck_assert_int_eq(client_ask(line.ours, &head, "body", 4, &reply), 0);
	ck_assert_str_eq(reply.body.data, "hello");
	client_reply_free(&reply);
	pfw_buffer_free(&head);
	close(line.ours);
	close(line.theirs);
}
END_TEST

TCase *client_case(void)
{
	TCase *tcase;

	UNIT_CASE(tcase, "client", a_reply_may_come_in_any_pieces, a_reply_that_ends_early_is_none,
		  what_follows_the_reply_is_left_out, garbage_is_no_reply,
		  a_body_that_is_too_large_is_refused_by_its_size, what_has_no_end_is_hung_up_on,
		  whoever_says_nothing_is_not_waited_for,
		  an_answer_counts_that_came_before_the_end_of_the_question);
	return tcase;
}
