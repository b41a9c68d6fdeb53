/* SPDX-License-Identifier: MIT */
/**
 * @file inv_cost.h
 * What invalidations cost. Whatever turns a gather into an IOMMU's commands decides with these numbers, and
 * with nothing else, when something wide takes the place of many narrow commands.
 *
 * The unit is the caller's, nanoseconds for instance: only ratios matter. Nothing here knows a vendor.
 */
#ifndef IODIRTY_INV_COST_H
#define IODIRTY_INV_COST_H

#include <iodirty/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/** A form that is never chosen when it can be avoided. */
#define IOD_INV_NEVER UINT64_MAX

/**
 * The numbers. 0 stands for the default of each, which iod_inv_cost_default() tells; a cost that is really
 * nothing is 1 among large numbers.
 *
 * The costs of wide forms are those of the command and of what is lost needlessly: translations that must be
 * walked for again. They depend on how much the devices have in use, which only the caller knows.
 */
struct iod_inv_cost {
	size_t size;	      /**< sizeof(struct iod_inv_cost) */
	uint64_t command;     /**< a command that invalidates an address or a range */
	uint64_t sync;	      /**< waiting for one sync */
	uint64_t domain;      /**< everything of one tag (an ASID, a VMID, a domain id) */
	uint64_t global;      /**< everything of several tags, where there is no narrower form */
	uint64_t device;      /**< an invalidation that is sent to a device (ATS) */
	uint64_t device_page; /**< 4096 bytes that a device forgets needlessly */
	uint64_t device_all;  /**< a device forgets everything */
	uint64_t
		page; /**< 4096 bytes that an IOMMU forgets needlessly, where commands name aligned blocks */
};

/** The defaults: 100, 1000, 50000, 200000, 1000, 50, 50000, 10. @return 0; -EINVAL; -E2BIG */
IOD_API int iod_inv_cost_default(struct iod_inv_cost *cost);

#ifdef __cplusplus
}
#endif

#endif
