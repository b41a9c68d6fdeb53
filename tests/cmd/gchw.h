/* SPDX-License-Identifier: MIT */
/*
 * A page table whose gather goes to VT-d or an AMD IOMMU: the sink of gcmd.h in front of an iod_iotlb that takes
 * levels literally and of a device's ATC, both of which obey the commands and nothing else.
 */
#ifndef GCHW_H
#define GCHW_H

#include "gcmd.h"

#define HW_DEV 0x42u

struct gchw {
	struct iodt *t;
	struct gc *gc;
	struct iod_iotlb *tlb, *atc;
	uint32_t stage;
	uint64_t tag; /* that commands for this table come out with */
};

/* The vendor of a variant, and the stage. NULL: neither of the two. */
const struct gc_vendor *gchw_vendor(const struct iodt_variant *v, uint32_t *stage);

/* In place of the test's own gather. obeyed: the domain whose translations hardware holds. */
struct gchw *gchw_open(struct iodt *t, const struct gc_cfg *cfg, uint16_t obeyed, bool atc);
void gchw_close(struct gchw *hw);

/* Both learn what they can of an address. */
void gchw_warm(struct gchw *hw, uint64_t iova, uint32_t access);

/* How many of both see it otherwise than hardware that holds nothing. */
unsigned gchw_stale(struct gchw *hw, uint64_t iova);

/* How many of both write to it without the table saying so; where it is mapped and dirty state is kept. */
unsigned gchw_unseen(struct gchw *hw, uint64_t iova);

#endif
