/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Who owns the table: what its flags allow the kernel, and what becomes of them. */
#include <errno.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "../../../src/backend/nft/nft.h"
#include "live.h"

/* The same forwards, with the table as nobody's and as this process's. */
struct both {
	struct live nobodys;
	struct live ours;
};

static void both_make(struct both *both)
{
	live_make_many(&both->nobodys, 20);
	live_make_many(&both->ours, 20);
	both->ours.plan.facts.owned = true;
	pfw_image_free(&both->ours.image);
	images_compile(&both->ours.plan, NULL, &both->ours.image);
}

static void both_free(struct both *both)
{
	live_free(&both->nobodys);
	live_free(&both->ours);
}

static void set(struct pfw_backend_handle *handle, enum pfw_ownership who)
{
	struct pfw_error err = PFW_ERROR_INIT;
	char line[1024];
	int ret = pfw_backend_nftables.own(handle, who, &err);

	ck_assert_msg(!ret, "%d, %s", ret, unit_error(&err, 0, line));
}

static struct pfw_backend_handle *open_for(enum pfw_ownership who)
{
	struct pfw_backend_handle *handle = live_open();

	set(handle, who);
	return handle;
}

/* The flags as the kernel tells them to anybody. */
static uint32_t flags_of(struct pfw_backend_handle *handle)
{
	struct pfw_error err = PFW_ERROR_INIT;
	struct nft_table table;

	ck_assert_int_eq(nft_ask_table(handle, &table, &err), 0);
	return table.flags;
}

/* From what is read to what is wanted and back again, as after a commit that failed. */
static void there_and_back(struct pfw_backend_handle *handle, const struct pfw_image *wanted,
			   uint32_t flags)
{
	struct pfw_error err = PFW_ERROR_INIT;
	struct pfw_image before = { 0 };
	const uint32_t was = flags_of(handle);
	char line[1024];
	int ret;

	live_read(handle, &before);
	ret = live_apply(handle, &before, wanted, false, &err);
	ck_assert_msg(!ret, "there: %s", unit_error(&err, 0, line));
	ck_assert_uint_eq(flags_of(handle), flags);
	live_holds(handle, wanted, "there");
	ret = live_apply(handle, wanted, &before, false, &err);
	ck_assert_msg(!ret, "back: %s", unit_error(&err, 0, line));
	ck_assert_uint_eq(flags_of(handle), was);
	live_holds(handle, &before, "back");
	pfw_image_free(&before);
}

/* If this fails, own_table cannot be switched, or what failed to be saved is left half done. */
START_TEST(test_switched)
{
	struct pfw_backend_handle *handle, *former;
	struct both both;

	sandbox_enter();
	both_make(&both);
	handle = open_for(PFW_OWNED_BY_US);
	live_bring(handle, &both.nobodys.image, "nobody's");
	there_and_back(handle, &both.ours.image, NFT_TABLE_OWNED);
	live_bring(handle, &both.ours.image, "ours");
	set(handle, PFW_OWNED_BY_NOBODY);
	there_and_back(handle, &both.nobodys.image, 0);
	former = handle;
	handle = open_for(PFW_OWNED_BY_US);
	pfw_backend_nftables.close(former);
	ck_assert_uint_eq(flags_of(handle), NFT_TABLE_PERSIST);
	there_and_back(handle, &both.ours.image, NFT_TABLE_OWNED);
	pfw_backend_nftables.close(handle);
	both_free(&both);
}
END_TEST

/* If this fails, a program changes what is another's, or does not say why it cannot. */
START_TEST(test_of_another)
{
	struct pfw_error err = PFW_ERROR_INIT;
	struct pfw_backend_handle *owner, *other;
	struct pfw_image before = { 0 };
	struct both both;
	bool holds;
	int ret;

	sandbox_enter();
	both_make(&both);
	owner = open_for(PFW_OWNED_BY_US);
	other = open_for(PFW_OWNED_BY_NOBODY);
	live_bring(owner, &both.ours.image, "ours");
	ck_assert_uint_eq(pfw_backend_nftables.owner(other), pfw_backend_nftables.port(owner));
	ck_assert_int_eq(pfw_backend_nftables.holds(owner, &both.ours.plan, &holds, &err), 0);
	ck_assert(holds);
	ck_assert_int_eq(pfw_backend_nftables.holds(other, &both.nobodys.plan, &holds, &err), 0);
	ck_assert(!holds);

	live_read(other, &before);
	ret = live_apply(other, &before, &both.nobodys.image, false, &err);
	ck_assert_int_eq(ret, -EPERM);
	ck_assert_ptr_nonnull(strstr(err.item[0].message, "is owned by another program"));
	set(other, PFW_OWNED_BY_US);
	ck_assert_int_eq(pfw_backend_nftables.holds(other, &both.ours.plan, &holds, &err), 0);
	ck_assert(!holds);

	/* What is left as it is says nothing of whose it is. */
	set(other, PFW_OWNED_BY_ANYBODY);
	live_holds(other, &both.nobodys.image, "owned by another");
	pfw_backend_nftables.close(owner);
	live_holds(other, &both.nobodys.image, "owned once");
	ck_assert_int_eq(pfw_backend_nftables.holds(other, &both.nobodys.plan, &holds, &err), 0);
	ck_assert(holds);
	pfw_backend_nftables.close(other);
	pfw_image_free(&before);
	both_free(&both);
}
END_TEST

/* If this fails, an owner that ended passes for one that lives, because nothing was committed. */
START_TEST(test_generation)
{
	struct pfw_error err = PFW_ERROR_INIT;
	struct pfw_backend_handle *owner, *next;
	uint32_t generation;
	struct both both;
	bool unchanged;

	sandbox_enter();
	both_make(&both);
	owner = open_for(PFW_OWNED_BY_US);
	next = open_for(PFW_OWNED_BY_US);
	live_bring(owner, &both.ours.image, "ours");
	generation = live_generation();
	ck_assert_int_eq(pfw_backend_nftables.unchanged(owner, generation, &unchanged, &err), 0);
	ck_assert(unchanged);
	pfw_backend_nftables.close(owner);
	ck_assert_uint_eq(live_generation(), generation);
	ck_assert_int_eq(pfw_backend_nftables.unchanged(next, generation, &unchanged, &err), 0);
	ck_assert(!unchanged);
	set(next, PFW_OWNED_BY_NOBODY);
	ck_assert_int_eq(pfw_backend_nftables.unchanged(next, generation, &unchanged, &err), 0);
	ck_assert(!unchanged);
	set(next, PFW_OWNED_BY_ANYBODY);
	ck_assert_int_eq(pfw_backend_nftables.unchanged(next, generation, &unchanged, &err), 0);
	ck_assert(unchanged);
	pfw_backend_nftables.close(next);
	both_free(&both);
}
END_TEST

/* If this fails, a daemon that starts when another was just killed does not get the table. */
START_TEST(test_owner_ends)
{
	const struct timespec moment = { .tv_nsec = 50 * 1000 * 1000 };
	struct pfw_error err = PFW_ERROR_INIT;
	struct pfw_backend_handle *owner, *next;
	struct pfw_image before = { 0 };
	struct both both;
	pid_t child;

	sandbox_enter();
	both_make(&both);
	owner = open_for(PFW_OWNED_BY_US);
	next = open_for(PFW_OWNED_BY_US);
	live_bring(owner, &both.ours.image, "ours");
	live_read(next, &before);
	/* It lives for as long as anybody has its socket. */
	child = fork();
	ck_assert_int_ge(child, 0);
	if (!child) {
		nanosleep(&moment, NULL);
		_exit(0);
	}
	pfw_backend_nftables.close(owner);
	ck_assert_uint_eq(flags_of(next), NFT_TABLE_OWNED);
	ck_assert_int_eq(live_apply(next, &before, &both.ours.image, false, &err), -ESTALE);
	live_bring(next, &both.ours.image, "of the next one");
	ck_assert_int_eq(waitpid(child, NULL, 0), child);
	pfw_backend_nftables.close(next);
	pfw_image_free(&before);
	both_free(&both);
}
END_TEST

TCase *live_own_case(void)
{
	TCase *tcase;

	UNIT_CASE(tcase, "own", test_switched, test_of_another, test_generation, test_owner_ends);
	return tcase;
}
