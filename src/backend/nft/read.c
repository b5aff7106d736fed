/* SPDX-License-Identifier: GPL-2.0-or-later */
/* From the kernel to an image: table inet portfwd and its sets here, then what is in them. */
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter/nf_tables.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <libnftnl/set.h>

#include "reader.h"

/* How often a read is started anew because the ruleset changed meanwhile, and the pause, in ms. */
#define READ_ATTEMPTS 200
#define READ_PAUSE 5

int reader_ask(struct reader *reader, struct nlmsghdr *message,
	       int (*each)(void *ctx, const struct nlmsghdr *message))
{
	return pfw_netlink_ask(reader->handle->nl, message, each, reader, reader->err);
}

bool reader_ours(const char *table)
{
	return table && !strcmp(table, NFT_TABLE);
}

int reader_table(struct reader *reader)
{
	struct nft_table table = { 0 };
	int ret = nft_ask_table(reader->handle, &table, reader->err);
	uint32_t flags = table.flags & ~NFT_TABLE_OWNED;

	if (ret)
		return ret;
	if (!pfw_image_add(reader->image, NFT_KIND_TABLE, NFT_TABLE, sizeof(NFT_TABLE), &flags,
			   sizeof(flags), NULL))
		return -ENOMEM;
	return nft_flags_read(reader->handle, &table, reader->image);
}

static int add_anonymous(struct reader *reader, const struct nftnl_set *set, const char *name)
{
	struct anonymous_set *sets =
		reallocarray(reader->sets, reader->n_sets + 1, sizeof(*reader->sets));

	if (!sets)
		return -ENOMEM;
	reader->sets = sets;
	sets[reader->n_sets] = (struct anonymous_set){
		.set = {
			.flags = nftnl_set_get_u32(set, NFTNL_SET_FLAGS) &
				 ~(uint32_t)(NFT_SET_ANONYMOUS | NFT_SET_CONSTANT),
			.key_type = nftnl_set_get_u32(set, NFTNL_SET_KEY_TYPE),
			.key_len = nftnl_set_get_u32(set, NFTNL_SET_KEY_LEN),
			.data_type = nftnl_set_get_u32(set, NFTNL_SET_DATA_TYPE),
			.data_len = nftnl_set_get_u32(set, NFTNL_SET_DATA_LEN),
		},
	};
	snprintf(sets[reader->n_sets].name, sizeof(sets->name), "%s", name);
	reader->n_sets++;
	return 0;
}

static int add_set(struct reader *reader, const struct nftnl_set *set, const char *name)
{
	uint8_t number = nft_set_find(name);
	struct nft_set declared;
	struct nft_set_value value = {
		.key_type = nftnl_set_get_u32(set, NFTNL_SET_KEY_TYPE),
		.key_len = nftnl_set_get_u32(set, NFTNL_SET_KEY_LEN),
		.data_type = nftnl_set_get_u32(set, NFTNL_SET_DATA_TYPE),
		.data_len = nftnl_set_get_u32(set, NFTNL_SET_DATA_LEN),
		.flags = nftnl_set_get_u32(set, NFTNL_SET_FLAGS),
		.size = nftnl_set_get_u32(set, NFTNL_SET_DESC_SIZE),
		.timeout = nftnl_set_get_u64(set, NFTNL_SET_TIMEOUT),
		.counter = nftnl_set_is_set(set, NFTNL_SET_EXPR) ||
			   nftnl_set_is_set(set, NFTNL_SET_EXPRESSIONS),
	};

	struct pfw_item *item;

	if (value.data_type == NFT_DATA_VERDICT)
		value.data_len = 0;	/* the size of the kernel's own struct */
	nft_set_describe(number, &declared);
	if (declared.fitted) {
		reader->handle->room[number] = value.size;
		value.size = 0;
	}
	item = pfw_image_add(reader->image, NFT_KIND_SET, name, strlen(name) + 1, &value,
			     sizeof(value), NULL);
	if (!item)
		return -ENOMEM;
	item->owner = nft_name_owner(nft_item_name(item));
	return 0;
}

static int take_set(void *ctx, const struct nlmsghdr *message)
{
	struct reader *reader = ctx;
	struct nftnl_set *set = nftnl_set_alloc();
	const char *name;
	int ret = -ENOMEM;

	if (!set)
		return ret;
	if (nftnl_set_nlmsg_parse(message, set) < 0) {
		ret = -EBADMSG;
		goto out;
	}
	ret = 0;
	if (!reader_ours(nftnl_set_get_str(set, NFTNL_SET_TABLE)))
		goto out;
	name = nftnl_set_get_str(set, NFTNL_SET_NAME);
	if (nftnl_set_get_u32(set, NFTNL_SET_FLAGS) & NFT_SET_ANONYMOUS)
		ret = add_anonymous(reader, set, name);
	else
		ret = add_set(reader, set, name);
out:
	nftnl_set_free(set);
	return ret;
}

static int read_sets(struct reader *reader)
{
	_Alignas(struct nlmsghdr) char buf[NFT_REQUEST_SIZE];
	struct nlmsghdr *message = nft_request(buf, NFT_MSG_GETSET, NLM_F_DUMP);

	mnl_attr_put_strz(message, NFTA_SET_TABLE, NFT_TABLE);
	return reader_ask(reader, message, take_set);
}

int reader_set(struct reader *reader, const char *name)
{
	_Alignas(struct nlmsghdr) char buf[NFT_REQUEST_SIZE];
	struct nlmsghdr *message = nft_request(buf, NFT_MSG_GETSET, 0);
	const size_t before = reader->n_sets;
	int ret;

	mnl_attr_put_strz(message, NFTA_SET_TABLE, NFT_TABLE);
	mnl_attr_put_strz(message, NFTA_SET_NAME, name);
	ret = reader_ask(reader, message, take_set);
	if (!ret && reader->n_sets > before)
		ret = reader_anonymous(reader, &reader->sets[before]);
	return ret == -ENOENT ? 0 : ret;
}

void reader_free(struct reader *reader)
{
	size_t i;

	for (i = 0; i < reader->n_chains; i++)
		nft_chain_free(&reader->chains[i]);
	for (i = 0; i < reader->n_sets; i++)
		pfw_buffer_free(&reader->sets[i].elements);
	pfw_buffer_free(&reader->rules);
	free(reader->chains);
	free(reader->sets);
}

/*
 * Without a table the image stays empty. -EINTR: the ruleset, or the shape of a hash,
 * changed meanwhile.
 */
static int read_once(struct pfw_backend_handle *handle, struct pfw_image *image,
		     struct pfw_error *err)
{
	struct reader reader = { .handle = handle, .image = image, .err = err };
	uint32_t before, after = 0;
	int ret, absent;

	memset(handle->room, 0, sizeof(handle->room));
	ret = pfw_netlink_generation(handle->nl, &before, err);
	if (ret)
		return ret;
	ret = reader_table(&reader);
	absent = ret == -ENOENT;
	if (!ret)
		ret = read_sets(&reader);
	if (!ret)
		ret = reader_elements(&reader);
	if (!ret)
		ret = reader_check(image);
	if (!ret)
		ret = reader_chains(&reader);
	if (!ret)
		ret = reader_rules(&reader);
	reader_free(&reader);
	/* What vanished between two requests is a change, not a failure. */
	if (ret == -ENOENT && !absent)
		return -EINTR;
	if (ret && !absent)
		return ret;
	ret = pfw_netlink_generation(handle->nl, &after, err);
	if (!ret && before != after)
		ret = -EINTR;
	if (!ret)
		handle->generation = handle->stands = after;
	handle->has_read = !ret;
	nft_remember_stamp(handle, image);
	return ret;
}

int nft_read(struct pfw_backend_handle *handle, struct pfw_image *ret, struct pfw_error *err)
{
	const struct timespec pause = { .tv_nsec = READ_PAUSE * 1000 * 1000 };
	const int attempts = handle->hasty ? 1 : READ_ATTEMPTS;
	struct pfw_image image = { 0 };
	int code = -EINTR, attempt;

	for (attempt = 0; code == -EINTR && attempt < attempts; attempt++) {
		if (attempt)
			nanosleep(&pause, NULL);
		pfw_image_free(&image);
		code = read_once(handle, &image, err);
	}
	if (!code) {
		*ret = image;
		return 0;
	}
	pfw_image_free(&image);
	if (err->count)
		return code;
	if (code == -EINTR)
		return pfw_fail(err, PFW_FAILED, -EAGAIN,
				"the nf_tables ruleset keeps changing while it is read; try again");
	return pfw_fail_errno(err, code, "cannot read table inet " NFT_TABLE);
}
