/* SPDX-License-Identifier: MIT */
/**
 * @file smmuv3_viommu.h
 * A guest's SMMUv3 commands become the host's (Arm IHI 0070, 4.3.7): for guests that own stage 1 of
 * streams whose stage 2 is the host's. docs/guest-invalidation.md says what becomes of each command.
 *
 *     struct iod_smmuv3_viommu_cfg cfg = { .size = sizeof(cfg), .vmid = 5, .sink = &sink };
 *
 *     cfg.host = host_id;
 *     iod_smmuv3_viommu_expose(&cfg.guest, &host_id, 0);
 *     iod_smmuv3_viommu_create(&v, &cfg);
 *     iod_smmuv3_viommu_add(v, vsid, sid, IOD_VDEV_ON);
 *     iod_smmuv3_viommu_consume(v, &turn);
 *
 * Nothing that a guest writes reaches another VMID or another StreamID than those of its own devices.
 * What is reported as handled was issued; nothing behind a command that failed was.
 *
 * Locking: any number of threads may invalidate, look up and convert at any time, and add, remove and
 * change devices beside them. What takes something away (remove, set_state) waits until nothing that
 * saw it is under way; so neither that nor add may be called by the sink or by callbacks of cfg, but
 * for cfgi_ste. create and destroy alone. Nothing is allocated but by create and add.
 */
#ifndef IODIRTY_SMMUV3_VIOMMU_H
#define IODIRTY_SMMUV3_VIOMMU_H

#include <iodirty/inv_cost.h>
#include <iodirty/iommufd.h>
#include <iodirty/smmuv3.h>
#include <iodirty/smmuv3_cmd.h>
#include <iodirty/smmuv3_event.h>
#include <iodirty/smmuv3_queue.h>
#include <iodirty/types.h>
#include <iodirty/viommu.h>

#ifdef __cplusplus
extern "C" {
#endif

struct iod_smmuv3_viommu;

/** @name What a guest may do, and how @{ */
/** Page requests are the guest's to answer: PRI_RESP, IDR0.PRI. */
#define IOD_SMMUV3_VIOMMU_ALLOW_PRI (1u << 0)
/** Stalled accesses are the guest's to answer: RESUME, STALL_TERM, IDR0.STALL_MODEL. */
#define IOD_SMMUV3_VIOMMU_ALLOW_RESUME (1u << 1)
/** SYNC in a batch is obeyed: what is before it is complete before what is behind it is issued.
 *  Without the flag it is refused; iod_smmuv3_viommu_consume() obeys it always. */
#define IOD_SMMUV3_VIOMMU_ACCEPT_SYNC (1u << 2)
/** ATC_INV to a device whose ATS is off, or that is blocked, fails. Without the flag it is handled,
 *  and nothing is issued: there is nothing in the device's cache. */
#define IOD_SMMUV3_VIOMMU_STRICT_ATC (1u << 3)
/** One SYNC behind each command, or none: the caller's sink does it, or a later batch. Without either
 *  flag: one behind each batch (and behind each IOD_SMMUV3_VIOMMU_ISSUE host commands of it). */
#define IOD_SMMUV3_VIOMMU_SYNC_EACH (1u << 4)
#define IOD_SMMUV3_VIOMMU_NO_SYNC   (1u << 5)
/** Errata of the host: it must not be given ranges or level hints; each TLBI is issued twice. */
#define IOD_SMMUV3_VIOMMU_NO_RANGES (1u << 6)
#define IOD_SMMUV3_VIOMMU_REPEAT    (1u << 7)
/** Commands that fit each other are not made one, and duplicates not dropped. */
#define IOD_SMMUV3_VIOMMU_LITERAL (1u << 8)
/** expose(): range invalidation is shown to the guest, though the host may not have it. */
#define IOD_SMMUV3_VIOMMU_SHOW_RIL (1u << 9)
/** @} */

/** Most commands of a batch. */
#define IOD_SMMUV3_VIOMMU_MAX_BATCH (1u << 19)
/** Host commands that are handed to the sink at once, at most. */
#define IOD_SMMUV3_VIOMMU_ISSUE 256u
/** Without ranges on the host, the commands of a batch become at most so many more, whatever the costs say. */
#define IOD_SMMUV3_VIOMMU_MAX_EXPAND 4096u

/**
 * What a guest may be shown of a host's SMMU: stage 1 and what belongs to it. Not shown: stage 2, EL2,
 * VMIDs, broadcast TLB maintenance, PRI without ALLOW_PRI, stalls without ALLOW_RESUME, MPAM,
 * permission indirection, whatever this library does not know. The guest's queues, its MSIs and the
 * size of its StreamIDs are the VMM's own: it may change those fields, and take away more.
 * @param flags ALLOW_PRI, ALLOW_RESUME, SHOW_RIL
 * @return 0; -EOPNOTSUPP the host has no stage 1 or 2, or all its accesses stall and ALLOW_RESUME is
 *         not set; -EINVAL
 */
IOD_API int iod_smmuv3_viommu_expose(struct iod_smmuv3_id *guest, const struct iod_smmuv3_id *host,
				     uint32_t flags);

/** Configuration. */
struct iod_smmuv3_viommu_cfg {
	size_t size;		   /**< sizeof(struct iod_smmuv3_viommu_cfg) */
	struct iod_smmuv3_id host; /**< the host's ID registers */
	/** What the guest sees; its commands are judged by it. Has nothing of stage 1 that the host has
	 *  not, but for range invalidation. */
	struct iod_smmuv3_id guest;
	const struct iod_smmuv3_sink *sink; /**< copied: where host commands go */
	uint32_t flags;			    /**< IOD_SMMUV3_VIOMMU_* */
	uint32_t max_devices;		    /**< 0: 65536 */
	uint16_t vmid;	      /**< the host's, of this guest's stage 2; of nobody else */
	uint16_t reserved[3]; /**< 0 */
	/** command and global decide when a range that the host must be given one by one becomes
	 *  NH_ALL. Copied; NULL: the defaults */
	const struct iod_inv_cost *cost;
	/** For errata, as in smmuv3_inv.h: the host's commands of one guest command, before they are issued. */
	int (*quirk)(void *cookie, struct iod_smmuv3_raw_cmd *cmds, size_t *nr, size_t max);
	/**
	 * The guest changed its stream table entries [first, last] (its own StreamIDs): CFGI_STE,
	 * CFGI_STE_RANGE, CFGI_ALL. The VMM reads them, changes the host's, invalidates those; it may
	 * call whatever it likes. What came before it was issued. Nonzero refuses the command and is
	 * returned. NULL: it is refused.
	 */
	int (*cfgi_ste)(void *cookie, uint32_t first, uint32_t last, bool leaf);
	/**
	 * A command for a StreamID that is none of the devices: CFGI_CD, CFGI_CD_ALL, ATC_INV, and what is
	 * enabled of PRI_RESP, RESUME, STALL_TERM. For devices that the VMM emulates behind the same SMMU of
	 * the guest. What was before it was issued; it may be left out when it was there just before. 0: it is
	 * handled. Nonzero refuses the command. NULL: it is refused (-ENOENT).
	 */
	int (*stranger)(void *cookie, const struct iod_smmuv3_cmd *cmd);
	/** The guest's SYNC is complete: tell it, as sync->cs says. NULL: nobody is told.
	 *  @return 0, or a negative errno: the MSI could not be written, which stops nothing */
	int (*synced)(void *cookie, const struct iod_smmuv3_cmd *sync);
	void *cookie;			       /**< handed to these */
	const struct iod_allocator *allocator; /**< NULL: malloc */
};

/**
 * Create one.
 * @return 0; -EOPNOTSUPP the host does not have both stages; -EINVAL also when the guest is shown what
 *         the host has not, or stage 2, or EL2, or a VMID too large; -E2BIG; -ENOMEM
 */
IOD_API int iod_smmuv3_viommu_create(struct iod_smmuv3_viommu **out,
				     const struct iod_smmuv3_viommu_cfg *cfg);

/** Destroy it and what it knows of devices; no thread may be inside a call. @return 0, -EINVAL */
IOD_API int iod_smmuv3_viommu_destroy(struct iod_smmuv3_viommu *v);

/** @name Devices @{ */

/** A device. */
struct iod_smmuv3_vdev {
	size_t size;   /**< sizeof(struct iod_smmuv3_vdev) */
	uint32_t vsid; /**< the guest's StreamID */
	uint32_t sid;  /**< the host's */
	enum iod_vdev_state state;
	bool linear; /**< its CDs are known to be in one level: iod_smmuv3_viommu_vste_installed() */
	uint8_t reserved[3];
};

/** Add a device.
 *  @return 0; -EEXIST one of the StreamIDs is taken; -ERANGE they have more bits than the ID registers
 *          say; -ENOSPC; -ENOMEM; -EINVAL */
IOD_API int iod_smmuv3_viommu_add(struct iod_smmuv3_viommu *v, uint32_t vsid, uint32_t sid,
				  enum iod_vdev_state state);

/** Remove it: no command names its host StreamID once this returns. @return 0, -ENOENT, -EINVAL */
IOD_API int iod_smmuv3_viommu_remove(struct iod_smmuv3_viommu *v, uint32_t vsid);

/** Change its state: nothing that the new one forbids is under way once this returns.
 *  @return 0, -ENOENT, -EINVAL */
IOD_API int iod_smmuv3_viommu_set_state(struct iod_smmuv3_viommu *v, uint32_t vsid,
					enum iod_vdev_state state);

/** The device behind a guest's StreamID. @return 0, -ENOENT, -EINVAL, -E2BIG */
IOD_API int iod_smmuv3_viommu_lookup(struct iod_smmuv3_viommu *v, uint32_t vsid,
				     struct iod_smmuv3_vdev *dev);

/** The device behind a host's StreamID. @return as above */
IOD_API int iod_smmuv3_viommu_lookup_sid(struct iod_smmuv3_viommu *v, uint32_t sid,
					 struct iod_smmuv3_vdev *dev);

/** How many there are. @return or -EINVAL */
IOD_API int64_t iod_smmuv3_viommu_devices(struct iod_smmuv3_viommu *v);

/**
 * Check a guest's stream table entry: its first two words. V, Config (abort, bypass, stage 1), S1Fmt,
 * S1ContextPtr, S1CDMax, S1DSS, S1CIR, S1COR, S1CSH, S1STALLD and EATS (0, or 1 with ATS) are the
 * guest's; everything else must be 0. What the guest's ID registers make illegal is refused.
 *
 * Until iod_smmuv3_viommu_vste_installed() the device's CDs count as being in two levels.
 * @param vste what IOMMU_HWPT_ALLOC takes: V=0 becomes all zero, which aborts as well; S1STALLD is set where
 *             the host's SMMU could stall and ALLOW_RESUME is not set; EATS is 0 unless the device is ON
 * @param why  receives a constant string that names the field; may be NULL
 * @return 0; -ENOENT; -EINVAL refused
 */
IOD_API int iod_smmuv3_viommu_vste(struct iod_smmuv3_viommu *v, uint32_t vsid,
				   const uint64_t guest[2], struct iod_iommufd_hwpt_smmuv3 *vste,
				   const char **why);

/** The host's STE has these bits now, and hardware forgot the one before (CFGI_STE and SYNC):
 *  CFGI_CD.Leaf of the guest is kept from now on where there is but one level of CDs. @return 0, -ENOENT, -EINVAL */
IOD_API int iod_smmuv3_viommu_vste_installed(struct iod_smmuv3_viommu *v, uint32_t vsid,
					     const struct iod_iommufd_hwpt_smmuv3 *vste);

/**
 * The host's STE of a device: the guest's bits over one that has the host's stage 2 (Config 6).
 * Stage 1 becomes nested, bypass stage 2 alone; MEV is set, so that a guest cannot flood the event
 * queue.
 * @param vste  from iod_smmuv3_viommu_vste()
 * @param stage2 little-endian words; Config 6
 * @return 0, -EINVAL
 */
IOD_API int iod_smmuv3_viommu_host_ste(const struct iod_iommufd_hwpt_smmuv3 *vste,
				       const uint64_t stage2[8], uint64_t out[8]);
/** @} */

/** @name Invalidation @{ */

/** Whether the guest's command of this opcode would be obeyed, if its fields are right. */
IOD_API bool iod_smmuv3_viommu_takes(const struct iod_smmuv3_viommu *v, enum iod_smmuv3_op op);

/**
 * Translate and issue a batch of a guest's commands, in order. The batch holds no SYNC unless
 * ACCEPT_SYNC is set: where the guest has one, a batch ends.
 *
 * It stops at the first command that fails; what is before it is issued and synced, nothing behind it
 * is looked at. Commands are read once: they may lie in guest memory.
 * @param res may be NULL
 * @return 0; -EINVAL malformed, or one of the arguments is (then nothing is handled); -EOPNOTSUPP a
 *         command that is unknown, not shown to the guest, or not enabled, or the device's state
 *         forbids it; -ENOENT unknown StreamID; what the sink, cfgi_ste or quirk returned; -E2BIG
 */
IOD_API int iod_smmuv3_viommu_invalidate(struct iod_smmuv3_viommu *v,
					 const struct iod_smmuv3_raw_cmd *cmds, size_t nr,
					 struct iod_guest_result *res);

/**
 * One turn of the guest's own command queue, as iod_smmuv3_cmdq_consume(): batches up to each SYNC,
 * one host sync before the guest's SYNC completes (and one when the turn ends without; what that says is told at
 * the guest's next SYNC), cfg.synced, CONS, CERROR_ILL at the command that is illegal, CERROR_ATC_INV_SYNC when the
 * sink's sync returns -ETIMEDOUT, CERROR_ABT when the sink fails otherwise.
 * @param consume id, ops and cookie are not looked at. One thread at a time per queue.
 * @return as iod_smmuv3_cmdq_consume(); -EAGAIN when the sink said so
 */
IOD_API int iod_smmuv3_viommu_consume(struct iod_smmuv3_viommu *v,
				      struct iod_smmuv3_consume *consume);

/** Read the figures. @return 0, -EINVAL, -E2BIG */
IOD_API int iod_smmuv3_viommu_get_stats(struct iod_smmuv3_viommu *v,
					struct iod_viommu_stats *stats);
/** @} */

/** @name Events and page requests to the guest @{ */

/**
 * A host's event as the guest is to see it: with its own StreamID, and without bits of no known field.
 * Only types 04, 06, 08, 0A and 10 to 13, of stage 1; a stalled one only with ALLOW_RESUME.
 * @return 0; -ENOENT not a device of this guest; -EOPNOTSUPP not the guest's concern; -EINVAL
 */
IOD_API int iod_smmuv3_viommu_event(struct iod_smmuv3_viommu *v,
				    const struct iod_smmuv3_raw_event *host,
				    struct iod_smmuv3_raw_event *guest);

/** A host's page request as the guest is to see it. @return as above; -EOPNOTSUPP without ALLOW_PRI */
IOD_API int iod_smmuv3_viommu_pri(struct iod_smmuv3_viommu *v,
				  const struct iod_smmuv3_raw_pri *host,
				  struct iod_smmuv3_raw_pri *guest);
/** @} */

/** @name iommufd: arguments as the kernel takes them, its checks, in its order
 * An argument is raw bytes, with as many as are really there: what the kernel would fail to copy is
 * -EFAULT. Objects are found by the caller, by their ids.
 * @{ */

/**
 * IOMMU_HWPT_INVALIDATE on a virtual SMMU. entry_num is written back whenever the argument could be
 * read: commands that were handled. (The kernel counts some that it converted and did not issue; this
 * does not.)
 * @param arg  struct iod_iommufd_hwpt_invalidate
 * @param data what data_uptr leads to; fewer bytes than entry_len * entry_num: -EFAULT
 * @param res  may be NULL
 * @return 0; -EOPNOTSUPP reserved is not 0; -EINVAL; -E2BIG entries that are larger than is known and
 *         not zero there; -EFAULT; -EIO the command at entry_num was refused, res says why; what the
 *         sink returned
 */
IOD_API int iod_smmuv3_iommufd_invalidate(struct iod_smmuv3_viommu *v, void *arg, size_t arg_len,
					  const void *data, size_t data_len,
					  struct iod_guest_result *res);

/**
 * The VMM's side: an argument for the commands from the start of a batch that the kernel takes, up to
 * the first that it refuses (SYNC among them). When the ioctl fails, all of these are to be issued
 * again but for the one at entry_num: that entry_num commands were issued is not certain.
 * @param id of the virtual IOMMU
 * @param nr receives how many these are; none: there is nothing to call for
 * @return 0, -EINVAL
 */
IOD_API int iod_smmuv3_iommufd_prepare(struct iod_iommufd_hwpt_invalidate *arg, uint32_t id,
				       const struct iod_smmuv3_raw_cmd *cmds, size_t *nr);

/**
 * IOMMU_VIOMMU_ALLOC: check the argument, create, write out_viommu_id.
 * @param cfg what dev_id and hwpt_id led the caller to
 * @param id  the new object's
 * @return 0; -EFAULT; -EINVAL; -E2BIG; -EOPNOTSUPP flags, type, data; as iod_smmuv3_viommu_create()
 */
IOD_API int iod_smmuv3_iommufd_viommu_alloc(struct iod_smmuv3_viommu **out, void *arg,
					    size_t arg_len, const struct iod_smmuv3_viommu_cfg *cfg,
					    uint32_t id);

/**
 * IOMMU_VDEVICE_ALLOC: check the argument, add the device (IOD_VDEV_ON), write out_vdevice_id.
 * @param sid the host StreamID that dev_id led the caller to; it has exactly one
 * @return 0; -EFAULT; -EINVAL also virt_id of more than 32 bits; -E2BIG; as iod_smmuv3_viommu_add()
 */
IOD_API int iod_smmuv3_iommufd_vdevice_alloc(struct iod_smmuv3_viommu *v, void *arg, size_t arg_len,
					     uint32_t sid, uint32_t id);

/** Hardware information as IOMMU_GET_HW_INFO gives it, and back. @return 0, -EINVAL */
IOD_API int iod_smmuv3_iommufd_hw_info(struct iod_iommufd_hw_info_smmuv3 *info,
				       const struct iod_smmuv3_id *id);
/** From hardware information. @return 0; -EINVAL; -EOPNOTSUPP flags or reserved are set */
IOD_API int iod_smmuv3_iommufd_id(struct iod_smmuv3_id *id,
				  const struct iod_iommufd_hw_info_smmuv3 *info);
/** @} */

#ifdef __cplusplus
}
#endif

#endif
