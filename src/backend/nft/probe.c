/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Whether this kernel can do what the nf_tables backend makes. */
#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

#include "nft.h"

/*
 * A ruleset that needs one of each: maps with counters, a hairpin, a masquerade. Addresses are
 * those for documentation (RFC 5737, RFC 3849); nobody will ever see them.
 */
static int sample(struct pfw_ruleset *ret)
{
	static struct pfw_target targets[] = {
		{ .address = { .family = AF_INET, .bytes = { 192, 0, 2, 1 } }, .port = { 1, 1 },
		  .weight = 1 },
		{ .address = { .family = AF_INET6, .bytes = { 0x20, 0x01, 0x0d, 0xb8 } },
		  .port = { 1, 1 }, .weight = 1 },
	};
	static struct pfw_ports ports[] = { { 1, 1 }, { 2, 2 } };
	struct pfw_forward forward = {
		.listen = { .ports = &ports[0], .n_ports = 1, .protocols = PFW_TCP },
		.targets = targets,
		.n_targets = 2,
		.enabled = true,
	};
	int code;

	ret->settings = pfw_settings_default;
	forward.name = "hairpin";
	code = pfw_ruleset_put(ret, &forward, NULL);
	if (code)
		return code;
	forward.name = "masquerade";
	forward.listen.ports = &ports[1];
	forward.snat = PFW_SNAT_MASQUERADE;
	return pfw_ruleset_put(ret, &forward, NULL);
}

/*
 * What stands under our name already is proof enough, and what may not be changed is there:
 * who forbids it, the kernel or another program that owns the table, is told by what follows.
 */
static int judge(const struct pfw_refusal *refusal, struct pfw_error *err)
{
	if (refusal->code == -EEXIST || refusal->code == -EPERM)
		return 0;
	if (pfw_errno_passes(refusal->code))
		return pfw_fail_errno(err, refusal->code, "cannot try what the kernel can do");
	return pfw_fail(err, PFW_FAILED, -EOPNOTSUPP,
			"the kernel has not all of nf_tables that it takes (%s%s%s): load or build "
			"nf_tables, nft_chain_nat, nft_nat, nft_masq, nft_fib_inet and nft_ct",
			strerror(-refusal->code), *refusal->words ? ", " : "", refusal->words);
}

int nft_probe(struct pfw_backend_handle *handle, struct pfw_error *err)
{
	/* With the guard. */
	const struct pfw_facts facts = { .routing_held = { true, true } };
	struct pfw_refusal refusal = { 0 };
	struct pfw_ruleset ruleset = { 0 };
	struct pfw_image image = { 0 };
	struct pfw_plan plan = { 0 };
	int code = sample(&ruleset) ? pfw_fail_memory(err) : 0;

	if (!code)
		code = pfw_plan_make(&ruleset, &facts, NULL, NULL, &plan, err);
	if (!code)
		code = nft_compile(&plan, NULL, &image, err);
	if (!code)
		code = nft_try(handle, &image, &refusal, err);
	pfw_image_free(&image);
	pfw_plan_free(&plan);
	pfw_ruleset_free(&ruleset);
	return code == -ECANCELED ? judge(&refusal, err) : code;
}
