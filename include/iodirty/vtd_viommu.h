/* SPDX-License-Identifier: MIT */
/**
 * @file vtd_viommu.h
 * A guest's VT-d descriptors become the host's (Intel VT-d specification, 6.5.2): for guests in scalable mode that own
 * first-stage tables, which the host nests. docs/guest-invalidation.md says what becomes of each descriptor.
 * (A guest that owns second-stage tables needs a shadow: vtd_shadow.h.)
 *
 *     struct iod_vtd_viommu_cfg cfg = { .size = sizeof(cfg), .sink = &sink };
 *
 *     cfg.host = host_id;
 *     iod_vtd_viommu_expose(&cfg.guest, &host_id, 0);
 *     iod_vtd_viommu_create(&v, &cfg);
 *     iod_vtd_viommu_add(v, &dev);
 *     iod_vtd_viommu_map_domain(v, vdid, did);
 *     iod_vtd_viommu_consume(v, &turn);
 *
 * Nothing that a guest writes reaches another domain id, PASID (of those that are mapped) or source-id than its own.
 * What is reported as handled was issued; nothing behind a descriptor that failed was.
 *
 * Locking: as in smmuv3_viommu.h: any number of threads may invalidate, look up and convert at any time, and add and
 * remove devices, domains and PASIDs beside them. What takes something away waits until nothing that saw it is under
 * way; so neither that nor what adds may be called by the sink or by callbacks of cfg, but for config and stranger.
 * create and destroy alone. Nothing is allocated but by create and what adds.
 */
#ifndef IODIRTY_VTD_VIOMMU_H
#define IODIRTY_VTD_VIOMMU_H

#include <iodirty/inv_cost.h>
#include <iodirty/iommufd.h>
#include <iodirty/types.h>
#include <iodirty/viommu.h>
#include <iodirty/vtd.h>
#include <iodirty/vtd_desc.h>
#include <iodirty/vtd_entry.h>
#include <iodirty/vtd_event.h>
#include <iodirty/vtd_queue.h>

#ifdef __cplusplus
extern "C" {
#endif

struct iod_vtd_viommu;

/** @name What a guest may do, and how @{ */
/** Page requests are the guest's to answer: page group responses, ECAP.PRS, ECAP.PDS. */
#define IOD_VTD_VIOMMU_ALLOW_PRI (1u << 0)
/** Wait descriptors in a batch are obeyed: what is before them is complete before what is behind them is issued.
 *  Without the flag they are refused; iod_vtd_viommu_consume() obeys them always. */
#define IOD_VTD_VIOMMU_ACCEPT_WAIT (1u << 2)
/** An invalidation of a device TLB that is off, or of a device that is blocked, fails. Without the flag it is
 *  handled, and nothing is issued: there is nothing in it. */
#define IOD_VTD_VIOMMU_STRICT_DEV_TLB (1u << 3)
/** One sync behind each descriptor, or none: the caller's sink does it, or a later batch. Without either flag: one
 *  behind each batch (and behind each IOD_VTD_VIOMMU_ISSUE host descriptors of it). */
#define IOD_VTD_VIOMMU_SYNC_EACH (1u << 4)
#define IOD_VTD_VIOMMU_NO_SYNC	 (1u << 5)
/** Errata of the host: each invalidation of the IOTLB is issued twice. */
#define IOD_VTD_VIOMMU_REPEAT (1u << 7)
/** Descriptors that fit each other are not made one, and duplicates not dropped. */
#define IOD_VTD_VIOMMU_LITERAL (1u << 8)
/** The guest's PASIDs are names of its own: iod_vtd_viommu_map_pasid(). Without it they are the host's. */
#define IOD_VTD_VIOMMU_MAP_PASIDS (1u << 9)
/** @} */

/** Most descriptors of a batch. */
#define IOD_VTD_VIOMMU_MAX_BATCH (1u << 19)
/** Host descriptors that are handed to the sink at once, at most. */
#define IOD_VTD_VIOMMU_ISSUE 256u
/** The descriptors of a batch become at most so many more, whatever the costs say (or those of one global
 *  invalidation, which are as many as there are domains). */
#define IOD_VTD_VIOMMU_MAX_EXPAND 4096u

/**
 * What a guest may be shown of a host's unit: scalable mode, first-stage translation and what belongs to it,
 * pass-through. Not shown: second-stage and nested translation, caching mode, page requests without ALLOW_PRI,
 * interrupt remapping, virtual commands, whatever this library does not know. MAMV is shown as it is; it may be made
 * larger. The guest's fault records, its registers' places and the size of its domain ids are the VMM's own: it may
 * change those fields, and take away more.
 * @param flags 0 or ALLOW_PRI
 * @return 0; -EOPNOTSUPP the host does not nest; -EINVAL
 */
IOD_API int iod_vtd_viommu_expose(struct iod_vtd_id *guest, const struct iod_vtd_id *host,
				  uint32_t flags);

/** Configuration. */
struct iod_vtd_viommu_cfg {
	size_t size;		/**< sizeof(struct iod_vtd_viommu_cfg) */
	struct iod_vtd_id host; /**< the host's capabilities */
	/** What the guest sees; its descriptors are judged by it. Has nothing of the first stage that the host has
	 *  not, but for MAMV. */
	struct iod_vtd_id guest;
	const struct iod_vtd_sink *sink; /**< copied: where host descriptors go */
	uint32_t flags;			 /**< IOD_VTD_VIOMMU_* */
	uint32_t max_devices;		 /**< 0: 65536 */
	uint32_t max_domains; /**< 0: 1024; a global invalidation is one descriptor for each */
	uint32_t max_pasids;  /**< 0: 65536 */
	/** command and domain decide when pages become everything of their PASID. Copied; NULL: the defaults */
	const struct iod_inv_cost *cost;
	/** For errata: the host's descriptors of one guest descriptor, before they are issued. */
	int (*quirk)(void *cookie, struct iod_vtd_raw_desc *descs, size_t *nr, size_t max);
	/**
	 * The guest changed structures that are the VMM's business: CONTEXT_INV, PASID_CACHE_INV, IEC_INV (with its
	 * own domain ids, PASIDs and source-ids). The VMM reads them again, changes the host's, invalidates those;
	 * it may call whatever it likes. What came before it was issued. Nonzero refuses the descriptor and is
	 * returned. NULL: it is refused.
	 */
	int (*config)(void *cookie, const struct iod_vtd_desc *desc);
	/** As in smmuv3_viommu.h: a descriptor for a source-id that is none of the devices. NULL: refused (-ENOENT). */
	int (*stranger)(void *cookie, const struct iod_vtd_desc *desc);
	/** Page requests in flight are to be drained before a wait with PD is complete. Must be given when the guest is
	 *  shown ECAP.PDS. @return 0, or an error: the wait fails */
	int (*drain)(void *cookie);
	/** The guest's wait is complete (in consume(): its status is written): the interrupt of IF. In a batch the
	 *  status as well. NULL: nobody is told. */
	void (*waited)(void *cookie, const struct iod_vtd_desc *wait);
	void *cookie;			       /**< handed to these */
	const struct iod_allocator *allocator; /**< NULL: malloc */
};

/**
 * Create one.
 * @return 0; -EOPNOTSUPP the host does not nest; -EINVAL also when the guest is shown what the host has not, or
 *         second-stage translation, or caching mode; -E2BIG; -ENOMEM
 */
IOD_API int iod_vtd_viommu_create(struct iod_vtd_viommu **out,
				  const struct iod_vtd_viommu_cfg *cfg);

/** Destroy it and what it knows; no thread may be inside a call. @return 0, -EINVAL */
IOD_API int iod_vtd_viommu_destroy(struct iod_vtd_viommu *v);

/** @name Devices @{ */

/** A device. */
struct iod_vtd_vdev {
	size_t size;	  /**< sizeof(struct iod_vtd_vdev) */
	uint16_t vsid;	  /**< the guest's source-id */
	uint16_t sid;	  /**< the host's */
	uint16_t pfsid;	  /**< the host's, of its physical function; for device TLBs */
	uint8_t mip;	  /**< most invalidations pending that the device takes, 0 to 31 */
	uint8_t reserved; /**< 0 */
	enum iod_vdev_state state;
};

/** Add a device. @return 0; -EEXIST one of vsid and sid is taken; -ENOSPC; -ENOMEM; -EINVAL; -E2BIG */
IOD_API int iod_vtd_viommu_add(struct iod_vtd_viommu *v, const struct iod_vtd_vdev *dev);

/** Remove it: no descriptor names its host source-id once this returns. @return 0, -ENOENT, -EINVAL */
IOD_API int iod_vtd_viommu_remove(struct iod_vtd_viommu *v, uint16_t vsid);

/** Change its state: nothing that the new one forbids is under way once this returns. @return 0, -ENOENT, -EINVAL */
IOD_API int iod_vtd_viommu_set_state(struct iod_vtd_viommu *v, uint16_t vsid,
				     enum iod_vdev_state state);

/** The device behind a guest's source-id. @return 0, -ENOENT, -EINVAL, -E2BIG */
IOD_API int iod_vtd_viommu_lookup(struct iod_vtd_viommu *v, uint16_t vsid,
				  struct iod_vtd_vdev *dev);

/** The device behind a host's source-id. @return as above */
IOD_API int iod_vtd_viommu_lookup_sid(struct iod_vtd_viommu *v, uint16_t sid,
				      struct iod_vtd_vdev *dev);

/** How many there are. @return or -EINVAL */
IOD_API int64_t iod_vtd_viommu_devices(struct iod_vtd_viommu *v);
/** @} */

/** @name Domain ids and PASIDs: the guest's, and the host's, which nobody else's are @{ */

/** The guest's domain id is that one of the host's. @return 0; -EEXIST one of them is taken; -ERANGE more bits than
 *  CAP.ND has; -ENOSPC; -ENOMEM; -EINVAL */
IOD_API int iod_vtd_viommu_map_domain(struct iod_vtd_viommu *v, uint16_t vdid, uint16_t did);

/** No descriptor names the host's domain id once this returns. @return 0, -ENOENT, -EINVAL */
IOD_API int iod_vtd_viommu_unmap_domain(struct iod_vtd_viommu *v, uint16_t vdid);

/** The host's domain id of a guest's. @return 0, -ENOENT, -EINVAL */
IOD_API int iod_vtd_viommu_find_domain(struct iod_vtd_viommu *v, uint16_t vdid, uint16_t *did);
/** The guest's of a host's. @return as above */
IOD_API int iod_vtd_viommu_find_vdomain(struct iod_vtd_viommu *v, uint16_t did, uint16_t *vdid);

/** With MAP_PASIDS: the same for PASIDs. @return as above; -EOPNOTSUPP without the flag */
IOD_API int iod_vtd_viommu_map_pasid(struct iod_vtd_viommu *v, uint32_t vpasid, uint32_t pasid);
/** No descriptor names the host's PASID once this returns. @return 0; -ENOENT; -EINVAL; -EOPNOTSUPP as above */
IOD_API int iod_vtd_viommu_unmap_pasid(struct iod_vtd_viommu *v, uint32_t vpasid);

/** Without MAP_PASIDS they are the same, if they have no more bits than the guest was shown. @return 0, -ENOENT,
 *  -EINVAL */
IOD_API int iod_vtd_viommu_find_pasid(struct iod_vtd_viommu *v, uint32_t vpasid, uint32_t *pasid);
/** The guest's PASID of a host's. @return as above */
IOD_API int iod_vtd_viommu_find_vpasid(struct iod_vtd_viommu *v, uint32_t pasid, uint32_t *vpasid);

/**
 * Check a guest's PASID table entry of a first-stage table: P, FPD, PGTT = 1, DID, SRE, WPE, EAFE, FSPM, FSPTPTR (and
 * PWSNP, PGSNP, PAT, which say nothing to a host that is coherent) are the guest's; everything else must be 0. What the
 * guest's capabilities make illegal is refused. The domain id must be mapped.
 * @param hwpt what IOMMU_HWPT_ALLOC takes
 * @param did  receives the host's domain id; may be NULL
 * @param why  receives a constant string that names the field; may be NULL
 * @return 0; -ENOENT P = 0, or an unknown domain id; -EOPNOTSUPP another PGTT: pass-through is the VMM's own second stage;
 *         -EINVAL refused
 */
IOD_API int iod_vtd_viommu_vpasid(struct iod_vtd_viommu *v, const struct iod_vtd_raw_pasid *guest,
				  struct iod_iommufd_hwpt_vtd_s1 *hwpt, uint16_t *did,
				  const char **why);
/** @} */

/** @name Invalidation @{ */

/** Whether the guest's descriptor of this type would be obeyed, if its fields are right. */
IOD_API bool iod_vtd_viommu_takes(const struct iod_vtd_viommu *v, enum iod_vtd_desc_type type);

/**
 * Translate and issue a batch of a guest's descriptors, in order. The batch holds no wait unless ACCEPT_WAIT is set:
 * where the guest has one, a batch ends.
 *
 * It stops at the first descriptor that fails; what is before it is issued and synced, nothing behind it is looked at.
 * Descriptors are read once: they may lie in guest memory.
 * @param res may be NULL
 * @return 0; -EINVAL malformed, or one of the arguments is (then nothing is handled); -EOPNOTSUPP a descriptor that is
 *         unknown, not shown to the guest, or not enabled, or the device's state forbids it; -ENOENT unknown
 *         source-id, domain id or PASID; -EAGAIN a second global invalidation where one has already become a descriptor
 *         for each of many domains: go on with the rest; what the sink, config or quirk returned; -E2BIG
 */
IOD_API int iod_vtd_viommu_invalidate(struct iod_vtd_viommu *v,
				      const struct iod_vtd_raw_desc *descs, size_t nr,
				      struct iod_guest_result *res);

/**
 * One turn of the guest's own invalidation queue, as iod_vtd_iq_consume(): batches up to each wait, one host sync before
 * the guest's wait completes (and one when the turn ends without; what that says is told at the guest's next wait),
 * cfg.waited, IQH; IQE at the descriptor that is refused, or when the host fails; ITE when the sink's sync
 * returns -ETIMEDOUT.
 * @param consume id, ops and cookie are not looked at. One thread at a time per queue.
 * @return as iod_vtd_iq_consume(); -EAGAIN also when the sink said so
 */
IOD_API int iod_vtd_viommu_consume(struct iod_vtd_viommu *v, struct iod_vtd_consume *consume);

/** Read the figures. @return 0, -EINVAL, -E2BIG */
IOD_API int iod_vtd_viommu_get_stats(struct iod_vtd_viommu *v, struct iod_viommu_stats *stats);
/** @} */

/** @name Faults and page requests to the guest @{ */

/**
 * A host's fault record as the guest is to see it: with its own source-id and PASID, and without bits of no known
 * field. Only reasons of the first stage and of the guest's own structures (context, PASID entries).
 * @return 0; -ENOENT not a device (or PASID) of this guest; -EOPNOTSUPP not the guest's concern; -EINVAL
 */
IOD_API int iod_vtd_viommu_fault(struct iod_vtd_viommu *v, const struct iod_vtd_raw_fault *host,
				 struct iod_vtd_raw_fault *guest);

/** A host's page request as the guest is to see it. @return as above; -EOPNOTSUPP without ALLOW_PRI */
IOD_API int iod_vtd_viommu_page_req(struct iod_vtd_viommu *v,
				    const struct iod_vtd_raw_page_req *host,
				    struct iod_vtd_raw_page_req *guest);
/** @} */

/** @name iommufd: arguments as the kernel takes them, its checks, in its order
 * As in smmuv3_viommu.h: raw bytes, with as many as are really there; objects are found by the caller.
 * @{ */

/** What a nested HWPT is on the host. */
struct iod_vtd_hwpt {
	size_t size;	/**< sizeof(struct iod_vtd_hwpt) */
	uint16_t did;	/**< the host's domain id */
	bool has_pasid; /**< devices reach it with a PASID; else without (then pasid is RID_PASID) */
	uint8_t reserved; /**< 0 */
	uint32_t pasid;	  /**< the host's */
	const uint16_t *
		vsids; /**< devices that are attached, by the guest's source-ids, and may have cached it */
	size_t nr_vsids;
};

/** invalidate: entries are written to: hw_error says what hardware did, one sync for each entry. */
#define IOD_VTD_IOMMUFD_HW_ERROR (1u << 0)

/**
 * IOMMU_HWPT_INVALIDATE on a nested HWPT, data type VTD_S1: entries become P_IOTLB_INV and, for devices that are
 * IOD_VDEV_ON, invalidations of their TLBs. entry_num is written back whenever the argument could be read: entries
 * that were handled, exactly.
 * @param arg   struct iod_iommufd_hwpt_invalidate
 * @param data  what data_uptr leads to; fewer bytes than entry_len * entry_num: -EFAULT
 * @param flags 0 or IOD_VTD_IOMMUFD_HW_ERROR
 * @param res   may be NULL
 * @return 0; -EOPNOTSUPP reserved fields or unknown flags (at entry_num); -EINVAL also an address that is no
 *         multiple of 4096, no pages, everything with an address, or addresses beyond 2^64 (at entry_num); -E2BIG
 *         entries that are larger than is known and not zero there; -EFAULT; what the sink returned
 */
IOD_API int iod_vtd_iommufd_invalidate(struct iod_vtd_viommu *v, const struct iod_vtd_hwpt *hwpt,
				       void *arg, size_t arg_len, void *data, size_t data_len,
				       uint32_t flags, struct iod_guest_result *res);

/**
 * The VMM's side: entries for the descriptors from the start of a batch that are about one HWPT, up to the first
 * that is not: another P_IOTLB_INV, an invalidation of the IOTLB (of everything that has the domain id), any other. The
 * kernel invalidates device TLBs by itself: those behind the first P_IOTLB_INV are passed over.
 * Neighbours become one entry.
 * @param arg     filled, for this id and these entries
 * @param entries receives them; at least one
 * @param max     how many fit
 * @param guest   what the guest was shown; NULL: everything
 * @param did, pasid of the HWPT, the guest's
 * @param nr      in: descriptors; out: how many are done when the ioctl has returned 0; 0: there is nothing to call for
 * @return 0, -EINVAL
 */
IOD_API int iod_vtd_iommufd_prepare(struct iod_iommufd_hwpt_invalidate *arg,
				    struct iod_iommufd_vtd_s1_invalidate *entries, size_t max,
				    uint32_t id, uint16_t did, uint32_t pasid,
				    const struct iod_vtd_id *guest,
				    const struct iod_vtd_raw_desc *descs, size_t *nr);

/** Hardware information as IOMMU_GET_HW_INFO gives it, and back (VER is 0 then). @return 0, -EINVAL */
IOD_API int iod_vtd_iommufd_hw_info(struct iod_iommufd_hw_info_vtd *info,
				    const struct iod_vtd_id *id);
/** From hardware information. @return 0; -EINVAL; -EOPNOTSUPP reserved is set */
IOD_API int iod_vtd_iommufd_id(struct iod_vtd_id *id, const struct iod_iommufd_hw_info_vtd *info);
/** @} */

#ifdef __cplusplus
}
#endif

#endif
