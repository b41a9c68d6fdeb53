/* SPDX-License-Identifier: MIT */
/**
 * @file vtd.h
 * Intel VT-d: what an implementation has, as its capability registers say (Intel VT-d specification, 11.4.1 to
 * 11.4.3). The other vtd_*.h headers take it wherever these registers decide what is legal:
 *
 * - vtd_entry.h    root, context and PASID tables
 * - vtd_desc.h     descriptors of the invalidation queue
 * - vtd_event.h    fault records and page requests
 * - vtd_queue.h    the rings that these go through
 * - vtd_inv.h      a gather becomes descriptors
 * - vtd_viommu.h   a guest's descriptors become the host's
 * - vtd_emu.h      a whole remapping unit for a guest
 *
 * Names of fields are those of the specification. Numbers of bits are those of 64-bit words.
 */
#ifndef IODIRTY_VTD_H
#define IODIRTY_VTD_H

#include <iodirty/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Version and capability registers, in host byte order. */
struct iod_vtd_id {
	uint32_t ver;	   /**< VER_REG: major in bits 7:4, minor in bits 3:0 */
	uint32_t reserved; /**< 0 */
	uint64_t cap;	   /**< CAP_REG */
	uint64_t ecap;	   /**< ECAP_REG */
};

/** @name CAP_REG (11.4.2) @{ */
#define IOD_VTD_CAP_ND	    (UINT64_C(7) << 0) /**< domain ids of 4 + 2 * ND bits; 7 is reserved */
#define IOD_VTD_CAP_RWBF    (UINT64_C(1) << 4) /**< write buffers must be flushed */
#define IOD_VTD_CAP_PLMR    (UINT64_C(1) << 5)
#define IOD_VTD_CAP_PHMR    (UINT64_C(1) << 6)
#define IOD_VTD_CAP_CM	    (UINT64_C(1) << 7) /**< caching mode: what is not present is cached too */
#define IOD_VTD_CAP_SAGAW   (UINT64_C(0x1f) << 8)  /**< bit 1: 3 levels, bit 2: 4, bit 3: 5 */
#define IOD_VTD_CAP_MGAW    (UINT64_C(0x3f) << 16) /**< input address bits - 1 */
#define IOD_VTD_CAP_ZLR	    (UINT64_C(1) << 22)
#define IOD_VTD_CAP_FRO	    (UINT64_C(0x3ff) << 24) /**< fault records are at 16 * FRO */
#define IOD_VTD_CAP_SSLPS   (UINT64_C(0xf) << 34)   /**< bit 0: 2 MiB, bit 1: 1 GiB */
#define IOD_VTD_CAP_PSI	    (UINT64_C(1) << 39)	    /**< page-selective invalidation */
#define IOD_VTD_CAP_NFR	    (UINT64_C(0xff) << 40)  /**< fault records - 1 */
#define IOD_VTD_CAP_MAMV    (UINT64_C(0x3f) << 48)  /**< largest AM */
#define IOD_VTD_CAP_DWD	    (UINT64_C(1) << 54)
#define IOD_VTD_CAP_DRD	    (UINT64_C(1) << 55)
#define IOD_VTD_CAP_FS1GP   (UINT64_C(1) << 56) /**< first-stage pages of 1 GiB */
#define IOD_VTD_CAP_PI	    (UINT64_C(1) << 59) /**< posted interrupts */
#define IOD_VTD_CAP_FS5LP   (UINT64_C(1) << 60) /**< first-stage tables of 5 levels */
#define IOD_VTD_CAP_ECMDS   (UINT64_C(1) << 61)
#define IOD_VTD_CAP_ESIRTPS (UINT64_C(1) << 62)
#define IOD_VTD_CAP_ESRTPS \
	(UINT64_C(1) << 63) /**< setting the root table pointer invalidates all */
/** @} */

/** @name ECAP_REG (11.4.3) @{ */
#define IOD_VTD_ECAP_C	    (UINT64_C(1) << 0) /**< walks (other than scalable-mode ones) are coherent */
#define IOD_VTD_ECAP_QI	    (UINT64_C(1) << 1) /**< queued invalidation */
#define IOD_VTD_ECAP_DT	    (UINT64_C(1) << 2) /**< device TLBs (ATS) */
#define IOD_VTD_ECAP_IR	    (UINT64_C(1) << 3) /**< interrupt remapping */
#define IOD_VTD_ECAP_EIM    (UINT64_C(1) << 4)
#define IOD_VTD_ECAP_PT	    (UINT64_C(1) << 6)	   /**< pass-through */
#define IOD_VTD_ECAP_SC	    (UINT64_C(1) << 7)	   /**< snoop control */
#define IOD_VTD_ECAP_IRO    (UINT64_C(0x3ff) << 8) /**< IOTLB registers are at 16 * IRO */
#define IOD_VTD_ECAP_MHMV   (UINT64_C(0xf) << 20)  /**< largest IM */
#define IOD_VTD_ECAP_MTS    (UINT64_C(1) << 25)	   /**< memory types */
#define IOD_VTD_ECAP_NEST   (UINT64_C(1) << 26)	   /**< nested translation */
#define IOD_VTD_ECAP_PRS    (UINT64_C(1) << 29)	   /**< page requests */
#define IOD_VTD_ECAP_ERS    (UINT64_C(1) << 30)	   /**< execute requests */
#define IOD_VTD_ECAP_SRS    (UINT64_C(1) << 31)	   /**< supervisor requests */
#define IOD_VTD_ECAP_NWFS   (UINT64_C(1) << 33)	   /**< no-write flag of translation requests */
#define IOD_VTD_ECAP_EAFS   (UINT64_C(1) << 34)	   /**< extended accessed flag */
#define IOD_VTD_ECAP_PSS    (UINT64_C(0x1f) << 35) /**< PASID bits - 1 */
#define IOD_VTD_ECAP_PASID  (UINT64_C(1) << 40)	   /**< requests with PASID */
#define IOD_VTD_ECAP_DIT    (UINT64_C(1) << 41)
#define IOD_VTD_ECAP_PDS    (UINT64_C(1) << 42) /**< page request drain */
#define IOD_VTD_ECAP_SMTS   (UINT64_C(1) << 43) /**< scalable mode */
#define IOD_VTD_ECAP_VCS    (UINT64_C(1) << 44)
#define IOD_VTD_ECAP_SSADS  (UINT64_C(1) << 45) /**< second-stage Accessed and Dirty */
#define IOD_VTD_ECAP_SSTS   (UINT64_C(1) << 46) /**< second-stage translation (scalable mode) */
#define IOD_VTD_ECAP_FSTS   (UINT64_C(1) << 47) /**< first-stage translation */
#define IOD_VTD_ECAP_SMPWCS (UINT64_C(1) << 48) /**< coherent walks in scalable mode */
#define IOD_VTD_ECAP_RPS    (UINT64_C(1) << 49) /**< RID_PASID */
#define IOD_VTD_ECAP_PMS    (UINT64_C(1) << 51)
#define IOD_VTD_ECAP_ADMS   (UINT64_C(1) << 52) /**< abort DMA mode */
#define IOD_VTD_ECAP_RPRIVS (UINT64_C(1) << 53) /**< RID_PRIV */
#define IOD_VTD_ECAP_SSIRWS (UINT64_C(1) << 57) /**< second-stage permissions in bits 62:61 */
#define IOD_VTD_ECAP_SMS    (UINT64_C(1) << 58) /**< stop markers */
/** @} */

/** @name RTADDR_REG (11.4.5) @{ */
#define IOD_VTD_RTADDR_SSIRWE	(UINT64_C(1) << 7)
#define IOD_VTD_RTADDR_TTM	(UINT64_C(3) << 10) /**< translation table mode */
#define IOD_VTD_RTADDR_LEGACY	(UINT64_C(0) << 10)
#define IOD_VTD_RTADDR_SCALABLE (UINT64_C(1) << 10)
#define IOD_VTD_RTADDR_ABORT	(UINT64_C(3) << 10)		  /**< every request is refused */
#define IOD_VTD_RTADDR_RTA	(UINT64_C(0xfffffffffffff) << 12) /**< the root table */
/** @} */

/** @name Tags of translations (iod_pgtable_cfg.domain) in iod_iotlbs that obey descriptors @{ */
/** First-stage and nested translations. RID_PASID counts as the PASID of requests without one. */
#define IOD_VTD_TAG_S1(did, pasid) ((uint64_t)(did) << 20 | (uint64_t)(pasid))
/** Second-stage translations (also of legacy mode), in an iod_iotlb of their own. */
#define IOD_VTD_TAG_S2(did) ((uint64_t)(did) << 20)
/** @} */

/**
 * Capability registers of a remapping unit that has everything this library models: legacy and scalable mode,
 * first-stage, second-stage and nested translation of 3 to 5 levels with all page sizes, Accessed and Dirty in
 * both stages, 20-bit PASIDs, 16-bit domain ids, device TLBs, page requests with draining, queued invalidation
 * with the largest AM, abort mode. Not caching mode, interrupt remapping, memory types, and SSIRWS. A start for
 * an emulated unit: clear what yours has not.
 * @return 0, -EINVAL
 */
IOD_API int iod_vtd_id_full(struct iod_vtd_id *id);

/** Value of a field of a capability register: iod_vtd_id_field(id->cap, IOD_VTD_CAP_MAMV). */
static inline uint32_t iod_vtd_id_field(uint64_t reg, uint64_t mask)
{
	return (uint32_t)((reg & mask) / (mask & -mask));
}

#ifdef __cplusplus
}
#endif

#endif
