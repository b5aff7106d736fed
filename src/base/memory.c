/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Memory that goes back to the system. */
#include "config.h"

#ifdef HAVE_MALLOC_TRIM
#include <malloc.h>
#endif

#include "portfwd/base/memory.h"

#ifdef HAVE_MALLOC_TRIM
void pfw_memory_return_from(size_t size)
{
	mallopt(M_MMAP_THRESHOLD, (int)size);
}

void pfw_memory_trim(void)
{
	malloc_trim(0);
}
#else
void pfw_memory_return_from(size_t size)
{
	(void)size;
}

void pfw_memory_trim(void)
{
}
#endif
