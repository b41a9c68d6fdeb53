/* SPDX-License-Identifier: MIT */
/**
 * @file amdvi.h
 * AMD-Vi: what an implementation has, as its extended feature registers say (AMD 48882, MMIO 0030h and 01A0h), and
 * the bits of its control and status registers. The other amdvi_*.h headers take it wherever the features decide
 * what is legal:
 *
 * - amdvi_dte.h    device table entries and GCR3 tables
 * - amdvi_cmd.h    commands
 * - amdvi_event.h  event log and peripheral page request (PPR) log
 * - amdvi_queue.h  the rings that these go through
 * - amdvi_inv.h    a gather becomes commands
 * - amdvi_viommu.h a guest's commands become the host's
 * - amdvi_emu.h    a whole IOMMU for a guest
 *
 * Names of fields are those of the specification. Numbers of bits are those of 64-bit words. What no two sources
 * confirm is marked UNCONFIRMED, and listed in docs/amdvi-structures.md with why either truth is safe.
 */
#ifndef IODIRTY_AMDVI_H
#define IODIRTY_AMDVI_H

#include <iodirty/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Feature registers, in host byte order (iommufd: struct iommu_hw_info_amd). */
struct iod_amdvi_id {
	uint64_t efr;  /**< extended feature register */
	uint64_t efr2; /**< extended feature 2 register */
};

/** @name Extended feature register (0030h) @{ */
#define IOD_AMDVI_EFR_PREFSUP	      (UINT64_C(1) << 0) /**< PREFETCH_IOMMU_PAGES */
#define IOD_AMDVI_EFR_PPRSUP	      (UINT64_C(1) << 1) /**< peripheral page requests */
#define IOD_AMDVI_EFR_XTSUP	      (UINT64_C(1) << 2)
#define IOD_AMDVI_EFR_NXSUP	      (UINT64_C(1) << 3)
#define IOD_AMDVI_EFR_GTSUP	      (UINT64_C(1) << 4) /**< guest translation */
#define IOD_AMDVI_EFR_GAPPISUP	      (UINT64_C(1) << 5)
#define IOD_AMDVI_EFR_IASUP	      (UINT64_C(1) << 6) /**< INVALIDATE_IOMMU_ALL */
#define IOD_AMDVI_EFR_GASUP	      (UINT64_C(1) << 7)
#define IOD_AMDVI_EFR_HESUP	      (UINT64_C(1) << 8)
#define IOD_AMDVI_EFR_PCSUP	      (UINT64_C(1) << 9)
#define IOD_AMDVI_EFR_HATS	      (UINT64_C(3) << 10) /**< host levels - 4; 3 is reserved */
#define IOD_AMDVI_EFR_HATS_SHIFT      10
#define IOD_AMDVI_EFR_GATS	      (UINT64_C(3) << 12) /**< guest levels - 4; 2 and 3: see docs */
#define IOD_AMDVI_EFR_GATS_SHIFT      12
#define IOD_AMDVI_EFR_GLXSUP	      (UINT64_C(3) << 14) /**< levels of GCR3 tables - 1 */
#define IOD_AMDVI_EFR_GLXSUP_SHIFT    14
#define IOD_AMDVI_EFR_PASMAX	      (UINT64_C(0x1f) << 32) /**< bits of a PASID - 1 */
#define IOD_AMDVI_EFR_PASMAX_SHIFT    32
#define IOD_AMDVI_EFR_USSUP	      (UINT64_C(1) << 37)
#define IOD_AMDVI_EFR_DEVTBLSEGSUP    (UINT64_C(3) << 38)
#define IOD_AMDVI_EFR_PPROVRFLWEARLY  (UINT64_C(1) << 40)
#define IOD_AMDVI_EFR_PPRAUTORSPSUP   (UINT64_C(1) << 41)
#define IOD_AMDVI_EFR_BLKSTOPMRKSUP   (UINT64_C(1) << 44)
#define IOD_AMDVI_EFR_GIOSUP	      (UINT64_C(1) << 48) /**< DTE.GIOV */
#define IOD_AMDVI_EFR_HASUP	      (UINT64_C(1) << 49) /**< Accessed in host tables */
#define IOD_AMDVI_EFR_EPHSUP	      (UINT64_C(1) << 50) /**< DTE.PPR and GPRP */
#define IOD_AMDVI_EFR_ATTRFWSUP	      (UINT64_C(1) << 51)
#define IOD_AMDVI_EFR_HDSUP	      (UINT64_C(1) << 52) /**< Dirty in host tables */
#define IOD_AMDVI_EFR_INVIOTLBTYPESUP (UINT64_C(1) << 54) /**< INVALIDATE_IOTLB_PAGES.Type */
#define IOD_AMDVI_EFR_GAUPDATEDISSUP  (UINT64_C(1) << 61)
#define IOD_AMDVI_EFR_SNPSUP	      (UINT64_C(1) << 63)
/** @} */

/** @name Extended feature 2 register (01A0h) @{ */
#define IOD_AMDVI_EFR2_TMPMSUP (UINT64_C(1) << 2)
#define IOD_AMDVI_EFR2_GCR3TRPMODE \
	(UINT64_C(1) << 3) /**< DTE's GCR3 pointer may be a guest address */
/** @} */

/** @name Control register (0018h). Effects of HADUPDATE, GDUPDATEDIS and GAUPDATEDIS are UNCONFIRMED @{ */
#define IOD_AMDVI_CONTROL_IOMMUEN	(UINT64_C(1) << 0)
#define IOD_AMDVI_CONTROL_EVENTLOGEN	(UINT64_C(1) << 2)
#define IOD_AMDVI_CONTROL_EVENTINTEN	(UINT64_C(1) << 3)
#define IOD_AMDVI_CONTROL_COMWAITINTEN	(UINT64_C(1) << 4)
#define IOD_AMDVI_CONTROL_INVTIMEOUT	(UINT64_C(7) << 5)
#define IOD_AMDVI_CONTROL_COHERENT	(UINT64_C(1) << 10)
#define IOD_AMDVI_CONTROL_CMDBUFEN	(UINT64_C(1) << 12)
#define IOD_AMDVI_CONTROL_PPRLOGEN	(UINT64_C(1) << 13)
#define IOD_AMDVI_CONTROL_PPRINTEN	(UINT64_C(1) << 14)
#define IOD_AMDVI_CONTROL_PPREN		(UINT64_C(1) << 15)
#define IOD_AMDVI_CONTROL_GTEN		(UINT64_C(1) << 16) /**< guest translation */
#define IOD_AMDVI_CONTROL_GAEN		(UINT64_C(1) << 17)
#define IOD_AMDVI_CONTROL_DEVTBLSEGEN	(UINT64_C(7) << 34)
#define IOD_AMDVI_CONTROL_PPRAUTORSPEN	(UINT64_C(1) << 39)
#define IOD_AMDVI_CONTROL_BLKSTOPMRKEN	(UINT64_C(1) << 41)
#define IOD_AMDVI_CONTROL_PPRAUTORSPAON (UINT64_C(1) << 42)
#define IOD_AMDVI_CONTROL_EPHEN		(UINT64_C(1) << 45)
#define IOD_AMDVI_CONTROL_HADUPDATE	(UINT64_C(3) << 46)
#define IOD_AMDVI_CONTROL_GDUPDATEDIS	(UINT64_C(1) << 48)
#define IOD_AMDVI_CONTROL_XTEN		(UINT64_C(1) << 50)
#define IOD_AMDVI_CONTROL_INTCAPXTEN	(UINT64_C(1) << 51)
#define IOD_AMDVI_CONTROL_GAUPDATEDIS	(UINT64_C(1) << 54)
#define IOD_AMDVI_CONTROL_GCR3TRPMODE \
	(UINT64_C(1) << 58) /**< the DTE's GCR3 pointer is a guest address */
/** @} */

/** @name Status register (2020h) @{ */
#define IOD_AMDVI_STATUS_EVENTOVERFLOW (1u << 0) /**< an event did not fit (RW1C) */
#define IOD_AMDVI_STATUS_EVENTLOGINT   (1u << 1) /**< an event was put in (RW1C) */
#define IOD_AMDVI_STATUS_COMWAITINT    (1u << 2) /**< a COMPLETION_WAIT with i is complete (RW1C) */
#define IOD_AMDVI_STATUS_EVENTLOGRUN   (1u << 3) /**< the event log runs (read only) */
#define IOD_AMDVI_STATUS_CMDBUFRUN     (1u << 4) /**< the command buffer runs (read only) */
#define IOD_AMDVI_STATUS_PPROVERFLOW   (1u << 5) /**< a page request did not fit (RW1C) */
#define IOD_AMDVI_STATUS_PPRINT	       (1u << 6) /**< a page request was put in (RW1C) */
#define IOD_AMDVI_STATUS_PPRLOGRUN     (1u << 7) /**< the PPR log runs (read only) */
/** @} */

/**
 * Feature registers of an IOMMU that has everything this library models: host tables of 6 levels with Accessed and
 * Dirty, guest tables of 5 levels and GCR3 tables of 3, 20-bit PASIDs, guest translation without PASIDs (GIOV), page
 * requests, prefetch, INVALIDATE_IOMMU_ALL, types of IOTLB invalidations, GCR3 tables at guest addresses (EFR2). A
 * start for an emulated IOMMU: clear what yours has not.
 * @return 0, -EINVAL
 */
IOD_API int iod_amdvi_id_full(struct iod_amdvi_id *id);

/** Value of a field of a register: iod_amdvi_id_field(id->efr, IOD_AMDVI_EFR_HATS). */
static inline uint32_t iod_amdvi_id_field(uint64_t reg, uint64_t mask)
{
	return (uint32_t)((reg & mask) / (mask & -mask));
}

#ifdef __cplusplus
}
#endif

#endif
