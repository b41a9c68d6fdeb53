/* SPDX-License-Identifier: MIT */
/* Regions of a log's window, what one leaf table maps each: where pages were split (log_policy.c). */
#ifndef IOD_DIRTY_LOG_REGION_H
#define IOD_DIRTY_LOG_REGION_H

#include "dirty/log.h"

/* As far as it lies in the window. */
static inline uint64_t region_first(const struct log_resizing *rs, uint64_t i)
{
	return i ? rs->base + (i << rs->region_lg2) : rs->first;
}

static inline uint64_t region_last(const struct log_resizing *rs, uint64_t i)
{
	return i < rs->nr_regions - 1 ? rs->base + (i << rs->region_lg2) + low_mask(rs->region_lg2)
				      : rs->last;
}

/* The regions that [iova, last] touches; false when there are none. */
static inline bool regions_of(const struct log_resizing *rs, uint64_t iova, uint64_t last,
			      uint64_t *from, uint64_t *to)
{
	if (!rs->nr_regions || last < rs->first || iova > rs->last)
		return false;
	*from = ((iova > rs->first ? iova : rs->first) - rs->base) >> rs->region_lg2;
	*to = ((last < rs->last ? last : rs->last) - rs->base) >> rs->region_lg2;
	return true;
}

#endif
