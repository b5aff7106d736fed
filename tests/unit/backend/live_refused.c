/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the kernel refuses: nothing is changed, and exactly the culprit is named. */
#include <errno.h>
#include <netinet/in.h>
#include <linux/netfilter/nf_tables.h>

#include "../../../src/backend/nft/nft.h"
#include "live.h"

#define MANY 3000u
#define CULPRIT "f1717"

/* The element of a map that belongs to the culprit. */
static struct pfw_item *culprit(struct pfw_image *image, const char *set)
{
	uint32_t i;

	for (i = 0; i < image->n_items; i++)
		if (image->items[i].owner && !strcmp(image->items[i].owner, CULPRIT) &&
		    nft_element_set(&image->items[i]) == nft_set_find(set))
			return &image->items[i];
	ck_abort_msg("the culprit has no element in %s", set);
	return NULL;
}

/* Other bytes for an item; the new ones belong to the image. */
static void replace(struct pfw_image *image, struct pfw_item *item, const void *key,
		    size_t key_len, const void *value, size_t value_len)
{
	uint8_t *bytes = pfw_arena_alloc(&image->arena, key_len + value_len);

	ck_assert_ptr_nonnull(bytes);
	memcpy(bytes, key, key_len);
	memcpy(bytes + key_len, value, value_len);
	item->bytes = bytes;
	item->key_len = (uint16_t)key_len;
	item->value_len = (uint32_t)value_len;
}

static void short_key(struct pfw_image *image)
{
	struct pfw_item *item = culprit(image, "dnat4_addr");

	replace(image, item, pfw_item_key(item), item->key_len - 4u, pfw_item_value(item),
		item->value_len);
}

static void short_data(struct pfw_image *image)
{
	struct pfw_item *item = culprit(image, "dnat4_addr");

	replace(image, item, pfw_item_key(item), item->key_len, pfw_item_value(item),
		item->value_len - 4u);
}

static void no_such_chain(struct pfw_image *image)
{
	const struct nft_verdict_value nowhere = { NFT_GOTO, "nowhere" };
	struct pfw_item *item = culprit(image, "snat4_addr");

	replace(image, item, pfw_item_key(item), item->key_len, &nowhere, sizeof(nowhere));
}

/* The key of another forward: the kernel finds it there already. */
static void taken_key(struct pfw_image *image)
{
	/* Every forward has two elements. */
	struct pfw_item *item = culprit(image, "dnat4_addr"), *other = item - 2;

	ck_assert_uint_eq(nft_element_set(other), nft_element_set(item));
	replace(image, item, pfw_item_key(other), other->key_len, pfw_item_value(item),
		item->value_len);
}

static const struct {
	void (*spoil)(struct pfw_image *image);
	const char *element;	/* as it is named */
	int code;
} ways[] = {
	{ short_key, "element dnat4_addr {", -EINVAL },
	{ short_data, "element dnat4_addr {", -EINVAL },
	{ no_such_chain, "element snat4_addr {", -ENOENT },
	{ taken_key, "element dnat4_addr {", -EEXIST },
};

/* All of them speak on the source address, so that the map of verdicts is large too. */
static void make_many(struct live *live)
{
	live_make_many(live, MANY);
	pfw_plan_free(&live->plan);
	pfw_image_free(&live->image);
	live->ruleset.settings.snat = PFW_SNAT_MASQUERADE;
	sample_plan(&live->ruleset, &live->plan);
	images_compile(&live->plan, NULL, &live->image);
}

/* If this fails, one bad forward takes others with it, or somebody looks for it in the wrong place. */
START_TEST(test_one_of_many)
{
	struct pfw_backend_handle *handle;
	struct pfw_image before;
	struct pfw_error err;
	struct live few, many;
	uint32_t generation;
	size_t i;
	int ret;

	sandbox_enter();
	handle = live_open();
	live_make_many(&few, 3);
	live_bring(handle, &few.image, "few");
	generation = live_generation();
	for (i = 0; i < COUNT(ways); i++) {
		make_many(&many);
		ways[i].spoil(&many.image);
		before = (struct pfw_image){ 0 };
		err = (struct pfw_error)PFW_ERROR_INIT;
		live_read(handle, &before);
		ret = live_apply(handle, &before, &many.image, false, &err);
		ck_assert_msg(ret == ways[i].code, "way %zu: %d, %s", i, ret, err.item[0].message);
		ck_assert_uint_eq(err.count, 1);
		unit_has_error(&err, "the kernel refused forward \"" CULPRIT "\"");
		unit_has_error(&err, ways[i].element);
		unit_has_error(&err, strerror(-ways[i].code));
		unit_has_error(&err, "nothing was changed");
		ck_assert_uint_eq(live_generation(), generation);
		live_holds(handle, &few.image, "after a refusal");
		pfw_image_free(&before);
		live_free(&many);
	}
	pfw_backend_nftables.close(handle);
	live_free(&few);
}
END_TEST

/* A dry run finds the same culprit. */
START_TEST(test_dry_run)
{
	struct pfw_error err = PFW_ERROR_INIT;
	struct pfw_backend_handle *handle;
	struct pfw_image before = { 0 };
	struct live many;

	sandbox_enter();
	handle = live_open();
	make_many(&many);
	short_key(&many.image);
	live_read(handle, &before);
	ck_assert_int_eq(live_apply(handle, &before, &many.image, true, &err), -EINVAL);
	unit_has_error(&err, CULPRIT);
	live_holds(handle, &before, "after a refused dry run");
	pfw_image_free(&before);
	pfw_backend_nftables.close(handle);
	live_free(&many);
}
END_TEST

static const struct sample one = { .name = "one" }, two = { .name = "two", .ports = "81" },
			   three = { .name = "three", .ports = "82" };

/* If this fails, a change is built upon what somebody else has changed since. */
START_TEST(test_stale_generation)
{
	struct pfw_error err = PFW_ERROR_INIT;
	struct pfw_backend_handle *handle, *other;
	struct pfw_image before = { 0 };
	struct live a, b, c;

	sandbox_enter();
	handle = live_open();
	other = live_open();
	live_make(&a, &one, 1);
	live_make(&b, &two, 1);
	live_make(&c, &three, 1);
	live_bring(handle, &a.image, "a");
	live_read(handle, &before);
	live_bring(other, &b.image, "b");
	ck_assert_int_eq(live_apply(handle, &before, &c.image, false, &err), -ESTALE);
	live_holds(other, &b.image, "after a stale change");
	ck_assert_int_eq(live_apply(handle, &before, &c.image, true, &err), -ESTALE);
	live_holds(other, &b.image, "after a stale dry run");
	/* Reading anew is all it takes. */
	live_bring(handle, &c.image, "c");
	pfw_image_free(&before);
	pfw_backend_nftables.close(handle);
	pfw_backend_nftables.close(other);
	live_free(&a);
	live_free(&b);
	live_free(&c);
}
END_TEST

/* Forgets what was read of the kernel, as the engine does when the stamp is right. */
static void forget(struct pfw_backend_handle *handle, const struct pfw_plan *plan)
{
	struct pfw_error err = PFW_ERROR_INIT;
	bool held = false;

	ck_assert_int_eq(pfw_backend_nftables.holds(handle, plan, &held, &err), 0);
	ck_assert(held);
}

/* If this fails, two changes that were not read before are mixed into one. */
START_TEST(test_stale_stamp)
{
	static const struct sample was[] = { { .name = "one" } };
	static const struct sample mine[] = { { .name = "one" }, { .name = "two", .ports = "81" } };
	static const struct sample theirs[] = { { .name = "one" },
						{ .name = "three", .ports = "82" } };
	struct pfw_error err = PFW_ERROR_INIT;
	struct pfw_backend_handle *handle;
	struct live a, b, c, none;

	sandbox_enter();
	handle = live_open();
	live_make(&a, was, COUNT(was));
	live_make(&b, mine, COUNT(mine));
	live_make(&c, theirs, COUNT(theirs));
	live_make(&none, NULL, 0);
	live_bring(handle, &a.image, "a");
	ck_assert_int_eq(live_apply(handle, &a.image, &b.image, false, &err), 0);
	ck_assert_int_eq(live_apply(handle, &a.image, &c.image, false, &err), -ESTALE);
	live_holds(handle, &b.image, "after a stale change");
	/* The table went meanwhile, or came. */
	live_bring(handle, &none.image, "none");
	forget(handle, &none.plan);
	ck_assert_int_eq(live_apply(handle, &a.image, &b.image, false, &err), -ESTALE);
	ck_assert_int_eq(live_apply(handle, &a.image, &none.image, false, &err), -ESTALE);
	live_holds(handle, &none.image, "without a table");
	live_bring(handle, &a.image, "a again");
	forget(handle, &a.plan);
	ck_assert_int_eq(live_apply(handle, NULL, &b.image, false, &err), -ESTALE);
	live_holds(handle, &a.image, "with a table");
	ck_assert_uint_eq(err.count, 0);
	pfw_backend_nftables.close(handle);
	live_free(&a);
	live_free(&b);
	live_free(&c);
	live_free(&none);
}
END_TEST

/* If this fails, an ordinary user is not told what is missing. */
START_TEST(test_not_permitted)
{
	struct pfw_error err = PFW_ERROR_INIT;
	struct pfw_image image = { 0 };
	struct pfw_backend_handle *handle;
	struct live live;
	bool held;

	sandbox_enter();
	sandbox_drop_net_admin();
	handle = live_open();
	live_make(&live, &one, 1);
	ck_assert_int_eq(live_apply(handle, NULL, &live.image, false, &err), -EPERM);
	ck_assert_int_eq(err.kind, PFW_NOT_PERMITTED);
	unit_has_error(&err, "nf_tables refused the change: Operation not permitted; it takes "
			     "CAP_NET_ADMIN, so run as root");
	pfw_error_clear(&err);
	ck_assert_int_eq(live_apply(handle, NULL, &live.image, true, &err), -EPERM);
	ck_assert_int_eq(err.kind, PFW_NOT_PERMITTED);
	pfw_error_clear(&err);
	ck_assert_int_eq(pfw_backend_nftables.read(handle, &image, &err), -EPERM);
	ck_assert_int_eq(err.kind, PFW_NOT_PERMITTED);
	pfw_error_clear(&err);
	ck_assert_int_eq(pfw_backend_nftables.holds(handle, &live.plan, &held, &err), -EPERM);
	ck_assert_int_eq(err.kind, PFW_NOT_PERMITTED);
	pfw_backend_nftables.close(handle);
	live_free(&live);
}
END_TEST

TCase *live_refused_case(void)
{
	TCase *tcase;

	UNIT_CASE(tcase, "refused", test_one_of_many, test_dry_run, test_stale_generation,
		  test_stale_stamp, test_not_permitted);
	tcase_set_timeout(tcase, 60);
	return tcase;
}
