/* SPDX-License-Identifier: MIT */
/**
 * @file smmuv3_ste.h
 * SMMUv3 structures (Arm IHI 0070, 5.1 to 5.5): stream table entries and context descriptors, raw and typed,
 * what hardware says of illegal ones, tables of one and two levels, and changing a live one.
 *
 * Locking: encode, decode and the lookups keep nothing. Writers of one structure are the caller's to order;
 * hardware may read at any time.
 */
#ifndef IODIRTY_SMMUV3_STE_H
#define IODIRTY_SMMUV3_STE_H

#include <iodirty/mem.h>
#include <iodirty/pgtable.h>
#include <iodirty/smmuv3_event.h>
#include <iodirty/smmuv3_queue.h>
#include <iodirty/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/** A stream table entry or a context descriptor as it lies in memory: little-endian words. */
struct iod_smmuv3_raw_ste {
	uint64_t word[8];
};
struct iod_smmuv3_raw_cd {
	uint64_t word[8];
};

/** STE.Config; 0 to 3 abort. */
enum iod_smmuv3_config {
	IOD_SMMUV3_ABORT = 0,
	IOD_SMMUV3_BYPASS = 4,
	IOD_SMMUV3_S1 = 5,     /**< stage 1, stage 2 bypassed */
	IOD_SMMUV3_S2 = 6,     /**< stage 2, stage 1 bypassed */
	IOD_SMMUV3_NESTED = 7, /**< both */
};

/** A stream table entry (5.2): every field of a Non-secure stream, named as there. */
struct iod_smmuv3_ste {
	bool valid;	       /**< V */
	uint8_t config;	       /**< enum iod_smmuv3_config */
	uint8_t s1fmt;	       /**< 0 linear, 1 two levels of 4 KiB leaves, 2 of 64 KiB leaves */
	uint8_t s1cdmax;       /**< log2 of the CDs */
	uint64_t s1contextptr; /**< bits 55:6 */
	uint8_t s1dss;	       /**< without a substream: 0 terminate, 1 bypass stage 1, 2 CD 0 */
	uint8_t s1cir, s1cor, s1csh;
	uint8_t s2hwu; /**< S2HWU62 to S2HWU59 */
	bool dre;
	uint8_t cont;
	bool dcp, ppar, mev;
	uint8_t sw; /**< for software: no SMMU looks at it */
	bool s1pie;
	bool s2fwb;
	bool s1mpam;
	bool s1stalld;
	uint8_t eats; /**< 0 no ATS, 1 full, 2 split-stage, 3 full with DPT checks */
	uint8_t strw; /**< 0 EL1, 2 EL2 */
	uint8_t memattr;
	bool mtcfg;
	uint8_t alloccfg, shcfg, nscfg, privcfg, instcfg;
	uint16_t s2vmid;
	uint8_t s2t0sz, s2sl0, s2ir0, s2or0, s2sh0, s2tg, s2ps;
	bool s2aa64, s2endi, s2affd, s2ptw, s2hd, s2ha, s2s, s2r, s2haft, s2pie, s2poe;
	uint8_t dpt_vmatch;
	bool s2sl0_2, s2ds;
	uint64_t s2ttb;	 /**< bits 55:4 */
	uint16_t partid; /**< MPAM */
	uint8_t pmg;	 /**< MPAM */
	uint64_t vmsptr; /**< bits 55:12 */
	/** Set bits that belong to none of these fields (implementation defined, Secure and Realm ones, overlays
	 *  among them); kept by encode. */
	struct iod_smmuv3_raw_ste unknown;
};

/** A context descriptor (5.4). */
struct iod_smmuv3_cd {
	bool valid; /**< V */
	uint8_t t0sz, tg0, ir0, or0, sh0;
	bool epd0, endi;
	uint8_t t1sz, tg1, ir1, or1, sh1;
	bool epd1;
	uint8_t ips;
	bool affd, wxn, uwxn, tbi0, tbi1, pan, aa64;
	bool hd, ha;
	bool s, r, a;
	bool aset;
	uint16_t asid;
	bool nscfg0, had0, e0pd0, haft;
	uint64_t ttb0; /**< bits 55:4 */
	bool pnch, epan;
	uint8_t hwu0; /**< HWU062 to HWU059 */
	bool nscfg1, had1, e0pd1, aie;
	uint64_t ttb1;
	bool ds, pie;
	uint8_t hwu1;
	uint64_t mair;	 /**< MAIR0, MAIR1 above it */
	uint64_t amair;	 /**< AMAIR0, AMAIR1 above it */
	uint16_t partid; /**< MPAM */
	uint8_t pmg;	 /**< MPAM */
	/** Set bits that belong to none of these fields (implementation defined, permission indirection); kept by
	 *  encode. */
	struct iod_smmuv3_raw_cd unknown;
};

/** Encode. @return 0; -EINVAL a value that does not fit its field */
IOD_API int iod_smmuv3_ste_encode(struct iod_smmuv3_raw_ste *raw, const struct iod_smmuv3_ste *ste);
/** Encode. @return 0; -EINVAL a value that does not fit its field */
IOD_API int iod_smmuv3_cd_encode(struct iod_smmuv3_raw_cd *raw, const struct iod_smmuv3_cd *cd);

/** Decode: every bit, legal or not. @return 0, -EINVAL */
IOD_API int iod_smmuv3_ste_decode(struct iod_smmuv3_ste *ste, const struct iod_smmuv3_raw_ste *raw);
/** Decode: every bit, legal or not. @return 0, -EINVAL */
IOD_API int iod_smmuv3_cd_decode(struct iod_smmuv3_cd *cd, const struct iod_smmuv3_raw_cd *raw);

/** @name Flags of check and effective @{ */
/** check: bits of no known field are a fault as well (for structures of a guest that is not trusted). */
#define IOD_SMMUV3_CHECK_UNKNOWN (1u << 0)
/** CR2.E2H = 1: streams of EL2 are EL2-E2H, with ASIDs and two halves. */
#define IOD_SMMUV3_CHECK_E2H (1u << 1)
/** @} */

/**
 * What hardware (SMMUv3.1 or later) with these ID registers says of a structure (5.2.2, 5.4.2).
 * @param id    NULL: one that has everything
 * @param flags IOD_SMMUV3_CHECK_*
 * @param why   receives a constant string that names the field and the rule ("S2TG: reserved"), NULL when it is
 *              legal; may be NULL
 * @return 0 legal; the event it raises: IOD_SMMUV3_C_BAD_STE, _C_BAD_CD; -EINVAL
 */
IOD_API int iod_smmuv3_ste_check(const struct iod_smmuv3_ste *ste, const struct iod_smmuv3_id *id,
				 uint32_t flags, const char **why);
/** @param ste the entry that led to it: translation regime, stage 2, S1STALLD; NULL: stage 1 of EL1 */
IOD_API int iod_smmuv3_cd_check(const struct iod_smmuv3_cd *cd, const struct iod_smmuv3_ste *ste,
				const struct iod_smmuv3_id *id, uint32_t flags, const char **why);

/**
 * What such hardware makes of a legal structure: fields that are IGNORED or RES0 become 0, values that behave
 * as another one become that, sizes are capped. So that users need not know the rules: S1Fmt is 0 unless there
 * are two levels, S1DSS 0 to 2, S1CDMax 0 without SubstreamIDs, EATS what it comes to, S2PS and IPS at most OAS,
 * HD without HA is off, on EL2 (without E2H) EPD0 is 0 and EPD1 is 1. SW and unknown bits are gone.
 * @param out may be @p ste
 * @return 0, -EINVAL
 */
IOD_API int iod_smmuv3_ste_effective(struct iod_smmuv3_ste *out, const struct iod_smmuv3_ste *ste,
				     const struct iod_smmuv3_id *id, uint32_t flags);
/** @param out may be @p cd @param ste as for check */
IOD_API int iod_smmuv3_cd_effective(struct iod_smmuv3_cd *out, const struct iod_smmuv3_cd *cd,
				    const struct iod_smmuv3_ste *ste,
				    const struct iod_smmuv3_id *id, uint32_t flags);

/** @name From page tables, and back @{ */

/** Fill the stage-2 fields (and no others) from iod_pgtable_get_hw_info() of an arm_lpae_s2 table.
 *  @return 0, -EINVAL */
IOD_API int iod_smmuv3_ste_set_stage2(struct iod_smmuv3_ste *ste, const struct iod_hw_info *info,
				      uint16_t vmid);

/** Fill the fields of one half from an arm_lpae_s1 table: TTB0, or TTB1 when it is an upper one. The other
 *  half is disabled (EPDn) unless it was filled before (cd->valid). Sets valid, AA64, ASID; A, R, S and ASET
 *  are the caller's.
 *  @return 0; -EINVAL also when both halves disagree (ASID, IPS, MAIR, AA64, HTTU) */
IOD_API int iod_smmuv3_cd_set_stage1(struct iod_smmuv3_cd *cd, const struct iod_hw_info *info,
				     uint16_t asid);

/** The stage-2 page table of an effective STE, ready for iod_pgtable_attach() but for mem; domain is the VMID.
 *  S2AFFD, S2PTW, S2R and S2S are the caller's to obey. *root is aligned down to the size of the root table, 64
 *  bytes at least, as hardware does.
 *  @param why receives a constant string, NULL after success; may be NULL
 *  @return 0; -EOPNOTSUPP what the library does not walk (big-endian, DS, permission indirection, 32-bit tables
 *          with inputs of more than 32 bits);
 *          -EINVAL also without stage 2, and when the fields are not legal */
IOD_API int iod_smmuv3_ste_get_stage2(const struct iod_smmuv3_ste *ste, struct iod_pgtable_cfg *cfg,
				      uint64_t *root, const char **why);
/** A half of an effective CD; domain is the ASID. AFFD, TBI, PAN, WXN, UWXN and E0PD are the caller's to obey;
 *  HAD is not: hierarchical attributes of tables always count, so that less is permitted, never more.
 *  @return as above; -ENOENT when it is disabled (EPDn) or covers nothing */
IOD_API int iod_smmuv3_cd_get_stage1(const struct iod_smmuv3_cd *cd, bool upper,
				     struct iod_pgtable_cfg *cfg, uint64_t *root, const char **why);
/** @} */

/** @name Tables @{ */

/** A stream table as its registers describe it. */
struct iod_smmuv3_strtab {
	uint64_t base;	   /**< STRTAB_BASE */
	uint32_t cfg;	   /**< STRTAB_BASE_CFG: LOG2SIZE [5:0], SPLIT [10:6], FMT [17:16] */
	uint32_t reserved; /**< 0 */
};

/** Values of the registers. @param split 6, 8, 10: two levels; 0: linear @return 0, -EINVAL */
IOD_API int iod_smmuv3_strtab_init(struct iod_smmuv3_strtab *strtab, uint64_t pa,
				   unsigned int log2size, unsigned int split);

/** Bytes that the (first level of the) table takes, which is its alignment too. 0: nonsense */
IOD_API uint64_t iod_smmuv3_strtab_bytes(const struct iod_smmuv3_strtab *strtab);

/**
 * Where the STE of a stream lies.
 * @param pa    the STE; after F_STE_FETCH what could not be read
 * @param event receives the event when there is none: C_BAD_STREAMID, F_STE_FETCH; may be NULL
 * @return 0; -ENOENT outside the table, or its level-1 descriptor does not reach it; -EFAULT; -EINVAL
 */
IOD_API int iod_smmuv3_strtab_lookup(const struct iod_smmuv3_strtab *strtab,
				     const struct iod_mem *mem, uint32_t sid, uint64_t *pa,
				     enum iod_smmuv3_event_type *event);

/** Level-1 stream table descriptor (5.1). @param lg2 log2 of the STEs behind it, at most 10 @return 0, -EINVAL */
IOD_API int iod_smmuv3_l1std_encode(uint64_t *raw, uint64_t l2ptr, unsigned int lg2);

/**
 * Install a leaf of 2^lg2 STEs for the StreamIDs around @p sid (lg2 = SPLIT covers them all). Its STEs are
 * written before. When an SMMU uses the table, CFGI_STE with leaf=false for any of these StreamIDs is the
 * caller's, then SYNC (5.1.1).
 * @return 0; -EEXIST there is one; -ERANGE outside the table, or @p sid outside the leaf; -EOPNOTSUPP linear;
 *         -EFAULT; -EINVAL
 */
IOD_API int iod_smmuv3_strtab_install(const struct iod_smmuv3_strtab *strtab, struct iod_mem *mem,
				      uint32_t sid, uint64_t leaf_pa, unsigned int lg2);

/** Bytes that the (first level of the) CD table of an STE takes, which is its alignment too. 0: no stage 1, or
 *  more than 2^20 CDs */
IOD_API uint64_t iod_smmuv3_cdtab_bytes(const struct iod_smmuv3_ste *ste);

/**
 * Where the CD of a substream lies (5.2, S1Fmt, S1CDMax; 5.3).
 * @param ste  an effective one
 * @param id   for OAS; NULL: one that has everything
 * @param ssid -1: a transaction without one
 * @param translate IPA of a CD or L1CD (8 or 64 bytes that cross no page) into an address of @p mem, for nested
 *        streams; NULL: they are such. Nonzero is returned
 * @param pa    the CD, or what could not be read or translated
 * @param event receives C_BAD_SUBSTREAMID, F_STREAM_DISABLED or F_CD_FETCH, or 0 where none is recorded (Config
 *        aborts, or @p translate refused); may be NULL
 * @return 0; 1 stage 1 is bypassed (Config, S1DSS); -ENOENT; -EFAULT; -EINVAL; what translate returned
 */
IOD_API int iod_smmuv3_cd_lookup(const struct iod_smmuv3_ste *ste, const struct iod_smmuv3_id *id,
				 const struct iod_mem *mem, int64_t ssid,
				 int (*translate)(void *cookie, uint64_t ipa, uint64_t *pa),
				 void *cookie, uint64_t *pa, enum iod_smmuv3_event_type *event);

/** Level-1 CD descriptor (5.3). @param l2ptr a multiple of 4096 @return 0, -EINVAL */
IOD_API int iod_smmuv3_l1cd_encode(uint64_t *raw, uint64_t l2ptr);

/**
 * Install a leaf of 64 (S1Fmt 1) or 1024 (S1Fmt 2) CDs for the SubstreamIDs around @p ssid. Its CDs are written
 * before. When an SMMU uses the table, CFGI_CD with leaf=false for any of these SubstreamIDs is the caller's, for
 * each stream that leads there, then SYNC (5.3.1).
 * @param ste  an effective one
 * @param mem  where the table lies; S1ContextPtr and @p leaf_pa are addresses of it
 * @return 0; -EEXIST there is one; -ERANGE outside the table; -EOPNOTSUPP linear; -EFAULT; -EINVAL
 */
IOD_API int iod_smmuv3_cdtab_install(const struct iod_smmuv3_ste *ste, struct iod_mem *mem,
				     uint32_t ssid, uint64_t leaf_pa);
/** @} */

/** @name Changing a live structure @{ */

/** Most steps that a change takes. */
#define IOD_SMMUV3_MAX_STEPS 4u

/**
 * How to get from one structure to another. In each step some words are written, each with one atomic store,
 * in any order; then the structure is invalidated (CFGI_STE or CFGI_CD) and a SYNC completed. Whatever
 * hardware reads meanwhile, old and new words mixed, means what it meant before or what it is to mean (3.21.3);
 * where that cannot be, the plan goes through V=0 and says so. One exception: HAFT of a CD is not in the word of
 * HA and HD, so it changes in a step of its own; until then hardware sets Accessed in leaves alone.
 */
struct iod_smmuv3_plan {
	uint32_t nr; /**< steps */
	bool breaks; /**< V=0 in between: traffic is refused for a while */
	/** TLB entries made under the old one may be wrong under the new one, or outlive it: invalidate those of
	 *  its VMID or ASID after the last step (5.2.1, 5.4.1). Whatever was changed in the tables is not in it. */
	bool tlbi;
	bool atc; /**< the same for the devices' ATCs: ATC_INV, after the TLBI and its SYNC */
	struct {
		uint8_t mask;			 /**< words to write */
		struct iod_smmuv3_raw_ste value; /**< the whole structure after the step */
	} step[IOD_SMMUV3_MAX_STEPS];
};

/** Plan a change with the fewest steps. 0 steps: nothing differs. @return 0, -EINVAL */
IOD_API int iod_smmuv3_ste_plan(struct iod_smmuv3_plan *plan, const struct iod_smmuv3_raw_ste *from,
				const struct iod_smmuv3_raw_ste *to);
/** The same for a CD (struct iod_smmuv3_plan has its words in a raw STE). atc is that of a stream with ATS. */
IOD_API int iod_smmuv3_cd_plan(struct iod_smmuv3_plan *plan, const struct iod_smmuv3_raw_cd *from,
			       const struct iod_smmuv3_raw_cd *to);

/** A live structure in memory that is changed. */
struct iod_smmuv3_change {
	size_t size;	     /**< sizeof(struct iod_smmuv3_change) */
	struct iod_mem *mem; /**< in: where it lies */
	uint64_t pa;	     /**< in: a multiple of 64 */
	uint32_t sid;	     /**< in: for CFGI_* */
	uint32_t ssid;	     /**< in: of a CD */
	uint32_t flags;	     /**< in: 0 or IOD_SMMUV3_CHANGE_* */
	/** in: 0. out: 1 when words were written and their SYNC did not complete. Calling again with it makes good
	 *  for that first; otherwise hardware might mix words of three states. */
	uint32_t unsynced;
	/** in: takes CFGI_* and syncs; NULL: no hardware yet */
	const struct iod_smmuv3_sink *sink;
	/** in: of a CD: other streams whose STEs lead to it (hardware caches it for each of them) */
	const uint32_t *sids;
	size_t nr_sids; /**< in: how many */
	/** out: what was planned. With unsynced also in: tlbi and atc of the calls that failed stay set. */
	struct iod_smmuv3_plan plan;
	uint32_t steps;	   /**< out: steps that are complete */
	uint32_t reserved; /**< 0 */
};

/** change: refuse (-EBUSY, nothing is written) what would go through V=0. */
#define IOD_SMMUV3_CHANGE_HITLESS (1u << 0)

/**
 * Change an STE. CFGI_STE with leaf=true after each step: the level-1 descriptor is not touched.
 * @return 0; -EBUSY; -EFAULT; -EINVAL; -E2BIG; what the sink returned: steps says how far it came, and calling
 *         again with the same struct goes on
 */
IOD_API int iod_smmuv3_ste_write(struct iod_smmuv3_change *change,
				 const struct iod_smmuv3_raw_ste *to);
/** Change a CD. CFGI_CD with leaf=true after each step, for each stream. @return as above */
IOD_API int iod_smmuv3_cd_write(struct iod_smmuv3_change *change,
				const struct iod_smmuv3_raw_cd *to);
/** @} */

#ifdef __cplusplus
}
#endif

#endif
