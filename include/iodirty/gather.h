/* SPDX-License-Identifier: MIT */
/**
 * @file gather.h
 * iod_gather: what must be invalidated, and what may be freed afterwards.
 *
 * A mutation or a cleaning sweep adds to a gather what hardware may still hold: ranges, the levels of
 * leaves and of table entries that changed, and the tables that were cut off. iod_gather_sync() hands
 * the ranges to the caller's iod_inv_ops, waits for their sync, waits for a grace period of every
 * reader (liburcu, bp flavour), and only then frees the tables.
 *
 * Locking: a gather belongs to one thread at a time; use one per thread.
 */
#ifndef IODIRTY_GATHER_H
#define IODIRTY_GATHER_H

#include <iodirty/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/** What a neutral invalidation covers. */
enum iod_inv_kind {
	IOD_INV_ALL = 1,    /**< everything */
	IOD_INV_DOMAIN = 2, /**< everything of one domain */
	IOD_INV_RANGE = 3,  /**< [iova, last] of one domain */
};

/** Only leaf entries changed: walk caches may be kept (VT-d IH=1, AMD PDE=0, ARM Leaf=1). */
#define IOD_INV_LEAF_ONLY (1u << 0)
/** Keep translations whose leaf says that it is global (IOD_PROT_GLOBAL). Nothing else is: what a walk
 *  cache holds of tables goes. */
#define IOD_INV_NO_GLOBAL (1u << 1)
/** Nothing but translations whose leaf says that it is global; walk caches are kept. Not with NO_GLOBAL. */
#define IOD_INV_ONLY_GLOBAL (1u << 2)
/** No leaf changed, only the table entries that table_levels names: an empty table was cut off. leaf_levels is 0 then,
 *  and does not say that levels are not known. Translations may be kept. Not with LEAF_ONLY. */
#define IOD_INV_NO_LEAVES (1u << 3)

/** A neutral invalidation. */
struct iod_inv {
	enum iod_inv_kind kind;
	uint32_t flags;	       /**< 0 or IOD_INV_LEAF_ONLY, _NO_GLOBAL, _ONLY_GLOBAL, _NO_LEAVES */
	uint64_t domain;       /**< iod_pgtable_cfg.domain; not for IOD_INV_ALL */
	uint64_t iova;	       /**< first byte; IOD_INV_RANGE only */
	uint64_t last;	       /**< last byte, inclusive */
	uint32_t leaf_levels;  /**< bit l: leaves at level l changed (0 = leaf table) */
	uint32_t table_levels; /**< bit l: table entries at level l changed */
	uint32_t granule_lg2;  /**< the table's smallest page */
	uint32_t reserved;     /**< 0 */
	/** Bits of the domain that are not compared, so that tags made of parts can be invalidated by one
	 *  part. 0: all are compared. Not for IOD_INV_ALL. */
	uint64_t domain_ignore;
};

/**
 * How a gather reaches hardware. Called by iod_gather_flush() and iod_gather_sync(), by iod_map() when it
 * replaces an empty table, by iod_sweep() with IOD_SWEEP_FINAL or _PRUNE, by iod_merge_range(), by
 * iod_split_range() and unmaps with IOD_UNMAP_SPLIT where hardware wants more than a swap (IOD_PT_BBM_1,
 * break-before-make), by whatever leaves more than max_pending, and by what uses those (iod_dirty_log_*,
 * with the log's lock held); in the calling thread, never inside a reader's section.
 */
struct iod_inv_ops {
	size_t size; /**< sizeof(struct iod_inv_ops) */
	/** Issue @p nr invalidations (IOTLB, walk caches and ATCs). 0 or a negative errno. */
	int (*invalidate)(void *cookie, const struct iod_inv *inv, size_t nr);
	/** Return when all that was issued is complete. NULL: invalidate is synchronous. */
	int (*sync)(void *cookie);
};

/** Configuration of a gather. */
struct iod_gather_cfg {
	size_t size;		       /**< sizeof(struct iod_gather_cfg) */
	const struct iod_inv_ops *ops; /**< copied; NULL: nothing to invalidate (no hardware) */
	void *cookie;		       /**< handed to ops */
	uint32_t max_ranges; /**< ranges kept apart before neighbours are joined; 0: 256 */
	uint32_t reserved;   /**< 0 */
	/** Bytes of detached tables that may wait in it: a call that leaves more syncs the gather at its end
	 *  (not in a callback of iod_visit(); what that returns is kept for the next sync). 0: no bound. */
	uint64_t max_pending;
};

/**
 * Create a gather for one page table.
 * @param cfg NULL for the defaults: nothing to invalidate
 * @return 0, -EINVAL, -E2BIG, -ENOMEM
 */
IOD_API int iod_gather_create(struct iod_gather **out, struct iod_pgtable *pt,
			      const struct iod_gather_cfg *cfg);

/**
 * Destroy an empty gather.
 * @return 0; -EBUSY while something gathered was not synced; -EINVAL
 */
IOD_API int iod_gather_destroy(struct iod_gather *gather);

/**
 * Invalidate and sync what was gathered, but keep the detached tables: for callers that must know
 * that hardware has let go (final pass of a migration) and reclaim later.
 * @return 0 or what iod_inv_ops returned (then nothing is forgotten: call again)
 */
IOD_API int iod_gather_flush(struct iod_gather *gather);

/**
 * Invalidate, sync, wait for a grace period, free the detached tables.
 * Not to be called from a callback of iod_visit() (-EINVAL): that would wait for itself.
 * @return 0; -EINVAL; or what iod_inv_ops returned (then nothing is freed or forgotten: call again)
 */
IOD_API int iod_gather_sync(struct iod_gather *gather);

/**
 * Move everything that @p from holds into @p to; both are for the same page table. For sweeps in shares:
 * each thread fills a gather of its own, one is synced for all.
 * @return 0; -ENOMEM (then nothing was moved); -EINVAL
 */
IOD_API int iod_gather_merge(struct iod_gather *to, struct iod_gather *from);

/** What a gather holds. */
struct iod_gather_info {
	size_t size;		/**< sizeof(struct iod_gather_info) */
	uint64_t ranges;	/**< ranges that wait for invalidation */
	uint64_t first;		/**< lowest address among them */
	uint64_t last;		/**< highest address among them, inclusive */
	uint32_t leaf_levels;	/**< levels of changed leaves */
	uint32_t table_levels;	/**< levels of changed table entries */
	uint64_t subtrees;	/**< detached (sub)trees that wait to be freed */
	uint64_t invalidations; /**< neutral invalidations issued since creation */
	uint64_t syncs;		/**< syncs issued since creation */
	uint64_t pending;	/**< bytes of detached tables that wait to be freed */
};

/** Read what a gather holds. @return 0, -EINVAL, -E2BIG */
IOD_API int iod_gather_get_info(const struct iod_gather *gather, struct iod_gather_info *info);

#ifdef __cplusplus
}
#endif

#endif
