/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the parts of the host backend share. */
#ifndef PORTFWD_BACKEND_HOST_INSIDE_H
#define PORTFWD_BACKEND_HOST_INSIDE_H

#include "portfwd/backend/backend.h"

#define HOST_KEY_SIZE 192

struct pfw_backend_handle {
	struct pfw_host_record *record;
	pfw_host_save *save;
	void *ctx;
};

/* ---- item.c: one sysctl */

const char *host_key_of(const struct pfw_item *item);
/* -ENOMEM. */
int host_add_item(struct pfw_image *image, const char *key, const char *value);
/* -ENOENT (without words) where there is no such sysctl. */
int host_has_value(const char *key, const char *wanted, bool *ret, struct pfw_error *err);
/* Puts the value of now into the record, unless there is an older one. */
int host_remember(struct pfw_host_record *record, const char *key, struct pfw_error *err);

/* Whether the key is such a one; then *ret_name is its interface. */
typedef bool host_is(const char *key, char ret_name[PFW_IFNAME_SIZE]);
/* value is that of now. -ENOMEM. */
typedef int host_take(void *ctx, const char *key, const char *name, const char *value);
/* Each sysctl of the record that is such a one and is there still. */
int host_each_recorded(const struct pfw_host_record *record, host_is *is, host_take *take,
		       void *ctx, struct pfw_error *err);

/* ---- routing.c: the switch of a family, and what goes with it */

struct host_routing;

int host_routing_facts(const struct pfw_host_record *record, struct pfw_facts *facts,
		       struct pfw_error *err);
/* -ENOMEM. */
int host_routing_compile(const struct pfw_plan *plan, struct pfw_image *image);
int host_routing_read(const struct pfw_host_record *record, struct pfw_image *image,
		      struct pfw_error *err);
/* NULL: the item is no switch. */
const struct host_routing *host_routing_of(const struct pfw_item *item);
/* What the switch is about to change, and the interfaces that its item names. */
int host_routing_remember(struct pfw_backend_handle *handle, const struct host_routing *routing,
			  const struct pfw_item *item, struct pfw_error *err);
/* Puts everything of this routing back, the last change first, and forgets it. */
int host_routing_put_back(struct pfw_backend_handle *handle, const struct host_routing *routing,
			  struct pfw_error *err);

/* ---- advertised.c: accept_ra */

host_is host_is_advertised;
/* Where advertisements are taken now that would not be any more; what comes later is "default". */
int host_advertised_gather(struct pfw_links *ret, struct pfw_error *err);
/* Those that were changed and are there still. */
int host_advertised_recall(const struct pfw_host_record *record, struct pfw_links *ret,
			   struct pfw_error *err);
/* -ENOMEM. */
int host_advertised_compile(const struct pfw_links *links, struct pfw_image *image);
int host_advertised_read(const struct pfw_host_record *record, struct pfw_image *image,
			 struct pfw_error *err);

/* ---- localnet.c: route_localnet */

int host_localnet_facts(const struct pfw_host_record *record, struct pfw_facts *facts,
			struct pfw_error *err);
/* -ENOMEM. */
int host_localnet_compile(const struct pfw_plan *plan, struct pfw_image *image);
int host_localnet_read(const struct pfw_host_record *record, struct pfw_image *image,
		       struct pfw_error *err);
/* Those of each step that takes one away; with added, of each that brought one. */
int host_localnet_put_back(struct pfw_backend_handle *handle,
			   const struct pfw_difference *difference, bool added,
			   struct pfw_error *err);

#endif
