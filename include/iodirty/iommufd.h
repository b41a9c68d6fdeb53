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
#define IOD_IOMMUFD_HW_INFO_SMMUV3 2u
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

#ifdef __cplusplus
}
#endif

#endif
