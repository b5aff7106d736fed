/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a service works with, in words that are the same in every process: a client of the daemon
 * says them, and is served only if they are the daemon's own.
 */
#ifndef PORTFWD_SERVICE_PLACE_H
#define PORTFWD_SERVICE_PLACE_H

#include "portfwd/base/error.h"

/* The main file as the files are found by it: absolute, links followed. Free *ret. */
int pfw_place_config(const char *config, char **ret, struct pfw_error *err);

/* A network namespace by name or path, or NULL for the present one: "DEVICE:INODE". */
#define PFW_PLACE_NETNS 48
int pfw_place_netns(const char *netns, char ret[PFW_PLACE_NETNS], struct pfw_error *err);

#endif
