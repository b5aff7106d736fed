/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Comparing images and differences in words, for the tests of the backends. */
#ifndef TESTS_UNIT_IMAGES_H
#define TESTS_UNIT_IMAGES_H

#include "portfwd/backend/backend.h"

/* Whose images they are; main() says so. */
extern const struct pfw_backend *images_backend;

/* Fails the test unless compiling works; NULL: all keys. */
void images_compile(const struct pfw_plan *plan, const struct pfw_touched *only,
		    struct pfw_image *ret);
/* A line a step, sorted: "+ set dnat4_any", with the values in hexadecimal. */
void images_steps(const struct pfw_image *before, const struct pfw_image *after,
		  struct pfw_buffer *ret);
/* Fails the test, with the steps, unless both hold the same. what: a name for the message. */
void images_same(const struct pfw_image *actual, const struct pfw_image *wanted, const char *what);

#endif
