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
 * Large pages: one that is dirty is reported as a whole, however little of it was written. A policy
 * (enum iod_split_policy) has the log split such pages, and merge them again later. It never changes what is
 * reported but to say it more exactly.
 *
 * Memory: one bit per granule and twice `staging`, taken at creation. Later only iod_dirty_log_add_table()
 * allocates, and with a policy iod_dirty_log_start() (2 bytes for what a leaf table maps), besides the tables
 * that splitting takes.
 *
 * Locking: any thread may call anything at any time. iod_dirty_log_mark_dirty() takes no lock and never
 * waits; all others on one log wait for each other (sync a large log in parts, if that matters). They
 * call the tables' iod_inv_ops, the receiver of runs and the provider with that lock held: there, of this
 * log's functions only iod_dirty_log_mark_dirty() may be called. In a callback of iod_visit() those that wait
 * are -EINVAL: all but _mark_dirty() and _rollback(). A page table may be in one log at a time, and nobody else
 * may sweep it meanwhile: a sweep takes dirty state away.
 *
 * With a policy, start, sync, clear, stop and resize are mutations of the windows, as iod_split_range() and
 * iod_merge_range() are: map and unmap other pages beside them, but not what they may be splitting or merging.
 * iod_dirty_log_unmap() waits for them.
 */
#ifndef IODIRTY_DIRTY_LOG_H
#define IODIRTY_DIRTY_LOG_H

#include <iodirty/bitmap.h>
#include <iodirty/gather.h>
#include <iodirty/gpa_join.h>
#include <iodirty/pgtable.h>
#include <iodirty/resize.h>
#include <iodirty/types.h>
#include <iodirty/unmap.h>

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
	/** NULL; or what the table's addresses stand for: a window of a virtual IOMMU. Then iova is 0, addresses
	 *  of the log are the join's GPAs, and the window may be as large as the table: what is
	 *  not in the join costs nothing. All tables of a join must be in one log. */
	struct iod_gpa_join *join;
};

/**
 * Add a window of a page table, while started too (a device is plugged in): whatever is dirty in it
 * then is reported by the next sync. Several windows of one table may not overlap in the table; windows
 * of different tables may overlap in the log.
 *
 * iova, table_iova, len and the log's own iova must be multiples of the granule and of the table's
 * smallest page.
 * @return 0; -EINVAL; -E2BIG; -EBUSY it, or its join, is in another log; -ERANGE outside the log or the table, or the
 *         whole of a space of 2^64 (make two windows); -EEXIST overlaps a window of the same table; -EOPNOTSUPP no IOD_PT_HW_DIRTY, or a smallest page larger than what `staging`
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

/** What becomes of large pages while the log is started. */
enum iod_split_policy {
	IOD_SPLIT_NONE = 0,  /**< they stay as they are */
	IOD_SPLIT_EAGER = 1, /**< all are split at start; later ones as IOD_SPLIT_ON_DIRTY */
	/** One that is found dirty is split when it has been cleaned: from the next round on it is reported
	 *  exactly, where devices do not write pages stay large. */
	IOD_SPLIT_ON_DIRTY = 2,
};

/** Most rounds that iod_dirty_log_start.merge_after may ask for. */
#define IOD_DIRTY_LOG_MERGE_AFTER_MAX 250u

/** How to start. */
struct iod_dirty_log_start {
	size_t size;	 /**< sizeof(struct iod_dirty_log_start) */
	uint32_t flags;	 /**< 0, IOD_DIRTY_LOG_INITIALLY_DIRTY or _RESUME */
	uint32_t policy; /**< enum iod_split_policy */
	/** Split to pages of at most this, a power of two; 0, or less than the log's granule or the
	 *  table's smallest page: the larger of those two. A table whose pgsize_bitmap has nothing
	 *  larger than that is not split, silently: to split 2 MiB, 4 KiB must be in use as well. */
	uint64_t page_size;
	/** What was split is merged again when it was clean in so many syncs in a row, of all of it; 0:
	 *  not before iod_dirty_log_stop(). */
	uint32_t merge_after;
	uint32_t resize_flags; /**< IOD_RESIZE_*, for splitting and merging */
	/** Items that start may look at or write to split, and each sync or clear to merge; 0: no limit.
	 *  What is left is due: iod_dirty_log_resize() does it (merging, also the next sync). */
	uint64_t budget;
};

/**
 * Begin to track. Without flags everything counts as clean from now on: what was marked before is
 * dropped, what is dirty in the tables is cleaned, invalidated, and not reported.
 *
 * Eager splitting comes first. If it runs out of memory the log is started all the same, and the rest of it
 * is due.
 * @param start NULL: no flags, no policy
 * @return 0; -EBUSY is started; -EINVAL; -E2BIG; with a policy -ENOMEM, and -EOPNOTSUPP where a table cannot
 *         be split: attached, or hardware needs break-before-make and resize_flags do not allow it (nothing
 *         was changed then); what a sweep or an invalidation returned: then the log
 *         is stopped, and what was marked is dropped all the same: start again without RESUME
 */
IOD_API int iod_dirty_log_start(struct iod_dirty_log *log, const struct iod_dirty_log_start *start);

/** stop, resize: merge what the log has split. */
#define IOD_DIRTY_LOG_MERGE (1u << 2)

/**
 * Stop. Bits that were not handed out stay, marks are still taken and
 * rollbacks accepted: all for a later start with IOD_DIRTY_LOG_RESUME; any other start drops them.
 *
 * Tables are left as they are, unless IOD_DIRTY_LOG_MERGE asks for merging: the log remembers, by leaf
 * table, the largest page that it split there (since this table came, whatever starts and stops were in
 * between), and merges up to that size, but no page that lies only partly inside the window. Pages that
 * were small before and lie in one leaf table with a larger one that was split may be merged along with
 * it: unmap with IOD_UNMAP_SPLIT. What is dirty is taken along before,
 * so that a later start with IOD_DIRTY_LOG_RESUME reports it exactly.
 * @param flags 0 or IOD_DIRTY_LOG_MERGE
 * @return 0; -EINVAL (also: not started); what sweeping, merging or an invalidation returned: the log is
 *         stopped all the same, nothing is lost, and the rest is due: iod_dirty_log_resize()
 */
IOD_API int iod_dirty_log_stop(struct iod_dirty_log *log, uint32_t flags);

/** Arguments and results of iod_dirty_log_resize(). */
struct iod_dirty_log_resize {
	size_t size;	   /**< sizeof(struct iod_dirty_log_resize) */
	uint32_t flags;	   /**< in: 0, or IOD_DIRTY_LOG_MERGE while stopped: merging is due */
	uint32_t reserved; /**< in: 0 */
	/** in: items to look at or write before it stops; 0: no limit. At least one entry is done. */
	uint64_t budget;
	uint64_t items;	  /**< out: items looked at or written */
	uint64_t entries; /**< out: entries split, or that came of merging */
	uint64_t left;	  /**< out: bytes still due; 0: all is done */
};

/**
 * Do some of what is due: eager splitting that start did not get to, merging at stop or after rounds
 * without writes. For callers who spread it: call it until left is 0, beside syncs. What is split is
 * invalidated when it returns.
 * @return 0; -EINVAL; -E2BIG; what splitting, merging, sweeping or an invalidation returned: nothing is lost,
 *         call again
 */
IOD_API int iod_dirty_log_resize(struct iod_dirty_log *log, struct iod_dirty_log_resize *resize);

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
 * A page that reaches over the end of the range is reported for the part inside and stays dirty (with a
 * policy it is split there, so that the next sync can clean the part inside).
 *
 * A policy works after a chunk was swept and before its invalidation (splitting), or after the last chunk
 * (merging), not in a sync with IOD_DIRTY_SYNC_FINAL, and it splits nothing with _NO_REARM. Where it cannot,
 * the sync goes on without (iod_dirty_log_info.resize_errors).
 *
 * After an error, [iova, next_iova) was handed out and is complete; of what comes behind nothing was
 * handed out and nothing is lost: sync again.
 * @return 0 (complete when done == len); what fn returned; -EINVAL (also: not started); -E2BIG; -ERANGE
 *         outside the log or the bitmap; what a sweep or an invalidation returned
 */
IOD_API int iod_dirty_log_sync(struct iod_dirty_log *log, struct iod_dirty_log_sync *sync);

/**
 * Second phase: clean the pages of the range all of whose granules are set in @p bitmap, drop the marks
 * of these granules, invalidate and wait. Copy pages after it returned. A page larger than the range is
 * not cleaned, and reported again: clear in parts no smaller than the largest page, or with a policy, which
 * splits it first.
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
 * Says what is always dirty: pages that devices write without a table of the log (mediated devices, pinned
 * for a vendor's driver). Calls iod_dirty_log_mark_dirty() for each such range that meets [iova, iova + len),
 * addresses of the log. A nonzero return fails the call that asked.
 */
typedef int (*iod_dirty_provider_fn)(void *cookie, struct iod_dirty_log *log, uint64_t iova,
				     uint64_t len);

/**
 * Set who is asked at the beginning of each sync and each iod_dirty_log_unmap(), with the log's lock held.
 * What it marks comes with that call. When this returned, the one before is called no more.
 * @param fn NULL: nobody
 * @return 0, -EINVAL
 */
IOD_API int iod_dirty_log_set_provider(struct iod_dirty_log *log, iod_dirty_provider_fn fn,
				       void *cookie);

/** unmap: also while the log is stopped, or not yet started: unmap, drop dirty state, record nothing. */
#define IOD_DIRTY_LOG_UNMAP_STOPPED (1u << 16)
/** unmap: the range may reach out of the table's windows; what is dirty there is dropped. */
#define IOD_DIRTY_LOG_UNMAP_OUTSIDE (1u << 17)

/**
 * Asked to let go of [iova, iova + len) (addresses of the table), before anything is unmapped and without a
 * lock of the log: what is pinned there and cannot be, is unpinned now.
 * @param attempt 0, 1, ...
 * @return 0: let go; -EAGAIN: ask again; another errno: no
 */
typedef int (*iod_dirty_unmap_fn)(void *cookie, uint64_t iova, uint64_t len, unsigned int attempt);

/** Arguments and results of iod_dirty_log_unmap(). */
struct iod_dirty_log_unmap {
	size_t size;		/**< sizeof(struct iod_dirty_log_unmap) */
	struct iod_pgtable *pt; /**< in: a table of the log */
	uint64_t iova; /**< in: range, addresses of the table, multiples of its smallest page */
	uint64_t len;  /**< in */
	uint32_t
		flags; /**< in: IOD_UNMAP_NO_HOLES, _SPLIT, _ALLOW_FAULTS, _SKIP_UNTRACKED, _DRY_RUN,
			  IOD_DIRTY_LOG_UNMAP_STOPPED, _OUTSIDE */
	uint32_t retries;	   /**< in: how often notify is asked again */
	iod_dirty_unmap_fn notify; /**< in: NULL: nobody */
	void *cookie;		   /**< in: handed to notify */
	/** in: addresses of the log, any granule: receives by OR all that is known to be dirty in the range,
	 *  marks too, and must cover it, rounded out to granules of the log. NULL: it comes with the next
	 *  sync. */
	struct iod_bitmap *bitmap;
	uint64_t unmapped; /**< out: bytes unmapped */
	uint64_t dirty;	   /**< out: granules of the log handed out */
	uint64_t
		next_iova; /**< out: iova + len, or how far it came in a range of several windows */
};

/**
 * Unmap a range of a table, without losing what was dirty in it. Complete when it returns: invalidated,
 * waited for, detached tables freed; with one invalidation and wait per window that it meets.
 *
 * A page that reaches over the edge of a window counts as cut there, even if the range holds all of it.
 * @return 0, also when nothing was mapped; -EINVAL (also: not started, or a page is cut and IOD_UNMAP_SPLIT is
 *         not given); -E2BIG; -ENOENT not a table of the log, or a hole with IOD_UNMAP_NO_HOLES; -ERANGE outside
 *         the windows or the bitmap; -EBUSY notify kept saying -EAGAIN; what notify, the provider or
 *         iod_unmap_dirty() returned: nothing was unmapped (of several windows: nothing from next_iova on).
 *         What an invalidation returned: the range is unmapped, but nothing was handed out; this call again, or
 *         the next sync, invalidates first and hands it out then.
 */
IOD_API int iod_dirty_log_unmap(struct iod_dirty_log *log, struct iod_dirty_log_unmap *unmap);

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
	uint64_t windows;	/**< windows of tables */
	uint64_t memory;	/**< bytes that the bitmaps take */
	uint32_t started;	/**< 1: started */
	uint32_t policy;	/**< enum iod_split_policy in force */
	uint64_t splits;	/**< entries that a policy split, since creation */
	uint64_t merges;	/**< entries that came of merging, since creation */
	uint64_t resize_errors; /**< times that a policy could not and went on without */
	uint64_t resize_left;	/**< bytes that iod_dirty_log_resize() would deal with */
};

/** Read it. @return 0, -EINVAL, -E2BIG */
IOD_API int iod_dirty_log_get_info(struct iod_dirty_log *log, struct iod_dirty_log_info *info);

#ifdef __cplusplus
}
#endif

#endif
