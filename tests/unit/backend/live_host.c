/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Routing is switched on and put back as it was. */
#include <errno.h>

#include "live.h"
#include "portfwd/kernel/sysctl.h"

static const char *value_of(const char *key)
{
	static char value[PFW_SYSCTL_VALUE];
	struct pfw_error err = PFW_ERROR_INIT;

	ck_assert_int_eq(pfw_sysctl_read(key, value, &err), 0);
	return value;
}

/* What was saved, and what the kernel said at that moment. */
struct saved {
	unsigned int n;
	size_t n_entries;
	char routing[PFW_SYSCTL_VALUE];
	int fail;
};

static int save(void *ctx, const struct pfw_host_record *record, struct pfw_error *err)
{
	struct saved *saved = ctx;

	saved->n++;
	saved->n_entries = record->n_entries;
	snprintf(saved->routing, sizeof(saved->routing), "%s", value_of("net/ipv4/ip_forward"));
	return saved->fail ? pfw_fail(err, PFW_FAILED, saved->fail, "cannot save") : 0;
}

static const struct sample both = { .name = "a" };

struct world {
	struct pfw_ruleset ruleset;
	struct pfw_plan plan;
	struct pfw_image before, after;
	struct pfw_difference difference;
	struct pfw_host_record record;
	struct saved saved;
	struct pfw_backend_handle *handle;
};

/* A machine that does not route, with an interface that does all the same. */
static void make_world(struct world *world)
{
	struct pfw_error err = PFW_ERROR_INIT;

	*world = (struct world){ 0 };
	sandbox_enter();
	sandbox_sysctl("net/ipv4/ip_forward", "0");
	sandbox_sysctl("net/ipv6/conf/all/forwarding", "0");
	sandbox_sysctl("net/ipv4/conf/lo/forwarding", "1");
	ck_assert_int_eq(pfw_host_open(&world->record, save, &world->saved, &world->handle, &err),
			 0);
	sample_ruleset(&world->ruleset, &both, 1);
	sample_plan(&world->ruleset, &world->plan);
}

static void free_world(struct world *world)
{
	pfw_backend_host.close(world->handle);
	pfw_host_record_free(&world->record);
	pfw_difference_free(&world->difference);
	pfw_image_free(&world->before);
	pfw_image_free(&world->after);
	pfw_facts_free(&world->plan.facts);
	pfw_plan_free(&world->plan);
	pfw_ruleset_free(&world->ruleset);
}

/* Fills in before, after and the difference; wanted: by the plan, else nothing. */
static void look(struct world *world, bool wanted)
{
	struct pfw_error err = PFW_ERROR_INIT;

	pfw_image_free(&world->before);
	pfw_image_free(&world->after);
	pfw_difference_free(&world->difference);
	pfw_facts_free(&world->plan.facts);
	ck_assert_int_eq(pfw_host_facts(&world->record, &world->plan.facts, &err), 0);
	ck_assert_int_eq(pfw_backend_host.read(world->handle, &world->before, &err), 0);
	if (wanted)
		ck_assert_int_eq(pfw_backend_host.compile(&world->plan, NULL, &world->after, &err),
				 0);
	ck_assert_int_eq(pfw_difference_make(&world->before, &world->after, &world->difference,
					     &err), 0);
}

static int apply(struct world *world, bool dry_run, struct pfw_error *err)
{
	return pfw_backend_host.apply(world->handle, &world->after, &world->difference, dry_run,
				      err);
}

static void is_as_before(void)
{
	ck_assert_str_eq(value_of("net/ipv4/ip_forward"), "0");
	ck_assert_str_eq(value_of("net/ipv6/conf/all/forwarding"), "0");
	ck_assert_str_eq(value_of("net/ipv4/conf/lo/forwarding"), "1");
	ck_assert_str_eq(value_of("net/ipv4/conf/default/forwarding"), "0");
}

/* If this fails, a flush leaves the machine other than portfwd found it. */
START_TEST(test_on_and_back)
{
	struct pfw_error err = PFW_ERROR_INIT;
	char redirects[PFW_SYSCTL_VALUE];
	struct world world;

	make_world(&world);
	snprintf(redirects, sizeof(redirects), "%s", value_of("net/ipv4/conf/all/accept_redirects"));
	look(&world, true);
	/* Both switches, and accept_ra of the interfaces that will come. */
	ck_assert_uint_eq(world.difference.n_steps, 3);
	ck_assert_int_eq(apply(&world, true, &err), 0);
	is_as_before();
	ck_assert_uint_eq(world.record.n_entries, 0);

	ck_assert_int_eq(apply(&world, false, &err), 0);
	ck_assert_str_eq(value_of("net/ipv4/ip_forward"), "1");
	ck_assert_str_eq(value_of("net/ipv6/conf/all/forwarding"), "1");
	ck_assert_str_eq(pfw_host_record_find(&world.record, "net/ipv4/ip_forward"), "0");
	ck_assert_str_eq(pfw_host_record_find(&world.record, "net/ipv4/conf/lo/forwarding"), "1");
	look(&world, true);
	ck_assert_uint_eq(world.difference.n_steps, 0);

	/* Somebody else switches it off: a difference, and on again; what it was stays known. */
	sandbox_sysctl("net/ipv4/ip_forward", "0");
	look(&world, true);
	ck_assert_uint_eq(world.difference.n_steps, 1);
	ck_assert_int_eq(apply(&world, false, &err), 0);
	ck_assert_str_eq(value_of("net/ipv4/ip_forward"), "1");
	ck_assert_str_eq(pfw_host_record_find(&world.record, "net/ipv4/conf/lo/forwarding"), "1");

	look(&world, false);
	ck_assert_int_eq(apply(&world, false, &err), 0);
	is_as_before();
	ck_assert_str_eq(value_of("net/ipv4/conf/all/accept_redirects"), redirects);
	ck_assert_uint_eq(world.record.n_entries, 0);
	ck_assert_uint_eq(world.saved.n_entries, 0);
	free_world(&world);
}
END_TEST

/* If this fails, a crash between the two leaves a machine that routes and nobody knows why. */
START_TEST(test_saved_before_written)
{
	struct pfw_error err = PFW_ERROR_INIT;
	struct world world;

	make_world(&world);
	sandbox_sysctl("net/ipv6/conf/all/forwarding", "1");
	look(&world, true);
	ck_assert_uint_eq(world.difference.n_steps, 1);
	ck_assert_int_eq(apply(&world, false, &err), 0);
	ck_assert_uint_eq(world.saved.n, 1);
	ck_assert_str_eq(world.saved.routing, "0");
	ck_assert_uint_eq(world.saved.n_entries, world.record.n_entries);
	free_world(&world);
}
END_TEST

/* If this fails, a change that could not be recorded is made all the same. */
START_TEST(test_not_saved)
{
	struct pfw_error err = PFW_ERROR_INIT;
	struct world world;

	make_world(&world);
	world.saved.fail = -ENOSPC;
	look(&world, true);
	ck_assert_int_eq(apply(&world, false, &err), -ENOSPC);
	unit_has_error(&err, "cannot save");
	is_as_before();
	free_world(&world);
}
END_TEST

START_TEST(test_interface_gone)
{
	struct pfw_error err = PFW_ERROR_INIT;
	struct world world;

	make_world(&world);
	look(&world, true);
	ck_assert_int_eq(apply(&world, false, &err), 0);
	ck_assert_int_eq(pfw_host_record_add(&world.record, "net/ipv4/conf/gone0/forwarding", "0", 0),
			 0);
	look(&world, false);
	ck_assert_int_eq(apply(&world, false, &err), 0);
	is_as_before();
	free_world(&world);
}
END_TEST

TCase *live_host_case(void)
{
	TCase *tcase;

	UNIT_CASE(tcase, "host", test_on_and_back, test_saved_before_written, test_not_saved,
		  test_interface_gone);
	tcase_set_timeout(tcase, 30);
	return tcase;
}
