/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Chains and rules of the iptables backend, whatever the ruleset: every way leads somewhere, and a
 * packet that walks them comes to the forward that the order of precedence says.
 */
#include <netinet/in.h>
#include <sys/socket.h>

#include "../../../src/backend/iptables/chains.h"
#include "../../../src/backend/iptables/compile.h"
#include "cases.h"

/* A new connection, as the rules see it. */
struct packet {
	uint8_t family;
	uint8_t protocol;
	uint8_t source[16];
	uint8_t destination[16];	/* at first, and after the rewrite */
	uint8_t goal[16];
	uint16_t port;
	uint16_t goal_port;
	const char *in;			/* "": the machine opens it itself */
	bool dnated;
};

struct walk {
	const struct ipt_chains *chains;
	const struct packet *packet;
	bool source;			/* in postrouting: the packet has been rewritten */
	bool hairpin;			/* it came to the chain of hairpins */
	unsigned int steps;		/* rules that were asked */
	unsigned int depth;
	const char *returned;		/* whose rule sent it back */
};

/* Every second address is the machine's. */
static bool is_local(const uint8_t *address, uint8_t family)
{
	return address[pfw_addr_size(family) - 1] & 1;
}

static bool is_loopback(const uint8_t *address, uint8_t family)
{
	struct pfw_addr addr = { .family = family };

	memcpy(addr.bytes, address, sizeof(addr.bytes));
	return pfw_addr_is_loopback(&addr);
}

static bool within(const uint8_t *address, const uint8_t *prefix, unsigned int len)
{
	unsigned int bit;

	for (bit = 0; bit < len; bit++)
		if ((address[bit / 8] ^ prefix[bit / 8]) >> (7 - bit % 8) & 1)
			return false;
	return true;
}

static bool ends_in(const uint8_t *address, const uint8_t *end, unsigned int len, uint8_t family)
{
	unsigned int bit, bits = 8 * (unsigned int)pfw_addr_size(family);

	for (bit = bits - len; bit < bits; bit++)
		if ((address[bit / 8] ^ end[bit / 8]) >> (7 - bit % 8) & 1)
			return false;
	return true;
}

static bool has_port(struct pfw_ports ports, uint16_t port)
{
	return port >= ports.lo && port <= ports.hi;
}

/* What chance, clocks and counts decide is taken for a yes. */
static bool matches(const struct walk *walk, const struct ipt_rule *rule)
{
	const struct packet *packet = walk->packet;
	const uint8_t *destination = walk->source ? packet->goal : packet->destination;
	uint16_t port = walk->source ? packet->goal_port : packet->port;

	return (!rule->protocol || rule->protocol == packet->protocol) &&
	       (!(rule->asks & IPT_SOURCE) ||
		within(packet->source, rule->source, rule->source_len)) &&
	       (!(rule->asks & IPT_SOURCE_END) ||
		ends_in(packet->source, rule->source, rule->source_len, packet->family)) &&
	       (!(rule->asks & (IPT_DESTINATION | IPT_NOT_DESTINATION)) ||
		within(destination, rule->destination, rule->destination_len) ==
			!(rule->asks & IPT_NOT_DESTINATION)) &&
	       (!(rule->asks & IPT_IN) || !strcmp(rule->in, packet->in)) &&
	       (!(rule->asks & IPT_PORT) || has_port(rule->port, port)) &&
	       (!(rule->asks & IPT_TO_LOCAL) || is_local(destination, packet->family)) &&
	       (!(rule->asks & IPT_FROM_ELSEWHERE) || *packet->in) &&
	       (!(rule->asks & IPT_DNATED) || packet->dnated) &&
	       (!(rule->asks & IPT_ORIGINAL_PORT) || has_port(rule->original_port, packet->port)) &&
	       (!(rule->asks & IPT_ORIGINAL_ADDRESS) ||
		within(packet->destination, rule->original, rule->original_len));
}

static struct ipt_place place_of(uint8_t family, const char *chain)
{
	struct ipt_place place = { .family = family, .table = IPT_TABLE_NAT };

	strncpy(place.chain, chain, sizeof(place.chain) - 1);
	return place;
}

/* The rule at which the packet stops, or NULL where it comes back. */
static const struct ipt_rule *walk_chain(struct walk *walk, const char *name)
{
	struct ipt_place place = place_of(walk->packet->family, name);
	const struct ipt_lines *chain = ipt_chains_find(walk->chains, &place);
	const struct ipt_rule *rule, *end;
	uint32_t i;

	ck_assert_msg(chain != NULL, "there is no %s", name);
	ck_assert_uint_lt(walk->depth, 64);
	walk->hairpin |= !strcmp(name, IPT_CHAIN_HAIRPIN);
	for (i = 0; i < chain->n; i++) {
		rule = chain->list[i].rule;
		walk->steps++;
		if (!matches(walk, rule) || rule->target == IPT_LOG)
			continue;
		if (rule->target == IPT_RETURN) {
			walk->returned = rule->owner;
			return NULL;
		}
		if (rule->target != IPT_GOTO && rule->target != IPT_JUMP)
			return rule;
		walk->depth++;
		end = walk_chain(walk, rule->chain);
		walk->depth--;
		if (end || rule->target == IPT_GOTO)
			return end;
	}
	return NULL;
}

static const struct ipt_rule *walk_from(struct walk *walk, const char *builtin)
{
	struct ipt_place place = place_of(walk->packet->family, builtin);

	return ipt_chains_find(walk->chains, &place) ? walk_chain(walk, builtin) : NULL;
}

/* ---- What the plan says */

static bool in_list(const struct pfw_prefix *list, uint16_t n, const struct packet *packet)
{
	uint16_t i;

	for (i = 0; i < n; i++)
		if (list[i].addr.family == packet->family &&
		    within(packet->source, list[i].addr.bytes, list[i].len))
			return true;
	return false;
}

static bool admits(const struct pfw_forward *forward, const struct packet *packet)
{
	return (!forward->n_sources || in_list(forward->sources, forward->n_sources, packet)) &&
	       !in_list(forward->excluded, forward->n_excluded, packet);
}

static bool slot_takes(const struct pfw_slot *slot, const struct packet *packet)
{
	const struct pfw_key *key = &slot->key;

	if (slot->forward == PFW_INDEX_NONE || key->family != packet->family ||
	    key->protocol != packet->protocol || !has_port(key->port, packet->port))
		return false;
	if (ipt_tier_has_interface(key->tier) && strcmp(key->ifname, packet->in) != 0)
		return false;
	if (ipt_tier_has_address(key->tier))
		return !memcmp(key->address, packet->destination, sizeof(key->address));
	return is_local(packet->destination, packet->family) &&
	       !is_loopback(packet->destination, packet->family);
}

/* Who of the slot's claims takes it. */
static const struct pfw_forward *claim_of(const struct pfw_plan *plan, const struct pfw_slot *slot,
					  const struct packet *packet)
{
	const struct pfw_forward **claims, *found = NULL;
	int n = pfw_slot_claims(plan, slot, &claims), i;

	ck_assert_int_gt(n, 0);
	for (i = 0; !found && i < n; i++)
		if (admits(claims[i], packet) && (*packet->in || !pfw_plan_remote(plan, claims[i])))
			found = claims[i];
	free(claims);
	return found;
}

static const struct pfw_forward *expected(const struct pfw_plan *plan, const struct packet *packet)
{
	const struct pfw_forward *found = NULL;
	unsigned int range, tier;
	uint32_t i;

	for (range = 0; range < 2; range++)
		for (tier = 0; tier < PFW_TIERS; tier++)
			for (i = 0; i < plan->n_slots; i++) {
				const struct pfw_slot *slot = &plan->slots[i];

				if (pfw_key_is_range(&slot->key) != range ||
				    slot->key.tier != tier || !slot_takes(slot, packet))
					continue;
				found = claim_of(plan, slot, packet);
				if (found)
					return found;
			}
	return NULL;
}

/* ---- Packets */

static void any_source(struct sample_random *random, const struct pfw_forward *forward,
		       struct packet *packet)
{
	bool may = sample_below(random, 2);
	const struct pfw_prefix *list = may ? forward->sources : forward->excluded;
	uint16_t n = may ? forward->n_sources : forward->n_excluded;
	const struct pfw_prefix *prefix = n ? &list[sample_below(random, n)] : NULL;
	unsigned int i, size = (unsigned int)pfw_addr_size(packet->family);

	for (i = 0; i < size; i++)
		packet->source[i] = (uint8_t)sample_below(random, 256);
	if (prefix && prefix->addr.family == packet->family)
		for (i = 0; i < prefix->len; i++) {
			packet->source[i / 8] &= (uint8_t)~(0x80 >> i % 8);
			packet->source[i / 8] |= prefix->addr.bytes[i / 8] & (0x80 >> i % 8);
		}
}

/* One that a slot of the plan may take, or one of its neighbours. */
static void any_packet(struct sample_random *random, const struct pfw_plan *plan,
		       struct packet *ret)
{
	static const char *const interfaces[] = { "", "wan0", "wan1", "lan0" };
	const struct pfw_slot *slot, *other = &plan->slots[sample_below(random, plan->n_slots)];

	do
		slot = &plan->slots[sample_below(random, plan->n_slots)];
	while (slot->forward == PFW_INDEX_NONE);
	*ret = (struct packet){ .family = slot->key.family, .protocol = slot->key.protocol };
	ret->port = (uint16_t)(slot->key.port.lo +
			       sample_below(random, slot->key.port.hi - slot->key.port.lo + 1u));
	ret->in = interfaces[sample_below(random, COUNT(interfaces))];
	if (other->key.family == slot->key.family)
		memcpy(ret->destination, other->key.address, sizeof(ret->destination));
	if (sample_below(random, 3))
		memcpy(ret->destination, slot->key.address, sizeof(ret->destination));
	if (!*ret->destination)
		ret->destination[pfw_addr_size(ret->family) - 1] = (uint8_t)sample_below(random, 4);
	any_source(random, &plan->ruleset->forwards[slot->forward], ret);
}

static void check_source(const struct pfw_plan *plan, const struct ipt_chains *chains,
			 const struct pfw_forward *forward, struct packet *packet,
			 const struct ipt_rule *rewrite)
{
	struct walk walk = { .chains = chains, .packet = packet, .source = true };
	const struct ipt_rule *end;

	if (!rewrite->has_address || is_loopback(rewrite->address, packet->family))
		return;
	/* Whether that was the machine's is not known any more, for either backend. */
	if (!is_local(packet->destination, packet->family))
		return;
	memcpy(packet->goal, rewrite->address, sizeof(packet->goal));
	packet->goal_port = !rewrite->to.lo ? packet->port : rewrite->to.lo;
	if (rewrite->base)
		packet->goal_port = (uint16_t)(rewrite->to.lo + (packet->port - rewrite->base));
	packet->dnated = memcmp(packet->goal, packet->destination, sizeof(packet->goal)) ||
			 packet->goal_port != packet->port;
	end = walk_from(&walk, "POSTROUTING");
	switch (pfw_plan_source(plan, forward)) {
	case PFW_SOURCE_MASQUERADE:
		ck_assert(end && end->target == IPT_MASQUERADE);
		ck_assert_str_eq(end->owner, forward->name);
		break;
	case PFW_SOURCE_ADDRESS:
		ck_assert(end && end->target == IPT_SNAT);
		ck_assert_str_eq(end->owner, forward->name);
		break;
	case PFW_SOURCE_KEEP:
		ck_assert_msg(!end && !walk.hairpin, "%s keeps its source", forward->name);
		break;
	case PFW_SOURCE_AUTO:
		ck_assert_msg(!end && walk.hairpin, "%s asks for hairpins, not for what %s does",
			      forward->name, end ? end->owner : walk.returned);
		break;
	}
}

static void check_packet(const struct pfw_plan *plan, const struct ipt_chains *chains,
			 struct packet *packet, unsigned int most)
{
	struct walk walk = { .chains = chains, .packet = packet };
	const struct ipt_rule *end = walk_from(&walk, *packet->in ? "PREROUTING" : "OUTPUT");
	const struct pfw_forward *forward = expected(plan, packet);

	ck_assert_msg(!end == !forward && (!end || !strcmp(end->owner, forward->name)),
		      "port %u in by \"%s\": \"%s\" and not \"%s\" takes it", packet->port,
		      packet->in, end ? end->owner : "nobody", forward ? forward->name : "nobody");
	ck_assert_msg(!most || walk.steps <= most, "%u rules are asked", walk.steps);
	if (end)
		check_source(plan, chains, forward, packet, end);
}

/* ---- Whole images */

static bool leads_to(const struct ipt_chains *chains, const struct ipt_lines *chain)
{
	const struct ipt_rule *rule;
	uint32_t i, k;

	for (i = 0; i < chains->n; i++)
		for (k = 0; k < chains->list[i].n; k++) {
			rule = chains->list[i].list[k].rule;
			if (chains->list[i].place.family == chain->place.family &&
			    chains->list[i].place.table == chain->place.table &&
			    (rule->target == IPT_JUMP || rule->target == IPT_GOTO) &&
			    !strcmp(rule->chain, chain->place.chain))
				return true;
		}
	return false;
}

/* Ways to nowhere the kernel refuses; chains that nothing leads to would stay behind for ever. */
static void check_ways(const struct pfw_image *image, const struct ipt_chains *chains)
{
	const struct ipt_rule *rule;
	struct ipt_place place;
	uint32_t i, k, items = 0;

	for (i = 0; i < image->n_items; i++)
		items += image->items[i].kind == IPT_KIND_CHAIN;
	for (i = 0; i < chains->n; i++) {
		items -= !chains->list[i].builtin;
		ck_assert_msg(chains->list[i].builtin || leads_to(chains, &chains->list[i]),
			      "nothing leads to %s", chains->list[i].place.chain);
		ck_assert_uint_le(strlen(chains->list[i].place.chain), 28);
		for (k = 0; k < chains->list[i].n; k++) {
			rule = chains->list[i].list[k].rule;
			if (rule->target != IPT_JUMP && rule->target != IPT_GOTO)
				continue;
			place = chains->list[i].place;
			memset(place.chain, 0, sizeof(place.chain));
			memcpy(place.chain, rule->chain, sizeof(place.chain) - 1);
			ck_assert_msg(ipt_chains_find(chains, &place) != NULL, "no %s",
				      rule->chain);
		}
	}
	/* A rule that stands in no chain of the image would have made one more. */
	ck_assert_uint_eq(items, 0);
}

static void check_unique(const struct pfw_image *image)
{
	struct pfw_index index = { 0 };
	uint32_t i;

	ck_assert_int_eq(pfw_image_index(image, &index), 0);
	for (i = 0; i < image->n_items; i++)
		ck_assert_ptr_eq(pfw_image_find(image, &index, &image->items[i]), &image->items[i]);
	pfw_index_free(&index);
}

static void compile(const struct pfw_plan *plan, const struct pfw_touched *only,
		    struct pfw_image *ret)
{
	struct pfw_error err = PFW_ERROR_INIT;

	ck_assert_int_eq(ipt_compile(plan, only, ret, &err), 0);
}

static void check_plan(struct sample_random *random, const struct pfw_plan *plan,
		       unsigned int packets, unsigned int most)
{
	struct ipt_chains chains = { 0 };
	struct pfw_image image;
	struct packet packet;

	compile(plan, NULL, &image);
	ck_assert_int_eq(ipt_chains_make(&image, &chains), 0);
	check_ways(&image, &chains);
	check_unique(&image);
	while (plan->keys.live && packets--) {
		any_packet(random, plan, &packet);
		check_packet(plan, &chains, &packet, most);
	}
	ipt_chains_free(&chains);
	pfw_image_free(&image);
}

/* If this fails, a connection goes to another forward than with nf_tables, or to none. */
START_TEST(test_any)
{
	struct sample_random random = { 4711 };
	struct pfw_forward forward;
	struct pfw_ruleset ruleset;
	struct pfw_plan plan;
	unsigned int i, k;
	char name[16];

	for (i = 0; i < 60; i++) {
		sample_ruleset(&ruleset, NULL, 0);
		sample_plan(&ruleset, &plan);
		for (k = 0; k < 1 + 3 * i; k++) {
			snprintf(name, sizeof(name), "f%u", k);
			sample_any(&random, pfw_arena_text(&ruleset.arena, name, strlen(name)),
				   &ruleset.arena, &forward);
			sample_change(&ruleset, &plan, &forward);
		}
		check_plan(&random, &plan, 200, 0);
		pfw_plan_free(&plan);
		pfw_ruleset_free(&ruleset);
	}
}
END_TEST

/* Rulesets that are large in one way: forward number i of them. */
static void many_ports(uint32_t i, struct sample *sample, char *text)
{
	sprintf(text, "%u", 1 + i * 7 % 65535);
	sample->ports = text;
	sample->protocols = i % 5 ? "tcp" : "tcp udp";
	sample->interfaces = i % 11 ? NULL : "wan0";
}

static void many_addresses(uint32_t i, struct sample *sample, char *text)
{
	if (i % 3)
		sprintf(text, "192.%u.%u.%u", i % 2 ? 1 : 77, i / 250, i % 250);
	else
		sprintf(text, "2001:db8:%x::%x", i % 100, i);
	sample->addresses = text;
	sample->targets = i % 3 ? "10.0.0.2" : "fd00::2";
	sample->interfaces = i % 7 ? NULL : "wan0 wan1";
}

static void many_ranges(uint32_t i, struct sample *sample, char *text)
{
	static const char *const ports[] = { "1000-1007", "1000-5000", "4090-4100", "60000-65535" };

	if (i % 3)
		sprintf(text, "192.1.%u.%u", i / 250, i % 250);
	else
		sprintf(text, "%u-%u", 10000 + i * 4, 10003 + i * 4);
	if (i % 3)
		sample->addresses = text;
	sample->ports = i % 3 ? ports[i % COUNT(ports)] : text;
	sample->targets = "10.0.0.2";
}

static void many_sources(uint32_t i, struct sample *sample, char *text)
{
	sprintf(text, "203.%u.%u.0/24", i / 200, i % 200);
	sample->sources = text;
	sample->addresses = "192.0.2.1";
	sample->targets = "10.0.0.2";
}

/* If this fails, packets walk long chains, or the wrong ones. */
START_TEST(test_large)
{
	static const struct {
		void (*choose)(uint32_t i, struct sample *sample, char *text);
		uint32_t n;
		unsigned int most;	/* rules that one packet may be asked by */
	} rows[] = {
		{ many_ports, 5000, 400 },
		{ many_addresses, 4000, 300 },
		{ many_ranges, 3000, 400 },
		{ many_sources, 100, 0 },
	};
	static const enum pfw_snat snats[] = { PFW_SNAT_AUTO, PFW_SNAT_MASQUERADE, PFW_SNAT_NONE };
	char name[16], text[64];
	struct sample_random random = { 815 };
	struct pfw_forward forward;
	struct pfw_ruleset ruleset;
	struct pfw_plan plan;
	size_t row;
	uint32_t i;

	for (row = 0; row < COUNT(rows); row++) {
		sample_ruleset(&ruleset, NULL, 0);
		sample_plan(&ruleset, &plan);
		for (i = 0; i < rows[row].n; i++) {
			struct sample sample = { .name = name, .snat = snats[i % 3] };

			snprintf(name, sizeof(name), "f%u", i);
			rows[row].choose(i, &sample, text);
			sample_make(&sample, &ruleset.arena, &forward);
			forward.name = pfw_arena_text(&ruleset.arena, name, strlen(name));
			ck_assert_int_eq(sample_change(&ruleset, &plan, &forward), 0);
		}
		check_plan(&random, &plan, 100, rows[row].most);
		pfw_plan_free(&plan);
		pfw_ruleset_free(&ruleset);
	}
}
END_TEST

/* What of two images differs, counted. */
static size_t n_steps(const struct pfw_image *before, const struct pfw_image *after)
{
	struct pfw_difference difference;
	struct pfw_error err = PFW_ERROR_INIT;
	size_t n;

	ck_assert_int_eq(pfw_difference_make(before, after, &difference, &err), 0);
	n = difference.n_steps;
	pfw_difference_free(&difference);
	return n;
}

/* If this fails, one more forward among many moves all of them to other chains. */
START_TEST(test_one_more)
{
	static void (*const choose[])(uint32_t i, struct sample *sample, char *text) = {
		many_ports, many_addresses, many_ranges,
	};
	struct pfw_image before, after;
	struct pfw_forward forward;
	struct pfw_ruleset ruleset;
	char name[16], text[64];
	struct pfw_plan plan;
	uint32_t i;
	size_t row;

	for (row = 0; row < COUNT(choose); row++) {
		sample_ruleset(&ruleset, NULL, 0);
		sample_plan(&ruleset, &plan);
		before = (struct pfw_image){ 0 };
		for (i = 0; i < 1000; i++) {
			struct sample sample = { .name = name, .snat = PFW_SNAT_MASQUERADE };

			snprintf(name, sizeof(name), "f%u", i);
			choose[row](i, &sample, text);
			sample_make(&sample, &ruleset.arena, &forward);
			forward.name = pfw_arena_text(&ruleset.arena, name, strlen(name));
			ck_assert_int_eq(sample_change(&ruleset, &plan, &forward), 0);
			if (i < 900)
				continue;
			compile(&plan, NULL, &after);
			/* A leaf that divides, of both kinds of rule, by each protocol. */
			if (i > 900)
				ck_assert_uint_lt(n_steps(&before, &after), 300);
			pfw_image_free(&before);
			before = after;
		}
		pfw_image_free(&before);
		pfw_plan_free(&plan);
		pfw_ruleset_free(&ruleset);
	}
}
END_TEST

/* If this fails, a forward's flows are those of others, and their connections are cut. */
START_TEST(test_only)
{
	const struct sample samples[] = {
		{ .name = "a", .ports = "80 90", .sources = "203.0.113.0/24" },
		{ .name = "b", .ports = "81", .snat = PFW_SNAT_MASQUERADE },
		{ .name = "c", .ports = "82", .sources = "203.0.113.0/24" },
	};
	const struct pfw_forward *touched_forward;
	struct pfw_error err = PFW_ERROR_INIT;
	struct pfw_touched touched = { 0 };
	struct pfw_image all, some;
	struct pfw_ruleset ruleset;
	struct pfw_plan plan;
	uint32_t i, kept = 0;

	sample_ruleset(&ruleset, samples, COUNT(samples));
	sample_plan(&ruleset, &plan);
	touched_forward = &ruleset.forwards[0];
	ck_assert_int_eq(pfw_plan_touch(&plan, &touched_forward, 1, &touched, &err), 0);
	compile(&plan, NULL, &all);
	compile(&plan, &touched, &some);
	for (i = 0; i < all.n_items; i++)
		if (!all.items[i].owner || !strcmp(all.items[i].owner, "a")) {
			ck_assert_uint_lt(kept, some.n_items);
			ck_assert(pfw_item_same_value(&all.items[i], &some.items[kept]));
			kept++;
		}
	ck_assert_uint_eq(kept, some.n_items);
	ck_assert_uint_lt(kept, all.n_items);
	pfw_image_free(&all);
	pfw_image_free(&some);
	pfw_touched_free(&touched);
	pfw_plan_free(&plan);
	pfw_ruleset_free(&ruleset);
}
END_TEST

static char *text_of(const struct pfw_plan *plan, uint8_t family)
{
	struct pfw_buffer text = { 0 };
	struct pfw_image image;

	compile(plan, NULL, &image);
	pfw_buffer_puts(&text, "");
	ipt_text(&image, family, &text);
	ck_assert(!text.failed);
	pfw_image_free(&image);
	return text.data;
}

static void has(const char *text, const char *part)
{
	ck_assert_msg(strstr(text, part) != NULL, "\"%s\" is not in:\n%s", part, text);
}

/* If this fails, connections of removed forwards lose their way, or nothing goes in the end. */
START_TEST(test_nothing)
{
	struct pfw_ruleset ruleset;
	struct pfw_image image;
	struct pfw_plan plan;
	char *text;

	sample_ruleset(&ruleset, NULL, 0);
	sample_plan(&ruleset, &plan);
	compile(&plan, NULL, &image);
	ck_assert_uint_eq(image.n_items, 0);
	pfw_image_free(&image);
	plan.facts.draining = true;
	text = text_of(&plan, AF_INET6);
	has(text, "-A PORTFWD-DNAT -m conntrack --ctstate DNAT -m comment --comment portfwd "
		  "-j RETURN\n");
	has(text, "-I PREROUTING -m comment --comment portfwd -j PORTFWD-DNAT\n");
	free(text);
	pfw_plan_free(&plan);
	pfw_ruleset_free(&ruleset);
}
END_TEST

static void add_link(struct pfw_facts *facts, const char *name, bool routed)
{
	ck_assert_int_eq(pfw_links_add(&facts->guarded[0], name, 0, routed), 0);
	ck_assert_int_eq(pfw_links_add(&facts->links, name, 0, routed), 0);
}

/* If this fails, the machine routes for strangers, or forwards are shut out with them. */
START_TEST(test_guard)
{
	const struct sample samples[] = {
		{ .name = "same", .addresses = "10.0.0.2", .targets = "10.0.0.2",
		  .ports = "80 90-99", .sources = "203.0.113.0/24", .excluded = "203.0.113.128/25" },
		{ .name = "one", .addresses = "10.0.0.3", .targets = "10.0.0.3", .ports = "20-29",
		  .port = 25 },
	};
	struct pfw_facts facts = { .now = SAMPLE_NOW };
	struct pfw_error err = PFW_ERROR_INIT;
	struct pfw_ruleset ruleset;
	struct pfw_plan plan;
	char *text;

	add_link(&facts, "wan0", false);
	add_link(&facts, "tun0", true);
	sample_ruleset(&ruleset, samples, COUNT(samples));
	ck_assert_int_eq(pfw_plan_make(&ruleset, &facts, NULL, NULL, &plan, &err), 0);
	text = text_of(&plan, AF_INET);
	has(text, "-A PORTFWD-GUARD -m conntrack --ctstate RELATED,ESTABLISHED "
		  "-m comment --comment portfwd -j RETURN\n"
		  "-A PORTFWD-GUARD -m conntrack --ctstate DNAT "
		  "-m comment --comment portfwd -j RETURN\n"
		  "-A PORTFWD-GUARD -i wan0 -m comment --comment portfwd -g PORTFWD-GUARDED\n");
	has(text, "-A PORTFWD-GUARDED -s 203.0.113.0/25 -d 10.0.0.2/32 -p tcp -m tcp "
		  "--dport 80 ");
	has(text, "-A PORTFWD-GUARDED -s 203.0.113.0/25 -d 10.0.0.2/32 -p tcp -m tcp "
		  "--dport 90:99 ");
	has(text, "-A PORTFWD-GUARDED -d 10.0.0.3/32 -p tcp -m tcp --dport 25 ");
	has(text, "-A PORTFWD-GUARDED -o tun0 -m comment --comment portfwd -j DROP\n"
		  "-A PORTFWD-GUARDED -o wan0 -m comment --comment portfwd -j DROP\n");
	has(text, "-A PORTFWD-HAIRPIN -i wan0 -o wan0 -m conntrack --ctstate DNAT -m comment "
		  "--comment portfwd -g PORTFWD-TARGETS\n");
	ck_assert_ptr_null(strstr(text, "-i tun0 -m comment"));
	free(text);
	plan.facts = (struct pfw_facts){ 0 };
	pfw_facts_free(&facts);
	pfw_plan_free(&plan);
	pfw_ruleset_free(&ruleset);
}
END_TEST

static void check_sink(const struct sample *sample, bool own)
{
	struct pfw_ruleset ruleset;
	struct pfw_image image;
	struct pfw_plan plan;
	char *text;
	uint32_t i;

	sample_ruleset(&ruleset, sample, 1);
	sample_plan(&ruleset, &plan);
	text = text_of(&plan, AF_INET);
	has(text, " -j DNAT --to-destination 224.0.0.0\n");
	ck_assert_msg(!!strstr(text, "-I OUTPUT -m comment --comment portfwd -j PORTFWD-DROP\n") ==
		      own, "%s:\n%s", sample->name, text);
	free(text);
	compile(&plan, NULL, &image);
	for (i = 0; i < image.n_items; i++)
		ck_assert(!ipt_is_guard(&image.items[i]));
	pfw_image_free(&image);
	pfw_plan_free(&plan);
	pfw_ruleset_free(&ruleset);
}

/* If this fails, the machine's own connections go on beyond a limit. */
START_TEST(test_sink)
{
	static const struct sample samples[] = {
		{ .name = "any", .limit = { .connections = 1 } },
		{ .name = "address", .addresses = "192.0.2.1", .targets = "10.0.0.2",
		  .limit = { .connections = 1 } },
		{ .name = "remote", .local = PFW_OFF, .limit = { .connections = 1 } },
		{ .name = "interface", .interfaces = "wan0", .limit = { .connections = 1 } },
	};
	size_t i;

	for (i = 0; i < COUNT(samples); i++)
		check_sink(&samples[i], i < 2);
}
END_TEST

/* Of clients with these last bits, how many come to each of the targets fd00::1, fd00::2 ... */
static void count_clients(const struct ipt_chains *chains, unsigned int first, unsigned int n,
			  unsigned int *ret)
{
	struct packet packet = { .family = AF_INET6, .protocol = IPPROTO_TCP, .port = 80,
				 .source = { 0x20, 0x01 }, .in = "wan0" };
	const struct ipt_rule *end;
	unsigned int i;

	for (i = first; i < first + n; i++) {
		struct walk walk = { .chains = chains, .packet = &packet };

		packet.source[14] = (uint8_t)(i >> 8);
		packet.source[15] = (uint8_t)i;
		end = walk_chain(&walk, "PORTFWD-to-pool");
		ck_assert(end && end->target == IPT_DNAT);
		ret[end->address[15] - 1]++;
	}
}

/* All ends by weight, and of 64 neighbours each target at least half of its due. */
static void check_clients(const char *targets, const unsigned int weights[4])
{
	const struct sample sample = { .name = "pool", .targets = targets,
				       .balance = PFW_BALANCE_SOURCE };
	unsigned int all[4] = { 0 }, few[4] = { 0 }, sum = 0, i;
	struct ipt_chains chains = { 0 };
	struct pfw_ruleset ruleset;
	struct pfw_image image;
	struct pfw_plan plan;

	sample_ruleset(&ruleset, &sample, 1);
	sample_plan(&ruleset, &plan);
	compile(&plan, NULL, &image);
	ck_assert_int_eq(ipt_chains_make(&image, &chains), 0);
	count_clients(&chains, 0, 1024, all);
	count_clients(&chains, 77, 64, few);
	for (i = 0; i < 4; i++)
		sum += weights[i];
	for (i = 0; i < 4; i++) {
		ck_assert_msg(all[i] * sum <= 1024 * weights[i] + sum &&
			      all[i] * sum + sum >= 1024 * weights[i],
			      "%u of 1024 for target %u of %s", all[i], i, targets);
		ck_assert_msg(few[i] * sum * 2 >= 64 * weights[i], "%u of 64 for target %u of %s",
			      few[i], i, targets);
	}
	ipt_chains_free(&chains);
	pfw_image_free(&image);
	pfw_plan_free(&plan);
	pfw_ruleset_free(&ruleset);
}

/* If this fails, IPv6 clients crowd on one target, or weights mean nothing to them. */
START_TEST(test_ends)
{
	static const struct {
		const char *targets;
		unsigned int weights[4];
	} rows[] = {
		{ "fd00::1@80 fd00::2@80", { 1, 1 } },
		{ "fd00::1@80 fd00::2@80 fd00::3@80", { 1, 1, 1 } },
		{ "fd00::1@80*5 fd00::2@80*3 fd00::3@80*2", { 5, 3, 2 } },
		{ "fd00::1@80 fd00::2@80 fd00::3@80 10.0.0.2@80*7", { 1, 1, 1 } },
		{ "fd00::1@80*29 fd00::2@80 fd00::3@80 fd00::4@80", { 29, 1, 1, 1 } },
		{ "fd00::1@80 fd00::2@80 fd00::3@80 fd00::4@80*29", { 1, 1, 1, 29 } },
	};
	size_t i;

	for (i = 0; i < COUNT(rows); i++)
		check_clients(rows[i].targets, rows[i].weights);
}
END_TEST

TCase *ipt_compile_case(void)
{
	TCase *tcase;

	UNIT_CASE(tcase, "ipt compile", test_any, test_large, test_one_more, test_only,
		  test_nothing, test_guard, test_sink, test_ends);
	return tcase;
}
