/* SPDX-License-Identifier: MIT */
/* What capability registers allow; no registers: everything. */
#ifndef IOD_VTD_ID_H
#define IOD_VTD_ID_H

#include <iodirty/vtd.h>

#define PASID_BITS_MAX 20u
#define DID_BITS_MAX   16u
/* The whole input address space in pages. */
#define AM_MAX 52u

static inline bool vtd_ecap(const struct iod_vtd_id *id, uint64_t bits)
{
	return !id || !(bits & ~id->ecap);
}

static inline bool vtd_cap(const struct iod_vtd_id *id, uint64_t bits)
{
	return !id || !(bits & ~id->cap);
}

static inline unsigned vtd_did_bits(const struct iod_vtd_id *id)
{
	unsigned bits = id ? 4 + 2 * iod_vtd_id_field(id->cap, IOD_VTD_CAP_ND) : DID_BITS_MAX;

	return bits < DID_BITS_MAX ? bits : DID_BITS_MAX;
}

static inline unsigned vtd_pasid_bits(const struct iod_vtd_id *id)
{
	unsigned bits = id ? 1 + iod_vtd_id_field(id->ecap, IOD_VTD_ECAP_PSS) : PASID_BITS_MAX;

	return bits < PASID_BITS_MAX ? bits : PASID_BITS_MAX;
}

static inline unsigned vtd_mamv(const struct iod_vtd_id *id)
{
	unsigned mamv = id ? iod_vtd_id_field(id->cap, IOD_VTD_CAP_MAMV) : AM_MAX;

	return mamv < AM_MAX ? mamv : AM_MAX;
}

#endif
