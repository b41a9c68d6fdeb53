/* SPDX-License-Identifier: MIT */
/* Table entries composed by hand from the bit tables of the specifications. */
#include "iodtest.h"

#define BIT(n) IODT_BIT(n)

static bool has_hd(const struct iodt_variant *v)
{
	return v->features & IOD_PT_HW_DIRTY;
}

/* VMSAv8-64, 64K granule and 52 bits: PA[51:48] in bits 15:12. */
static uint64_t arm_pa(const struct iodt_variant *v, uint64_t pa)
{
	if (v->oas == 52)
		return (pa & (BIT(48) - 1)) | (pa >> 48) << 12;
	return pa;
}

static uint32_t memattr(uint32_t prot, uint32_t dflt)
{
	return prot & BIT(8) ? prot >> 16 & 0xff : dflt;
}

/* Stage 1: AttrIndx 4:2, AP[1] 6, AP[2] 7, SH 9:8, AF 10, nG 11, DBM 51, PXN 53, UXN 54. */
static uint64_t arm_s1_attr(const struct iodt_variant *v, uint32_t prot)
{
	uint64_t pte = BIT(10) | 3u << 8 | (uint64_t)memattr(prot, 0) << 2;

	if (!(prot & IOD_PROT_PRIV))
		pte |= BIT(6);
	if (!(prot & IOD_PROT_GLOBAL))
		pte |= BIT(11);
	if (prot & IOD_PROT_NOEXEC)
		pte |= BIT(53) | BIT(54);
	if (!(prot & IOD_PROT_WRITE))
		return pte | BIT(7);
	if (has_hd(v) && !(prot & IOD_PROT_UNTRACKED)) {
		pte |= BIT(51);
		if (!(prot & IOD_PROT_DIRTY))
			pte |= BIT(7);
	}
	return pte;
}

/* Stage 2: MemAttr 5:2, S2AP 7:6 (read, write), SH 9:8, AF 10, DBM 51, XN[1:0] 54:53 (10: none). */
static uint64_t arm_s2_attr(const struct iodt_variant *v, uint32_t prot)
{
	uint32_t wb = v->features & IOD_PT_S2FWB ? 6 : 15;
	uint64_t pte = BIT(10) | 3u << 8 | (uint64_t)memattr(prot, wb) << 2;

	if (prot & IOD_PROT_READ)
		pte |= BIT(6);
	if (prot & IOD_PROT_NOEXEC)
		pte |= BIT(54);
	if (!(prot & IOD_PROT_WRITE))
		return pte;
	if (!has_hd(v) || prot & IOD_PROT_UNTRACKED)
		return pte | BIT(7);
	pte |= BIT(51);
	return prot & IOD_PROT_DIRTY ? pte | BIT(7) : pte;
}

static uint64_t arm_leaf(const struct iodt_variant *v, uint64_t size, uint64_t pa, uint32_t prot)
{
	uint64_t pte = arm_pa(v, pa);

	pte |= iodt_item_level(v, size) ? 1 : 3;
	if (iodt_item_size(v, size) != size)
		pte |= BIT(52);
	return pte | (v->format == IOD_ARM_LPAE_S1 ? arm_s1_attr(v, prot) : arm_s2_attr(v, prot));
}

/* R 0, W 1, EMT 5:3 (6 write-back), IPAT 6, PS 7, A 8, D 9, SNP 11. */
static uint64_t vtd_ss_leaf(const struct iodt_variant *v, uint64_t size, uint64_t pa, uint32_t prot)
{
	uint64_t pte = pa | (uint64_t)memattr(prot, 6) << 3;

	pte |= prot & IOD_PROT_READ ? BIT(0) : 0;
	pte |= prot & IOD_PROT_WRITE ? BIT(1) : 0;
	pte |= size > IODT_4K ? BIT(7) : 0;
	pte |= prot & IOD_PROT_SNOOP ? BIT(11) : 0;
	pte |= prot & IOD_PROT_DIRTY ? BIT(8) | BIT(9) : 0;
	return pte;
}

/* P 0, RW 1, US 2, PWT 3, PCD 4, A 5, D 6, PS 7 (PAT in a PTE, else PAT is 12), G 8, XD 63. */
static uint64_t x86_leaf(uint64_t size, uint64_t pa, uint32_t prot)
{
	uint32_t attr = memattr(prot, 0);
	uint64_t pte = pa | BIT(0) | (uint64_t)(attr & 3) << 3;

	pte |= prot & IOD_PROT_WRITE ? BIT(1) : 0;
	pte |= prot & IOD_PROT_PRIV ? 0 : BIT(2);
	pte |= prot & IOD_PROT_DIRTY ? BIT(5) | BIT(6) : 0;
	pte |= prot & IOD_PROT_GLOBAL ? BIT(8) : 0;
	pte |= prot & IOD_PROT_NOEXEC ? BIT(63) : 0;
	if (size > IODT_4K)
		return pte | BIT(7) | (attr & 4 ? BIT(12) : 0);
	return attr & 4 ? pte | BIT(7) : pte;
}

/*
 * PR 0, A 5, D 6, NextLevel 11:9, FC 60, IR 61, IW 62. A size that no level has by itself:
 * NextLevel 7,
 * address bits 12 to log2(size) - 2 ones, the next a zero; the same in every replica.
 */
static uint64_t amd_v1_leaf(const struct iodt_variant *v, uint64_t size, uint64_t pa, uint32_t prot)
{
	uint64_t pte = BIT(0);

	if (iodt_item_size(v, size) != size)
		pte |= 7u << 9 | (pa & -size) | ((size >> 1) - BIT(12));
	else
		pte |= pa;
	pte |= prot & IOD_PROT_READ ? BIT(61) : 0;
	pte |= prot & IOD_PROT_WRITE ? BIT(62) : 0;
	pte |= prot & IOD_PROT_SNOOP ? BIT(60) : 0;
	pte |= prot & IOD_PROT_DIRTY ? BIT(5) | BIT(6) : 0;
	return pte;
}

uint64_t iodt_make_leaf(const struct iodt_variant *v, uint64_t size, uint64_t pa, uint32_t prot)
{
	switch (v->format) {
	case IOD_ARM_LPAE_S1:
	case IOD_ARM_LPAE_S2:
		return arm_leaf(v, size, pa, prot);
	case IOD_VTD_SS:
		return vtd_ss_leaf(v, size, pa, prot);
	case IOD_AMD_V1:
		return amd_v1_leaf(v, size, pa, prot);
	default:
		return x86_leaf(size, pa, prot);
	}
}

uint64_t iodt_make_table(const struct iodt_variant *v, uint32_t level, uint64_t pa)
{
	switch (v->format) {
	case IOD_ARM_LPAE_S1:
	case IOD_ARM_LPAE_S2:
		return arm_pa(v, pa) | 3;
	case IOD_VTD_SS:
		return pa | BIT(0) | BIT(1);
	case IOD_AMD_V1:
		/* NextLevel counts from 1 */
		return pa | BIT(0) | (uint64_t)level << 9 | BIT(61) | BIT(62);
	default:
		return pa | BIT(0) | BIT(1) | BIT(2);
	}
}

uint64_t iodt_leaf_free_bits(const struct iodt_variant *v, uint32_t prot)
{
	uint64_t bits = 0;

	/* ARM without hardware's help needs AF; the others do not care */
	if (v->features & (IOD_PT_HW_ACCESS | IOD_PT_HW_DIRTY) || !(iodt_caps(v) & IODT_ARM))
		bits |= prot & IOD_PROT_DIRTY ? 0 : iodt_accessed_bit(v);
	return bits;
}
