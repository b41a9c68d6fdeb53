/* SPDX-License-Identifier: MIT */
/**
 * @file emu.h
 * What the emulated IOMMUs of all vendors have in common: an access of a device, and what became of it. The
 * emulators themselves are in smmuv3_emu.h, vtd_emu.h and amdvi_emu.h.
 */
#ifndef IODIRTY_EMU_H
#define IODIRTY_EMU_H

#include <iodirty/iotlb.h>
#include <iodirty/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/** An ATS translation request: access says what is wanted (WRITE: NW = 0). result.prot says what is granted,
 *  maybe nothing. WRITE is granted only when no table must be marked for it any more. */
#define IOD_EMU_REQ_ATS (1u << 0)
/** A translated request: iova is what a translation request gave. */
#define IOD_EMU_REQ_TRANSLATED (1u << 1)

/** An access of a device. */
struct iod_emu_req {
	size_t size;	  /**< sizeof(struct iod_emu_req) */
	uint32_t source;  /**< StreamID, source-id (requester id), DeviceID */
	uint32_t pasid;	  /**< PASID (SubstreamID), with pasid_valid; 20 bits */
	bool pasid_valid; /**< it has one */
	uint32_t access;  /**< IOD_ACCESS_*, READ or WRITE among them */
	uint32_t flags;	  /**< 0 or IOD_EMU_REQ_* */
	uint64_t iova;
	void *cookie; /**< of the caller: handed to the callback that ends a stalled access */
};

/** What became of an access. */
enum iod_emu_outcome {
	IOD_EMU_DONE = 0,    /**< translated */
	IOD_EMU_ABORTED = 1, /**< terminated: the device sees an error */
	IOD_EMU_RAZ_WI = 2,  /**< terminated: reads are 0, writes are ignored (SMMUv3, CD.A = 0) */
	IOD_EMU_STALLED = 3, /**< waits (SMMUv3): ops.resumed says how it ends */
	IOD_EMU_ATS_UR = 4,  /**< ATS translation request: Unsupported Request */
	IOD_EMU_ATS_CA = 5,  /**< ATS translation request: Completer Abort */
};

/** The same in figures. */
struct iod_emu_result {
	size_t size; /**< sizeof(struct iod_emu_result) */
	enum iod_emu_outcome outcome;
	uint32_t prot; /**< IOD_PROT_READ, WRITE, NOEXEC of the translation */
	uint64_t pa;   /**< output address of iova */
	uint64_t len;  /**< bytes from pa to the end of the translation; 0: all above */
	uint16_t stag; /**< SMMUv3: of a stalled access */
	bool recorded; /**< what refused it is in the guest's log of faults (SMMUv3: or waits for room there) */
};

#ifdef __cplusplus
}
#endif

#endif
