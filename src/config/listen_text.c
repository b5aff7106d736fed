/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The short form of a listen part, "[ADDR:]PORTS[/PROTO]", and the texts that it is made of. */
#include "config.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "listen.h"

/* Lists this short are compared each with each; longer ones get a bitmap of 8 KiB. */
#define FEW_PORTS 32

static int address_check(struct reader *r, const struct pfw_addr *addr)
{
	const char *what = pfw_addr_unusable(addr);
	char buf[PFW_ADDR_TEXT];

	/* Those may stand for the machine, or be its own. */
	if (!what || pfw_addr_is_any(addr) || strstr(what, "link-local"))
		return 0;
	return pfw_error_add(r->err, PFW_FAILED, "%s is %s, which no connection arrives at",
			     pfw_addr_print(addr, buf), what);
}

int listen_address(struct reader *r, const char *text, size_t len, struct pfw_addr *ret)
{
	struct pfw_addr addr;

	if (pfw_addr_parse(text, len, &addr, r->err) < 0 || address_check(r, &addr) < 0)
		return -EINVAL;
	*ret = addr;
	return 0;
}

static int duplicate_port(struct reader *r, unsigned int port)
{
	return pfw_error_add(r->err, PFW_FAILED, "port %u stands twice in the list", port);
}

static int check_few_ports(struct reader *r, const struct pfw_ports *ports, unsigned int n)
{
	unsigned int i, j;

	for (i = 1; i < n; i++)
		for (j = 0; j < i; j++)
			if (ports[i].lo <= ports[j].hi && ports[j].lo <= ports[i].hi)
				return duplicate_port(r, ports[i].lo > ports[j].lo ? ports[i].lo
										   : ports[j].lo);
	return 0;
}

static int check_many_ports(struct reader *r, const struct pfw_listen *listen)
{
	uint8_t seen[(UINT16_MAX + 1) / 8] = { 0 };
	uint32_t i, port;

	for (i = 0; i < listen->n_ports; i++) {
		for (port = listen->ports[i].lo; port <= listen->ports[i].hi; port++) {
			if (seen[port / 8] & 1u << port % 8)
				return duplicate_port(r, port);
			seen[port / 8] |= (uint8_t)(1u << port % 8);
		}
	}
	return 0;
}

int listen_check_ports(struct reader *r, const struct pfw_listen *listen)
{
	if (listen->n_ports <= FEW_PORTS)
		return check_few_ports(r, listen->ports, listen->n_ports);
	return check_many_ports(r, listen);
}

size_t listen_count_commas(const char *text, size_t len)
{
	size_t n = 0, i;

	for (i = 0; i < len; i++)
		n += text[i] == ',';
	return n;
}

int listen_alloc_ports(struct reader *r, size_t n, struct pfw_listen *listen)
{
	if (n > UINT16_MAX)
		return pfw_error_add(r->err, PFW_FAILED, "has %zu ports; there are only %d", n,
				     UINT16_MAX);
	listen->ports = pfw_arena_array(r->arena, n, sizeof(*listen->ports));
	listen->n_ports = 0;
	return listen->ports ? 0 : pfw_fail_memory(r->err);
}

int listen_ports(struct reader *r, const char *text, size_t len, struct pfw_listen *listen)
{
	const char *end = text + len, *comma;
	int ret = 0;

	for (;; text = comma + 1) {
		comma = memchr(text, ',', (size_t)(end - text));
		if (!comma)
			comma = end;
		if (pfw_ports_parse(text, (size_t)(comma - text),
				    &listen->ports[listen->n_ports], r->err) < 0)
			ret = -EINVAL;
		else
			listen->n_ports++;
		if (comma == end)
			return ret;
	}
}

int listen_protocols(struct reader *r, const char *text, size_t len,
		     struct pfw_listen *listen)
{
	const char *end = text + len, *plus;
	char buf[PFW_QUOTE_SIZE], list[32];
	int bit;

	for (;; text = plus + 1) {
		plus = memchr(text, '+', (size_t)(end - text));
		if (!plus)
			plus = end;
		bit = pfw_name_value(pfw_protocol_names, text, (size_t)(plus - text));
		if (bit < 0)
			return pfw_error_add(r->err, PFW_FAILED, "%s is not a protocol (%s)",
					     pfw_text_quote(text, (size_t)(plus - text), buf),
					     pfw_name_list(pfw_protocol_names, list, sizeof(list)));
		if (listen->protocols & bit)
			return pfw_error_add(r->err, PFW_FAILED, "%s stands twice",
					     pfw_name_text(pfw_protocol_names, bit));
		listen->protocols |= (uint8_t)bit;
		if (plus == end)
			return 0;
	}
}

static int first_address(struct reader *r, const char *text, size_t len,
			 struct pfw_listen *listen)
{
	struct pfw_addr addr;

	if (len == 1 && *text == '*')
		return 0;
	if (listen_address(r, text, len, &addr) < 0)
		return -EINVAL;
	listen->addresses = pfw_arena_array(r->arena, 1, sizeof(addr));
	if (!listen->addresses)
		return pfw_fail_memory(r->err);
	listen->addresses[0] = addr;
	listen->n_addresses = 1;
	return 0;
}

static int wrong_text(struct reader *r, const char *text, size_t len, const char *why)
{
	char buf[PFW_QUOTE_SIZE];

	return pfw_error_add(r->err, PFW_FAILED, "%s: %s", pfw_text_quote(text, len, buf), why);
}

static bool is_address(const char *text, size_t len)
{
	struct pfw_error scratch = PFW_ERROR_INIT;
	struct pfw_addr addr;

	return pfw_addr_parse(text, len, &addr, &scratch) == 0;
}

/* The address part without brackets (length 0: none), and where the ports begin. */
static int split_address(struct reader *r, const char *text, size_t len, const char **ret_address,
			 size_t *ret_address_len, size_t *ret_ports)
{
	const char *colon = memrchr(text, ':', len), *bracket;

	*ret_address = text;
	*ret_address_len = 0;
	*ret_ports = 0;
	if (len && *text == '[') {
		bracket = memchr(text, ']', len);
		if (!bracket || !memchr(text, ':', (size_t)(bracket - text)))
			return wrong_text(r, text, len, "brackets hold an IPv6 address, as in "
					  "[2001:db8::1]:443");
		if (bracket + 1 == text + len || bracket[1] != ':')
			return wrong_text(r, text, len, "a port is needed behind the address, as "
					  "in [2001:db8::1]:443");
		*ret_address = text + 1;
		*ret_address_len = (size_t)(bracket - text) - 1;
		*ret_ports = (size_t)(bracket - text) + 2;
		return 0;
	}
	if (colon && memchr(text, ':', (size_t)(colon - text)))
		return wrong_text(r, text, len, "an IPv6 address stands in brackets, as in "
				  "[2001:db8::1]:443");
	if (colon) {
		*ret_address_len = (size_t)(colon - text);
		*ret_ports = *ret_address_len + 1;
		if (!*ret_address_len)
			return wrong_text(r, text, len, "the address before ':' is missing; every "
					  "address is '*', or no ':' at all");
		return 0;
	}
	if (memchr(text, '.', len) && is_address(text, len))
		return wrong_text(r, text, len, "a port is needed behind the address, as in "
				  "198.51.100.1:8080");
	return 0;
}

/* The length before "/PROTO"; a '/' inside the address belongs to a prefix instead. */
static size_t text_without_protocol(const char *text, size_t len)
{
	const char *slash = memrchr(text, '/', len);

	if (!slash || memchr(slash, ':', (size_t)(text + len - slash)) ||
	    memchr(slash, ']', (size_t)(text + len - slash)))
		return len;
	return (size_t)(slash - text);
}

int listen_short(struct reader *r, const char *text, size_t len, struct pfw_listen *listen)
{
	size_t front = text_without_protocol(text, len), address_len, ports;
	const char *address;
	int ret, alloc;

	ret = split_address(r, text, front, &address, &address_len, &ports);
	if (ret < 0)
		return ret;
	if (address_len)
		ret = first_address(r, address, address_len, listen);
	if (ret == -ENOMEM)
		return ret;
	alloc = listen_alloc_ports(r, listen_count_commas(text + ports, front - ports) + 1,
				   listen);
	if (alloc < 0)
		return alloc;
	if (listen_ports(r, text + ports, front - ports, listen) < 0 ||
	    listen_check_ports(r, listen) < 0)
		ret = -EINVAL;
	if (front == len)
		listen->protocols = PFW_TCP;
	else if (listen_protocols(r, text + front + 1, len - front - 1, listen) < 0)
		ret = -EINVAL;
	return ret;
}

int pfw_listen_parse(const char *text, size_t len, struct pfw_arena *arena,
		     struct pfw_listen *ret, struct pfw_error *err)
{
	struct reader r = { .arena = arena, .err = err };
	struct pfw_listen listen = { 0 };
	int result = listen_short(&r, text, len, &listen);

	if (!result)
		*ret = listen;
	return result;
}

void listen_print_ports(const struct pfw_listen *listen, struct pfw_buffer *text)
{
	char buf[PFW_PORTS_TEXT];
	uint16_t i;

	for (i = 0; i < listen->n_ports; i++) {
		if (i)
			pfw_buffer_puts(text, ",");
		pfw_buffer_puts(text, pfw_ports_print(listen->ports[i], buf));
	}
}

static void print_protocols(const struct pfw_listen *listen, struct pfw_buffer *text)
{
	const char *before = "/";
	int i;

	for (i = 0; i < PFW_PROTOCOLS; i++) {
		if (!(listen->protocols & 1 << i))
			continue;
		pfw_buffer_printf(text, "%s%s", before, pfw_name_text(pfw_protocol_names, 1 << i));
		before = "+";
	}
}

static void print_place(const struct pfw_listen *listen, struct pfw_buffer *text)
{
	char buf[PFW_ADDR_TEXT];
	uint16_t i;

	for (i = 0; i < listen->n_addresses; i++)
		pfw_buffer_printf(text,
				  listen->addresses[i].family == AF_INET6 ? "%s[%s]" : "%s%s",
				  i ? "," : "", pfw_addr_print(&listen->addresses[i], buf));
	if (listen->n_addresses)
		pfw_buffer_puts(text, ":");
	listen_print_ports(listen, text);
}

void listen_print_short(const struct pfw_listen *listen, struct pfw_buffer *text)
{
	print_place(listen, text);
	if (listen->protocols != PFW_TCP)
		print_protocols(listen, text);
}

void pfw_listen_print(const struct pfw_listen *listen, struct pfw_buffer *ret)
{
	uint16_t i;

	print_place(listen, ret);
	print_protocols(listen, ret);
	for (i = 0; i < listen->n_interfaces; i++)
		pfw_buffer_printf(ret, "%s%s", i ? "," : " on ", listen->interfaces[i]);
}
