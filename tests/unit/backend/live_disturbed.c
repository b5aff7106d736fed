/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reading while others change the ruleset: the whole image, or none. */
#include <errno.h>
#include <libmnl/libmnl.h>
#include <netinet/in.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>

#include "live.h"
#include "portfwd/kernel/netlink.h"

#define READS 200
#define FORWARDS 2000
/* Fewer than the attempts of a read, each of which one step can spoil. */
#define STEPS 30

static int change_table(struct pfw_netlink *nl, uint16_t type, uint16_t flags)
{
	struct pfw_error err = PFW_ERROR_INIT;
	struct pfw_refusal refusal = { 0 };
	struct pfw_batch batch = { 0 };
	struct nlmsghdr *message;
	int ret;

	message = pfw_batch_begin(&batch, type, flags, NFPROTO_INET, 256, NULL);
	if (!message)
		return -ENOMEM;
	mnl_attr_put_strz(message, NFTA_TABLE_NAME, "other");
	pfw_batch_end(&batch, message);
	ret = pfw_batch_send(nl, &batch, 0, false, &refusal, &err);
	pfw_batch_free(&batch);
	return ret;
}

/* Somebody else's table comes and goes. */
static int disturb(void *ctx)
{
	static struct pfw_netlink *nl;	/* of the helper's own process */
	struct pfw_error err = PFW_ERROR_INIT;
	int ret = 0;

	(void)ctx;
	if (!nl)
		ret = pfw_netlink_open(&nl, &err);
	if (!ret)
		ret = change_table(nl, NFT_MSG_NEWTABLE, NLM_F_CREATE);
	return ret ? ret : change_table(nl, NFT_MSG_DELTABLE, 0);
}

/* If this fails, diff and reload see half a table when a firewall is reloaded meanwhile. */
START_TEST(test_others_change)
{
	struct sandbox_helper helper;
	struct pfw_backend_handle *handle;
	unsigned int i, met = 0;
	uint32_t before;
	struct live live;

	sandbox_enter();
	handle = live_open();
	live_make_many(&live, FORWARDS);
	live_bring(handle, &live.image, "at first");
	sandbox_helper_begin(&helper, disturb, NULL);
	for (i = 0; i < READS; i++) {
		before = live_generation();
		sandbox_helper_tell(&helper, STEPS / 2);
		live_holds(handle, &live.image, "while others change their table");
		met += live_generation() != before;
		sandbox_helper_wait(&helper);
	}
	sandbox_helper_end(&helper);
	ck_assert_msg(met > READS / 2, "only %u of %d reads met a change", met, READS);
	pfw_backend_nftables.close(handle);
	live_free(&live);
}
END_TEST

struct turns {
	const struct pfw_image *images[2];
	struct pfw_backend_handle *handle;
	unsigned int now;
};

/* Our own table becomes the other one. */
static int turn(void *ctx)
{
	struct turns *turns = ctx;
	struct pfw_error err = PFW_ERROR_INIT;
	struct pfw_difference difference = { 0 };
	const struct pfw_image *before = turns->images[turns->now];
	const struct pfw_image *after = turns->images[!turns->now];
	int ret = 0;

	if (!turns->handle)
		ret = pfw_backend_nftables.open(true, &turns->handle, &err);
	if (!ret)
		ret = pfw_difference_make(before, after, &difference, &err);
	if (!ret)
		ret = pfw_backend_nftables.apply(turns->handle, after, &difference, false, &err);
	pfw_difference_free(&difference);
	turns->now = !turns->now;
	return ret;
}

/* Fails the test unless it is one of the two. */
static void is_either(const struct pfw_image *actual, const struct pfw_image *a,
		      const struct pfw_image *b)
{
	struct pfw_buffer to_a = { 0 }, to_b = { 0 };

	images_steps(actual, a, &to_a);
	images_steps(actual, b, &to_b);
	if (to_a.len && to_b.len)
		ck_abort_msg("neither one nor the other: to be the first, there is to do\n%.1500s\n"
			     "and to be the second\n%.1500s", to_a.data, to_b.data);
	ck_assert_uint_eq(actual->n_items, to_a.len ? b->n_items : a->n_items);
	pfw_buffer_free(&to_a);
	pfw_buffer_free(&to_b);
}

/* If this fails, what is read is a mixture of before and after that never stood. */
START_TEST(test_own_table_changes)
{
	static const struct sample loud = { .name = "loud", .targets = "10.0.0.9", .ports = "80",
					    .snat = PFW_SNAT_MASQUERADE };
	struct pfw_backend_handle *handle;
	struct sandbox_helper helper;
	struct pfw_forward forward;
	struct pfw_image image;
	struct turns turns;
	struct live a, b;
	unsigned int i;

	sandbox_enter();
	handle = live_open();
	live_make_many(&a, FORWARDS);
	live_make_many(&b, FORWARDS);
	/* One makes all others speak: sets, elements and rules change at once. */
	sample_make(&loud, &b.ruleset.arena, &forward);
	ck_assert_int_eq(sample_change(&b.ruleset, &b.plan, &forward), 0);
	pfw_image_free(&b.image);
	images_compile(&b.plan, NULL, &b.image);
	live_bring(handle, &a.image, "at first");
	turns = (struct turns){ { &a.image, &b.image }, NULL, 0 };
	sandbox_helper_begin(&helper, turn, &turns);
	for (i = 0; i < READS / 2; i++) {
		sandbox_helper_tell(&helper, 3);
		image = (struct pfw_image){ 0 };
		live_read(handle, &image);
		is_either(&image, &a.image, &b.image);
		pfw_image_free(&image);
		sandbox_helper_wait(&helper);
	}
	sandbox_helper_end(&helper);
	pfw_backend_nftables.close(handle);
	live_free(&a);
	live_free(&b);
}
END_TEST

/* The table as a whole comes and goes. */
START_TEST(test_table_comes_and_goes)
{
	struct pfw_backend_handle *handle;
	struct sandbox_helper helper;
	struct pfw_image image;
	struct turns turns;
	struct live a, none;
	unsigned int i;

	sandbox_enter();
	handle = live_open();
	live_make_many(&a, 200);
	live_make(&none, NULL, 0);
	turns = (struct turns){ { &none.image, &a.image }, NULL, 0 };
	sandbox_helper_begin(&helper, turn, &turns);
	for (i = 0; i < READS; i++) {
		sandbox_helper_tell(&helper, 5);
		image = (struct pfw_image){ 0 };
		live_read(handle, &image);
		is_either(&image, &a.image, &none.image);
		pfw_image_free(&image);
		sandbox_helper_wait(&helper);
	}
	sandbox_helper_end(&helper);
	pfw_backend_nftables.close(handle);
	live_free(&a);
	live_free(&none);
}
END_TEST

TCase *live_disturbed_case(void)
{
	TCase *tcase;

	UNIT_CASE(tcase, "disturbed", test_others_change, test_own_table_changes,
		  test_table_comes_and_goes);
	tcase_set_timeout(tcase, 120);
	return tcase;
}
