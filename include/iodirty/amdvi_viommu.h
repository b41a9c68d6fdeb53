/* SPDX-License-Identifier: MIT */
/**
 * @file amdvi_viommu.h
 * A guest's AMD-Vi commands become the host's (AMD 48882, 2.4): for guests that own guest tables (v2, behind a GCR3
 * table), which the host's table (v1) nests. docs/guest-invalidation.md says what becomes of each command.
 *
 *     struct iod_amdvi_viommu_cfg cfg = { .size = sizeof(cfg), .sink = &sink, .first_domain = 64,
 *                                         .last_domain = 95 };
 *
 *     cfg.host = host_id;
 *     iod_amdvi_viommu_expose(&cfg.guest, &host_id, 0);
 *     iod_amdvi_viommu_create(&v, &cfg);
 *     iod_amdvi_viommu_add(v, &dev);
 *     iod_amdvi_viommu_consume(v, &turn);
 *
 * Nothing that a guest writes reaches another DomainID or DeviceID than its own. What is reported as handled was issued;
 * nothing behind a command that failed was.
 *
 * Locking: as in smmuv3_viommu.h. What adds or takes away may not be called by the sink or by callbacks of cfg, but for
 * devtab, interrupts and stranger.
 */
#ifndef IODIRTY_AMDVI_VIOMMU_H
#define IODIRTY_AMDVI_VIOMMU_H

#include <iodirty/amdvi.h>
#include <iodirty/amdvi_cmd.h>
#include <iodirty/amdvi_dte.h>
#include <iodirty/amdvi_event.h>
#include <iodirty/amdvi_queue.h>
#include <iodirty/inv_cost.h>
#include <iodirty/iommufd.h>
#include <iodirty/types.h>
#include <iodirty/viommu.h>

#ifdef __cplusplus
extern "C" {
#endif

struct iod_amdvi_viommu;

/** @name What a guest may do, and how @{ */
/** Page requests are the guest's to answer: COMPLETE_PPR_REQUEST, EFR.PPRSup, DTE.PPR. */
#define IOD_AMDVI_VIOMMU_ALLOW_PPR (1u << 0)
/** COMPLETION_WAIT in a batch is obeyed: what is before it is complete before what is behind it is issued. Without
 *  the flag it is refused; iod_amdvi_viommu_consume() obeys it always. */
#define IOD_AMDVI_VIOMMU_ACCEPT_WAIT (1u << 2)
/** INVALIDATE_IOTLB_PAGES for a device whose ATS is off, or that is blocked, fails. Without the flag it is handled,
 *  and nothing is issued: there is nothing in the device's cache. */
#define IOD_AMDVI_VIOMMU_STRICT_IOTLB (1u << 3)
/** One sync behind each command, or none: the caller's sink does it, or a later batch. Without either flag: one
 *  behind each batch (and behind each IOD_AMDVI_VIOMMU_ISSUE host commands of it). */
#define IOD_AMDVI_VIOMMU_SYNC_EACH (1u << 4)
#define IOD_AMDVI_VIOMMU_NO_SYNC   (1u << 5)
/** Errata of the host: each INVALIDATE_IOMMU_PAGES is issued twice. */
#define IOD_AMDVI_VIOMMU_REPEAT (1u << 7)
/** Commands that fit each other are not made one, and duplicates not dropped. */
#define IOD_AMDVI_VIOMMU_LITERAL (1u << 8)
/** @} */

/** Most commands of a batch. */
#define IOD_AMDVI_VIOMMU_MAX_BATCH (1u << 19)
/** Host commands that are handed to the sink at once, at most. */
#define IOD_AMDVI_VIOMMU_ISSUE 256u
/** The commands of a batch become at most so many more, whatever the costs say. */
#define IOD_AMDVI_VIOMMU_MAX_EXPAND 4096u

/**
 * What a guest may be shown of a host's IOMMU: guest tables and what belongs to them. Not shown: host tables' Accessed
 * and Dirty, page requests without ALLOW_PPR, prefetch, interrupt virtualization, SNP, whatever this library does not
 * know. (A guest needs some table of its own: HATS is shown as it is, and a DTE with a host table is refused.) It may
 * take away more.
 * @param flags 0 or ALLOW_PPR
 * @return 0; -EOPNOTSUPP the host does not nest: no guest translation, or GCR3 tables cannot lie in guest
 *         addresses; -EINVAL
 */
IOD_API int iod_amdvi_viommu_expose(struct iod_amdvi_id *guest, const struct iod_amdvi_id *host,
				    uint32_t flags);

/** Configuration. */
struct iod_amdvi_viommu_cfg {
	size_t size;		  /**< sizeof(struct iod_amdvi_viommu_cfg) */
	struct iod_amdvi_id host; /**< the host's features */
	/** What the guest sees; its commands are judged by it. Has nothing of guest translation that the host has
	 *  not. */
	struct iod_amdvi_id guest;
	const struct iod_amdvi_sink *sink; /**< copied: where host commands go */
	uint32_t flags;			   /**< IOD_AMDVI_VIOMMU_* */
	uint32_t max_devices;		   /**< 0: 65536 */
	/** The host's DomainIDs that this guest may have, inclusive: nobody else's. */
	uint16_t first_domain;
	uint16_t last_domain;
	/** PASIDs that the guest uses are below that; 0: what it is shown (PASmax). Everything of the guest is, in all
	 *  its domains, everything of each of them: where that comes to more than MAX_EXPAND commands it is everything
	 *  of the host's IOMMU. */
	uint32_t max_pasid;
	/** command and domain decide when pages become everything of their domain (and PASID). Copied; NULL: the
	 *  defaults */
	const struct iod_inv_cost *cost;
	/** For errata: the host's commands of one guest command, before they are issued. */
	int (*quirk)(void *cookie, struct iod_amdvi_raw_cmd *cmds, size_t *nr, size_t max);
	/**
	 * The guest changed its device table entries [first, last] (its own DeviceIDs): INVALIDATE_DEVTAB_ENTRY,
	 * INVALIDATE_IOMMU_ALL. The VMM reads them, changes the host's (iod_amdvi_viommu_vdte()), invalidates those;
	 * it may call whatever it likes. What came before it was issued. Nonzero refuses the command and is
	 * returned. NULL: it is refused.
	 */
	int (*devtab)(void *cookie, uint16_t first, uint16_t last);
	/** The same for INVALIDATE_INTERRUPT_TABLE. */
	int (*interrupts)(void *cookie, uint16_t vdevid);
	/** As in smmuv3_viommu.h: a command for a DeviceID that is none of the devices. NULL: refused (-ENOENT). */
	int (*stranger)(void *cookie, const struct iod_amdvi_cmd *cmd);
	/** The guest's COMPLETION_WAIT is complete (in consume(): it has stored): the interrupt of i. In a batch the
	 *  store as well. NULL: nobody is told. */
	void (*waited)(void *cookie, const struct iod_amdvi_cmd *wait);
	/** Some device of the guest did not answer an INVALIDATE_IOTLB_PAGES: before the COMPLETION_WAIT behind it
	 *  completes, in consume(). NULL: nobody is told. */
	void (*timeout)(void *cookie);
	void *cookie;			       /**< handed to these */
	const struct iod_allocator *allocator; /**< NULL: malloc */
};

/**
 * Create one.
 * @return 0; -EOPNOTSUPP the host does not nest; -EINVAL also when the guest is shown what the host has not; -E2BIG;
 *         -ENOMEM
 */
IOD_API int iod_amdvi_viommu_create(struct iod_amdvi_viommu **out,
				    const struct iod_amdvi_viommu_cfg *cfg);

/** Destroy it and what it knows; no thread may be inside a call. @return 0, -EINVAL */
IOD_API int iod_amdvi_viommu_destroy(struct iod_amdvi_viommu *v);

/** @name Devices @{ */

/** A device. */
struct iod_amdvi_vdev {
	size_t size;	     /**< sizeof(struct iod_amdvi_vdev) */
	uint16_t vdevid;     /**< the guest's DeviceID */
	uint16_t devid;	     /**< the host's */
	uint8_t maxpend;     /**< most invalidations pending that the device takes */
	uint8_t reserved[3]; /**< 0 */
	enum iod_vdev_state state;
};

/** Add a device. @return 0; -EEXIST one of the DeviceIDs is taken; -ENOSPC; -ENOMEM; -EINVAL; -E2BIG */
IOD_API int iod_amdvi_viommu_add(struct iod_amdvi_viommu *v, const struct iod_amdvi_vdev *dev);

/** Remove it: no command names its host DeviceID once this returns. @return 0, -ENOENT, -EINVAL */
IOD_API int iod_amdvi_viommu_remove(struct iod_amdvi_viommu *v, uint16_t vdevid);

/** Change its state: nothing that the new one forbids is under way once this returns. @return 0, -ENOENT, -EINVAL */
IOD_API int iod_amdvi_viommu_set_state(struct iod_amdvi_viommu *v, uint16_t vdevid,
				       enum iod_vdev_state state);

/** The device behind a guest's DeviceID. @return 0, -ENOENT, -EINVAL, -E2BIG */
IOD_API int iod_amdvi_viommu_lookup(struct iod_amdvi_viommu *v, uint16_t vdevid,
				    struct iod_amdvi_vdev *dev);

/** The device behind a host's DeviceID. @return as above */
IOD_API int iod_amdvi_viommu_lookup_devid(struct iod_amdvi_viommu *v, uint16_t devid,
					  struct iod_amdvi_vdev *dev);

/** How many there are. @return or -EINVAL */
IOD_API int64_t iod_amdvi_viommu_devices(struct iod_amdvi_viommu *v);
/** @} */

/** @name DomainIDs: the guest's, and the host's, one for each @{ */

/**
 * The host's DomainID of a guest's: the one that it has, or one that none has now, of those that are this guest's.
 * They are handed out in turn, so that one that was unmapped comes again as late as may be.
 * @return 0; -ENOSPC all are in use; -ENOMEM; -EINVAL
 */
IOD_API int iod_amdvi_viommu_map_domain(struct iod_amdvi_viommu *v, uint16_t vdomain,
					uint16_t *domain);

/** No command names the host's DomainID once this returns. Whoever calls invalidates everything of it.
 *  @return 0, -ENOENT, -EINVAL */
IOD_API int iod_amdvi_viommu_unmap_domain(struct iod_amdvi_viommu *v, uint16_t vdomain);

/** The host's DomainID of a guest's, if it has one. @return 0, -ENOENT, -EINVAL */
IOD_API int iod_amdvi_viommu_find_domain(struct iod_amdvi_viommu *v, uint16_t vdomain,
					 uint16_t *domain);
/** The guest's of a host's. @return as above */
IOD_API int iod_amdvi_viommu_find_vdomain(struct iod_amdvi_viommu *v, uint16_t domain,
					  uint16_t *vdomain);

/** The host's DomainIDs in use: a change of the host's table is invalidated under each of them
 *  (iod_amdvi_inv_add_domain()). @param nr in: how many fit; out: how many there are @return 0, -ENOSPC, -EINVAL */
IOD_API int iod_amdvi_viommu_domains(struct iod_amdvi_viommu *v, uint16_t *domains, size_t *nr);

/**
 * A guest's device table entry becomes the host's. The guest's are V, TV, IR, IW, DomainID, GV, GLX, GCR3, GIOV,
 * GuestPagingMode, I, SE, SA and, with ALLOW_PPR, PPR and GPRP; interrupt fields are the VMM's business and not looked
 * at; everything else must be 0. What the guest's features make illegal is refused. Without GV requests pass to the
 * host's table; V = 1 with TV = 0 blocks them.
 *
 * Its DomainID is mapped if it was not.
 * @param host  the device's entry with the host's table and interrupts, as it is without a guest's
 * @param out   what is to be written (iod_amdvi_dte_write()); ATS (I) only where the host's has it and the device is ON
 * @param hwpt  what IOMMU_HWPT_ALLOC takes; may be NULL
 * @param why   receives a constant string that names the field; may be NULL
 * @return 0; -ENOENT no such device; -EINVAL refused; as iod_amdvi_viommu_map_domain()
 */
IOD_API int iod_amdvi_viommu_vdte(struct iod_amdvi_viommu *v, uint16_t vdevid,
				  const struct iod_amdvi_raw_dte *guest,
				  const struct iod_amdvi_raw_dte *host,
				  struct iod_amdvi_raw_dte *out, struct iod_iommufd_hwpt_amd *hwpt,
				  const char **why);
/** @} */

/** @name Invalidation @{ */

/** Whether the guest's command of this opcode would be obeyed, if its fields are right. */
IOD_API bool iod_amdvi_viommu_takes(const struct iod_amdvi_viommu *v, enum iod_amdvi_op op);

/**
 * Translate and issue a batch of a guest's commands, in order. The batch holds no COMPLETION_WAIT unless ACCEPT_WAIT is
 * set: where the guest has one, a batch ends.
 *
 * It stops at the first command that fails; what is before it is issued and synced, nothing behind it is looked at.
 * Commands are read once: they may lie in guest memory. DomainIDs that are not mapped have nothing cached: their
 * invalidations are handled, and nothing is issued.
 * @param res may be NULL
 * @return 0; -EINVAL malformed, or one of the arguments is (then nothing is handled); -EOPNOTSUPP a command that is
 *         unknown, not shown to the guest, or not enabled, or the device's state forbids it; -ENOENT unknown
 *         DeviceID; -EAGAIN a second INVALIDATE_IOMMU_ALL where one has already become many commands: go on with the
 *         rest; what the sink, devtab, interrupts or quirk returned; -E2BIG
 */
IOD_API int iod_amdvi_viommu_invalidate(struct iod_amdvi_viommu *v,
					const struct iod_amdvi_raw_cmd *cmds, size_t nr,
					struct iod_guest_result *res);

/**
 * One turn of the guest's own command buffer, as iod_amdvi_cmdq_consume(): batches up to each COMPLETION_WAIT, one host
 * sync before the guest's completes (and one when the turn ends without; what that says is told at the guest's
 * next), cfg.waited, the head; ILLEGAL_COMMAND_ERROR at the command that is refused, COMMAND_HARDWARE_ERROR when the
 * host fails. When the sink's sync returns -ETIMEDOUT (a device did not answer) cfg.timeout is called, which logs
 * IOTLB_INV_TIMEOUT for the guest, and the COMPLETION_WAIT completes: so does hardware's.
 * @param consume id, ops and cookie are not looked at. One thread at a time per buffer.
 * @return as iod_amdvi_cmdq_consume(); -EAGAIN also when the sink said so
 */
IOD_API int iod_amdvi_viommu_consume(struct iod_amdvi_viommu *v, struct iod_amdvi_consume *consume);

/** Read the figures. @return 0, -EINVAL, -E2BIG */
IOD_API int iod_amdvi_viommu_get_stats(struct iod_amdvi_viommu *v, struct iod_viommu_stats *stats);
/** @} */

/** @name Events and page requests to the guest @{ */

/**
 * A host's event as the guest is to see it: with its own DeviceID and DomainID, and without bits of no known field.
 * Only IO_PAGE_FAULT with GN, INVALID_DEVICE_REQUEST and, with ALLOW_PPR, INVALID_PPR_REQUEST.
 * @return 0; -ENOENT not a device (or domain) of this guest; -EOPNOTSUPP not the guest's concern; -EINVAL; -EAGAIN
 *         as iod_amdvi_event_decode()
 */
IOD_API int iod_amdvi_viommu_event(struct iod_amdvi_viommu *v,
				   const struct iod_amdvi_raw_event *host,
				   struct iod_amdvi_raw_event *guest);

/** A host's page request as the guest is to see it. @return as above; -EOPNOTSUPP without ALLOW_PPR */
IOD_API int iod_amdvi_viommu_ppr(struct iod_amdvi_viommu *v, const struct iod_amdvi_raw_ppr *host,
				 struct iod_amdvi_raw_ppr *guest);
/** @} */

/** @name iommufd: there is no invalidation (E3); only hardware information @{ */
/** As IOMMU_GET_HW_INFO gives it, and back. @return 0, -EINVAL */
IOD_API int iod_amdvi_iommufd_hw_info(struct iod_iommufd_hw_info_amd *info,
				      const struct iod_amdvi_id *id);
/** From hardware information. @return 0, -EINVAL */
IOD_API int iod_amdvi_iommufd_id(struct iod_amdvi_id *id,
				 const struct iod_iommufd_hw_info_amd *info);
/** @} */

#ifdef __cplusplus
}
#endif

#endif
