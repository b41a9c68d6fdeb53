/* SPDX-License-Identifier: MIT */
/*
 * The way of an invalidation to the agents' caches, as hardware has it: an encoder makes a vendor's commands of what a
 * gather asks for, a driver's queue puts them into a ring in memory, and an IOMMU takes them out, one by one, and has
 * the caches obey. A vendor's file names its part of it.
 */
#ifndef PRECOPY_IOMMU_H
#define PRECOPY_IOMMU_H

#include <pthread.h>

#include "precopy_model.h"

#define PRECOPY_RING_LEN 4096u /* 256 commands of 16 bytes */
#define PRECOPY_ID	 1u    /* the table's ASID, VMID or domain id */

struct precopy_iommu;

struct precopy_vendor {
	unsigned formats;	     /* PRECOPY_F() */
	enum iod_format first_stage; /* the one of these whose tables are of a first stage */
	struct precopy_words words;
	uint64_t (*tag)(unsigned stage);
	int (*create)(struct precopy_iommu *u);
	int (*add_device)(struct precopy_iommu *u, uint32_t device);
	void (*destroy)(struct precopy_iommu *u);
};

#define PRECOPY_F(format) (1u << (format))

extern const struct precopy_vendor precopy_vendor_smmu, precopy_vendor_vtd, precopy_vendor_amdvi;

struct precopy_iommu {
	struct precopy_vm *vm;
	const struct precopy_vendor *vendor;
	unsigned stage;
	uint64_t tag;  /* the page table's, in the caches */
	uint64_t ring; /* behind it lies what else the queue has in memory */
	const struct iod_inv_ops *ops;
	void *inv;	      /* the encoder */
	void *own;	      /* the vendor's */
	pthread_mutex_t turn; /* what follows: one thread at a time plays the IOMMU */
	struct precopy_commands did;
};

/* Caches obey. */
int precopy_iommu_obey(struct precopy_iommu *u, const struct iod_cmd_effect *effect, bool is_range);
int precopy_iommu_obey_device(struct precopy_iommu *u, uint32_t device, uint64_t first,
			      uint64_t last);
/* Whether --break leaves a command out. */
bool precopy_iommu_leaves_out(const struct precopy_iommu *u, bool to_device);

#endif
