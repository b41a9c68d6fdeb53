/* SPDX-License-Identifier: MIT */
/**
 * @file gpa_join.h
 * iod_gpa_join: which guest-physical memory the IOVAs of a virtual IOMMU stand for, so that a dirty log can
 * report what devices wrote where the guest's memory lies (docs/join.md).
 *
 * Behind a virtual IOMMU the guest chooses IOVAs. A table that shadows the guest's own is tracked by IOVA;
 * migration wants guest-physical addresses (GPAs). A join is the caller's record of IOVA -> GPA, given to
 * iod_dirty_log_add_table(): what is dirty in such a table is looked up and handed out at the GPA, which is
 * the log's address.
 *
 * The order, which the caller keeps:
 *
 *   map:    iod_gpa_join_map()         then iod_map()
 *   unmap:  iod_dirty_log_unmap(), all of it done, in every table that uses the join, then iod_gpa_join_unmap()
 *
 * So whenever a table can hold a dirty mark for an IOVA, the join knows what the IOVA stands for. In the
 * other order a sync in between takes a mark that nobody can place, or places it at the next owner's memory.
 *
 * A sync takes marks first and looks them up when they were invalidated. What was unmapped in between is
 * remembered until then (the journal): such an IOVA is reported at all GPAs that it stood for meanwhile. Too
 * much may be reported, never too little. Several IOVAs may stand for one GPA.
 *
 * Memory: about 150 bytes for a range, and those of the journal; adjacent ranges become one. At the bound
 * iod_gpa_join_map() is refused; the journal then gives way, by reporting as dirty what it would have remembered;
 * and a hole in a range that cannot be noted is looked up as if it were still mapped. So iod_gpa_join_unmap()
 * never fails for want of memory.
 *
 * Locking: any thread may call anything at any time, also in callbacks of a log (but iod_gpa_join_destroy()).
 * Nothing waits for a sync, but for look-ups: of 16 MiB (of 4 KiB granules) of dirty pages at a time, or of what a
 * clear, or a sync of a part of the log, is about. Ranges that overlap are the caller's to order.
 */
#ifndef IODIRTY_GPA_JOIN_H
#define IODIRTY_GPA_JOIN_H

#include <iodirty/bitmap.h>
#include <iodirty/types.h>

#ifdef __cplusplus
extern "C" {
#endif

struct iod_gpa_join;

/** Configuration. */
struct iod_gpa_join_cfg {
	size_t size; /**< sizeof(struct iod_gpa_join_cfg) */
	/** Ranges to remember at most, the journal included; 0: 2^20. */
	uint64_t max_ranges;
	const struct iod_allocator *allocator; /**< NULL: malloc */
	uint32_t flags;			       /**< 0 */
	uint32_t reserved;		       /**< 0 */
};

/** Create an empty join. @param cfg NULL for the defaults @return 0, -EINVAL, -E2BIG, -ENOMEM */
IOD_API int iod_gpa_join_create(struct iod_gpa_join **out, const struct iod_gpa_join_cfg *cfg);

/** Destroy it. @return 0; -EINVAL; -EBUSY a table of a log uses it */
IOD_API int iod_gpa_join_destroy(struct iod_gpa_join *join);

/**
 * [iova, iova + len) stands for [gpa, gpa + len) from now on. Call it before the range is mapped in any table.
 * All are multiples of 4 KiB. GPAs outside of the log (doorbells, memory of other devices) may be given; what is
 * dirty there is not reported.
 * @return 0; -EINVAL; -ERANGE beyond 2^64; -EEXIST some of it stands for something already; -ENOSPC max_ranges;
 *         -ENOMEM
 */
IOD_API int iod_gpa_join_map(struct iod_gpa_join *join, uint64_t iova, uint64_t len, uint64_t gpa);

/** unmap: the dirty state was not taken (a plain iod_unmap()): all of the range is reported dirty. */
#define IOD_GPA_JOIN_ALL_DIRTY (1u << 0)

/**
 * [iova, iova + len) stands for nothing any more; holes in it are no error. Call it after the range was
 * unmapped, invalidated and waited for in every table, and what was dirty there was taken:
 * iod_dirty_log_unmap() does all of it; a bitmap of iod_unmap_dirty() is to be translated before.
 * @param flags 0 or IOD_GPA_JOIN_ALL_DIRTY
 * @return 0; -EINVAL; -ERANGE beyond 2^64
 */
IOD_API int iod_gpa_join_unmap(struct iod_gpa_join *join, uint64_t iova, uint64_t len,
			       uint32_t flags);

/**
 * [iova, iova + len) was written without a table's mark (by an emulated device behind the virtual IOMMU, by the VMM):
 * what it stands for is dirty in the log, as by iod_dirty_log_mark_dirty(). Write the memory first, then mark.
 * @return 0, also where it stands for nothing; -EINVAL len is 0; -ERANGE beyond 2^64
 */
IOD_API int iod_gpa_join_mark_dirty(struct iod_gpa_join *join, uint64_t iova, uint64_t len);

/**
 * What an IOVA stands for. @param gpa, len receive the GPA, and how many bytes from there on are contiguous in both
 * (may be NULL). @return 0, -EINVAL, -ENOENT nothing
 */
IOD_API int iod_gpa_join_lookup(struct iod_gpa_join *join, uint64_t iova, uint64_t *gpa,
				uint64_t *len);

/**
 * Set in @p to, a bitmap of GPAs, what is set in @p from, a bitmap of IOVAs: for callers who unmap by
 * iod_unmap_dirty() themselves. Call it after the gather was synced and before iod_gpa_join_unmap();
 * iod_dirty_log_rollback() gives @p to to a log. Granules may differ; parts are rounded out.
 * @return 0; -EINVAL; -ERANGE some of it lies outside of @p to (the rest was set)
 */
IOD_API int iod_gpa_join_translate(struct iod_gpa_join *join, const struct iod_bitmap *from,
				   struct iod_bitmap *to);

/** What a join holds. */
struct iod_gpa_join_info {
	size_t size;	  /**< sizeof(struct iod_gpa_join_info) */
	uint64_t ranges;  /**< ranges that stand for something */
	uint64_t journal; /**< ranges that did, and are remembered for syncs under way */
	uint64_t memory;  /**< bytes that both take */
	/** Granules of IOVAs that were dirty and stand for nothing: doorbells, or the order was not kept. They
	 *  were not reported. */
	uint64_t unknown;
	uint64_t
		given_up; /**< bytes that were reported dirty because they could not be remembered */
	uint64_t loose;	  /**< ranges with holes that could not be noted */
};

/** Read it. @return 0, -EINVAL, -E2BIG */
IOD_API int iod_gpa_join_get_info(struct iod_gpa_join *join, struct iod_gpa_join_info *info);

#ifdef __cplusplus
}
#endif

#endif
