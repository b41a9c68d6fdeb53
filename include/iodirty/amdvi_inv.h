/* SPDX-License-Identifier: MIT */
/**
 * @file amdvi_inv.h
 * A gather becomes AMD IOMMU commands: the fewest that cover what changed (AMD 48882, 2.4).
 *
 *     struct iod_amdvi_inv_cfg cfg = { .size = sizeof(cfg), .id = &id, .sink = &sink, .stage = 2,
 *                                      .domain = 7 };
 *     struct iod_gather_cfg gcfg = { .size = sizeof(gcfg), .ops = iod_amdvi_inv_ops() };
 *
 *     iod_amdvi_inv_create(&inv, &cfg);
 *     gcfg.cookie = inv;
 *     iod_gather_create(&gather, pt, &gcfg);
 *
 * One object stands for one page table as one IOMMU uses it: a host or a guest table, the domains and the PASID it
 * is used with, the devices behind it that cache translations themselves (ATS). docs/invalidation.md says which
 * commands come of what.
 *
 * The order: INVALIDATE_IOMMU_PAGES, COMPLETION_WAIT, INVALIDATE_IOTLB_PAGES, COMPLETION_WAIT.
 * iod_inv_ops.invalidate issues the first and remembers what devices must forget; iod_inv_ops.sync does the rest.
 * Without devices one wait is all.
 *
 * Locking: any number of gathers, in any number of threads, may use one object; create and destroy alone.
 * Threads that sync at the same time share all but a wait each. No lock is held while the sink is called.
 * Nothing is allocated but by create, add_domain and add_device.
 */
#ifndef IODIRTY_AMDVI_INV_H
#define IODIRTY_AMDVI_INV_H

#include <iodirty/amdvi_cmd.h>
#include <iodirty/amdvi_queue.h>
#include <iodirty/gather.h>
#include <iodirty/inv_cost.h>
#include <iodirty/types.h>

#ifdef __cplusplus
extern "C" {
#endif

struct iod_amdvi_inv;

/** @name What the page table is, and what the IOMMU bears @{ */
/** Host table that guests' tables are nested on (DTE.GV with a Mode). Name the domains of all of them,
 *  iod_amdvi_inv_add_domain(). Whether an invalidation of host addresses takes what was combined with guest tables
 *  along is not confirmed: so that goes as well, by PASID (cfg.pasids) or by INVALIDATE_IOMMU_ALL. Devices, which
 *  ask by guests' addresses, forget everything. */
#define IOD_AMDVI_INV_NESTED (1u << 0)
/** With NESTED: the caller knows that it does (host addresses, GN=0, take combined translations along). */
#define IOD_AMDVI_INV_NO_COMBINED (1u << 1)
/** Erratum: the IOMMU must not be given a size, but for everything. */
#define IOD_AMDVI_INV_NO_RANGES (1u << 4)
/** Erratum: each INVALIDATE_IOMMU_PAGES and _ALL is issued twice. */
#define IOD_AMDVI_INV_REPEAT (1u << 5)
/** @} */

/** Configuration. */
struct iod_amdvi_inv_cfg {
	size_t size;			   /**< sizeof(struct iod_amdvi_inv_cfg) */
	const struct iod_amdvi_id *id;	   /**< the feature registers, copied; NULL: everything */
	const struct iod_amdvi_sink *sink; /**< copied; NULL: only encode */
	uint32_t stage;			   /**< 1: a guest (v2) table, GN=1; 2: a host (v1) table */
	uint32_t flags;			   /**< IOD_AMDVI_INV_* */
	uint16_t domain;		   /**< DTE.DomainID */
	uint16_t reserved;		   /**< 0 */
	uint32_t pasid;			   /**< stage 1; 0 for requests without one (DTE.GIOV) */
	uint32_t pasids;    /**< NESTED: guests use PASIDs below this, at most 256; 0: not known */
	uint32_t reserved1; /**< 0 */
	const struct iod_inv_cost *cost; /**< copied; NULL: the defaults */
	/**
	 * For errata: commands that are about to be issued, INVALIDATE_IOMMU_PAGES, _ALL or INVALIDATE_IOTLB_PAGES
	 * but no COMPLETION_WAIT. May change them, drop some, add some: *nr of them, room for max, which is at
	 * least twice as many. Whatever is not invalidated for it is lost to dirty tracking. Called by any thread
	 * that invalidates, without a lock held. 0, or a negative errno, which the gather gets (nothing of this
	 * call is issued then). NULL: none
	 */
	int (*quirk)(void *cookie, struct iod_amdvi_raw_cmd *cmds, size_t *nr, size_t max);
	void *quirk_cookie;		       /**< handed to quirk */
	const struct iod_allocator *allocator; /**< NULL: malloc */
};

/**
 * Create one.
 * @return 0; -EOPNOTSUPP the feature registers do not have guest translation, or NESTED without pasids (and without
 *         NO_COMBINED) where there is no INVALIDATE_IOMMU_ALL; -EINVAL also when the PASID has more bits than they
 *         say; -E2BIG; -ENOMEM
 */
IOD_API int iod_amdvi_inv_create(struct iod_amdvi_inv **out, const struct iod_amdvi_inv_cfg *cfg);

/** Destroy one that no gather uses any more. @return 0, -EINVAL */
IOD_API int iod_amdvi_inv_destroy(struct iod_amdvi_inv *inv);

/** The ops of a gather whose cookie is a struct iod_amdvi_inv *. They return what the sink and the quirk hook
 *  return, -EINVAL for a malformed iod_inv, and -EOPNOTSUPP for IOD_INV_ALL where there is no INVALIDATE_IOMMU_ALL.
 *  The domain of an iod_inv is not looked at. */
IOD_API const struct iod_inv_ops *iod_amdvi_inv_ops(void);

/** @name Further domains that the table is used with
 * Those of nested guests, or of devices that use the table by different ones. Each gets the same invalidations.
 * @{ */

/** Add one, before a DTE with it points to the table. Nothing may be cached with it any more from what it was used
 *  for before. @return 0; -EEXIST; -ENOMEM; -EINVAL */
IOD_API int iod_amdvi_inv_add_domain(struct iod_amdvi_inv *inv, uint16_t domain);

/** Remove it, after the last DTE with it was invalidated. The one of the configuration stays.
 *  @return 0; -ENOENT; -EINVAL */
IOD_API int iod_amdvi_inv_remove_domain(struct iod_amdvi_inv *inv, uint16_t domain);
/** @} */

/** @name Devices that cache translations (ATS) @{ */

/** A device, or one PASID of it. */
struct iod_amdvi_ats_device {
	size_t size;	/**< sizeof(struct iod_amdvi_ats_device) */
	uint16_t devid; /**< DeviceID */
	uint16_t
		queue; /**< QueueID: whose limit of pending invalidations counts; devid as a rule */
	uint32_t pasid; /**< with pasid_valid */
	bool pasid_valid; /**< it uses the table with this PASID only. Not with NESTED, where the guest has
				  them: pasid is 0 then, and all below cfg.pasids are invalidated as well */
	uint8_t max_pending; /**< invalidations that it takes at a time (MaxPend) */
	uint8_t stu;	     /**< ATS smallest translation unit: 4096 * 2^stu bytes, 0 to 31 */
	uint8_t reserved;    /**< 0 */
};

/**
 * Add a device, before ATS is enabled in it. The next sync makes it forget everything.
 * Not to be called by the sink or the quirk hook.
 * @return 0; -EEXIST; -EOPNOTSUPP no PASIDs in the feature registers; -ENOMEM; -EINVAL, also a PASID with
 *         NESTED where cfg.pasids is 0: no command takes all; -E2BIG
 */
IOD_API int iod_amdvi_inv_add_device(struct iod_amdvi_inv *inv,
				     const struct iod_amdvi_ats_device *dev);

/** Remove it, after ATS was disabled in it: no command reaches it once this returns.
 *  Not to be called by the sink or the quirk hook. @return 0; -ENOENT; -EINVAL */
IOD_API int iod_amdvi_inv_remove_device(struct iod_amdvi_inv *inv, uint16_t devid, uint32_t pasid,
					bool pasid_valid);
/** @} */

/** @name For those who have a queue of their own
 * Pure: nothing is issued, nothing is remembered, the quirk hook is not called; IOD_AMDVI_INV_REPEAT is obeyed.
 * @{ */

/**
 * The INVALIDATE_IOMMU_PAGES of a batch. With NESTED a COMPLETION_WAIT (that tells nobody) may stand among them;
 * one must follow in any case.
 * @param n receives how many commands there are
 * @return 0; -ENOSPC more than @p max (*n says how many; what is in @p out is not to be used); -EINVAL
 */
IOD_API int iod_amdvi_inv_encode(const struct iod_amdvi_inv *inv, const struct iod_inv *items,
				 size_t nr, struct iod_amdvi_raw_cmd *out, size_t max, size_t *n);

/** The INVALIDATE_IOTLB_PAGES of the same batch, for all devices; to be issued when the COMPLETION_WAIT after the
 *  others is complete, with another behind them. More than 256 items are covered by fewer. Devices that are new are
 *  told of the batch, no more: call it when that wait is complete, so that one which came meanwhile is among them.
 *  @return as above */
IOD_API int iod_amdvi_inv_encode_atc(const struct iod_amdvi_inv *inv, const struct iod_inv *items,
				     size_t nr, struct iod_amdvi_raw_cmd *out, size_t max,
				     size_t *n);
/** @} */

/** Figures. */
struct iod_amdvi_inv_stats {
	size_t size;	/**< sizeof(struct iod_amdvi_inv_stats) */
	uint64_t items; /**< iod_inv that were taken */
	uint64_t
		tlbi; /**< INVALIDATE_IOMMU_PAGES and _ALL handed to the sink, wide ones included */
	uint64_t wide;	/**< wide ones among them */
	uint64_t atc;	/**< INVALIDATE_IOTLB_PAGES handed to the sink */
	uint64_t syncs; /**< waits asked of the sink */
};

/** Read the figures. @return 0, -EINVAL, -E2BIG */
IOD_API int iod_amdvi_inv_get_stats(const struct iod_amdvi_inv *inv,
				    struct iod_amdvi_inv_stats *stats);

#ifdef __cplusplus
}
#endif

#endif
