/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The service behind the daemon's socket. */
#ifndef SERVICE_REMOTE_H
#define SERVICE_REMOTE_H

#include "portfwd/service/service.h"

struct remote;

/* *ret is NULL, and that is no error, where nobody listens. */
int remote_open(const struct pfw_service_options *options, struct remote **ret,
		struct pfw_error *err);
void remote_close(struct remote *remote);

/*
 * Asks the daemon. *ret_here: it is for this process to answer, with nothing asked or done yet: it
 * works elsewhere, or the request is none that it takes.
 */
int remote_call(struct remote *remote, enum pfw_verb verb, const struct pfw_request *request,
		json_t **ret_answer, bool *ret_here, struct pfw_error *err);

#endif
