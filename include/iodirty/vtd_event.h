/* SPDX-License-Identifier: MIT */
/**
 * @file vtd_event.h
 * VT-d fault records (pairs of 64-bit registers, Intel VT-d specification 11.4.7.6) with their reasons (7.1.3), and
 * page requests (32 bytes, 7.4.1.1), typed and raw, and their conversion from and to the neutral records of fault.h.
 *
 * Locking: none needed, nothing is kept.
 */
#ifndef IODIRTY_VTD_EVENT_H
#define IODIRTY_VTD_EVENT_H

#include <iodirty/fault.h>
#include <iodirty/types.h>
#include <iodirty/vtd_desc.h>

#ifdef __cplusplus
extern "C" {
#endif

/** A fault record, as its two registers (little-endian words). */
struct iod_vtd_raw_fault {
	uint64_t word[2];
};

/** A page request descriptor as it lies in memory: little-endian words. */
struct iod_vtd_raw_page_req {
	uint64_t word[4];
};

/** Why DMA was refused; the values are those of the records (7.1.3). */
enum iod_vtd_fault_reason {
	IOD_VTD_F_NONE = 0,
	/* legacy mode */
	IOD_VTD_F_ROOT_NOT_PRESENT = 0x01,
	IOD_VTD_F_CONTEXT_NOT_PRESENT = 0x02,
	IOD_VTD_F_CONTEXT_INVALID = 0x03,
	IOD_VTD_F_ADDR_BEYOND_MGAW = 0x04,
	IOD_VTD_F_WRITE = 0x05,
	IOD_VTD_F_READ = 0x06,
	IOD_VTD_F_TABLE_ACCESS = 0x07,
	IOD_VTD_F_ROOT_ACCESS = 0x08,
	IOD_VTD_F_CONTEXT_ACCESS = 0x09,
	IOD_VTD_F_ROOT_RESERVED = 0x0a,
	IOD_VTD_F_CONTEXT_RESERVED = 0x0b,
	IOD_VTD_F_ENTRY_RESERVED = 0x0c,
	IOD_VTD_F_TT_BLOCKED =
		0x0d, /**< translation or translated request, and TT does not allow it */
	IOD_VTD_F_INTERRUPT_RANGE = 0x0e,
	/* interrupt remapping */
	IOD_VTD_F_IR_RESERVED = 0x20,
	IOD_VTD_F_IR_INDEX = 0x21,
	IOD_VTD_F_IR_NOT_PRESENT = 0x22,
	IOD_VTD_F_IR_ACCESS = 0x23,
	IOD_VTD_F_IR_ENTRY_RESERVED = 0x24,
	IOD_VTD_F_IR_COMPATIBILITY = 0x25,
	IOD_VTD_F_IR_SOURCE = 0x26,
	/* root table address and mode */
	IOD_VTD_F_RTADDR_RESERVED = 0x30,
	IOD_VTD_F_RTADDR_TTM = 0x31, /**< reserved mode, or abort */
	IOD_VTD_F_RTADDR_LEGACY =
		0x32, /**< a request that legacy mode does not have (PASID, page request) */
	IOD_VTD_F_RTADDR_33 = 0x33,
	IOD_VTD_F_RTADDR_34 = 0x34,
	/* scalable mode: root and context entries, PASID directory and entries */
	IOD_VTD_F_SM_ROOT_ACCESS = 0x38,
	IOD_VTD_F_SM_ROOT_NOT_PRESENT = 0x39,
	IOD_VTD_F_SM_ROOT_RESERVED = 0x3a,
	IOD_VTD_F_SM_CONTEXT_ACCESS = 0x40,
	IOD_VTD_F_SM_CONTEXT_NOT_PRESENT = 0x41,
	IOD_VTD_F_SM_CONTEXT_RESERVED = 0x42,
	IOD_VTD_F_SM_CONTEXT_INVALID = 0x43,
	IOD_VTD_F_SM_DTE = 0x44,       /**< translation or translated request, DTE = 0 */
	IOD_VTD_F_SM_PASIDE = 0x45,    /**< PASID, PASIDE = 0 */
	IOD_VTD_F_SM_PDTS = 0x46,      /**< PASID beyond the directory */
	IOD_VTD_F_SM_PRE = 0x47,       /**< page request, PRE = 0 */
	IOD_VTD_F_SM_RID_PASID = 0x48, /**< PASID equal to RID_PASID */
	IOD_VTD_F_SM_EPTR = 0x49,      /**< translated request with PASID, EPTR = 0 */
	IOD_VTD_F_PASID_DIR_ACCESS = 0x50,
	IOD_VTD_F_PASID_DIR_NOT_PRESENT = 0x51,
	IOD_VTD_F_PASID_DIR_RESERVED = 0x52,
	IOD_VTD_F_PASID_ACCESS = 0x58,
	IOD_VTD_F_PASID_NOT_PRESENT = 0x59,
	IOD_VTD_F_PASID_RESERVED = 0x5a,
	IOD_VTD_F_PASID_INVALID = 0x5b,
	IOD_VTD_F_PASID_ER = 0x5c,  /**< execute request */
	IOD_VTD_F_PASID_SRE = 0x5d, /**< supervisor request, SRE = 0 */
	IOD_VTD_F_HPT_SIZE = 0x60,
	/* first stage */
	IOD_VTD_F_FS_ACCESS = 0x70,
	IOD_VTD_F_FS_NOT_PRESENT = 0x71,
	IOD_VTD_F_FS_RESERVED = 0x72,
	IOD_VTD_F_FS_ROOT_ACCESS = 0x73,
	IOD_VTD_F_FS_NESTED_BEYOND_AW = 0x74, /**< its output, or a table of it, is beyond AW */
	IOD_VTD_F_FS_ROOT_SS = 0x75,   /**< the second stage refused the read of FSPTPTR's table */
	IOD_VTD_F_FS_ENTRY_SS = 0x76,  /**< the second stage refused the read of an entry */
	IOD_VTD_F_FS_UPDATE_SS = 0x77, /**< the second stage refused an update of A, D or EA */
	/* second stage in scalable mode */
	IOD_VTD_F_SS_ACCESS = 0x78,
	IOD_VTD_F_SS_NOT_PRESENT = 0x79, /**< or no permission in an entry on the way */
	IOD_VTD_F_SS_RESERVED = 0x7a,
	IOD_VTD_F_SS_ROOT_ACCESS = 0x7b,
	IOD_VTD_F_SS_UPDATE_SNOOP = 0x7c, /**< A or D to be set, walks not coherent */
	IOD_VTD_F_SS_UPDATE = 0x7d,	  /**< A or D could not be set */
	/* both */
	IOD_VTD_F_NOT_CANONICAL = 0x80,
	IOD_VTD_F_USER = 0x81,	  /**< user request to a supervisor page */
	IOD_VTD_F_EXECUTE = 0x82, /**< revisions before 5.10 */
	IOD_VTD_F_BEYOND_HAW = 0x83,
	IOD_VTD_F_BEYOND_AW = 0x84,
	IOD_VTD_F_SM_WRITE = 0x85,
	IOD_VTD_F_SM_READ = 0x86,
	IOD_VTD_F_SM_INTERRUPT_RANGE = 0x87,
	IOD_VTD_F_PASID_PSS = 0x89, /**< PASID of more bits than ECAP.PSS */
	IOD_VTD_F_FS_UPDATE_SNOOP = 0x90,
	IOD_VTD_F_FS_UPDATE = 0x91,
};

/** "first-stage entry is not present" and so on: a constant string, NULL for no known reason. */
IOD_API const char *iod_vtd_fault_reason_name(enum iod_vtd_fault_reason reason);

/** Whether a fault of this reason is "qualified" (7.1.3): not recorded when FPD is 1 in the context entry, PASID
 *  directory entry or PASID entry that led to it. Unknown reasons: false. */
IOD_API bool iod_vtd_fault_is_qualified(enum iod_vtd_fault_reason reason);

/** Type of the request that faulted: T1, and T2 above it. */
enum iod_vtd_fault_type {
	IOD_VTD_FAULT_WRITE = 0,
	IOD_VTD_FAULT_READ = 1,
	IOD_VTD_FAULT_PAGE_REQUEST = 2,
	IOD_VTD_FAULT_ATOMIC = 3,
};

/** Address type of a request. */
enum iod_vtd_at {
	IOD_VTD_AT_UNTRANSLATED = 0,
	IOD_VTD_AT_TRANSLATION = 1, /**< ATS translation request */
	IOD_VTD_AT_TRANSLATED = 2,
};

/** A fault record. */
struct iod_vtd_fault {
	enum iod_vtd_fault_reason reason; /**< FR; any 8 bits */
	uint16_t sid;			  /**< source-id */
	uint32_t pasid;			  /**< with pasid_valid */
	bool pasid_valid;		  /**< PP */
	bool exec, priv;		  /**< EXE, PRIV; with pasid_valid */
	uint8_t type;			  /**< enum iod_vtd_fault_type: T1, T2 */
	uint8_t at;			  /**< enum iod_vtd_at */
	bool fault;			  /**< F: the record is in use */
	uint64_t addr;			  /**< FI: a multiple of 4096 */
};

/** Encode. @return 0; -EINVAL a field that does not fit, or that needs pasid_valid */
IOD_API int iod_vtd_fault_encode(struct iod_vtd_raw_fault *raw, const struct iod_vtd_fault *fault);

/**
 * Decode. pasid, exec and priv are 0 without pasid_valid.
 * @param unknown receives the bits that are set but belong to no field; may be NULL
 * @return 0, -EINVAL
 */
IOD_API int iod_vtd_fault_decode(struct iod_vtd_fault *fault, const struct iod_vtd_raw_fault *raw,
				 struct iod_vtd_raw_fault *unknown);

/** A page request of a device (7.4.1.1). */
struct iod_vtd_page_req {
	uint16_t sid;	/**< requester-id */
	uint32_t pasid; /**< with pasid_valid */
	bool pasid_valid;
	bool exec, priv; /**< with pasid_valid */
	bool read, write;
	bool last;     /**< LPIG: the last of its group */
	uint16_t prgi; /**< 9 bits */
	uint64_t addr; /**< a multiple of 4096 */
};

/** Encode. @return 0; -EINVAL a field that does not fit, or that needs pasid_valid */
IOD_API int iod_vtd_page_req_encode(struct iod_vtd_raw_page_req *raw,
				    const struct iod_vtd_page_req *req);

/**
 * Decode. pasid, exec and priv are 0 without pasid_valid.
 * @param unknown bits of no field (private data of older revisions among them); may be NULL
 * @return 0; -EOPNOTSUPP another type of descriptor than page request; -EINVAL
 */
IOD_API int iod_vtd_page_req_decode(struct iod_vtd_page_req *req,
				    const struct iod_vtd_raw_page_req *raw,
				    struct iod_vtd_raw_page_req *unknown);

/** Whether it only says that the PASID is no longer used (no response is due). */
static inline bool iod_vtd_page_req_is_stop(const struct iod_vtd_page_req *req)
{
	return req->pasid_valid && req->last && !req->read && !req->write;
}

/** The neutral record of a fault. A page request that was refused is a fault of its input address. What the record
 *  does not say: the address of the table concerned, and the stage where both have the reason. @return 0, -EINVAL */
IOD_API int iod_vtd_fault_to_unrecov(struct iod_unrecov_fault *out,
				     const struct iod_vtd_fault *fault);

/** The fault record of a neutral fault (for a guest): of reason vendor_code when that means the fault's reason, else
 *  one of scalable mode that does; F is set; of an untranslated request. An access that reads and writes is an
 *  atomic, one of which nothing is known a read. @return 0; -EINVAL a value that does not fit;
 *  -EOPNOTSUPP no reason says that */
IOD_API int iod_vtd_fault_from_unrecov(struct iod_vtd_fault *fault,
				       const struct iod_unrecov_fault *in);

/** Convert a page request. IOD_REQ_NEEDS_PASID is set with every PASID: clear it for a device that does not want
 *  it in responses. @return 0; -EINVAL (also stop markers, which ask for nothing) */
IOD_API int iod_vtd_page_req_to_request(struct iod_page_request *request,
					const struct iod_vtd_page_req *req);

/** And back, for a guest's page request queue. @return 0; -EINVAL what a page request cannot say */
IOD_API int iod_vtd_page_req_from_request(struct iod_vtd_page_req *req,
					  const struct iod_page_request *request);

/** The page group response that answers. @return 0, -EINVAL */
IOD_API int iod_vtd_response_to_desc(struct iod_vtd_desc *desc,
				     const struct iod_page_response *response);

/** What a guest's page group response answers. @return 0; -EINVAL any other descriptor */
IOD_API int iod_vtd_response_from_desc(struct iod_page_response *response,
				       const struct iod_vtd_desc *desc);

#ifdef __cplusplus
}
#endif

#endif
