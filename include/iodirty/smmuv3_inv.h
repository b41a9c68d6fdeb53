/* SPDX-License-Identifier: MIT */
/**
 * @file smmuv3_inv.h
 * A gather becomes SMMUv3 commands: the fewest that cover exactly what changed (Arm IHI 0070, 4.4, 4.5).
 *
 *     struct iod_smmuv3_inv_cfg cfg = { .size = sizeof(cfg), .id = &id, .sink = &sink, .stage = 1,
 *                                       .asid = 5 };
 *     struct iod_gather_cfg gcfg = { .size = sizeof(gcfg), .ops = iod_smmuv3_inv_ops() };
 *
 *     iod_smmuv3_inv_create(&inv, &cfg);
 *     gcfg.cookie = inv;
 *     iod_gather_create(&gather, pt, &gcfg);
 *
 * One object stands for one page table as one SMMU uses it: a stage, an ASID or a VMID, the devices behind
 * it that cache translations themselves (ATS). docs/invalidation.md says which commands come of what.
 *
 * The order is the one of 4.5.1: TLBIs, SYNC, ATC_INVs, SYNC. iod_inv_ops.invalidate issues the TLBIs and
 * remembers what ATCs must forget; iod_inv_ops.sync does the rest. Without devices one SYNC is all.
 *
 * Locking: any number of gathers, in any number of threads, may use one object; create and destroy alone.
 * Threads that sync at the same time share all but a SYNC each. No lock is held while the sink is called. Nothing is
 * allocated but by create and add_device.
 */
#ifndef IODIRTY_SMMUV3_INV_H
#define IODIRTY_SMMUV3_INV_H

#include <iodirty/gather.h>
#include <iodirty/inv_cost.h>
#include <iodirty/smmuv3_cmd.h>
#include <iodirty/smmuv3_queue.h>
#include <iodirty/types.h>

#ifdef __cplusplus
extern "C" {
#endif

struct iod_smmuv3_inv;

/** @name What the page table is, and what the SMMU bears @{ */
/** Stage 2 of streams that have a stage 1 as well (STE.Config 7): combined translations of the VMID go, too
 *  (SYNC and NH_ALL after S2_IPA, or S12_VMALL), and everything in ATCs, which are asked by other addresses. */
#define IOD_SMMUV3_INV_NESTED (1u << 0)
/** Stage 1 of EL2 (STE.STRW 2). asid is 0 without E2H. */
#define IOD_SMMUV3_INV_EL2 (1u << 1)
/** Stage 1 that contexts of several ASIDs share: NH_VAA. */
#define IOD_SMMUV3_INV_ALL_ASIDS (1u << 2)
/** No mapping was ever made with IOD_PROT_GLOBAL. Then everything of the table can be invalidated by its ASID,
 *  which spares others'; NH_ASID does not touch global entries. */
#define IOD_SMMUV3_INV_NO_GLOBAL (1u << 3)
/** Erratum: the SMMU must not be given ranges or level hints, though its ID registers have them. */
#define IOD_SMMUV3_INV_NO_RANGES (1u << 4)
/** Erratum: each TLBI is issued twice. */
#define IOD_SMMUV3_INV_REPEAT (1u << 5)
/** @} */

/** Configuration. */
struct iod_smmuv3_inv_cfg {
	size_t size;			    /**< sizeof(struct iod_smmuv3_inv_cfg) */
	const struct iod_smmuv3_id *id;	    /**< copied; NULL: everything */
	const struct iod_smmuv3_sink *sink; /**< copied; NULL: only encode */
	uint32_t stage;			    /**< 1 or 2 */
	uint32_t flags;			    /**< IOD_SMMUV3_INV_* */
	uint16_t asid;			    /**< stage 1 */
	uint16_t vmid;	   /**< 0 for stage 1 of an SMMU without stage 2, and for EL2 */
	uint32_t reserved; /**< 0 */
	const struct iod_inv_cost *cost; /**< copied; NULL: the defaults */
	/**
	 * For errata: commands that are about to be issued, TLBIs or ATC_INVs but no SYNC. May change them,
	 * drop some, add some: *nr of them, room for max, which is at least twice as many. Whatever is not
	 * invalidated for it is lost to dirty tracking. Called by any thread that invalidates, without a lock
	 * held. 0, or a negative errno, which the gather gets (nothing of this call is issued then). NULL: none
	 */
	int (*quirk)(void *cookie, struct iod_smmuv3_raw_cmd *cmds, size_t *nr, size_t max);
	void *quirk_cookie;		       /**< handed to quirk */
	const struct iod_allocator *allocator; /**< NULL: malloc */
};

/**
 * Create one.
 * @return 0; -EOPNOTSUPP the ID registers do not have the stage or EL2; -EINVAL also when ASID or VMID have more
 *         bits than they say; -E2BIG; -ENOMEM
 */
IOD_API int iod_smmuv3_inv_create(struct iod_smmuv3_inv **out,
				  const struct iod_smmuv3_inv_cfg *cfg);

/** Destroy one that no gather uses any more. @return 0, -EINVAL */
IOD_API int iod_smmuv3_inv_destroy(struct iod_smmuv3_inv *inv);

/** The ops of a gather whose cookie is a struct iod_smmuv3_inv *. They return what the sink and the quirk hook
 *  return, and -EINVAL for a malformed iod_inv. The domain of an iod_inv is not looked at. */
IOD_API const struct iod_inv_ops *iod_smmuv3_inv_ops(void);

/** @name Devices that cache translations (ATS) @{ */

/** A device, or one substream of it. */
struct iod_smmuv3_ats_device {
	size_t size;   /**< sizeof(struct iod_smmuv3_ats_device) */
	uint32_t sid;  /**< StreamID */
	uint32_t ssid; /**< SubstreamID, with ssv */
	bool ssv;      /**< it uses the table with this SubstreamID only. Not with NESTED, where the
			    guest has them: then it gets an ATC_INV for all of them as well */
	uint8_t stu;   /**< ATS smallest translation unit: 4096 * 2^stu bytes, 0 to 31 */
	uint16_t reserved; /**< 0 */
};

/**
 * Add a device, before ATS is enabled in it. The next sync makes it forget everything.
 * Not to be called by the sink or the quirk hook.
 * @return 0; -EEXIST; -EOPNOTSUPP no ATS in the ID registers; -ENOMEM; -EINVAL; -E2BIG
 */
IOD_API int iod_smmuv3_inv_add_device(struct iod_smmuv3_inv *inv,
				      const struct iod_smmuv3_ats_device *dev);

/** Remove it, after ATS was disabled in it: no command reaches it once this returns.
 *  Not to be called by the sink or the quirk hook. @return 0; -ENOENT; -EINVAL */
IOD_API int iod_smmuv3_inv_remove_device(struct iod_smmuv3_inv *inv, uint32_t sid, uint32_t ssid,
					 bool ssv);
/** @} */

/** @name For those who have a queue of their own
 * Pure: nothing is issued, nothing is remembered, the quirk hook is not called; IOD_SMMUV3_INV_REPEAT is
 * obeyed.
 * @{ */

/**
 * The TLBIs of a batch. With NESTED a SYNC may stand among them; one must follow in any case.
 * @param n receives how many commands there are
 * @return 0; -ENOSPC more than @p max (*n says how many; what is in @p out is not to be used); -EINVAL
 */
IOD_API int iod_smmuv3_inv_encode(const struct iod_smmuv3_inv *inv, const struct iod_inv *items,
				  size_t nr, struct iod_smmuv3_raw_cmd *out, size_t max, size_t *n);

/** The ATC_INVs of the same batch, for all devices; to be issued when the SYNC after the TLBIs is complete,
 *  with another behind them. More than 256 items are covered by fewer. Devices that are new are told of the batch, no
 *  more: call it when that SYNC is complete, so that one which came meanwhile is among them. @return as above */
IOD_API int iod_smmuv3_inv_encode_atc(const struct iod_smmuv3_inv *inv, const struct iod_inv *items,
				      size_t nr, struct iod_smmuv3_raw_cmd *out, size_t max,
				      size_t *n);
/** @} */

/** Figures. */
struct iod_smmuv3_inv_stats {
	size_t size;	/**< sizeof(struct iod_smmuv3_inv_stats) */
	uint64_t items; /**< iod_inv that were taken */
	uint64_t tlbi;	/**< TLBIs handed to the sink, wide ones included */
	uint64_t wide;	/**< wide ones among them */
	uint64_t atc;	/**< ATC_INVs handed to the sink */
	uint64_t syncs; /**< syncs asked of the sink */
};

/** Read the figures. @return 0, -EINVAL, -E2BIG */
IOD_API int iod_smmuv3_inv_get_stats(const struct iod_smmuv3_inv *inv,
				     struct iod_smmuv3_inv_stats *stats);

#ifdef __cplusplus
}
#endif

#endif
