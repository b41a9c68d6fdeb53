/* SPDX-License-Identifier: MIT */
/* Geometry of stream tables and CD tables (Arm IHI 0070, 5.1 to 5.3, 6.3.24, 6.3.25). */
#ifndef IOD_SMMUV3_TABLES_H
#define IOD_SMMUV3_TABLES_H

#include <iodirty/smmuv3_ste.h>

#include "bits.h"
#include "smmuv3/ste_bits.h"

struct strtab_geometry {
	uint64_t base;	  /* aligned as hardware does */
	unsigned bits;	  /* StreamIDs below 2^bits are in the table */
	unsigned l1_bits; /* log2 of the level-1 descriptors, or of the STEs of a linear table */
	unsigned split;	  /* StreamID bits of the second level */
	bool two_level;
};

static inline struct strtab_geometry strtab_geometry(uint64_t base, uint32_t cfg)
{
	unsigned log2size = STRTAB_LOG2SIZE(cfg), split = STRTAB_SPLIT(cfg), align;
	struct strtab_geometry g = { .two_level = STRTAB_FMT(cfg) == STRTAB_FMT_2LEVEL };

	g.split = split == 8 || split == 10 ? split : SPLIT_DEFAULT;
	g.bits = log2size < SID_BITS_MAX ? log2size : SID_BITS_MAX;
	g.l1_bits = g.bits;
	align = log2size + STE_LG2;
	if (g.two_level) {
		g.l1_bits = g.bits > g.split ? g.bits - g.split : 0;
		align = log2size > g.split ? log2size - g.split + 3 : 3;
	}
	g.base = align_down(STRTAB_ADDR(base), align);
	return g;
}

/* log2 of the STEs behind a level-1 descriptor; -1: it is not valid. */
static inline int l1std_lg2(uint64_t l1std)
{
	unsigned span = L1STD_SPAN(l1std);

	return span > L1STD_SPAN_MAX ? -1 : (int)span - 1;
}

static inline uint64_t l1std_ptr(uint64_t l1std)
{
	return align_down(L1STD_PTR(l1std), (unsigned)l1std_lg2(l1std) + STE_LG2);
}

/* A CD table as an effective STE describes it. */
struct cdtab_geometry {
	uint64_t base;	  /* aligned as hardware does */
	unsigned bits;	  /* log2 of the CDs */
	unsigned l1_bits; /* log2 of the level-1 descriptors, or of the CDs of a linear table */
	unsigned split;	  /* SubstreamID bits of the second level */
	bool two_level;
};

static inline struct cdtab_geometry cdtab_geometry(const struct iod_smmuv3_ste *ste)
{
	struct cdtab_geometry g = { .bits = ste->s1cdmax, .l1_bits = ste->s1cdmax };
	unsigned align = g.bits + STE_LG2;

	g.two_level = g.bits && (ste->s1fmt == S1FMT_4K || ste->s1fmt == S1FMT_64K);
	if (g.two_level) {
		g.split = L2_CDS_LG2(ste->s1fmt);
		g.l1_bits = g.bits > g.split ? g.bits - g.split : 0;
		align = g.l1_bits > 3 ? g.l1_bits + 3 : STE_LG2;
	}
	g.base = align_down(ste->s1contextptr, align);
	return g;
}

/* A level-1 context descriptor's table: of a leaf of 64 KiB bits 15:12 are RES0. */
static inline uint64_t l1cd_ptr(uint64_t l1cd, const struct cdtab_geometry *g)
{
	return align_down(L1CD_PTR(l1cd), g->split + STE_LG2);
}

#endif
