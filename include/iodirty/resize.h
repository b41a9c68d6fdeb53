/* SPDX-License-Identifier: MIT */
/**
 * @file resize.h
 * iod_split_range, iod_merge_range: other page sizes for what is mapped, while devices use it, while sweeps
 * run beside it, and without losing a dirty page.
 *
 * Nothing but sizes changes: every address translates to the same place with the same permissions and
 * attributes before, during and after (but for the fault window of IOD_RESIZE_ALLOW_FAULTS). Parts of a
 * dirty page are born dirty; a merged page is dirty if any part was.
 *
 * How an entry is replaced depends on what hardware was declared to bear (docs/resize.md):
 * - VT-d, AMD, and ARM with IOD_PT_BBM_2: directly. Nothing ever faults.
 * - ARM with IOD_PT_BBM_1: blocks and tables with the nT bit set in between (Arm IHI 0070, 3.21.1), runs
 *   directly. Nothing ever faults.
 * - ARM otherwise: break-before-make. The entry is invalid until the invalidation is complete, and a
 *   device that uses it meanwhile faults: only with IOD_RESIZE_ALLOW_FAULTS.
 *
 * Locking: beside sweeps, readers, and mutations of disjoint ranges. A page that reaches over the edge of the
 * range belongs to the range. Not in a callback of iod_visit().
 */
#ifndef IODIRTY_RESIZE_H
#define IODIRTY_RESIZE_H

#include <iodirty/gather.h>
#include <iodirty/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Where break-before-make is needed, use it: accesses to a page may fault while it is replaced. */
#define IOD_RESIZE_ALLOW_FAULTS (1u << 0)
/** Break-before-make in any format, for hardware that is not trusted to do without (VT-d 6.5.3.3 asks
 *  software for it). Needs IOD_RESIZE_ALLOW_FAULTS. */
#define IOD_RESIZE_BREAK (1u << 1)

/** Arguments and results of iod_split_range() and iod_merge_range(). */
struct iod_resize {
	size_t size;	   /**< sizeof(struct iod_resize) */
	uint64_t iova;	   /**< in: range, multiples of the table's smallest page */
	uint64_t len;	   /**< in */
	uint32_t flags;	   /**< in: IOD_RESIZE_* */
	uint32_t reserved; /**< in: 0 */
	/** in: a power of two: pages of at most this (split) or up to this (merge) result. 0: the smallest in use
	 *  (split), the largest in use (merge). Need not be a page size itself. */
	uint64_t page_size;
	struct iod_gather *gather; /**< in: what must be invalidated, and freed */
	/** in: items to look at or write before it stops, between entries; 0: no limit. At least one entry
	 *  is done, and a look at what may become one large page is not interrupted. */
	uint64_t budget;
	uint64_t next_iova; /**< out: where to go on (iova + len when complete) */
	uint64_t done;	    /**< out: next_iova - iova; equals len when complete */
	uint64_t items;	    /**< out: items looked at or written, at all levels */
	uint64_t entries;   /**< out: entries replaced (split), entries that came of it (merge) */
};

/**
 * Split: what is mapped in the range becomes pages of at most page_size, the largest in use that are. A
 * page that reaches over the edge of the range is split no further outside than it takes. Holes, and pages
 * that are small enough, stay as they are.
 *
 * What is in the gather afterwards is to be synced by the caller when he likes (IOD_PT_BBM_1 and
 * break-before-make invalidate and wait through the gather's ops as they go, for many entries at a time).
 * @return 0 (complete when done == len); -EINVAL; -E2BIG; -ERANGE; -EOPNOTSUPP hardware needs
 *         break-before-make and it is not allowed, no page in use is as small, or attached tables;
 *         -ENOMEM; what the gather's ops returned. After an error every page is mapped as large as it was
 *         or smaller, and [iova, next_iova) is done.
 */
IOD_API int iod_split_range(struct iod_pgtable *pt, struct iod_resize *split);

/**
 * Merge: pages become the largest that alignment, contiguous output addresses and equal attributes allow,
 * up to page_size, of those wholly inside the range. Mappings that no larger page holds stay as they are.
 *
 * Ends with one invalidation and wait through the gather's ops, if tables were replaced: hardware may mark
 * pages in a detached table until then, and these marks are taken over afterwards. Until it returned 0
 * (or, after an error of the ops, until the gather was synced) the dirty state of the range may lie in
 * detached tables: do not unmap it, nor take a final pass, before. Detached tables are freed by
 * iod_gather_sync().
 * @return as iod_split_range(); -ENOMEM: not even the memory to remember detached tables
 */
IOD_API int iod_merge_range(struct iod_pgtable *pt, struct iod_resize *merge);

#ifdef __cplusplus
}
#endif

#endif
