/* SPDX-License-Identifier: GPL-2.0-or-later */
/* From a slot to its elements, and to the chain of a key that several forwards claim. */
#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nft.h"

static size_t put_port(uint16_t port, uint8_t *to)
{
	uint16_t be_port = htons(port);

	memset(to, 0, 4);
	memcpy(to, &be_port, sizeof(be_port));
	return 4;
}

/*
 * The key with this port as it stands in registers, of a word on the source address with
 * the destination after the rewrite, otherwise target is NULL.
 */
static size_t put_key(const struct pfw_key *key, uint16_t port, const struct pfw_addr *target,
		      uint16_t target_port, uint8_t *to)
{
	size_t at = 0, size = pfw_addr_size(key->family);

	if (nft_tier_has_address(key->tier)) {
		memcpy(to, key->address, size);
		at += size;
	}
	memset(to + at, 0, 4);
	to[at] = key->protocol;
	at += 4;
	at += put_port(port, to + at);
	if (target) {
		memcpy(to + at, target->bytes, size);
		at += size;
		if (nft_tier_has_new_port(key->tier))
			at += put_port(target_port, to + at);
	}
	if (nft_tier_has_interface(key->tier)) {
		memcpy(to + at, key->ifname, PFW_IFNAME_SIZE);
		at += PFW_IFNAME_SIZE;
	}
	return at;
}

static int add_element(struct pfw_image *image, enum nft_purpose purpose, const struct pfw_slot *slot,
		       struct pfw_ports ports, const void *data, size_t data_len, const char *owner)
{
	uint8_t key[NFT_ELEMENT_KEY_MAX];
	size_t len = 1;

	key[0] = nft_set_number(purpose, slot->key.family, slot->key.tier, slot->remote);
	len += put_key(&slot->key, ports.lo, NULL, 0, key + len);
	if (ports.lo != ports.hi)
		len += put_key(&slot->key, ports.hi, NULL, 0, key + len);
	return pfw_image_add(image, NFT_KIND_ELEMENT, key, len, data, data_len, owner) ? 0 : -ENOMEM;
}

static int add_shifted(struct pfw_image *image, const struct pfw_slot *slot,
		       const struct pfw_target *target, const char *owner)
{
	uint32_t port;
	uint8_t data[32];
	size_t len;
	int ret = 0;

	for (port = slot->key.port.lo; !ret && port <= slot->key.port.hi; port++) {
		len = nft_put_target(&target->address,
				 (uint16_t)(target->port.lo + (port - slot->key.port.lo)), data);
		ret = add_element(image, NFT_SHIFT, slot,
				  (struct pfw_ports){ (uint16_t)port, (uint16_t)port }, data, len,
				  owner);
	}
	return ret;
}

static struct nft_verdict_value verdict(int32_t code, int64_t until)
{
	return (struct nft_verdict_value){ .code = code, .until = until };
}

static void key_chain_name(const char *prefix, uint8_t family, uint64_t digest,
			   char ret[NFT_CHAIN_NAME])
{
	snprintf(ret, NFT_CHAIN_NAME, "%s%c-%016" PRIx64, prefix, family == AF_INET6 ? '6' : '4',
		 digest);
}

/*
 * A chain that asks the forwards of a key one after the other. Its element stays as long
 * as any of them, so who expires is told by the time.
 */
static int add_key_chain(struct pfw_image *image, const char *name, const char *prefix,
			 const struct pfw_forward *const *claims, int n)
{
	const struct nft_chain_value head = { 0 };
	struct nft_rule rule = { 0 };
	char to[NFT_CHAIN_NAME];
	struct nft_chain chain;
	int i;

	nft_chain_begin(&chain, name, &head);
	for (i = 0; i < n; i++) {
		snprintf(to, sizeof(to), "%s%s", prefix, claims[i]->name);
		/* The element of the key stays for the others. */
		if (claims[i]->expires)
			nft_match_before(&rule, claims[i]->expires);
		nft_add_verdict(&rule, NFT_JUMP, to);
		nft_chain_add(&chain, &rule);
	}
	return nft_chain_end(&chain, image);
}

/* The way to the forward's own chain, or to that of a key, by its digest, which is added. */
static int lead_to_chain(struct pfw_image *image, uint8_t family, uint64_t digest,
			 const char *key_prefix, const char *prefix,
			 const struct pfw_forward *const *claims, int n,
			 struct nft_verdict_value *ret)
{
	*ret = verdict(NFT_JUMP, n == 1 ? claims[0]->expires : 0);
	if (n == 1) {
		snprintf(ret->chain, sizeof(ret->chain), "%s%s", prefix, claims[0]->name);
		return 0;
	}
	key_chain_name(key_prefix, family, digest, ret->chain);
	return add_key_chain(image, ret->chain, prefix, claims, n);
}

static int add_chain_element(struct pfw_image *image, enum nft_purpose purpose,
			     const struct pfw_slot *slot, const struct pfw_forward *const *claims,
			     int n)
{
	struct nft_verdict_value value;
	int ret = lead_to_chain(image, slot->key.family, pfw_key_hash(&slot->key), "key",
				NFT_PREFIX_TO, claims, n, &value);

	return ret ? ret : add_element(image, purpose, slot, slot->key.port, &value, sizeof(value),
				       claims[0]->name);
}

/* Where connections of a slot go to. */
struct goal {
	struct pfw_addr address;
	struct pfw_ports port;
};

static int compare_goals(const void *a, const void *b)
{
	const struct goal *x = a, *y = b;
	int order = memcmp(x->address.bytes, y->address.bytes, sizeof(x->address.bytes));

	return order ? order : (int)x->port.lo - y->port.lo;
}

static bool goal_of(const struct pfw_slot *slot, const struct pfw_target *target, struct goal *ret)
{
	if (target->self || target->address.family != slot->key.family)
		return false;
	ret->address = target->address;
	ret->port = target->port.lo ? target->port : slot->key.port;
	if (!nft_tier_has_new_port(slot->key.tier))
		ret->port = (struct pfw_ports){ 0, 0 };
	return true;
}

static unsigned int add_goals(const struct pfw_slot *slot, const struct pfw_forward *forward,
			      struct goal *to)
{
	unsigned int i, n = 0;

	for (i = 0; i < forward->n_targets; i++)
		n += goal_of(slot, &forward->targets[i], &to[n]);
	return n;
}

static bool leads_to(const struct pfw_slot *slot, const struct pfw_forward *forward,
		     const struct goal *goal)
{
	struct goal own;
	unsigned int i;

	for (i = 0; i < forward->n_targets; i++)
		if (goal_of(slot, &forward->targets[i], &own) &&
		    pfw_addr_equal(&own.address, &goal->address) &&
		    own.port.lo <= goal->port.hi && own.port.hi >= goal->port.lo)
			return true;
	return false;
}

/* The kernel takes no element twice, and of ranges none that overlap. */
static unsigned int join_goals(struct goal *goals, unsigned int n)
{
	unsigned int i, kept = 0;

	qsort(goals, n, sizeof(*goals), compare_goals);
	for (i = 1; i < n; i++)
		if (!pfw_addr_equal(&goals[i].address, &goals[kept].address) ||
		    goals[i].port.lo > goals[kept].port.hi)
			goals[++kept] = goals[i];
		else if (goals[i].port.hi > goals[kept].port.hi)
			goals[kept].port.hi = goals[i].port.hi;
	return n ? kept + 1 : 0;
}

/* All goals of the claims, each once. *ret is to be freed; the number of them, or -ENOMEM. */
static int find_goals(const struct pfw_slot *slot, const struct pfw_forward *const *claims, int n,
		      struct goal **ret)
{
	unsigned int found = 0, most = 0;
	struct goal *goals;
	int i;

	for (i = 0; i < n; i++)
		most += claims[i]->n_targets;
	goals = calloc(most, sizeof(*goals));
	if (!goals)
		return -ENOMEM;
	for (i = 0; i < n; i++)
		found += add_goals(slot, claims[i], goals + found);
	*ret = goals;
	return (int)join_goals(goals, found);
}

static size_t put_source_key(const struct pfw_slot *slot, const struct goal *goal, uint8_t *to)
{
	const struct pfw_key *key = &slot->key;
	bool range = pfw_key_is_range(key);
	size_t len = 1;

	to[0] = nft_set_number(range ? NFT_SNAT_RANGE : NFT_SNAT, key->family, key->tier,
			       slot->remote);
	len += put_key(key, key->port.lo, &goal->address, goal->port.lo, to + len);
	if (range)
		len += put_key(key, key->port.hi, &goal->address, goal->port.hi, to + len);
	return len;
}

/* What happens to the source address, whichever claim it is of. */
static int judge_source(const struct pfw_plan *plan, const struct pfw_slot *slot, uint64_t digest,
			const struct pfw_forward *const *claims, int n, struct pfw_image *image,
			struct nft_verdict_value *ret)
{
	enum pfw_source source = pfw_plan_source(plan, claims[0]);

	if (slot->more != PFW_INDEX_NONE || nft_from_is_chain(plan, claims[0]))
		return lead_to_chain(image, slot->key.family, digest, "keyfrom", NFT_PREFIX_FROM,
				     claims, n, ret);
	*ret = verdict(NF_ACCEPT, claims[0]->expires);
	if (source == PFW_SOURCE_MASQUERADE ||
	    (source == PFW_SOURCE_AUTO && !pfw_forward_stays(claims[0]))) {
		ret->code = NFT_GOTO;
		snprintf(ret->chain, sizeof(ret->chain), "%s",
			 source == PFW_SOURCE_AUTO ? NFT_CHAIN_HAIRPINS : NFT_CHAIN_MASQUERADES);
	}
	return 0;
}

/* Only the claims that lead there have a word on it; some has room for all. */
static int add_goal_source(const struct pfw_plan *plan, const struct pfw_slot *slot,
			   const struct pfw_forward *const *claims, int n, const struct goal *goal,
			   const struct pfw_forward **some, struct pfw_image *image)
{
	struct nft_verdict_value value;
	uint8_t key[NFT_ELEMENT_KEY_MAX];
	size_t len = put_source_key(slot, goal, key);
	int i, n_some = 0, ret;

	for (i = 0; i < n; i++)
		if (leads_to(slot, claims[i], goal))
			some[n_some++] = claims[i];
	ret = judge_source(plan, slot, pfw_hash(key, len), some, n_some, image, &value);
	if (ret)
		return ret;
	return pfw_image_add(image, NFT_KIND_ELEMENT, key, len, &value, sizeof(value),
			     some[0]->name) ? 0 : -ENOMEM;
}

static int add_source(const struct pfw_plan *plan, const struct pfw_slot *slot,
		      const struct pfw_forward *const *claims, int n, struct pfw_image *image)
{
	const struct pfw_forward **some = calloc((size_t)n, sizeof(*some));
	struct goal *goals = NULL;
	int found = some ? find_goals(slot, claims, n, &goals) : -ENOMEM;
	int i, ret = found < 0 ? found : 0;

	for (i = 0; !ret && i < found; i++)
		ret = add_goal_source(plan, slot, claims, n, &goals[i], some, image);
	free(goals);
	free(some);
	return ret;
}

static int add_destination(const struct pfw_slot *slot, const struct pfw_forward *const *claims,
			   int n, struct pfw_image *image)
{
	const struct pfw_forward *forward = claims[0];
	const struct pfw_target *target = pfw_forward_target(forward, slot->key.family);
	uint16_t port = target->port.lo ? target->port.lo : slot->key.port.lo;
	uint8_t data[32];
	size_t len;

	switch (slot->shape) {
	case PFW_SHAPE_COMPLEX:
		return add_chain_element(image, NFT_CHAIN, slot, claims, n);
	case PFW_SHAPE_WIDE_COMPLEX:
		return add_chain_element(image, NFT_CHAIN_RANGE, slot, claims, n);
	case PFW_SHAPE_SHIFT:
		return add_shifted(image, slot, target, forward->name);
	case PFW_SHAPE_KEEP:
		len = nft_put_target(&target->address, 0, data);
		return add_element(image, NFT_KEEP, slot, slot->key.port, data, len, forward->name);
	case PFW_SHAPE_MANY:
		len = nft_put_target(&target->address, port, data);
		return add_element(image, NFT_MANY, slot, slot->key.port, data, len, forward->name);
	case PFW_SHAPE_SELF:
		len = nft_put_target(NULL, port, data);
		return add_element(image, NFT_SELF, slot, slot->key.port, data, len, forward->name);
	default:
		len = nft_put_target(&target->address, port, data);
		return add_element(image, NFT_DNAT, slot, slot->key.port, data, len, forward->name);
	}
}

static bool leaves_port(const struct pfw_slot *slot, const struct pfw_forward *const *claims, int n,
			uint16_t port)
{
	int i;

	for (i = 0; i < n; i++)
		if (pfw_forward_unchanged(claims[i], &slot->key, port))
			return true;
	return false;
}

/*
 * What the guard must let pass though its rewrite changes nothing; of a range each port.
 * All claims are asked: who is admitted first by one that changes something is known by that.
 */
static int add_unchanged(const struct pfw_plan *plan, const struct pfw_slot *slot,
			 const struct pfw_forward *const *claims, int n, struct pfw_image *image)
{
	struct nft_verdict_value value = verdict(NF_ACCEPT, claims[0]->expires);
	uint8_t key[NFT_ELEMENT_KEY_MAX];
	uint32_t port;
	size_t len;
	int ret = 0;

	if (!slot->unchanged || !pfw_plan_guards(plan, slot->key.family))
		return 0;
	if (n > 1 || claims[0]->n_sources || claims[0]->n_excluded)
		ret = lead_to_chain(image, slot->key.family, pfw_key_hash(&slot->key), "keypass",
				    NFT_PREFIX_PASS, claims, n, &value);
	for (port = slot->key.port.lo; !ret && port <= slot->key.port.hi; port++) {
		if (!leaves_port(slot, claims, n, (uint16_t)port))
			continue;
		len = put_key(&slot->key, (uint16_t)port, NULL, 0, key);
		ret = nft_guard_add_slot(key, len, slot, &value, claims[0]->name, image);
	}
	return ret;
}

int nft_compile_slot(const struct pfw_plan *plan, const struct pfw_slot *slot,
		     struct pfw_image *image)
{
	const struct pfw_forward *first = &plan->ruleset->forwards[slot->forward];
	const struct pfw_forward **claims = &first, **several = NULL;
	int n = 1, ret;

	if (slot->more != PFW_INDEX_NONE) {
		n = pfw_slot_claims(plan, slot, &several);
		if (n < 0)
			return n;
		claims = several;
	}
	ret = add_destination(slot, claims, n, image);
	if (!ret)
		ret = add_unchanged(plan, slot, claims, n, image);
	if (!ret && pfw_slot_speaks(plan, slot))
		ret = add_source(plan, slot, claims, n, image);
	free(several);
	return ret;
}
