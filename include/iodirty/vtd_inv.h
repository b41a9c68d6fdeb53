/* SPDX-License-Identifier: MIT */
/**
 * @file vtd_inv.h
 * A gather becomes VT-d descriptors: the fewest that cover what changed (VT-d specification, 6.5).
 *
 *     struct iod_vtd_inv_cfg cfg = { .size = sizeof(cfg), .id = &id, .sink = &sink, .stage = 2,
 *                                    .did = 7 };
 *     struct iod_gather_cfg gcfg = { .size = sizeof(gcfg), .ops = iod_vtd_inv_ops() };
 *
 *     iod_vtd_inv_create(&inv, &cfg);
 *     gcfg.cookie = inv;
 *     iod_gather_create(&gather, pt, &gcfg);
 *
 * One object stands for one page table as one IOMMU uses it: a stage, the domain ids and the PASID it is used
 * with, the devices behind it that cache translations themselves (ATS). docs/invalidation.md says which
 * descriptors come of what.
 *
 * The order: IOTLB invalidations, a wait, device-TLB invalidations, a wait. iod_inv_ops.invalidate issues the
 * first and remembers what devices must forget; iod_inv_ops.sync does the rest. Without devices one wait is all.
 *
 * Locking: any number of gathers, in any number of threads, may use one object; create and destroy alone.
 * Threads that sync at the same time share all but a wait each. No lock is held while the sink is called.
 * Nothing is allocated but by create, add_domain and add_device.
 */
#ifndef IODIRTY_VTD_INV_H
#define IODIRTY_VTD_INV_H

#include <iodirty/gather.h>
#include <iodirty/inv_cost.h>
#include <iodirty/types.h>
#include <iodirty/vtd_desc.h>
#include <iodirty/vtd_queue.h>

#ifdef __cplusplus
extern "C" {
#endif

struct iod_vtd_inv;

/** @name What the page table is, and what the IOMMU bears @{ */
/** Second stage that guests' first stages are nested on (PGTT 3). An invalidation by domain id takes the nested
 *  translations of that id along (6.5.2.3): name the ids of all of them, iod_vtd_inv_add_domain(). What is cached of
 *  first-stage tables was found through the second stage; that IH = 1 does not keep it is not confirmed, so IH is 0.
 *  Devices, which ask by addresses of the first stage, forget everything. */
#define IOD_VTD_INV_NESTED (1u << 0)
/** Erratum: the IOMMU must not be given more than one page at a time (as CAP.MAMV = 0). */
#define IOD_VTD_INV_NO_RANGES (1u << 4)
/** Erratum: each IOTLB invalidation is issued twice. */
#define IOD_VTD_INV_REPEAT (1u << 5)
/** @} */

/** Configuration. */
struct iod_vtd_inv_cfg {
	size_t size;			 /**< sizeof(struct iod_vtd_inv_cfg) */
	const struct iod_vtd_id *id;	 /**< CAP and ECAP, copied; NULL: everything */
	const struct iod_vtd_sink *sink; /**< copied; NULL: only encode */
	uint32_t stage;			 /**< 1: first-stage, 2: second-stage */
	uint32_t flags;			 /**< IOD_VTD_INV_* */
	uint16_t did;			 /**< domain id */
	uint16_t reserved;		 /**< 0 */
	uint32_t
		pasid; /**< stage 1: 20 bits; of requests without one, RID_PASID of the context entry */
	const struct iod_inv_cost *cost; /**< copied; NULL: the defaults */
	/**
	 * For errata: descriptors that are about to be issued, IOTLB or device-TLB ones but no wait. May change
	 * them, drop some, add some: *nr of them, room for max, which is at least twice as many. Whatever is not
	 * invalidated for it is lost to dirty tracking. Called by any thread that invalidates, without a lock
	 * held. 0, or a negative errno, which the gather gets (nothing of this call is issued then). NULL: none
	 */
	int (*quirk)(void *cookie, struct iod_vtd_raw_desc *descs, size_t *nr, size_t max);
	void *quirk_cookie;		       /**< handed to quirk */
	const struct iod_allocator *allocator; /**< NULL: malloc */
};

/**
 * Create one.
 * @return 0; -EOPNOTSUPP CAP and ECAP do not have the stage or nesting; -EINVAL also when the domain id or the
 *         PASID has more bits than they say; -E2BIG; -ENOMEM
 */
IOD_API int iod_vtd_inv_create(struct iod_vtd_inv **out, const struct iod_vtd_inv_cfg *cfg);

/** Destroy one that no gather uses any more. @return 0, -EINVAL */
IOD_API int iod_vtd_inv_destroy(struct iod_vtd_inv *inv);

/** The ops of a gather whose cookie is a struct iod_vtd_inv *. They return what the sink and the quirk hook
 *  return, and -EINVAL for a malformed iod_inv. The domain of an iod_inv is not looked at. */
IOD_API const struct iod_inv_ops *iod_vtd_inv_ops(void);

/** @name Further domain ids that the table is used with
 * Nested PASIDs with ids of their own, or a table that several devices use by different ids. Each gets the same
 * invalidations.
 * @{ */

/** Add one, before a context or PASID entry with it points to the table. Nothing may be cached with it any more
 *  from what it was used for before. @return 0; -EEXIST; -ENOMEM; -EINVAL more bits than CAP.ND says */
IOD_API int iod_vtd_inv_add_domain(struct iod_vtd_inv *inv, uint16_t did);

/** Remove it, after the last entry with it was invalidated. The one of the configuration stays.
 *  @return 0; -ENOENT; -EINVAL */
IOD_API int iod_vtd_inv_remove_domain(struct iod_vtd_inv *inv, uint16_t did);
/** @} */

/** @name Devices that cache translations (ATS) @{ */

/** A device, or one PASID of it. */
struct iod_vtd_ats_device {
	size_t size;  /**< sizeof(struct iod_vtd_ats_device) */
	uint16_t sid; /**< source-id */
	uint16_t
		pfsid; /**< source-id of its physical function; its own, if it is none of an SR-IOV device */
	uint32_t pasid; /**< with pasid_valid */
	bool pasid_valid; /**< it uses the table with this PASID only. Not with NESTED, where the guest has
				  them: pasid is 0 then and all are invalidated as well */
	uint8_t max_pending; /**< invalidations that it takes at a time (MIP): 0 to 31, as ATS says it: 0 is 32 */
	uint8_t stu;	  /**< ATS smallest translation unit: 4096 * 2^stu bytes, 0 to 31 */
	uint8_t reserved; /**< 0 */
};

/**
 * Add a device, before ATS is enabled in it. The next sync makes it forget everything.
 * Not to be called by the sink or the quirk hook.
 * @return 0; -EEXIST; -EOPNOTSUPP no device-TLBs in ECAP, or no PASIDs; -ENOMEM; -EINVAL; -E2BIG
 */
IOD_API int iod_vtd_inv_add_device(struct iod_vtd_inv *inv, const struct iod_vtd_ats_device *dev);

/** Remove it, after ATS was disabled in it: no descriptor reaches it once this returns.
 *  Not to be called by the sink or the quirk hook. @return 0; -ENOENT; -EINVAL */
IOD_API int iod_vtd_inv_remove_device(struct iod_vtd_inv *inv, uint16_t sid, uint32_t pasid,
				      bool pasid_valid);
/** @} */

/** @name For those who have a queue of their own
 * Pure: nothing is issued, nothing is remembered, the quirk hook is not called; IOD_VTD_INV_REPEAT is obeyed.
 * @{ */

/**
 * The IOTLB invalidations of a batch; a wait must follow.
 * @param n receives how many descriptors there are
 * @return 0; -ENOSPC more than @p max (*n says how many; what is in @p out is not to be used); -EINVAL
 */
IOD_API int iod_vtd_inv_encode(const struct iod_vtd_inv *inv, const struct iod_inv *items,
			       size_t nr, struct iod_vtd_raw_desc *out, size_t max, size_t *n);

/** The device-TLB invalidations of the same batch, for all devices; to be issued when the wait after the IOTLB
 *  invalidations is complete, with another behind them. More than 256 items are covered by fewer. Devices that are
 *  new are told of the batch, no more: call it when that wait is complete, so that one which came meanwhile is
 *  among them. @return as above */
IOD_API int iod_vtd_inv_encode_atc(const struct iod_vtd_inv *inv, const struct iod_inv *items,
				   size_t nr, struct iod_vtd_raw_desc *out, size_t max, size_t *n);
/** @} */

/** Figures. */
struct iod_vtd_inv_stats {
	size_t size;	/**< sizeof(struct iod_vtd_inv_stats) */
	uint64_t items; /**< iod_inv that were taken */
	uint64_t tlbi;	/**< IOTLB invalidations handed to the sink, wide ones included */
	uint64_t wide;	/**< wide ones among them */
	uint64_t atc;	/**< device-TLB invalidations handed to the sink */
	uint64_t syncs; /**< waits asked of the sink */
};

/** Read the figures. @return 0, -EINVAL, -E2BIG */
IOD_API int iod_vtd_inv_get_stats(const struct iod_vtd_inv *inv, struct iod_vtd_inv_stats *stats);

#ifdef __cplusplus
}
#endif

#endif
