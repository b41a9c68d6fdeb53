/* SPDX-License-Identifier: MIT */
/**
 * @file vtd_shadow.h
 * A guest's VT-d in caching mode (CAP.CM = 1) over shadows of its second-stage tables (shadow.h): its descriptors become
 * iod_shadow_invalidate(), once for all that come before a wait.
 *
 *     iod_vtd_shadow_create(&vs, &cfg);
 *     iod_vtd_shadow_add(vs, shadow);      one for each domain: iod_shadow_cfg.domain = IOD_VTD_TAG_S2(did)
 *     iod_vtd_shadow_consume(vs, &turn);   on each write of the tail register
 *
 * Context-cache and PASID-cache invalidations are the VMM's business: it reads the entries, and gives the shadow of the
 * domain another table (iod_shadow_set_guest()), or the device another shadow.
 *
 * Locking: one thread at a time, also for the shadows that were added.
 */
#ifndef IODIRTY_VTD_SHADOW_H
#define IODIRTY_VTD_SHADOW_H

#include <iodirty/shadow.h>
#include <iodirty/types.h>
#include <iodirty/vtd.h>
#include <iodirty/vtd_desc.h>
#include <iodirty/vtd_queue.h>

#ifdef __cplusplus
extern "C" {
#endif

struct iod_vtd_shadow;

/** Configuration. */
struct iod_vtd_shadow_cfg {
	size_t size;		 /**< sizeof(struct iod_vtd_shadow_cfg) */
	struct iod_vtd_id guest; /**< what the guest sees: CM is set */
	/** Entries that one call of sync (a part of consume) may look at in each shadow, about; 0: no limit. Where it is
	 *  not enough, -EAGAIN: the guest's queue stays where it is, call again. */
	uint64_t budget;
	/** CONTEXT_INV, PASID_CACHE_INV, IEC_INV. What came before is done. May add and remove shadows, and call
	 *  iod_shadow_set_guest(); those that it did it for are compared from end to end with the next wait.
	 *  Nonzero refuses the descriptor and is returned. NULL: refused. */
	int (*config)(void *cookie, const struct iod_vtd_desc *desc);
	/** A guest's invalidation is complete: the interrupt of a wait with IF. NULL: nobody is told. */
	void (*waited)(void *cookie, const struct iod_vtd_desc *wait);
	void *cookie;			       /**< handed to these */
	const struct iod_allocator *allocator; /**< NULL: malloc */
};

/** Create one, without shadows. @return 0; -EINVAL also without CM; -E2BIG; -ENOMEM */
IOD_API int iod_vtd_shadow_create(struct iod_vtd_shadow **out,
				  const struct iod_vtd_shadow_cfg *cfg);

/** Destroy it; not the shadows. @return 0, -EINVAL */
IOD_API int iod_vtd_shadow_destroy(struct iod_vtd_shadow *vs);

/** Add a shadow. @return 0; -EEXIST; -ENOMEM; -EINVAL */
IOD_API int iod_vtd_shadow_add(struct iod_vtd_shadow *vs, struct iod_shadow *shadow);

/** Remove it. @return 0; -ENOENT; -EINVAL */
IOD_API int iod_vtd_shadow_remove(struct iod_vtd_shadow *vs, struct iod_shadow *shadow);

/**
 * Take descriptors, no waits; struct iod_vtd_consumer_ops has the place for it. IOTLB_INV is noted (too many of them
 * become everything); descriptors for devices' TLBs say nothing to a shadow, whose own invalidations reach them.
 * @param handled receives how many were taken
 * @return 0; -EINVAL, -EOPNOTSUPP malformed, or not shown to the guest, or first-stage; what config or sync returned
 */
IOD_API int iod_vtd_shadow_commands(struct iod_vtd_shadow *vs, const struct iod_vtd_raw_desc *descs,
				    size_t nr, size_t *handled);

/** Do what was noted: a wait of the guest's. @return 0; -EAGAIN the budget; what iod_shadow_invalidate() returned:
 *  nothing is lost, call again */
IOD_API int iod_vtd_shadow_sync(struct iod_vtd_shadow *vs);

/**
 * One turn of the guest's invalidation queue, as iod_vtd_iq_consume(). Errors of the host's (no memory, its queue) leave
 * the guest's queue where it is, and are returned: call again.
 * @param consume id, ops and cookie are not looked at
 * @return as iod_vtd_iq_consume(); -EAGAIN the budget; what iod_vtd_shadow_sync() returned
 */
IOD_API int iod_vtd_shadow_consume(struct iod_vtd_shadow *vs, struct iod_vtd_consume *consume);

/** The work done so far, over all shadows: its sums. @return 0, -EINVAL, -E2BIG */
IOD_API int iod_vtd_shadow_get_work(const struct iod_vtd_shadow *vs, struct iod_shadow_work *work);

#ifdef __cplusplus
}
#endif

#endif
