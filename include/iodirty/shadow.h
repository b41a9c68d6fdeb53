/* SPDX-License-Identifier: MIT */
/**
 * @file shadow.h
 * iod_shadow: a page table that follows one that a guest built, for IOMMUs that hardware cannot nest (a guest told of
 * "caching mode": it invalidates what it maps, too).
 *
 * The guest's table (attached, never trusted) says IOVA -> guest address; a callback says where that is; the shadow,
 * which hardware walks, maps the IOVA there. iod_shadow_invalidate() is told what the guest invalidated, compares the
 * two tables there, and changes what differs:
 *
 *     what is gone, or leads elsewhere, is unmapped with its dirty state -> one sync -> dirty pages are told
 *     -> what is new is mapped
 *
 * When it has returned with `complete` set the guest's invalidation is complete, and not before. Between unmap and map
 * of a page that leads elsewhere a device finds nothing there.
 *
 * How much is compared: at least what the guest named, widened to the largest page that the guest was seen to use, as
 * a guest that removes a large page need name but one address in it. A range that the guest named as a whole costs
 * what is mapped in it, in both tables.
 *
 * Locking: one thread at a time per shadow. Nobody else may map or unmap in the shadow's table; sweeps, walks and
 * devices may run beside.
 */
#ifndef IODIRTY_SHADOW_H
#define IODIRTY_SHADOW_H

#include <iodirty/bitmap.h>
#include <iodirty/gather.h>
#include <iodirty/gpa_join.h>
#include <iodirty/pgtable.h>
#include <iodirty/types.h>

#ifdef __cplusplus
extern "C" {
#endif

struct iod_shadow;

/** What a shadow asks and tells. Called in the calling thread; none of them may call the shadow. */
struct iod_shadow_ops {
	size_t size; /**< sizeof(struct iod_shadow_ops) */
	/**
	 * Where a guest address is.
	 * @param gpa  a multiple of the guest's smallest page
	 * @param len  in: bytes asked for; out: how many from @p gpa on the answer is for, at least one page of the
	 *             shadow's smallest size, and a multiple of it
	 * @param prot in: IOD_PROT_READ, _WRITE; permissions may be taken away (a ROM)
	 * @param pa   receives the output address of @p gpa
	 * @return 0; -ENOENT no memory: the bytes are left out and counted; others fail the call
	 */
	int (*translate)(void *cookie, uint64_t gpa, uint64_t *len, uint32_t *prot, uint64_t *pa);
	/** [iova, iova + len) led to [pa, pa + len), is unmapped, hardware has let go of it, and it was written:
	 *  copy it. NULL: nobody. */
	void (*dirty)(void *cookie, uint64_t iova, uint64_t pa, uint64_t len);
	/** Before a range is unmapped: for who remembers what a sweep found there (dirty bits by IOVA belong to
	 *  @p pa as long as this was not said). May say it of ranges that then stay, after an error. NULL: nobody. */
	void (*unmapping)(void *cookie, uint64_t iova, uint64_t pa, uint64_t len);
	/** A range was mapped. NULL: nobody. */
	void (*mapped)(void *cookie, uint64_t iova, uint64_t gpa, uint64_t pa, uint64_t len);
};

/** Configuration. Permissions that the shadow's format cannot have (write without read, in some) become wider. */
struct iod_shadow_cfg {
	size_t size;		/**< sizeof(struct iod_shadow_cfg) */
	struct iod_pgtable *pt; /**< the shadow: created by the caller, empty, must outlive this */
	struct iod_gather *gather; /**< of pt: how hardware is reached; for this object alone */
	const struct iod_shadow_ops *ops; /**< copied */
	void *cookie;			  /**< handed to ops */
	/** What the guest calls the domain (iod_inv.domain): invalidations of other domains do nothing. */
	uint64_t domain;
	uint32_t
		prot; /**< more for each mapping: IOD_PROT_SNOOP, _MEMATTR, ...; not READ, WRITE, DIRTY */
	uint32_t flags; /**< 0 or IOD_SHADOW_* */
	/** Ranges unmapped, and ranges mapped, with one sync; 0: 1024. */
	uint32_t batch;
	uint32_t reserved;		       /**< 0 */
	const struct iod_allocator *allocator; /**< NULL: malloc */
	/**
	 * Told of every mapping in the order that it wants (gpa_join.h), and what is found dirty while unmapping is marked
	 * through it: so a dirty log that the shadow's table is in, with this join, reports guest addresses. What is
	 * unmapped while the shadow does not track counts as dirty. For this shadow alone; must outlive it. The log
	 * may sweep meanwhile, but not split or merge (policy IOD_SPLIT_NONE). NULL: none.
	 */
	struct iod_gpa_join *join;
};

/** Splitting a large page of the shadow may let devices fault meanwhile (IOD_UNMAP_ALLOW_FAULTS). */
#define IOD_SHADOW_ALLOW_FAULTS (1u << 0)
/** Dirty state is delivered from the beginning: iod_shadow_track(). */
#define IOD_SHADOW_TRACK (1u << 1)

/**
 * Create one, of a guest that has nothing mapped.
 * @return 0; -EINVAL; -E2BIG; -ENOMEM; -EOPNOTSUPP IOD_SHADOW_TRACK, and hardware tracks no dirty state in pt
 */
IOD_API int iod_shadow_create(struct iod_shadow **out, const struct iod_shadow_cfg *cfg);

/**
 * Destroy it. The table stays as it is.
 * @return 0; -EINVAL; what the gather's sync returned: pages were unmapped that were not told yet. Call again
 */
IOD_API int iod_shadow_destroy(struct iod_shadow *shadow);

/**
 * The guest has another table from now on (its context entry changed), or none. Nothing is compared until the next
 * invalidation, which must be of everything.
 * @param guest  as attached; its smallest page may not be smaller than the shadow's, its addresses not more. NULL:
 *               nothing is mapped
 * @param domain what the guest calls it now
 * @return 0; -EINVAL; -ERANGE it translates addresses that the shadow cannot
 */
IOD_API int iod_shadow_set_guest(struct iod_shadow *shadow, const struct iod_pgtable *guest,
				 uint64_t domain);

/**
 * Deliver dirty state of what is unmapped, or drop it: a migration begins, or ended.
 * @return 0; -EINVAL; -EOPNOTSUPP hardware tracks none
 */
IOD_API int iod_shadow_track(struct iod_shadow *shadow, bool on);

/** Work of one call, and what became of it. Zero it at first; to go on give it back as it is. */
struct iod_shadow_work {
	size_t size; /**< sizeof(struct iod_shadow_work) */
	/** in: entries to look at, unmap and map, about, before it stops; 0: no limit. A little is done in any
	 *  case. */
	uint64_t budget;
	/** in: where to go on; everything below is done. out: the same for the next call */
	uint64_t next_iova;
	bool complete;	     /**< out: nothing is left */
	uint8_t reserved[7]; /**< 0 */
	/* sums over all calls */
	uint64_t unmapped; /**< bytes */
	uint64_t mapped;   /**< bytes */
	uint64_t kept;	   /**< bytes that both tables agreed on */
	uint64_t dirty;	   /**< bytes that were told as dirty */
	uint64_t missing;  /**< bytes that the guest maps to no memory */
	uint64_t
		bad; /**< entries of the guest's that are malformed, or tables that are unreadable */
	uint64_t items;	 /**< entries looked at, in both tables */
	uint64_t ranges; /**< ranges unmapped */
	uint64_t syncs;	 /**< of the gather: 0 where nothing was unmapped */
};

/**
 * The guest invalidated: make the shadow what the guest's table says there.
 * @param inv IOD_INV_ALL, _DOMAIN and _RANGE, any number and order; flags are not looked at. One sync is enough for
 *            all of them unless they unmap more than a batch
 * @return 0 (look at `complete`); -EINVAL; -E2BIG; -ENOMEM; what translate, the gather or the shadow's table returned:
 *         everything below next_iova is done, nothing is lost, call again
 */
IOD_API int iod_shadow_invalidate(struct iod_shadow *shadow, const struct iod_inv *inv, size_t nr,
				  struct iod_shadow_work *work);

/**
 * Everything: iod_shadow_invalidate() of all domains. For a change of memory, too: nobody but the VMM knows when
 * translate says something else. Memory that goes may be given away when translate does not say it any more and this
 * has completed, not before.
 */
IOD_API int iod_shadow_refresh(struct iod_shadow *shadow, struct iod_shadow_work *work);

/** Figures. */
struct iod_shadow_stats {
	size_t size;		/**< sizeof(struct iod_shadow_stats) */
	uint64_t invalidations; /**< calls that were completed */
	uint64_t unmapped;	/**< bytes */
	uint64_t mapped;	/**< bytes */
	uint64_t present;	/**< bytes that are mapped now */
	uint64_t dirty;		/**< bytes told */
	uint64_t syncs;
	uint32_t widen_lg2; /**< ranges are widened to this now */
	uint32_t reserved;
};

/** Read them. @return 0, -EINVAL, -E2BIG */
IOD_API int iod_shadow_get_stats(const struct iod_shadow *shadow, struct iod_shadow_stats *stats);

#ifdef __cplusplus
}
#endif

#endif
