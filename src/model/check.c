/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What no single value of a forward can tell: whether its parts go together. */
#include <errno.h>
#include <sys/socket.h>

#include "portfwd/model/forward.h"

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

static int add_at(struct pfw_error *err, const char *key, const char *message)
{
	size_t mark = pfw_error_enter_key(err, key);

	pfw_error_add(err, PFW_FAILED, "%s", message);
	pfw_error_leave(err, mark);
	return -EINVAL;
}

static int check_targets(const struct pfw_forward *forward, struct pfw_error *err)
{
	unsigned int count[2] = { 0 };
	uint16_t i;

	if (is_self(forward))
		return forward->n_targets == 1 ? 0 :
			add_at(err, "target", "\"self\" serves both families and stands alone");
	for (i = 0; i < forward->n_targets; i++)
		count[forward->targets[i].address.family == AF_INET6]++;
	if (count[0] > 1 || count[1] > 1)
		return add_at(err, "target", "several targets of one family are not supported yet; "
			      "give one IPv4 and one IPv6 address at most");
	return 0;
}

static bool listens_on(const struct pfw_listen *listen, uint8_t family)
{
	uint16_t i;

	for (i = 0; i < listen->n_addresses; i++)
		if (listen->addresses[i].family == family)
			return true;
	return !listen->n_addresses;
}

static int check_family(const struct pfw_forward *forward, uint8_t family, struct pfw_error *err)
{
	const struct pfw_listen *listen = &forward->listen;
	const struct pfw_target *target = pfw_forward_target(forward, family);
	const char *text = family_text(family);
	bool listening = listens_on(listen, family);
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

	if (is_self(forward))
		return 0;
	for (i = 0; i < listen->n_addresses; i++) {
		if (!pfw_addr_is_loopback(&listen->addresses[i]))
			continue;
		mark = pfw_error_enter_key(err, "listen");
		pfw_error_add(err, PFW_FAILED, "%s is a loopback address, and a forward from one "
			      "to another host is not supported; only the target \"self\" works",
			      pfw_addr_print(&listen->addresses[i], buf));
		pfw_error_leave(err, mark);
		return -EINVAL;
	}
	return 0;
}

static int check_size(const struct pfw_forward *forward, struct pfw_error *err)
{
	const struct pfw_listen *listen = &forward->listen;
	uint64_t keys = listen->n_addresses ? listen->n_addresses : 2;
	unsigned int protocols = 0, i;
	size_t mark;

	for (i = 0; i < PFW_PROTOCOLS; i++)
		protocols += listen->protocols >> i & 1;
	keys *= listen->n_interfaces ? listen->n_interfaces : 1;
	keys *= (uint64_t)listen->n_ports * protocols;
	if (keys <= PFW_FORWARD_KEYS_MAX)
		return 0;
	mark = pfw_error_enter_key(err, "listen");
	pfw_error_add(err, PFW_FAILED, "makes %llu combinations of addresses, interfaces, ports "
		      "and protocols; at most %u work, so use several forwards",
		      (unsigned long long)keys, PFW_FORWARD_KEYS_MAX);
	pfw_error_leave(err, mark);
	return -EINVAL;
}

int pfw_forward_check(const struct pfw_forward *forward, struct pfw_error *err)
{
	int ret = check_targets(forward, err);
	size_t i;

	for (i = 0; i < sizeof(families); i++)
		if (check_family(forward, families[i], err) < 0)
			ret = -EINVAL;
	if (check_loopback(forward, err) < 0 || check_size(forward, err) < 0)
		ret = -EINVAL;
	if (forward->snat == PFW_SNAT_MASQUERADE && is_self(forward))
		ret = add_at(err, "snat", "\"masquerade\" does not go with the target \"self\": "
			     "what stays on this machine has nothing to masquerade");
	return ret;
}
