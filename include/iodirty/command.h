/* SPDX-License-Identifier: MIT */
/**
 * @file command.h
 * What the commands of all IOMMUs have in common: why one is refused, and what one does to translations.
 */
#ifndef IODIRTY_COMMAND_H
#define IODIRTY_COMMAND_H

#include <iodirty/gather.h>
#include <iodirty/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Why a command (a descriptor) is not what it should be; 0: it is. */
enum iod_cmd_reason {
	IOD_CMD_OK = 0,
	IOD_CMD_BAD_OPCODE = 1,	    /**< no such command, or none that this library knows */
	IOD_CMD_BAD_PERMISSION = 2, /**< the IOMMU does not have it */
	IOD_CMD_BAD_RESERVED = 3,   /**< bits that must be 0 are not */
	IOD_CMD_BAD_FIELD = 4,	    /**< a value that is reserved or illegal */
	IOD_CMD_BAD_RANGE = 5,	    /**< what says which addresses is not possible */
	IOD_CMD_BAD_SOURCE = 6,	    /**< no such StreamID, source-id, DeviceID */
	IOD_CMD_BAD_PASID = 7,	    /**< PASID (SubstreamID) out of range */
	IOD_CMD_BAD_STATE = 8,	    /**< the device's state does not allow it */
	IOD_CMD_BAD_POLICY = 9,	    /**< not enabled for this guest */
	IOD_CMD_BAD_DOMAIN = 10,    /**< a VMID or domain id that is not the guest's to name */
	IOD_CMD_BAD_ISSUE = 11,	    /**< the host's queue did not take it */
	IOD_CMD_BAD_FETCH = 12,	    /**< unreadable memory */
};

/** "reserved bits are set" and so on: a constant string, "unknown" for unknown ones. */
IOD_API const char *iod_cmd_reason_name(enum iod_cmd_reason reason);

/** What a command does to translations. Stage 1 are those of guests' or processes' tables, alone or combined
 *  with stage 2 (VT-d: first-stage and nested, AMD: guest); stage 2 has an iod_iotlb of its own. */
struct iod_cmd_effect {
	uint32_t nr_s1;	      /**< entries of s1 */
	uint32_t nr_s2;	      /**< entries of s2 */
	struct iod_inv s1[2]; /**< for iod_iotlbs of stage 1 (and combined) translations */
	struct iod_inv s2[2]; /**< for iod_iotlbs of stage 2 translations */
};

#ifdef __cplusplus
}
#endif

#endif
