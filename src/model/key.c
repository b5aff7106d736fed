/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The keys that a forward claims. */
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "portfwd/model/key.h"

/* A walk through the combinations; key is filled in from the outside inwards. */
struct walk {
	const struct pfw_listen *listen;
	int (*each)(void *ctx, const struct pfw_key *key);
	void *ctx;
	struct pfw_key key;
};

static int walk_ports(struct walk *walk)
{
	const struct pfw_listen *listen = walk->listen;
	unsigned int bit;
	uint16_t i;
	int ret;

	for (bit = 1; bit < 1u << PFW_PROTOCOLS; bit <<= 1) {
		if (!(listen->protocols & bit))
			continue;
		walk->key.protocol = pfw_protocol_number(bit);
		for (i = 0; i < listen->n_ports; i++) {
			walk->key.port = listen->ports[i];
			ret = walk->each(walk->ctx, &walk->key);
			if (ret)
				return ret;
		}
	}
	return 0;
}

static int walk_interfaces(struct walk *walk, bool has_address)
{
	const struct pfw_listen *listen = walk->listen;
	uint16_t i;
	int ret;

	walk->key.tier = has_address ? PFW_TIER_ADDRESS : PFW_TIER_ANY;
	if (!listen->n_interfaces)
		return walk_ports(walk);
	walk->key.tier = has_address ? PFW_TIER_ADDRESS_INTERFACE : PFW_TIER_INTERFACE;
	for (i = 0; i < listen->n_interfaces; i++) {
		memset(walk->key.ifname, 0, sizeof(walk->key.ifname));
		memcpy(walk->key.ifname, listen->interfaces[i],
		       strnlen(listen->interfaces[i], PFW_IFNAME_SIZE - 1));
		ret = walk_ports(walk);
		if (ret)
			return ret;
	}
	return 0;
}

int pfw_forward_keys(const struct pfw_forward *forward,
		     int (*each)(void *ctx, const struct pfw_key *key), void *ctx)
{
	static const uint8_t families[] = { AF_INET, AF_INET6 };
	const struct pfw_listen *listen = &forward->listen;
	struct walk walk = { .listen = listen, .each = each, .ctx = ctx };
	int ret = 0;
	size_t i;

	for (i = 0; i < listen->n_addresses && !ret; i++) {
		walk.key.family = listen->addresses[i].family;
		memcpy(walk.key.address, listen->addresses[i].bytes, sizeof(walk.key.address));
		ret = walk_interfaces(&walk, !pfw_addr_is_any(&listen->addresses[i]));
	}
	if (listen->n_addresses)
		return ret;
	for (i = 0; i < sizeof(families) && !ret; i++) {
		if (!pfw_forward_target(forward, families[i]))
			continue;
		walk.key.family = families[i];
		ret = walk_interfaces(&walk, false);
	}
	return ret;
}

uint64_t pfw_key_hash(const struct pfw_key *key)
{
	return pfw_hash(key, sizeof(*key));
}

bool pfw_key_equal(const struct pfw_key *a, const struct pfw_key *b)
{
	return memcmp(a, b, sizeof(*a)) == 0;
}

const char *pfw_key_print(const struct pfw_key *key, char buf[PFW_KEY_TEXT])
{
	const char *protocol = pfw_protocol_text(key->protocol);
	struct pfw_addr addr = { .family = key->family };
	char address[PFW_ADDR_TEXT], ports[PFW_PORTS_TEXT];

	memcpy(addr.bytes, key->address, sizeof(addr.bytes));
	if (pfw_addr_is_any(&addr))
		snprintf(address, sizeof(address), "any %s address",
			 key->family == AF_INET ? "IPv4" : "IPv6");
	else
		pfw_addr_print(&addr, address);
	snprintf(buf, PFW_KEY_TEXT, "%s port%s %s on %s%s%.*s", protocol ? protocol : "?",
		 key->port.lo == key->port.hi ? "" : "s",
		 pfw_ports_print(key->port, ports), address, *key->ifname ? ", interface " : "",
		 PFW_IFNAME_SIZE, key->ifname);
	return buf;
}
