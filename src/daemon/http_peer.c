/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Who may use the API: root, who we are ourselves, and the members of one group. */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "http_inside.h"
#include "socket.h"

#define GROUPS_MAX 65536u	/* NGROUPS_MAX of the kernel */
#define TELL_MS 1000

static bool has_group(const gid_t *groups, size_t n, gid_t group)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (groups[i] == group)
			return true;
	return false;
}

/* The supplementary groups that they had when they connected, unix(7). */
static bool is_member(int fd, gid_t group)
{
	socklen_t len = 0;
	gid_t *groups;
	bool found = false;

	/* Without room for them, it says how many there are. */
	if (!getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, NULL, &len) || errno != ERANGE ||
	    len > GROUPS_MAX * sizeof(*groups))
		return false;
	groups = malloc(len);
	if (groups && !getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &len))
		found = has_group(groups, len / sizeof(*groups), group);
	free(groups);
	return found;
}

static bool may(const struct peer *peer)
{
	gid_t group = peer->http->options.group;

	if (!peer->known)
		return false;
	if (!peer->cred.uid || peer->cred.uid == geteuid())
		return true;
	return group != GROUP_NONE && (peer->cred.gid == group || is_member(peer->fd, group));
}

/* Whether they have hung up, and we have not come to notice it yet. */
static bool is_gone(const struct peer *peer)
{
	char byte;

	return !recv(peer->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
}

/* Whether the user of this connection has as many others as they may. */
static bool is_crowd(const struct peer *peer)
{
	unsigned int max = peer->admitted ? HTTP_CONNECTIONS_UID : HTTP_CONNECTIONS_STRANGER, n = 0;
	const struct peer *other;

	for (other = peer->http->peers; other && n < max; other = other->next)
		n += other->known == peer->known && other->cred.uid == peer->cred.uid &&
		     !is_gone(other);
	return n == max;
}

bool http_peer_tell(struct http *http, unsigned int *ret_more)
{
	uint64_t now = uv_now(http->loop);

	if (http->quiet.at && now - http->quiet.at < TELL_MS) {
		http->quiet.more++;
		return false;
	}
	*ret_more = http->quiet.more;
	http->quiet.at = now;
	http->quiet.more = 0;
	return true;
}

bool http_peer_admit(struct peer *peer)
{
	struct http *http = peer->http;
	socklen_t len = sizeof(peer->cred);
	unsigned int more;

	peer->known = !getsockopt(peer->fd, SOL_SOCKET, SO_PEERCRED, &peer->cred, &len);
	peer->admitted = may(peer);
	if (!is_crowd(peer))
		return true;
	if (http_peer_tell(http, &more))
		log_event(http->options.log, LOG_WARNING,
			  "closed a connection: the user has too many",
			  json_pack("{s:I, s:i, s:i}", "uid", (json_int_t)peer->cred.uid, "pid",
				    (int)peer->cred.pid, "untold", (int)more));
	return false;
}
