/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The iptables backend: its contract, opening, closing, and whether the kernel can do it. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "standing.h"

static int refuse_rights(int code, struct pfw_error *err)
{
	return pfw_fail(err, PFW_NOT_PERMITTED, code,
			"iptables: %s; it takes CAP_NET_ADMIN and CAP_NET_RAW, so run as root",
			strerror(-code));
}

static int ipt_open(bool write, struct pfw_backend_handle **ret, struct pfw_error *err)
{
	struct pfw_backend_handle *handle;
	int code = pfw_xtables_permitted();

	if (code == -EPERM)
		return refuse_rights(code, err);
	handle = calloc(1, sizeof(*handle));
	if (!handle)
		return pfw_fail_memory(err);
	handle->write = write;
	handle->lock = PFW_XTABLES_LOCK_INIT;
	*ret = handle;
	return 0;
}

static int ipt_part(struct pfw_backend_handle *handle, struct pfw_error *err)
{
	(void)err;
	handle->write = false;
	handle->lock = PFW_XTABLES_LOCK_INIT;
	return 0;
}

static void ipt_prepare(struct pfw_backend_handle *handle, bool write, bool hasty)
{
	handle->write = write;
	handle->hasty = hasty;
}

static void ipt_close(struct pfw_backend_handle *handle)
{
	if (!handle)
		return;
	ipt_forget(handle);
	pfw_xtables_lock_close(&handle->lock);
	free(handle);
}

/* What every plan may need. Tables are not asked for, because that would make them. */
static const struct pfw_xtables_extension extensions[] = {
	{ "DNAT", 2, true },	{ "MASQUERADE", 0, true }, { "addrtype", 1, false },
	{ "comment", 0, false }, { "conntrack", 3, false },
};

static int refuse_extension(const struct pfw_xtables_extension *extension, struct pfw_error *err)
{
	return pfw_fail(err, PFW_FAILED, -EOPNOTSUPP,
			"the kernel's iptables lacks the %s %s of revision %u: load or build xt_%s",
			extension->is_target ? "target" : "match", extension->name,
			extension->revision,
			strcmp(extension->name, "DNAT") ? extension->name : "nat");
}

static int refuse_kernel(int code, struct pfw_error *err)
{
	return pfw_fail(err, PFW_FAILED, -EOPNOTSUPP,
			"the kernel has no tables of iptables (%s): load them with \"modprobe -a "
			"ip_tables iptable_nat ip6_tables ip6table_nat\", or build the kernel with "
			"CONFIG_IP_NF_IPTABLES_LEGACY and CONFIG_IP_NF_NAT",
			strerror(-code));
}

static int ipt_probe(struct pfw_backend_handle *handle, struct pfw_error *err)
{
	size_t i;
	int code = 0;

	(void)handle;
	for (i = 0; !code && i < sizeof(extensions) / sizeof(*extensions); i++) {
		code = pfw_xtables_try(AF_INET, &extensions[i]);
		if (code == -ENOENT)
			return refuse_extension(&extensions[i], err);
	}
	if (code == -EPERM)
		return refuse_rights(code, err);
	return code ? refuse_kernel(code, err) : 0;
}

static const char *ipt_kind_name(const struct pfw_item *item)
{
	static const char *const names[] = {
		[IPT_KIND_CHAIN] = "chain",
		[IPT_KIND_RULE] = "rule",
		[IPT_KIND_JUMP] = "jump",
	};

	return names[item->kind];
}

static void write_ipv4(const struct pfw_image *image, struct pfw_buffer *ret)
{
	ipt_text(image, AF_INET, ret);
}

static void write_ipv6(const struct pfw_image *image, struct pfw_buffer *ret)
{
	ipt_text(image, AF_INET6, ret);
}

static const struct pfw_text_format ipt_formats[] = {
	{ "iptables", write_ipv4 },
	{ "ip6tables", write_ipv6 },
	{ 0 },
};

const struct pfw_backend pfw_backend_iptables = {
	.name = "iptables",
	.open = ipt_open,
	.lock_path = pfw_xtables_lock_path,
	.probe = ipt_probe,
	.refuse = ipt_refuse,
	.compile = ipt_compile,
	.read = ipt_read,
	.apply = ipt_apply,
	.flows = ipt_flows,
	.print = ipt_print,
	.kind = ipt_kind_name,
	.is_broken = ipt_is_broken,
	.is_guard = ipt_is_guard,
	.is_shield = ipt_is_shield,
	.guard_holds = ipt_guard_holds,
	.guarded = ipt_guarded,
	.shielded = ipt_shielded,
	.formats = ipt_formats,
	.part = ipt_part,
	.prepare = ipt_prepare,
	.release = ipt_release,
	.close = ipt_close,
};
