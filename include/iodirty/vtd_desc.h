/* SPDX-License-Identifier: MIT */
/**
 * @file vtd_desc.h
 * Descriptors of VT-d's invalidation queue (Intel VT-d specification, 6.5.2; page group response: 7.6.1): 16 or 32
 * bytes in a ring, or one typed struct; one encoder and one decoder for everything in the library. And what a
 * descriptor means to an iod_iotlb.
 *
 * Only the descriptors of enum iod_vtd_desc_type exist here. Others (that of hardware protection tables) are
 * refused by both directions, as a unit without them does.
 *
 * Locking: none needed, nothing is kept.
 */
#ifndef IODIRTY_VTD_DESC_H
#define IODIRTY_VTD_DESC_H

#include <iodirty/command.h>
#include <iodirty/types.h>
#include <iodirty/vtd.h>

#ifdef __cplusplus
extern "C" {
#endif

/** A descriptor as it lies in memory: little-endian words. In a ring of 128-bit descriptors (IQA_REG.DW = 0) the
 *  last two are not in memory, and 0 here. */
struct iod_vtd_raw_desc {
	uint64_t word[4];
};

/** The descriptors; the values are the types, of which bits 3:0 are in bits 3:0 and bits 6:4 in bits 11:9. */
enum iod_vtd_desc_type {
	IOD_VTD_CONTEXT_INV = 1,     /**< context cache: gran, did, sid, fm */
	IOD_VTD_IOTLB_INV = 2,	     /**< IOTLB by domain: gran, dr, dw, did, am, ih, addr */
	IOD_VTD_DEV_TLB_INV = 3,     /**< device TLB: mip, pfsid, sid, span, addr */
	IOD_VTD_IEC_INV = 4,	     /**< interrupt entry cache: gran, im, iidx */
	IOD_VTD_WAIT = 5,	     /**< intr, write, fence, drain, data, addr */
	IOD_VTD_P_IOTLB_INV = 6,     /**< IOTLB by PASID: gran, did, pasid, am, ih, addr */
	IOD_VTD_PASID_CACHE_INV = 7, /**< gran, did, pasid */
	IOD_VTD_P_DEV_TLB_INV =
		8, /**< device TLB by PASID: mip, pfsid, sid, pasid, global, span, addr */
	IOD_VTD_PAGE_GROUP_RESP = 9, /**< pasid_valid, code, sid, pasid, prgi; 256-bit rings only */
};

/** @name gran: G of the descriptors, which count differently @{ */
enum iod_vtd_context_gran {
	IOD_VTD_CONTEXT_GLOBAL = 1,
	IOD_VTD_CONTEXT_DOMAIN = 2, /**< did */
	IOD_VTD_CONTEXT_DEVICE = 3, /**< did, sid, fm */
};
enum iod_vtd_iotlb_gran {
	IOD_VTD_IOTLB_GLOBAL = 1,
	IOD_VTD_IOTLB_DOMAIN = 2, /**< did */
	IOD_VTD_IOTLB_PAGE = 3,	  /**< did, addr, am, ih */
};
enum iod_vtd_iec_gran {
	IOD_VTD_IEC_GLOBAL = 0,
	IOD_VTD_IEC_INDEX = 1, /**< iidx, im */
};
enum iod_vtd_p_iotlb_gran {
	IOD_VTD_P_IOTLB_PASID = 2, /**< did, pasid */
	IOD_VTD_P_IOTLB_PAGE = 3,  /**< did, pasid, addr, am, ih */
};
enum iod_vtd_pasid_cache_gran {
	IOD_VTD_PASID_CACHE_DOMAIN = 0, /**< did */
	IOD_VTD_PASID_CACHE_PASID = 1,	/**< did, pasid */
	IOD_VTD_PASID_CACHE_GLOBAL = 3,
};
/** @} */

/** Response code of a page group response: what goes to the device. */
enum iod_vtd_resp_code {
	IOD_VTD_RESP_SUCCESS = 0x0,
	IOD_VTD_RESP_INVALID = 0x1, /**< Invalid Request: this access is refused */
	IOD_VTD_RESP_FAILURE = 0xf, /**< Response Failure: the device stops asking */
};

/** A descriptor of a device TLB with this span is everything. */
#define IOD_VTD_DEV_TLB_ALL_SPAN 52u

/** A descriptor. Fields that its type, or its granularity, does not have are 0. */
struct iod_vtd_desc {
	enum iod_vtd_desc_type type;
	uint32_t pasid; /**< 20 bits */
	uint8_t gran;	/**< granularity, one of the enums above */
	/** Address mask: 4096 << am bytes, at addr aligned down to that; at most 52, by domain at most CAP.MAMV. */
	uint8_t am;
	uint8_t span; /**< device TLBs: 4096 << span bytes; IOD_VTD_DEV_TLB_ALL_SPAN: everything */
	uint8_t fm;   /**< function mask: 1 to 3 leave bits 2, 2:1, 2:0 of sid out */
	uint8_t mip;  /**< most invalidations pending (of device TLBs), 5 bits */
	uint8_t im;   /**< interrupt index mask, 5 bits */
	uint8_t code; /**< enum iod_vtd_resp_code; values that are not named there are refused */
	bool ih;      /**< invalidation hint: only leaf entries changed */
	bool dr, dw;  /**< drain reads, writes; units of version 2 or later always do */
	bool global;  /**< device TLB by PASID: of every PASID; pasid is ignored */
	bool pasid_valid; /**< page group response: it has a PASID */
	bool intr;	  /**< wait.IF: interrupt on completion */
	bool write;	  /**< wait.SW: write data to addr */
	bool fence;	  /**< wait.FN: later descriptors wait for earlier ones */
	bool drain;	  /**< wait.PD: page requests are drained; needs ECAP.PDS */
	uint16_t did;	  /**< domain id */
	uint16_t sid;	  /**< source-id (page group response: requester-id) */
	uint16_t pfsid;	  /**< source-id of the physical function (dev-TLB throttling) */
	uint16_t iidx;	  /**< interrupt index */
	uint16_t prgi;	  /**< page request group index, 9 bits */
	uint32_t data;	  /**< wait: status data */
	uint64_t
		addr; /**< a multiple of 4096; wait: of 4. Device TLBs: of 4096 << span (0 for everything) */
};

/** "IOTLB_INV" and so on: a constant string, NULL for what is no descriptor of this library. */
IOD_API const char *iod_vtd_desc_name(enum iod_vtd_desc_type type);

/** Whether a unit with these capabilities has the descriptor. @param id NULL: everything */
IOD_API bool iod_vtd_desc_permitted(const struct iod_vtd_id *id, enum iod_vtd_desc_type type);

/** encode, decode: the ring has descriptors of 128 bits (IQA_REG.DW = 0), the last two words do not exist. */
#define IOD_VTD_DESC_128 (1u << 0)

/**
 * Encode. Checks every field: what iod_vtd_desc_decode() would refuse or ignore is refused here, and a field set
 * that the descriptor does not have.
 * @param id    what the unit has; NULL: everything
 * @param flags 0 or IOD_VTD_DESC_128
 * @param why   receives the reason when refused; may be NULL
 * @return 0; -EOPNOTSUPP no such descriptor, or not permitted; -EINVAL
 */
IOD_API int iod_vtd_desc_encode(struct iod_vtd_raw_desc *raw, const struct iod_vtd_desc *desc,
				const struct iod_vtd_id *id, uint32_t flags,
				enum iod_cmd_reason *why);

/**
 * Decode. Strict: reserved bits, reserved granularities and response codes, AM above CAP.MAMV (which is about the
 * second stage: not of IOTLB_INV by PASID), ids of more bits than @p id has, and upper words that are not 0 are
 * refused: a unit that does so sets FSTS_REG.IQE and stops.
 * Fields that hardware ignores are 0 in @p desc: did of global invalidations, addr, am and ih of all that is not
 * page-selective, sid and fm of all that is not device-selective, pasid of device TLBs with global, pasid without
 * pasid_valid, data and addr of a wait that writes nothing. Bits 2:0 of the second word of a page group response are
 * ignored as well.
 *
 * Where hardware's choice is not certain: S = 1 with an address of ones only is refused; so are domain ids above
 * CAP.ND (others ignore their upper bits).
 * @return as iod_vtd_desc_encode(); *desc is all zero when refused, but for type
 */
IOD_API int iod_vtd_desc_decode(struct iod_vtd_desc *desc, const struct iod_vtd_raw_desc *raw,
				const struct iod_vtd_id *id, uint32_t flags,
				enum iod_cmd_reason *why);

/**
 * What a descriptor does to translations, with nothing more than the specification demands: for
 * iod_iotlb_invalidate(). Others than the two of the IOTLB: no effect. Tags: IOD_VTD_TAG_S1, IOD_VTD_TAG_S2.
 *
 * - By domain and page: second-stage translations of these addresses; every first-stage and nested one of the
 *   domain (6.5.2.3). With ih what is cached of second-stage tables stays.
 * - By PASID: first-stage and nested translations only; what is cached of second-stage tables stays. Global
 *   pages (G = 1) go too: scalable mode knows no others.
 * @param desc one that iod_vtd_desc_decode() gave
 * @return 0, -EINVAL
 */
IOD_API int iod_vtd_desc_effect(struct iod_cmd_effect *effect, const struct iod_vtd_desc *desc);

/** What a descriptor of a device TLB covers, inclusive: [0, 2^64 - 1] for IOD_VTD_DEV_TLB_ALL_SPAN. @return 0;
 *  -EINVAL any other descriptor */
IOD_API int iod_vtd_desc_dev_range(const struct iod_vtd_desc *desc, uint64_t *first,
				   uint64_t *last);

#ifdef __cplusplus
}
#endif

#endif
