/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How tables, sets, chains and elements are encoded as items of an image. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "nft.h"
#include "portfwd/base/time.h"

void nft_chain_begin(struct nft_chain *chain, const char *name, const struct nft_chain_value *head)
{
	*chain = (struct nft_chain){ .name = name };
	pfw_buffer_append(&chain->value, head, sizeof(*head));
}

void nft_chain_add(struct nft_chain *chain, struct nft_rule *rule)
{
	uint32_t len = (uint32_t)rule->records.len;

	if (rule->failed || rule->records.failed || rule->text.failed)
		chain->failed = true;
	pfw_buffer_append(&chain->value, &len, sizeof(len));
	pfw_buffer_append(&chain->value, rule->records.data, rule->records.len);
	pfw_buffer_append(&chain->text, rule->text.data, rule->text.len);
	pfw_buffer_puts(&chain->text, "\n");
	nft_rule_free(rule);
	*rule = (struct nft_rule){ 0 };
}

int nft_chain_end(struct nft_chain *chain, struct pfw_image *image)
{
	struct pfw_item *item = NULL;
	char *text = NULL;

	if (!chain->failed && !chain->value.failed && !chain->text.failed)
		text = pfw_arena_text(&image->arena, chain->text.data ? chain->text.data : "",
				      chain->text.len);
	if (text)
		item = pfw_image_add(image, NFT_KIND_CHAIN, chain->name, strlen(chain->name) + 1,
				     chain->value.data, chain->value.len, NULL);
	if (item) {
		item->text = text;
		item->count = chain->count;
		item->owner = nft_name_owner(nft_item_name(item));
	}
	nft_chain_free(chain);
	return item ? 0 : -ENOMEM;
}

int nft_chain_end_checked(struct nft_chain *chain, struct pfw_image *image, int ret)
{
	if (!ret)
		return nft_chain_end(chain, image);
	nft_chain_free(chain);
	return ret;
}

void nft_chain_free(struct nft_chain *chain)
{
	pfw_buffer_free(&chain->value);
	pfw_buffer_free(&chain->text);
}

bool nft_chain_next_rule(const struct pfw_item *item, size_t *at, const uint8_t **ret_records,
			 size_t *ret_len)
{
	const uint8_t *value = pfw_item_value(item);
	size_t start = *at ? *at : sizeof(struct nft_chain_value);
	uint32_t len;

	if (start + sizeof(len) > item->value_len)
		return false;
	memcpy(&len, value + start, sizeof(len));
	start += sizeof(len);
	if (len > item->value_len - start)
		return false;
	*ret_records = value + start;
	*ret_len = len;
	*at = start + len;
	return true;
}

uint8_t nft_element_set(const struct pfw_item *item)
{
	return pfw_item_key(item)[0];
}

const char *nft_item_name(const struct pfw_item *item)
{
	return (const char *)pfw_item_key(item);
}

bool nft_is_past(const struct pfw_item *item, int64_t now)
{
	struct nft_verdict_value verdict;

	if (item->kind != NFT_KIND_ELEMENT || item->value_len != sizeof(verdict))
		return false;
	memcpy(&verdict, pfw_item_value(item), sizeof(verdict));
	return verdict.until && verdict.until <= now;
}

/* Whether all rules of one chain are in another, in their order. */
static bool has_rules(const struct pfw_item *chain, const struct pfw_item *wanted)
{
	const uint8_t *records, *other;
	size_t at = 0, wanted_at = 0, len, other_len;

	while (nft_chain_next_rule(wanted, &wanted_at, &records, &len))
		do {
			if (!nft_chain_next_rule(chain, &at, &other, &other_len))
				return false;
		} while (len != other_len || memcmp(records, other, len));
	return true;
}

/* Elements of forwards are theirs, so a map that is gone is told by what was in it. */
bool nft_is_broken(const struct pfw_step *step)
{
	const struct pfw_item *before = step->before, *after = step->after;

	if (after && after->kind == NFT_KIND_TABLE)
		return true;
	if (!after || after->kind != NFT_KIND_CHAIN || nft_is_guard(after))
		return false;
	return !before ||
	       memcmp(pfw_item_value(before), pfw_item_value(after), sizeof(struct nft_chain_value)) ||
	       !has_rules(before, after);
}

#define UNTIL " until "

void nft_comment_print(const char *owner, int64_t until, char ret[NFT_COMMENT_SIZE])
{
	char time[PFW_TIME_TEXT];

	if (until > 0)
		snprintf(ret, NFT_COMMENT_SIZE, "%s" UNTIL "%s", owner, pfw_time_print(until, time));
	else
		snprintf(ret, NFT_COMMENT_SIZE, "%s", owner);
}

/* The kernel counts no further than 584 years. */
#define LEFT_MAX (INT64_C(100) * 365 * 24 * 60 * 60)

int64_t nft_seconds_left(int64_t until, int64_t now)
{
	int64_t left = until - now;

	return left < 1 ? 1 : left > LEFT_MAX ? LEFT_MAX : left;
}

void nft_comment_split(char *comment, int64_t *ret_until)
{
	struct pfw_error ignored = PFW_ERROR_INIT;
	char *until = strstr(comment, UNTIL);
	int64_t time;

	*ret_until = 0;
	if (!until || pfw_time_parse(until + strlen(UNTIL), strlen(until) - strlen(UNTIL), &time, &ignored))
		return;
	*ret_until = time;
	*until = '\0';
}

void nft_stamp(const struct pfw_plan *plan, uint8_t ret[8])
{
	/* With forwards, draining asks for nothing more but that the shield may stay. */
	const uint64_t draining = (plan->facts.draining && !plan->keys.live) +
				  2 * (pfw_plan_localnet(plan) && !plan->frame.n_localnet);
	const uint64_t content[] = { plan->digest + nft_guard_digest(plan) + draining,
				     NFT_LAYOUT_VERSION, plan->ruleset->settings.counters };
	uint64_t stamp = pfw_hash(content, sizeof(content));

	memcpy(ret, &stamp, sizeof(stamp));
}
