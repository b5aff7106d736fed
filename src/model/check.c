/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What no single value of a forward can tell: whether its parts go together. */
#include <errno.h>
#include <sys/socket.h>

#include "portfwd/model/forward.h"

#define NANOSECONDS 1000000000u	/* of a second */

static const uint8_t families[] = { AF_INET, AF_INET6 };

static const char *family_text(uint8_t family)
{
	return family == AF_INET ? "IPv4" : "IPv6";
}

static bool is_self(const struct pfw_forward *forward)
{
	uint16_t i;

	for (i = 0; i < forward->n_targets; i++)
		if (forward->targets[i].self)
			return true;
	return false;
}

static unsigned int n_ports(struct pfw_ports ports)
{
	return ports.hi - ports.lo + 1u;
}

/* A target range: ports are shifted one to one, so there is one listen range of its length. */
static int check_range(const struct pfw_listen *listen, const struct pfw_target *target,
		       struct pfw_error *err)
{
	char from[PFW_PORTS_TEXT], to[PFW_PORTS_TEXT];
	unsigned int has = n_ports(listen->ports[0]), wants = n_ports(target->port);

	pfw_ports_print(target->port, to);
	if (listen->n_ports > 1)
		return pfw_error_add(err, PFW_FAILED, "the range %s needs one range of the same "
				     "length to listen on, not a list; use a forward for each "
				     "range, or one target port", to);
	if (has == wants)
		return 0;
	pfw_ports_print(listen->ports[0], from);
	return pfw_error_add(err, PFW_FAILED, "the range %s has %u ports, but %s to listen on %s "
			     "%u; both need the same length, or the target one port at most", to,
			     wants, from, has == 1 ? "is" : "has", has);
}

static bool is_range(const struct pfw_target *target)
{
	return target->port.lo != target->port.hi;
}

/* How the targets of one family share connections: each by the same kind of rewrite. */
static int check_sharing(const struct pfw_forward *forward, uint8_t family, struct pfw_error *err)
{
	const struct pfw_target *first = pfw_forward_target(forward, family), *target = first;
	const char *text = family_text(family);
	char ports[PFW_PORTS_TEXT];
	uint16_t i;

	for (i = 0; i < forward->n_targets; i++) {
		if (forward->targets[i].address.family != family || &forward->targets[i] == first)
			continue;
		target = &forward->targets[i];
		if (is_range(first) || is_range(target))
			return pfw_error_add(err, PFW_FAILED, "the range %s goes to one %s target "
					     "only; use a forward for each, or one port",
					     pfw_ports_print(is_range(first) ? first->port :
							     target->port, ports), text);
		if (!first->port.lo != !target->port.lo)
			return pfw_error_add(err, PFW_FAILED, "of several %s targets all give a "
					     "port or none does; add the port to each", text);
	}
	return 0;
}

static int check_targets(const struct pfw_forward *forward, struct pfw_error *err)
{
	const struct pfw_target *target = forward->targets;
	bool several = forward->n_targets > 1;
	size_t mark = pfw_error_enter_key(err, "target"), inner;
	int ret = 0;
	uint16_t i;

	if (several && is_self(forward))
		ret = pfw_error_add(err, PFW_FAILED,
				    "\"self\" serves both families and stands alone");
	for (i = 0; several && !ret && i < sizeof(families); i++)
		ret = check_sharing(forward, families[i], err);
	for (i = 0; i < forward->n_targets; i++, target++) {
		if (!is_range(target))
			continue;
		inner = several ? pfw_error_enter_index(err, i) : 0;
		if (check_range(&forward->listen, target, err) < 0)
			ret = -EINVAL;
		if (several)
			pfw_error_leave(err, inner);
	}
	pfw_error_leave(err, mark);
	return ret;
}

static int check_family(const struct pfw_forward *forward, uint8_t family, struct pfw_error *err)
{
	const struct pfw_listen *listen = &forward->listen;
	const struct pfw_target *target = pfw_forward_target(forward, family);
	const char *text = family_text(family);
	bool listening = pfw_listen_has(listen, family);
	size_t mark;

	/* Without an address the targets say which families are meant. */
	if (!listen->n_addresses || is_self(forward) || listening == (target != NULL))
		return 0;
	mark = pfw_error_enter_key(err, listening ? "listen" : "target");
	if (listening)
		pfw_error_add(err, PFW_FAILED, "has an %s address, but no target is %s; "
			      "add an %s target, or leave the address out", text, text, text);
	else
		pfw_error_add(err, PFW_FAILED, "has an %s address, but no listen address is %s; "
			      "add one, or leave the target out", text, text);
	pfw_error_leave(err, mark);
	return -EINVAL;
}

static int check_loopback(const struct pfw_forward *forward, struct pfw_error *err)
{
	const struct pfw_listen *listen = &forward->listen;
	char buf[PFW_ADDR_TEXT];
	size_t mark;
	uint16_t i;

	if (pfw_forward_stays(forward))
		return 0;
	for (i = 0; i < listen->n_addresses; i++) {
		if (!pfw_addr_is_loopback(&listen->addresses[i]))
			continue;
		mark = pfw_error_enter_key(err, "listen");
		pfw_error_add(err, PFW_FAILED, "%s is a loopback address, and a forward from one "
			      "to another host is not supported; the target \"self\" works, and "
			      "one in 127.0.0.0/8",
			      pfw_addr_print(&listen->addresses[i], buf));
		pfw_error_leave(err, mark);
		return -EINVAL;
	}
	return 0;
}

static int check_size(const struct pfw_forward *forward, struct pfw_error *err)
{
	const struct pfw_listen *listen = &forward->listen;
	uint64_t keys = listen->n_addresses ? listen->n_addresses : 2, ports = listen->n_ports;
	unsigned int protocols = 0, i;
	size_t mark;

	for (i = 0; i < PFW_PROTOCOLS; i++)
		protocols += listen->protocols >> i & 1;
	keys *= listen->n_interfaces ? listen->n_interfaces : 1;
	/* Ports that are shifted are told apart one by one. */
	for (i = 0; i < forward->n_targets; i++)
		if (forward->targets[i].port.lo < forward->targets[i].port.hi)
			ports = n_ports(listen->ports[0]);
	keys *= ports * protocols;
	if (keys <= PFW_FORWARD_KEYS_MAX)
		return 0;
	mark = pfw_error_enter_key(err, "listen");
	pfw_error_add(err, PFW_FAILED, "makes %llu combinations of addresses, interfaces, ports "
		      "and protocols; at most %u work, so use several forwards",
		      (unsigned long long)keys, PFW_FORWARD_KEYS_MAX);
	pfw_error_leave(err, mark);
	return -EINVAL;
}

static int check_prefixes(const struct pfw_forward *forward, const struct pfw_prefix *list,
			  uint16_t n, struct pfw_error *err)
{
	char buf[PFW_PREFIX_TEXT];
	const char *family;
	uint16_t i;

	for (i = 0; i < n; i++) {
		if (pfw_forward_serves(forward, list[i].addr.family))
			continue;
		family = family_text(list[i].addr.family);
		return pfw_error_add(err, PFW_FAILED, "%s is %s, but the forward takes no %s "
				     "connections; add an %s target, or leave it out",
				     pfw_prefix_print(&list[i], buf), family, family, family);
	}
	return 0;
}

static int check_sources(const struct pfw_forward *forward, struct pfw_error *err)
{
	size_t mark = pfw_error_enter_key(err, "source");
	int ret = check_prefixes(forward, forward->sources, forward->n_sources, err);

	if (check_prefixes(forward, forward->excluded, forward->n_excluded, err) < 0)
		ret = -EINVAL;
	pfw_error_leave(err, mark);
	return ret;
}

static int snat_address(const struct pfw_forward *forward, struct pfw_error *err)
{
	const struct pfw_addr *addr = &forward->snat_address;
	const char *what = pfw_addr_unusable(addr);
	char buf[PFW_ADDR_TEXT];
	uint16_t i;

	pfw_addr_print(addr, buf);
	if (pfw_addr_is_loopback(addr))
		what = "a loopback address";
	if (what)
		return pfw_error_add(err, PFW_FAILED, "%s is %s, which no answer can go to; use "
				     "an address of this machine", buf, what);
	for (i = 0; i < forward->n_targets; i++)
		if (forward->targets[i].address.family != addr->family)
			return pfw_error_add(err, PFW_FAILED, "%s is %s, but a target is %s; use "
					     "a forward for each family, or \"masquerade\"", buf,
					     family_text(addr->family),
					     family_text(forward->targets[i].address.family));
	return 0;
}

static int check_snat(const struct pfw_forward *forward, struct pfw_error *err)
{
	const char *target = is_self(forward) ? "the target \"self\"" : "a loopback target";
	size_t mark = pfw_error_enter_key(err, "snat");
	int ret = 0;

	if (forward->snat == PFW_SNAT_MASQUERADE && pfw_forward_stays(forward))
		ret = pfw_error_add(err, PFW_FAILED, "\"masquerade\" does not go with %s: what "
				    "stays on this machine has nothing to masquerade", target);
	else if (forward->snat == PFW_SNAT_ADDRESS && pfw_forward_stays(forward))
		ret = pfw_error_add(err, PFW_FAILED, "an address does not go with %s: what stays "
				    "on this machine keeps its source", target);
	else if (forward->snat == PFW_SNAT_ADDRESS)
		ret = snat_address(forward, err);
	pfw_error_leave(err, mark);
	return ret;
}

static int check_limit(const struct pfw_forward *forward, struct pfw_error *err)
{
	const struct pfw_limit *limit = &forward->limit;
	size_t mark = pfw_error_enter_key(err, "limit");
	int ret = 0;

	if (limit->burst && !limit->rate)
		ret = pfw_error_add(err, PFW_FAILED,
				    "\"burst\" goes with a \"rate\", and there is none");
	/* The kernel counts in nanoseconds: what the burst is worth must fit 64 bits. */
	else if (limit->rate && (uint64_t)limit->per * NANOSECONDS / limit->rate >
		 INT64_MAX / (limit->burst ? limit->burst : 1u))
		ret = pfw_error_add(err, PFW_FAILED, "a burst of %u is too large for so low a "
				    "rate", (unsigned int)limit->burst);
	pfw_error_leave(err, mark);
	return ret;
}

static int (*const checks[])(const struct pfw_forward *forward, struct pfw_error *err) = {
	check_targets, check_loopback, check_size, check_sources, check_snat, check_limit,
};

int pfw_forward_check(const struct pfw_forward *forward, struct pfw_error *err)
{
	int ret = 0;
	size_t i;

	for (i = 0; i < sizeof(families); i++)
		if (check_family(forward, families[i], err) < 0)
			ret = -EINVAL;
	for (i = 0; i < sizeof(checks) / sizeof(checks[0]); i++)
		if (checks[i](forward, err) < 0)
			ret = -EINVAL;
	return ret;
}
