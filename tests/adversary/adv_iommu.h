/* SPDX-License-Identifier: MIT */
/*
 * One actor's way to hardware through an IOMMU: the library's encoder, a driver's queue in memory, and what takes
 * commands out of it again. The vendors' files (adv_smmu.c, adv_vtd.c, adv_amdvi.c) fill it in.
 */
#ifndef ADV_IOMMU_H
#define ADV_IOMMU_H

#include "adv.h"

#define ADV_RING_LEN 4096u /* bytes of a ring, and as many for what else lies in memory */

struct adv_iommu;

struct adv_vendor {
	unsigned int formats; /* ADV_F() */
	/* Creates queue and encoder; 0 or a negative errno. */
	int (*open)(struct adv_iommu *u, uint64_t *rng);
	void (*close)(struct adv_iommu *u);
};

#define ADV_F(format) (1u << (format))

extern const struct adv_vendor adv_vendor_smmu, adv_vendor_vtd, adv_vendor_amdvi;

struct adv_iommu {
	struct adv_world *w;
	const struct adv_vendor *vendor;
	struct iod_mem *mem; /* where the ring lies */
	uint64_t ring;
	const struct iod_inv_ops *ops; /* of the encoder */
	void *inv;		       /* its object */
	void *own;		       /* the vendor's */
	uint64_t domain;	       /* of the batch at hand: there is one table only */
	adv_obey_fn obey;
	uint64_t tlbi; /* invalidations of IOTLBs that were obeyed */
};

/* Whether what is broken in this world is what commands say. */
bool adv_iommu_breaks(const struct adv_iommu *u);
/* What commands cost, at random. */
struct iod_inv_cost adv_iommu_cost(const struct adv_iommu *u, uint64_t *rng);

/* For consumers: IOTLBs obey; a device's cache obeys; a wait. */
void adv_iommu_obey(struct adv_iommu *u, struct iod_inv *inv, uint32_t nr);
void adv_iommu_obey_device(struct adv_iommu *u, uint32_t device, uint64_t first, uint64_t last);
void adv_iommu_obey_wait(struct adv_iommu *u);
/* The next device with a cache of its own, from *device on. */
bool adv_iommu_next_device(const struct adv_iommu *u, unsigned int *device);

#endif
