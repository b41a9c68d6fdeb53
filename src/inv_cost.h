/* SPDX-License-Identifier: MIT */
/* The cost model's numbers, as the vendors' encoders take them in. */
#ifndef IOD_INV_COST_H
#define IOD_INV_COST_H

#include <iodirty/inv_cost.h>

#include "bits.h"

/* Copy the caller's numbers, defaults for those that are 0 and for NULL. @return 0, -EINVAL, -E2BIG */
int iod_inv_cost_in(struct iod_inv_cost *cost, const struct iod_inv_cost *user);

/* Most narrow commands that cost no more than the wide form, apart from what they cost in any case. */
static inline uint64_t iod_inv_narrow_limit(const struct iod_inv_cost *cost, uint64_t wide,
					    uint64_t fixed)
{
	return wide > fixed ? (wide - fixed) / cost->command : 0;
}

#endif
