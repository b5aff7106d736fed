/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is applied is what is read, for every kind of forward and every way there. */
#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>

#include "live.h"

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

	sandbox_enter();
	handle = live_open();
	for (i = 0; i < n; i++) {
		live_make(&live, &samples[i], 1);
		live_bring(handle, &live.image, samples[i].name);
		live_free(&live);
	}
	live_make(&live, samples, n);
	live_bring(handle, &live.image, "all at once");
	live_free(&live);
	/* From the many to one and to none. */
	live_make(&live, samples, 1);
	live_bring(handle, &live.image, "one of all");
	live_free(&live);
	live_make(&live, NULL, 0);
	live_bring(handle, &live.image, "none");
	live_free(&live);
	pfw_backend_nftables.close(handle);
	pfw_arena_free(&arena);
}
END_TEST

START_TEST(test_dry_run)
{
	struct sample samples[LIVE_COMBINATIONS];
	const struct pfw_image nothing = { 0 };
	struct pfw_error err = PFW_ERROR_INIT;
	struct pfw_arena arena = { 0 };
	struct pfw_backend_handle *handle;
	size_t n = live_combinations(samples, &arena);
	struct live all, one;
	uint32_t generation;

	sandbox_enter();
	handle = live_open();
	live_make(&all, samples, n);
	live_make(&one, samples, 1);
	generation = live_generation();
	ck_assert_int_eq(live_apply(handle, NULL, &all.image, true, &err), 0);
	live_holds(handle, &nothing, "after a dry run of the first");
	ck_assert_uint_eq(live_generation(), generation);
	live_bring(handle, &all.image, "all");
	generation = live_generation();
	ck_assert_int_eq(live_apply(handle, &all.image, &one.image, true, &err), 0);
	ck_assert_int_eq(live_apply(handle, &all.image, &nothing, true, &err), 0);
	live_holds(handle, &all.image, "after dry runs");
	ck_assert_uint_eq(live_generation(), generation);
	pfw_backend_nftables.close(handle);
	live_free(&all);
	live_free(&one);
	pfw_arena_free(&arena);
}
END_TEST

static bool holds(struct pfw_backend_handle *handle, const struct pfw_plan *plan)
{
	struct pfw_error err = PFW_ERROR_INIT;
	bool ret = false;

	ck_assert_int_eq(pfw_backend_nftables.holds(handle, plan, &ret, &err), 0);
	return ret;
}

/* One random change, sent without reading the kernel, as the engine does it. */
static void change_at_random(struct sample_random *random, struct pfw_ruleset *ruleset,
			     struct pfw_plan *plan, struct pfw_backend_handle *handle,
			     unsigned int i)
{
	struct pfw_image before, after, whole;
	struct pfw_error err = PFW_ERROR_INIT;
	struct pfw_touched keys = { 0 };
	struct sample_step step;
	char line[1024];
	int ret;

	ck_assert_msg(holds(handle, plan), "change %u: the stamp is not there", i);
	sample_step_choose(random, ruleset, i < 150 ? 3 : 30, &ruleset->arena, &step);
	sample_step_touch(plan, &step, &keys);
	images_compile(plan, &keys, &before);
	sample_step_make(ruleset, plan, &step);
	images_compile(plan, &keys, &after);
	images_compile(plan, NULL, &whole);
	ret = live_apply(handle, &before, &after, false, &err);
	ck_assert_msg(!ret, "change %u: %d, %s", i, ret, err.count ? unit_error(&err, 0, line) : "");
	live_holds(handle, &whole, "after a change");
	pfw_touched_free(&keys);
	pfw_image_free(&before);
	pfw_image_free(&after);
	pfw_image_free(&whole);
}

/* If this fails, what portfwd adds and removes bit by bit is not what the configuration says. */
START_TEST(test_random_changes)
{
	struct sample_random random = { 31337 };
	struct pfw_backend_handle *handle;
	struct pfw_ruleset ruleset;
	struct pfw_plan plan;
	unsigned int i;

	sandbox_enter();
	handle = live_open();
	sample_ruleset(&ruleset, NULL, 0);
	sample_plan(&ruleset, &plan);
	for (i = 0; i < 300; i++)
		change_at_random(&random, &ruleset, &plan, handle, i);
	pfw_backend_nftables.close(handle);
	pfw_plan_free(&plan);
	pfw_ruleset_free(&ruleset);
}
END_TEST

/* The stamp tells one plan from another, and from no table at all. */
START_TEST(test_holds)
{
	static const struct sample one = { .name = "a" }, other = { .name = "a", .port = 81 };
	struct pfw_backend_handle *handle;
	struct live a, b, none;

	sandbox_enter();
	handle = live_open();
	live_make(&a, &one, 1);
	live_make(&b, &other, 1);
	live_make(&none, NULL, 0);
	ck_assert(holds(handle, &none.plan));
	ck_assert(!holds(handle, &a.plan));
	live_bring(handle, &a.image, "a");
	ck_assert(holds(handle, &a.plan));
	ck_assert(!holds(handle, &b.plan));
	ck_assert(!holds(handle, &none.plan));
	a.ruleset.settings.counters = false;
	ck_assert(!holds(handle, &a.plan));
	pfw_backend_nftables.close(handle);
	live_free(&a);
	live_free(&b);
	live_free(&none);
}
END_TEST

/* If this fails, counters cannot be switched without a flush. */
START_TEST(test_counters_switched)
{
	static const struct sample samples[] = { { .name = "a" }, { .name = "b", .ports = "81",
						   .targets = "self" } };
	struct pfw_backend_handle *handle;
	struct live with, without;

	sandbox_enter();
	handle = live_open();
	live_make(&with, samples, COUNT(samples));
	live_make(&without, samples, COUNT(samples));
	without.ruleset.settings.counters = false;
	pfw_image_free(&without.image);
	images_compile(&without.plan, NULL, &without.image);
	live_bring(handle, &with.image, "with");
	live_bring(handle, &without.image, "without");
	live_bring(handle, &with.image, "with again");
	pfw_backend_nftables.close(handle);
	live_free(&with);
	live_free(&without);
}
END_TEST

#define TARGETS 400

/* If this fails, a forward to very many targets is a difference for ever. */
START_TEST(test_many_targets)
{
	static const struct sample one = { .name = "many", .targets = "10.0.0.1@80" };
	struct pfw_backend_handle *handle;
	struct pfw_forward *forward;
	struct live live;
	unsigned int weight, balance;
	uint16_t i;

	sandbox_enter();
	handle = live_open();
	for (weight = 1; weight <= 2; weight++)
		for (balance = 0; balance <= PFW_BALANCE_SOURCE; balance++) {
			sample_ruleset(&live.ruleset, &one, 1);
			forward = &live.ruleset.forwards[0];
			forward->balance = (uint8_t)balance;
			forward->targets = pfw_arena_array(&live.ruleset.arena, TARGETS,
							   sizeof(*forward->targets));
			forward->n_targets = TARGETS;
			for (i = 0; i < TARGETS; i++)
				forward->targets[i] = (struct pfw_target){
					.address = { AF_INET, { 10, 1, (uint8_t)(i >> 8), (uint8_t)i } },
					.port = { 80, 80 },
					.weight = (uint16_t)weight,
				};
			sample_plan(&live.ruleset, &live.plan);
			images_compile(&live.plan, NULL, &live.image);
			live_bring(handle, &live.image, "very many targets");
			live_free(&live);
		}
	pfw_backend_nftables.close(handle);
}
END_TEST

/* More elements than one message or one piece of a dump takes. */
START_TEST(test_many)
{
	struct pfw_backend_handle *handle;
	struct live many, fewer;

	sandbox_enter();
	handle = live_open();
	live_make_many(&many, 20000);
	live_make_many(&fewer, 100);
	live_bring(handle, &many.image, "many");
	live_bring(handle, &fewer.image, "fewer");
	live_bring(handle, &many.image, "many again");
	pfw_backend_nftables.close(handle);
	live_free(&many);
	live_free(&fewer);
}
END_TEST

/* The status of nft with these commands, a line each. */
static int nft(const char *commands)
{
	FILE *pipe = popen("nft -f - 1>&2", "w");

	ck_assert_ptr_nonnull(pipe);
	ck_assert_int_ge(fputs(commands, pipe), 0);
	ck_assert_int_ge(fputs("\n", pipe), 0);
	return pclose(pipe);
}

static bool has_nft(void)
{
	FILE *pipe = popen("nft --version > /dev/null 2>&1", "w");

	return pipe && !pclose(pipe);
}

/* What the first forward of live_make_many() has counted. */
static uint64_t first_count(struct pfw_backend_handle *handle)
{
	struct pfw_image image = { 0 };
	uint64_t count = UINT64_MAX;
	uint32_t i;

	live_read(handle, &image);
	for (i = 0; i < image.n_items; i++)
		if (image.items[i].owner && !strcmp(image.items[i].owner, "f0"))
			count = image.items[i].count;
	pfw_image_free(&image);
	return count;
}

/*
 * A large map is made for a number of elements. If this fails, it cannot outgrow that number, or
 * counts are lost when it does.
 */
START_TEST(test_outgrown)
{
	const unsigned int some = 5000, all_that_fit = 16384, too_many = 16385;
	struct pfw_error err = PFW_ERROR_INIT;
	struct pfw_backend_handle *handle;
	struct live live, more;

	sandbox_enter();
	if (!has_nft())
		return;
	handle = live_open();
	live_make_many(&live, some);
	live_bring(handle, &live.image, "some");
	ck_assert(!nft("delete element inet portfwd dnat4_addr { 192.0.0.1 . tcp . 80 };"
		       "add element inet portfwd dnat4_addr { 192.0.0.1 . tcp . 80"
		       " counter packets 7 bytes 420 comment \"f0\" : 10.0.0.2 . 80 }"));
	ck_assert_uint_eq(first_count(handle), 7);
	live_make_many(&more, all_that_fit);
	live_bring(handle, &more.image, "all that fit");
	ck_assert_uint_eq(first_count(handle), 7);
	live_free(&more);
	live_make_many(&more, too_many);
	live_bring(handle, &more.image, "one too many");
	ck_assert_uint_eq(first_count(handle), 7);
	live_free(&more);
	/* A map that somebody else took away limits nothing any more. */
	ck_assert(!nft("delete table inet portfwd"));
	live_bring(handle, &live.image, "some again");
	live_make_many(&more, too_many);
	ck_assert(!nft("delete table inet portfwd"));
	live_bring(handle, &more.image, "too many for the map that is gone");
	/* Whoever did not read first is told to. */
	ck_assert(!nft("delete table inet portfwd"));
	live_bring(handle, &live.image, "some once more");
	pfw_backend_nftables.close(handle);
	handle = live_open();
	ck_assert_int_eq(live_apply(handle, &live.image, &more.image, false, &err), -ESTALE);
	live_holds(handle, &live.image, "some, still");
	pfw_backend_nftables.close(handle);
	live_free(&more);
	live_free(&live);
}
END_TEST

/* What others do to the table with nft(8), in the order of the objects. */
static const char *const strangers[] = {
	"delete table inet portfwd",
	"add table inet portfwd { flags dormant; }",
	"add set inet portfwd foreign { type ipv4_addr; elements = { 192.0.2.9 }; }",
	"add map inet portfwd dnat4_if { type ipv4_addr : ipv4_addr; elements = { 1.1.1.1 : 2.2.2.2 }; }",
	"flush chain inet portfwd prerouting; flush chain inet portfwd output;"
	" delete map inet portfwd dnat4_addr",
	"add chain inet portfwd foreign; add rule inet portfwd foreign tcp dport { 1, 2 } drop",
	"add chain inet portfwd foreign { type filter hook input priority 0; policy drop; }",
	"chain inet portfwd postrouting { policy drop; }",
	"flush chain inet portfwd prerouting",
	"flush table inet portfwd",
	"add rule inet portfwd prerouting tcp dport { 80, 443 } drop",
	"insert rule inet portfwd prerouting tcp dport vmap { 80 : drop, 443 : accept }",
	"add chain inet portfwd foreign; add rule inet portfwd prerouting jump foreign",
	"flush chain inet portfwd postrouting; add rule inet portfwd postrouting ct state new counter drop",
	"delete element inet portfwd dnat4_addr { 192.0.2.1 . tcp . 80 }",
	"add element inet portfwd dnat4_addr { 192.0.2.7 . tcp . 80 : 10.0.0.7 . 80 }",
	"delete element inet portfwd dnat4_addr { 192.0.2.1 . tcp . 80 };"
	" add element inet portfwd dnat4_addr { 192.0.2.1 . tcp . 80 comment \"web\" : 10.0.0.3 . 80 }",
	"delete element inet portfwd dnat4_addr { 192.0.2.1 . tcp . 80 };"
	" add element inet portfwd dnat4_addr { 192.0.2.1 . tcp . 80 comment \"mail\" : 10.0.0.2 . 80 }",
	"delete element inet portfwd dnat4_addr { 192.0.2.1 . tcp . 80 };"
	" add element inet portfwd dnat4_addr { 192.0.2.1 . tcp . 80 : 10.0.0.2 . 80 }",
	"add element inet portfwd dnat4_addr { * : 10.6.6.6 . 80 }",
	"delete element inet portfwd snat4_addr { 192.0.2.1 . tcp . 80 . 10.0.0.2 . 80 };"
	" add element inet portfwd snat4_addr { 192.0.2.1 . tcp . 80 . 10.0.0.2 . 80 comment \"web\" : drop }",
	"add element inet portfwd revision { 1 . 2 }",
	"flush set inet portfwd revision",
};

/* Rules that are ours but for a word; prerouting has one. */
#define LOOKUP "dnat ip to ip daddr . meta l4proto . th dport map @dnat4_addr_remote"
static const char *const strange_rules[] = {
	"meta l4proto != { tcp, udp, sctp } meta nfproto ipv4 " LOOKUP,
	"meta l4proto { tcp, udp } meta nfproto ipv4 " LOOKUP,
	"meta l4proto { tcp, udp, sctp, dccp } meta nfproto ipv4 " LOOKUP,
	"meta l4proto tcp meta nfproto ipv4 " LOOKUP,
	"meta l4proto { tcp, udp, sctp } meta nfproto ipv4 counter " LOOKUP,
	"meta l4proto { tcp, udp, sctp } meta nfproto ipv4 " LOOKUP " random",
};

/* Makes the change, which must be seen, and puts all back. */
static void change_and_repair(struct pfw_backend_handle *handle, const char *commands,
			      const struct pfw_image *wanted)
{
	struct pfw_image changed = { 0 };
	struct pfw_buffer text = { 0 };

	ck_assert_msg(!nft(commands), "nft refused: %s", commands);
	live_read(handle, &changed);
	images_steps(&changed, wanted, &text);
	ck_assert_msg(text.len, "not noticed: %s", commands);
	pfw_buffer_free(&text);
	pfw_image_free(&changed);
	live_bring(handle, wanted, commands);
}

/* If this fails, others change the table, and neither diff nor reload notices. */
START_TEST(test_strangers)
{
	static const struct sample samples[] = {
		{ .name = "web", .addresses = "192.0.2.1", .targets = "10.0.0.2" },
		{ .name = "all", .targets = "10.0.0.2", .snat = PFW_SNAT_MASQUERADE },
	};
	struct pfw_backend_handle *handle;
	struct live live;
	size_t i;

	if (!has_nft()) {
		printf("# nft is not installed, so nothing is changed with it\n");
		return;
	}
	sandbox_enter();
	handle = live_open();
	live_make(&live, samples, COUNT(samples));
	live_bring(handle, &live.image, "at first");
	for (i = 0; i < COUNT(strangers); i++)
		change_and_repair(handle, strangers[i], &live.image);
	/* Learned by itself, so no difference. */
	ck_assert(!nft("add element inet portfwd hairpin { \"lan0\" . \"lan0\" }"));
	live_holds(handle, &live.image, "with a hairpin learned");
	pfw_backend_nftables.close(handle);
	live_free(&live);
}
END_TEST

START_TEST(test_strange_rules)
{
	static const struct sample sample = { .name = "web", .addresses = "192.0.2.1",
					      .targets = "10.0.0.2", .local = PFW_OFF };
	struct pfw_backend_handle *handle;
	struct live live;
	char commands[512];
	size_t i;

	if (!has_nft()) {
		printf("# nft is not installed, so nothing is changed with it\n");
		return;
	}
	sandbox_enter();
	handle = live_open();
	live_make(&live, &sample, 1);
	live_bring(handle, &live.image, "at first");
	/* The very rule is no difference, so the others differ by what they say. */
	ck_assert(!nft("flush chain inet portfwd prerouting; add rule inet portfwd prerouting "
		       "meta l4proto { tcp, udp, sctp } meta nfproto ipv4 " LOOKUP));
	live_holds(handle, &live.image, "the same rule by nft");
	for (i = 0; i < COUNT(strange_rules); i++) {
		snprintf(commands, sizeof(commands), "flush chain inet portfwd prerouting; "
			 "add rule inet portfwd prerouting %s", strange_rules[i]);
		change_and_repair(handle, commands, &live.image);
	}
	pfw_backend_nftables.close(handle);
	live_free(&live);
}
END_TEST

/* If this fails, a ruleset that an administrator saved with nft is a difference when it is loaded. */
START_TEST(test_saved_and_loaded)
{
	struct sample samples[LIVE_COMBINATIONS];
	struct pfw_arena arena = { 0 };
	struct pfw_backend_handle *handle;
	size_t n = live_combinations(samples, &arena);
	struct pfw_buffer text = { 0 };
	struct live live;

	if (!has_nft()) {
		printf("# nft is not installed, so nothing is loaded with it\n");
		return;
	}
	sandbox_enter();
	handle = live_open();
	live_make(&live, samples, n);
	/* Our own export, over an older table too. */
	pfw_backend_nftables.formats[0].write(&live.image, &text);
	ck_assert(!nft(text.data));
	live_holds(handle, &live.image, "after nft loaded the export");
	ck_assert(!nft(text.data));
	live_holds(handle, &live.image, "after nft loaded it again");
	/* The whole ruleset, saved and loaded by nft. */
	ck_assert_int_eq(system("saved=$(nft -s list ruleset) && nft flush ruleset &&"
				" printf '%s\\n' \"$saved\" | nft -f -"), 0);
	live_holds(handle, &live.image, "after nft saved and loaded it");
	pfw_buffer_free(&text);
	pfw_backend_nftables.close(handle);
	live_free(&live);
	pfw_arena_free(&arena);
}
END_TEST

TCase *live_apply_case(void)
{
	TCase *tcase;

	UNIT_CASE(tcase, "apply", test_every_combination, test_dry_run, test_random_changes,
		  test_holds, test_counters_switched, test_many, test_outgrown, test_many_targets,
		  test_strangers, test_strange_rules, test_saved_and_loaded);
	tcase_set_timeout(tcase, 120);
	return tcase;
}
