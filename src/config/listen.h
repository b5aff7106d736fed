/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Texts that both forms of a listen part are made of. */
#ifndef CONFIG_LISTEN_H
#define CONFIG_LISTEN_H

#include "field.h"

/* One address that a connection can arrive at. */
int listen_address(struct reader *r, const char *text, size_t len, struct pfw_addr *ret);

/* Room for n ports or ranges; then lists such as "80,443" are added; then the whole is checked. */
int listen_alloc_ports(struct reader *r, size_t n, struct pfw_listen *listen);
size_t listen_count_commas(const char *text, size_t len);
int listen_ports(struct reader *r, const char *text, size_t len, struct pfw_listen *listen);
int listen_check_ports(struct reader *r, const struct pfw_listen *listen);

/* "tcp", or several joined by '+'. */
int listen_protocols(struct reader *r, const char *text, size_t len, struct pfw_listen *listen);

/* "[ADDR:]PORTS[/PROTO]" */
int listen_short(struct reader *r, const char *text, size_t len, struct pfw_listen *listen);

void listen_print_ports(const struct pfw_listen *listen, struct pfw_buffer *text);
/* The same short form without interfaces; "/tcp" is left out. */
void listen_print_short(const struct pfw_listen *listen, struct pfw_buffer *text);

#endif
