/* SPDX-License-Identifier: MIT */
/**
 * @file smmuv3_event.h
 * SMMUv3 event records (32 bytes, Arm IHI 0070 7.3) and page requests (16 bytes, 8), typed and raw, and their
 * conversion from and to the neutral records of fault.h.
 *
 * Locking: none needed, nothing is kept.
 */
#ifndef IODIRTY_SMMUV3_EVENT_H
#define IODIRTY_SMMUV3_EVENT_H

#include <iodirty/fault.h>
#include <iodirty/smmuv3_cmd.h>
#include <iodirty/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/** An event record as it lies in memory: little-endian words. */
struct iod_smmuv3_raw_event {
	uint64_t word[4];
};

/** A PRI queue entry as it lies in memory. */
struct iod_smmuv3_raw_pri {
	uint64_t word[2];
};

/** Types of events; the values are those of the records. */
enum iod_smmuv3_event_type {
	IOD_SMMUV3_F_UUT = 0x01,
	IOD_SMMUV3_C_BAD_STREAMID = 0x02,
	IOD_SMMUV3_F_STE_FETCH = 0x03,
	IOD_SMMUV3_C_BAD_STE = 0x04,
	IOD_SMMUV3_F_BAD_ATS_TREQ = 0x05,
	IOD_SMMUV3_F_STREAM_DISABLED = 0x06,
	IOD_SMMUV3_F_TRANSL_FORBIDDEN = 0x07,
	IOD_SMMUV3_C_BAD_SUBSTREAMID = 0x08,
	IOD_SMMUV3_F_CD_FETCH = 0x09,
	IOD_SMMUV3_C_BAD_CD = 0x0a,
	IOD_SMMUV3_F_WALK_EABT = 0x0b,
	IOD_SMMUV3_F_TRANSLATION = 0x10,
	IOD_SMMUV3_F_ADDR_SIZE = 0x11,
	IOD_SMMUV3_F_ACCESS = 0x12,
	IOD_SMMUV3_F_PERMISSION = 0x13,
	IOD_SMMUV3_F_TLB_CONFLICT = 0x20,
	IOD_SMMUV3_F_CFG_CONFLICT = 0x21,
	IOD_SMMUV3_E_PAGE_REQUEST = 0x24,
	IOD_SMMUV3_F_VMS_FETCH = 0x25,
};

/** CLASS: what the faulting address is of. */
enum iod_smmuv3_class {
	IOD_SMMUV3_CLASS_CD = 0, /**< a CD's, or an L1CD's */
	IOD_SMMUV3_CLASS_TT = 1, /**< a stage-1 table's */
	IOD_SMMUV3_CLASS_IN = 2, /**< the access's own */
};

/** E_PAGE_REQUEST: what is hinted at. @{ */
#define IOD_SMMUV3_HINT_UX (1u << 0)
#define IOD_SMMUV3_HINT_UW (1u << 1)
#define IOD_SMMUV3_HINT_UR (1u << 2)
#define IOD_SMMUV3_HINT_PX (1u << 3)
#define IOD_SMMUV3_HINT_PW (1u << 4)
#define IOD_SMMUV3_HINT_PR (1u << 5)
/** @} */

/** An event. Fields that its type does not have are 0. */
struct iod_smmuv3_event {
	enum iod_smmuv3_event_type type;
	uint32_t sid;
	uint32_t ssid; /**< with ssv, and in C_BAD_SUBSTREAMID, which has no ssv */
	bool ssv;
	bool stall;  /**< the access waits for RESUME (stag) */
	bool pnu;    /**< privileged */
	bool ind;    /**< instruction */
	bool rnw;    /**< read */
	bool s2;     /**< stage 2 refused; ipa is valid */
	bool ttrnw;  /**< F_PERMISSION of class TT: the table access was a read */
	bool nsipa;  /**< ipa is Non-secure (position UNCONFIRMED: not looked at by any decision) */
	bool gpcf;   /**< fetch faults: a granule protection fault */
	uint8_t cls; /**< enum iod_smmuv3_class */
	uint8_t span;  /**< E_PAGE_REQUEST: 4096 * span bytes are wanted */
	uint8_t hints; /**< E_PAGE_REQUEST: IOD_SMMUV3_HINT_* */
	uint16_t stag;
	uint16_t reason; /**< implementation defined, where the type has one */
	uint64_t addr;	 /**< InputAddr */
	uint64_t ipa;	 /**< bits 55:12; with s2 */
	uint64_t fetch;	 /**< FetchAddr, bits 55:3 */
};

/** "F_TRANSLATION" and so on; NULL for what is no event. */
IOD_API const char *iod_smmuv3_event_name(enum iod_smmuv3_event_type type);

/**
 * Encode. @return 0; -EINVAL unknown type, or a field that does not fit or that the type does not have
 */
IOD_API int iod_smmuv3_event_encode(struct iod_smmuv3_raw_event *raw,
				    const struct iod_smmuv3_event *event);

/**
 * Decode. Fields without what makes them valid are 0: ssid without ssv, stag without stall, ipa without s2. The
 * reserved class is given as it is.
 * @param unknown receives the bits that are set but belong to no field of the type; may be NULL
 * @return 0 (bits of *unknown do not matter); -EOPNOTSUPP a type that this library does not know (also the
 *         implementation defined ones)
 */
IOD_API int iod_smmuv3_event_decode(struct iod_smmuv3_event *event,
				    const struct iod_smmuv3_raw_event *raw,
				    struct iod_smmuv3_raw_event *unknown);

/** A page request of a device (8.1). */
struct iod_smmuv3_pri {
	uint32_t sid;
	uint32_t ssid; /**< with ssv */
	bool ssv;
	bool priv;
	bool exec;
	bool read;
	bool write;
	bool last;
	uint16_t prgi; /**< 9 bits */
	uint64_t addr; /**< a multiple of 4096 */
};

/** Encode. @return 0; -EINVAL a field that does not fit */
IOD_API int iod_smmuv3_pri_encode(struct iod_smmuv3_raw_pri *raw, const struct iod_smmuv3_pri *pri);

/** Decode. @param unknown bits of no field; may be NULL @return 0, -EINVAL */
IOD_API int iod_smmuv3_pri_decode(struct iod_smmuv3_pri *pri, const struct iod_smmuv3_raw_pri *raw,
				  struct iod_smmuv3_raw_pri *unknown);

/** Whether it only says that the PASID is no longer used (no response is due). */
static inline bool iod_smmuv3_pri_is_stop(const struct iod_smmuv3_pri *pri)
{
	return pri->ssv && pri->last && !pri->read && !pri->write;
}

/** What an event is, neutrally. */
enum iod_smmuv3_event_kind {
	IOD_SMMUV3_EVENT_REQUEST = 1, /**< stalled: iod_page_request */
	IOD_SMMUV3_EVENT_FAULT = 2,   /**< terminated: iod_unrecov_fault */
	IOD_SMMUV3_EVENT_HINT = 3,    /**< E_PAGE_REQUEST: iod_page_request that nobody waits for */
};

/**
 * Convert an event to its neutral record: a stalled one to @p request, E_PAGE_REQUEST to @p request (with model 0),
 * all others to @p fault. What a request does not say is lost: the type of a stalled event, TTRnW, span and the
 * privilege of each hint.
 * @return an enum iod_smmuv3_event_kind; -EINVAL
 */
IOD_API int iod_smmuv3_event_to_fault(const struct iod_smmuv3_event *event,
				      struct iod_page_request *request,
				      struct iod_unrecov_fault *fault);

/** A stalled F_TRANSLATION of a neutral page request (for a guest). An access that reads and writes is a write.
 *  @return 0, -EINVAL what no stall can say */
IOD_API int iod_smmuv3_event_from_request(struct iod_smmuv3_event *event,
					  const struct iod_page_request *request);

/** The event of a neutral fault (for a guest): of type vendor_code when that has the fault's reason, else the first
 *  type that has. @return 0; -EINVAL it lacks what the type has; -EOPNOTSUPP no event says that */
IOD_API int iod_smmuv3_event_from_fault(struct iod_smmuv3_event *event,
					const struct iod_unrecov_fault *fault);

/** Convert a page request. IOD_REQ_NEEDS_PASID is set with every PASID: clear it for a device that does not want
 *  it in responses. @return 0; -EINVAL (also stop markers, which ask for nothing) */
IOD_API int iod_smmuv3_pri_to_request(struct iod_page_request *request,
				      const struct iod_smmuv3_pri *pri);

/** And back, for a guest's PRI queue. @return 0; -EINVAL what PRI cannot say */
IOD_API int iod_smmuv3_pri_from_request(struct iod_smmuv3_pri *pri,
					const struct iod_page_request *request);

/**
 * The command that answers: RESUME for a stall (SUCCESS: retry, else terminate with an abort), PRI_RESP for
 * a page request.
 * @return 0, -EINVAL
 */
IOD_API int iod_smmuv3_response_to_cmd(struct iod_smmuv3_cmd *cmd,
				       const struct iod_page_response *response);

/**
 * What a guest's RESUME or PRI_RESP answers. RESUME to terminate is INVALID; it has no PASID, its tag says all.
 * @return 0; -EINVAL any other command
 */
IOD_API int iod_smmuv3_response_from_cmd(struct iod_page_response *response,
					 const struct iod_smmuv3_cmd *cmd);

#ifdef __cplusplus
}
#endif

#endif
