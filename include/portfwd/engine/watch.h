/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What others do to the rules and to the host, as long as somebody is there to look after it. */
#ifndef PORTFWD_ENGINE_WATCH_H
#define PORTFWD_ENGINE_WATCH_H

#include "portfwd/engine/engine.h"
#include "portfwd/kernel/monitor.h"

struct pfw_watch;

/* Of the present network namespace. Open it before any engine, see pfw_monitor_open(). */
int pfw_watch_open(struct pfw_watch **ret, struct pfw_error *err);
void pfw_watch_close(struct pfw_watch *watch);

/* As those of the monitor. */
void pfw_watch_fds(const struct pfw_watch *watch, int ret[PFW_MONITOR_FDS]);
void pfw_watch_read(struct pfw_watch *watch, struct pfw_monitor_news *news);
bool pfw_watch_told(const struct pfw_watch *watch, struct pfw_told *ret);
void pfw_watch_forget(struct pfw_watch *watch);

/*
 * To be called whenever the engine has done something, before it is closed: what it changes is
 * no news, and the host's settings that it holds are watched.
 */
void pfw_watch_follow(struct pfw_watch *watch, const struct pfw_engine *engine);

/*
 * Whether the rules are of a kind of which the kernel tells nothing when others change them, by
 * the engine that was followed last.
 */
bool pfw_watch_is_blind(const struct pfw_watch *watch);

#endif
