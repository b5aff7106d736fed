/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A netfilter netlink socket: dumps and transactions. */
#include <arpa/inet.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "portfwd/kernel/netlink.h"

/* The kernel answers dumps in pieces of at most 32 KiB (netlink_dump()). */
#define RECEIVE_SIZE (64 * 1024)
#define RECEIVE_BUFFER (4 * 1024 * 1024)
/* How often a generation may be gone before it is settled. */
#define SETTLE_ATTEMPTS 1000

struct pfw_netlink {
	struct mnl_socket *socket;
	uint32_t seq;
	unsigned int port;
	_Alignas(struct nlmsghdr) char receive[RECEIVE_SIZE];
};

int pfw_netlink_open(struct pfw_netlink **ret, struct pfw_error *err)
{
	struct pfw_netlink *nl = calloc(1, sizeof(*nl));
	const int on = 1, size = RECEIVE_BUFFER;
	int fd, code;

	if (!nl)
		return pfw_fail_memory(err);
	nl->socket = mnl_socket_open2(NETLINK_NETFILTER, SOCK_CLOEXEC);
	if (!nl->socket || mnl_socket_bind(nl->socket, 0, MNL_SOCKET_AUTOPID) < 0) {
		code = -errno;
		pfw_netlink_close(nl);
		return pfw_fail_errno(err, code, "cannot open a netfilter netlink socket");
	}
	nl->port = mnl_socket_get_portid(nl->socket);
	fd = mnl_socket_get_fd(nl->socket);
	/* They only make things better: words for refusals, and fewer lost answers. */
	setsockopt(fd, SOL_NETLINK, NETLINK_EXT_ACK, &on, sizeof(on));
	setsockopt(fd, SOL_NETLINK, NETLINK_CAP_ACK, &on, sizeof(on));
	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)) < 0)
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	*ret = nl;
	return 0;
}

void pfw_netlink_close(struct pfw_netlink *nl)
{
	if (!nl)
		return;
	if (nl->socket)
		mnl_socket_close(nl->socket);
	free(nl);
}

uint32_t pfw_netlink_port(const struct pfw_netlink *nl)
{
	return nl->port;
}

static int error_code(const struct nlmsghdr *message)
{
	const struct nlmsgerr *error = mnl_nlmsg_get_payload(message);

	if (message->nlmsg_len < mnl_nlmsg_size(sizeof(*error)))
		return -EBADMSG;
	return error->error;
}

/* A dump that fails on its way ends with the error in its last message (netlink_dump_done()). */
static int done_code(const struct nlmsghdr *message)
{
	int code = 0;

	if (mnl_nlmsg_get_payload_len(message) >= sizeof(code))
		memcpy(&code, mnl_nlmsg_get_payload(message), sizeof(code));
	return code < 0 ? code : 0;
}

/*
 * One piece of an answer. Returns 1 when the answer is complete, 0 when more
 * will come. After a bad *outcome the rest is taken off unread: the kernel begins
 * no dump for us (EBUSY) before the last one is over.
 */
static int take_piece(struct pfw_netlink *nl, uint32_t seq, bool dump, int *outcome, ssize_t len,
		      int (*each)(void *ctx, const struct nlmsghdr *message), void *ctx)
{
	const struct nlmsghdr *message = (const struct nlmsghdr *)nl->receive;
	int left = (int)len, ret;

	for (; mnl_nlmsg_ok(message, left); message = mnl_nlmsg_next(message, &left)) {
		if (message->nlmsg_seq != seq)
			continue;	/* left over from a request that was given up */
		if (message->nlmsg_flags & NLM_F_DUMP_INTR && !*outcome)
			*outcome = -EINTR;
		if (message->nlmsg_type == NLMSG_DONE) {
			ret = done_code(message);
			return ret ? ret : 1;
		}
		if (message->nlmsg_type == NLMSG_ERROR) {
			ret = error_code(message);
			return ret ? ret : 1;
		}
		if (!*outcome) {
			ret = each(ctx, message);
			*outcome = ret < 0 ? ret : 0;
		}
		if (!dump)
			return 1;
	}
	return 0;
}

int pfw_netlink_ask(struct pfw_netlink *nl, struct nlmsghdr *request,
		    int (*each)(void *ctx, const struct nlmsghdr *message), void *ctx,
		    struct pfw_error *err)
{
	bool dump = request->nlmsg_flags & NLM_F_DUMP;
	int outcome = 0, ret;
	ssize_t len;

	request->nlmsg_seq = ++nl->seq;
	if (mnl_socket_sendto(nl->socket, request, request->nlmsg_len) < 0)
		return pfw_fail_errno(err, -errno, "cannot ask the kernel");
	do {
		len = mnl_socket_recvfrom(nl->socket, nl->receive, sizeof(nl->receive));
		if (len < 0 && errno == EINTR) {
			ret = 0;
			continue;
		}
		if (len < 0 && errno == ENOBUFS && dump) {
			/* A piece is lost; the rest still comes and must be taken off. */
			outcome = outcome ? outcome : -EINTR;
			ret = 0;
			continue;
		}
		if (len < 0)
			return pfw_fail_errno(err, -errno, "cannot read the kernel's answer");
		ret = take_piece(nl, request->nlmsg_seq, dump, &outcome, len, each, ctx);
	} while (!ret);
	return ret < 0 ? ret : outcome;
}

static struct nlmsghdr *put_header(void *buf, uint16_t type, uint16_t flags, uint8_t family,
				   uint16_t resource)
{
	struct nlmsghdr *message = mnl_nlmsg_put_header(buf);
	struct nfgenmsg *generic;

	message->nlmsg_type = type;
	message->nlmsg_flags = NLM_F_REQUEST | flags;
	generic = mnl_nlmsg_put_extra_header(message, sizeof(*generic));
	generic->nfgen_family = family;
	generic->version = NFNETLINK_V0;
	generic->res_id = htons(resource);
	return message;
}

struct nlmsghdr *pfw_batch_begin(struct pfw_batch *batch, uint16_t type, uint16_t flags,
				 uint8_t family, size_t room, const void *about)
{
	struct pfw_batch_message *messages;
	size_t n_room;
	void *buf;

	if (batch->n_messages == batch->n_room) {
		n_room = batch->n_room ? batch->n_room * 2 : 64;
		messages = reallocarray(batch->messages, n_room, sizeof(*messages));
		if (!messages) {
			batch->failed = true;
			return NULL;
		}
		batch->messages = messages;
		batch->n_room = n_room;
	}
	buf = pfw_buffer_reserve(&batch->bytes, MNL_NLMSG_HDRLEN + sizeof(struct nfgenmsg) + room);
	if (!buf) {
		batch->failed = true;
		return NULL;
	}
	/* libmnl leaves the padding of attributes as it is. */
	memset(buf, 0, MNL_NLMSG_HDRLEN + sizeof(struct nfgenmsg) + room);
	batch->messages[batch->n_messages++] = (struct pfw_batch_message){
		.offset = batch->bytes.len,
		.about = about,
	};
	return put_header(buf, (uint16_t)(NFNL_SUBSYS_NFTABLES << 8 | type), flags, family, 0);
}

void pfw_batch_end(struct pfw_batch *batch, struct nlmsghdr *message)
{
	batch->bytes.len += MNL_ALIGN(message->nlmsg_len);
}

void pfw_batch_free(struct pfw_batch *batch)
{
	pfw_buffer_free(&batch->bytes);
	free(batch->messages);
	*batch = (struct pfw_batch){ 0 };
}

static int take_attribute(const struct nlattr *attr, void *ctx)
{
	struct pfw_refusal *refusal = ctx;

	switch (mnl_attr_get_type(attr)) {
	case NLMSGERR_ATTR_MSG:
		if (mnl_attr_validate(attr, MNL_TYPE_NUL_STRING) >= 0)
			snprintf(refusal->words, sizeof(refusal->words), "%s",
				 mnl_attr_get_str(attr));
		break;
	case NLMSGERR_ATTR_OFFS:
		if (mnl_attr_validate(attr, MNL_TYPE_U32) >= 0)
			refusal->attribute = mnl_attr_get_u32(attr);
		break;
	}
	return MNL_CB_OK;
}

/* The header of what was refused comes back, with the kernel's words behind it. */
static void take_refusal(const struct nlmsghdr *message, struct pfw_refusal *refusal)
{
	const struct nlmsgerr *error = mnl_nlmsg_get_payload(message);
	size_t header = sizeof(*error);

	if (!(message->nlmsg_flags & NLM_F_ACK_TLVS))
		return;
	if (!(message->nlmsg_flags & NLM_F_CAPPED))
		header += error->msg.nlmsg_len - sizeof(error->msg);
	if (message->nlmsg_len <= mnl_nlmsg_size(header))
		return;
	mnl_attr_parse(message, (unsigned int)MNL_ALIGN(header), take_attribute, refusal);
}

/* The batch is judged before sendmsg() returns, so what was refused is here by now. */
static int collect_refusals(struct pfw_netlink *nl, const struct pfw_batch *batch,
			    uint32_t first_seq, struct pfw_refusal *refusal, struct pfw_error *err)
{
	const struct nlmsghdr *message;
	bool refused = false, stale = false, lost = false;
	uint32_t at;
	ssize_t len;
	int left;

	for (;;) {
		len = recv(mnl_socket_get_fd(nl->socket), nl->receive, sizeof(nl->receive),
			   MSG_DONTWAIT);
		if (len < 0 && errno == EINTR)
			continue;
		if (len < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
			break;
		if (len < 0 && errno == ENOBUFS) {
			/* What did fit must be taken off, or the next answer finds no room. */
			lost = true;
			continue;
		}
		if (len < 0)
			return pfw_fail_errno(err, -errno, "cannot read the kernel's answer");
		message = (const struct nlmsghdr *)nl->receive;
		left = (int)len;
		for (; mnl_nlmsg_ok(message, left); message = mnl_nlmsg_next(message, &left)) {
			at = message->nlmsg_seq - first_seq;
			if (message->nlmsg_type != NLMSG_ERROR || at > batch->n_messages + 1)
				continue;
			if (!error_code(message))
				continue;
			if (at == 0 && error_code(message) == -ERESTART)
				stale = true;
			if (refused)
				continue;
			refused = true;
			*refusal = (struct pfw_refusal){ .code = error_code(message) };
			refusal->message = at == 0 ? batch->n_messages : at - 1;
			take_refusal(message, refusal);
		}
	}
	if (stale)
		return -ERESTART;
	if (lost)
		return -ENOBUFS;
	return refused ? -ECANCELED : 0;
}

static int make_room(int fd, size_t len)
{
	/* The kernel accounts some overhead beside the bytes. */
	size_t want = len + len / 4 + 4096;
	int size = want > INT32_MAX / 2 ? INT32_MAX / 2 : (int)want;

	if (!setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size)))
		return 0;
	return setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
}

static int transmit(struct pfw_netlink *nl, struct pfw_batch *batch, uint32_t generation,
		    bool dry_run, struct pfw_refusal *refusal, struct pfw_error *err)
{
	_Alignas(struct nlmsghdr) char begin[64], end[64];
	struct sockaddr_nl kernel = { .nl_family = AF_NETLINK };
	struct nlmsghdr *message;
	struct iovec parts[3];
	struct msghdr packet = {
		.msg_name = &kernel,
		.msg_namelen = sizeof(kernel),
		.msg_iov = parts,
		.msg_iovlen = dry_run ? 2 : 3,
	};
	uint32_t first_seq;
	size_t i;

	first_seq = nl->seq + 1;
	message = put_header(begin, NFNL_MSG_BATCH_BEGIN, 0, AF_UNSPEC, NFNL_SUBSYS_NFTABLES);
	message->nlmsg_seq = ++nl->seq;
	if (generation)
		mnl_attr_put_u32(message, NFNL_BATCH_GENID, htonl(generation));
	parts[0] = (struct iovec){ begin, message->nlmsg_len };
	for (i = 0; i < batch->n_messages; i++) {
		message = (struct nlmsghdr *)(batch->bytes.data + batch->messages[i].offset);
		message->nlmsg_seq = ++nl->seq;
	}
	parts[1] = (struct iovec){ batch->bytes.data, batch->bytes.len };
	message = put_header(end, NFNL_MSG_BATCH_END, 0, AF_UNSPEC, NFNL_SUBSYS_NFTABLES);
	message->nlmsg_seq = ++nl->seq;
	parts[2] = (struct iovec){ end, message->nlmsg_len };

	make_room(mnl_socket_get_fd(nl->socket), batch->bytes.len + sizeof(begin) + sizeof(end));
	while (sendmsg(mnl_socket_get_fd(nl->socket), &packet, 0) < 0) {
		if (errno == EINTR)
			continue;
		if (errno == EMSGSIZE)
			return pfw_fail(err, PFW_FAILED, -EMSGSIZE,
					"the kernel takes no transaction of %zu bytes from this user "
					"namespace; raise net.core.wmem_max or run as root",
					batch->bytes.len);
		return pfw_fail_errno(err, -errno, "cannot send %zu bytes to nf_tables",
				      batch->bytes.len);
	}
	return collect_refusals(nl, batch, first_seq, refusal, err);
}

int pfw_batch_send(struct pfw_netlink *nl, struct pfw_batch *batch, uint32_t generation,
		   bool dry_run, struct pfw_refusal *refusal, struct pfw_error *err)
{
	if (batch->failed || batch->bytes.failed)
		return pfw_fail_memory(err);
	if (!batch->n_messages)
		return 0;
	return transmit(nl, batch, generation, dry_run, refusal, err);
}

static int take_generation(void *ctx, const struct nlmsghdr *message)
{
	const struct nlattr *attr;

	mnl_attr_for_each(attr, message, sizeof(struct nfgenmsg))
		if (mnl_attr_get_type(attr) == NFTA_GEN_ID &&
		    mnl_attr_validate(attr, MNL_TYPE_U32) >= 0)
			*(uint32_t *)ctx = ntohl(mnl_attr_get_u32(attr));
	return 0;
}

static int ask_generation(struct pfw_netlink *nl, uint32_t *ret, struct pfw_error *err)
{
	_Alignas(struct nlmsghdr) char buf[64];
	uint32_t generation = 0;
	int code;

	code = pfw_netlink_ask(nl,
			       put_header(buf, NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_GETGEN, 0,
					  AF_UNSPEC, 0),
			       take_generation, &generation, err);
	if (code == -EPERM && !err->count)
		return pfw_fail(err, PFW_NOT_PERMITTED, code,
				"cannot read nf_tables: %s; it takes CAP_NET_ADMIN, so run as root",
				strerror(-code));
	if (code && !err->count)
		return pfw_fail_errno(err, code, "cannot ask nf_tables for its generation");
	if (code)
		return code;
	*ret = generation ? generation : 1;
	return 0;
}

bool pfw_netlink_has_nftables(struct pfw_netlink *nl)
{
	struct pfw_error ignored = PFW_ERROR_INIT;
	uint32_t generation;
	int code = ask_generation(nl, &generation, &ignored);

	/* What nfnetlink answers where it has no such subsystem. */
	return code != -EINVAL && code != -EOPNOTSUPP;
}

/*
 * The kernel counts a new generation at the beginning of a commit, and shows what it
 * holds a moment later. A transaction waits for the commit that is under way, an empty
 * one too; that it is not refused says that the generation is still this one and all of it is seen.
 */
int pfw_netlink_generation(struct pfw_netlink *nl, uint32_t *ret, struct pfw_error *err)
{
	struct pfw_refusal refusal = { 0 };
	struct pfw_batch nothing = { 0 };
	uint32_t generation = 0;
	unsigned int attempt;
	int code = -ERESTART;

	for (attempt = 0; code == -ERESTART && attempt < SETTLE_ATTEMPTS; attempt++) {
		code = ask_generation(nl, &generation, err);
		if (!code)
			code = transmit(nl, &nothing, generation, false, &refusal, err);
	}
	if (code == -ECANCELED)
		code = refusal.code;
	if (code && !err->count)
		return pfw_fail_errno(err, code, "cannot ask nf_tables for its generation");
	if (!code)
		*ret = generation;
	return code;
}
