/* SPDX-License-Identifier: MIT */
/**
 * @file amdvi_event.h
 * AMD-Vi event log records and peripheral page requests (PPR log; AMD 48882, 2.5 and 2.6; 16 bytes each), typed and
 * raw, and their conversion from and to the neutral records of fault.h.
 *
 * Most flags of events are known from one source; what PR, RW and PE say in other types than IO_PAGE_FAULT is
 * UNCONFIRMED. They are handed on, and no more than the reason and the permission of a neutral record comes of them.
 *
 * Locking: none needed, nothing is kept.
 */
#ifndef IODIRTY_AMDVI_EVENT_H
#define IODIRTY_AMDVI_EVENT_H

#include <iodirty/amdvi_cmd.h>
#include <iodirty/fault.h>
#include <iodirty/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/** An event log record as it lies in memory: little-endian words. */
struct iod_amdvi_raw_event {
	uint64_t word[2];
};

/** A PPR log record as it lies in memory. */
struct iod_amdvi_raw_ppr {
	uint64_t word[2];
};

/** Types of events; the values are those of the records. 0 is a record that is not written yet. */
enum iod_amdvi_event_type {
	IOD_AMDVI_ILLEGAL_DEV_TABLE_ENTRY = 0x1,
	IOD_AMDVI_IO_PAGE_FAULT = 0x2,
	IOD_AMDVI_DEV_TAB_HARDWARE_ERROR = 0x3,
	IOD_AMDVI_PAGE_TAB_HARDWARE_ERROR = 0x4,
	IOD_AMDVI_ILLEGAL_COMMAND_ERROR = 0x5,
	IOD_AMDVI_COMMAND_HARDWARE_ERROR = 0x6,
	IOD_AMDVI_IOTLB_INV_TIMEOUT = 0x7,
	IOD_AMDVI_INVALID_DEVICE_REQUEST = 0x8,
	IOD_AMDVI_INVALID_PPR_REQUEST = 0x9,
	IOD_AMDVI_EVENT_COUNTER_ZERO = 0xa,
	IOD_AMDVI_GUEST_EVENT_FAULT = 0xb,
	IOD_AMDVI_VIOMMU_HARDWARE_ERROR = 0xc,
	IOD_AMDVI_RMP_PAGE_FAULT = 0xd,
	IOD_AMDVI_RMP_HARDWARE_ERROR = 0xe,
};

/** An event. Fields that its type does not have are 0. */
struct iod_amdvi_event {
	enum iod_amdvi_event_type type;
	uint16_t devid;
	uint16_t domain; /**< types with gn, without it */
	uint32_t pasid;	 /**< with gn; INVALID_PPR_REQUEST: always */
	bool gn;	 /**< a guest address */
	bool nx;	 /**< execute was asked for */
	bool us;	 /**< user */
	bool irq;	 /**< I: an interrupt request; addr is the interrupt's */
	bool pr;	 /**< a present entry refused; else there is none */
	bool rw;	 /**< write (IO_PAGE_FAULT: means nothing without pr) */
	bool pe;	 /**< permissions refused */
	bool rz;	 /**< reserved bits, or an invalid level; else a reserved type */
	bool tr;	 /**< a translation request (ATS) */
	uint8_t errtype; /**< Type: 2 bits; INVALID_DEVICE_REQUEST 3 bits */
	uint8_t virt;	 /**< bits 31:27 (vNR and others) of newer revisions; UNCONFIRMED */
	uint16_t tag;	 /**< INVALID_PPR_REQUEST: 10 bits */
	uint64_t addr;	 /**< of the access, of the table or entry, of the command */
};

/** "IO_PAGE_FAULT" and so on; NULL for what is no event. */
IOD_API const char *iod_amdvi_event_name(enum iod_amdvi_event_type type);

/** Encode. @return 0; -EINVAL unknown type, or a field that does not fit or that the type does not have */
IOD_API int iod_amdvi_event_encode(struct iod_amdvi_raw_event *raw,
				   const struct iod_amdvi_event *event);

/**
 * Decode.
 * @param unknown receives the bits that are set but belong to no field of the type (types A to C: all but the
 *        type); may be NULL
 * @return 0 (bits of *unknown do not matter); -EAGAIN type 0: the record is not written yet, look again (known
 *         hardware moves the tail pointer first); -EOPNOTSUPP type F; -EINVAL
 */
IOD_API int iod_amdvi_event_decode(struct iod_amdvi_event *event,
				   const struct iod_amdvi_raw_event *raw,
				   struct iod_amdvi_raw_event *unknown);

/** A page request of a device (PPR). Where its bits lie comes from one source. */
struct iod_amdvi_ppr {
	uint16_t devid;
	uint16_t tag;	/**< page request group index, 9 bits */
	uint32_t pasid; /**< 20 bits; with gn */
	bool gn;	/**< it has a PASID */
	bool last;	/**< last of its group */
	bool read;
	bool write;
	bool exec;
	bool user;     /**< US: not privileged */
	bool rvsd;     /**< the request was malformed; UNCONFIRMED */
	uint8_t type;  /**< 4 bits; IOD_AMDVI_PPR_PAGE is a page request */
	uint64_t addr; /**< a multiple of 4096 */
};

/** Type of page requests. 0 is a record that is not written yet. */
#define IOD_AMDVI_PPR_PAGE 1u

/** Encode. @return 0; -EINVAL a field that does not fit, pasid without gn */
IOD_API int iod_amdvi_ppr_encode(struct iod_amdvi_raw_ppr *raw, const struct iod_amdvi_ppr *ppr);

/** Decode. @param unknown bits of no field, pasid without gn among them; may be NULL
 *  @return 0; -EAGAIN type 0: not written yet, look again; -EINVAL */
IOD_API int iod_amdvi_ppr_decode(struct iod_amdvi_ppr *ppr, const struct iod_amdvi_raw_ppr *raw,
				 struct iod_amdvi_raw_ppr *unknown);

/** Whether it only says that the PASID is no longer used (no response is due). */
static inline bool iod_amdvi_ppr_is_stop(const struct iod_amdvi_ppr *ppr)
{
	return ppr->gn && ppr->last && !ppr->read && !ppr->write;
}

/**
 * Convert an event about an access of a device to a fault: types 1 to 4, 8 and 9. Nobody answers an event of AMD-Vi;
 * whoever waits asked by PPR. perm is 0 where RW is not known to say.
 * @return 0; -EOPNOTSUPP an event that is not about an access (commands, timeouts, counters); -EINVAL
 */
IOD_API int iod_amdvi_event_to_fault(struct iod_unrecov_fault *fault,
				     const struct iod_amdvi_event *event);

/** The event of a neutral fault (for a guest): of type vendor_code when that has the fault's reason, else the first
 *  type that has. domain of an event without a PASID is @p domain.
 *  @return 0; -EINVAL it lacks what the type has; -EOPNOTSUPP no event says that */
IOD_API int iod_amdvi_event_from_fault(struct iod_amdvi_event *event,
				       const struct iod_unrecov_fault *fault, uint16_t domain);

/** Convert a page request. IOD_REQ_NEEDS_PASID is set with every PASID: clear it for a device whose DTE has
 *  GPRP=0. A malformed one (rvsd) is converted as any: its group must be answered. @return 0; -EINVAL (also other types
 *  than IOD_AMDVI_PPR_PAGE, and stop markers, which ask for nothing) */
IOD_API int iod_amdvi_ppr_to_request(struct iod_page_request *request,
				     const struct iod_amdvi_ppr *ppr);

/** And back, for a guest's PPR log. @return 0; -EINVAL what a PPR cannot say */
IOD_API int iod_amdvi_ppr_from_request(struct iod_amdvi_ppr *ppr,
				       const struct iod_page_request *request);

/** The command that answers: COMPLETE_PPR_REQUEST. FAILURE is Fh, Response Failure of PCIe. @return 0, -EINVAL */
IOD_API int iod_amdvi_response_to_cmd(struct iod_amdvi_cmd *cmd,
				      const struct iod_page_response *response);

/** What a guest's COMPLETE_PPR_REQUEST answers. Reserved status codes are failures (Linux sends 2 for one).
 *  @return 0; -EINVAL any other command */
IOD_API int iod_amdvi_response_from_cmd(struct iod_page_response *response,
					const struct iod_amdvi_cmd *cmd);

#ifdef __cplusplus
}
#endif

#endif
