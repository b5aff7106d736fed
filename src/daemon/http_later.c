/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A request that found a lock held by another process sleeps, and others are answered meanwhile. */
#include "http_inside.h"

bool http_is_patient(struct request *request)
{
	return patience_lasts(&request->patience, request->http->loop);
}

static void on_timer(uv_timer_t *timer)
{
	http_try_now(timer->data);
}

enum MHD_Result http_try_later(struct request *request)
{
	struct http_later *later = &request->http->later;
	unsigned int pause = patience_pause(&request->patience);

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
