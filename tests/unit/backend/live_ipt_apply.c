/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is applied is what is read, for every kind of forward and every way there. */
#include <errno.h>
#include <sys/socket.h>

#include "live_ipt.h"

/*
 * If this fails, diff finds differences that are none, or the kernel refuses rules that some
 * configuration needs.
 */
START_TEST(test_every_combination)
{
	struct sample samples[LIVE_COMBINATIONS];
	struct pfw_arena arena = { 0 };
	struct pfw_backend_handle *handle;
	size_t n = live_combinations(samples, &arena), i;
	struct live live;

	live_ipt_enter();
	handle = live_open();
	for (i = 0; i < n; i++) {
		live_make(&live, &samples[i], 1);
		live_bring(handle, &live.image, samples[i].name);
		live_free(&live);
	}
	live_make(&live, samples, n);
	live_bring(handle, &live.image, "all at once");
	live_free(&live);
	live_make(&live, samples, 1);
	live_bring(handle, &live.image, "one of all");
	live_free(&live);
	live_make(&live, NULL, 0);
	live_bring(handle, &live.image, "none");
	live_free(&live);
	images_backend->close(handle);
	pfw_arena_free(&arena);
}
END_TEST

static const struct sample kinds[] = {
	{ .name = "plain" },
	{ .name = "range", .ports = "8000-8100", .targets = "10.0.0.2@90-190" },
	{ .name = "sources", .ports = "81", .sources = "203.0.113.0/24 2001:db8:1::/48",
	  .excluded = "203.0.113.7/32", .snat = PFW_SNAT_MASQUERADE },
	{ .name = "limits", .ports = "82",
	  .limit = { .rate = 50, .per = 1, .burst = 10, .connections = 5 }, .log = true },
	{ .name = "random", .ports = "83", .targets = "10.0.0.2@80*3 10.0.0.3@80 fd00::2@80" },
	{ .name = "robin", .ports = "84", .balance = PFW_BALANCE_ROUND_ROBIN,
	  .targets = "10.0.0.2@80*3 10.0.0.3@80 10.0.0.4@80" },
	{ .name = "source", .ports = "85", .balance = PFW_BALANCE_SOURCE,
	  .targets = "10.0.0.2@80 10.0.0.3@80 10.0.0.4@80" },
	{ .name = "loopback", .ports = "86", .targets = "127.0.0.1@80" },
	{ .name = "unchanged", .ports = "87", .addresses = "10.0.0.2", .targets = "10.0.0.2@87" },
	{ .name = "some-unchanged", .ports = "9000-9010", .addresses = "10.0.0.2",
	  .targets = "10.0.0.2@9005" },
	{ .name = "expires", .ports = "88", .expires = SAMPLE_NOW + 3600 },
	{ .name = "address", .ports = "89", .targets = "10.0.0.2", .snat_address = "192.0.2.1" },
	{ .name = "a-name-that-is-much-too-long-for-a-chain", .ports = "90",
	  .sources = "203.0.113.0/24", .targets = "10.0.0.2" },
	{ .name = "the-same-for-some", .ports = "90", .sources = "203.0.113.128/25",
	  .targets = "10.0.0.3" },
};

/* If this fails, a forward of some kind is a difference for ever, alone or with others. */
START_TEST(test_every_kind)
{
	struct pfw_backend_handle *handle;
	struct live live;
	size_t i;

	live_ipt_enter();
	handle = live_open();
	for (i = 0; i < COUNT(kinds); i++) {
		live_ipt_make_guarded(&live, &kinds[i], 1);
		live_bring(handle, &live.image, kinds[i].name);
		live_free(&live);
	}
	live_ipt_make_guarded(&live, kinds, COUNT(kinds));
	live_bring(handle, &live.image, "all at once");
	live_free(&live);
	live_make(&live, NULL, 0);
	live_bring(handle, &live.image, "none");
	live_free(&live);
	images_backend->close(handle);
}
END_TEST

/* If this fails, a record that was lost cannot be made anew from the guard and the shield. */
START_TEST(test_guarded)
{
	struct pfw_error err = PFW_ERROR_INIT;
	struct pfw_backend_handle *handle;
	struct pfw_links links = { 0 };
	struct live live;
	bool shielded = true;

	live_ipt_enter();
	handle = live_open();
	ck_assert_int_eq(images_backend->guarded(handle, AF_INET, &links, &err), 0);
	ck_assert_uint_eq(links.n, 0);
	ck_assert_int_eq(images_backend->shielded(handle, &shielded, &err), 0);
	ck_assert(!shielded);
	live_ipt_make_guarded(&live, kinds, COUNT(kinds));
	live_bring(handle, &live.image, "with a guard");
	ck_assert_int_eq(images_backend->guarded(handle, AF_INET6, &links, &err), 0);
	ck_assert_uint_eq(links.n, 3);
	ck_assert(!pfw_links_find(&links, "lan0")->routed);
	ck_assert(pfw_links_find(&links, "vpn0")->routed);
	ck_assert(!pfw_links_find(&links, "wan0")->routed);
	ck_assert_int_eq(images_backend->shielded(handle, &shielded, &err), 0);
	ck_assert(shielded);
	pfw_links_free(&links);
	live_free(&live);
	images_backend->close(handle);
}
END_TEST

/* What iptables cannot express is refused before it comes this far. */
static void make_expressible(const struct pfw_plan *plan, struct sample_step *step)
{
	struct pfw_error err = PFW_ERROR_INIT;
	unsigned int i;

	for (i = 0; i < step->n; i++) {
		if (!step->new[i].name || !images_backend->refuse(plan, &step->new[i], &err))
			continue;
		step->new[i].expires = 0;
		step->new[i].log = false;
		step->new[i].limit.rate = 0;
		pfw_error_clear(&err);
		ck_assert_int_eq(images_backend->refuse(plan, &step->new[i], &err), 0);
	}
}

/* If this fails, what portfwd adds and removes bit by bit is not what the configuration says. */
START_TEST(test_random_changes)
{
	struct sample_random random = { 31337 };
	struct pfw_error err = PFW_ERROR_INIT;
	struct pfw_backend_handle *handle;
	struct pfw_image before = { 0 }, after;
	struct pfw_ruleset ruleset;
	struct sample_step step;
	struct pfw_plan plan;
	unsigned int i;
	char line[1024];
	int ret;

	live_ipt_enter();
	handle = live_open();
	sample_ruleset(&ruleset, NULL, 0);
	sample_plan(&ruleset, &plan);
	images_compile(&plan, NULL, &before);
	for (i = 0; i < 300; i++) {
		sample_step_choose(&random, &ruleset, i < 150 ? 3 : 200, &ruleset.arena, &step);
		make_expressible(&plan, &step);
		sample_step_make(&ruleset, &plan, &step);
		images_compile(&plan, NULL, &after);
		ret = live_apply(handle, &before, &after, false, &err);
		ck_assert_msg(!ret, "change %u: %d, %s", i, ret,
			      err.count ? unit_error(&err, 0, line) : "");
		live_holds(handle, &after, "after a change");
		pfw_image_free(&before);
		before = after;
	}
	pfw_image_free(&before);
	images_backend->close(handle);
	pfw_plan_free(&plan);
	pfw_ruleset_free(&ruleset);
}
END_TEST

/* If this fails, to look what would change makes tables, or changes what stands. */
START_TEST(test_dry_run)
{
	struct pfw_error err = PFW_ERROR_INIT;
	struct pfw_backend_handle *handle;
	struct live all, one;

	live_ipt_enter();
	handle = live_open();
	live_ipt_make_guarded(&all, kinds, COUNT(kinds));
	live_ipt_make_guarded(&one, kinds, 1);
	ck_assert_int_eq(live_apply(handle, NULL, &all.image, true, &err), 0);
	live_ipt_same(live_ipt_saved(), strdup(""), "after a dry run of the first");
	live_bring(handle, &all.image, "all");
	ck_assert_int_eq(live_apply(handle, &all.image, &one.image, true, &err), 0);
	live_holds(handle, &all.image, "after a dry run");
	images_backend->close(handle);
	live_free(&all);
	live_free(&one);
}
END_TEST

/* What the forward has counted. */
static uint64_t count_of(const char *name)
{
	struct pfw_backend_handle *handle = live_open();
	struct pfw_image image = { 0 };
	uint64_t count = 0;
	uint32_t i;

	live_read(handle, &image);
	images_backend->close(handle);
	for (i = 0; i < image.n_items; i++)
		if (image.items[i].owner && !strcmp(image.items[i].owner, name))
			count += image.items[i].count;
	pfw_image_free(&image);
	return count;
}

#define COUNTED                                                                                   \
	"iptables-legacy-save -c -t nat |"                                                        \
	" sed '/portfwd:f3\"/s/^[^ ]*/[7:700]/; /portfwd:f4\"/s/^[^ ]*/[8:800]/' |"               \
	" iptables-legacy-restore -c"

/* If this fails, counts are lost when rules around a rule change, or when it moves elsewhere. */
START_TEST(test_counts)
{
	struct live few, many;

	live_ipt_enter();
	live_make_many(&few, 10);
	live_make_many(&many, 500);
	live_ipt_bring(&few.image, "few");
	live_ipt_run(COUNTED);
	ck_assert_uint_eq(count_of("f3"), 7);
	live_ipt_bring(&many.image, "many, in chains of their own");
	ck_assert_uint_eq(count_of("f3"), 7);
	ck_assert_uint_eq(count_of("f4"), 8);
	ck_assert_uint_eq(count_of("f5"), 0);
	live_ipt_bring(&few.image, "few again");
	ck_assert_uint_eq(count_of("f3"), 7);
	live_ipt_run("iptables-legacy-save -c -t nat | grep -q '^.7:700. .*f3'");
	live_free(&few);
	live_free(&many);
}
END_TEST

START_TEST(test_many)
{
	struct pfw_backend_handle *handle;
	struct live many, fewer;

	live_ipt_enter();
	handle = live_open();
	live_make_many(&many, 20000);
	live_make_many(&fewer, 100);
	live_bring(handle, &many.image, "many");
	live_bring(handle, &fewer.image, "fewer");
	live_bring(handle, &many.image, "many again");
	images_backend->close(handle);
	live_free(&many);
	live_free(&fewer);
}
END_TEST

static void restore(const char *tool, const struct pfw_text_format *format,
		    const struct pfw_image *image)
{
	struct pfw_buffer text = { 0 };
	char command[128];
	FILE *pipe;

	format->write(image, &text);
	ck_assert(!text.failed);
	snprintf(command, sizeof(command), "%s --noflush", tool);
	pipe = popen(command, "w");
	ck_assert_ptr_nonnull(pipe);
	ck_assert_uint_eq(fwrite(text.data, 1, text.len, pipe), text.len);
	ck_assert_int_eq(pclose(pipe), 0);
	pfw_buffer_free(&text);
}

/* If this fails, what is exported or saved is not what portfwd would make. */
START_TEST(test_saved_and_loaded)
{
	struct live live;

	live_ipt_enter();
	live_ipt_make_guarded(&live, kinds, COUNT(kinds));
	restore("iptables-legacy-restore", &images_backend->formats[0], &live.image);
	restore("ip6tables-legacy-restore", &images_backend->formats[1], &live.image);
	live_ipt_holds(&live.image, "after the export was loaded");
	live_ipt_run("! iptables-legacy-save | grep unsupported");
	live_ipt_run("iptables-legacy-save | iptables-legacy-restore");
	live_ipt_run("ip6tables-legacy-save | ip6tables-legacy-restore");
	live_ipt_holds(&live.image, "after all was saved and loaded");
	live_free(&live);
}
END_TEST

TCase *live_ipt_apply_case(void)
{
	TCase *tcase;

	UNIT_CASE(tcase, "apply", test_every_combination, test_every_kind, test_guarded,
		  test_random_changes, test_dry_run, test_counts, test_many, test_saved_and_loaded);
	tcase_set_timeout(tcase, 120);
	return tcase;
}
