/* SPDX-License-Identifier: MIT */
/* Features as numbers. A NULL id stands for an IOMMU that has everything. */
#ifndef IOD_AMDVI_ID_INT_H
#define IOD_AMDVI_ID_INT_H

#include <iodirty/amdvi.h>

#define AMDVI_PASID_BITS 20u

/* All of @bits. */
static inline bool amdvi_has(const struct iod_amdvi_id *id, uint64_t bits)
{
	return !id || !(bits & ~id->efr);
}

/* HATS 3 is reserved: taken for the most there is. */
static inline unsigned amdvi_host_levels(const struct iod_amdvi_id *id)
{
	uint32_t hats = id ? iod_amdvi_id_field(id->efr, IOD_AMDVI_EFR_HATS) : 2;

	return hats < 2 ? 4 + hats : 6;
}

/* GATS 2 would be 6 levels, which GuestPagingMode cannot ask for; 3 is reserved. */
static inline unsigned amdvi_guest_levels(const struct iod_amdvi_id *id)
{
	return id && !iod_amdvi_id_field(id->efr, IOD_AMDVI_EFR_GATS) ? 4 : 5;
}

/* GLXSup 3 is reserved: taken for the most there is. */
static inline unsigned amdvi_max_glx(const struct iod_amdvi_id *id)
{
	uint32_t glx = id ? iod_amdvi_id_field(id->efr, IOD_AMDVI_EFR_GLXSUP) : 2;

	return glx < 2 ? glx : 2;
}

static inline unsigned amdvi_pasid_bits(const struct iod_amdvi_id *id)
{
	uint32_t bits =
		id ? iod_amdvi_id_field(id->efr, IOD_AMDVI_EFR_PASMAX) + 1 : AMDVI_PASID_BITS;

	return bits < AMDVI_PASID_BITS ? bits : AMDVI_PASID_BITS;
}

#endif
