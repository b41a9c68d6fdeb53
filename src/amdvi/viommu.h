/* SPDX-License-Identifier: MIT */
/*
 * Inside of a guest's AMD-Vi: the object, and one batch on its way to the host. What is not AMD-Vi's own is in
 * guest_batch.h.
 */
#ifndef IOD_AMDVI_VIOMMU_INSIDE_H
#define IOD_AMDVI_VIOMMU_INSIDE_H

#include <iodirty/amdvi_viommu.h>

#include "amdvi/cmd.h"
#include "guest_batch.h"

/* Kinds of commands. What comes between two of a kind may fill again what the first one emptied. */
enum amdvi_kind {
	KIND_NONE,
	KIND_PAGES,
	KIND_IOTLB,
	KIND_OTHER,
};

enum amdvi_table { DEVICES, DOMAINS };

/* Of a device's word. */
#define VDEV_STATE	   3u
#define VDEV_MAXPEND_SHIFT 2
#define VDEV_MAXPEND	   (0xffu << VDEV_MAXPEND_SHIFT)

#define PAGE_LG2	   12u
/* Pages that one command can name short of everything. */
#define MOST_LG2 (52u - PAGE_LG2)

/* Of the opcodes up to here some commands are plain. */
#define NR_PLAIN (IOD_AMDVI_INVALIDATE_IOTLB_PAGES + 1u)

struct iod_amdvi_viommu {
	struct guest_core core;
	struct iod_amdvi_viommu_cfg cfg; /* pointers in it: the callbacks, cookie */
	struct iod_amdvi_sink sink;
	struct iod_allocator allocator;
	bool joins;	      /* what fits is joined, what is there already dropped */
	uint64_t expand;      /* pieces for pages, at most; more: everything */
	uint32_t pasids;      /* that the guest has */
	uint32_t next_domain; /* atomic: where to look for one that is free */
	struct guest_plain plain[NR_PLAIN][2]; /* by opcode, gn */
};

/* Pages that lie side by side; g.run_nr: guest commands in it. */
struct amdvi_run {
	uint32_t start;	      /* guest commands before it */
	uint64_t w[2];	      /* the first, with the host's domain */
	uint64_t first, last; /* page numbers */
};

struct amdvi_batch {
	struct guest_batch g;
	struct iod_amdvi_viommu *v;
	struct amdvi_run run;
	struct iod_amdvi_raw_cmd buf[GUEST_ISSUE];
};

static inline struct amdvi_batch *amdvi_batch_of(struct guest_batch *g)
{
	return (struct amdvi_batch *)((char *)g - offsetof(struct amdvi_batch, g));
}

/* ---- viommu_batch.c ---- */

extern const struct guest_ops iod_amdvi_guest_ops;

void iod_amdvi_batch_begin(struct amdvi_batch *b, struct iod_amdvi_viommu *v, uint32_t flags);
/* Collects a host command; as iod_viommu_emit() of the SMMU's. */
int iod_amdvi_emit(struct amdvi_batch *b, const uint64_t w[2], uint32_t before, uint32_t after,
		   uint32_t op, uint32_t sid);
/* Behind what was joined, all that the guest command under way needs. */
int iod_amdvi_emit_alone(struct amdvi_batch *b, const uint64_t w[2], uint32_t sid);
/* INVALIDATE_IOMMU_PAGES of the host's domain. */
int iod_amdvi_pages(struct amdvi_batch *b, uint64_t w0, uint64_t w1);

/* ---- viommu_cmd.c ---- */

/* Finds out which bits are plain. */
void iod_amdvi_probe(struct iod_amdvi_viommu *v);
int iod_amdvi_feed(struct amdvi_batch *b, const struct iod_amdvi_raw_cmd *cmds, size_t nr);

#endif
