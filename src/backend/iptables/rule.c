/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Rules as entries of the kernel's tables, and in the words of iptables-save. */
#include <stddef.h>
#include <string.h>

#include "kernel.h"

#include "entry.h"
#include "iptables.h"
#include "portfwd/base/index.h"

/* What an entry begins with, in one family: where its fields are. */
struct head {
	size_t size;
	size_t asks;		/* how long the part is that says what is asked for */
	size_t source, source_mask;
	size_t destination, destination_mask;
	size_t in, in_mask;
	size_t out, out_mask;
	size_t protocol;	/* 16 bits */
	size_t flags, inverted;	/* 8 bits */
	size_t target, next;	/* 16 bits: offsets of the target and of the next entry */
	uint8_t flag_protocol;	/* set where a protocol is asked for */
	uint8_t flag_goto;
};

#define HEAD_FIELDS(entry, part) \
	.size = sizeof(struct entry), \
	.asks = sizeof(((struct entry *)NULL)->part), \
	.source = offsetof(struct entry, part.src), \
	.source_mask = offsetof(struct entry, part.smsk), \
	.destination = offsetof(struct entry, part.dst), \
	.destination_mask = offsetof(struct entry, part.dmsk), \
	.in = offsetof(struct entry, part.iniface), \
	.in_mask = offsetof(struct entry, part.iniface_mask), \
	.out = offsetof(struct entry, part.outiface), \
	.out_mask = offsetof(struct entry, part.outiface_mask), \
	.protocol = offsetof(struct entry, part.proto), \
	.flags = offsetof(struct entry, part.flags), \
	.inverted = offsetof(struct entry, part.invflags), \
	.target = offsetof(struct entry, target_offset), \
	.next = offsetof(struct entry, next_offset)

static const struct head head_ipv4 = {
	HEAD_FIELDS(ipt_entry, ip), .flag_goto = IPT_F_GOTO,
};
static const struct head head_ipv6 = {
	HEAD_FIELDS(ip6t_entry, ipv6), .flag_protocol = IP6T_F_PROTO, .flag_goto = IP6T_F_GOTO,
};
_Static_assert(offsetof(struct ipt_entry, ip) == 0 && offsetof(struct ip6t_entry, ipv6) == 0,
	       "an entry begins with what it asks for");
_Static_assert(IPT_INV_VIA_IN == IP6T_INV_VIA_IN && IPT_INV_DSTIP == IP6T_INV_DSTIP,
	       "inverted alike in both families");

static const struct head *head_of(uint8_t family)
{
	return family == AF_INET6 ? &head_ipv6 : &head_ipv4;
}

/* An entry of ours in the making. */
#define ENTRY_MAX 2048
struct entry {
	_Alignas(8) uint8_t bytes[ENTRY_MAX];
	size_t len;
};

static const struct {
	const char *text;
	uint8_t target;
} verdicts[] = {
	{ "RETURN", IPT_RETURN }, { "ACCEPT", IPT_ACCEPT }, { "DROP", IPT_DROP },
};

static const char *verdict_text(uint8_t target)
{
	size_t i;

	for (i = 0; i < sizeof(verdicts) / sizeof(verdicts[0]); i++)
		if (verdicts[i].target == target)
			return verdicts[i].text;
	return NULL;
}

/* IPT_FOREIGN: it is none. */
static uint8_t verdict_of(const char *text)
{
	size_t i;

	for (i = 0; i < sizeof(verdicts) / sizeof(verdicts[0]); i++)
		if (!strcmp(verdicts[i].text, text))
			return verdicts[i].target;
	return IPT_FOREIGN;
}

static const struct ipt_module *module_of(uint8_t target)
{
	const struct ipt_module *module = ipt_modules;

	while (module->name && module->target != target)
		module++;
	return module->name ? module : NULL;
}

static bool match_stands(const struct ipt_match *match, const struct ipt_rule *rule)
{
	if (match->asks && !(match->asks & rule->asks))
		return false;
	return !match->protocol || match->protocol == rule->protocol;
}

/* ---- The head */

static void put_16(uint8_t *at, size_t value)
{
	uint16_t number = (uint16_t)value;

	memcpy(at, &number, sizeof(number));
}

static size_t get_16(const uint8_t *at)
{
	uint16_t number;

	memcpy(&number, at, sizeof(number));
	return number;
}

void ipt_mask_put(uint8_t *mask, uint8_t len)
{
	memset(mask, 0xff, len / 8);
	if (len % 8)
		mask[len / 8] = (uint8_t)(0xff00 >> len % 8);
}

uint8_t ipt_mask_get(const uint8_t *mask, size_t size)
{
	unsigned int len = 0;

	while (len < 8 * size && mask[len / 8] & 0x80 >> len % 8)
		len++;
	return (uint8_t)len;
}

/* The same for the last bits. */
static void put_end_mask(uint8_t *mask, size_t size, uint8_t len)
{
	memset(mask + size - len / 8, 0xff, len / 8);
	if (len % 8)
		mask[size - 1 - len / 8] = (uint8_t)((1u << len % 8) - 1);
}

static uint8_t get_end_mask(const uint8_t *mask, size_t size)
{
	unsigned int len = 0;

	while (len < 8 * size && mask[size - 1 - len / 8] & 1u << len % 8)
		len++;
	return (uint8_t)len;
}

/* Its name with the NUL, so that no longer name matches. */
static void put_interface(const char *name, uint8_t *to, uint8_t *mask)
{
	size_t len = strnlen(name, PFW_IFNAME_SIZE - 1);

	memcpy(to, name, len);
	memset(mask, 0xff, len + 1);
}

static void put_source(const struct ipt_rule *rule, size_t size, uint8_t *to, uint8_t *mask)
{
	if (!(rule->asks & (IPT_SOURCE | IPT_SOURCE_END)))
		return;
	memcpy(to, rule->source, size);
	if (rule->asks & IPT_SOURCE_END)
		put_end_mask(mask, size, rule->source_len);
	else
		ipt_mask_put(mask, rule->source_len);
}

static void get_source(const uint8_t *from, const uint8_t *mask, size_t size, struct ipt_rule *ret)
{
	uint8_t first = ipt_mask_get(mask, size), last = get_end_mask(mask, size);

	memcpy(ret->source, from, size);
	ret->source_len = first ? first : last;
	if (ret->source_len)
		ret->asks |= first ? IPT_SOURCE : IPT_SOURCE_END;
}

static void put_head(const struct ipt_rule *rule, uint8_t family, uint8_t *to)
{
	const struct head *head = head_of(family);
	size_t size = pfw_addr_size(family);

	put_source(rule, size, to + head->source, to + head->source_mask);
	if (rule->asks & (IPT_DESTINATION | IPT_NOT_DESTINATION)) {
		memcpy(to + head->destination, rule->destination, size);
		ipt_mask_put(to + head->destination_mask, rule->destination_len);
	}
	if (rule->asks & (IPT_IN | IPT_NOT_IN))
		put_interface(rule->in, to + head->in, to + head->in_mask);
	if (rule->asks & IPT_OUT)
		put_interface(rule->out, to + head->out, to + head->out_mask);
	put_16(to + head->protocol, rule->protocol);
	to[head->flags] = (rule->protocol ? head->flag_protocol : 0) |
			  (rule->target == IPT_GOTO ? head->flag_goto : 0);
	to[head->inverted] = (rule->asks & IPT_NOT_IN ? IPT_INV_VIA_IN : 0) |
			     (rule->asks & IPT_NOT_DESTINATION ? IPT_INV_DSTIP : 0);
}

/* As the get of a match: putting it again shows whether that was all. */
static void get_head(const uint8_t *from, uint8_t family, struct ipt_rule *ret)
{
	const struct head *head = head_of(family);
	size_t size = pfw_addr_size(family);
	uint8_t inverted = from[head->inverted];

	get_source(from + head->source, from + head->source_mask, size, ret);
	memcpy(ret->destination, from + head->destination, size);
	ret->destination_len = ipt_mask_get(from + head->destination_mask, size);
	if (ret->destination_len)
		ret->asks |= inverted & IPT_INV_DSTIP ? IPT_NOT_DESTINATION : IPT_DESTINATION;
	memcpy(ret->in, from + head->in, PFW_IFNAME_SIZE - 1);
	if (*ret->in)
		ret->asks |= inverted & IPT_INV_VIA_IN ? IPT_NOT_IN : IPT_IN;
	memcpy(ret->out, from + head->out, PFW_IFNAME_SIZE - 1);
	if (*ret->out)
		ret->asks |= IPT_OUT;
	ret->protocol = (uint8_t)get_16(from + head->protocol);
}

/* ---- Matches and the target */

/* Matches and targets begin alike: struct xt_entry_match, struct xt_entry_target. */
struct part {
	const char *name;
	uint8_t revision;
	const uint8_t *data;
	size_t size;		/* of the data */
};
#define PART_HEAD sizeof(struct xt_entry_match)
_Static_assert(sizeof(struct xt_entry_target) == PART_HEAD &&
	       offsetof(struct xt_entry_target, u.user.name) ==
	       offsetof(struct xt_entry_match, u.user.name), "parts begin alike");

/* Room for the data of a part behind the end, zero-filled. */
static void *add_part(struct entry *entry, const char *name, uint8_t revision, size_t size)
{
	struct xt_entry_match *part = (void *)(entry->bytes + entry->len);

	part->u.user.match_size = (uint16_t)(PART_HEAD + size);
	memcpy(part->u.user.name, name, strlen(name));
	part->u.user.revision = revision;
	entry->len += PART_HEAD + size;
	return part->data;
}

static void add_target(struct entry *entry, const struct ipt_rule *rule, uint8_t family)
{
	const struct ipt_module *module = module_of(rule->target);
	const char *verdict = verdict_text(rule->target);
	bool v6 = family == AF_INET6;

	if (module)
		module->put(rule, family, add_part(entry, module->name, module->revision[v6],
						   module->size[v6]));
	else
		add_part(entry, verdict ? verdict : rule->chain, 0,
			 sizeof(struct xt_standard_target) - PART_HEAD);
}

static void make_entry(const struct ipt_rule *rule, uint8_t family, struct entry *ret)
{
	const struct head *head = head_of(family);
	const struct ipt_match *match;

	memset(ret, 0, sizeof(*ret));
	put_head(rule, family, ret->bytes);
	ret->len = head->size;
	for (match = ipt_matches; match->name; match++)
		if (match_stands(match, rule))
			match->put(rule, family,
				   add_part(ret, match->name, match->revision, match->size));
	put_16(ret->bytes + head->target, ret->len);
	add_target(ret, rule, family);
	put_16(ret->bytes + head->next, ret->len);
}

void ipt_rule_encode(const struct ipt_rule *rule, uint8_t family, struct pfw_buffer *ret)
{
	struct entry entry;

	make_entry(rule, family, &entry);
	pfw_buffer_append(ret, entry.bytes, entry.len);
}

/* ---- Reading an entry */

/* Where the matches end and the target begins; a place within the entry, whatever it says. */
static size_t target_at(const uint8_t *entry, const struct head *head)
{
	size_t at = get_16(entry + head->target), next = get_16(entry + head->next);

	return at < next ? at : next;
}

/* The part at this offset; false where it is cut off by the end. */
static bool part_at(const uint8_t *entry, size_t at, size_t end, struct part *ret)
{
	size_t size;

	if (end < at || end - at < PART_HEAD)
		return false;
	size = get_16(entry + at + offsetof(struct xt_entry_match, u.user.match_size));
	if (size < PART_HEAD || size > end - at)
		return false;
	ret->name = (const char *)entry + at + offsetof(struct xt_entry_match, u.user.name);
	ret->revision = entry[at + offsetof(struct xt_entry_match, u.user.revision)];
	ret->data = entry + at + PART_HEAD;
	ret->size = size - PART_HEAD;
	return strnlen(ret->name, XT_EXTENSION_MAXNAMELEN) < XT_EXTENSION_MAXNAMELEN;
}

static bool part_is(const struct part *part, const char *name, uint8_t revision, size_t size)
{
	return !strcmp(part->name, name) && part->revision == revision && part->size == size;
}

static const struct ipt_match *match_of(const struct part *part)
{
	const struct ipt_match *match = ipt_matches;

	while (match->name && !part_is(part, match->name, match->revision, match->size))
		match++;
	return match->name ? match : NULL;
}

static bool get_matches(const uint8_t *entry, uint8_t family, struct ipt_rule *ret)
{
	const struct head *head = head_of(family);
	size_t at = head->size, end = target_at(entry, head);
	const struct ipt_match *match;
	struct part part;

	for (; at < end; at += PART_HEAD + part.size) {
		match = part_at(entry, at, end, &part) ? match_of(&part) : NULL;
		if (!match)
			return false;
		match->get(part.data, family, ret);
	}
	return true;
}

/*
 * Whether it says a verdict or a chain: in the kernel's entries by an offset that changes with
 * other rules, so only libiptc can tell which.
 */
static bool is_standard(const struct part *part, const char *target)
{
	return !*part->name || ipt_chain_is_ours(target) || verdict_of(target) != IPT_FOREIGN;
}

static bool get_target(const uint8_t *entry, const char *target, uint8_t family,
		       struct ipt_rule *ret)
{
	const struct head *head = head_of(family);
	const struct ipt_module *module;
	bool v6 = family == AF_INET6;
	struct part part;

	if (!part_at(entry, target_at(entry, head), get_16(entry + head->next), &part))
		return false;
	if (is_standard(&part, target)) {
		ret->target = verdict_of(target);
		if (ret->target != IPT_FOREIGN)
			return true;
		ret->target = entry[head->flags] & head->flag_goto ? IPT_GOTO : IPT_JUMP;
		memcpy(ret->chain, target, strnlen(target, sizeof(ret->chain) - 1));
		return ipt_chain_is_ours(target);
	}
	for (module = ipt_modules; module->name; module++)
		if (part_is(&part, module->name, module->revision[v6], module->size[v6])) {
			ret->target = module->target;
			module->get(part.data, family, ret);
			return true;
		}
	return false;
}

static size_t visible_size(const struct part *part)
{
	const struct ipt_match *match = match_of(part);

	return match ? match->visible : part->size;
}

/* Whether the kernel's entry is what the rule that was read from it makes. */
static bool is_same(const uint8_t *entry, const struct entry *made, const char *target,
		    uint8_t family)
{
	const struct head *head = head_of(family);
	size_t at, to = get_16(made->bytes + head->target);
	struct part a, b;

	if (get_16(entry + head->target) != to || get_16(entry + head->next) != made->len ||
	    memcmp(entry, made->bytes, head->asks))
		return false;
	for (at = head->size; at < to; at += PART_HEAD + a.size)
		if (!part_at(entry, at, to, &a) || !part_at(made->bytes, at, to, &b) ||
		    !part_is(&a, b.name, b.revision, b.size) ||
		    memcmp(a.data, b.data, visible_size(&a)))
			return false;
	if (!part_at(entry, to, made->len, &a) || !part_at(made->bytes, to, made->len, &b))
		return false;
	if (is_standard(&a, target))
		return a.size == b.size && !strcmp(b.name, target);
	return part_is(&a, b.name, b.revision, b.size) && !memcmp(a.data, b.data, a.size);
}

static uint64_t mix(uint64_t digest, const void *data, size_t len)
{
	const uint64_t both[] = { digest, pfw_hash(data, len) };

	return pfw_hash(both, sizeof(both));
}

static uint64_t mix_part(uint64_t digest, const struct part *part, size_t len)
{
	digest = mix(digest, part->name, strlen(part->name));
	digest = mix(digest, &part->revision, sizeof(part->revision));
	return mix(digest, part->data, len);
}

/* Of all that does not change by itself. */
static uint64_t digest_of(const uint8_t *entry, const char *target, const struct head *head)
{
	size_t at = head->size, to = target_at(entry, head);
	uint64_t digest = mix(mix(0, entry, head->asks), target, strlen(target));
	struct part part;

	for (; at < to && part_at(entry, at, to, &part); at += PART_HEAD + part.size)
		digest = mix_part(digest, &part, visible_size(&part));
	if (part_at(entry, to, get_16(entry + head->next), &part) && !is_standard(&part, target))
		digest = mix_part(digest, &part, part.size);
	return digest;
}

static void get_owner(const uint8_t *entry, uint8_t family, struct ipt_rule *ret)
{
	const struct head *head = head_of(family);
	size_t at = head->size, to = target_at(entry, head);
	const struct ipt_match *match;
	struct part part;

	for (; at < to && part_at(entry, at, to, &part); at += PART_HEAD + part.size) {
		match = match_of(&part);
		if (match && !match->asks)
			match->get(part.data, family, ret);
	}
}

static bool decode(const uint8_t *entry, const char *target, uint8_t family, struct ipt_rule *ret)
{
	struct entry made;

	get_head(entry, family, ret);
	if (!get_matches(entry, family, ret) || !get_target(entry, target, family, ret))
		return false;
	make_entry(ret, family, &made);
	return is_same(entry, &made, target, family);
}

void ipt_rule_decode(const void *entry, const char *target, uint8_t family, struct ipt_rule *ret)
{
	const struct head *head = head_of(family);

	memset(ret, 0, sizeof(*ret));
	if (decode(entry, target, family, ret))
		return;
	memset(ret, 0, sizeof(*ret));
	ret->target = IPT_FOREIGN;
	ret->digest = digest_of(entry, target, head);
	get_owner(entry, family, ret);
}

/* ---- As iptables-save writes it */

static void print_prefix(const char *option, const uint8_t *bytes, uint8_t len, uint8_t family,
			 struct pfw_buffer *ret)
{
	struct pfw_addr address = { .family = family };
	char text[PFW_ADDR_TEXT];

	memcpy(address.bytes, bytes, pfw_addr_size(family));
	pfw_buffer_printf(ret, "%s %s/%u ", option, pfw_addr_print(&address, text), len);
}

/* "-s ::3/::7 " */
static void print_source_end(const struct ipt_rule *rule, uint8_t family, struct pfw_buffer *ret)
{
	struct pfw_addr address = { .family = family }, mask = { .family = family };
	char text[PFW_ADDR_TEXT], mask_text[PFW_ADDR_TEXT];

	memcpy(address.bytes, rule->source, sizeof(address.bytes));
	put_end_mask(mask.bytes, pfw_addr_size(family), rule->source_len);
	pfw_buffer_printf(ret, "-s %s/%s ", pfw_addr_print(&address, text),
			  pfw_addr_print(&mask, mask_text));
}

static void print_head(const struct ipt_rule *rule, uint8_t family, struct pfw_buffer *ret)
{
	const char *destination = rule->asks & IPT_NOT_DESTINATION ? "! -d" : "-d";

	if (rule->asks & IPT_SOURCE)
		print_prefix("-s", rule->source, rule->source_len, family, ret);
	else if (rule->asks & IPT_SOURCE_END)
		print_source_end(rule, family, ret);
	if (rule->asks & (IPT_DESTINATION | IPT_NOT_DESTINATION))
		print_prefix(destination, rule->destination, rule->destination_len, family, ret);
	if (rule->asks & (IPT_IN | IPT_NOT_IN))
		pfw_buffer_printf(ret, "%s %s ", rule->asks & IPT_NOT_IN ? "! -i" : "-i", rule->in);
	if (rule->asks & IPT_OUT)
		pfw_buffer_printf(ret, "-o %s ", rule->out);
	if (rule->protocol)
		pfw_buffer_printf(ret, "-p %s ", pfw_protocol_text(rule->protocol));
}

static void print_target(const struct ipt_rule *rule, uint8_t family, struct pfw_buffer *ret)
{
	const struct ipt_module *module = module_of(rule->target);
	const char *name = module ? module->name : verdict_text(rule->target);

	pfw_buffer_printf(ret, "%s %s", rule->target == IPT_GOTO ? "-g" : "-j",
			  name ? name : rule->chain);
	if (module)
		module->print(rule, family, ret);
}

void ipt_rule_print(const struct ipt_rule *rule, uint8_t family, struct pfw_buffer *ret)
{
	const struct ipt_match *match;

	if (rule->target == IPT_FOREIGN) {
		pfw_buffer_puts(ret, "(a rule that portfwd did not make)");
		return;
	}
	print_head(rule, family, ret);
	for (match = ipt_matches; match->name; match++)
		if (match_stands(match, rule)) {
			pfw_buffer_printf(ret, "-m %s", match->name);
			match->print(rule, family, ret);
			pfw_buffer_puts(ret, " ");
		}
	print_target(rule, family, ret);
}
