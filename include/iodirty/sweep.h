/* SPDX-License-Identifier: MIT */
/**
 * @file sweep.h
 * iod_sweep: read, read-and-clear, or clear by bitmap the dirty state of a range.
 *
 * Order of the protocol (docs/dirty.md): sweep with IOD_SWEEP_CLEAR, iod_gather_sync() or _flush(),
 * and only then trust the bitmap and copy pages.
 *
 * - A page that is dirty sets every granule of the bitmap that it touches inside the range.
 * - A page only partly inside the range is reported for the part inside and left dirty.
 * - Runs (ARM contiguous, AMD replicas): dirty if any item is; reported and cleaned as one.
 * - Holes are clean. Unreadable or malformed tables of a guest are skipped and counted in `bad`.
 * - A guest's tables may alias each other, so that a walk takes as long as the range is wide: give a
 *   budget.
 * - ARM leaves without DBM that are writable are reported every time, unless asked otherwise.
 */
#ifndef IODIRTY_SWEEP_H
#define IODIRTY_SWEEP_H

#include <iodirty/bitmap.h>
#include <iodirty/gather.h>
#include <iodirty/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * What a sweep does. One that cleans may wait for a grace period, which is for reader sections under way
 * (not in a callback of iod_visit(), where dense tables are cleaned by locked operations).
 */
enum iod_sweep_mode {
	IOD_SWEEP_READ = 1,  /**< report what is dirty, change nothing */
	IOD_SWEEP_CLEAR = 2, /**< report what is dirty and clean it */
	/** Clean the dirty pages all of whose granules are set in the bitmap; report nothing. */
	IOD_SWEEP_CLEAR_BY_BITMAP = 3,
};

/** Do not report writable leaves that hardware does not track (ARM without DBM). */
#define IOD_SWEEP_SKIP_UNTRACKED (1u << 0)

/**
 * The final pass, when devices are quiet: first invalidate everything of the domain through the gather
 * and sync, which makes the table updates of completed DMA visible (Arm IHI 0070, 3.13.4), then sweep.
 * With IOD_SWEEP_READ the gather is given as well. A pass in pieces needs it on its first piece.
 */
#define IOD_SWEEP_FINAL (1u << 1)

/**
 * Skip leaf tables that no device used since the last sweep with this flag, by the Accessed bits of the
 * table entries that point to them (docs/dirty.md, "Skipping what was not touched"). With
 * IOD_SWEEP_CLEAR only. The sweep itself invalidates what it takes Accessed from, with walk caches, and
 * waits, before it looks at a leaf: so it calls the gather's ops, and there must be some, in each share's
 * gather. Needs IOD_PT_HW_TABLE_ACCESS, and a
 * table that was created, not attached. ARM leaves without DBM are reported when a device used their
 * table, too: give IOD_SWEEP_SKIP_UNTRACKED in all such sweeps of a table or in none.
 */
#define IOD_SWEEP_PRUNE (1u << 2)

/** Arguments and results of a sweep. */
struct iod_sweep {
	size_t size;		   /**< sizeof(struct iod_sweep) */
	enum iod_sweep_mode mode;  /**< in */
	uint32_t flags;		   /**< in: 0 or IOD_SWEEP_SKIP_UNTRACKED, _FINAL, _PRUNE */
	uint64_t iova;		   /**< in: range, multiples of the table's smallest page */
	uint64_t len;		   /**< in */
	struct iod_bitmap *bitmap; /**< in: must cover the range */
	struct iod_gather *gather; /**< in: where cleaned pages go; NULL for IOD_SWEEP_READ */
	uint64_t budget;	   /**< in: items to look at before it stops; 0: no limit */
	uint64_t next_iova;	   /**< out: where to go on (iova + len when complete) */
	uint64_t done;		   /**< out: next_iova - iova; equals len when complete */
	uint64_t items;		   /**< out: items looked at, at all levels */
	uint64_t dirty;		   /**< out: dirty entries met (a run counts once per table) */
	uint64_t cleaned;	   /**< out: items cleaned */
	uint64_t bad;		   /**< out: malformed entries and unreadable tables skipped */
	uint64_t pruned;	   /**< out: leaf tables not looked at: nothing writable in them, or
					not used since the last sweep (IOD_SWEEP_PRUNE) */
	uint64_t large; /**< out: dirty entries met that are larger than the bitmap's granule */
};

/**
 * Sweep. The budget is looked at between tables, so that at least one table is done; call again with
 * iova = next_iova and the rest of len to go on.
 * @return 0 (complete when done == len); -EINVAL; -E2BIG; -ERANGE range outside the table or the
 *         bitmap; -EOPNOTSUPP without IOD_PT_HW_DIRTY, cleaning in read-only memory, or
 *         IOD_SWEEP_PRUNE where it is not sound; -EFAULT the root is unreadable; what the gather's
 *         invalidation returned (IOD_SWEEP_FINAL, _PRUNE). After an error of IOD_SWEEP_PRUNE the
 *         first `done` bytes were swept; after any other nothing was cleaned.
 */
IOD_API int iod_sweep(struct iod_pgtable *pt, struct iod_sweep *sweep);

/** One share of a range. */
struct iod_share {
	uint64_t iova; /**< first byte */
	uint64_t len;  /**< bytes */
};

/**
 * Cut [iova, iova + len) into shares of about equal size, for as many threads of the caller, each with
 * an iod_sweep and an iod_gather of its own (iod_gather_merge() joins them afterwards). Cuts lie
 * between leaf tables, never inside a page, and, if @p bitmap is given and not IOD_BITMAP_ATOMIC, never
 * inside one of its 64-bit words. Fewer shares than asked for come out where there are no such places.
 * @param bitmap that the shares will report into; NULL: any
 * @param shares receives at most @p *nr of them, in order, covering the range without gaps
 * @param nr     in: wanted, not 0; out: made
 * @return 0, -EINVAL, -ERANGE
 */
IOD_API int iod_sweep_split(const struct iod_pgtable *pt, uint64_t iova, uint64_t len,
			    const struct iod_bitmap *bitmap, struct iod_share *shares,
			    unsigned int *nr);

#ifdef __cplusplus
}
#endif

#endif
