/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Whether an address is the machine's own: a route of type local leads to it. */
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "portfwd/base/index.h"
#include "portfwd/kernel/address.h"

#define ANSWERS 256	/* a power of two */
#define REQUEST_SIZE 128
#define RECEIVE_SIZE 8192

/* family 0: none yet. */
struct answer {
	uint8_t family;
	bool own;
	uint8_t address[16];
};

struct pfw_addresses {
	struct mnl_socket *socket;
	uint32_t seq;
	struct answer answers[ANSWERS];
};

int pfw_addresses_open(struct pfw_addresses **ret, struct pfw_error *err)
{
	struct pfw_addresses *addresses = calloc(1, sizeof(*addresses));
	int code;

	if (!addresses)
		return pfw_fail_memory(err);
	addresses->socket = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
	if (!addresses->socket || mnl_socket_bind(addresses->socket, 0, MNL_SOCKET_AUTOPID) < 0) {
		code = -errno;
		pfw_addresses_close(addresses);
		return pfw_fail_errno(err, code, "cannot open a routing netlink socket");
	}
	*ret = addresses;
	return 0;
}

void pfw_addresses_close(struct pfw_addresses *addresses)
{
	if (!addresses)
		return;
	if (addresses->socket)
		mnl_socket_close(addresses->socket);
	free(addresses);
}

/* An error is an answer too: no route leads there, so it is not the machine's own. */
static bool take_answer(const char *buf, ssize_t len, uint32_t seq, bool *ret)
{
	const struct nlmsghdr *message = (const struct nlmsghdr *)buf;
	const struct rtmsg *route;
	int left = (int)len;

	for (; mnl_nlmsg_ok(message, left); message = mnl_nlmsg_next(message, &left)) {
		if (message->nlmsg_seq != seq)
			continue;
		route = mnl_nlmsg_get_payload(message);
		*ret = message->nlmsg_type == RTM_NEWROUTE &&
		       mnl_nlmsg_get_payload_len(message) >= sizeof(*route) &&
		       route->rtm_type == RTN_LOCAL;
		return true;
	}
	return false;
}

static int ask(struct pfw_addresses *addresses, uint8_t family, const uint8_t address[16],
	       bool *ret, struct pfw_error *err)
{
	uint16_t size = family == AF_INET6 ? 16 : 4;
	_Alignas(struct nlmsghdr) char request[REQUEST_SIZE] = { 0 };
	_Alignas(struct nlmsghdr) char answer[RECEIVE_SIZE];
	struct nlmsghdr *message = mnl_nlmsg_put_header(request);
	struct rtmsg *route;
	ssize_t len;

	message->nlmsg_type = RTM_GETROUTE;
	message->nlmsg_flags = NLM_F_REQUEST;
	message->nlmsg_seq = ++addresses->seq;
	route = mnl_nlmsg_put_extra_header(message, sizeof(*route));
	route->rtm_family = family;
	route->rtm_dst_len = (unsigned char)(size * 8);
	mnl_attr_put(message, RTA_DST, size, address);
	if (mnl_socket_sendto(addresses->socket, message, message->nlmsg_len) < 0)
		return pfw_fail_errno(err, -errno, "cannot ask the kernel for a route");
	do {
		len = mnl_socket_recvfrom(addresses->socket, answer, sizeof(answer));
		if (len < 0 && errno != EINTR)
			return pfw_fail_errno(err, -errno, "cannot read the kernel's answer");
	} while (len < 0 || !take_answer(answer, len, addresses->seq, ret));
	return 0;
}

int pfw_addresses_own(struct pfw_addresses *addresses, uint8_t family, const uint8_t address[16],
		      bool *ret, struct pfw_error *err)
{
	struct answer *known = &addresses->answers[pfw_hash(address, 16) & (ANSWERS - 1)];
	bool own = false;
	int code;

	if (known->family != family || memcmp(known->address, address, sizeof(known->address))) {
		code = ask(addresses, family, address, &own, err);
		if (code)
			return code;
		known->family = family;
		known->own = own;
		memcpy(known->address, address, sizeof(known->address));
	}
	*ret = known->own;
	return 0;
}
