/* SPDX-License-Identifier: MIT */
/*
 * VT-d second-stage entries (VT-d 9.9; bits.md A2.1).
 *
 * Level names: PTE = level 0, PDE 1, PDPE 2, PML4E 3, PML5E 4. An entry is present when R or W is set.
 */
#ifndef IOD_VTD_SS_FMT_H
#define IOD_VTD_SS_FMT_H

#include <errno.h>

#define PT_PLAIN_LEVELS 1
#include "pgtable/pt_radix512.h"

#define PT_STAGE      2

#define VTD_SS_R      BIT64(0)
#define VTD_SS_W      BIT64(1)
#define VTD_SS_EMT_LO 3 /* EMT [5:3], IPAT 6 */
#define VTD_SS_EMT    MASK64(6, 3)
#define VTD_SS_PS     BIT64(7)
#define VTD_SS_A      BIT64(8)
#define VTD_SS_D      BIT64(9)
#define VTD_SS_SNP    BIT64(11)
#define VTD_SS_ADDR   MASK64(51, 12)
#define VTD_SS_IW     BIT64(62) /* reserved with SSIRWE = 0, and SSIRWE = 1 is not supported */
#define VTD_EMT_WB    6u	/* memory type write-back, as in the MTRRs */

static inline enum pt_type pt_item_type(const struct iod_pgtable *pt, unsigned level, uint64_t pte)
{
	(void)pt;
	if (!(pte & (VTD_SS_R | VTD_SS_W)))
		return PT_NONE;
	if (level == 0)
		return PT_LEAF;
	if (!(pte & VTD_SS_PS))
		return PT_TABLE;
	return level <= 2 ? PT_LEAF : PT_BAD;
}

static inline bool pt_item_reserved(const struct iod_pgtable *pt, unsigned level, uint64_t pte)
{
	uint64_t addr = pte & VTD_SS_ADDR;
	bool leaf = level == 0 || (pte & VTD_SS_PS);

	if (addr > pt->max_pa || (pte & VTD_SS_IW))
		return true;
	return leaf ? !is_aligned(addr, 12 + 9 * level) : (pte & VTD_SS_SNP) != 0;
}

static inline uint64_t pt_table_pa(const struct iod_pgtable *pt, uint64_t pte)
{
	(void)pt;
	return pte & VTD_SS_ADDR;
}

static inline uint32_t pt_table_deny(const struct iod_pgtable *pt, uint64_t pte)
{
	(void)pt;
	return (pte & VTD_SS_R ? 0 : IOD_PROT_READ) | (pte & VTD_SS_W ? 0 : IOD_PROT_WRITE);
}

static inline uint64_t pt_leaf_pa(const struct iod_pgtable *pt, unsigned level, uint64_t pte)
{
	(void)pt;
	return align_down(pte & VTD_SS_ADDR, 12 + 9 * level);
}

static inline uint64_t pt_page_pa(const struct iod_pgtable *pt, uint64_t pte, uint64_t x)
{
	return pt_leaf_pa(pt, 0, pte) | (x & low_mask(12));
}

static inline uint32_t pt_leaf_prot(const struct iod_pgtable *pt, uint64_t pte)
{
	(void)pt;
	return (pte & VTD_SS_R ? IOD_PROT_READ : 0) | (pte & VTD_SS_W ? IOD_PROT_WRITE : 0) |
	       (pte & VTD_SS_SNP ? IOD_PROT_SNOOP : 0);
}

static inline uint32_t pt_leaf_memattr(const struct iod_pgtable *pt, unsigned level, uint64_t pte)
{
	(void)pt;
	(void)level;
	return (uint32_t)((pte & VTD_SS_EMT) >> VTD_SS_EMT_LO);
}

static inline bool pt_leaf_accessed(const struct iod_pgtable *pt, uint64_t pte)
{
	(void)pt;
	return pte & VTD_SS_A;
}

static inline enum iod_dirty pt_leaf_dirty(const struct iod_pgtable *pt, uint64_t pte)
{
	(void)pt;
	return pte & VTD_SS_D ? IOD_DIRTY : IOD_CLEAN;
}

static inline int pt_encode_prot(const struct iod_pgtable *pt, uint32_t prot, uint64_t *attr)
{
	uint32_t memattr = prot >> 16 & 0xff;
	uint64_t v;

	(void)pt;
	if (prot & ~(PT_RW | IOD_PROT_SNOOP | IOD_PROT_DIRTY | IOD_PROT_MEMATTR(0xff)))
		return -EOPNOTSUPP;
	if (memattr > 15 || (memattr && !(prot & IOD_PROT_MEMATTR(0))))
		return -EINVAL;
	if (!(prot & IOD_PROT_MEMATTR(0)))
		memattr = VTD_EMT_WB; /* only looked at when the PASID entry has EMTE=1 */
	v = (uint64_t)memattr << VTD_SS_EMT_LO;
	v |= (prot & IOD_PROT_READ ? VTD_SS_R : 0) | (prot & IOD_PROT_WRITE ? VTD_SS_W : 0);
	v |= prot & IOD_PROT_SNOOP ? VTD_SS_SNP : 0;
	v |= prot & IOD_PROT_DIRTY ? VTD_SS_A | VTD_SS_D : 0;
	*attr = v;
	return 0;
}

static inline uint64_t pt_leaf_attr(const struct iod_pgtable *pt, unsigned level, uint64_t pte)
{
	(void)pt;
	(void)level;
	return pte & ~(VTD_SS_ADDR | VTD_SS_PS);
}

static inline uint64_t pt_make_leaf(const struct iod_pgtable *pt, unsigned level, unsigned lg2,
				    uint64_t pa, uint64_t attr)
{
	(void)pt;
	(void)lg2;
	return attr | pa | (level ? VTD_SS_PS : 0);
}

static inline uint64_t pt_make_table(const struct iod_pgtable *pt, unsigned level, uint64_t pa)
{
	(void)pt;
	(void)level;
	return pa | VTD_SS_R | VTD_SS_W;
}

/*
 * D alone: what is not present is 0 in tables that we built, and in a guest's tables each candidate is
 * looked at again.
 */
static inline void pt_get_scan_spec(const struct iod_pgtable *pt, bool skip_untracked,
				    struct pt_scan_spec *spec)
{
	(void)pt;
	(void)skip_untracked;
	*spec = (struct pt_scan_spec){
		.mask = VTD_SS_D,
		.match = VTD_SS_D,
		.clean_bit = VTD_SS_D,
		.accessed = VTD_SS_A,
	};
}

/* One size; what is dirty in our tables is present. */
static inline void pt_size_spec(const struct iod_pgtable *pt, unsigned lg2, uint64_t *mask,
				uint64_t *match)
{
	(void)pt;
	(void)lg2;
	*mask = 0;
	*match = 0;
}

/* Present is R or W: like this one in both. */
static inline void pt_like_spec(const struct iod_pgtable *pt, uint64_t pte, uint64_t *mask,
				uint64_t *match)
{
	(void)pt;
	*mask = VTD_SS_R | VTD_SS_W;
	*match = pte & (VTD_SS_R | VTD_SS_W);
}

static inline void pt_table_access_spec(const struct iod_pgtable *pt, uint64_t *mask,
					uint64_t *match, uint64_t *bit)
{
	(void)pt;
	*mask = VTD_SS_R | VTD_SS_W | VTD_SS_PS | VTD_SS_A;
	*match = VTD_SS_R | VTD_SS_W | VTD_SS_A; /* our table entries deny nothing */
	*bit = VTD_SS_A;
}

/* A2.3 rules 2 and 3. */
static inline uint64_t pt_hw_mark(const struct iod_pgtable *pt, uint64_t pte, bool write)
{
	if (pt->features & IOD_PT_HW_ACCESS)
		pte |= VTD_SS_A | (write && (pt->features & IOD_PT_HW_DIRTY) ? VTD_SS_D : 0);
	return pte;
}

static inline uint64_t pt_hw_mark_table(const struct iod_pgtable *pt, uint64_t pte, bool open)
{
	(void)open;
	return pt->features & IOD_PT_HW_ACCESS ? pte | VTD_SS_A : pte;
}

static inline int pt_fmt_init(struct iod_pgtable *pt, const struct iod_pgtable_cfg *cfg,
			      unsigned *top_level)
{
	uint32_t levels = cfg->levels ? cfg->levels : 4;
	uint32_t ias = cfg->ias ? cfg->ias : 12 + 9 * levels;
	uint32_t oas = cfg->oas ? cfg->oas : 52;
	uint32_t known = IOD_PT_HW_ACCESS | IOD_PT_HW_DIRTY | IOD_PT_HW_TABLE_ACCESS;

	if ((pt->features & ~known) || cfg->mair)
		return -EOPNOTSUPP;
	if ((pt->features & IOD_PT_HW_TABLE_ACCESS) && !(pt->features & IOD_PT_HW_ACCESS))
		return -EOPNOTSUPP;
	if (levels < 3 || levels > 5 || (cfg->granule && cfg->granule != 4096))
		return -EINVAL;
	/* MGAW may be smaller than what the levels span, also by a whole level: 39 bits where SAGAW has 4 levels. */
	if (ias > 12 + 9 * levels || ias <= 30 || oas < 32 || oas > 52)
		return -ERANGE;
	/* SSADE is one switch for both. */
	if (pt->features & IOD_PT_HW_ACCESS)
		pt->features |= IOD_PT_HW_DIRTY;
	pt->granule_lg2 = 12;
	pt->ias = (uint8_t)ias;
	pt->oas = (uint8_t)oas;
	pt->space_lg2 = 64;
	pt->half = PT_LOWER;
	*top_level = levels - 1;
	return 0;
}

static inline void pt_fmt_hw_info(const struct iod_pgtable *pt, struct pt_top top,
				  struct iod_hw_info *info)
{
	info->u.vtd_ss.ssptptr = top.pa;
	info->u.vtd_ss.aw = (uint8_t)(top.level - 1); /* 1, 2, 3 for 3, 4, 5 levels */
	info->u.vtd_ss.ssade = !!(pt->features & IOD_PT_HW_ACCESS);
}

#endif
