/* SPDX-License-Identifier: MIT */
/* Between the mdl_amdvi_*.c files: feature fields, and taking fields out of words. */
#ifndef MDL_AMDVI_INT_H
#define MDL_AMDVI_INT_H

#include "mdl_amdvi.h"
#include "model_int.h"

/* Bits hi..lo of one word; what remains in @left is reserved. */
static inline uint64_t amd_take(uint64_t w, uint64_t *left, unsigned hi, unsigned lo)
{
	*left &= ~mdl_bits(hi, lo);
	return (w & mdl_bits(hi, lo)) >> lo;
}

static inline unsigned amd_efr(const struct mdl_amdvi_id *id, unsigned hi, unsigned lo)
{
	return (unsigned)((id->efr & mdl_bits(hi, lo)) >> lo);
}

#define EFR_PREFSUP(id)	  amd_efr(id, 0, 0)
#define EFR_PPRSUP(id)	  amd_efr(id, 1, 1)
#define EFR_GTSUP(id)	  amd_efr(id, 4, 4)
#define EFR_IASUP(id)	  amd_efr(id, 6, 6)
#define EFR_HATS(id)	  amd_efr(id, 11, 10)
#define EFR_GATS(id)	  amd_efr(id, 13, 12)
#define EFR_GLXSUP(id)	  amd_efr(id, 15, 14)
#define EFR_PASMAX(id)	  amd_efr(id, 36, 32)
#define EFR_GIOSUP(id)	  amd_efr(id, 48, 48)
#define EFR_HASUP(id)	  amd_efr(id, 49, 49)
#define EFR_EPHSUP(id)	  amd_efr(id, 50, 50)
#define EFR_HDSUP(id)	  amd_efr(id, 52, 52)
#define EFR_IOTLBTYPE(id) amd_efr(id, 54, 54)

/* PASmax is the number of bits less one; a PASID has 20 at most. */
static inline bool amd_pasid_fits(const struct mdl_amdvi_id *id, unsigned pasid)
{
	unsigned bits = EFR_PASMAX(id) + 1;

	return !(pasid >> (bits < 20 ? bits : 20));
}

#endif
