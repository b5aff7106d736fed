/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Transactions: all or nothing, and who was refused. */
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>

#include "cases.h"
#include "portfwd/kernel/netlink.h"

static struct pfw_netlink *open_netlink(void)
{
	struct pfw_error err = PFW_ERROR_INIT;
	struct pfw_netlink *nl = NULL;

	ck_assert_int_eq(pfw_netlink_open(&nl, &err), 0);
	return nl;
}

static void put_table(struct pfw_batch *batch, uint16_t type, uint16_t flags, const char *name)
{
	struct nlmsghdr *message = pfw_batch_begin(batch, type, flags, NFPROTO_INET, 256, name);

	ck_assert_ptr_nonnull(message);
	mnl_attr_put_strz(message, NFTA_TABLE_NAME, name);
	pfw_batch_end(batch, message);
}

static int count_message(void *ctx, const struct nlmsghdr *message)
{
	(void)message;
	++*(unsigned int *)ctx;
	return 0;
}

static struct nlmsghdr *request(void *buf, uint16_t type, uint16_t flags)
{
	struct nlmsghdr *message = mnl_nlmsg_put_header(buf);
	struct nfgenmsg *generic;

	message->nlmsg_type = (uint16_t)(NFNL_SUBSYS_NFTABLES << 8 | type);
	message->nlmsg_flags = NLM_F_REQUEST | flags;
	generic = mnl_nlmsg_put_extra_header(message, sizeof(*generic));
	generic->nfgen_family = NFPROTO_INET;
	return message;
}

static unsigned int count_tables(struct pfw_netlink *nl)
{
	_Alignas(struct nlmsghdr) char buf[256];
	struct pfw_error err = PFW_ERROR_INIT;
	unsigned int n = 0;

	ck_assert_int_eq(pfw_netlink_ask(nl, request(buf, NFT_MSG_GETTABLE, NLM_F_DUMP),
					 count_message, &n, &err), 0);
	return n;
}

static uint32_t generation(struct pfw_netlink *nl)
{
	struct pfw_error err = PFW_ERROR_INIT;
	uint32_t id = 0;

	ck_assert_int_eq(pfw_netlink_generation(nl, &id, &err), 0);
	ck_assert_uint_ne(id, 0);
	return id;
}

static int send_batch(struct pfw_netlink *nl, struct pfw_batch *batch, uint32_t id, bool dry_run,
		      struct pfw_refusal *refusal)
{
	struct pfw_error err = PFW_ERROR_INIT;
	int ret = pfw_batch_send(nl, batch, id, dry_run, refusal, &err);

	ck_assert_msg(!err.count, "%s", err.item[0].message);
	return ret;
}

START_TEST(test_commits)
{
	struct pfw_refusal refusal = { 0 };
	struct pfw_batch batch = { 0 };
	struct pfw_netlink *nl;
	uint32_t before;

	sandbox_enter();
	nl = open_netlink();
	before = generation(nl);
	ck_assert_int_eq(send_batch(nl, &batch, 0, false, &refusal), 0);
	ck_assert_uint_eq(generation(nl), before);
	put_table(&batch, NFT_MSG_NEWTABLE, NLM_F_CREATE, "a");
	put_table(&batch, NFT_MSG_NEWTABLE, NLM_F_CREATE, "b");
	ck_assert_int_eq(send_batch(nl, &batch, before, false, &refusal), 0);
	ck_assert_uint_eq(count_tables(nl), 2);
	ck_assert_uint_ne(generation(nl), before);
	pfw_batch_free(&batch);
	pfw_netlink_close(nl);
}
END_TEST

/* If this fails, a dry run changes the machine. */
START_TEST(test_dry_run)
{
	struct pfw_refusal refusal = { 0 };
	struct pfw_batch batch = { 0 };
	struct pfw_netlink *nl;
	uint32_t before;

	sandbox_enter();
	nl = open_netlink();
	before = generation(nl);
	put_table(&batch, NFT_MSG_NEWTABLE, NLM_F_CREATE, "a");
	ck_assert_int_eq(send_batch(nl, &batch, 0, true, &refusal), 0);
	ck_assert_uint_eq(count_tables(nl), 0);
	ck_assert_uint_eq(generation(nl), before);
	/* What would be refused is refused. */
	put_table(&batch, NFT_MSG_DELTABLE, 0, "nowhere");
	ck_assert_int_eq(send_batch(nl, &batch, 0, true, &refusal), -ECANCELED);
	ck_assert_int_eq(refusal.code, -ENOENT);
	ck_assert_uint_eq(refusal.message, 1);
	ck_assert_uint_eq(count_tables(nl), 0);
	pfw_batch_free(&batch);
	pfw_netlink_close(nl);
}
END_TEST

/* If this fails, half a change stays, or the wrong part of it is blamed. */
START_TEST(test_refused)
{
	struct pfw_refusal refusal = { 0 };
	struct pfw_batch batch = { 0 };
	struct pfw_netlink *nl;
	unsigned int i;
	char name[16];

	sandbox_enter();
	nl = open_netlink();
	for (i = 0; i < 200; i++) {
		snprintf(name, sizeof(name), "t%u", i);
		if (i == 100 || i == 150)
			put_table(&batch, NFT_MSG_DELTABLE, 0, "nowhere");
		put_table(&batch, NFT_MSG_NEWTABLE, NLM_F_CREATE, name);
	}
	ck_assert_int_eq(send_batch(nl, &batch, 0, false, &refusal), -ECANCELED);
	ck_assert_int_eq(refusal.code, -ENOENT);
	ck_assert_uint_eq(refusal.message, 100);
	ck_assert_uint_eq(count_tables(nl), 0);
	/* The socket is good for the next one. */
	pfw_batch_free(&batch);
	put_table(&batch, NFT_MSG_NEWTABLE, NLM_F_CREATE | NLM_F_EXCL, "a");
	ck_assert_int_eq(send_batch(nl, &batch, 0, false, &refusal), 0);
	ck_assert_int_eq(send_batch(nl, &batch, 0, false, &refusal), -ECANCELED);
	ck_assert_int_eq(refusal.code, -EEXIST);
	ck_assert_uint_eq(refusal.message, 0);
	ck_assert_uint_ne(refusal.attribute, 0);
	ck_assert_uint_eq(count_tables(nl), 1);
	pfw_batch_free(&batch);
	pfw_netlink_close(nl);
}
END_TEST

/* If this fails, what was read is changed although somebody else changed it meanwhile. */
START_TEST(test_stale_generation)
{
	struct pfw_refusal refusal = { 0 };
	struct pfw_batch other = { 0 }, batch = { 0 };
	struct pfw_netlink *nl;
	uint32_t before;

	sandbox_enter();
	nl = open_netlink();
	before = generation(nl);
	put_table(&other, NFT_MSG_NEWTABLE, NLM_F_CREATE, "other");
	ck_assert_int_eq(send_batch(nl, &other, 0, false, &refusal), 0);
	put_table(&batch, NFT_MSG_NEWTABLE, NLM_F_CREATE, "a");
	ck_assert_int_eq(send_batch(nl, &batch, before, false, &refusal), -ERESTART);
	ck_assert_int_eq(send_batch(nl, &batch, before, true, &refusal), -ERESTART);
	ck_assert_uint_eq(count_tables(nl), 1);
	ck_assert_int_eq(send_batch(nl, &batch, generation(nl), false, &refusal), 0);
	ck_assert_uint_eq(count_tables(nl), 2);
	pfw_batch_free(&other);
	pfw_batch_free(&batch);
	pfw_netlink_close(nl);
}
END_TEST

START_TEST(test_not_permitted)
{
	struct pfw_refusal refusal = { 0 };
	struct pfw_batch batch = { 0 };
	struct pfw_netlink *nl;

	sandbox_enter();
	sandbox_drop_net_admin();
	nl = open_netlink();
	put_table(&batch, NFT_MSG_NEWTABLE, NLM_F_CREATE, "a");
	ck_assert_int_eq(send_batch(nl, &batch, 0, false, &refusal), -ECANCELED);
	ck_assert_int_eq(refusal.code, -EPERM);
	ck_assert_uint_eq(refusal.message, batch.n_messages);
	pfw_batch_free(&batch);
	pfw_netlink_close(nl);
}
END_TEST

/* More refusals than any receive buffer holds. */
#define FLOOD 20000u

/* If this fails (by time), a flood of refusals leaves a socket that no answer fits into. */
START_TEST(test_lost_answer)
{
	struct pfw_refusal refusal = { 0 };
	struct pfw_batch batch = { 0 }, next = { 0 };
	struct pfw_netlink *nl;
	unsigned int i;

	sandbox_enter();
	nl = open_netlink();
	for (i = 0; i < FLOOD; i++)
		put_table(&batch, NFT_MSG_DELTABLE, 0, "nowhere");
	ck_assert_int_eq(send_batch(nl, &batch, 0, false, &refusal), -ENOBUFS);
	generation(nl);
	ck_assert_uint_eq(count_tables(nl), 0);
	put_table(&next, NFT_MSG_NEWTABLE, NLM_F_CREATE, "a");
	ck_assert_int_eq(send_batch(nl, &next, 0, false, &refusal), 0);
	ck_assert_uint_eq(count_tables(nl), 1);
	pfw_batch_free(&batch);
	pfw_batch_free(&next);
	pfw_netlink_close(nl);
}
END_TEST

#define MANY 3000u

/* If this fails, a dump that fills the receive buffer is read as if it were whole. */
START_TEST(test_long_dump)
{
	struct pfw_refusal refusal = { 0 };
	struct pfw_batch batch = { 0 };
	struct pfw_netlink *nl;
	unsigned int i;
	char name[16];

	sandbox_enter();
	nl = open_netlink();
	for (i = 0; i < MANY; i++) {
		snprintf(name, sizeof(name), "t%u", i);
		put_table(&batch, NFT_MSG_NEWTABLE, NLM_F_CREATE, name);
	}
	ck_assert_int_eq(send_batch(nl, &batch, 0, false, &refusal), 0);
	ck_assert_uint_eq(count_tables(nl), MANY);
	pfw_batch_free(&batch);
	pfw_netlink_close(nl);
}
END_TEST

static int give_up(void *ctx, const struct nlmsghdr *message)
{
	(void)message;
	return ++*(unsigned int *)ctx == 2 ? -ENOMEM : 0;
}

/* If this fails, the rest of an answer that was given up is taken for the next one. */
START_TEST(test_given_up)
{
	_Alignas(struct nlmsghdr) char buf[256];
	struct pfw_error err = PFW_ERROR_INIT;
	struct pfw_refusal refusal = { 0 };
	struct pfw_batch batch = { 0 };
	struct pfw_netlink *nl;
	unsigned int i, n = 0;
	char name[16];

	sandbox_enter();
	nl = open_netlink();
	for (i = 0; i < MANY; i++) {
		snprintf(name, sizeof(name), "t%u", i);
		put_table(&batch, NFT_MSG_NEWTABLE, NLM_F_CREATE, name);
	}
	ck_assert_int_eq(send_batch(nl, &batch, 0, false, &refusal), 0);
	ck_assert_int_eq(pfw_netlink_ask(nl, request(buf, NFT_MSG_GETTABLE, NLM_F_DUMP), give_up, &n,
					 &err), -ENOMEM);
	generation(nl);
	ck_assert_uint_eq(count_tables(nl), MANY);
	pfw_batch_free(&batch);
	pfw_netlink_close(nl);
}
END_TEST

START_TEST(test_kernel_says_no)
{
	_Alignas(struct nlmsghdr) char buf[256];
	struct pfw_error err = PFW_ERROR_INIT;
	struct pfw_netlink *nl;
	struct nlmsghdr *message;
	unsigned int n = 0;

	sandbox_enter();
	nl = open_netlink();
	message = request(buf, NFT_MSG_GETTABLE, 0);
	mnl_attr_put_strz(message, NFTA_TABLE_NAME, "nowhere");
	ck_assert_int_eq(pfw_netlink_ask(nl, message, count_message, &n, &err), -ENOENT);
	ck_assert_uint_eq(err.count, 0);
	ck_assert_uint_eq(n, 0);
	pfw_netlink_close(nl);
	pfw_netlink_close(NULL);
}
END_TEST

TCase *batch_case(void)
{
	TCase *tcase;

	UNIT_CASE(tcase, "batch", test_commits, test_dry_run, test_refused, test_stale_generation,
		  test_not_permitted, test_lost_answer, test_long_dump, test_given_up,
		  test_kernel_says_no);
	tcase_set_timeout(tcase, 30);
	return tcase;
}
