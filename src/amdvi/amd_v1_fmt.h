/* SPDX-License-Identifier: MIT */
/*
 * AMD-Vi host (v1) page tables: PTE and PDE (bits.md A3.1-A3.3).
 *
 * Level names: the manual's level 1 is our level 0, its level 6 our level 5. A leaf of more than its
 * level's default size is written in every item of its aligned group (replicas), with Next Level 7 and
 * its size in the low address bits. A PDE may skip levels; the address bits skipped must be 0.
 */
#ifndef IOD_AMD_V1_FMT_H
#define IOD_AMD_V1_FMT_H

#include <errno.h>

#define PT_PLAIN_LEVELS 0
#include "pgtable/pt_radix512.h"

#define PT_STAGE	   2

#define AMD_PR		   BIT64(0)
#define AMD_A		   BIT64(5)
#define AMD_D		   BIT64(6)
#define AMD_NL_LO	   9
#define AMD_NL		   MASK64(11, 9)
#define AMD_NL_RUN	   AMD_NL /* Next Level 7 */
#define AMD_ADDR	   MASK64(51, 12)
#define AMD_LEAF_RESERVED  MASK64(56, 52)
#define AMD_TABLE_RESERVED MASK64(60, 52)
#define AMD_FC		   BIT64(60)
#define AMD_IR		   BIT64(61)
#define AMD_IW		   BIT64(62)
#define AMD_MAX_LG2	   51u /* largest page: half of a 52-bit address space */

static inline unsigned pt_items_lg2(const struct iod_pgtable *pt, unsigned level,
				    unsigned top_level)
{
	(void)pt;
	(void)top_level;
	return level == 5 ? 7 : 9; /* A3.2: level 6 indexes [63:57] */
}

/* Every power of two but 512 GiB (A3.3: hardware bug note); a level 6 entry translates nothing. */
static inline uint64_t pt_leaf_sizes(const struct iod_pgtable *pt, unsigned level)
{
	unsigned shift = 12 + 9 * level;
	unsigned hi = shift + 8 < AMD_MAX_LG2 ? shift + 8 : AMD_MAX_LG2;

	(void)pt;
	return level > 4 ? 0 : MASK64(hi, shift) & ~BIT64(39);
}

static inline unsigned amd_next_level(uint64_t pte)
{
	return (unsigned)((pte & AMD_NL) >> AMD_NL_LO);
}

/* A3.3: the first 0 bit at or above bit 12 is bit s - 1 of a page of 2^s. */
static inline unsigned amd_run_lg2(uint64_t pte)
{
	return 13 + ctz64(~(pte >> 12));
}

static inline unsigned pt_leaf_lg2(const struct iod_pgtable *pt, unsigned level, uint64_t pte)
{
	(void)pt;
	return amd_next_level(pte) == 7 ? amd_run_lg2(pte) : 12 + 9 * level;
}

static inline enum pt_type pt_item_type(const struct iod_pgtable *pt, unsigned level, uint64_t pte)
{
	unsigned next = amd_next_level(pte), shift = 12 + 9 * level, lg2;

	(void)pt;
	if (!(pte & AMD_PR))
		return PT_NONE;
	if (next == 0)
		return level <= 4 ? PT_LEAF : PT_BAD;
	if (next < 7)
		return next <= level ? PT_TABLE : PT_BAD;
	lg2 = amd_run_lg2(pte);
	if (level > 4 || lg2 <= shift || lg2 >= shift + 9 || lg2 > AMD_MAX_LG2)
		return PT_BAD;
	return PT_LEAF;
}

static inline uint64_t pt_leaf_pa(const struct iod_pgtable *pt, unsigned level, uint64_t pte)
{
	return align_down(pte & AMD_ADDR, pt_leaf_lg2(pt, level, pte));
}

static inline uint64_t pt_table_pa(const struct iod_pgtable *pt, uint64_t pte)
{
	(void)pt;
	return pte & AMD_ADDR;
}

static inline uint64_t pt_page_pa(const struct iod_pgtable *pt, uint64_t pte, uint64_t x)
{
	return pt_leaf_pa(pt, 0, pte) | (x & low_mask(pt_leaf_lg2(pt, 0, pte)));
}

static inline bool pt_item_reserved(const struct iod_pgtable *pt, unsigned level, uint64_t pte)
{
	if (pt_item_type(pt, level, pte) == PT_TABLE)
		return (pte & AMD_TABLE_RESERVED) || pt_table_pa(pt, pte) > pt->max_pa;
	return (pte & AMD_LEAF_RESERVED) || pt_leaf_pa(pt, level, pte) > pt->max_pa;
}

static inline unsigned pt_table_level(const struct iod_pgtable *pt, unsigned level, uint64_t pte)
{
	(void)pt;
	(void)level;
	return amd_next_level(pte) - 1;
}

static inline uint32_t amd_prot(uint64_t pte)
{
	return (pte & AMD_IR ? IOD_PROT_READ : 0) | (pte & AMD_IW ? IOD_PROT_WRITE : 0);
}

static inline uint32_t pt_table_deny(const struct iod_pgtable *pt, uint64_t pte)
{
	(void)pt;
	return PT_RW & ~amd_prot(pte);
}

static inline uint32_t pt_leaf_prot(const struct iod_pgtable *pt, uint64_t pte)
{
	(void)pt;
	return amd_prot(pte) | (pte & AMD_FC ? IOD_PROT_SNOOP : 0);
}

static inline uint32_t pt_leaf_memattr(const struct iod_pgtable *pt, unsigned level, uint64_t pte)
{
	(void)pt;
	(void)level;
	(void)pte;
	return 0;
}

static inline bool pt_leaf_accessed(const struct iod_pgtable *pt, uint64_t pte)
{
	(void)pt;
	return pte & AMD_A;
}

static inline enum iod_dirty pt_leaf_dirty(const struct iod_pgtable *pt, uint64_t pte)
{
	(void)pt;
	return pte & AMD_D ? IOD_DIRTY : IOD_CLEAN;
}

static inline int pt_encode_prot(const struct iod_pgtable *pt, uint32_t prot, uint64_t *attr)
{
	uint64_t v = AMD_PR;

	(void)pt;
	if (prot & ~(PT_RW | IOD_PROT_SNOOP | IOD_PROT_DIRTY))
		return -EOPNOTSUPP;
	v |= (prot & IOD_PROT_READ ? AMD_IR : 0) | (prot & IOD_PROT_WRITE ? AMD_IW : 0);
	v |= prot & IOD_PROT_SNOOP ? AMD_FC : 0;
	v |= prot & IOD_PROT_DIRTY ? AMD_A | AMD_D : 0;
	*attr = v;
	return 0;
}

/* A3.3: size 2^s sets address bits s-2..12 and leaves bit s-1 clear. */
static inline uint64_t pt_leaf_attr(const struct iod_pgtable *pt, unsigned level, uint64_t pte)
{
	(void)pt;
	(void)level;
	return pte & ~(AMD_ADDR | AMD_NL);
}

static inline uint64_t pt_make_leaf(const struct iod_pgtable *pt, unsigned level, unsigned lg2,
				    uint64_t pa, uint64_t attr)
{
	(void)pt;
	if (lg2 == 12 + 9 * level)
		return attr | pa;
	return attr | AMD_NL_RUN | align_down(pa, lg2) | (low_mask(lg2 - 1) & ~low_mask(12));
}

static inline uint64_t pt_make_table(const struct iod_pgtable *pt, unsigned level, uint64_t pa)
{
	(void)pt;
	return pa | AMD_PR | (uint64_t)level << AMD_NL_LO | AMD_IR | AMD_IW;
}

static inline void pt_get_scan_spec(const struct iod_pgtable *pt, bool skip_untracked,
				    struct pt_scan_spec *spec)
{
	(void)pt;
	(void)skip_untracked;
	*spec = (struct pt_scan_spec){
		.mask = AMD_PR | AMD_D,
		.match = AMD_PR | AMD_D,
		.clean_bit = AMD_D,
		.run_mask = AMD_PR | AMD_NL,
		.run_match = AMD_PR | AMD_NL_RUN,
		.accessed = AMD_A,
	};
}

/* A3.3: of a run, the address bits below its size are ones but for the highest. */
static inline void pt_size_spec(const struct iod_pgtable *pt, unsigned lg2, uint64_t *mask,
				uint64_t *match)
{
	(void)pt;
	*mask = AMD_PR | AMD_NL;
	*match = AMD_PR;
	if (lg2 > 12) {
		*mask |= low_mask(lg2) & ~low_mask(12);
		*match |= AMD_NL_RUN | (low_mask(lg2 - 1) & ~low_mask(12));
	}
}

static inline void pt_like_spec(const struct iod_pgtable *pt, uint64_t pte, uint64_t *mask,
				uint64_t *match)
{
	pt_size_spec(pt, pt_leaf_lg2(pt, 0, pte), mask, match);
}

/* bits.md F1: never asked, as the feature is refused. */
static inline void pt_table_access_spec(const struct iod_pgtable *pt, uint64_t *mask,
					uint64_t *match, uint64_t *bit)
{
	(void)pt;
	*mask = 0;
	*match = 1; /* no item */
	*bit = 0;
}

/* A3.4 */
static inline uint64_t pt_hw_mark(const struct iod_pgtable *pt, uint64_t pte, bool write)
{
	if (pt->features & IOD_PT_HW_ACCESS)
		pte |= AMD_A | (write && (pt->features & IOD_PT_HW_DIRTY) ? AMD_D : 0);
	return pte;
}

/* bits.md F1: whether hardware writes A into a PDE is unconfirmed. */
static inline uint64_t pt_hw_mark_table(const struct iod_pgtable *pt, uint64_t pte, bool open)
{
	return open && (pt->features & IOD_PT_HW_ACCESS) ? pte | AMD_A : pte;
}

static inline int pt_fmt_init(struct iod_pgtable *pt, const struct iod_pgtable_cfg *cfg,
			      unsigned *top_level)
{
	uint32_t levels = cfg->levels ? cfg->levels : 3;
	uint32_t oas = cfg->oas ? cfg->oas : 52;
	uint32_t ias = cfg->ias ? cfg->ias : 64;

	if ((pt->features & ~(IOD_PT_HW_ACCESS | IOD_PT_HW_DIRTY)) || cfg->mair)
		return -EOPNOTSUPP;
	if (levels > 6 || (cfg->granule && cfg->granule != 4096))
		return -EINVAL;
	if (ias < 13 || ias > 64 || oas < 32 || oas > 52)
		return -ERANGE;
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
	bool dirty = pt->features & IOD_PT_HW_DIRTY;

	info->u.amd_v1.root = top.pa;
	info->u.amd_v1.mode = (uint8_t)(top.level + 1);
	info->u.amd_v1.had = dirty ? 3 : pt->features & IOD_PT_HW_ACCESS ? 1 : 0;
}

#endif
