/* SPDX-License-Identifier: MIT */
/* Geometry, attributes and STE/CD fields of ARM LPAE tables: what is not per item. */
#ifndef IOD_ARM_LPAE_CFG_H
#define IOD_ARM_LPAE_CFG_H

#include "pgtable/pt_defs.h"

/* bits.md A1.9: log2 of the items of a contiguous run, 0 where Contiguous is RES0. */
static inline unsigned iod_arm_lpae_cont_lg2(unsigned granule_lg2, unsigned level)
{
	switch (granule_lg2) {
	case 12:
		return level <= 2 ? 4 : 0;
	case 14:
		return level == 0 ? 7 : level == 1 ? 5 : 0;
	default:
		return level <= 1 ? 5 : 0;
	}
}

/* A1.1: pages at level 0; blocks of 2M and 1G, 32M, 512M, and 4T with 52-bit addresses. */
static inline bool iod_arm_lpae_block_allowed(unsigned granule_lg2, unsigned level, bool oa52)
{
	if (level <= 1)
		return true;
	return level == 2 && (granule_lg2 == 12 || (granule_lg2 == 16 && oa52));
}

int iod_arm_lpae_init(struct iod_pgtable *pt, const struct iod_pgtable_cfg *cfg, unsigned stage,
		      unsigned *top_level);
/* Memory attribute and shareability of prot; -EOPNOTSUPP for flags that are not in known. */
int iod_arm_lpae_prot_fields(const struct iod_pgtable *pt, uint32_t prot, unsigned stage,
			     uint32_t known, uint32_t *memattr, uint32_t *sh);
void iod_arm_lpae_hw_info(const struct iod_pgtable *pt, struct pt_top top, unsigned stage,
			  struct iod_hw_info *info);

#endif
