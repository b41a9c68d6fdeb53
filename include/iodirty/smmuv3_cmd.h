/* SPDX-License-Identifier: MIT */
/**
 * @file smmuv3_cmd.h
 * SMMUv3 commands (Arm IHI 0070, 4.1 to 4.7): 16 bytes in a queue, or one typed struct; one encoder and one
 * decoder for everything in the library. And what a command means to an iod_iotlb.
 *
 * Only the commands of enum iod_smmuv3_op exist here: the Non-secure ones for EL1 and EL2. Others are refused
 * by both directions, as an SMMU without them does.
 *
 * Locking: none needed, nothing is kept.
 */
#ifndef IODIRTY_SMMUV3_CMD_H
#define IODIRTY_SMMUV3_CMD_H

#include <iodirty/command.h>
#include <iodirty/smmuv3.h>
#include <iodirty/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/** A command as it lies in memory: little-endian words. */
struct iod_smmuv3_raw_cmd {
	uint64_t word[2];
};

/** The commands; the values are the opcodes. */
enum iod_smmuv3_op {
	IOD_SMMUV3_PREFETCH_CONFIG = 0x01, /**< sid, ssid */
	IOD_SMMUV3_PREFETCH_ADDR = 0x02,   /**< sid, ssid, addr, span */
	IOD_SMMUV3_CFGI_STE = 0x03,	   /**< sid, leaf */
	IOD_SMMUV3_CFGI_STE_RANGE = 0x04,  /**< sid, range; range 31 is CFGI_ALL */
	IOD_SMMUV3_CFGI_CD = 0x05,	   /**< sid, ssid, leaf */
	IOD_SMMUV3_CFGI_CD_ALL = 0x06,	   /**< sid */
	IOD_SMMUV3_TLBI_NH_ALL = 0x10,	   /**< vmid */
	IOD_SMMUV3_TLBI_NH_ASID = 0x11,	   /**< vmid, asid; not global entries */
	IOD_SMMUV3_TLBI_NH_VA = 0x12,	   /**< vmid, asid, address; global entries too */
	IOD_SMMUV3_TLBI_NH_VAA = 0x13,	   /**< vmid, address; every ASID */
	IOD_SMMUV3_TLBI_EL2_ALL = 0x20,
	IOD_SMMUV3_TLBI_EL2_ASID = 0x21,  /**< asid */
	IOD_SMMUV3_TLBI_EL2_VA = 0x22,	  /**< asid, address */
	IOD_SMMUV3_TLBI_EL2_VAA = 0x23,	  /**< address */
	IOD_SMMUV3_TLBI_S12_VMALL = 0x28, /**< vmid: both stages */
	IOD_SMMUV3_TLBI_S2_IPA = 0x2a, /**< vmid, address; not combined entries of nested streams */
	IOD_SMMUV3_TLBI_NSNH_ALL = 0x30, /**< everything but EL2, both stages */
	IOD_SMMUV3_ATC_INV = 0x40,	 /**< sid, ssid, global, addr, span */
	IOD_SMMUV3_PRI_RESP = 0x41,	 /**< sid, ssid, prgi, resp */
	IOD_SMMUV3_RESUME = 0x44,	 /**< sid, stag, retry, abort */
	IOD_SMMUV3_STALL_TERM = 0x45,	 /**< sid */
	IOD_SMMUV3_SYNC = 0x46,		 /**< cs, msh, msi_attr, msi_data, msi_addr */
};

/** CFGI_STE_RANGE with this range is CFGI_ALL. */
#define IOD_SMMUV3_CFGI_ALL_RANGE 31u
/** ATC_INV with this span is everything. */
#define IOD_SMMUV3_ATC_ALL_SPAN 52u

/** PRI_RESP.Resp (what goes to the device is another number: C1.4 of docs/bits.md). */
enum iod_smmuv3_pri_resp {
	IOD_SMMUV3_PRI_FAILURE = 0, /**< Response Failure: the device stops asking */
	IOD_SMMUV3_PRI_INVALID = 1, /**< Invalid Request: this access is refused */
	IOD_SMMUV3_PRI_SUCCESS = 2,
};

/** SYNC.CS: how completion is told. */
enum iod_smmuv3_sync_cs {
	IOD_SMMUV3_SYNC_NONE = 0, /**< CMDQ_CONS only */
	IOD_SMMUV3_SYNC_IRQ =
		1, /**< an MSI: 32 bits msi_data to msi_addr, or a wired interrupt when that is 0 */
	IOD_SMMUV3_SYNC_SEV = 2,
};

/** Granules of range commands (TG). */
enum iod_smmuv3_tg {
	IOD_SMMUV3_TG_NONE = 0, /**< one address: num, scale and ttl are 0 */
	IOD_SMMUV3_TG_4K = 1,
	IOD_SMMUV3_TG_16K = 2,
	IOD_SMMUV3_TG_64K = 3,
};

/** A command. Fields that its opcode does not have are 0. */
struct iod_smmuv3_cmd {
	enum iod_smmuv3_op op;
	uint32_t sid;  /**< StreamID */
	uint32_t ssid; /**< SubstreamID, 20 bits; with ssv, and in CFGI_CD, which has no ssv */
	bool ssv;      /**< ssid is valid */
	bool leaf;     /**< CFGI_STE, CFGI_CD, TLBI: last-level entries only */
	bool global;   /**< ATC_INV: all PASIDs (ssv set) */
	bool retry;    /**< RESUME.Ac: try again, else terminate */
	bool abort; /**< RESUME.Ab: terminate with an abort, else read as zero and ignore writes */
	uint8_t range; /**< CFGI_STE_RANGE: 2^(range + 1) StreamIDs; 31: all */
	uint8_t tg;    /**< enum iod_smmuv3_tg */
	uint8_t ttl;   /**< level that leaves are at, as Arm counts (3: leaf table); 0: any */
	uint8_t num;   /**< range: (num + 1) * 2^scale granules; 0 to 31 */
	uint8_t scale; /**< 0 to 31 (IDR5.DS: 63) */
	uint8_t span;  /**< ATC_INV, PREFETCH_ADDR: 4096 * 2^span bytes; ATC_INV 52: everything */
	uint8_t resp;  /**< enum iod_smmuv3_pri_resp */
	uint8_t cs;    /**< enum iod_smmuv3_sync_cs */
	uint8_t msh;   /**< SYNC: shareability of the MSI */
	uint8_t msi_attr; /**< SYNC: memory type of the MSI */
	uint16_t vmid;
	uint16_t asid;
	uint16_t prgi;	   /**< PRI_RESP: page request group index, 9 bits */
	uint16_t stag;	   /**< RESUME */
	uint32_t msi_data; /**< SYNC */
	uint64_t msi_addr; /**< SYNC: a multiple of 4, below 2^56 */
	/** A multiple of 4096; S2_IPA: below 2^52. Ranges ought to begin where a granule (and an entry of
	 *  level ttl) does: else it is unpredictable what is invalidated (4.4.1). */
	uint64_t addr;
};

/** "TLBI_NH_VA" and so on: a constant string, NULL for what is no command of this library. */
IOD_API const char *iod_smmuv3_op_name(enum iod_smmuv3_op op);

/** Whether an SMMU with these ID registers has the command (4.1.3, 4.4). */
IOD_API bool iod_smmuv3_op_permitted(const struct iod_smmuv3_id *id, enum iod_smmuv3_op op);

/**
 * Encode. Checks every field: what iod_smmuv3_cmd_decode() would refuse or ignore is refused here, and a field
 * set that the command does not have.
 * @param id  what the SMMU has; NULL: everything
 * @param why receives the reason when refused; may be NULL
 * @return 0; -EOPNOTSUPP no such command, or not permitted; -EINVAL
 */
IOD_API int iod_smmuv3_cmd_encode(struct iod_smmuv3_raw_cmd *raw, const struct iod_smmuv3_cmd *cmd,
				  const struct iod_smmuv3_id *id, enum iod_cmd_reason *why);

/**
 * Decode. Strict: reserved bits, reserved values and illegal combinations are refused (the specification
 * leaves the choice for some; an SMMU that refuses raises CERROR_ILL, 4.1.3). Bits above the size of ASIDs,
 * VMIDs, StreamIDs or SubstreamIDs of @p id are refused as well. Fields that hardware ignores are 0 in @p cmd:
 * ssid and global without ssv, sid of CFGI_ALL, abort with retry, MSIs of an SMMU without them.
 *
 * An SMMU raises CERROR_ILL for what is refused, but not for BAD_SOURCE, BAD_PASID: such commands do nothing (4.1.7).
 * @return as iod_smmuv3_cmd_encode(); *cmd is all zero when refused, but for op, and sid where the opcode
 *         has one
 */
IOD_API int iod_smmuv3_cmd_decode(struct iod_smmuv3_cmd *cmd, const struct iod_smmuv3_raw_cmd *raw,
				  const struct iod_smmuv3_id *id, enum iod_cmd_reason *why);

/** @name Tags of translations (iod_pgtable_cfg.domain) in iod_iotlbs that obey commands @{ */
/** Stage 1 of EL1, alone or combined with stage 2. */
#define IOD_SMMUV3_TAG_S1(vmid, asid) ((uint64_t)(vmid) << 16 | (uint64_t)(asid))
/** Stage 2, in an iod_iotlb of its own. */
#define IOD_SMMUV3_TAG_S2(vmid) ((uint64_t)(vmid) << 16)
/** Stage 1 of EL2. Without E2H asid is 0: clear it in TLBIs before iod_smmuv3_cmd_effect(). */
#define IOD_SMMUV3_TAG_EL2(asid) (UINT64_C(1) << 32 | (uint64_t)(asid))
/** @} */

/**
 * What a TLBI does to translations, with nothing more than the specification demands: for
 * iod_iotlb_invalidate(). Other commands: no effect.
 * @param cmd one that iod_smmuv3_cmd_decode() gave
 * @return 0, -EINVAL
 */
IOD_API int iod_smmuv3_cmd_effect(struct iod_cmd_effect *effect, const struct iod_smmuv3_cmd *cmd);

/** What an ATC_INV covers, inclusive: [0, 2^64 - 1] for span 52. @return 0; -EINVAL any other command */
IOD_API int iod_smmuv3_cmd_atc_range(const struct iod_smmuv3_cmd *cmd, uint64_t *first,
				     uint64_t *last);

#ifdef __cplusplus
}
#endif

#endif
