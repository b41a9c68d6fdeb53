/* SPDX-License-Identifier: MIT */
/*
 * x86-64 long-mode paging entries (bits.md A2.2, A3.5), shared by the two formats that use them.
 *
 * Level names: PTE = level 0, PDE 1, PDPE 2, PML4E 3, PML5E 4. Hardware sets A in every entry used and
 * D in the leaf, always. The including format defines PT_STAGE, PT_X86_TABLE_ACCESS_OPEN (1 where it is
 * unconfirmed that hardware sets A in table entries), and x86_hw_info().
 */
#ifndef IOD_X86_64_FMT_H
#define IOD_X86_64_FMT_H

#include <errno.h>

#define PT_PLAIN_LEVELS 1
#include "pgtable/pt_radix512.h"

#define X86_P	      BIT64(0)
#define X86_RW	      BIT64(1)
#define X86_US	      BIT64(2)
#define X86_PWT_LO    3 /* PWT 3, PCD 4 */
#define X86_A	      BIT64(5)
#define X86_D	      BIT64(6)
#define X86_PS	      BIT64(7) /* PAT in a PTE */
#define X86_G	      BIT64(8)
#define X86_PAT_LARGE BIT64(12)
#define X86_ADDR      MASK64(51, 12)
#define X86_XD	      BIT64(63)

static inline enum pt_type pt_item_type(const struct iod_pgtable *pt, unsigned level, uint64_t pte)
{
	(void)pt;
	if (!(pte & X86_P))
		return PT_NONE;
	if (level == 0)
		return PT_LEAF;
	if (!(pte & X86_PS))
		return PT_TABLE;
	return level <= 2 ? PT_LEAF : PT_BAD;
}

static inline uint64_t x86_leaf_addr(unsigned level, uint64_t pte)
{
	return level ? pte & X86_ADDR & ~X86_PAT_LARGE : pte & X86_ADDR;
}

static inline bool pt_item_reserved(const struct iod_pgtable *pt, unsigned level, uint64_t pte)
{
	uint64_t addr = pte & X86_ADDR;

	if (addr > pt->max_pa)
		return true;
	return level && (pte & X86_PS) && !is_aligned(x86_leaf_addr(level, pte), 12 + 9 * level);
}

static inline uint64_t pt_table_pa(const struct iod_pgtable *pt, uint64_t pte)
{
	(void)pt;
	return pte & X86_ADDR;
}

static inline uint32_t pt_table_deny(const struct iod_pgtable *pt, uint64_t pte)
{
	(void)pt;
	return (pte & X86_RW ? 0 : IOD_PROT_WRITE) | (pte & X86_US ? 0 : IOD_PROT_PRIV) |
	       (pte & X86_XD ? IOD_PROT_NOEXEC : 0);
}

static inline uint64_t pt_leaf_pa(const struct iod_pgtable *pt, unsigned level, uint64_t pte)
{
	(void)pt;
	return align_down(x86_leaf_addr(level, pte), 12 + 9 * level);
}

static inline uint64_t pt_page_pa(const struct iod_pgtable *pt, uint64_t pte, uint64_t x)
{
	return pt_leaf_pa(pt, 0, pte) | (x & low_mask(12));
}

static inline uint32_t pt_leaf_prot(const struct iod_pgtable *pt, uint64_t pte)
{
	(void)pt;
	return IOD_PROT_READ | (pte & X86_RW ? IOD_PROT_WRITE : 0) |
	       (pte & X86_US ? 0 : IOD_PROT_PRIV) | (pte & X86_G ? IOD_PROT_GLOBAL : 0) |
	       (pte & X86_XD ? IOD_PROT_NOEXEC : 0);
}

static inline uint32_t pt_leaf_memattr(const struct iod_pgtable *pt, unsigned level, uint64_t pte)
{
	uint64_t pat = level ? pte & X86_PAT_LARGE : pte & X86_PS;

	(void)pt;
	return (uint32_t)(pte >> X86_PWT_LO & 3) | (pat ? 4u : 0);
}

static inline bool pt_leaf_accessed(const struct iod_pgtable *pt, uint64_t pte)
{
	(void)pt;
	return pte & X86_A;
}

static inline enum iod_dirty pt_leaf_dirty(const struct iod_pgtable *pt, uint64_t pte)
{
	(void)pt;
	return pte & X86_D ? IOD_DIRTY : IOD_CLEAN;
}

/* PAT is kept in its 4 KiB place (bit 7) until pt_make_leaf() knows the level. */
static inline int pt_encode_prot(const struct iod_pgtable *pt, uint32_t prot, uint64_t *attr)
{
	uint32_t memattr = prot >> 16 & 0xff;
	uint64_t v = X86_P;

	(void)pt;
	if (prot & ~(PT_RW | IOD_PROT_NOEXEC | IOD_PROT_PRIV | IOD_PROT_GLOBAL | IOD_PROT_DIRTY |
		     IOD_PROT_MEMATTR(0xff)))
		return -EOPNOTSUPP;
	if (memattr > 7 || (memattr && !(prot & IOD_PROT_MEMATTR(0))))
		return -EINVAL;
	v |= (uint64_t)(memattr & 3) << X86_PWT_LO | (memattr & 4 ? X86_PS : 0);
	v |= (prot & IOD_PROT_WRITE ? X86_RW : 0) | (prot & IOD_PROT_PRIV ? 0 : X86_US);
	v |= (prot & IOD_PROT_GLOBAL ? X86_G : 0) | (prot & IOD_PROT_NOEXEC ? X86_XD : 0);
	v |= prot & IOD_PROT_DIRTY ? X86_A | X86_D : 0;
	*attr = v;
	return 0;
}

static inline uint64_t pt_leaf_attr(const struct iod_pgtable *pt, unsigned level, uint64_t pte)
{
	(void)pt;
	if (!level)
		return pte & ~X86_ADDR;
	return (pte & ~(X86_ADDR | X86_PS)) | (pte & X86_PAT_LARGE ? X86_PS : 0);
}

static inline uint64_t pt_make_leaf(const struct iod_pgtable *pt, unsigned level, unsigned lg2,
				    uint64_t pa, uint64_t attr)
{
	(void)pt;
	(void)lg2;
	if (!level)
		return attr | pa;
	return (attr & ~X86_PS) | pa | X86_PS | (attr & X86_PS ? X86_PAT_LARGE : 0);
}

static inline uint64_t pt_make_table(const struct iod_pgtable *pt, unsigned level, uint64_t pa)
{
	(void)pt;
	(void)level;
	return pa | X86_P | X86_RW | X86_US;
}

static inline void pt_get_scan_spec(const struct iod_pgtable *pt, bool skip_untracked,
				    struct pt_scan_spec *spec)
{
	(void)pt;
	(void)skip_untracked;
	*spec = (struct pt_scan_spec){
		.mask = X86_P | X86_D,
		.match = X86_P | X86_D,
		.clean_bit = X86_D,
		.accessed = X86_A,
	};
}

static inline void pt_size_spec(const struct iod_pgtable *pt, unsigned lg2, uint64_t *mask,
				uint64_t *match)
{
	(void)pt;
	(void)lg2;
	*mask = X86_P;
	*match = X86_P;
}

static inline void pt_like_spec(const struct iod_pgtable *pt, uint64_t pte, uint64_t *mask,
				uint64_t *match)
{
	(void)pte;
	pt_size_spec(pt, 12, mask, match);
}

static inline void pt_table_access_spec(const struct iod_pgtable *pt, uint64_t *mask,
					uint64_t *match, uint64_t *bit)
{
	(void)pt;
	*mask = X86_P | X86_PS | X86_A;
	*match = X86_P | X86_A;
	*bit = X86_A;
}

static inline uint64_t pt_hw_mark(const struct iod_pgtable *pt, uint64_t pte, bool write)
{
	(void)pt;
	return pte | X86_A | (write ? X86_D : 0);
}

static inline uint64_t pt_hw_mark_table(const struct iod_pgtable *pt, uint64_t pte, bool open)
{
	(void)pt;
	return PT_X86_TABLE_ACCESS_OPEN && !open ? pte : pte | X86_A;
}

static inline int pt_fmt_init(struct iod_pgtable *pt, const struct iod_pgtable_cfg *cfg,
			      unsigned *top_level)
{
	uint32_t levels = cfg->levels ? cfg->levels : 4;
	uint32_t oas = cfg->oas ? cfg->oas : 52;
	uint32_t known = IOD_PT_HW_ACCESS | IOD_PT_HW_DIRTY |
			 (PT_X86_TABLE_ACCESS_OPEN ? 0 : IOD_PT_HW_TABLE_ACCESS);

	if ((pt->features & ~known) || cfg->mair)
		return -EOPNOTSUPP;
	if (levels < 4 || levels > 5 || (cfg->granule && cfg->granule != 4096))
		return -EINVAL;
	if ((cfg->ias && cfg->ias != 12 + 9 * levels) || oas < 32 || oas > 52)
		return -ERANGE;
	pt->features |= IOD_PT_HW_ACCESS | IOD_PT_HW_DIRTY;
	pt->granule_lg2 = 12;
	pt->ias = (uint8_t)(12 + 9 * levels);
	pt->oas = (uint8_t)oas;
	pt->space_lg2 = 64;
	pt->half = PT_CANONICAL;
	*top_level = levels - 1;
	return 0;
}

static inline void pt_fmt_hw_info(const struct iod_pgtable *pt, struct pt_top top,
				  struct iod_hw_info *info)
{
	(void)pt;
	x86_hw_info(top, info);
}

#endif
