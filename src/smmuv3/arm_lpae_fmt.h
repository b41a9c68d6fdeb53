/* SPDX-License-Identifier: MIT */
/*
 * ARM LPAE / VMSAv8-64 descriptors, stage 1 and stage 2 by ARM_STAGE (Arm DDI0487 D8.3, SMMUv3 3.13).
 *
 * Level names: the architecture's level 3 is our level 0, its level 0 our level 3. Compiled once per stage
 * and granule (ARM_GRANULE_LG2: 12, 14, 16); items are 8 bytes, so a table of one granule indexes
 * ARM_GRANULE_LG2 - 3 bits. Only the root differs: as many items as the input size asks for, and at
 * stage 2 up to 16 tables side by side.
 */
#ifndef IOD_ARM_LPAE_FMT_H
#define IOD_ARM_LPAE_FMT_H

#include "pgtable/pt_defs.h"
#include "smmuv3/arm_lpae_cfg.h"

#if ARM_STAGE == 1
#define PT_FORMAT IOD_ARM_LPAE_S1
#define PT_NAME	  "arm_lpae_s1"
#else
#define PT_FORMAT IOD_ARM_LPAE_S2
#define PT_NAME	  "arm_lpae_s2"
#endif
#define PT_STAGE	  ARM_STAGE
#define PT_ROOT_ALIGN_LG2 6 /* TTB [51:4], and never less than 64 bytes */
/* A reserved encoding is a Translation fault (A1.5), and a table's address size is checked apart. */
#define PT_BAD_IS_TRANSLATION 1
/* A1.15: block descriptors only. Level 0 without break-before-make loses updates. */
#define PT_NT BIT64(16)

/* D8.3: bits shared by both stages. */
#define ARM_VALID      BIT64(0)
#define ARM_TABLE      BIT64(1) /* table above level 0, page at level 0 */
#define ARM_MEMATTR_LO 2
#define ARM_SH_LO      8
#define ARM_AF	       BIT64(10)
#define ARM_DBM	       BIT64(51)
#define ARM_CONT       BIT64(52)
#define ARM_OA_HI52    MASK64(15, 12) /* OA[51:48] with the 64K granule and 52 bits */

#if ARM_STAGE == 1
#define ARM_MEMATTR_MAX	   7u
#define ARM_AP_UNPRIV	   BIT64(6)
#define ARM_AP_RDONLY	   BIT64(7)
#define ARM_NG		   BIT64(11)
#define ARM_PXN		   BIT64(53)
#define ARM_UXN		   BIT64(54)
#define ARM_XN		   (ARM_PXN | ARM_UXN)
#define ARM_XNTABLE	   BIT64(60)
#define ARM_APTABLE_NOUSER BIT64(61)
#define ARM_APTABLE_RDONLY BIT64(62)
#define ARM_WRITABLE_BIT   ARM_AP_RDONLY /* the bit that HTTU changes */
#else
#define ARM_MEMATTR_MAX	 15u
#define ARM_S2AP_READ	 BIT64(6)
#define ARM_S2AP_WRITE	 BIT64(7)
#define ARM_XN		 BIT64(54)
#define ARM_WRITABLE_BIT ARM_S2AP_WRITE
#endif

static inline unsigned pt_shift(const struct iod_pgtable *pt, unsigned level)
{
	(void)pt;
	return ARM_GRANULE_LG2 + level * (ARM_GRANULE_LG2 - 3u);
}

static inline unsigned pt_items_lg2(const struct iod_pgtable *pt, unsigned level,
				    unsigned top_level)
{
	return level == top_level ? pt->ias - pt_shift(pt, level) : ARM_GRANULE_LG2 - 3u;
}

/* A1.9: log2 of the items of a contiguous run; 0 where the hint is RES0 or a run does not fit. */
static inline unsigned arm_cont_lg2(const struct iod_pgtable *pt, unsigned level)
{
	unsigned lg2 = iod_arm_lpae_cont_lg2(ARM_GRANULE_LG2, level);

	return pt_shift(pt, level) + lg2 <= pt->ias ? lg2 : 0;
}

static inline bool arm_block_allowed(const struct iod_pgtable *pt, unsigned level)
{
	return iod_arm_lpae_block_allowed(ARM_GRANULE_LG2, level, pt->oas == 52);
}

static inline uint64_t pt_leaf_sizes(const struct iod_pgtable *pt, unsigned level)
{
	unsigned cont = arm_cont_lg2(pt, level);
	unsigned shift = pt_shift(pt, level);

	if (!arm_block_allowed(pt, level))
		return 0;
	return BIT64(shift) | (cont ? BIT64(shift + cont) : 0);
}

static inline enum pt_type pt_item_type(const struct iod_pgtable *pt, unsigned level, uint64_t pte)
{
	if (!(pte & ARM_VALID))
		return PT_NONE;
	if (level == 0)
		return pte & ARM_TABLE ? PT_LEAF : PT_BAD;
	if (pte & ARM_TABLE)
		return PT_TABLE;
	return arm_block_allowed(pt, level) ? PT_LEAF : PT_BAD;
}

static inline uint64_t arm_address(const struct iod_pgtable *pt, uint64_t pte)
{
	uint64_t pa = pte & MASK64(47, 12);

	if (ARM_GRANULE_LG2 == 16) {
		pa &= MASK64(47, 16);
		if (pt->oas == 52)
			pa |= (pte & ARM_OA_HI52) << 36;
	}
	return pa;
}

static inline uint64_t arm_address_bits(const struct iod_pgtable *pt, uint64_t pa)
{
	(void)pt;
	return (pa & MASK64(47, 12)) | (pa >> 36 & ARM_OA_HI52);
}

static inline uint64_t pt_table_pa(const struct iod_pgtable *pt, uint64_t pte)
{
	return align_down(arm_address(pt, pte), ARM_GRANULE_LG2);
}

static inline unsigned pt_table_level(const struct iod_pgtable *pt, unsigned level, uint64_t pte)
{
	(void)pt;
	(void)pte;
	return level - 1;
}

static inline uint32_t pt_table_deny(const struct iod_pgtable *pt, uint64_t pte)
{
	(void)pt;
#if ARM_STAGE == 1
	return (pte & ARM_APTABLE_RDONLY ? IOD_PROT_WRITE : 0) |
	       (pte & ARM_APTABLE_NOUSER ? IOD_PROT_PRIV : 0) |
	       (pte & ARM_XNTABLE ? IOD_PROT_NOEXEC : 0);
#else
	(void)pte;
	return 0;
#endif
}

static inline unsigned pt_leaf_lg2(const struct iod_pgtable *pt, unsigned level, uint64_t pte)
{
	return pt_shift(pt, level) + (pte & ARM_CONT ? arm_cont_lg2(pt, level) : 0);
}

static inline uint64_t pt_leaf_pa(const struct iod_pgtable *pt, unsigned level, uint64_t pte)
{
	return align_down(arm_address(pt, pte), pt_leaf_lg2(pt, level, pte));
}

/* Every item of our runs has its own address. */
static inline uint64_t pt_page_pa(const struct iod_pgtable *pt, uint64_t pte, uint64_t x)
{
	uint64_t offset = low_mask(ARM_GRANULE_LG2);

	return (arm_address(pt, pte) & ~offset) | (x & offset);
}

static inline bool pt_item_reserved(const struct iod_pgtable *pt, unsigned level, uint64_t pte)
{
	uint64_t pa = pt_item_type(pt, level, pte) == PT_TABLE ? pt_table_pa(pt, pte)
							       : pt_leaf_pa(pt, level, pte);

	return pa > pt->max_pa;
}

static inline uint32_t pt_leaf_prot(const struct iod_pgtable *pt, uint64_t pte)
{
	bool hw_writable = (pte & ARM_DBM) && (pt->features & IOD_PT_HW_DIRTY);
	uint32_t prot = pte & ARM_XN ? IOD_PROT_NOEXEC : 0;

#if ARM_STAGE == 1
	prot |= IOD_PROT_READ;
	if (!(pte & ARM_AP_RDONLY) || hw_writable)
		prot |= IOD_PROT_WRITE;
	if (!(pte & ARM_AP_UNPRIV))
		prot |= IOD_PROT_PRIV;
	if (!(pte & ARM_NG))
		prot |= IOD_PROT_GLOBAL;
#else
	if (pte & ARM_S2AP_READ)
		prot |= IOD_PROT_READ;
	if ((pte & ARM_S2AP_WRITE) || hw_writable)
		prot |= IOD_PROT_WRITE;
#endif
	return prot;
}

static inline uint32_t pt_leaf_memattr(const struct iod_pgtable *pt, unsigned level, uint64_t pte)
{
	(void)pt;
	(void)level;
	return (uint32_t)(pte >> ARM_MEMATTR_LO) & ARM_MEMATTR_MAX;
}

static inline bool pt_leaf_accessed(const struct iod_pgtable *pt, uint64_t pte)
{
	(void)pt;
	return pte & ARM_AF;
}

/* A1.12, whatever the enables say. */
static inline enum iod_dirty pt_leaf_dirty(const struct iod_pgtable *pt, uint64_t pte)
{
	bool bit = pte & ARM_WRITABLE_BIT, writable = ARM_STAGE == 1 ? !bit : bit;

	(void)pt;
	if (!(pte & ARM_DBM))
		return writable ? IOD_DIRTY_UNTRACKED : IOD_CLEAN;
	return writable ? IOD_DIRTY : IOD_CLEAN;
}

#if ARM_STAGE == 1
/* A1.6; a tracked leaf is born read-only with DBM, which is writable-clean. */
static inline uint64_t arm_access_bits(uint32_t prot, bool born_clean)
{
	uint64_t v = prot & IOD_PROT_PRIV ? 0 : ARM_AP_UNPRIV;

	if (!(prot & IOD_PROT_WRITE) || born_clean)
		v |= ARM_AP_RDONLY;
	if (!(prot & IOD_PROT_GLOBAL))
		v |= ARM_NG;
	return v;
}
#define ARM_PROT_KNOWN                                                                \
	(PT_RW | IOD_PROT_NOEXEC | IOD_PROT_PRIV | IOD_PROT_GLOBAL | IOD_PROT_DIRTY | \
	 IOD_PROT_UNTRACKED)
#else
/* A1.7 */
static inline uint64_t arm_access_bits(uint32_t prot, bool born_clean)
{
	return (prot & IOD_PROT_READ ? ARM_S2AP_READ : 0) |
	       ((prot & IOD_PROT_WRITE) && !born_clean ? ARM_S2AP_WRITE : 0);
}
#define ARM_PROT_KNOWN (PT_RW | IOD_PROT_NOEXEC | IOD_PROT_DIRTY | IOD_PROT_UNTRACKED)
#endif

static inline int pt_encode_prot(const struct iod_pgtable *pt, uint32_t prot, uint64_t *attr)
{
	bool tracked = (prot & IOD_PROT_WRITE) && (pt->features & IOD_PT_HW_DIRTY) &&
		       !(prot & IOD_PROT_UNTRACKED);
	uint32_t memattr, sh;
	uint64_t v;
	int ret;

	ret = iod_arm_lpae_prot_fields(pt, prot, ARM_STAGE, ARM_PROT_KNOWN, &memattr, &sh);
	if (ret)
		return ret;
	v = ARM_VALID | (uint64_t)memattr << ARM_MEMATTR_LO | (uint64_t)sh << ARM_SH_LO;
	v |= arm_access_bits(prot, tracked && !(prot & IOD_PROT_DIRTY));
	if (tracked)
		v |= ARM_DBM;
	if (!(pt->features & IOD_PT_HW_ACCESS) || (prot & IOD_PROT_DIRTY))
		v |= ARM_AF;
	if (prot & IOD_PROT_NOEXEC)
		v |= ARM_XN;
	*attr = v;
	return 0;
}

static inline uint64_t pt_leaf_attr(const struct iod_pgtable *pt, unsigned level, uint64_t pte)
{
	(void)pt;
	(void)level;
	return pte & ~(MASK64(47, 12) | ARM_TABLE | ARM_CONT);
}

static inline uint64_t pt_make_leaf(const struct iod_pgtable *pt, unsigned level, unsigned lg2,
				    uint64_t pa, uint64_t attr)
{
	return attr | arm_address_bits(pt, pa) | (level == 0 ? ARM_TABLE : 0) |
	       (lg2 > pt_shift(pt, level) ? ARM_CONT : 0);
}

static inline uint64_t pt_make_table(const struct iod_pgtable *pt, unsigned level, uint64_t pa)
{
	(void)level;
	return ARM_VALID | ARM_TABLE | arm_address_bits(pt, pa);
}

/*
 * A1.12. Writable without DBM counts as dirty (hardware would never say) unless the caller skips it,
 * and is never cleaned: that would take the write permission away.
 */
static inline void pt_get_scan_spec(const struct iod_pgtable *pt, bool skip_untracked,
				    struct pt_scan_spec *spec)
{
	uint64_t dbm = skip_untracked ? ARM_DBM : 0;

	(void)pt;
	*spec = (struct pt_scan_spec){
		.mask = ARM_VALID | ARM_WRITABLE_BIT | dbm,
		.match = ARM_VALID | dbm | (ARM_STAGE == 1 ? 0 : ARM_WRITABLE_BIT),
		.clean_mask = ARM_VALID | ARM_DBM,
		.clean_match = ARM_VALID | ARM_DBM,
		.clean_bit = ARM_WRITABLE_BIT,
		.clean_sets = ARM_STAGE == 1,
		.run_mask = ARM_VALID | ARM_CONT,
		.run_match = ARM_VALID | ARM_CONT,
		.accessed = ARM_AF,
	};
}

static inline void pt_size_spec(const struct iod_pgtable *pt, unsigned lg2, uint64_t *mask,
				uint64_t *match)
{
	*mask = ARM_VALID | ARM_TABLE | (arm_cont_lg2(pt, 0) ? ARM_CONT : 0);
	*match = ARM_VALID | ARM_TABLE | (lg2 > ARM_GRANULE_LG2 ? ARM_CONT : 0);
}

static inline void pt_like_spec(const struct iod_pgtable *pt, uint64_t pte, uint64_t *mask,
				uint64_t *match)
{
	pt_size_spec(pt, pt_leaf_lg2(pt, 0, pte), mask, match);
}

static inline void pt_table_access_spec(const struct iod_pgtable *pt, uint64_t *mask,
					uint64_t *match, uint64_t *bit)
{
	(void)pt;
	*mask = ARM_VALID | ARM_TABLE | ARM_AF;
	*match = ARM_VALID | ARM_TABLE | ARM_AF;
	*bit = ARM_AF;
}

/* A1.11 rules 1-4, 6: the caller has checked that the access is permitted. */
static inline uint64_t pt_hw_mark(const struct iod_pgtable *pt, uint64_t pte, bool write)
{
	if (pt->features & IOD_PT_HW_ACCESS)
		pte |= ARM_AF;
	if (write && (pte & ARM_DBM) && (pt->features & IOD_PT_HW_DIRTY)) {
		if (ARM_STAGE == 1)
			pte &= ~ARM_WRITABLE_BIT;
		else
			pte |= ARM_WRITABLE_BIT;
	}
	return pte;
}

static inline bool pt_hw_access_flag_fault(const struct iod_pgtable *pt, uint64_t pte)
{
	return !(pte & ARM_AF) && !(pt->features & (IOD_PT_HW_ACCESS | IOD_PT_NO_ACCESS_FAULT));
}

/* A1.13; never open: without HAFT the bit is ignored. */
static inline uint64_t pt_hw_mark_table(const struct iod_pgtable *pt, uint64_t pte, bool open)
{
	(void)open;
	return pt->features & IOD_PT_HW_TABLE_ACCESS ? pte | ARM_AF : pte;
}

static inline int pt_fmt_init(struct iod_pgtable *pt, const struct iod_pgtable_cfg *cfg,
			      unsigned *top_level)
{
	return iod_arm_lpae_init(pt, cfg, ARM_STAGE, top_level);
}

static inline void pt_fmt_hw_info(const struct iod_pgtable *pt, struct pt_top top,
				  struct iod_hw_info *info)
{
	iod_arm_lpae_hw_info(pt, top, ARM_STAGE, info);
}

#endif
