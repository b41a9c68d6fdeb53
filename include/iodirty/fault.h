/* SPDX-License-Identifier: MIT */
/**
 * @file fault.h
 * Faults of devices, neutral of vendors: page requests that somebody must answer, faults that nobody can, and
 * answers. Each vendor's header converts its own records from and to these.
 */
#ifndef IODIRTY_FAULT_H
#define IODIRTY_FAULT_H

#include <iodirty/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/** @name What was asked for (iommufd's numbering) @{ */
#define IOD_PERM_READ  (1u << 0)
#define IOD_PERM_WRITE (1u << 1)
#define IOD_PERM_EXEC  (1u << 2)
#define IOD_PERM_PRIV  (1u << 3)
/** @} */

/** Whose address a fault is about. */
enum iod_fault_class {
	IOD_FAULT_INPUT = 0,   /**< the access's own */
	IOD_FAULT_TABLE = 1,   /**< a stage-1 table's, fetched or updated */
	IOD_FAULT_CONTEXT = 2, /**< a context structure's */
};

/** How the source waits for an answer. */
enum iod_request_model {
	IOD_REQUEST_PRI =
		1, /**< PCIe page request: the device sent it and waits for the group's response */
	IOD_REQUEST_STALL =
		2, /**< the IOMMU holds the access: resumed or terminated, grpid is its tag */
};

/** @name Flags of requests, faults and responses @{ */
#define IOD_REQ_PASID_VALID (1u << 0) /**< pasid */
#define IOD_REQ_LAST	    (1u << 1) /**< last of its group (a stall always is) */
#define IOD_REQ_PRIVATE	    (1u << 2) /**< private_data: to be echoed */
#define IOD_REQ_NEEDS_PASID (1u << 3) /**< the response carries the PASID */
#define IOD_REQ_IPA_VALID   (1u << 4) /**< ipa */
#define IOD_REQ_IOVA_VALID  (1u << 5) /**< iova (page requests: always set) */
#define IOD_REQ_FETCH_VALID (1u << 6) /**< fetch_pa */
/** @} */

/** A recoverable fault: ends in exactly one response for its group. */
struct iod_page_request {
	uint64_t source; /**< StreamID, requester id, DeviceID */
	uint32_t flags;	 /**< IOD_REQ_* */
	uint32_t pasid;
	uint32_t grpid; /**< page request group index, or the stall's tag */
	uint32_t perm;	/**< IOD_PERM_* asked for */
	uint32_t stage; /**< 1 or 2: which one refused (page requests of devices: 1) */
	enum iod_fault_class cls;
	enum iod_request_model model;
	uint64_t iova;
	uint64_t ipa;		  /**< stage 2 */
	uint64_t private_data[2]; /**< of the vendor, echoed in the response */
};

/** What the answer is. */
enum iod_response_code {
	IOD_RESP_SUCCESS = 0, /**< resolved: try again */
	IOD_RESP_INVALID = 1, /**< this access is not possible */
	IOD_RESP_FAILURE = 2, /**< and no other: the source is to stop asking */
};

/** The answer to a group of page requests. */
struct iod_page_response {
	uint64_t source;
	uint32_t flags; /**< IOD_REQ_PASID_VALID, _PRIVATE */
	uint32_t pasid;
	uint32_t grpid;
	enum iod_response_code code;
	enum iod_request_model model;
	uint64_t private_data[2];
};

/** Why a fault is unrecoverable. */
enum iod_unrecov_reason {
	IOD_UNRECOV_UNKNOWN = 0,     /**< none of these, or the record does not say */
	IOD_UNRECOV_BAD_SOURCE = 1,  /**< the source has no entry */
	IOD_UNRECOV_BAD_CONTEXT = 2, /**< its entry, or its context's, is illegal */
	IOD_UNRECOV_FETCH = 3,	     /**< a structure could not be fetched (fetch_pa) */
	IOD_UNRECOV_BAD_PASID = 4,   /**< the PASID is out of range, or not allowed */
	IOD_UNRECOV_BLOCKED = 5,     /**< the source's accesses are disabled */
	IOD_UNRECOV_BAD_REQUEST =
		6,	      /**< a transaction that is not supported or forbidden (also ATS) */
	IOD_UNRECOV_WALK = 7, /**< a table could not be fetched or updated (fetch_pa) */
	IOD_UNRECOV_TRANSLATION = 8,  /**< not mapped */
	IOD_UNRECOV_ADDRESS_SIZE = 9, /**< an address is out of range */
	IOD_UNRECOV_ACCESS = 10,      /**< access flag */
	IOD_UNRECOV_PERMISSION = 11,
	IOD_UNRECOV_CONFLICT = 12, /**< conflicting entries in a cache */
};

/** A fault that nobody can answer: the access was terminated. */
struct iod_unrecov_fault {
	uint64_t source;
	uint32_t flags; /**< IOD_REQ_PASID_VALID, _IOVA_VALID, _IPA_VALID, _FETCH_VALID */
	uint32_t pasid;
	enum iod_unrecov_reason reason;
	uint32_t vendor_code; /**< type of the vendor's record */
	uint32_t perm;	      /**< IOD_PERM_*; 0: not known */
	uint32_t stage;	      /**< 1, 2; 0: none, or not known */
	enum iod_fault_class cls;
	uint32_t reserved; /**< 0 */
	uint64_t iova;
	uint64_t ipa;
	uint64_t fetch_pa;
};

#ifdef __cplusplus
}
#endif

#endif
