/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The cases of this floor, one a file. */
#ifndef PORTFWD_TESTS_SERVICE_CASES_H
#define PORTFWD_TESTS_SERVICE_CASES_H

#include "../unit.h"

TCase *client_case(void);
TCase *etag_case(void);
TCase *openapi_case(void);
TCase *route_case(void);
TCase *wire_case(void);
/* Needs a kernel. */
TCase *stay_case(void);

#endif
