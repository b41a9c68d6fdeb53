/* SPDX-License-Identifier: MIT */
/* Which kernels this CPU runs. */
#include "kernels.h"

#include <string.h>

#include <iodirty/pgtable.h>

extern const struct iod_kernels iod_kernels_c;

/* The index-th set that this CPU runs, fastest first, or NULL. */
static const struct iod_kernels *kernels_at(unsigned index)
{
	return index == 0 ? &iod_kernels_c : NULL;
}

const struct iod_kernels *iod_kernels_best(void)
{
	return kernels_at(0);
}

const struct iod_kernels *iod_kernels_by_name(const char *name)
{
	const struct iod_kernels *k;
	unsigned i;

	for (i = 0; (k = kernels_at(i)); i++)
		if (!strcmp(k->name, name))
			return k;
	return NULL;
}

const char *iod_kernels_name(unsigned int index)
{
	const struct iod_kernels *k = kernels_at(index);

	return k ? k->name : NULL;
}
