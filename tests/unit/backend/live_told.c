/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What others changed, by what the kernel told of it: the same difference as by reading all. */
#include <errno.h>
#include <stdio.h>

#include "../../../src/backend/nft/nft.h"
#include "live.h"
#include "portfwd/kernel/monitor.h"

static struct pfw_backend_handle *handle;
static struct pfw_monitor *monitor;
static struct pfw_arena arena;
static struct live live;

static const struct sample more[] = {
	{ .name = "few", .ports = "80", .addresses = "192.0.2.9", .targets = "10.0.0.3",
	  .sources = "203.0.113.0/24 198.51.100.7" },
	{ .name = "kept", .ports = "8000-8100", .addresses = "192.0.2.9", .targets = "10.0.0.4" },
	{ .name = "range", .ports = "9000-9010", .targets = "10.0.0.4@90", .snat = PFW_SNAT_MASQUERADE },
	{ .name = "shift", .ports = "7000-7010", .targets = "10.0.0.4@70-80" },
	{ .name = "pool", .ports = "81", .targets = "10.0.0.5 10.0.0.6" },
};

static void forget(void)
{
	struct pfw_monitor_news news = { 0 };

	pfw_monitor_read(monitor, &news);
	pfw_monitor_forget(monitor);
}

static void begin(void)
{
	static struct sample samples[LIVE_COMBINATIONS + COUNT(more)];
	struct pfw_error err = PFW_ERROR_INIT;
	size_t n;

	sandbox_enter();
	ck_assert_int_eq(pfw_monitor_open("portfwd", &monitor, &err), 0);
	handle = live_open();
	pfw_monitor_ignore(monitor, pfw_backend_nftables.port(handle));
	n = live_combinations(samples, &arena);
	memcpy(samples + n, more, sizeof(more));
	live_make(&live, samples, n + COUNT(more));
	live_bring(handle, &live.image, "at first");
	forget();
}

static void end(void)
{
	pfw_backend_nftables.close(handle);
	pfw_monitor_close(monitor);
	live_free(&live);
	pfw_arena_free(&arena);
}

/* What is to be done, for one who reads all; the handle that is asked knows nothing of it. */
static void steps_by_reading(struct pfw_buffer *ret)
{
	struct pfw_backend_handle *reader = live_open();
	struct pfw_image before = { 0 };

	live_read(reader, &before);
	images_steps(&before, &live.image, ret);
	pfw_image_free(&before);
	pfw_backend_nftables.close(reader);
}

/* Looks after what others did, by what was told, and puts it back. -ESTALE: that is not enough. */
static int look_after(const char *what)
{
	struct pfw_buffer by_reading = { 0 }, by_told = { 0 };
	struct pfw_image before = { 0 }, after = { 0 };
	struct pfw_error err = PFW_ERROR_INIT;
	struct pfw_monitor_news news = { 0 };
	struct pfw_told told;
	int ret;

	pfw_monitor_read(monitor, &news);
	ck_assert_msg(news.rules, "%s: nothing was told", what);
	ck_assert(pfw_monitor_told(monitor, &told));
	steps_by_reading(&by_reading);
	ret = pfw_backend_nftables.recheck(handle, &live.plan, &told, &before, &after, &err);
	pfw_monitor_forget(monitor);
	if (!ret) {
		images_steps(&before, &after, &by_told);
		ck_assert_msg(by_told.len == by_reading.len &&
				      !memcmp(by_told.data, by_reading.data, by_told.len),
			      "%s: by what was told, there is to do\n%.1000s\nby reading\n%.1000s", what,
			      by_told.len ? by_told.data : "", by_reading.len ? by_reading.data : "");
		ck_assert_int_eq(live_apply(handle, &before, &after, false, &err), 0);
	}
	pfw_image_free(&before);
	pfw_image_free(&after);
	pfw_buffer_free(&by_reading);
	pfw_buffer_free(&by_told);
	return ret;
}

/* Others delete one element, as we would. */
static void delete_element(struct pfw_backend_handle *other, const struct pfw_item *item)
{
	const struct pfw_image nothing = { 0 };
	struct pfw_step step = { .before = item };
	const struct pfw_difference difference = { &nothing, &step, 1 };
	struct pfw_error err = PFW_ERROR_INIT;

	ck_assert_int_eq(pfw_backend_nftables.apply(other, &nothing, &difference, false, &err), 0);
}

/* If this fails, an element that somebody deletes is not found again by what the kernel says of it. */
START_TEST(test_each_element)
{
	struct pfw_backend_handle *other;
	const struct pfw_item *item;
	uint32_t i, n = 0;

	begin();
	other = live_open();
	for (i = 0; i < live.image.n_items; i++) {
		item = &live.image.items[i];
		if (item->kind != NFT_KIND_ELEMENT || nft_element_set(item) == NFT_SET_REVISION)
			continue;
		delete_element(other, item);
		ck_assert_int_eq(look_after(item->owner ? item->owner : "of nobody"), 0);
		n++;
	}
	ck_assert_uint_gt(n, LIVE_COMBINATIONS);
	live_holds(handle, &live.image, "after all of them");
	pfw_backend_nftables.close(other);
	end();
}
END_TEST

static void nft(const char *commands)
{
	FILE *pipe = popen("nft -f - 1>&2", "w");

	ck_assert_ptr_nonnull(pipe);
	fputs(commands, pipe);
	ck_assert_msg(!pclose(pipe), "nft refused: %s", commands);
}

#define KEPT "{ 192.0.2.9 . tcp . 8000-8100 "

static const struct {
	const char *commands;
	int code;
} disturbances[] = {
	{ "insert rule inet portfwd prerouting counter accept", 0 },
	{ "flush chain inet portfwd output", 0 },
	{ "add rule inet portfwd to-few tcp dport { 1, 2 } drop", 0 },
	{ "add chain inet portfwd foreign", 0 },
	{ "add chain inet portfwd foreign\n"
	  "add rule inet portfwd foreign ip saddr { 10.0.0.1, 10.0.0.2 } drop\n"
	  "insert rule inet portfwd prerouting jump foreign", 0 },
	{ "add set inet portfwd foreign { type ipv4_addr; }\n"
	  "add element inet portfwd foreign { 10.0.0.1 }", 0 },
	{ "add element inet portfwd keep4_addr { 192.0.2.10 . tcp . 8-9 comment \"kept\" : 10.0.0.4 }", 0 },
	{ "add element inet portfwd keep4_addr { 192.0.2.10 . tcp . 8-9 : 10.0.0.4 }\n"
	  "delete element inet portfwd keep4_addr { 192.0.2.10 . tcp . 8-9 }", 0 },
	{ "delete element inet portfwd keep4_addr " KEPT "}\n"
	  "add element inet portfwd keep4_addr " KEPT "comment \"few\" : 10.0.0.66 }", 0 },
	{ "delete element inet portfwd keep4_addr " KEPT "}\n"
	  "add element inet portfwd keep4_addr { 192.0.2.9 . tcp . 8000-8050 : 10.0.0.66 }", -ESTALE },
	{ "delete element inet portfwd targets4 { 10.0.0.5 }\n"
	  "add element inet portfwd targets4 { 10.0.0.77 }", 0 },
	{ "flush set inet portfwd revision", -ESTALE },
	{ "add table inet portfwd { flags dormant; }", -ESTALE },
	{ "delete table inet portfwd\nadd table inet portfwd", -ESTALE },
	{ "delete table inet portfwd", 0 },
	{ "flush ruleset", 0 },
};

/* If this fails, a repair does less than a reload would, or takes out what is planned. */
START_TEST(test_disturbances)
{
	size_t i;

	if (system("nft --version > /dev/null 2>&1")) {
		printf("# without nft, nothing is disturbed\n");
		return;
	}
	begin();
	for (i = 0; i < COUNT(disturbances); i++) {
		nft(disturbances[i].commands);
		ck_assert_msg(look_after(disturbances[i].commands) == disturbances[i].code,
			      "not as expected: %s", disturbances[i].commands);
		if (disturbances[i].code)
			live_bring(handle, &live.image, disturbances[i].commands);
		live_holds(handle, &live.image, disturbances[i].commands);
	}
	end();
}
END_TEST

/* If this fails, a repair trusts what it was told although something else was done by another portfwd. */
START_TEST(test_another_portfwd)
{
	struct pfw_backend_handle *other;
	struct live nothing;

	begin();
	other = live_open();
	live_make(&nothing, more, 1);
	live_bring(other, &nothing.image, "of another");
	forget();
	nft("add chain inet portfwd foreign");
	ck_assert_int_eq(look_after("what another portfwd left"), -ESTALE);
	pfw_backend_nftables.close(other);
	live_free(&nothing);
	end();
}
END_TEST

/* If this fails, a daemon keeps all that a storm of events says, or believes that it has all of it. */
START_TEST(test_too_much)
{
	struct pfw_monitor_news news = { 0 };
	struct pfw_buffer commands = { 0 };
	struct pfw_told told;
	unsigned int i;

	begin();
	for (i = 0; i < 3000; i++)
		pfw_buffer_puts(&commands, "insert rule inet portfwd prerouting counter\n");
	nft(commands.data);
	pfw_buffer_free(&commands);
	pfw_monitor_read(monitor, &news);
	ck_assert(!pfw_monitor_told(monitor, &told));
	pfw_monitor_forget(monitor);
	ck_assert(pfw_monitor_told(monitor, &told));
	ck_assert_uint_eq(told.len, 0);
	end();
}
END_TEST

TCase *live_told_case(void)
{
	TCase *tcase;

	UNIT_CASE(tcase, "told", test_each_element, test_disturbances, test_another_portfwd,
		  test_too_much);
	tcase_set_timeout(tcase, 120);
	return tcase;
}
