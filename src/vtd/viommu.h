/* SPDX-License-Identifier: MIT */
/*
 * Inside of a guest's VT-d: the object, and one batch on its way to the host. What is not VT-d's own is in
 * guest_batch.h.
 */
#ifndef IOD_VTD_VIOMMU_INSIDE_H
#define IOD_VTD_VIOMMU_INSIDE_H

#include <iodirty/vtd_viommu.h>

#include "guest_batch.h"
#include "vtd/desc.h"

/* Kinds of descriptors. What comes between two of a kind may fill again what the first one emptied. */
enum vtd_kind {
	KIND_NONE,
	KIND_IOTLB,
	KIND_DEV_TLB,
	KIND_OTHER,
};

enum vtd_table { DEVICES, DOMAINS, PASIDS };

/* Of a device's word. */
#define VDEV_STATE	 3u
#define VDEV_MIP_SHIFT	 2
#define VDEV_MIP	 (0x1fu << VDEV_MIP_SHIFT)
#define VDEV_PFSID_SHIFT 7
#define VDEV_PFSID	 (0xffffu << VDEV_PFSID_SHIFT)

#define PAGE_LG2	 12u

/* Of the types up to here some descriptors are plain. */
#define NR_PLAIN (IOD_VTD_P_DEV_TLB_INV + 1u)

struct iod_vtd_viommu {
	struct guest_core core;
	struct iod_vtd_viommu_cfg cfg; /* pointers in it: the callbacks, cookie */
	struct iod_vtd_sink sink;
	struct iod_allocator allocator;
	bool joins;	   /* what fits is joined, what is there already dropped */
	bool map_pasids;   /* they have names of their own */
	unsigned int mamv; /* the host's */
	unsigned int pasid_bits, vpasid_bits;
	uint64_t expand; /* pieces for pages, at most; more: everything of the PASID */
	struct guest_plain plain[NR_PLAIN]; /* by type */
};

/* Pages of one PASID that lie side by side; g.run_nr: guest descriptors in it. */
struct vtd_run {
	uint32_t start; /* guest descriptors before it */
	uint16_t did;	/* the host's, both */
	uint32_t pasid;
	bool ih;
	uint64_t first, last; /* page numbers */
};

struct vtd_batch {
	struct guest_batch g;
	struct iod_vtd_viommu *v;
	struct vtd_run run;
	struct iod_vtd_raw_desc buf[GUEST_ISSUE];
};

static inline struct iod_vtd_raw_desc vtd_raw(uint64_t w0, uint64_t w1)
{
	return (struct iod_vtd_raw_desc){ { iod_le64(w0), iod_le64(w1), 0, 0 } };
}

static inline struct vtd_batch *vtd_batch_of(struct guest_batch *g)
{
	return (struct vtd_batch *)((char *)g - offsetof(struct vtd_batch, g));
}

/* ---- viommu_batch.c ---- */

extern const struct guest_ops iod_vtd_guest_ops;

void iod_vtd_batch_begin(struct vtd_batch *b, struct iod_vtd_viommu *v, uint32_t flags);
/* Collects a host descriptor; as iod_viommu_emit() of the SMMU's. */
int iod_vtd_emit(struct vtd_batch *b, const struct iod_vtd_raw_desc *raw, uint32_t before,
		 uint32_t after, uint32_t op, uint32_t sid);
/* Behind what was joined, all that the guest descriptor under way needs. */
int iod_vtd_emit_alone(struct vtd_batch *b, const struct iod_vtd_raw_desc *raw, uint32_t sid);
/* Pages of a PASID, in the host's names. */
int iod_vtd_pages(struct vtd_batch *b, uint16_t did, uint32_t pasid, uint64_t first, uint64_t last,
		  bool ih);
/* Everything of a PASID. */
int iod_vtd_pasid_all(struct vtd_batch *b, uint16_t did, uint32_t pasid);
/* Descriptor for the device's TLB, with the host's PASID and whatever device. */
int iod_vtd_dev_tlb(struct vtd_batch *b, const struct iod_vdev *dev, const uint64_t w[2],
		    bool last);

/* ---- viommu_cmd.c ---- */

/* Finds out which bits are plain. */
void iod_vtd_probe(struct iod_vtd_viommu *v);
int iod_vtd_feed(struct vtd_batch *b, const struct iod_vtd_raw_desc *descs, size_t nr);

#endif
