/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Locks that other processes hold are tried again and again. */
#include <errno.h>

#include "patience.h"

bool patience_is_due(int code)
{
	return code == -ETIMEDOUT || code == -EAGAIN;
}

bool patience_lasts(struct patience *patience, uv_loop_t *loop)
{
	uint64_t now;

	uv_update_time(loop);
	now = uv_now(loop);
	if (!patience->since)
		patience->since = now;
	return now - patience->since < PATIENCE_MS;
}

unsigned int patience_pause(struct patience *patience)
{
	unsigned int pause = PATIENCE_FIRST_MS << (patience->tries < 8 ? patience->tries : 8);

	patience->tries++;
	return pause < PATIENCE_MOST_MS ? pause : PATIENCE_MOST_MS;
}
