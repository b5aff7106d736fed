/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Locks that other processes hold. Nothing tells when a lock is given back, so a request that found one
 * sleeps and tries it again; all others are answered meanwhile.
 */
#include "http_inside.h"

static uint64_t now(const struct http *http)
{
	uv_update_time(http->loop);
	return uv_now(http->loop);
}

bool http_is_patient(struct request *request)
{
	uint64_t time = now(request->http);

	if (!request->since)
		request->since = time;
	return time - request->since < HTTP_PATIENCE_MS;
}

unsigned int http_pause(struct request *request)
{
	unsigned int pause = HTTP_PAUSE_MS << (request->tries < 8 ? request->tries : 8);

	request->tries++;
	return pause < HTTP_PAUSE_MOST_MS ? pause : HTTP_PAUSE_MOST_MS;
}

static void on_timer(uv_timer_t *timer)
{
	http_try_now(timer->data);
}

enum MHD_Result http_try_later(struct request *request)
{
	struct http_later *later = &request->http->later;
	unsigned int pause = http_pause(request);

	http_set_deadline(request->peer, 0);
	if (!later->requests)
		uv_timer_start(&later->timer, on_timer, pause, 0);
	request->next_waiting = later->requests;
	later->requests = request;
	MHD_suspend_connection(request->connection);
	return MHD_YES;
}

void http_try_now(struct http *http)
{
	struct request *request = http->later.requests;

	if (!request)
		return;
	http->later.requests = NULL;
	for (; request; request = request->next_waiting)
		MHD_resume_connection(request->connection);
	http_wake(http);
}
