/* SPDX-License-Identifier: MIT */
/* An iotlb as the second stage of nested memory: mem_nested.c asks, iotlb.c answers. */
#ifndef IOD_PGTABLE_IOTLB_STAGE2_H
#define IOD_PGTABLE_IOTLB_STAGE2_H

#include <iodirty/iotlb.h>

#include "pgtable/iotlb_cache.h"

/** One access that a first stage makes. */
struct tlb_stage2 {
	/* in */
	uint64_t ipa;
	uint32_t access; /* IOD_ACCESS_* */
	bool set_dirty;	 /* a write marks; false: it is only asked whether it may */
	/* Uses what is at pa, while the translation is held; may be NULL. */
	void (*use)(void *cookie, uint64_t pa);
	void *cookie;
	/* out */
	struct tlb_entry entry; /* what translated it, when granted */
	struct iod_fault fault; /* when refused */
};

/**
 * Make it, with all its side effects on stage 2. What it marks it marks before @p use, whatever order the
 * iotlb has for data.
 * @return 0, -EFAULT
 */
int iod_iotlb_stage2(struct iod_iotlb *tlb, struct iod_pgtable *stage2, struct tlb_stage2 *s);

/** Count a nested memory in and out: such an iotlb takes no tables in nested memory, and stays. @return 0; -EINVAL an ATC */
int iod_iotlb_stage2_get(struct iod_iotlb *tlb);
void iod_iotlb_stage2_put(struct iod_iotlb *tlb);

#endif
