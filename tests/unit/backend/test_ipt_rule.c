/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Rules of the iptables backend as entries of the kernel's, and back. */
#include "../../../src/backend/iptables/kernel.h"

#include "cases.h"
#include "ipt_rules.h"

static struct ipt_rule rules[IPT_RULES_MAX];

/* What libiptc says of an entry: the name in its target. */
static const char *target_of(const uint8_t *entry, uint8_t family)
{
	const struct ipt_entry *v4 = (const void *)entry;
	const struct ip6t_entry *v6 = (const void *)entry;
	size_t at = family == AF_INET ? v4->target_offset : v6->target_offset;

	return ((const struct xt_entry_target *)(const void *)(entry + at))->u.user.name;
}

static void encode(const struct ipt_rule *rule, uint8_t family, struct pfw_buffer *ret)
{
	ret->len = 0;
	ipt_rule_encode(rule, family, ret);
	ck_assert(!ret->failed);
}

static const char *words(const struct ipt_rule *rule, uint8_t family, struct pfw_buffer *ret)
{
	ret->len = 0;
	ipt_rule_print(rule, family, ret);
	ck_assert(!ret->failed);
	return ret->data;
}

/* Calls with each rule of each family and table. */
static void each_rule(void (*each)(const struct ipt_rule *rule, uint8_t family))
{
	static const uint8_t families[] = { AF_INET, AF_INET6 };
	size_t i, k, nat, n;

	for (i = 0; i < COUNT(families); i++)
		for (nat = 0; nat < 2; nat++) {
			n = ipt_rules_make(families[i], nat, rules);
			for (k = 0; k < n; k++)
				each(&rules[k], families[i]);
		}
}

static void comes_back(const struct ipt_rule *rule, uint8_t family)
{
	struct pfw_buffer entry = { 0 }, text = { 0 };
	struct ipt_rule back;

	encode(rule, family, &entry);
	ipt_rule_decode(entry.data, target_of((void *)entry.data, family), family, &back);
	ck_assert_msg(!memcmp(rule, &back, sizeof(back)), "not what it was: %s",
		      words(rule, family, &text));
	pfw_buffer_free(&entry);
	pfw_buffer_free(&text);
}

START_TEST(what_is_put_is_got)
{
	each_rule(comes_back);
}
END_TEST

/* ---- Entries that are not ours */

/* A copy of an entry that ends where its memory ends. */
static uint8_t *copy_of(const struct pfw_buffer *entry)
{
	uint8_t *copy = malloc(entry->len);

	ck_assert_ptr_nonnull(copy);
	memcpy(copy, entry->data, entry->len);
	return copy;
}

/* Whether nothing of an entry depends on this byte: counters, and what is behind names. */
static bool is_idle(const uint8_t *entry, size_t at, uint8_t family)
{
	const struct ipt_entry *v4 = (const void *)entry;
	const struct ip6t_entry *v6 = (const void *)entry;
	size_t asks = family == AF_INET ? sizeof(v4->ip) : sizeof(v6->ipv6);
	size_t head = family == AF_INET ? sizeof(*v4) : sizeof(*v6);
	size_t next = family == AF_INET ? v4->next_offset : v6->next_offset;
	const struct xt_entry_match *part;

	if (at < head)
		return at >= asks;
	while (head < next) {
		part = (const void *)(entry + head);
		if (at < head + part->u.user.match_size)
			break;
		head += part->u.user.match_size;
	}
	part = (const void *)(entry + head);
	at -= head;
	/* A chain or verdict is what libiptc says, not what stands there. */
	if (head + part->u.user.match_size == next && part->u.user.match_size == 40)
		return at >= sizeof(uint16_t);
	if (at < sizeof(uint16_t) || at == sizeof(*part) - 1 || at >= sizeof(*part))
		return false;
	return at - sizeof(uint16_t) > strlen(part->u.user.name);
}

#define OF_THE_KERNEL (IPT_RANDOM | IPT_NTH | IPT_RATE | IPT_CONNECTIONS | IPT_LOG_RATE)

/* One byte of an entry is another: it is another rule, or none of ours. */
static void tells_apart(const struct ipt_rule *rule, uint8_t family)
{
	static struct sample_random random = { 7 };
	struct pfw_buffer entry = { 0 }, text = { 0 };
	struct ipt_rule back;
	char target[IPT_CHAIN_SIZE];
	uint8_t *copy;
	unsigned int i;
	size_t at;

	encode(rule, family, &entry);
	strcpy(target, target_of((void *)entry.data, family));
	for (i = 0; i < 40; i++) {
		at = sample_below(&random, (uint32_t)entry.len);
		if (is_idle((void *)entry.data, at, family) || rule->asks & OF_THE_KERNEL)
			continue;
		copy = copy_of(&entry);
		copy[at] ^= (uint8_t)(1u << sample_below(&random, 8));
		ipt_rule_decode(copy, target, family, &back);
		ck_assert_msg(memcmp(rule, &back, sizeof(back)), "byte %zu does not count: %s", at,
			      words(rule, family, &text));
		free(copy);
	}
	pfw_buffer_free(&entry);
	pfw_buffer_free(&text);
}

START_TEST(every_byte_counts)
{
	each_rule(tells_apart);
}
END_TEST

static void set_next(uint8_t *entry, uint8_t family, size_t next)
{
	struct ipt_entry *v4 = (void *)entry;
	struct ip6t_entry *v6 = (void *)entry;

	if (family == AF_INET)
		v4->next_offset = (uint16_t)next;
	else
		v6->next_offset = (uint16_t)next;
}

/* Cut off, and spoilt where it likes: nothing behind its end is read. */
static void survives(const struct ipt_rule *rule, uint8_t family)
{
	static struct sample_random random = { 8 };
	size_t head = family == AF_INET ? sizeof(struct ipt_entry) : sizeof(struct ip6t_entry);
	struct pfw_buffer entry = { 0 };
	struct ipt_rule back, again;
	uint8_t *copy;
	unsigned int i, k;
	size_t len, at;

	encode(rule, family, &entry);
	for (i = 0; i < 60; i++) {
		len = entry.len;
		copy = copy_of(&entry);
		if (i % 2)
			len = head + sample_below(&random, (uint32_t)(entry.len - head));
		for (k = sample_below(&random, 6); k; k--) {
			at = sample_below(&random, (uint32_t)len);
			copy[at] = (uint8_t)sample_below(&random, 256);
		}
		copy = realloc(copy, len);
		ck_assert_ptr_nonnull(copy);
		set_next(copy, family, len);
		ipt_rule_decode(copy, i % 3 ? "DNAT" : "RETURN", family, &back);
		ipt_rule_decode(copy, i % 3 ? "DNAT" : "RETURN", family, &again);
		ck_assert_mem_eq(&back, &again, sizeof(back));
		free(copy);
	}
	pfw_buffer_free(&entry);
}

START_TEST(what_is_spoilt_is_foreign)
{
	each_rule(survives);
}
END_TEST

START_TEST(foreign_rules_keep_their_owner)
{
	struct ipt_rule rule = { .asks = IPT_PORT, .protocol = IPPROTO_TCP, .port = { 80, 80 },
				 .target = IPT_MASQUERADE, .owner = "web" };
	struct pfw_buffer entry = { 0 };
	struct ipt_rule one, other;

	encode(&rule, AF_INET, &entry);
	/* -f, which we never ask for */
	((struct ipt_entry *)(void *)entry.data)->ip.flags |= IPT_F_FRAG;
	ipt_rule_decode(entry.data, "MASQUERADE", AF_INET, &one);
	ck_assert_uint_eq(one.target, IPT_FOREIGN);
	ck_assert_str_eq(one.owner, "web");
	rule.port.hi = 81;
	encode(&rule, AF_INET, &entry);
	((struct ipt_entry *)(void *)entry.data)->ip.flags |= IPT_F_FRAG;
	ipt_rule_decode(entry.data, "MASQUERADE", AF_INET, &other);
	ck_assert_uint_ne(one.digest, other.digest);
	/* A user chain of another's has no digest of the place where it stands today. */
	ipt_rule_decode(entry.data, "OTHER", AF_INET, &one);
	ck_assert_uint_ne(one.digest, other.digest);
	pfw_buffer_free(&entry);
}
END_TEST

/* ---- Rates */

START_TEST(rates_that_hashlimit_cannot_count)
{
	static const struct {
		struct pfw_limit limit;
		bool fits;
	} cases[] = {
		{ { 10000, 1, 0, 0 }, true },
		{ { 10001, 1, 0, 0 }, false },		/* a hundredth off, and more above */
		{ { 600000, 60, 0, 0 }, true },
		{ { 1, 86400, 1, 0 }, true },
		{ { 1, 86400, 2, 0 }, false },		/* two days until the burst is back */
		{ { 1, 86400, 0, 0 }, false },		/* 5 by default */
		{ { 5, 86400, 0, 0 }, true },
		{ { 1000, 1, 1000000, 0 }, true },
		{ { 1000, 1, 1000001, 0 }, false },
		{ { 1000000000, 1, 4294967295, 0 }, false },
	};
	size_t i;

	for (i = 0; i < COUNT(cases); i++)
		ck_assert_msg(ipt_rate_fits(&cases[i].limit) == cases[i].fits,
			      "%u in %u s, burst %u", cases[i].limit.rate, cases[i].limit.per,
			      cases[i].limit.burst);
}
END_TEST

TCase *ipt_rule_case(void)
{
	TCase *tcase;

	UNIT_CASE(tcase, "iptables: rules", what_is_put_is_got, every_byte_counts,
		  what_is_spoilt_is_foreign, foreign_rules_keep_their_owner,
		  rates_that_hashlimit_cannot_count);
	return tcase;
}
