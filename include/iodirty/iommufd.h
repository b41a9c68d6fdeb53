/* SPDX-License-Identifier: MIT */
/**
 * @file iommufd.h
 * Layouts of iommufd's arguments for nested translation: invalidation, virtual IOMMUs and their
 * devices, what hardware is. No kernel header is needed. uapi.h has those of dirty tracking;
 * smmuv3_viommu.h and its like take these.
 *
 * Words of these structs are in host byte order; what they point to is as the vendor's part says.
 */
#ifndef IODIRTY_IOMMUFD_H
#define IODIRTY_IOMMUFD_H

#include <iodirty/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Most entries of one IOMMU_HWPT_INVALIDATE, and most bytes of an entry. */
#define IOD_IOMMUFD_MAX_ENTRIES	  (1u << 19)
#define IOD_IOMMUFD_MAX_ENTRY_LEN 4096u

/** Types of invalidation data. */
#define IOD_IOMMUFD_INVALIDATE_VTD_S1 0u
#define IOD_IOMMUFD_INVALIDATE_SMMUV3 1u

/** Types of hardware information and of virtual IOMMUs. */
#define IOD_IOMMUFD_HW_INFO_VTD	   1u
#define IOD_IOMMUFD_HW_INFO_SMMUV3 2u
#define IOD_IOMMUFD_HW_INFO_AMD	   4u
#define IOD_IOMMUFD_VIOMMU_SMMUV3  1u

/** struct iommu_hwpt_invalidate. */
struct iod_iommufd_hwpt_invalidate {
	uint32_t size;
	uint32_t hwpt_id; /**< of a nested HWPT or a virtual IOMMU */
	uint64_t data_uptr;
	uint32_t data_type;
	uint32_t entry_len;
	uint32_t entry_num; /**< out: entries that were handled */
	uint32_t reserved;  /**< 0 */
};

/** struct iommu_hwpt_arm_smmuv3_invalidate (and iommu_viommu_arm_smmuv3_invalidate): a command. */
struct iod_iommufd_smmuv3_invalidate {
	uint64_t cmd[2]; /**< little-endian words */
};

/** struct iommu_viommu_alloc. */
struct iod_iommufd_viommu_alloc {
	uint32_t size;
	uint32_t flags; /**< 0 */
	uint32_t type;
	uint32_t dev_id;
	uint32_t hwpt_id;
	uint32_t out_viommu_id;
	uint32_t data_len;
	uint32_t reserved; /**< 0 */
	uint64_t data_uptr;
};

/** struct iommu_vdevice_alloc. */
struct iod_iommufd_vdevice_alloc {
	uint32_t size;
	uint32_t viommu_id;
	uint32_t dev_id;
	uint32_t out_vdevice_id;
	uint64_t virt_id; /**< SMMUv3: the guest's StreamID */
};

/** struct iommu_hw_info_arm_smmuv3. */
struct iod_iommufd_hw_info_smmuv3 {
	uint32_t flags;	   /**< 0 */
	uint32_t reserved; /**< 0 */
	uint32_t idr[6];
	uint32_t iidr;
	uint32_t aidr;
};

/** struct iommu_hwpt_arm_smmuv3: the first words of a guest's stream table entry. */
struct iod_iommufd_hwpt_smmuv3 {
	uint64_t ste[2]; /**< little-endian words */
};

/** struct iommu_vevent_arm_smmuv3: an event record with the guest's StreamID. */
struct iod_iommufd_vevent_smmuv3 {
	uint64_t evt[4]; /**< little-endian words */
};

/** struct iommu_hw_info_vtd. */
struct iod_iommufd_hw_info_vtd {
	uint32_t flags;	   /**< not looked at: errata of the host's */
	uint32_t reserved; /**< 0 */
	uint64_t cap_reg;
	uint64_t ecap_reg;
};

/** struct iommu_hwpt_vtd_s1: a guest's first-stage table. */
struct iod_iommufd_hwpt_vtd_s1 {
	uint64_t flags; /**< IOD_IOMMUFD_VTD_S1_* */
	uint64_t pgtbl_addr;
	uint32_t addr_width; /**< 48 or 57 */
	uint32_t reserved;   /**< 0 */
};

#define IOD_IOMMUFD_VTD_S1_SRE	(UINT64_C(1) << 0)
#define IOD_IOMMUFD_VTD_S1_EAFE (UINT64_C(1) << 1)
#define IOD_IOMMUFD_VTD_S1_WPE	(UINT64_C(1) << 2)

/** struct iommu_hwpt_vtd_s1_invalidate. */
struct iod_iommufd_vtd_s1_invalidate {
	uint64_t addr;	   /**< a multiple of 4096 */
	uint64_t npages;   /**< of 4096 bytes; UINT64_MAX with addr 0: everything */
	uint32_t flags;	   /**< 0 or IOD_IOMMUFD_VTD_INV_LEAF */
	uint32_t hw_error; /**< 0; out, in kernels that say so: IOD_IOMMUFD_VTD_INV_ICE, _ITE */
};

/** Only leaf entries changed. */
#define IOD_IOMMUFD_VTD_INV_LEAF (1u << 0)
/** A device answered wrongly, or not in time. No released kernel says so; proposals did, in the word that is reserved
 *  now. */
#define IOD_IOMMUFD_VTD_INV_ICE (1u << 0)
#define IOD_IOMMUFD_VTD_INV_ITE (1u << 1)

/** struct iommu_hw_info_amd. */
struct iod_iommufd_hw_info_amd {
	uint64_t efr;
	uint64_t efr2;
};

/** struct iommu_hwpt_amd_guest: the guest's device table entry. */
struct iod_iommufd_hwpt_amd {
	uint64_t dte[4]; /**< little-endian words */
};

#ifdef __cplusplus
}
#endif

#endif
