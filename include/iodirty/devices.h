/* SPDX-License-Identifier: MIT */
/**
 * @file devices.h
 * Finds devices and their page tables in the structures that a guest's IOMMU driver built: VT-d root
 * and context tables (legacy and scalable mode with PASID tables), SMMUv3 stream tables and context
 * descriptors, the AMD-Vi device table.
 *
 * The structures are a guest's and are never trusted: every address is checked, work is bounded.
 * Locking: none needed; each word is read once, atomically.
 */
#ifndef IODIRTY_DEVICES_H
#define IODIRTY_DEVICES_H

#include <iodirty/mem.h>
#include <iodirty/pgtable.h>
#include <iodirty/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/** What happens to a device's requests. */
enum iod_device_kind {
	IOD_DEVICE_TRANSLATED = 1, /**< through the page table of cfg and root */
	IOD_DEVICE_BYPASS = 2,	   /**< passed through untranslated */
	IOD_DEVICE_BLOCKED = 3,	   /**< refused */
	IOD_DEVICE_BAD = 4,	   /**< its structure is illegal or unreadable: error, error_pa */
};

/** One device (or one PASID / substream of it), as its structures describe it. */
struct iod_device {
	enum iod_device_kind kind;
	uint32_t source_id; /**< PCI requester id, StreamID or DeviceID */
	bool pasid_valid;   /**< a PASID (SubstreamID) of it, not its plain requests */
	uint32_t pasid;
	uint64_t domain; /**< DID, ASID (stage 1) or VMID (stage 2) */
	/** 1, 2; 3: nested, cfg and root describe stage 1, cfg2 and root2 stage 2 */
	uint32_t stage;
	const char *translation;    /**< constant string: "first-stage", "second-stage", "stage1",
				      "stage2", "nested", "v1", "v2", "pass-through", "bypass",
				      "blocked", "bad" */
	struct iod_pgtable_cfg cfg; /**< ready for iod_pgtable_attach() but for mem */
	uint64_t root;
	struct iod_pgtable_cfg cfg2; /**< nested only: the stage-2 table */
	uint64_t root2;
	/** where the deciding entry lies: context or PASID entry, CD, STE, DTE */
	uint64_t entry_pa;
	uint64_t entry[8]; /**< that entry, raw (unused words 0) */
	const char *error; /**< IOD_DEVICE_BAD: what is wrong, a constant string; else NULL */
	uint64_t error_pa; /**< and where */
};

/** Called once per device. A nonzero return stops and is returned. */
typedef int (*iod_device_fn)(void *cookie, const struct iod_device *device);

/**
 * VT-d: every device with a present context entry (and each present PASID entry in scalable mode).
 * @param rtaddr value of the RTADDR register (TTM in bits 11:10)
 * @return 0; what fn returned; -EFAULT the root table is unreadable; -EINVAL (also reserved TTM)
 */
IOD_API int iod_vtd_visit_devices(struct iod_mem *mem, uint64_t rtaddr, iod_device_fn fn,
				  void *cookie);

/**
 * SMMUv3: every valid STE of a linear or 2-level stream table, with its context descriptors.
 * @param strtab_base value of STRTAB_BASE
 * @param strtab_cfg  value of STRTAB_BASE_CFG (LOG2SIZE [5:0], SPLIT [10:6], FMT [17:16])
 * @return 0; what fn returned; -EFAULT the (first level of the) table is unreadable; -EINVAL
 */
IOD_API int iod_smmuv3_visit_devices(struct iod_mem *mem, uint64_t strtab_base, uint32_t strtab_cfg,
				     iod_device_fn fn, void *cookie);

/**
 * AMD-Vi: every DTE with V=1.
 * @param devtab value of the device table base register (size in 4 KiB pages minus one, bits 8:0)
 * @return 0; what fn returned; -EFAULT the table is unreadable; -EINVAL
 */
IOD_API int iod_amdvi_visit_devices(struct iod_mem *mem, uint64_t devtab, iod_device_fn fn,
				    void *cookie);

#ifdef __cplusplus
}
#endif

#endif
