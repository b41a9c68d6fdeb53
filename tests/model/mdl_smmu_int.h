/* SPDX-License-Identifier: MIT */
/* Between the mdl_smmu_*.c files: identification fields, and taking fields out of words. */
#ifndef MDL_SMMU_INT_H
#define MDL_SMMU_INT_H

#include "mdl_smmu.h"
#include "model_int.h"

/* Bits hi..lo of a multi-word structure, counted from bit 0 of word 0, within one word. */
static inline uint64_t mdl_field(const uint64_t *w, unsigned hi, unsigned lo)
{
	return w[lo / 64] >> lo % 64 & mdl_low(hi - lo + 1);
}

static inline bool mdl_flag(const uint64_t *w, unsigned bit)
{
	return mdl_field(w, bit, bit);
}

/* Takes the bits of a field out of @left, so that what remains there is reserved. */
static inline uint64_t mdl_take(const uint64_t *w, uint64_t *left, unsigned hi, unsigned lo)
{
	left[lo / 64] &= ~(mdl_low(hi - lo + 1) << lo % 64);
	return mdl_field(w, hi, lo);
}

/* An address field keeps its place in the word. */
static inline uint64_t mdl_take_addr(const uint64_t *w, uint64_t *left, unsigned hi, unsigned lo)
{
	return mdl_take(w, left, hi, lo) << lo % 64;
}

static inline unsigned mdl_idr(const struct mdl_smmu_id *id, unsigned n, unsigned hi, unsigned lo)
{
	return (unsigned)(id->idr[n] >> lo & mdl_low(hi - lo + 1));
}

/* 6.3.1: IDR0 */
#define ID_S2P(id)	   mdl_idr(id, 0, 0, 0)
#define ID_S1P(id)	   mdl_idr(id, 0, 1, 1)
#define ID_TTF(id)	   mdl_idr(id, 0, 3, 2)
#define ID_HTTU(id)	   mdl_idr(id, 0, 7, 6)
#define ID_HYP(id)	   mdl_idr(id, 0, 9, 9)
#define ID_ATS(id)	   mdl_idr(id, 0, 10, 10)
#define ID_NS1ATS(id)	   mdl_idr(id, 0, 11, 11)
#define ID_ASID16(id)	   mdl_idr(id, 0, 12, 12)
#define ID_MSI(id)	   mdl_idr(id, 0, 13, 13)
#define ID_SEV(id)	   mdl_idr(id, 0, 14, 14)
#define ID_PRI(id)	   mdl_idr(id, 0, 16, 16)
#define ID_VMID16(id)	   mdl_idr(id, 0, 18, 18)
#define ID_CD2L(id)	   mdl_idr(id, 0, 19, 19)
#define ID_TTENDIAN(id)	   mdl_idr(id, 0, 22, 21)
#define ID_STALL_MODEL(id) mdl_idr(id, 0, 25, 24)
#define ID_TERM_MODEL(id)  mdl_idr(id, 0, 26, 26)
#define ID_ST_LEVEL(id)	   mdl_idr(id, 0, 28, 27)
/* IDR1 */
#define ID_SIDSIZE(id)	 mdl_idr(id, 1, 5, 0)
#define ID_SSIDSIZE(id)	 mdl_idr(id, 1, 10, 6)
#define ID_PERMS_OVR(id) mdl_idr(id, 1, 26, 26)
/* IDR3 */
#define ID_HAD(id)  mdl_idr(id, 3, 2, 2)
#define ID_PBHA(id) mdl_idr(id, 3, 3, 3)
#define ID_XNX(id)  mdl_idr(id, 3, 4, 4)
#define ID_MPAM(id) mdl_idr(id, 3, 7, 7)
#define ID_FWB(id)  mdl_idr(id, 3, 8, 8)
#define ID_STT(id)  mdl_idr(id, 3, 9, 9)
#define ID_RIL(id)  mdl_idr(id, 3, 10, 10)
#define ID_E0PD(id) mdl_idr(id, 3, 13, 13)
#define ID_DPT(id)  mdl_idr(id, 3, 15, 15)
#define ID_S1PI(id) mdl_idr(id, 3, 18, 18)
#define ID_S2PI(id) mdl_idr(id, 3, 19, 19)
#define ID_S2PO(id) mdl_idr(id, 3, 20, 20)
/* IDR5 */
#define ID_OAS(id)	mdl_idr(id, 5, 2, 0)
#define ID_GRANULES(id) mdl_idr(id, 5, 6, 4) /* bit 0 4K, 1 16K, 2 64K */
#define ID_DS(id)	mdl_idr(id, 5, 7, 7)
#define ID_D128(id)	mdl_idr(id, 5, 8, 8)
#define ID_VAX(id)	mdl_idr(id, 5, 11, 10)

/* OAS, CD.IPS and STE.S2PS share one code. */
unsigned mdl_smmu_bits(unsigned code);
/* 3.4: the sizes of physical and of intermediate addresses */
unsigned mdl_smmu_oas(const struct mdl_smmu_id *id);
unsigned mdl_smmu_ias(const struct mdl_smmu_id *id);
/* The regime of this stream's stage 1 is EL2 without ASIDs and without TTB1 (5.2, STRW). */
bool mdl_smmu_el2(const struct mdl_ste *ste, const struct mdl_smmu_id *id, bool e2h);

/* TG0 or S2TG, and TG1: log2 of the granule, 0 if reserved or not implemented. */
unsigned mdl_smmu_granule0(unsigned tg, const struct mdl_smmu_id *id);
unsigned mdl_smmu_granule1(unsigned tg, const struct mdl_smmu_id *id);
/* DS or S2DS has an effect: 52-bit descriptors of a small granule. */
bool mdl_smmu_ds(bool ds, unsigned granule, const struct mdl_smmu_id *id);
/* First level of a VMSAv8-64 stage 2, -2 for a reserved code. */
int mdl_smmu_s2_level(const struct mdl_ste *ste, unsigned granule, bool ds,
		      const struct mdl_smmu_id *id);

#endif
