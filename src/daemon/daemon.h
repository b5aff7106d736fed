/* SPDX-License-Identifier: GPL-2.0-or-later */
/* portfwdd(8): one loop, in which forwards are kept in force and clients are served. */
#ifndef DAEMON_DAEMON_H
#define DAEMON_DAEMON_H

/* The whole program; returns its exit code. */
int daemon_main(int argc, char **argv);

#endif
