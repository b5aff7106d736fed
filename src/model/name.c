/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Names of forwards: what is one, and the one that a listen part gives. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "portfwd/base/buffer.h"
#include "portfwd/base/index.h"
#include "portfwd/model/forward.h"

#define DIGEST_LEN 8	/* hexadecimal digits */

static bool is_alnum(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

bool pfw_name_valid(const char *text, size_t len)
{
	size_t i;

	if (!len || len > PFW_NAME_MAX || !is_alnum(text[0]))
		return false;
	for (i = 1; i < len; i++)
		if (!is_alnum(text[i]) && text[i] != '_' && text[i] != '.' && text[i] != '-')
			return false;
	return true;
}

static int compare_addresses(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct pfw_addr));
}

static int compare_interfaces(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static int compare_ports(const void *a, const void *b)
{
	const struct pfw_ports *x = a, *y = b;

	return x->lo != y->lo ? (int)x->lo - y->lo : (int)x->hi - y->hi;
}

static int sort(void **array, const void *from, size_t n, size_t size,
		int (*compare)(const void *, const void *))
{
	*array = malloc(n * size + 1);
	if (!*array)
		return -ENOMEM;
	if (n) {
		memcpy(*array, from, n * size);
		qsort(*array, n, size, compare);
	}
	return 0;
}

static void print_parts(const struct pfw_listen *listen, struct pfw_buffer *text)
{
	char addr[PFW_ADDR_TEXT], ports[PFW_PORTS_TEXT];
	unsigned int i;

	for (i = 0; i < PFW_PROTOCOLS; i++)
		if (listen->protocols & 1 << i)
			pfw_buffer_printf(text, "-%s", pfw_name_text(pfw_protocol_names, 1 << i));
	for (i = 0; i < listen->n_addresses; i++)
		pfw_buffer_printf(text, "-%s", pfw_addr_print(&listen->addresses[i], addr));
	for (i = 0; i < listen->n_interfaces; i++)
		pfw_buffer_printf(text, "-%s", listen->interfaces[i]);
	for (i = 0; i < listen->n_ports; i++)
		pfw_buffer_printf(text, "-%s", pfw_ports_print(listen->ports[i], ports));
}

/* The parts joined by '-', each list in order, so that order does not make a new name. */
static int print_sorted(const struct pfw_listen *listen, struct pfw_buffer *text)
{
	struct pfw_listen sorted = *listen;
	void *addresses = NULL, *interfaces = NULL, *ports = NULL;
	int ret = -ENOMEM;

	if (sort(&addresses, listen->addresses, listen->n_addresses, sizeof(*listen->addresses),
		 compare_addresses) < 0 ||
	    sort(&interfaces, listen->interfaces, listen->n_interfaces,
		 sizeof(*listen->interfaces), compare_interfaces) < 0 ||
	    sort(&ports, listen->ports, listen->n_ports, sizeof(*listen->ports),
		 compare_ports) < 0)
		goto out;
	sorted.addresses = addresses;
	sorted.interfaces = interfaces;
	sorted.ports = ports;
	print_parts(&sorted, text);
	ret = text->failed ? -ENOMEM : 0;
out:
	free(ports);
	free(interfaces);
	free(addresses);
	return ret;
}

static void replace_marks(char *text, size_t len)
{
	size_t i;

	for (i = 0; i < len; i++)
		if (!is_alnum(text[i]) && text[i] != '_' && text[i] != '.')
			text[i] = '-';
}

int pfw_forward_derive_name(const struct pfw_listen *listen,
			    bool (*unique)(void *ctx, const char *name), void *ctx,
			    char ret[PFW_NAME_MAX + 1])
{
	struct pfw_buffer text = { 0 };
	char name[PFW_NAME_MAX + 1];
	const int room = PFW_NAME_MAX - 1 - DIGEST_LEN;
	uint32_t digest;
	size_t len;
	int result;

	result = print_sorted(listen, &text);
	if (result < 0)
		goto out;
	/* Of the text before '-' takes the place of ':', which could make two listen parts one. */
	digest = (uint32_t)pfw_hash(text.data, text.len);
	replace_marks(text.data, text.len);
	len = text.len - 1;	/* the first '-' */
	snprintf(name, sizeof(name), "%s", text.data + 1);
	if (len > PFW_NAME_MAX || !unique(ctx, name)) {
		snprintf(name, sizeof(name), "%.*s-%08x", room, text.data + 1,
			 (unsigned int)digest);
		if (!unique(ctx, name)) {
			result = -EEXIST;
			goto out;
		}
	}
	memcpy(ret, name, sizeof(name));
out:
	pfw_buffer_free(&text);
	return result;
}
