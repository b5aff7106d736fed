/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Images in the language of nft(8): a line an item, or the whole table as a file. */
#include <arpa/inet.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <string.h>
#include <time.h>

#include "nft.h"

/* "1d2h3m4s", as nft does; of seconds alone it reads eight digits, which is three years. */
static void print_left(int64_t seconds, struct pfw_buffer *ret)
{
	static const struct {
		int64_t seconds;
		char letter;
	} units[] = { { 86400, 'd' }, { 3600, 'h' }, { 60, 'm' }, { 1, 's' } };
	size_t i;

	for (i = 0; i < sizeof(units) / sizeof(*units); i++) {
		if (seconds >= units[i].seconds)
			pfw_buffer_printf(ret, "%lld%c", (long long)(seconds / units[i].seconds),
					  units[i].letter);
		seconds %= units[i].seconds;
	}
}

static void print_element(const struct pfw_item *item, const struct nft_set *set,
			  struct pfw_buffer *ret)
{
	const uint8_t *key = pfw_item_key(item) + 1;
	size_t len = item->key_len - 1u;
	struct nft_verdict_value verdict = { 0 };
	char comment[NFT_COMMENT_SIZE];

	if (!len)
		pfw_buffer_puts(ret, "*");
	else if (set->flags & NFT_SET_INTERVAL)
		nft_fields_print_interval(set->key, NFT_SET_FIELDS, key, key + len / 2, ret);
	else
		nft_fields_print(set->key, NFT_SET_FIELDS, key, len, ret);
	if (set->data[0] == NFT_FIELD_VERDICT)
		memcpy(&verdict, pfw_item_value(item), sizeof(verdict));
	if (verdict.until > 0) {
		pfw_buffer_puts(ret, " timeout ");
		print_left(nft_seconds_left(verdict.until, time(NULL)), ret);
	}
	if (item->owner) {
		nft_comment_print(item->owner, verdict.until, comment);
		pfw_buffer_printf(ret, " comment \"%s\"", comment);
	}
	if (!item->value_len)
		return;
	pfw_buffer_puts(ret, " : ");
	nft_fields_print(set->data, 2, pfw_item_value(item), item->value_len, ret);
}

static void print_table_flags(const struct pfw_item *item, struct pfw_buffer *ret)
{
	const struct nft_flags_value value = nft_flags_value(item);

	pfw_buffer_printf(ret, "table inet " NFT_TABLE " { flags %s%s%s; }",
			  value.flags & NFT_TABLE_OWNER ? "owner" : "",
			  value.flags == NFT_TABLE_OWNED ? "," : "",
			  value.flags & NFT_TABLE_PERSIST ? "persist" : "");
	if (value.port)
		pfw_buffer_printf(ret, " of another program, netlink port %u", value.port);
}

void nft_print(const struct pfw_item *item, struct pfw_buffer *ret)
{
	struct nft_set set;

	switch (item->kind) {
	case NFT_KIND_TABLE:
		pfw_buffer_puts(ret, "table inet " NFT_TABLE);
		break;
	case NFT_KIND_SET:
		pfw_buffer_printf(ret, "set %s", nft_item_name(item));
		break;
	case NFT_KIND_CHAIN:
		pfw_buffer_printf(ret, "chain %s", nft_item_name(item));
		break;
	case NFT_KIND_FLAGS:
		print_table_flags(item, ret);
		break;
	case NFT_KIND_ELEMENT:
		nft_set_describe(nft_element_set(item), &set);
		pfw_buffer_printf(ret, "element %s { ", set.name);
		print_element(item, &set, ret);
		pfw_buffer_puts(ret, " }");
		break;
	}
}

static void print_flags(uint32_t flags, struct pfw_buffer *ret)
{
	static const struct {
		uint32_t flag;
		const char *word;
	} words[] = {
		{ NFT_SET_EVAL, "dynamic" }, { NFT_SET_INTERVAL, "interval" },
		{ NFT_SET_TIMEOUT, "timeout" },
	};
	bool any = false;
	size_t i;

	for (i = 0; i < sizeof(words) / sizeof(*words); i++) {
		if (!(flags & words[i].flag))
			continue;
		pfw_buffer_printf(ret, "%s%s", any ? "," : "\t\tflags ", words[i].word);
		any = true;
	}
	pfw_buffer_puts(ret, any ? "\n" : "");
}

static void print_set(const struct pfw_image *image, const struct pfw_item *item,
		      struct pfw_buffer *ret)
{
	const char *name = nft_item_name(item);
	uint8_t number = nft_set_find(name);
	struct nft_set_value value;
	struct nft_set set;
	bool any = false;
	uint32_t i;

	memcpy(&value, pfw_item_value(item), sizeof(value));
	nft_set_describe(number, &set);
	pfw_buffer_printf(ret, "\t%s %s {\n\t\ttype ", set.data[0] ? "map" : "set", name);
	nft_fields_print_type(set.key, NFT_SET_FIELDS, ret);
	if (set.data[0]) {
		pfw_buffer_puts(ret, " : ");
		nft_fields_print_type(set.data, 2, ret);
	}
	pfw_buffer_puts(ret, "\n");
	if (value.size)
		pfw_buffer_printf(ret, "\t\tsize %u\n", value.size);
	print_flags(value.flags, ret);
	if (value.timeout)
		pfw_buffer_printf(ret, "\t\ttimeout %llus\n",
				  (unsigned long long)value.timeout / 1000);
	if (value.counter)
		pfw_buffer_puts(ret, "\t\tcounter\n");
	for (i = 0; i < image->n_items; i++) {
		if (image->items[i].kind != NFT_KIND_ELEMENT ||
		    nft_element_set(&image->items[i]) != number)
			continue;
		pfw_buffer_puts(ret, any ? ",\n\t\t\t" : "\t\telements = {\n\t\t\t");
		print_element(&image->items[i], &set, ret);
		any = true;
	}
	pfw_buffer_puts(ret, any ? "\n\t\t}\n\t}\n\n" : "\t}\n\n");
}

static const char *hook_name(uint32_t hook)
{
	static const char *const names[] = {
		[NF_INET_PRE_ROUTING] = "prerouting", [NF_INET_LOCAL_IN] = "input",
		[NF_INET_FORWARD] = "forward",	      [NF_INET_LOCAL_OUT] = "output",
		[NF_INET_POST_ROUTING] = "postrouting",
	};

	return hook < sizeof(names) / sizeof(*names) ? names[hook] : "unknown";
}

static void print_chain(const struct pfw_item *item, struct pfw_buffer *ret)
{
	struct nft_chain_value head;
	const char *line, *end;

	memcpy(&head, pfw_item_value(item), sizeof(head));
	pfw_buffer_printf(ret, "\tchain %s {\n", nft_item_name(item));
	if (head.is_base)
		pfw_buffer_printf(ret, "\t\ttype %.16s hook %s priority %d; policy accept;\n",
				  head.type, hook_name(head.hook), head.priority);
	for (line = item->text; line && *line; line = end + 1) {
		end = strchr(line, '\n');
		if (!end)
			break;
		pfw_buffer_printf(ret, "\t\t%.*s\n", (int)(end - line), line);
	}
	pfw_buffer_puts(ret, "\t}\n\n");
}

/* nft reads a file in order, so a chain that an element or a rule goes to stands before it. */
void nft_text(const struct pfw_image *image, struct pfw_buffer *ret)
{
	struct nft_chain_value head;
	unsigned int base;
	uint32_t i;

	pfw_buffer_puts(ret, "table inet " NFT_TABLE "\ndelete table inet " NFT_TABLE "\n");
	if (!image->n_items)
		return;
	pfw_buffer_puts(ret, "table inet " NFT_TABLE " {\n");
	for (i = 0; i < image->n_items; i++)
		if (image->items[i].kind == NFT_KIND_SET)
			print_set(image, &image->items[i], ret);
	for (base = 0; base < 2; base++)
		for (i = 0; i < image->n_items; i++) {
			if (image->items[i].kind != NFT_KIND_CHAIN)
				continue;
			memcpy(&head, pfw_item_value(&image->items[i]), sizeof(head));
			if (head.is_base == base)
				print_chain(&image->items[i], ret);
		}
	/* The last blank line is not wanted. */
	if (ret->len && ret->data[ret->len - 1] == '\n')
		ret->data[--ret->len] = '\0';
	pfw_buffer_puts(ret, "}\n");
}
