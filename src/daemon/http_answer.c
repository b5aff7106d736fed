/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Answers: text, JSON, problems (RFC 9457). */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "http_inside.h"
#include "portfwd/base/memory.h"
#include "portfwd/service/wire.h"

#define PIECE 65536	/* of a file, at once */

/* A text on its way, which counts as held until it is out. */
struct held {
	struct http *http;
	char *text;		/* or NULL */
	int fd;			/* where it stands then */
	off_t from;
	size_t len;
};

static void let_go(struct held *held)
{
	free(held->text);
	if (held->fd >= 0)
		close(held->fd);
}

static void free_held(void *cls)
{
	struct held *held = cls;

	http_hold_less(held->http, held->len);
	if (held->text && held->len > HTTP_LARGE)
		pfw_memory_trim();
	let_go(held);
	free(held);
}

static ssize_t read_held(void *cls, uint64_t position, char *to, size_t size)
{
	const struct held *held = cls;
	ssize_t len = pread(held->fd, to, size, held->from + (off_t)position);

	return len > 0 ? len : MHD_CONTENT_READER_END_WITH_ERROR;
}

/* Takes what is held over, whether it succeeds or not. */
static struct MHD_Response *hold(const struct held *what)
{
	struct held *held = malloc(sizeof(*held)), failed = *what;
	struct MHD_Response *response;

	if (!held) {
		let_go(&failed);
		return NULL;
	}
	*held = *what;
	held->http->held += held->len;
	if (held->text)
		response = MHD_create_response_from_buffer_with_free_callback_cls(
			held->len, held->text, free_held, held);
	else
		response = MHD_create_response_from_callback(held->len, PIECE, read_held, held,
							     free_held);
	if (!response)
		free_held(held);
	return response;
}

static bool put_headers(struct MHD_Response *response, const struct http_answer *answer)
{
	const struct http_header *header;
	size_t i;

	if (answer->type && MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE,
						    answer->type) != MHD_YES)
		return false;
	for (i = 0; i < HTTP_ANSWER_HEADERS; i++) {
		header = &answer->headers[i];
		if (header->value && MHD_add_response_header(response, header->name,
							     header->value) != MHD_YES)
			return false;
	}
	return true;
}

static void count(struct request *request, unsigned int status)
{
	size_t row = request->routed ? (size_t)request->route : PFW_ROUTES;

	request->status = status;
	request->http->metrics.requests[row][status % HTTP_STATUS_MAX]++;
}

/* Without a response the connection ends, which a client takes for what it is: no answer. */
enum MHD_Result http_answer_stream(struct request *request, const struct http_answer *answer,
				   struct MHD_Response *response)
{
	enum MHD_Result ret = MHD_NO;

	if (!response)
		return MHD_NO;
	if (put_headers(response, answer))
		ret = MHD_queue_response(request->connection, answer->status, response);
	MHD_destroy_response(response);
	if (ret == MHD_YES)
		count(request, answer->status);
	return ret;
}

/* Takes what is held over. */
static enum MHD_Result answer_held(struct request *request, const struct http_answer *answer,
				   const struct held *what)
{
	struct held held = *what;

	if (held.len > HTTP_SMALL && held.http->held > HTTP_HELD_MAX) {
		let_go(&held);
		http_refuse(request, 503, "too much is on its way to other clients; try again");
		return http_answer_problem(request);
	}
	http_set_deadline(request->peer, HTTP_SEND_MS + held.len / 1024);
	return http_answer_stream(request, answer, hold(&held));
}

enum MHD_Result http_answer_text(struct request *request, const struct http_answer *answer,
				 char *text, size_t len)
{
	const struct held held = { .http = request->http, .text = text, .fd = -1, .len = len };
	enum MHD_Result ret;

	if (!text)
		return MHD_NO;
	if (!request->in_child)
		return answer_held(request, answer, &held);
	ret = http_look_write(request, answer, text, len);
	free(text);
	return ret;
}

enum MHD_Result http_answer_file(struct request *request, const struct http_answer *answer, int fd,
				 off_t from, size_t len)
{
	const struct held held = { .http = request->http, .fd = fd, .from = from, .len = len };

	return answer_held(request, answer, &held);
}

/* The text with a newline, for people with curl. */
static char *dump(const json_t *json, size_t *ret_len)
{
	char *text = json_dumps(json, JSON_COMPACT), *longer;
	size_t len = text ? strlen(text) : 0;

	if (!text)
		return NULL;
	longer = realloc(text, len + 2);
	if (!longer) {
		free(text);
		return NULL;
	}
	memcpy(longer + len, "\n", 2);
	*ret_len = len + 1;
	return longer;
}

enum MHD_Result http_answer_json(struct request *request, const struct http_answer *answer,
				 json_t *json)
{
	struct http_answer typed = *answer;
	size_t len = 0;
	char *text = dump(json, &len);

	json_decref(json);
	if (!typed.type)
		typed.type = "application/json";
	return http_answer_text(request, &typed, text, len);
}

enum MHD_Result http_answer_nothing(struct request *request, const struct http_answer *answer)
{
	if (request->in_child)
		return http_look_write(request, answer, "", 0);
	http_set_deadline(request->peer, HTTP_SEND_MS);
	return http_answer_stream(request, answer,
				  MHD_create_response_from_buffer(0, NULL, MHD_RESPMEM_PERSISTENT));
}

void http_refuse(struct request *request, unsigned int status, const char *fmt, ...)
{
	char message[sizeof(request->err.item[0].message)];
	va_list ap;

	if (request->status)
		return;
	va_start(ap, fmt);
	vsnprintf(message, sizeof(message), fmt, ap);
	va_end(ap);
	request->status = status;
	request->code = pfw_fail(&request->err, status == 404 ? PFW_NOT_FOUND : PFW_FAILED, -EINVAL,
				 "%s", message);
	if (status == 403)
		request->err.kind = PFW_NOT_PERMITTED;
}

enum MHD_Result http_answer_problem(struct request *request)
{
	unsigned int status = request->status;
	char allow[80];
	struct http_answer answer = { .type = "application/problem+json" };

	if (request->busy && !request->in_child && http_is_patient(request))
		return http_try_later(request);
	if (!status)
		status = pfw_problem_status(&request->err, request->code);
	answer.status = status;
	if (status == 405)
		answer.headers[0] = (struct http_header){
			"Allow", pfw_route_allow(request->path, allow, sizeof(allow))
		};
	if (status == 503)
		answer.headers[0] = (struct http_header){ "Retry-After", "1" };
	/* What is left of the request is not read, so nothing may come behind it. */
	if (status == 403 || status == 413 || request->garbled)
		answer.headers[1] = (struct http_header){ "Connection", "close" };
	return http_answer_json(request, &answer,
				pfw_problem_json(&request->err, request->code, status));
}
