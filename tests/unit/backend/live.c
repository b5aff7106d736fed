/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the tests against a kernel share. */
#include "live.h"
#include "portfwd/kernel/netlink.h"

static const struct {
	const char *name;
	enum pfw_snat snat;
	enum pfw_switch hairpin;
} sources[LIVE_SOURCES] = {
	{ "auto", PFW_SNAT_AUTO, PFW_ON },
	{ "masquerade", PFW_SNAT_MASQUERADE, PFW_ON },
	{ "none", PFW_SNAT_NONE, PFW_ON },
	{ "no-hairpin", PFW_SNAT_AUTO, PFW_OFF },
};

size_t live_combinations(struct sample samples[LIVE_COMBINATIONS], struct pfw_arena *arena)
{
	unsigned int tier, six, self, remote, s;
	struct sample *sample;
	char name[64], port[8];
	size_t n = 0;

	for (tier = 0; tier < PFW_TIERS; tier++)
		for (six = 0; six < 2; six++)
			for (self = 0; self < 2; self++)
				for (remote = 0; remote < 2; remote++)
					for (s = 0; s < LIVE_SOURCES; s++) {
						if (self && sources[s].snat == PFW_SNAT_MASQUERADE)
							continue;
						sample = &samples[n++];
						snprintf(name, sizeof(name), "t%u-v%u-%s%s-%s", tier,
							 six ? 6 : 4, self ? "self" : "to",
							 remote ? "-remote" : "", sources[s].name);
						snprintf(port, sizeof(port), "%zu", 1000 + n);
						*sample = (struct sample){
							.name = pfw_arena_text(arena, name, strlen(name)),
							.ports = pfw_arena_text(arena, port, strlen(port)),
							.protocols = "tcp udp sctp",
							.targets = self ? "self" : six ? "fd00::2" : "10.0.0.2",
							.snat = sources[s].snat,
							.hairpin = sources[s].hairpin,
							.local = remote ? PFW_OFF : PFW_ON,
						};
						if (tier == PFW_TIER_ADDRESS_INTERFACE ||
						    tier == PFW_TIER_ADDRESS)
							sample->addresses = six ? "2001:db8::1" :
										  "192.0.2.1";
						else if (self)
							sample->addresses = six ? "::" : "0.0.0.0";
						if (tier == PFW_TIER_ADDRESS_INTERFACE ||
						    tier == PFW_TIER_INTERFACE)
							sample->interfaces = "wan0 lan-with-long15";
					}
	return n;
}

void live_make(struct live *live, const struct sample *samples, size_t n)
{
	sample_ruleset(&live->ruleset, samples, n);
	sample_plan(&live->ruleset, &live->plan);
	images_compile(&live->plan, NULL, &live->image);
}

void live_make_many(struct live *live, unsigned int n)
{
	char name[16], address[32];
	struct sample sample = { .addresses = address, .targets = "10.0.0.2" };
	struct pfw_ruleset *ruleset = &live->ruleset;
	unsigned int i;

	sample_ruleset(ruleset, NULL, 0);
	for (i = 0; i < n; i++) {
		snprintf(name, sizeof(name), "f%u", i);
		snprintf(address, sizeof(address), "192.%u.%u.1", i / 250, i % 250);
		sample.name = pfw_arena_text(&ruleset->arena, name, strlen(name));
		sample_put(ruleset, &sample);
	}
	sample_plan(ruleset, &live->plan);
	images_compile(&live->plan, NULL, &live->image);
}

void live_free(struct live *live)
{
	pfw_image_free(&live->image);
	pfw_plan_free(&live->plan);
	pfw_ruleset_free(&live->ruleset);
}

struct pfw_backend_handle *live_open(void)
{
	struct pfw_error err = PFW_ERROR_INIT;
	struct pfw_backend_handle *handle = NULL;

	ck_assert_int_eq(images_backend->open(true, &handle, &err), 0);
	return handle;
}

void live_read(struct pfw_backend_handle *handle, struct pfw_image *ret)
{
	struct pfw_error err = PFW_ERROR_INIT;
	char line[1024];

	if (images_backend->read(handle, ret, &err))
		ck_abort_msg("cannot read: %s", unit_error(&err, 0, line));
}

void live_holds(struct pfw_backend_handle *handle, const struct pfw_image *wanted,
		const char *what)
{
	struct pfw_image actual = { 0 };

	live_read(handle, &actual);
	images_same(&actual, wanted, what);
	pfw_image_free(&actual);
}

int live_apply(struct pfw_backend_handle *handle, const struct pfw_image *before,
	       const struct pfw_image *after, bool dry_run, struct pfw_error *err)
{
	const struct pfw_image nothing = { 0 };
	struct pfw_difference difference = { 0 };
	int ret;

	ck_assert_int_eq(pfw_difference_make(before ? before : &nothing, after, &difference, err),
			 0);
	ret = images_backend->apply(handle, after, &difference, dry_run, err);
	pfw_difference_free(&difference);
	return ret;
}

void live_bring(struct pfw_backend_handle *handle, const struct pfw_image *wanted,
		const char *what)
{
	struct pfw_error err = PFW_ERROR_INIT;
	struct pfw_image before = { 0 };
	char line[1024];
	int ret;

	live_read(handle, &before);
	ret = live_apply(handle, &before, wanted, false, &err);
	ck_assert_msg(!ret, "%s: %d, %s", what, ret, err.count ? unit_error(&err, 0, line) : "");
	pfw_image_free(&before);
	live_holds(handle, wanted, what);
}

uint32_t live_generation(void)
{
	struct pfw_error err = PFW_ERROR_INIT;
	struct pfw_netlink *nl = NULL;
	uint32_t ret = 0;

	ck_assert_int_eq(pfw_netlink_open(&nl, &err), 0);
	ck_assert_int_eq(pfw_netlink_generation(nl, &ret, &err), 0);
	pfw_netlink_close(nl);
	return ret;
}
