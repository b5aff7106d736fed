/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One sysctl of the host: its item in an image, its value now, and what it was. */
#include <errno.h>
#include <string.h>

#include "inside.h"
#include "portfwd/kernel/link.h"
#include "portfwd/kernel/sysctl.h"

const char *host_key_of(const struct pfw_item *item)
{
	return (const char *)pfw_item_key(item);
}

int host_add_item(struct pfw_image *image, const char *key, const char *value)
{
	return pfw_image_add(image, 0, key, strlen(key) + 1, value, strlen(value) + 1, NULL) ?
		       0 : -ENOMEM;
}

int host_has_value(const char *key, const char *wanted, bool *ret, struct pfw_error *err)
{
	char value[PFW_SYSCTL_VALUE];
	int code = pfw_sysctl_read(key, value, err);

	if (!code)
		*ret = !strcmp(value, wanted);
	return code;
}

int host_remember(struct pfw_host_record *record, const char *key, struct pfw_error *err)
{
	char was[PFW_SYSCTL_VALUE], name[PFW_IFNAME_SIZE];
	uint32_t index;
	int code;

	if (pfw_host_record_find(record, key))
		return 0;	/* the older value is the machine's own */
	code = pfw_sysctl_read(key, was, err);
	if (code == -ENOENT)
		return 0;	/* an interface that went meanwhile */
	if (code)
		return code;
	index = pfw_host_key_interface(key, name) ? pfw_link_index(name) : 0;
	return pfw_host_record_add(record, key, was, index) ? pfw_fail_memory(err) : 0;
}

int host_each_recorded(const struct pfw_host_record *record, host_is *is, host_take *take,
		       void *ctx, struct pfw_error *err)
{
	char name[PFW_IFNAME_SIZE], value[PFW_SYSCTL_VALUE];
	const char *key;
	size_t i;
	int code;

	for (i = 0; i < record->n_entries; i++) {
		key = record->entries[i].key;
		if (!is(key, name))
			continue;
		code = pfw_sysctl_read(key, value, err);
		if (code && code != -ENOENT)
			return code;
		if (!code && take(ctx, key, name, value))
			return pfw_fail_memory(err);
	}
	return 0;
}
