/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The sets and maps of the table, and how their fields are written. */
#include <netinet/in.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <sys/socket.h>

#include "../../../src/backend/nft/layout.h"
#include "cases.h"

/* If this fails, two maps share a name, or one is read back as another. */
START_TEST(test_names)
{
	struct nft_set set, other;
	uint8_t number, before;

	for (number = 0; number < NFT_SETS; number++) {
		nft_set_describe(number, &set);
		ck_assert_str_ne(set.name, "");
		ck_assert_str_ne(set.name, "fwd");
		ck_assert_uint_eq(nft_set_find(set.name), number);
		for (before = 0; before < number; before++) {
			nft_set_describe(before, &other);
			ck_assert_str_ne(set.name, other.name);
		}
	}
	ck_assert_uint_eq(nft_set_find("no such set"), NFT_SETS);
	ck_assert_uint_eq(nft_set_find(""), NFT_SETS);
	nft_set_describe(NFT_SETS, &set);
	ck_assert_str_eq(set.name, "");
}
END_TEST

START_TEST(test_numbers)
{
	bool seen[NFT_SETS] = { false };
	unsigned int purpose, family, tier, remote;
	uint8_t number;

	for (purpose = 0; purpose < NFT_PURPOSES; purpose++)
		for (family = 0; family < 2; family++)
			for (tier = 0; tier < PFW_TIERS; tier++)
				for (remote = 0; remote < 2; remote++) {
					number = nft_set_number(purpose,
								family ? AF_INET6 : AF_INET,
								(uint8_t)tier, remote);
					ck_assert_uint_lt(number, NFT_SET_MAPS);
					ck_assert(!seen[number]);
					seen[number] = true;
				}
}
END_TEST

/* If this fails, the kernel refuses the keys (EINVAL), or nft cannot read the table. */
START_TEST(test_keys)
{
	static const struct {
		const char *name, *type;
		uint32_t key_len, data_len;
	} rows[] = {
		{ "dnat4_addr_if", "ipv4_addr . inet_proto . inet_service . ifname", 28, 8 },
		{ "dnat4_addr", "ipv4_addr . inet_proto . inet_service", 12, 8 },
		{ "dnat4_if", "inet_proto . inet_service . ifname", 24, 8 },
		{ "dnat4_any", "inet_proto . inet_service", 8, 8 },
		{ "dnat4_any_remote", "inet_proto . inet_service", 8, 8 },
		{ "dnat6_addr_if", "ipv6_addr . inet_proto . inet_service . ifname", 40, 20 },
		{ "dnat6_addr_remote", "ipv6_addr . inet_proto . inet_service", 24, 20 },
		{ "dnat6_any", "inet_proto . inet_service", 8, 20 },
		{ "self4_addr", "ipv4_addr . inet_proto . inet_service", 12, 2 },
		{ "self6_any_remote", "inet_proto . inet_service", 8, 2 },
		{ "snat6_addr_if",
		  "ipv6_addr . inet_proto . inet_service . ipv6_addr . ifname", 56, 0 },
		{ "snat4_addr",
		  "ipv4_addr . inet_proto . inet_service . ipv4_addr . inet_service", 20, 0 },
		{ "snat_range6_if",
		  "inet_proto . inet_service . ipv6_addr . inet_service . ifname", 44, 0 },
		{ "hairpin", "ifname . ifname", 32, 0 },
		{ "revision", "mark . mark", 8, 0 },
	};
	struct pfw_buffer text = { 0 };
	struct nft_set set;
	uint8_t number;
	size_t i;

	for (i = 0; i < COUNT(rows); i++) {
		number = nft_set_find(rows[i].name);
		ck_assert_msg(number < NFT_SETS, "no set %s", rows[i].name);
		nft_set_describe(number, &set);
		text.len = 0;
		nft_fields_print_type(set.key, NFT_SET_FIELDS, &text);
		ck_assert_str_eq(text.data, rows[i].type);
		ck_assert_uint_eq(nft_fields_size(set.key, NFT_SET_FIELDS), rows[i].key_len);
		ck_assert_uint_eq(nft_fields_size(set.data, 2), rows[i].data_len);
		ck_assert(!(set.flags & NFT_SET_MAP) == !set.data[0]);
		ck_assert_uint_le(nft_fields_size(set.key, NFT_SET_FIELDS) + 1, NFT_ELEMENT_KEY_MAX);
	}
	pfw_buffer_free(&text);
}
END_TEST

/* As nft's own datatype.h numbers them: ((ipv4_addr << 6 | inet_proto) << 6) | inet_service. */
START_TEST(test_types)
{
	const enum nft_field key[] = { NFT_FIELD_IPV4_ADDR, NFT_FIELD_INET_PROTO,
				       NFT_FIELD_INET_SERVICE };
	const enum nft_field verdict[] = { NFT_FIELD_VERDICT, NFT_FIELD_NONE };

	ck_assert_uint_eq(nft_fields_type(key, 3), (7 << 6 | 12) << 6 | 13);
	ck_assert_uint_eq(nft_fields_type(key + 1, 1), 12);
	ck_assert_uint_eq(nft_fields_size(key + 1, 1), 1);
	ck_assert_uint_eq(nft_fields_type(verdict, 2), NFT_DATA_VERDICT);
}
END_TEST

START_TEST(test_print)
{
	const enum nft_field key[] = { NFT_FIELD_IPV6_ADDR, NFT_FIELD_INET_PROTO,
				       NFT_FIELD_INET_SERVICE, NFT_FIELD_IFNAME };
	const enum nft_field verdict[] = { NFT_FIELD_VERDICT, NFT_FIELD_NONE };
	const struct nft_verdict_value going = { NFT_GOTO, "masquerades" };
	const struct nft_verdict_value staying = { NF_ACCEPT, "" };
	const uint8_t bytes[40] = { 0x20, 0x01, 0x0d, 0xb8, [15] = 1, [16] = IPPROTO_SCTP,
				    [20] = 0x1f, 0x90, [24] = 'w', 'a', 'n', '0' };
	const uint8_t other[] = { 99 };
	const uint8_t longest[16] = { 'a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i', 'j', 'k', 'l',
				      'm', 'n', 'o', 'p' };
	struct pfw_buffer text = { 0 };

	nft_fields_print(key, 4, bytes, sizeof(bytes), &text);
	ck_assert_str_eq(text.data, "2001:db8::1 . sctp . 8080 . \"wan0\"");
	text.len = 0;
	nft_fields_print(key + 1, 1, other, sizeof(other), &text);
	ck_assert_str_eq(text.data, "99");
	/* Without its NUL, as only a stranger could have put it. */
	text.len = 0;
	nft_fields_print(key + 3, 1, longest, sizeof(longest), &text);
	ck_assert_str_eq(text.data, "\"abcdefghijklmnop\"");
	text.len = 0;
	nft_fields_print(verdict, 2, (const uint8_t *)&going, sizeof(going), &text);
	nft_fields_print(verdict, 2, (const uint8_t *)&staying, sizeof(staying), &text);
	ck_assert_str_eq(text.data, "goto masqueradesaccept");
	/* What is too short is printed as far as it goes. */
	text.len = 0;
	pfw_buffer_puts(&text, "");
	nft_fields_print(key, 4, bytes, 17, &text);
	ck_assert_str_eq(text.data, "2001:db8::1 . sctp");
	pfw_buffer_free(&text);
}
END_TEST

TCase *layout_case(void)
{
	TCase *tcase;

	UNIT_CASE(tcase, "layout", test_names, test_numbers, test_keys, test_types, test_print);
	tcase_set_timeout(tcase, 30);
	return tcase;
}
