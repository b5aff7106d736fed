/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Locks that others hold are tried again and again, for nothing tells when they are given back. */
#ifndef DAEMON_PATIENCE_H
#define DAEMON_PATIENCE_H

#include <stdbool.h>
#include <uv.h>

#define PATIENCE_FIRST_MS 20	/* before the second try */
#define PATIENCE_MOST_MS 100
#define PATIENCE_MS 60000	/* as long as a process waits that has nothing else to do */

/* Zero-initialise, and zero again when it was not needed any more. */
struct patience {
	uint64_t since;		/* the first try, in ms of the loop; 0: there was none */
	unsigned int tries;
};

/* Whether what the service says means that somebody else is at work, who will be through soon. */
bool patience_is_due(int code);
/* Whether to try again. */
bool patience_lasts(struct patience *patience, uv_loop_t *loop);
/* After so many milliseconds. */
unsigned int patience_pause(struct patience *patience);

#endif
