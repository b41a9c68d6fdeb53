/* SPDX-License-Identifier: MIT */
/**
 * @file smmuv3.h
 * SMMUv3: what an implementation has, as its ID registers say (Arm IHI 0070, 6.3.1 to 6.3.6). The other
 * smmuv3_*.h headers take it wherever the ID registers decide what is legal:
 *
 * - smmuv3_ste.h    stream tables and context descriptors
 * - smmuv3_cmd.h    commands
 * - smmuv3_event.h  events and page requests
 * - smmuv3_queue.h  the rings that these go through
 * - smmuv3_inv.h    a gather becomes commands
 * - smmuv3_viommu.h a guest's commands become the host's
 * - smmuv3_emu.h    a whole SMMU for a guest
 *
 * Names of fields are those of the specification. Numbers of bits are those of 64-bit words.
 */
#ifndef IODIRTY_SMMUV3_H
#define IODIRTY_SMMUV3_H

#include <iodirty/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/** ID registers, in host byte order. */
struct iod_smmuv3_id {
	uint32_t idr[6]; /**< SMMU_IDR0 to IDR5 */
	uint32_t iidr;	 /**< SMMU_IIDR */
	uint32_t aidr;	 /**< SMMU_AIDR */
};

/** @name SMMU_IDR0 (6.3.1) @{ */
#define IOD_SMMUV3_IDR0_S2P		  (1u << 0) /**< stage 2 */
#define IOD_SMMUV3_IDR0_S1P		  (1u << 1) /**< stage 1 */
#define IOD_SMMUV3_IDR0_TTF		  (3u << 2) /**< bit 0 of it: 32-bit LPAE, bit 1: VMSAv8-64 */
#define IOD_SMMUV3_IDR0_TTF_SHIFT	  2
#define IOD_SMMUV3_IDR0_COHACC		  (1u << 4) /**< coherent access to tables and queues */
#define IOD_SMMUV3_IDR0_BTM		  (1u << 5) /**< obeys CPU TLB invalidations */
#define IOD_SMMUV3_IDR0_HTTU		  (3u << 6) /**< 0 none, 1 A, 2 A and dirty, 3 and A in tables */
#define IOD_SMMUV3_IDR0_HTTU_SHIFT	  6
#define IOD_SMMUV3_IDR0_HYP		  (1u << 9) /**< EL2 */
#define IOD_SMMUV3_IDR0_ATS		  (1u << 10)
#define IOD_SMMUV3_IDR0_NS1ATS		  (1u << 11) /**< no split-stage ATS */
#define IOD_SMMUV3_IDR0_ASID16		  (1u << 12)
#define IOD_SMMUV3_IDR0_MSI		  (1u << 13)
#define IOD_SMMUV3_IDR0_SEV		  (1u << 14)
#define IOD_SMMUV3_IDR0_PRI		  (1u << 16)
#define IOD_SMMUV3_IDR0_VMID16		  (1u << 18)
#define IOD_SMMUV3_IDR0_CD2L		  (1u << 19) /**< 2-level CD tables */
#define IOD_SMMUV3_IDR0_TTENDIAN	  (3u << 21) /**< 0 mixed, 2 little, 3 big */
#define IOD_SMMUV3_IDR0_TTENDIAN_SHIFT	  21
#define IOD_SMMUV3_IDR0_STALL_MODEL	  (3u << 24) /**< 0 both, 1 no stall, 2 stall forced */
#define IOD_SMMUV3_IDR0_STALL_MODEL_SHIFT 24
#define IOD_SMMUV3_IDR0_TERM_MODEL	  (1u << 26) /**< terminate always means abort */
#define IOD_SMMUV3_IDR0_ST_LEVEL	  (3u << 27) /**< 1: 2-level stream tables */
#define IOD_SMMUV3_IDR0_ST_LEVEL_SHIFT	  27
/** @} */

/** @name SMMU_IDR1 (6.3.2) @{ */
#define IOD_SMMUV3_IDR1_SIDSIZE	       (0x3fu << 0) /**< bits of a StreamID */
#define IOD_SMMUV3_IDR1_SSIDSIZE       (0x1fu << 6) /**< bits of a SubstreamID */
#define IOD_SMMUV3_IDR1_SSIDSIZE_SHIFT 6
#define IOD_SMMUV3_IDR1_PRIQS	       (0x1fu << 11) /**< log2 of most entries */
#define IOD_SMMUV3_IDR1_PRIQS_SHIFT    11
#define IOD_SMMUV3_IDR1_EVTQS	       (0x1fu << 16)
#define IOD_SMMUV3_IDR1_EVTQS_SHIFT    16
#define IOD_SMMUV3_IDR1_CMDQS	       (0x1fu << 21)
#define IOD_SMMUV3_IDR1_CMDQS_SHIFT    21
/** @} */

/** @name SMMU_IDR3 (6.3.4) @{ */
#define IOD_SMMUV3_IDR3_HAD	   (1u << 2)
#define IOD_SMMUV3_IDR3_PBHA	   (1u << 3)
#define IOD_SMMUV3_IDR3_XNX	   (1u << 4)
#define IOD_SMMUV3_IDR3_PPS	   (1u << 5) /**< automatic PRI responses always carry the PASID */
#define IOD_SMMUV3_IDR3_MPAM	   (1u << 7)
#define IOD_SMMUV3_IDR3_FWB	   (1u << 8)
#define IOD_SMMUV3_IDR3_STT	   (1u << 9)  /**< small translation tables */
#define IOD_SMMUV3_IDR3_RIL	   (1u << 10) /**< range invalidation and level hints */
#define IOD_SMMUV3_IDR3_BBML	   (3u << 11) /**< break-before-make level */
#define IOD_SMMUV3_IDR3_BBML_SHIFT 11
#define IOD_SMMUV3_IDR3_E0PD	   (1u << 13)
/** @} */

/** @name SMMU_IDR5 (6.3.6) @{ */
#define IOD_SMMUV3_IDR5_OAS		(7u << 0) /**< output bits: 32 36 40 42 44 48 52 56 */
#define IOD_SMMUV3_IDR5_GRAN4K		(1u << 4)
#define IOD_SMMUV3_IDR5_GRAN16K		(1u << 5)
#define IOD_SMMUV3_IDR5_GRAN64K		(1u << 6)
#define IOD_SMMUV3_IDR5_DS		(1u << 7)
#define IOD_SMMUV3_IDR5_VAX		(3u << 10) /**< 1: 52-bit input addresses */
#define IOD_SMMUV3_IDR5_VAX_SHIFT	10
#define IOD_SMMUV3_IDR5_STALL_MAX_SHIFT 16 /**< most stalled transactions, bits 31:16 */
/** @} */

/**
 * ID registers of an SMMUv3.2 that has everything this library models: both stages, HTTU with Accessed in
 * tables, ATS, PRI, stalls, range invalidation, break-before-make level 2, 16-bit ASIDs and VMIDs, 2-level
 * tables, all granules, 48-bit addresses, 32-bit StreamIDs and 20-bit SubstreamIDs. A start for an emulated
 * SMMU: clear what yours has not.
 * @return 0, -EINVAL
 */
IOD_API int iod_smmuv3_id_full(struct iod_smmuv3_id *id);

/** Value of a field of an ID register: iod_smmuv3_id_field(id->idr[0], IOD_SMMUV3_IDR0_HTTU). */
static inline uint32_t iod_smmuv3_id_field(uint32_t idr, uint32_t mask)
{
	return (idr & mask) / (mask & -mask);
}

#ifdef __cplusplus
}
#endif

#endif
