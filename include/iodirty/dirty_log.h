/* SPDX-License-Identifier: MIT */
/**
 * @file dirty_log.h
 * iod_dirty_log: a tracking session over one or more page tables, with one bitmap for all of them.
 *
 * The log covers the addresses [iova, iova + len) in granules. Each table contributes a window: an
 * address of the log is the table's own plus a constant. Nothing that a sync hands out was not
 * invalidated before (docs/dirty.md, "The order"): whoever got a bit may copy the page at once. What
 * cannot be handed out (an invalidation failed, a receiver refused) is kept and comes with a later sync.
 *
 * One phase: sync (reports and re-arms) -> copy.
 * Two phases: sync with IOD_DIRTY_SYNC_NO_REARM -> clear (in parts) -> copy what was cleared, never
 * before: a page that is written again between the two calls is cleaned by the clear, and its newest data
 * is what the copy afterwards reads.
 *
 * Memory: one bit per granule and twice `staging`, taken at creation. No later call but
 * iod_dirty_log_add_table() allocates.
 *
 * Locking: any thread may call anything at any time. iod_dirty_log_mark_dirty() takes no lock and never
 * waits; all others on one log wait for each other (sync a large log in parts, if that matters). They
 * call the tables' iod_inv_ops and the receiver of runs with that lock held: there, of this log's
 * functions only iod_dirty_log_mark_dirty() may be called. In a callback of iod_visit() those that wait
 * are -EINVAL: all but _mark_dirty() and _rollback(). A page table may be in one log at a time, and nobody else
 * may sweep it meanwhile: a sweep takes dirty state away.
 */
#ifndef IODIRTY_DIRTY_LOG_H
#define IODIRTY_DIRTY_LOG_H

#include <iodirty/bitmap.h>
#include <iodirty/gather.h>
#include <iodirty/pgtable.h>
#include <iodirty/types.h>

#ifdef __cplusplus
extern "C" {
#endif

struct iod_dirty_log;

/** Configuration. */
struct iod_dirty_log_cfg {
	size_t size;	  /**< sizeof(struct iod_dirty_log_cfg) */
	uint64_t iova;	  /**< first address, a multiple of granule */
	uint64_t len;	  /**< bytes, a multiple of granule; iova + len may be 2^64 */
	uint64_t granule; /**< bytes per bit, a power of two, 4 KiB or more; 0: 4 KiB */
	/** Bytes of the bitmap that is swept and invalidated at a time, a power of two, 8 or more;
	 *  0: 256 KiB, which stays in a core's cache and is 8 GiB of 4 KiB granules. Each such chunk
	 *  that has dirty pages costs one invalidation and wait per table. */
	uint64_t staging;
	const struct iod_allocator *allocator; /**< NULL: malloc */
	uint32_t flags;			       /**< 0 */
	uint32_t reserved;		       /**< 0 */
};

/** Create a log without tables, stopped. @return 0, -EINVAL, -E2BIG, -ERANGE, -ENOMEM */
IOD_API int iod_dirty_log_create(struct iod_dirty_log **out, const struct iod_dirty_log_cfg *cfg);

/**
 * Stop and destroy a log. What it still holds is forgotten.
 * @return 0; -EINVAL; what a table's invalidation returned: pages were cleaned that devices still
 *         believe dirty. Then nothing was destroyed: call again, or give that table up with
 *         IOD_DIRTY_LOG_DISCARD.
 */
IOD_API int iod_dirty_log_destroy(struct iod_dirty_log *log);

/** A table's part in a log. */
struct iod_dirty_log_table {
	size_t size;		/**< sizeof(struct iod_dirty_log_table) */
	struct iod_pgtable *pt; /**< must outlive its time in the log; needs IOD_PT_HW_DIRTY */
	uint64_t iova;		/**< the log's address of the window's first byte */
	uint64_t table_iova;	/**< the table's address of that byte */
	/** Bytes of the window. 0: as far as both the log and the table go (up to the hole of a canonical
	 *  address space; the other half is another window). */
	uint64_t len;
	const struct iod_inv_ops *ops; /**< how its devices are reached, copied; NULL: none */
	void *cookie;		       /**< handed to ops */
	uint32_t flags;		       /**< 0 */
	uint32_t reserved;	       /**< 0 */
};

/**
 * Add a window of a page table, while started too (a device is plugged in): whatever is dirty in it
 * then is reported by the next sync. Several windows of one table may not overlap in the table; windows
 * of different tables may overlap in the log.
 *
 * iova, table_iova, len and the log's own iova must be multiples of the granule and of the table's
 * smallest page.
 * @return 0; -EINVAL; -E2BIG; -EBUSY is in another log; -ERANGE outside the log or the table; -EEXIST overlaps a window of the
 *         same table; -EOPNOTSUPP no IOD_PT_HW_DIRTY, or a smallest page larger than what `staging`
 *         covers; -ENOMEM
 */
IOD_API int iod_dirty_log_add_table(struct iod_dirty_log *log,
				    const struct iod_dirty_log_table *table);

/** remove_table: its dirty state, and invalidations that were not completed, do not matter any more. */
#define IOD_DIRTY_LOG_DISCARD (1u << 0)

/**
 * Remove all windows of a page table (a device is unplugged). What is dirty in them is taken along first
 * and reported by the next sync.
 * @param flags 0 or IOD_DIRTY_LOG_DISCARD
 * @return 0; -ENOENT not in the log; -EINVAL; what the sweep or the invalidation returned: then the
 *         table is still in the log and nothing was lost
 */
IOD_API int iod_dirty_log_remove_table(struct iod_dirty_log *log, struct iod_pgtable *pt,
				       uint32_t flags);

/** start: everything in the log's range is dirty at first, mapped or not (KVM_DIRTY_LOG_INITIALLY_SET). */
#define IOD_DIRTY_LOG_INITIALLY_DIRTY (1u << 0)
/** start: go on where stop ended. What was dirty then, and what became so since, is reported. */
#define IOD_DIRTY_LOG_RESUME (1u << 1)

/** How to start. */
struct iod_dirty_log_start {
	size_t size;	   /**< sizeof(struct iod_dirty_log_start) */
	uint32_t flags;	   /**< 0, IOD_DIRTY_LOG_INITIALLY_DIRTY or _RESUME */
	uint32_t reserved; /**< 0 */
};

/**
 * Begin to track. Without flags everything counts as clean from now on: what was marked before is
 * dropped, what is dirty in the tables is cleaned, invalidated, and not reported.
 * @param start NULL: no flags
 * @return 0; -EBUSY is started; -EINVAL; -E2BIG; what a sweep or an invalidation returned: then the log
 *         is stopped, and what was marked is dropped all the same: start again without RESUME
 */
IOD_API int iod_dirty_log_start(struct iod_dirty_log *log, const struct iod_dirty_log_start *start);

/**
 * Stop. Tables are left as they are. Bits that were not handed out stay, marks are still taken and
 * rollbacks accepted: all for a later start with IOD_DIRTY_LOG_RESUME; any other start drops them.
 * @param flags 0
 * @return 0; -EINVAL (also: not started)
 */
IOD_API int iod_dirty_log_stop(struct iod_dirty_log *log, uint32_t flags);

/** Report only: nothing is cleaned or taken; iod_dirty_log_clear() does that later. */
#define IOD_DIRTY_SYNC_NO_REARM (1u << 0)
/** The final pass, devices are quiet: IOD_SWEEP_FINAL on each table before it is looked at. */
#define IOD_DIRTY_SYNC_FINAL (1u << 1)
/** IOD_SWEEP_PRUNE on the tables that declare its conditions; the others are swept in full. Not with
 *  IOD_DIRTY_SYNC_NO_REARM. */
#define IOD_DIRTY_SYNC_PRUNE (1u << 2)
/** IOD_SWEEP_SKIP_UNTRACKED. */
#define IOD_DIRTY_SYNC_SKIP_UNTRACKED (1u << 3)

/** Receives a run of dirty granules: [iova, iova + len). Nonzero: not taken, stop. */
typedef int (*iod_dirty_run_fn)(void *cookie, uint64_t iova, uint64_t len);

/** Arguments and results of a sync. */
struct iod_dirty_log_sync {
	size_t size;   /**< sizeof(struct iod_dirty_log_sync) */
	uint64_t iova; /**< in: range, inside the log. Multiples of the granule, and of the smallest
				page of each table that it meets */
	uint64_t len;  /**< in */
	uint32_t flags;	   /**< in: IOD_DIRTY_SYNC_* */
	uint32_t reserved; /**< in: 0 */
	/** in: receives the dirty granules, by OR; must cover the range; any granule. Or NULL and: */
	struct iod_bitmap *bitmap;
	/** in: called for each run of dirty granules in the range, in order of address, as long as can
	 *  be. What it does not take stays dirty. */
	iod_dirty_run_fn fn;
	void *cookie;	    /**< in: handed to fn */
	uint64_t next_iova; /**< out: where to go on (iova + len when complete) */
	uint64_t done;	    /**< out: next_iova - iova; equals len when complete */
	uint64_t dirty;	    /**< out: granules of the log handed out */
};

/**
 * Hand out what is dirty: for each chunk of the range, sweep each table, invalidate what was cleaned and
 * wait, and only then set bits or call fn.
 *
 * A page that reaches over the end of the range is reported for the part inside and stays dirty.
 * After an error, [iova, next_iova) was handed out and is complete; of what comes behind nothing was
 * handed out and nothing is lost: sync again.
 * @return 0 (complete when done == len); what fn returned; -EINVAL (also: not started); -E2BIG; -ERANGE
 *         outside the log or the bitmap; what a sweep or an invalidation returned
 */
IOD_API int iod_dirty_log_sync(struct iod_dirty_log *log, struct iod_dirty_log_sync *sync);

/**
 * Second phase: clean the pages of the range all of whose granules are set in @p bitmap, drop the marks
 * of these granules, invalidate and wait. Copy pages after it returned. A page larger than the range is
 * not cleaned, and reported again: clear in parts no smaller than the largest page.
 * @param iova, len as in a sync
 * @param bitmap    what a sync reported (or some of it); must cover the range; any granule. Not changed.
 * @param done      bytes dealt with are added to it (pages that were not wholly inside and set are not
 *                  clean for that), also after an error; may be NULL. What was not
 *                  cleared will be reported again.
 * @return as iod_dirty_log_sync()
 */
IOD_API int iod_dirty_log_clear(struct iod_dirty_log *log, uint64_t iova, uint64_t len,
				const struct iod_bitmap *bitmap, uint64_t *done);

/**
 * Mark granules dirty, for writes that no table sees (the VMM's own, vCPUs, emulated devices): every
 * granule that the range touches. Write the memory first, then mark. The mark comes with a sync that is
 * under way or with the next one.
 * @return 0; -EINVAL; -ERANGE not wholly inside the log (nothing is marked)
 */
IOD_API int iod_dirty_log_mark_dirty(struct iod_dirty_log *log, uint64_t iova, uint64_t len);

/**
 * Give back what was handed out and not sent: every granule that is set in @p bitmap, as far as it lies
 * inside the log, is dirty again. Also while stopped.
 * @return 0, -EINVAL
 */
IOD_API int iod_dirty_log_rollback(struct iod_dirty_log *log, const struct iod_bitmap *bitmap);

/** What a log is and holds. */
struct iod_dirty_log_info {
	size_t size;	  /**< sizeof(struct iod_dirty_log_info) */
	uint64_t iova;	  /**< as configured */
	uint64_t len;	  /**< as configured */
	uint64_t granule; /**< in force */
	uint64_t
		held; /**< granules marked, rolled back or kept back now; not what is only in tables */
	uint64_t windows; /**< windows of tables */
	uint64_t memory;  /**< bytes that the bitmaps take */
	uint32_t started; /**< 1: started */
	uint32_t reserved;
};

/** Read it. @return 0, -EINVAL, -E2BIG */
IOD_API int iod_dirty_log_get_info(struct iod_dirty_log *log, struct iod_dirty_log_info *info);

#ifdef __cplusplus
}
#endif

#endif
