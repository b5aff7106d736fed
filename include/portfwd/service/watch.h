/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What others do to what a service of this process keeps up: for whoever stays and repairs. */
#ifndef PORTFWD_SERVICE_WATCH_H
#define PORTFWD_SERVICE_WATCH_H

#include "portfwd/engine/watch.h"
#include "portfwd/service/service.h"

/*
 * Opens a watch that follows the service from now on; before the service's first call. Close it
 * with pfw_watch_close() once the service is closed.
 */
int pfw_service_watch(struct pfw_service *service, struct pfw_watch **ret, struct pfw_error *err);

#endif
