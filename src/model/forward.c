/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A forward as plain data: copying, comparing, and which targets a family gets. */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "portfwd/base/index.h"
#include "portfwd/model/forward.h"

const struct pfw_name pfw_snat_names[] = {
	{ "auto", PFW_SNAT_AUTO },
	{ "masquerade", PFW_SNAT_MASQUERADE },
	{ "none", PFW_SNAT_NONE },
	{ NULL, 0 },
};

const struct pfw_name pfw_balance_names[] = {
	{ "random", PFW_BALANCE_RANDOM },
	{ "round-robin", PFW_BALANCE_ROUND_ROBIN },
	{ "source", PFW_BALANCE_SOURCE },
	{ NULL, 0 },
};

static void *copy_array(struct pfw_arena *arena, const void *from, size_t n, size_t size)
{
	void *copy = pfw_arena_array(arena, n, size);

	if (copy && n)
		memcpy(copy, from, n * size);
	return copy;
}

static const char *copy_text(struct pfw_arena *arena, const char *text)
{
	return pfw_arena_text(arena, text, strlen(text));
}

static int copy_listen(const struct pfw_listen *from, struct pfw_arena *arena,
		       struct pfw_listen *to)
{
	uint16_t i;

	to->addresses = copy_array(arena, from->addresses, from->n_addresses,
				   sizeof(*from->addresses));
	to->interfaces = pfw_arena_array(arena, from->n_interfaces, sizeof(*from->interfaces));
	to->ports = copy_array(arena, from->ports, from->n_ports, sizeof(*from->ports));
	if (!to->addresses || !to->interfaces || !to->ports)
		return -ENOMEM;
	for (i = 0; i < from->n_interfaces; i++) {
		to->interfaces[i] = copy_text(arena, from->interfaces[i]);
		if (!to->interfaces[i])
			return -ENOMEM;
	}
	return 0;
}

int pfw_forward_copy(const struct pfw_forward *from, struct pfw_arena *arena,
		     struct pfw_forward *ret)
{
	struct pfw_forward copy = *from;

	if (from->name) {
		copy.name = copy_text(arena, from->name);
		if (!copy.name)
			return -ENOMEM;
	}
	if (from->comment) {
		copy.comment = copy_text(arena, from->comment);
		if (!copy.comment)
			return -ENOMEM;
	}
	copy.targets = copy_array(arena, from->targets, from->n_targets, sizeof(*from->targets));
	copy.sources = copy_array(arena, from->sources, from->n_sources, sizeof(*from->sources));
	copy.excluded = copy_array(arena, from->excluded, from->n_excluded,
				   sizeof(*from->excluded));
	if (!copy.targets || !copy.sources || !copy.excluded ||
	    copy_listen(&from->listen, arena, &copy.listen) < 0)
		return -ENOMEM;
	*ret = copy;
	return 0;
}

static bool same_text(const char *a, const char *b)
{
	return a == b || (a && b && strcmp(a, b) == 0);
}

static bool same_ports(struct pfw_ports a, struct pfw_ports b)
{
	return a.lo == b.lo && a.hi == b.hi;
}

/* Lists hold nothing twice, so that lists of one length are equal if one holds the other. */
static bool has_address(const struct pfw_listen *listen, const struct pfw_addr *addr)
{
	uint16_t i;

	for (i = 0; i < listen->n_addresses; i++)
		if (pfw_addr_equal(&listen->addresses[i], addr))
			return true;
	return false;
}

static bool has_interface(const struct pfw_listen *listen, const char *name)
{
	uint16_t i;

	for (i = 0; i < listen->n_interfaces; i++)
		if (strcmp(listen->interfaces[i], name) == 0)
			return true;
	return false;
}

static bool has_ports(const struct pfw_listen *listen, struct pfw_ports ports)
{
	uint16_t i;

	for (i = 0; i < listen->n_ports; i++)
		if (same_ports(listen->ports[i], ports))
			return true;
	return false;
}

bool pfw_listen_equal(const struct pfw_listen *a, const struct pfw_listen *b)
{
	uint32_t i;

	if (a->protocols != b->protocols || a->n_addresses != b->n_addresses ||
	    a->n_interfaces != b->n_interfaces || a->n_ports != b->n_ports)
		return false;
	for (i = 0; i < a->n_addresses; i++)
		if (!has_address(b, &a->addresses[i]))
			return false;
	for (i = 0; i < a->n_interfaces; i++)
		if (!has_interface(b, a->interfaces[i]))
			return false;
	for (i = 0; i < a->n_ports; i++)
		if (!same_ports(a->ports[i], b->ports[i]) && !has_ports(b, a->ports[i]))
			return false;
	return true;
}

/* In whatever order the lists are. */
uint64_t pfw_listen_hash(const struct pfw_listen *listen)
{
	uint64_t hash = listen->protocols;
	uint16_t i;

	for (i = 0; i < listen->n_addresses; i++)
		hash += pfw_hash(listen->addresses[i].bytes,
				 pfw_addr_size(listen->addresses[i].family));
	for (i = 0; i < listen->n_interfaces; i++)
		hash += pfw_hash(listen->interfaces[i], strlen(listen->interfaces[i]));
	for (i = 0; i < listen->n_ports; i++)
		hash += pfw_hash(&listen->ports[i], sizeof(listen->ports[i]));
	return hash;
}

static bool target_equal(const struct pfw_target *a, const struct pfw_target *b)
{
	return a->self == b->self && same_ports(a->port, b->port) && a->weight == b->weight &&
	       (a->self || pfw_addr_equal(&a->address, &b->address));
}

static bool has_target(const struct pfw_forward *forward, const struct pfw_target *target)
{
	uint16_t i;

	for (i = 0; i < forward->n_targets; i++)
		if (target_equal(&forward->targets[i], target))
			return true;
	return false;
}

static bool same_targets(const struct pfw_forward *a, const struct pfw_forward *b)
{
	uint16_t i;

	if (a->n_targets != b->n_targets)
		return false;
	for (i = 0; i < a->n_targets; i++)
		if (!has_target(b, &a->targets[i]))
			return false;
	return true;
}

static bool has_prefix(const struct pfw_prefix *list, uint16_t n, const struct pfw_prefix *prefix)
{
	uint16_t i;

	for (i = 0; i < n; i++)
		if (pfw_prefix_equal(&list[i], prefix))
			return true;
	return false;
}

static bool same_prefixes(const struct pfw_prefix *a, uint16_t n_a, const struct pfw_prefix *b,
			  uint16_t n_b)
{
	uint16_t i;

	if (n_a != n_b)
		return false;
	for (i = 0; i < n_a; i++)
		if (!pfw_prefix_equal(&a[i], &b[i]) && !has_prefix(b, n_b, &a[i]))
			return false;
	return true;
}

static bool same_snat(const struct pfw_forward *a, const struct pfw_forward *b)
{
	return a->snat == b->snat && (a->snat != PFW_SNAT_ADDRESS ||
				      pfw_addr_equal(&a->snat_address, &b->snat_address));
}

static bool same_limit(const struct pfw_limit *a, const struct pfw_limit *b)
{
	return a->rate == b->rate && a->per == b->per && a->burst == b->burst &&
	       a->connections == b->connections;
}

bool pfw_forward_equal(const struct pfw_forward *a, const struct pfw_forward *b)
{
	return same_text(a->name, b->name) && same_text(a->comment, b->comment) &&
	       a->enabled == b->enabled && same_snat(a, b) && a->hairpin == b->hairpin &&
	       a->local == b->local && a->balance == b->balance && a->log == b->log &&
	       same_limit(&a->limit, &b->limit) && a->expires == b->expires &&
	       same_targets(a, b) &&
	       same_prefixes(a->sources, a->n_sources, b->sources, b->n_sources) &&
	       same_prefixes(a->excluded, a->n_excluded, b->excluded, b->n_excluded) &&
	       pfw_listen_equal(&a->listen, &b->listen);
}

const struct pfw_target *pfw_forward_target(const struct pfw_forward *forward, uint8_t family)
{
	uint16_t i;

	for (i = 0; i < forward->n_targets; i++)
		if (forward->targets[i].self || forward->targets[i].address.family == family)
			return &forward->targets[i];
	return NULL;
}

bool pfw_forward_stays(const struct pfw_forward *forward)
{
	uint16_t i;

	for (i = 0; i < forward->n_targets; i++)
		if (!pfw_target_stays(&forward->targets[i]))
			return false;
	return true;
}

bool pfw_forward_leaves(const struct pfw_forward *forward, uint8_t family)
{
	uint16_t i;

	for (i = 0; i < forward->n_targets; i++)
		if (!pfw_target_stays(&forward->targets[i]) &&
		    forward->targets[i].address.family == family)
			return true;
	return false;
}

/* To a loopback address only this machine itself connects. */
static bool listens_outside(const struct pfw_listen *listen)
{
	uint16_t i;

	for (i = 0; i < listen->n_addresses; i++)
		if (listen->addresses[i].family == AF_INET &&
		    !pfw_addr_is_loopback(&listen->addresses[i]))
			return true;
	return !listen->n_addresses;
}

bool pfw_forward_needs_localnet(const struct pfw_forward *forward)
{
	uint16_t i;

	for (i = 0; i < forward->n_targets; i++)
		if (!forward->targets[i].self && pfw_target_stays(&forward->targets[i]))
			return listens_outside(&forward->listen);
	return false;
}

bool pfw_listen_has(const struct pfw_listen *listen, uint8_t family)
{
	uint16_t i;

	for (i = 0; i < listen->n_addresses; i++)
		if (listen->addresses[i].family == family)
			return true;
	return !listen->n_addresses;
}

bool pfw_forward_serves(const struct pfw_forward *forward, uint8_t family)
{
	return pfw_forward_target(forward, family) && pfw_listen_has(&forward->listen, family);
}

unsigned int pfw_forward_n_targets(const struct pfw_forward *forward, uint8_t family)
{
	unsigned int n = 0;
	uint16_t i;

	for (i = 0; i < forward->n_targets; i++)
		n += forward->targets[i].self || forward->targets[i].address.family == family;
	return n;
}
