/* SPDX-License-Identifier: MIT */
/**
 * @file unmap.h
 * iod_unmap_dirty: unmap a range and deliver what was dirty in it, in one call; many such calls, one
 * invalidation.
 *
 * Order of the protocol: iod_unmap_dirty() (as often as you like), iod_gather_sync() or _flush(), and only
 * then read the bitmap and copy pages. An entry is taken by an atomic exchange, so that nothing is marked
 * between the read and the removal; where whole tables are cut off, hardware may still mark pages in them
 * until the invalidation is complete, and they are looked at after it, by the sync.
 *
 * Locking: as iod_unmap(): readers, sweeps, and mutations of disjoint ranges may run beside it. A sweep
 * that runs beside it may take marks that it then reports: what is dirty comes with one or the other.
 */
#ifndef IODIRTY_UNMAP_H
#define IODIRTY_UNMAP_H

#include <iodirty/bitmap.h>
#include <iodirty/pgtable.h>
#include <iodirty/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/** iod_unmap_dirty: do not report writable leaves that hardware does not track (ARM without DBM). */
#define IOD_UNMAP_SKIP_UNTRACKED (1u << 3)
/** iod_unmap_dirty: find out whether it would be refused, and change nothing. */
#define IOD_UNMAP_DRY_RUN (1u << 4)

/** Arguments and results of iod_unmap_dirty(). */
struct iod_unmap_dirty {
	size_t size;	   /**< sizeof(struct iod_unmap_dirty) */
	uint64_t iova;	   /**< in: range, multiples of the table's smallest page */
	uint64_t len;	   /**< in */
	uint32_t flags;	   /**< in: IOD_UNMAP_NO_HOLES, _SPLIT, _ALLOW_FAULTS, _SKIP_UNTRACKED,
			     _DRY_RUN */
	uint32_t reserved; /**< in: 0 */
	struct iod_gather *gather; /**< in: must be given */
	/** in: must cover the range, any granule. Bits are set by OR, the last of them when the gather is synced
	 *  or flushed: bitmap and words must live until then. If another thread sets bits in the same
	 *  words, it must be IOD_BITMAP_ATOMIC. */
	struct iod_bitmap *bitmap;
	uint64_t unmapped; /**< out: bytes unmapped; 0 when nothing was mapped, which is no error */
	uint64_t dirty;	   /**< out: bytes reported dirty by now; a sync may add to the bitmap */
};

/**
 * Unmap [iova, iova + len) and set the bits of what was dirty in it.
 * @return 0; -ENOENT a hole, with IOD_UNMAP_NO_HOLES; -EINVAL also when the range cuts through a page and
 *         IOD_UNMAP_SPLIT is not given; -E2BIG; -ERANGE range outside the table or the bitmap; -EOPNOTSUPP
 *         without IOD_PT_HW_DIRTY, attached tables, or as iod_split_range(); -ENOMEM and what the gather's ops
 *         return, when splitting only. After any error nothing is unmapped (pages may have been split).
 */
IOD_API int iod_unmap_dirty(struct iod_pgtable *pt, struct iod_unmap_dirty *unmap);

/**
 * Many of them, for guests that invalidate domain-selectively and lazily: all are checked before the first is
 * unmapped, all go to their gathers (one for all, mostly), to be synced once by the caller.
 * @param unmaps the ranges, which may not intersect; their `size` must be equal, and is the distance from
 *               one to the next
 * @param nr     how many, not 0
 * @param done   out: how many were unmapped: nr after success, 0 after a refusal; may be NULL
 * @return 0; -EINVAL also when two intersect; -ENOMEM; what iod_unmap_dirty() returns for the one at *done
 */
IOD_API int iod_unmap_dirty_batch(struct iod_pgtable *pt, struct iod_unmap_dirty *unmaps, size_t nr,
				  size_t *done);

#ifdef __cplusplus
}
#endif

#endif
