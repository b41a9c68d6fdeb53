/* SPDX-License-Identifier: MIT */
/**
 * @file amdvi_cmd.h
 * AMD-Vi commands (AMD 48882, 2.4): 16 bytes in a command buffer, or one typed struct; one encoder and one decoder
 * for everything in the library. And what a command means to an iod_iotlb.
 *
 * Only the commands of enum iod_amdvi_op exist here. INSERT_GUEST_EVENT and RESET_VMMIO, of hardware that
 * virtualizes itself, are refused by both directions, as an IOMMU without them does.
 *
 * Locking: none needed, nothing is kept.
 */
#ifndef IODIRTY_AMDVI_CMD_H
#define IODIRTY_AMDVI_CMD_H

#include <iodirty/amdvi.h>
#include <iodirty/command.h>
#include <iodirty/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/** A command as it lies in memory: little-endian words. */
struct iod_amdvi_raw_cmd {
	uint64_t word[2];
};

/** The commands; the values are the opcodes. "address": addr, s (iod_amdvi_cmd_range()). */
enum iod_amdvi_op {
	IOD_AMDVI_COMPLETION_WAIT = 0x1,	    /**< store, irq, flush, store_addr, data */
	IOD_AMDVI_INVALIDATE_DEVTAB_ENTRY = 0x2,    /**< devid */
	IOD_AMDVI_INVALIDATE_IOMMU_PAGES = 0x3,	    /**< domain, pde, gn, pasid, address */
	IOD_AMDVI_INVALIDATE_IOTLB_PAGES = 0x4,	    /**< devid, gn, pasid, address, queueid,
							 maxpend, type */
	IOD_AMDVI_INVALIDATE_INTERRUPT_TABLE = 0x5, /**< devid */
	IOD_AMDVI_PREFETCH_IOMMU_PAGES = 0x6,	    /**< devid, gn, pasid, address, count, inval */
	IOD_AMDVI_COMPLETE_PPR_REQUEST = 0x7,	    /**< devid, gn, pasid, tag, status */
	IOD_AMDVI_INVALIDATE_IOMMU_ALL = 0x8,	    /**< everything, device table entries too */
};

/** addr, with s, that means every address. */
#define IOD_AMDVI_ADDR_ALL UINT64_C(0x7ffffffffffff000)

/** COMPLETE_PPR_REQUEST.Status: the response codes of PCIe page requests. */
enum iod_amdvi_ppr_status {
	IOD_AMDVI_PPR_SUCCESS = 0,
	IOD_AMDVI_PPR_INVALID = 1,   /**< Invalid Request: this access is refused */
	IOD_AMDVI_PPR_FAILURE = 0xf, /**< Response Failure: the device stops asking */
};

/** A command. Fields that its opcode does not have are 0. */
struct iod_amdvi_cmd {
	enum iod_amdvi_op op;
	uint16_t devid;	 /**< DeviceID */
	uint16_t domain; /**< DomainID */
	uint32_t pasid;	 /**< 20 bits; with gn */
	bool gn;	 /**< guest translations, those of pasid; else host ones */
	bool pde;   /**< INVALIDATE_IOMMU_PAGES: what is cached of tables too, not leaves alone */
	bool s;	    /**< addr has the size in it; else one page of 4096 bytes */
	bool store; /**< COMPLETION_WAIT.s: write data to store_addr */
	bool irq;   /**< COMPLETION_WAIT.i: ComWaitInt */
	bool flush; /**< COMPLETION_WAIT.f: also what was before is complete (see docs) */
	bool inval; /**< PREFETCH: invalidate first */
	uint8_t count;	  /**< PREFETCH: PFCount */
	uint8_t type;	  /**< INVALIDATE_IOTLB_PAGES: 2 bits, UNCONFIRMED what for; 0 is untyped */
	uint8_t maxpend;  /**< INVALIDATE_IOTLB_PAGES: a limit of the device */
	uint16_t queueid; /**< INVALIDATE_IOTLB_PAGES: the device's queue (PCIe: its DeviceID) */
	uint16_t tag;	  /**< COMPLETE_PPR: page request group index, 9 bits */
	uint8_t status;	  /**< enum iod_amdvi_ppr_status */
	uint64_t addr;	  /**< a multiple of 4096; with s the size is in its low bits */
	uint64_t store_addr; /**< a multiple of 8, below 2^52 */
	uint64_t data;
};

/** "INVALIDATE_IOMMU_PAGES" and so on: a constant string, NULL for what is no command of this library. */
IOD_API const char *iod_amdvi_op_name(enum iod_amdvi_op op);

/** Whether an IOMMU with these features has the command. */
IOD_API bool iod_amdvi_op_permitted(const struct iod_amdvi_id *id, enum iod_amdvi_op op);

/**
 * Encode. Checks every field: what iod_amdvi_cmd_decode() would refuse or ignore is refused here, and a field set
 * that the command does not have.
 * @param id  what the IOMMU has; NULL: everything
 * @param why receives the reason when refused; may be NULL
 * @return 0; -EOPNOTSUPP no such command, or not permitted; -EINVAL
 */
IOD_API int iod_amdvi_cmd_encode(struct iod_amdvi_raw_cmd *raw, const struct iod_amdvi_cmd *cmd,
				 const struct iod_amdvi_id *id, enum iod_cmd_reason *why);

/**
 * Decode. Strict: reserved bits, and fields of features that are not there, are refused; an IOMMU logs
 * ILLEGAL_COMMAND_ERROR for what is refused, and stops. PASIDs above PASmax are refused as BAD_PASID.
 * Fields that hardware ignores, or may, are 0 in @p cmd: pasid without gn, store_addr and data without store. Where
 * sources disagree nothing is refused: bits 11:9 beside the tag of COMPLETE_PPR_REQUEST are ignored, queueid and
 * maxpend are taken as they are; type is refused without InvIotlbTypeSup.
 * @return as iod_amdvi_cmd_encode(); *cmd is all zero when refused, but for op, and devid where the opcode has one
 */
IOD_API int iod_amdvi_cmd_decode(struct iod_amdvi_cmd *cmd, const struct iod_amdvi_raw_cmd *raw,
				 const struct iod_amdvi_id *id, enum iod_cmd_reason *why);

/** @name Addresses with sizes @{ */

/**
 * The smallest power of two of bytes, aligned to itself, that covers [first, last]: fills addr and s. What no block
 * of 2^52 bytes covers becomes everything (bits 63:52 of addresses are signs of bit 51).
 * @return 0; -EINVAL last < first
 */
IOD_API int iod_amdvi_cmd_set_range(struct iod_amdvi_cmd *cmd, uint64_t first, uint64_t last);

/** What addr and s cover, inclusive. More than 2^52 bytes are everything, [0, 2^64 - 1]; so are all bits set.
 *  @return 0; -EINVAL a command without an address, or an address that is no multiple of 4096 */
IOD_API int iod_amdvi_cmd_range(const struct iod_amdvi_cmd *cmd, uint64_t *first, uint64_t *last);
/** @} */

/** @name Tags of translations (iod_pgtable_cfg.domain) in iod_iotlbs that obey commands @{ */
/** Guest tables (v2), alone or combined with a host table. */
#define IOD_AMDVI_TAG_S1(domain, pasid) ((uint64_t)(domain) << 20 | (uint64_t)(pasid))
/** Host tables (v1), in an iod_iotlb of its own. */
#define IOD_AMDVI_TAG_S2(domain) ((uint64_t)(domain) << 20)
/** @} */

/**
 * What a command does to translations, with nothing more than is certain: for iod_iotlb_invalidate(). Whether a
 * host invalidation (gn=0) drops guest translations of the domain that went through the host table is UNCONFIRMED:
 * here they stay. Whoever changes a host table below guest tables therefore invalidates both.
 * INVALIDATE_IOMMU_ALL is everything. Other commands: no effect; INVALIDATE_DEVTAB_ENTRY (and
 * INVALIDATE_IOMMU_ALL) are about device table entries as well, PREFETCH_IOMMU_PAGES with inval about the domain of its
 * device, which the caller knows.
 * @param cmd one that iod_amdvi_cmd_decode() gave
 * @return 0, -EINVAL
 */
IOD_API int iod_amdvi_cmd_effect(struct iod_cmd_effect *effect, const struct iod_amdvi_cmd *cmd);

#ifdef __cplusplus
}
#endif

#endif
