/* SPDX-License-Identifier: MIT */
/*
 * What the formats with tables of 512 items and pages of 4 KiB have in common: part of their answer to
 * pt_fmt_api.h. PT_PLAIN_LEVELS is 1 where in addition each table points one level down, and leaves
 * are 4 KiB, 2 MiB and 1 GiB, one item each.
 */
#ifndef IOD_PT_RADIX512_H
#define IOD_PT_RADIX512_H

#include "pgtable/pt_defs.h"

static inline unsigned pt_shift(const struct iod_pgtable *pt, unsigned level)
{
	(void)pt;
	return 12 + 9 * level;
}

/* Without Accessed nothing is refused: hardware sets it, or does not care. */
static inline bool pt_hw_access_flag_fault(const struct iod_pgtable *pt, uint64_t pte)
{
	(void)pt;
	(void)pte;
	return false;
}

#if PT_PLAIN_LEVELS

static inline unsigned pt_items_lg2(const struct iod_pgtable *pt, unsigned level,
				    unsigned top_level)
{
	(void)pt;
	(void)level;
	(void)top_level;
	return 9;
}

static inline uint64_t pt_leaf_sizes(const struct iod_pgtable *pt, unsigned level)
{
	return level <= 2 ? BIT64(pt_shift(pt, level)) : 0;
}

static inline unsigned pt_table_level(const struct iod_pgtable *pt, unsigned level, uint64_t pte)
{
	(void)pt;
	(void)pte;
	return level - 1;
}

static inline unsigned pt_leaf_lg2(const struct iod_pgtable *pt, unsigned level, uint64_t pte)
{
	(void)pte;
	return pt_shift(pt, level);
}

#endif

#endif
