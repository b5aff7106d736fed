/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The kernel's entries, of both families. Include this in place of linux/netfilter_ipv4/ip_tables.h
 * and before libiptc's headers: the former gives names of ours to what old sources need.
 */
#ifndef PORTFWD_BACKEND_IPTABLES_KERNEL_H
#define PORTFWD_BACKEND_IPTABLES_KERNEL_H

#include <net/if.h>
#include <netinet/in.h>
#include <linux/netfilter/x_tables.h>
#include <linux/netfilter_ipv4/ip_tables.h>
#include <linux/netfilter_ipv6/ip6_tables.h>

#undef IPT_RETURN
#undef ipt_table
#undef ipt_target

#endif
