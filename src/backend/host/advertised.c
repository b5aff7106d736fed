/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where router advertisements are taken (accept_ra): an IPv6 router takes none of others where it
 * is 1, and forgets the default routes that it learned there, so before that these become 2.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "inside.h"
#include "portfwd/kernel/link.h"

/* 0 never, 1 unless the interface routes, 2 always. */
#define RA_FOLDER "net/ipv6/conf/"
#define RA_KEY "/accept_ra"
/* Interfaces that come later take over the value of this one. */
#define RA_LATER "default"

static void ra_key(char ret[HOST_KEY_SIZE], const char *interface)
{
	snprintf(ret, HOST_KEY_SIZE, RA_FOLDER "%s" RA_KEY, interface);
}

bool host_is_advertised(const char *key, char ret[PFW_IFNAME_SIZE])
{
	size_t len = strlen(key), around = strlen(RA_FOLDER) + strlen(RA_KEY);

	if (len <= around || len - around >= PFW_IFNAME_SIZE ||
	    strncmp(key, RA_FOLDER, strlen(RA_FOLDER)) ||
	    strcmp(key + len - strlen(RA_KEY), RA_KEY))
		return false;
	memset(ret, 0, PFW_IFNAME_SIZE);
	memcpy(ret, key + strlen(RA_FOLDER), len - around);
	return true;
}

struct gathering {
	struct pfw_links *links;
	struct pfw_error *err;
};

/* What routes already by a switch of its own takes none now, and shall not begin to. */
static int gather_advertised(void *ctx, const char *name, uint32_t index)
{
	struct gathering *to = ctx;
	char key[HOST_KEY_SIZE];
	bool takes = false, routes = false;
	int code;

	ra_key(key, name);
	code = host_has_value(key, "1", &takes, to->err);
	if (!code && takes) {
		snprintf(key, sizeof(key), RA_FOLDER "%s/forwarding", name);
		code = host_has_value(key, "1", &routes, to->err);
	}
	if (code == -ENOENT)
		return 0;	/* it is gone, or has no IPv6 */
	if (code || !takes || routes)
		return code;
	return pfw_links_add(to->links, name, index, false) ? pfw_fail_memory(to->err) : 0;
}

int host_advertised_gather(struct pfw_links *ret, struct pfw_error *err)
{
	struct gathering to = { ret, err };
	int code = pfw_link_each(gather_advertised, &to, err);

	return code ? code : gather_advertised(&to, RA_LATER, 0);
}

/* Somebody's own 0 is respected. */
static int take_link(void *ctx, const char *key, const char *name, const char *value)
{
	(void)key;
	return strcmp(value, "0") ? pfw_links_add(ctx, name, 0, false) : 0;
}

int host_advertised_recall(const struct pfw_host_record *record, struct pfw_links *ret,
			   struct pfw_error *err)
{
	return host_each_recorded(record, host_is_advertised, take_link, ret, err);
}

int host_advertised_compile(const struct pfw_links *links, struct pfw_image *image)
{
	char key[HOST_KEY_SIZE];
	int ret = 0;
	size_t i;

	for (i = 0; !ret && i < links->n; i++) {
		ra_key(key, links->list[i].name);
		ret = host_add_item(image, key, "2");
	}
	return ret;
}

/* As take_link() counts them. */
static int take_item(void *ctx, const char *key, const char *name, const char *value)
{
	(void)name;
	return strcmp(value, "0") ? host_add_item(ctx, key, value) : 0;
}

int host_advertised_read(const struct pfw_host_record *record, struct pfw_image *image,
			 struct pfw_error *err)
{
	return host_each_recorded(record, host_is_advertised, take_item, image, err);
}
