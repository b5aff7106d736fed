/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A picture of what stands in the kernel, left in the run directory by a reload for the next one.
 * It counts only while the kernel says that nobody, ourselves included, has
 * changed anything since, so it saves reading and never hides a difference.
 */
#ifndef ENGINE_PICTURE_H
#define ENGINE_PICTURE_H

#include "inside.h"

/* Fills in image, and *ret is true, where there is a picture that counts. */
int picture_load(struct pfw_engine *engine, struct pfw_image *image, bool *ret,
		 struct pfw_error *err);
/*
 * Leaves a picture of image, which stands now, unless something in it goes by itself in time.
 * Where that fails there is none: it is no loss.
 */
void picture_save(struct pfw_engine *engine, const struct pfw_image *image);
void picture_remove(struct pfw_engine *engine);

#endif
