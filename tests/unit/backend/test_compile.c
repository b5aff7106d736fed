/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What holds for every image that is compiled, whatever the ruleset. */
#include <netinet/in.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>

#include "../../../src/backend/nft/nft.h"
#include "cases.h"

static const struct pfw_item *find_item(const struct pfw_image *image, enum nft_kind kind,
					const char *name)
{
	uint32_t i;

	for (i = 0; i < image->n_items; i++)
		if (image->items[i].kind == kind && !strcmp(nft_item_name(&image->items[i]), name))
			return &image->items[i];
	return NULL;
}

static void check_element(const struct pfw_image *image, const struct pfw_item *item)
{
	struct nft_verdict_value verdict;
	struct nft_set set;
	uint32_t key_len, data_len;

	ck_assert_uint_lt(nft_element_set(item), NFT_SETS);
	nft_set_describe(nft_element_set(item), &set);
	ck_assert_msg(find_item(image, NFT_KIND_SET, set.name), "an element of %s, which is not there",
		      set.name);
	key_len = nft_fields_size(set.key, NFT_SET_FIELDS);
	ck_assert_uint_eq(item->key_len, 1 + key_len * (set.flags & NFT_SET_INTERVAL ? 2 : 1));
	data_len = nft_fields_size(set.data, 2);
	if (set.data[0] == NFT_FIELD_VERDICT) {
		data_len = sizeof(verdict);
		memcpy(&verdict, pfw_item_value(item), sizeof(verdict));
		if (verdict.code == NFT_GOTO || verdict.code == NFT_JUMP)
			ck_assert_msg(find_item(image, NFT_KIND_CHAIN, verdict.chain),
				      "an element goes to %s, which is not there", verdict.chain);
		else
			ck_assert_int_eq(verdict.code, NF_ACCEPT);
	}
	ck_assert_uint_eq(item->value_len, data_len);
	if (nft_element_set(item) == NFT_SET_REVISION || nft_element_set(item) >= NFT_SET_TARGETS)
		ck_assert_ptr_null(item->owner);
	else
		ck_assert_ptr_nonnull(item->owner);
}

/* If this fails, lookup rules stand for maps that nobody uses, and cost every packet. */
static void check_set_is_used(const struct pfw_image *image, const struct pfw_item *set)
{
	uint8_t number = nft_set_find(nft_item_name(set));
	uint32_t i, elements = 0, rules = 0;
	char name[64];

	for (i = 0; i < image->n_items; i++)
		if (image->items[i].kind == NFT_KIND_ELEMENT)
			elements += nft_element_set(&image->items[i]) == number;
	snprintf(name, sizeof(name), "@%s", nft_item_name(set));
	for (i = 0; i < image->n_items; i++)
		if (image->items[i].kind == NFT_KIND_CHAIN)
			rules += strstr(image->items[i].text, name) != NULL;
	if (number == NFT_SET_REVISION)
		ck_assert_uint_eq(elements, 1);
	else if (nft_set_learns(number))
		ck_assert_uint_eq(elements, 0);
	else
		ck_assert_msg(elements > 0, "%s is empty", nft_item_name(set));
	ck_assert_msg(rules > 0 || number == NFT_SET_REVISION, "no rule looks into %s",
		      nft_item_name(set));
}

/* If this fails, the kernel refuses the rule, or chains stay behind that nothing leads to. */
static void check_jumps(const struct pfw_image *image, const struct pfw_item *chain)
{
	static const char *const words[] = { "jump ", "goto " };
	char name[NFT_CHAIN_NAME];
	const char *at;
	size_t i, len;

	for (i = 0; i < COUNT(words); i++)
		for (at = chain->text; (at = strstr(at, words[i]));) {
			at += strlen(words[i]);
			len = strcspn(at, " \n");
			ck_assert_uint_lt(len, sizeof(name));
			memcpy(name, at, len);
			name[len] = '\0';
			ck_assert_msg(find_item(image, NFT_KIND_CHAIN, name),
				      "a rule goes to %s, which is not there", name);
		}
}

static bool leads_to(const struct pfw_item *item, const char *name)
{
	struct nft_verdict_value verdict;
	struct nft_set set;
	const char *at;
	size_t len = strlen(name);

	if (item->kind == NFT_KIND_CHAIN) {
		for (at = item->text; (at = strstr(at, name)); at += len)
			if (at >= item->text + 5 && at[len] == '\n' &&
			    (!strncmp(at - 5, "jump ", 5) || !strncmp(at - 5, "goto ", 5)))
				return true;
		return false;
	}
	if (item->kind != NFT_KIND_ELEMENT)
		return false;
	nft_set_describe(nft_element_set(item), &set);
	if (set.data[0] != NFT_FIELD_VERDICT || item->value_len != sizeof(verdict))
		return false;
	memcpy(&verdict, pfw_item_value(item), sizeof(verdict));
	return !strcmp(verdict.chain, name);
}

static void check_chain_is_used(const struct pfw_image *image, const struct pfw_item *chain)
{
	struct nft_chain_value head;
	uint32_t i;

	memcpy(&head, pfw_item_value(chain), sizeof(head));
	if (head.is_base)
		return;
	for (i = 0; i < image->n_items; i++)
		if (leads_to(&image->items[i], nft_item_name(chain)))
			return;
	ck_abort_msg("nothing leads to %s", nft_item_name(chain));
}

/* Whether no rule looks into a set that is not there; every "@name" of the chain's text is one. */
static void check_chain(const struct pfw_image *image, const struct pfw_item *chain)
{
	const char *at = chain->text;
	struct nft_chain_value head;
	const uint8_t *records;
	char name[NFT_CHAIN_NAME];
	size_t pos = 0, len;
	unsigned int rules = 0, lines = 0;

	memcpy(&head, pfw_item_value(chain), sizeof(head));
	ck_assert_uint_eq(head.policy, head.is_base ? NF_ACCEPT : 0);
	while (nft_chain_next_rule(chain, &pos, &records, &len))
		rules++;
	ck_assert_uint_eq(pos ? pos : sizeof(head), chain->value_len);
	for (const char *line = chain->text; *line; line++)
		lines += *line == '\n';
	ck_assert_uint_eq(rules, lines);
	while ((at = strchr(at, '@'))) {
		len = strcspn(++at, " \n");
		ck_assert_uint_lt(len, sizeof(name));
		memcpy(name, at, len);
		name[len] = '\0';
		ck_assert_msg(find_item(image, NFT_KIND_SET, name), "a rule looks into %s, which is "
			      "not there", name);
	}
}

static void check_image(const struct pfw_image *image)
{
	struct pfw_buffer text = { 0 };
	const struct pfw_item *item;
	uint32_t i;

	if (!image->n_items)
		return;
	ck_assert_uint_eq(image->items[0].kind, NFT_KIND_TABLE);
	/* Against itself every item must find itself: no key stands twice. */
	images_steps(image, image, &text);
	ck_assert_uint_eq(text.len, 0);
	pfw_buffer_free(&text);
	for (i = 0; i < image->n_items; i++) {
		item = &image->items[i];
		if (i)
			ck_assert_uint_ne(item->kind, NFT_KIND_TABLE);
		if (item->kind == NFT_KIND_ELEMENT)
			check_element(image, item);
		else if (item->kind == NFT_KIND_SET)
			check_set_is_used(image, item);
		if (item->kind != NFT_KIND_CHAIN)
			continue;
		check_chain(image, item);
		check_jumps(image, item);
		check_chain_is_used(image, item);
	}
}

/* If this fails, a machine without forwards keeps a table of ours. */
START_TEST(test_nothing)
{
	static const struct sample off = { .name = "off", .disabled = true };
	struct pfw_ruleset ruleset;
	struct pfw_plan plan;
	struct pfw_image image;

	sample_ruleset(&ruleset, &off, 1);
	sample_plan(&ruleset, &plan);
	images_compile(&plan, NULL, &image);
	ck_assert_uint_eq(image.n_items, 0);
	pfw_image_free(&image);
	pfw_plan_free(&plan);
	pfw_ruleset_free(&ruleset);
}
END_TEST

START_TEST(test_random_images)
{
	struct sample_random random = { 2024 };
	struct pfw_ruleset ruleset;
	struct sample_step step;
	struct pfw_image image;
	struct pfw_plan plan;
	unsigned int i;

	sample_ruleset(&ruleset, NULL, 0);
	sample_plan(&ruleset, &plan);
	for (i = 0; i < 400; i++) {
		sample_step_choose(&random, &ruleset, 1 + i / 20, &ruleset.arena, &step);
		sample_step_make(&ruleset, &plan, &step);
		images_compile(&plan, NULL, &image);
		check_image(&image);
		pfw_image_free(&image);
	}
	pfw_plan_free(&plan);
	pfw_ruleset_free(&ruleset);
}
END_TEST

static uint32_t count_items(const struct sample *samples, size_t n, enum nft_kind kind,
			    const char *name)
{
	struct pfw_ruleset ruleset;
	struct pfw_image image;
	struct pfw_plan plan;
	uint32_t i, found = 0;

	sample_ruleset(&ruleset, samples, n);
	sample_plan(&ruleset, &plan);
	images_compile(&plan, NULL, &image);
	for (i = 0; i < image.n_items; i++)
		found += image.items[i].kind == kind &&
			 (kind == NFT_KIND_ELEMENT ?
				  nft_element_set(&image.items[i]) == nft_set_find(name) :
				  !strcmp(nft_item_name(&image.items[i]), name));
	pfw_image_free(&image);
	pfw_plan_free(&plan);
	pfw_ruleset_free(&ruleset);
	return found;
}

/* What is there at all follows from what the forwards ask for. */
START_TEST(test_frame_objects)
{
	static const struct sample keep = { .name = "a", .targets = "10.0.0.2",
					    .snat = PFW_SNAT_NONE, .local = PFW_OFF };
	static const struct sample automatic = { .name = "a", .targets = "10.0.0.2" };
	static const struct sample masquerade = { .name = "a", .targets = "10.0.0.2",
						  .snat = PFW_SNAT_MASQUERADE };
	static const struct sample self = { .name = "a", .targets = "self" };
	static const struct sample interface = { .name = "a", .targets = "10.0.0.2",
						 .interfaces = "wan0" };
	static const struct {
		const struct sample *sample;
		bool output, forward, postrouting, hairpins, masquerades;
	} rows[] = {
		{ &keep, false, false, true, false, false },
		{ &automatic, true, false, true, true, false },
		{ &masquerade, true, false, true, false, true },
		{ &self, true, false, false, false, false },
		{ &interface, false, false, true, true, false },
	};
	size_t i;

	for (i = 0; i < COUNT(rows); i++) {
		const struct sample *s = rows[i].sample;

		ck_assert_uint_eq(count_items(s, 1, NFT_KIND_CHAIN, "prerouting"), 1);
		ck_assert_uint_eq(count_items(s, 1, NFT_KIND_CHAIN, "output"), rows[i].output);
		ck_assert_uint_eq(count_items(s, 1, NFT_KIND_CHAIN, "forward"), rows[i].forward);
		ck_assert_uint_eq(count_items(s, 1, NFT_KIND_CHAIN, "postrouting"),
				  rows[i].postrouting);
		ck_assert_uint_eq(count_items(s, 1, NFT_KIND_CHAIN, "hairpins"), rows[i].hairpins);
		ck_assert_uint_eq(count_items(s, 1, NFT_KIND_SET, "hairpin"), rows[i].hairpins);
		ck_assert_uint_eq(count_items(s, 1, NFT_KIND_CHAIN, "masquerades"),
				  rows[i].masquerades);
	}
}
END_TEST

/* If this fails, two forwards to one target cannot differ in their source address. */
START_TEST(test_source_elements)
{
	static const struct sample samples[] = {
		{ .name = "any", .targets = "10.0.0.2", .snat = PFW_SNAT_MASQUERADE },
		{ .name = "addr", .targets = "10.0.0.2", .addresses = "192.0.2.1" },
		{ .name = "if", .targets = "10.0.0.2", .interfaces = "wan0", .snat = PFW_SNAT_NONE },
		{ .name = "self", .targets = "self", .addresses = "192.0.2.2" },
		{ .name = "elsewhere", .targets = "10.0.0.2", .addresses = "192.0.2.1", .ports = "81" },
		{ .name = "several", .targets = "10.0.0.2 10.0.0.3", .addresses = "192.0.2.3",
		  .snat = PFW_SNAT_MASQUERADE },
	};
	const size_t n = COUNT(samples);

	ck_assert_uint_eq(count_items(samples, n, NFT_KIND_ELEMENT, "snat4_any"), 1);
	ck_assert_uint_eq(count_items(samples, n, NFT_KIND_ELEMENT, "snat4_if"), 1);
	ck_assert_uint_eq(count_items(samples, n, NFT_KIND_ELEMENT, "snat4_addr"), 3);
	ck_assert_uint_eq(count_items(samples, n, NFT_KIND_ELEMENT, "dnat4_addr"), 2);
	ck_assert_uint_eq(count_items(samples, n, NFT_KIND_ELEMENT, "self4_addr"), 1);
	ck_assert_uint_eq(count_items(samples, n, NFT_KIND_ELEMENT, "snat6_any"), 0);
}
END_TEST

/* If this fails, switching the counters passes for no change. */
START_TEST(test_counters)
{
	static const struct sample sample = { .name = "a", .targets = "10.0.0.2",
					      .snat = PFW_SNAT_NONE };
	struct pfw_ruleset ruleset;
	struct pfw_image with, without;
	struct pfw_buffer text = { 0 };
	uint8_t stamps[2][8];
	struct pfw_plan plan;
	const char *at;
	unsigned int changed = 0;

	sample_ruleset(&ruleset, &sample, 1);
	sample_plan(&ruleset, &plan);
	images_compile(&plan, NULL, &with);
	nft_stamp(&plan, stamps[0]);
	ruleset.settings.counters = false;
	images_compile(&plan, NULL, &without);
	nft_stamp(&plan, stamps[1]);
	ck_assert_mem_ne(stamps[0], stamps[1], sizeof(stamps[0]));
	images_steps(&with, &without, &text);
	for (at = text.data; (at = strstr(at, "~ set ")); at++)
		changed++;
	/* The map of targets; verdicts count nothing. */
	ck_assert_uint_eq(changed, 1);
	pfw_buffer_free(&text);
	pfw_image_free(&with);
	pfw_image_free(&without);
	pfw_plan_free(&plan);
	pfw_ruleset_free(&ruleset);
}
END_TEST

TCase *compile_case(void)
{
	TCase *tcase;

	UNIT_CASE(tcase, "compile", test_nothing, test_random_images, test_frame_objects,
		  test_source_elements, test_counters);
	tcase_set_timeout(tcase, 120);
	return tcase;
}
